"""From an artifact on disk to the generator that serves an embedding."""

import json

import numpy as np
import pytest

from service import hnsw
from service.cg.ann import ANN
from service.cg.base import Query
from service.cg.knn import DotProductKNN
from service.errors import ArtifactError
from service.history import History
from service.ids import Id
from service.registry import load
from service.store import Store
from tests import stores
from training import scan_codes
from training.artifacts import data_draft, embedding_arrays, model_draft
from training.embeddings import Embeddings
from training.index_choice import IndexConfig, choose_index

DIM = 3
CONFIGS = {
    "als": {"weighting": "count", "alpha0": 0.1, "lambd": 0.1, "nu": 1.0, "loss": "ials"},
    "bpr": {"weighting": "binary"},
    "adaptive_bpr": {"weighting": "log"},
}


def parts(algorithm="als", index="exact"):
    """Arrays and files of an artifact, as a fit leaves them."""
    rng = np.random.default_rng(0)
    shapes = (stores.N_USERS, DIM), (stores.N_ITEMS, DIM), (stores.N_ITEMS,)
    model = Embeddings(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))
    arrays = embedding_arrays(model, stores.tiny_interactions().user_ids)
    if algorithm != "als":
        arrays["fold_in_map"] = rng.normal(size=(DIM + 1, DIM)).astype(np.float32)
    return arrays, choose_index(model, IndexConfig(index=index)).files


def release(root, algorithm="als", arrays=None, files=None, config=None):
    """Publish and load."""
    interactions = stores.tiny_interactions()
    own, _ = parts(algorithm)
    draft = model_draft(
        "model",
        algorithm,
        interactions,
        own if arrays is None else arrays,
        CONFIGS[algorithm] if config is None else config,
        data_fingerprint="0" * 64,
        fit_seconds=0.1,
        metrics={},
        files=files or {},
    )
    store = Store(root)
    store.publish([data_draft(interactions), draft])
    return load(store)


def top(loaded, user: Id, history=None):
    query = Query(user) if history is None else Query(user, history, history_given=True)
    return loaded.cgs["model"].rank(query).top(20)


@pytest.mark.parametrize("algorithm", CONFIGS)
@pytest.mark.parametrize(("index", "kind"), [("exact", DotProductKNN), ("hnsw", ANN)])
def test_an_embedding_is_served_as_its_artifact_says(tmp_path, algorithm, index, kind):
    arrays, files = parts(algorithm, index)
    loaded = release(tmp_path, algorithm, arrays, files)
    assert type(loaded.cgs["model"]) is kind
    for user in range(stores.N_USERS):
        scores = arrays["item_vectors"] @ arrays["user_vectors"][user] + arrays["item_biases"]
        found = top(loaded, stores.user_id(user))
        assert found.items.tolist() == np.argsort(-scores).tolist()
        np.testing.assert_allclose(found.scores, scores[found.items], rtol=1e-5)


@pytest.mark.parametrize("algorithm", CONFIGS)
def test_the_exact_scan_and_the_graph_fold_in_alike(tmp_path, algorithm):
    given = History(np.array([1, 4], np.int32), np.array([2, 1], np.int32), np.zeros(2, np.int64))
    answers = []
    for index in ("exact", "hnsw"):
        arrays, files = parts(algorithm, index)
        answers.append(top(release(tmp_path / index, algorithm, arrays, files), 12345, given))
    assert len(answers[0]) == stores.N_ITEMS
    assert answers[0].items.tolist() == answers[1].items.tolist()
    assert answers[0].scores.tolist() == answers[1].scores.tolist()


@pytest.mark.parametrize("name", ["item_vectors", "user_vectors", "item_biases", "fold_in_map"])
@pytest.mark.parametrize(
    "spoil",
    [lambda a: a[:-1], lambda a: a.astype(np.float64), lambda a: a[..., None], lambda a: np.float32(1)],
    ids=["short", "double", "one more axis", "scalar"],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, spoil):
    arrays, _ = parts("bpr")
    with pytest.raises(ArtifactError, match=name.replace("user_vectors", "vectors|user")):
        release(tmp_path, "bpr", arrays | {name: spoil(arrays[name])})


def with_codes(arrays):
    return arrays | scan_codes.arrays(scan_codes.encode(arrays["item_vectors"]))


def test_codes_are_served_where_the_artifact_has_them(tmp_path):
    plain, coded = (
        release(tmp_path / name, arrays=arrays)
        for name, arrays in (("plain", parts()[0]), ("coded", with_codes(parts()[0])))
    )
    assert plain.cgs["model"]._embedding.coded is None
    assert coded.cgs["model"]._embedding.coded is not None
    for user in range(stores.N_USERS):
        wanted, found = (top(loaded, stores.user_id(user)) for loaded in (plain, coded))
        assert found.items.tolist() == wanted.items.tolist()
        assert found.scores.tolist() == wanted.scores.tolist()


@pytest.mark.parametrize(
    "spoil",
    [lambda a: a[:-1], lambda a: a[:, :-1], lambda a: a.astype(np.float64), lambda a: a[0]],
    ids=["a row less", "an item less", "double", "an axis less"],
)
@pytest.mark.parametrize("name", ["scan_upper", "scan_lower", "scan_bounds"])
def test_codes_that_do_not_fit_are_refused(tmp_path, name, spoil):
    arrays = with_codes(parts()[0])
    with pytest.raises(ArtifactError, match=name):
        release(tmp_path, arrays=arrays | {name: spoil(arrays[name])})


def test_codes_without_bounds_are_refused(tmp_path):
    arrays = with_codes(parts()[0])
    del arrays["scan_bounds"]
    with pytest.raises(ArtifactError, match="lacks the array 'scan_bounds'"):
        release(tmp_path, arrays=arrays)


@pytest.mark.parametrize("name", ["item_vectors", "user_vectors", "item_biases", "user_ids", "fold_in_map"])
def test_missing_arrays_are_refused(tmp_path, name):
    arrays, _ = parts("bpr")
    del arrays[name]
    with pytest.raises(ArtifactError, match=f"lacks the array '{name}'"):
        release(tmp_path, "bpr", arrays)


def test_a_config_that_lacks_what_the_fold_in_needs_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="nu"):
        release(tmp_path, config={key: value for key, value in CONFIGS["als"].items() if key != "nu"})


def test_scores_beyond_float32_are_refused(tmp_path):
    arrays, _ = parts()
    with pytest.raises(ArtifactError, match="overflow float32"):
        release(tmp_path, arrays=arrays | {"item_vectors": arrays["item_vectors"] * np.float32(1e38)})


@pytest.mark.parametrize("content", [b"", b"{}", b'{"space":"cosine","M":16,"ef_construction":9,"ef":9}'])
def test_settings_of_a_graph_that_make_no_sense_are_refused(tmp_path, content):
    arrays, files = parts(index="hnsw")
    with pytest.raises(ArtifactError, match="not the settings"):
        release(tmp_path, arrays=arrays, files=files | {hnsw.SETTINGS_FILE: content})


def test_a_graph_without_settings_or_of_other_vectors_is_refused(tmp_path):
    arrays, files = parts(index="hnsw")
    with pytest.raises(ArtifactError, match="not the settings"):
        release(tmp_path / "a", arrays=arrays, files={hnsw.GRAPH_FILE: files[hnsw.GRAPH_FILE]})
    other = arrays | {"item_vectors": arrays["item_vectors"][::-1].copy()}
    with pytest.raises(ArtifactError, match="fit it again"):
        release(tmp_path / "b", arrays=other, files=files)


def test_a_damaged_graph_is_refused_before_hnswlib_sees_it(tmp_path, monkeypatch):
    arrays, files = parts(index="hnsw")
    release(tmp_path, arrays=arrays, files=files)
    monkeypatch.delattr(hnsw.hnswlib, "Index")
    path = next(tmp_path.glob("artifacts/model/*/index.bin"))
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="SHA-256"):
        load(Store(tmp_path))


def test_ef_is_part_of_the_version(tmp_path):
    arrays, files = parts(index="hnsw")
    settings = json.loads(files[hnsw.SETTINGS_FILE])
    versions = set()
    for ef in (50, 60):
        changed = files | {hnsw.SETTINGS_FILE: json.dumps(settings | {"ef": ef}).encode()}
        loaded = release(tmp_path, arrays=arrays, files=changed)
        versions.add(loaded.manifest.artifacts["model"])
    assert len(versions) == 2
