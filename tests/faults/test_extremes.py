"""Catalogues of nothing, histories of everything: answered by a real service."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from service.store import Store
from tests.faults.server import serving
from tests.stores import item_id, tiny_interactions, tiny_store, user_id
from training.artifacts import data_draft, embedding_arrays, model_draft, weight_arrays
from training.embeddings import Embeddings
from training.interactions import fingerprint

N_MANY = 100_000


def post(server, path, body):
    request = urllib.request.Request(
        server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json", "X-API-Key": "k"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def nothing():
    """Users who once had items, and no item that is left."""
    tiny = tiny_interactions("int64")
    return replace(
        tiny,
        item_ids=tiny.item_ids[:0],
        indptr=np.zeros_like(tiny.indptr),
        items=tiny.items[:0],
        counts=tiny.counts[:0],
        last=tiny.last[:0],
        item_categories=[],
        item_names=[],
    )


def test_an_empty_catalogue(tmp_path):
    """A release without items is served: empty lists, no errors; then one with items takes its place."""
    empty = nothing()
    store = Store(tmp_path)
    store.publish(
        [
            data_draft(empty),
            model_draft(
                "ease",
                "ease",
                empty,
                weight_arrays(np.zeros((0, 0), np.float32)),
                {"weighting": "count"},
                data_fingerprint=fingerprint(empty),
                fit_seconds=0.0,
                metrics={},
                files={},
            ),
        ]
    )
    with serving(store.root) as server:
        for user in (user_id(0, "int64"), 12345):
            for path in (f"/candidates/{user}?n=5", f"/candidates/{user}?cg=popular", f"/mix/{user}?n=5&explain=true"):
                status, answer = server.get(path)
                assert (status, answer["items"], answer["degraded"]) == (200, [], []), path
        assert server.get("/similar/7?cg=ease")[0] == 404
        assert post(server, "/candidates", {"user_id": 1, "history": [1, 2], "n": 3})[1]["unknown_items"] == [1, 2]
        assert server.get("/health/ready")[0] == 200
        tiny_store(tmp_path, "int64")
        end = time.monotonic() + 240  # its kernels may have to be compiled
        while server.get("/candidates/1?n=5")[1]["returned"] != 5:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_everything_is_blocked(tmp_path):
    store = tiny_store(tmp_path)
    for item in range(8):
        store.set_blocked(str(item_id(item)), True)
    with serving(store.root) as server:
        for cg in ("ease", "slim", "popular", "personal_top"):
            assert server.get(f"/candidates/{user_id(0)}?cg={cg}&n=5&exclude_seen=false")[1]["items"] == []
        assert server.get(f"/mix/{user_id(0)}?n=5")[1]["items"] == []


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A service whose user 0 has had each of 100,000 items, and user 1 two of them."""
    rng = np.random.default_rng(0)
    n = N_MANY + 2
    everything = replace(
        tiny_interactions("int64"),
        user_ids=np.arange(2),
        item_ids=np.arange(N_MANY),
        indptr=np.array([0, N_MANY, n]),
        items=np.concatenate([np.arange(N_MANY), [5, 70_000]]).astype(np.int32),
        counts=rng.integers(1, 9, n).astype(np.int32),
        last=rng.integers(1_600_000_000, 1_700_000_000, n),
        item_categories=[None] * N_MANY,
        item_names=[None] * N_MANY,
    )
    rows = np.repeat(np.arange(N_MANY), 4)
    weights = sp.csr_array(
        (rng.random(len(rows), np.float32) + 0.1, (rows, (rows + rng.integers(1, 99, len(rows))) % N_MANY))
    )
    users, vectors = (rng.normal(size=(size, 8)).astype(np.float32) for size in (2, N_MANY))
    embeddings = Embeddings(users, vectors, np.zeros(N_MANY, np.float32))
    als = {"weighting": "count", "alpha0": 0.1, "lambd": 0.1, "nu": 1.0, "loss": "ials", "index": "exact"}
    models = {
        "slim": (weight_arrays(weights), {"weighting": "count"}),
        "als": (embedding_arrays(embeddings, everything.user_ids), als),
        "personal_top": ({}, {"weighting": "count", "half_life_days": None}),
    }
    known = {"data_fingerprint": fingerprint(everything), "fit_seconds": 0.0, "metrics": {}, "files": {}}
    drafts = [model_draft(name, name, everything, arrays, config, **known) for name, (arrays, config) in models.items()]
    store = Store(tmp_path_factory.mktemp("many"))
    store.publish([data_draft(everything), *drafts], exclude_seen=False)
    with serving(store.root, history="memory", api_key="k", request_budget_ms=5_000) as server:
        yield server


def test_a_history_of_100_000_items(many):
    """Every generator and the blend answer; nothing is left where what was seen is excluded."""
    for path in (*(f"/candidates/0?cg={cg}&" for cg in ("slim", "als", "personal_top", "popular")), "/mix/0?"):
        status, answer = many.get(f"{path}n=1000")
        assert (status, answer["returned"], answer["degraded"]) == (200, 1000, [])
        assert len({one["item_id"] for one in answer["items"]}) == 1000
        assert many.get(f"{path}n=1000&exclude_seen=true")[1]["items"] == []
    others = many.get("/candidates/1?cg=slim&n=1000&exclude_seen=true")[1]["items"]
    assert len(others) == 1000
    assert not {5, 70_000} & {one["item_id"] for one in others}


def test_a_history_in_the_request_and_live(many):
    """As many as a list may hold; a longer one is refused, and so are too many events."""
    allowed = list(range(0, 100_000, 10))
    for path in ("/candidates", "/mix"):
        status, answer = post(many, path, {"user_id": 9, "n": 1000, "history": allowed})
        assert (status, answer["returned"], answer["degraded"]) == (200, 1000, []), answer
        assert post(many, path, {"user_id": 9, "history": [*allowed, 1]})[0] == 422
    for start in range(0, 5_000, 1_000):
        events = [{"item_id": item, "event_id": str(item)} for item in range(start, start + 1_000)]
        assert post(many, "/history/77", {"events": events}) == (202, {"accepted": 1_000})
    assert post(many, "/history/77", {"events": [*events, events[0]]})[0] == 422
    assert many.get("/candidates/77?cg=slim&n=100&exclude_seen=true")[1]["returned"] == 100
