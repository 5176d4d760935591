import dataclasses

import numpy as np
import pytest

from service import registry
from service.cg.base import Filters, Query
from service.errors import StoreError, UnknownCGError
from service.generate import Request, generate
from service.history import History
from service.store import Store
from tests.stores import N_ITEMS, N_USERS, item_id, tiny_interactions, tiny_store, user_id
from training.artifacts import data_draft, model_draft, popularity_arrays, weight_arrays
from training.interactions import Interactions


def publish(store, interactions, arrays, algorithm="ease", **config):
    data = data_draft(interactions)
    model = model_draft(
        algorithm,
        algorithm,
        interactions,
        arrays,
        {"weighting": "count", **config},
        data_fingerprint=data.data_fingerprint,
        fit_seconds=0.0,
        metrics={},
        files={},
    )
    return store.publish([data, model])


@pytest.mark.parametrize("ids", ["int64", "uint64", "string"])
def test_a_release_has_everything_that_the_interactions_had(tmp_path, ids):
    interactions = tiny_interactions(ids)
    release = registry.load(tiny_store(tmp_path, ids))
    assert len(release.users) == N_USERS
    assert release.items.ids_of(np.arange(N_ITEMS, dtype=np.int32)) == [item_id(item, ids) for item in range(N_ITEMS)]
    for user in range(N_USERS):
        row = slice(interactions.indptr[user], interactions.indptr[user + 1])
        history = release.history.lookup(user_id(user, ids))
        assert history.items.tolist() == interactions.items[row].tolist()
        assert history.counts.tolist() == interactions.counts[row].tolist()
        assert history.last.tolist() == interactions.last[row].tolist()
    assert release.catalogue.in_categories(["dairy"]).tolist() == [item % 3 == 0 for item in range(N_ITEMS)]
    assert release.catalogue.in_categories(["nope"]).sum() == 0
    assert release.item_names[7] == "item 7"
    users = np.bincount(interactions.items, minlength=N_ITEMS)
    np.testing.assert_allclose(release.catalogue.users_share, users / N_USERS, rtol=1e-6)


def test_popular_comes_from_the_data_even_if_it_was_never_fitted(tmp_path):
    interactions = tiny_interactions()
    release = registry.load(tiny_store(tmp_path))
    total = np.bincount(interactions.items, interactions.counts, minlength=N_ITEMS)
    top = release.cgs["popular"].rank(Query()).top(N_ITEMS)
    assert top.items.tolist() == sorted(range(N_ITEMS), key=lambda item: (-total[item], item))
    assert top.scores.tolist() == total[top.items].tolist()


def test_models_of_other_items_share_one_index(tmp_path):
    """`data` lacks item 0 that the model has; the model lacks the last item that the data has."""
    store = Store(tmp_path)
    everything = tiny_interactions()
    model_part = narrow(everything, range(N_ITEMS - 1))
    W = np.random.default_rng(0).normal(size=(N_ITEMS - 1, N_ITEMS - 1)).astype(np.float32)
    publish(store, model_part, weight_arrays(W))
    store.publish([data_draft(narrow(everything, range(1, N_ITEMS)))])
    release = registry.load(store)
    assert len(release.items) == N_ITEMS
    stored = release.history.lookup(user_id(1))
    row = slice(everything.indptr[1], everything.indptr[2])
    assert stored.items.tolist() == [item for item in everything.items[row].tolist() if item > 0]
    assert release.item_names[0] is None
    assert release.item_names[7] == "item 7"
    known = stored.items < N_ITEMS - 1
    scores = stored.counts[known].astype(np.float32) @ W[stored.items[known]]
    top = release.cgs["ease"].rank(Query(history=stored)).top(N_ITEMS)
    assert top.items.tolist() == np.argsort(-scores, kind="stable").tolist()
    np.testing.assert_allclose(top.scores, scores[top.items], rtol=1e-5)
    answer = generate(release, Request(user_id(1), "ease", N_ITEMS, exclude_seen=False), stored)
    assert answer.result.fill.tolist() == [N_ITEMS - 1]


def narrow(interactions, items):
    """Keep only some items."""
    items = np.array(list(items))
    rows = np.repeat(np.arange(N_USERS), np.diff(interactions.indptr))
    kept = np.isin(interactions.items, items)
    new = np.searchsorted(items, interactions.items[kept]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[kept], minlength=N_USERS))])
    return Interactions(
        user_ids=interactions.user_ids,
        item_ids=interactions.item_ids[items],
        indptr=indptr.astype(np.int64),
        items=new,
        counts=interactions.counts[kept],
        last=interactions.last[kept],
        item_categories=[interactions.item_categories[item] for item in items],
        item_names=[interactions.item_names[item] for item in items],
    )


def test_an_unknown_cg_names_the_valid_ones(tmp_path):
    release = registry.load(tiny_store(tmp_path))
    with pytest.raises(UnknownCGError, match="ease, personal_top, popular, slim"):
        release.cg("nope")
    assert release.cg(None).name == "ease"


BAD = {
    "weights that do not fit": (weight_arrays(np.ones((3, 3), np.float32)), "ease"),
    "columns out of range": (
        {
            "weights_indptr": np.arange(N_ITEMS + 1, dtype=np.int64),
            "weights_columns": np.full(N_ITEMS, N_ITEMS, np.int32),
            "weights_values": np.ones(N_ITEMS, np.float32),
        },
        "ease",
    ),
    "rows that descend": (
        {
            "weights_indptr": np.array([0, 5, 3, *[8] * (N_ITEMS - 2)], np.int64),
            "weights_columns": np.zeros(8, np.int32),
            "weights_values": np.ones(8, np.float32),
        },
        "ease",
    ),
    "no weights": ({}, "slim"),
    "an unknown algorithm": ({}, "magic"),
    "an order out of range": (
        {**popularity_arrays(np.arange(8), np.ones(8), 8), "popular_order": np.array([9], np.int32)},
        "popular",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_would_be_read_out_of_bounds_are_refused(tmp_path, case):
    arrays, algorithm = BAD[case]
    store = Store(tmp_path)
    publish(store, tiny_interactions(), arrays, algorithm)
    with pytest.raises(StoreError):
        registry.load(store)


@pytest.mark.parametrize("name", ["history_items", "history_indptr", "item_categories", "history_last"])
def test_data_that_would_be_read_out_of_bounds_is_refused(tmp_path, name):
    draft = data_draft(tiny_interactions())
    array = draft.arrays[name].copy()
    if name == "history_last":
        array = array[:-1]
    else:
        array[-1] = 10**6
    Store(tmp_path).publish([dataclasses.replace(draft, arrays={**draft.arrays, name: array})])
    with pytest.raises(StoreError, match=name.split("_")[0]):
        registry.load(Store(tmp_path))


def test_a_history_only_touches_items_of_the_model(tmp_path):
    release = registry.load(tiny_store(tmp_path))
    nothing = release.cgs["slim"].rank(Query(filters=Filters()))
    assert len(nothing.top(5)) == 0
    one = History(np.array([2], np.int32), np.array([3], np.int32), np.array([0], np.int64))
    assert len(release.cgs["ease"].rank(Query(history=one)).top(100)) == N_ITEMS - 1
