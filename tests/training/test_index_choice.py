import json

import numpy as np
import pytest
from pydantic import ValidationError

from service import hnsw
from service.cg.base import Query
from training import index_choice
from training.embeddings import Embeddings
from training.index_choice import IndexConfig, Measured, choose_index


def embeddings(n_items=400, n_users=50, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (n_users, dim), (n_items, dim), (n_items,)
    return Embeddings(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))


@pytest.fixture
def seconds(monkeypatch):
    """Fix the times, not the recall, that a measurement finds; returns a way to set them."""
    real = index_choice.measure

    def fix(ann, exact):
        def measure(scan, items, graph, queries):
            times = {"ann_seconds": ann(graph) if callable(ann) else ann, "exact_seconds": exact}
            return real(scan, items, graph, queries)._replace(**times)

        monkeypatch.setattr(index_choice, "measure", measure)

    return fix


def test_exact_is_obeyed_and_builds_nothing(monkeypatch):
    monkeypatch.delattr(hnsw, "build")
    choice = choose_index(embeddings(), IndexConfig(index="exact"))
    assert choice == ("exact", {}, {}, {"kind": "exact"})


def test_hnsw_is_obeyed_even_where_it_is_slower_and_can_be_loaded(seconds, tmp_path):
    seconds(ann=2.0, exact=1.0)
    model = embeddings()
    kind, files, arrays, metrics = choose_index(model, IndexConfig(index="hnsw"))
    assert arrays == {}
    assert kind == metrics["kind"] == "hnsw"
    settings = hnsw.Settings.model_validate_json(files[hnsw.SETTINGS_FILE])
    (tmp_path / "graph").write_bytes(files[hnsw.GRAPH_FILE])
    graph = hnsw.load(tmp_path / "graph", model.items, model.item_biases, settings)
    assert len(graph) == 400
    assert metrics | settings.model_dump() == metrics


@pytest.mark.parametrize(("ann", "exact", "kind"), [(0.9, 1.0, "hnsw"), (1.1, 1.0, "exact")])
def test_auto_takes_the_faster_of_two_good_ones(seconds, ann, exact, kind):
    seconds(ann, exact)
    choice = choose_index(embeddings(), IndexConfig())
    assert (choice.kind, choice.metrics["kind"]) == (kind, kind)
    assert sorted(choice.files) == ([hnsw.GRAPH_FILE, hnsw.SETTINGS_FILE] if kind == "hnsw" else [])
    assert choice.metrics["recall@100"] >= 0.98
    assert (choice.metrics["ann_seconds"], choice.metrics["exact_seconds"]) == (ann, exact)
    json.dumps(choice.metrics)


def test_auto_takes_no_graph_that_misses_much_however_fast(monkeypatch):
    monkeypatch.setattr(index_choice, "measure", lambda *_: Measured(0.979, 0.1, 1.0))
    assert choose_index(embeddings(), IndexConfig()).kind == "exact"
    assert choose_index(embeddings(), IndexConfig(index="hnsw")).kind == "hnsw"


def test_ef_is_raised_as_far_as_the_recall_takes(seconds, monkeypatch):
    seconds(0.5, 1.0)
    model, config = embeddings(n_items=2000, dim=16), IndexConfig(ef=100, M=8, ef_construction=100)
    low = choose_index(model, config)
    monkeypatch.setattr(index_choice, "HALVINGS", 0)
    doubled = choose_index(model, config)
    assert low.kind == doubled.kind == "hnsw"
    assert doubled.metrics["ef"] in (200, 400, 800, 1600)
    assert doubled.metrics["ef"] / 2 < low.metrics["ef"] < doubled.metrics["ef"]
    assert doubled.metrics["recall@100"] >= low.metrics["recall@100"] >= 0.98


@pytest.mark.parametrize(("enough", "ef"), [(90, 100), (101, 112), (150, 150), (151, 162), (200, 200), (810, 900)])
def test_an_ef_that_is_enough_is_found_to_an_eighth(monkeypatch, enough, ef):
    monkeypatch.setattr(
        index_choice, "measure", lambda s, i, graph, q: Measured(0.98 if graph.ef >= enough else 0.97, 0.1, 1.0)
    )
    assert choose_index(embeddings(n_items=2000), IndexConfig(ef=100)).metrics["ef"] == ef


def test_auto_gives_up_raising_ef_where_the_scan_is_faster(seconds):
    seconds(lambda graph: graph.ef / 150, 1.0)
    choice = choose_index(embeddings(n_items=2000, dim=16), IndexConfig(ef=100, M=4, ef_construction=10))
    assert choice.kind == "exact"
    assert choice.metrics["ef"] == 200


def test_a_pilot_that_loses_is_not_followed_by_the_whole_graph(seconds, monkeypatch):
    monkeypatch.setattr(index_choice, "PILOT_ITEMS", 100)
    seconds(2.0, 1.0)
    assert choose_index(embeddings(), IndexConfig()).metrics["measured_items"] == 100
    seconds(0.5, 1.0)
    choice = choose_index(embeddings(), IndexConfig())
    assert (choice.kind, choice.metrics["measured_items"]) == ("hnsw", 400)


def test_the_space_with_the_better_recall_is_taken(monkeypatch):
    recalls = {"ip": 0.985, "l2": 0.99}
    monkeypatch.setattr(
        index_choice, "measure", lambda s, i, graph, q: Measured(recalls[graph.settings.space], 0.1, 1.0)
    )
    assert choose_index(embeddings(), IndexConfig()).metrics["space"] == "l2"
    recalls["ip"] = 1.0
    assert choose_index(embeddings(), IndexConfig()).metrics["space"] == "ip"


def clusters(n_clusters=10, size=300, dim=16):
    rng = np.random.default_rng(0)
    centres = 4 * rng.standard_normal((n_clusters, dim), np.float32)
    items = np.repeat(centres, size, axis=0) + rng.standard_normal((n_clusters * size, dim), np.float32)
    users = centres + rng.standard_normal((n_clusters, dim), np.float32)
    return Embeddings(users, items, np.zeros(len(items), np.float32))


def test_the_pilot_is_as_dense_as_the_whole_where_queries_look(monkeypatch):
    monkeypatch.setattr(index_choice, "PILOT_ITEMS", 600)
    model = clusters()
    scan, users = index_choice.exact_scan(model), np.arange(2)
    pilot = index_choice._pilot(model, scan, users, seed=0)
    assert len(pilot.items) == len(pilot.item_biases) == 600
    assert len(np.unique(pilot.items, axis=0)) == 600
    assert pilot.users is model.users
    part = index_choice.exact_scan(pilot)
    for user in range(2):
        wanted, found = (cg.rank(Query(user)).top(index_choice.PILOT_DEPTH).scores for cg in (scan, part))
        assert found.tolist() == wanted.tolist()


def test_few_items_are_their_own_pilot():
    model = embeddings()
    assert index_choice._pilot(model, index_choice.exact_scan(model), np.arange(2), seed=0) is model


def test_the_same_embedding_makes_the_same_graph(seconds):
    seconds(0.5, 1.0)
    first, second = (choose_index(embeddings(), IndexConfig(seed=5)) for _ in range(2))
    assert first.files == second.files


def test_recall_is_measured_against_the_exact_list():
    model = embeddings(n_items=1000)
    settings = hnsw.Settings(space="ip", M=4, ef_construction=10, ef=100)
    poor = hnsw.build(model.items, model.item_biases, settings, seed=0)
    measured = index_choice.measure(index_choice.exact_scan(model), model, poor, np.arange(50))
    scores = model.users @ model.items.T + model.item_biases
    shared = 0
    for user in range(50):
        wanted = set(np.argsort(-scores[user])[:100].tolist())
        shared += len(wanted & set(poor.search(model.users[user], 100).tolist()))
    assert measured.recall == pytest.approx(shared / 5000)
    assert 0.1 < measured.recall < 0.98
    assert measured.ann_seconds > 0 < measured.exact_seconds


@pytest.mark.parametrize(("n_items", "n_users"), [(0, 3), (5, 0), (1, 1), (5, 3)])
def test_small_embeddings(n_items, n_users):
    choice = choose_index(embeddings(n_items, n_users), IndexConfig())
    assert choice.kind in ("exact", "hnsw")


def test_users_without_a_vector_are_no_queries():
    model = embeddings()
    model.users[1:] = 0
    assert choose_index(model, IndexConfig(index="hnsw")).kind == "hnsw"
    model.users[:] = 0
    assert choose_index(model, IndexConfig(index="hnsw")).kind == "exact"


@pytest.mark.parametrize("bad", [{"index": "faiss"}, {"M": 1}, {"ef": 0}, {"ef_construction": 0}, {"m": 3}])
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValidationError):
        IndexConfig(**bad)


def test_every_setting_says_what_it_is():
    assert all(field.description for field in IndexConfig.model_fields.values())
