import polars as pl
import pytest

from service import registry
from tests.stores import N_ITEMS, item_id, tiny_store, user_id
from training.errors import DataError
from training.evaluation import Settings, evaluate
from training.events import normalise


def log(rows, ids="uint64"):
    """Make a log of (user row or id, item row or id, request, action)."""
    kind = {"uint64": pl.UInt64, "int64": pl.Int64, "string": pl.String}[ids]
    frame = pl.DataFrame(
        {
            "user_id": pl.Series([user for user, *_ in rows], dtype=kind),
            "item_id": pl.Series([item for _, item, *_ in rows], dtype=kind),
            "timestamp": [1_700_000_000] * len(rows),
            "request_id": [request for _, _, request, _ in rows],
            "action_type": [action for *_, action in rows],
        }
    )
    return normalise(frame.lazy(), "test")


BUY, VIEW = "AT_Purchase", "AT_View"


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return registry.load(tiny_store(tmp_path_factory.mktemp("store")))


def top(release, k, exclude_seen, user=0):
    seen = release.history.lookup(user_id(user)).items.tolist() if exclude_seen else []
    return [item for item in release.popular.order.tolist() if item not in seen][:k]


def test_mean_over_requests_with_views_and_duplicates_left_out(release):
    first, second = top(release, 2, exclude_seen=False)
    events = log(
        [
            (user_id(0), item_id(first), 1, BUY),
            (user_id(0), item_id(first), 1, BUY),
            (user_id(0), item_id(second), 1, VIEW),
            (user_id(0), item_id(second), 2, BUY),
            (user_id(0), 12345, 2, BUY),
        ]
    )
    found = evaluate(release, events, ["popular"], Settings(ks=(1, 2), exclude_seen=False))["popular"]
    assert found["recall@1"] == pytest.approx((1 + 0) / 2)
    assert found["recall@2"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["requests"] == 2
    by_user = evaluate(release, events, ["popular"], Settings(ks=(2,), by="user", exclude_seen=False))
    assert by_user["popular"]["recall@2"] == pytest.approx(2 / 3)
    assert by_user["popular"]["users"] == 1


def test_seen_positives_are_removed_and_requests_left_with_none_skipped(release):
    unseen = top(release, 2, exclude_seen=True)
    events = log(
        [
            (user_id(0), item_id(0), 1, BUY),
            (user_id(0), item_id(unseen[1]), 1, BUY),
            (user_id(0), item_id(1), 2, BUY),
        ]
    )
    found = evaluate(release, events, ["popular"], Settings(ks=(1, 2)))["popular"]
    assert (found["recall@1"], found["recall@2"], found["requests"]) == (0, 1, 1)
    with pytest.raises(DataError, match="--include-seen"):
        evaluate(release, log([(user_id(0), item_id(0), 1, BUY)]), ["popular"])


def test_fill_counts(release):
    """personal_top has nothing unseen to say: its list is all fill, the same as popular's."""
    events = log([(user_id(user), item_id(item), 1, BUY) for user in range(5) for item in range(N_ITEMS)])
    found = evaluate(release, events, ["personal_top", "popular"], Settings(ks=(2,)))
    assert found["personal_top"] == found["popular"]
    assert found["popular"]["recall@2"] > 0


def test_unknown_users_are_left_out_unless_asked_for(release):
    best = top(release, 1, exclude_seen=False)[0]
    events = log([(777, item_id(best), 1, BUY), (user_id(0), 12345, 2, BUY)])
    settings = Settings(ks=(1,), exclude_seen=False)
    assert evaluate(release, events, ["ease"], settings)["ease"]["requests"] == 1
    warm = Settings(ks=(1,), exclude_seen=False, include_cold=True)
    assert evaluate(release, events, ["ease"], warm)["ease"]["recall@1"] == 0.5
    with pytest.raises(DataError, match="--include-cold"):
        evaluate(release, log([(777, item_id(0), 1, BUY)]), ["ease"], settings)


def test_events_without_request_are_one_request_for_each_user(release):
    rows = [(user_id(0), item_id(3), None, BUY), (user_id(0), item_id(4), None, BUY)]
    rows.append((user_id(1), 12345, None, BUY))
    found = evaluate(release, log(rows), ["ease"], Settings(ks=(5,), exclude_seen=False))
    assert found["ease"]["requests"] == 2


def test_ids_of_another_type_are_an_error_not_a_miss(release):
    with pytest.raises(DataError, match="type string, the release uint64"):
        evaluate(release, log([("a", "b", 1, BUY)], "string"))
    with pytest.raises(DataError, match="no interaction"):
        evaluate(release, log([(user_id(0), item_id(0), 1, VIEW)]))


@pytest.mark.parametrize("ids", ["int64", "string"])
def test_other_id_types(tmp_path, ids):
    release = registry.load(tiny_store(tmp_path, ids))
    events = log([(user_id(0, ids), item_id(item, ids), 1, BUY) for item in range(N_ITEMS)], ids)
    found = evaluate(release, events, settings=Settings(ks=(5, 8)))
    assert set(found) == {"ease", "slim", "popular", "personal_top"}
    assert all(values["recall@5"] == 1 for values in found.values())
