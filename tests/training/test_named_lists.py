"""`mix` among the lists that evaluation and offline batches take by name."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from service import registry
from service.errors import UnknownCGError
from service.mix import MixRequest, mix
from service.mix_features import Context, feature_names
from service.mix_trees import Trees
from tests.mixes import mix_store, schema
from tests.stores import N_ITEMS, item_id, user_id
from tests.training.test_evaluation import BUY, log
from training.batch import write_candidates
from training.evaluation import Settings, evaluate, lists, make_test_set
from training.named_lists import MIXES, results

MORNING, EVENING = 1_700_028_000, 1_700_074_800
"""06:00 and 19:00 UTC."""


def by_hour():
    """One tree: slim before noon, ease after."""
    of = schema(max_position=6)
    columns = feature_names(of)
    split = np.array([[columns.index("hour"), columns.index("cg=slim")]], np.int32)
    leaves = np.array([[0.0, 1.0, 1.0, 0.0]])  # bits: afternoon, slim
    return {"of": of, "trees": Trees(split, np.float32([[11.5, 0.5]]), leaves, np.array([1.0, 0.0]))}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return registry.load(mix_store(tmp_path_factory.mktemp("store"), **by_hour()))


def events(times, user=1):
    """Requests of one user, at times, each with one item and two places."""
    rows = [(user_id(user), item_id(row), row, BUY) for row in range(len(times))]
    return log(rows).with_columns(timestamp=pl.Series(times), city_name=pl.lit("Bonn"), store_id=pl.lit(7))


def test_a_mix_is_asked_for_when_and_where_the_request_was(release):
    settings = Settings(exclude_seen=False)
    test = make_test_set(release, events([MORNING, EVENING]), settings)
    assert test.contexts == [Context(MORNING, "Bonn", "7"), Context(EVENING, "Bonn", "7")]
    found, of_unit = lists(release, "mix", test, 3, exclude_seen=False)
    assert of_unit.tolist() == [0, 1]
    for row, time in enumerate((MORNING, EVENING)):
        request = MixRequest(user_id(1), n=3, timestamp=time, exclude_seen=False)
        answer = mix(release, request, release.history.lookup(user_id(1)))
        assert found[row].tolist() == answer.result.items.tolist()
    assert found[0].tolist() != found[1].tolist()


@pytest.mark.parametrize("name", ["ease", "mix:rrf", "mix:round_robin", "mix:quota"])
def test_what_does_not_depend_on_context_is_one_list_for_each_user(release, name):
    test = make_test_set(release, events([MORNING, EVENING]), Settings(exclude_seen=False))
    found, of_unit = lists(release, name, test, 3, exclude_seen=False)
    assert (len(found), of_unit.tolist()) == (1, [0, 0])


def test_a_request_is_as_old_as_its_first_event_also_where_that_is_seen(release):
    """The context must not depend on which positives count."""
    seen = release.history.lookup(user_id(1)).items.tolist()
    new = next(item for item in range(N_ITEMS) if item not in seen)
    rows = [(user_id(1), item_id(item), 1, BUY) for item in (new, seen[0])]
    frame = log(rows).with_columns(timestamp=pl.Series([EVENING, MORNING]))
    assert make_test_set(release, frame, Settings(exclude_seen=True)).contexts == [Context(MORNING)]


def test_evaluate_takes_mixes(release):
    found = evaluate(
        release, events([MORNING, EVENING]), ["ease", *MIXES], Settings(ks=(2, N_ITEMS), exclude_seen=False)
    )
    assert list(found) == ["ease", *MIXES]
    assert all(values["requests"] == 2 and values[f"recall@{N_ITEMS}"] == 1 for values in found.values())
    assert set(evaluate(release, events([1]), settings=Settings(exclude_seen=False))) == set(release.cgs)


def test_recall_of_a_mix_is_that_of_the_generator_it_chooses(release):
    """The first of slim's in the morning and of ease's in the evening are found; the other way round not."""
    names = ["slim", "ease"]
    best = [next(results(release, name, [user_id(1)], 1, False, "test")).items[0].item() for name in names]
    rows = [(user_id(1), item_id(item), row, BUY) for row, item in enumerate(best)]
    settings = Settings(ks=(1,), exclude_seen=False)
    for times, recall in (([MORNING, EVENING], 1), ([EVENING, MORNING], 0)):
        frame = log(rows).with_columns(timestamp=pl.Series(times))
        assert evaluate(release, frame, ["mix"], settings)["mix"]["recall@1"] == recall
    assert best[0] != best[1]


def test_other_names_are_refused_with_those_that_are_valid(release):
    with pytest.raises(UnknownCGError, match="mix:rrf, mix:round_robin, mix:quota"):
        evaluate(release, events([1]), ["mix:best"])


def test_a_generator_goes_before_a_mix_of_the_same_name(release):
    own = dataclasses.replace(release, cgs={**release.cgs, "mix": release.cgs["ease"]})
    found = [next(iter(results(own, name, [user_id(1)], 5, False, "test"))).items.tolist() for name in ("mix", "ease")]
    assert found[0] == found[1]


def test_offline_candidates_of_a_mix(release, tmp_path):
    users = [user_id(user) for user in range(3)]
    rows = write_candidates(release, users, ["mix:rrf", "mix"], 4, False, tmp_path / "out.parquet")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert (rows, frame["cg"].unique().sort().to_list()) == (24, ["mix", "mix:rrf"])
    request = MixRequest(users[0], n=4, exclude_seen=False, strategy="rrf")
    answer = mix(release, request, release.history.lookup(users[0])).result
    first = frame.filter(pl.col("cg") == "mix:rrf", pl.col("user_id") == users[0])
    assert first["item_id"].to_list() == release.items.ids_of(answer.items)
