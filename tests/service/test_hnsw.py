import numpy as np
import pytest

from service import hnsw
from service.errors import ArtifactError


def model(n=300, dim=6, biased=True, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(1, 1, (n, dim)).astype(np.float32)
    return vectors, rng.normal(0, 3, n).astype(np.float32) * np.float32(biased)


def settings(space="ip", ef=300):
    return hnsw.Settings(space=space, M=16, ef_construction=300, ef=ef)


@pytest.mark.parametrize("space", ["ip", "l2"])
@pytest.mark.parametrize("biased", [False, True])
def test_a_full_search_finds_the_best_scores_in_order(space, biased, tmp_path):
    vectors, biases = model(biased=biased)
    graph = hnsw.build(vectors, biases, settings(space), seed=0)
    graph.save(tmp_path / "index.bin")
    loaded = hnsw.load(tmp_path / "index.bin", vectors, biases, settings(space))
    for query in np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32):
        wanted = np.argsort(-(vectors @ query + biases))[:50].tolist()
        found = graph.search(query, 50).tolist()
        assert loaded.search(query, 50).tolist() == found
        if space == "l2":
            assert found == wanted
        else:  # no metric: an item or so may be out of reach
            assert found[:10] == wanted[:10]
            assert len(set(found) & set(wanted)) >= 48


def test_one_thread_builds_the_same_graph_every_time(tmp_path):
    for name in ("a", "b"):
        hnsw.build(*model(), settings(), seed=3).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("space", ["ip", "l2"])
@pytest.mark.parametrize(
    "other",
    [model(n=299), model(n=301), model(dim=7), model(seed=1), model(biased=False)],
    ids=["fewer items", "more items", "other dimension", "other vectors", "no biases"],
)
def test_a_graph_of_other_vectors_is_refused(tmp_path, space, other):
    path = tmp_path / "index.bin"
    hnsw.build(*other, settings(space), seed=0).save(path)
    with pytest.raises(ArtifactError, match="again"):
        hnsw.load(path, *model(), settings(space))


def test_a_graph_of_shuffled_items_is_refused(tmp_path):
    vectors, biases = model()
    hnsw.build(vectors[::-1].copy(), biases[::-1].copy(), settings(), seed=0).save(tmp_path / "index.bin")
    with pytest.raises(ArtifactError, match="not the vectors"):
        hnsw.load(tmp_path / "index.bin", vectors, biases, settings())


@pytest.mark.parametrize("content", [b"", b"x" * 10, b"\0" * 200])
def test_a_file_that_is_no_graph_is_refused(tmp_path, content):
    (tmp_path / "index.bin").write_bytes(content)
    with pytest.raises(ArtifactError):
        hnsw.load(tmp_path / "index.bin", *model(), settings())


def test_a_graph_in_the_other_space_is_refused(tmp_path):
    hnsw.build(*model(), settings("l2"), seed=0).save(tmp_path / "index.bin")
    with pytest.raises(ArtifactError):
        hnsw.load(tmp_path / "index.bin", *model(), settings("ip"))


def test_ef_can_be_raised():
    graph = hnsw.build(*model(), settings(ef=1), seed=0)
    graph.set_ef(64)
    assert graph.ef == graph.settings.ef == 64


@pytest.mark.parametrize("space", ["ip", "l2"])
@pytest.mark.parametrize("biased", [False, True])
def test_the_order_differs_from_that_of_exact_scores_by_no_more_than_rounding(space, biased):
    vectors, biases = model(2000, 32, biased)
    vectors[1000:] = vectors[:1000] + np.float32(1e-6)
    graph = hnsw.build(vectors, biases, settings(space), seed=0)
    largest = 0.0
    for query in np.random.default_rng(1).normal(size=(20, 32)).astype(np.float32):
        exact = vectors.astype(np.float64) @ query + biases
        scores = exact[graph.search(query, 300).astype(np.int64)]
        wrong = (scores - np.minimum.accumulate(scores)).max()
        assert wrong <= np.polyval(graph.rounding, np.linalg.norm(query)) < 0.01 * (exact.max() - exact.min())
        largest = max(largest, wrong)
    assert largest > 0 or biased  # a bias of 3 sets all scores apart
