"""The ranker's features against loops over events, and that they know nothing of what comes later."""

import dataclasses
import math

import numpy as np
import polars as pl
import pytest

from service import registry
from tests.stores import item_id, tiny_store, user_id
from training import mixigen_stage
from training.events import normalise
from training.ranker_features import FEATURES, SMOOTHING, city_codes, features, learn_facts

DAY = 86_400
N_USERS, N_ITEMS, N_EVENTS = 3, 5, 160
VIEW = "AT_View"
CITIES = ("Berlin", "Bonn")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return registry.load(tiny_store(tmp_path_factory.mktemp("store"), exclude_seen=False))


def drawn(seed=0):
    """Events as tuples (user, item, request, time, action, city); some of users and items nobody knows."""
    rng = np.random.default_rng(seed)
    events = []
    for _ in range(N_EVENTS):
        request = int(rng.integers(25))
        user = request % (N_USERS + 1)  # the last one is unknown
        item = item_id(int(rng.integers(N_ITEMS))) if rng.random() < 0.9 else 999
        action = [VIEW, "AT_Click", "AT_CartUpdate", "AT_Purchase"][int(rng.integers(4))]
        city = [None, *CITIES][int(rng.integers(3))]
        time = 1_700_000_000 + request * 5 * 3600 + int(rng.integers(600))
        events.append((user_id(user) if user < N_USERS else 12345, item, request, time, action, city))
    return events


def as_log(events):
    names = ("user_id", "item_id", "request_id", "timestamp", "action_type", "city_name")
    columns = dict(zip(names, map(list, zip(*events, strict=True)), strict=True))
    ids = {name: pl.Series(columns[name], dtype=pl.UInt64) for name in ("user_id", "item_id")}
    return normalise(pl.LazyFrame({**columns, **ids}), "test")


def share(part, whole):
    return part / whole if whole else math.nan


class Naive:
    """Every feature from its definition."""

    def __init__(self, events, release):
        users, items = (
            dict(zip(index.ids_of(np.arange(len(index), dtype=np.int32)), range(len(index)), strict=True))
            for index in (release.users, release.items)
        )
        self.known = [(users[u], items[i], *rest) for u, i, *rest in events if u in users and i in items]
        self.taken = [event for event in self.known if event[4] in ("AT_CartUpdate", "AT_Purchase")]
        self.n_users, self.category = len(release.users), release.catalogue.categories.tolist()

    def requests(self, events, column, row):
        return {(event[0], event[2]) for event in events if event[column] == row}

    def rates(self, column, row):
        views = sum(event[column] == row and event[4] == VIEW for event in self.known)
        taken = sum(event[column] == row for event in self.taken)
        requests = self.requests(self.known, column, row)
        return share(taken, views), share(len(self.requests(self.taken, column, row)), len(requests))

    def lift(self, rows, category, row):
        """How much more of a category there is in a row of (row, category) pairs."""
        here = sum(pair == (row, category) for pair in rows)
        in_row = sum(own == row for own, _ in rows)
        of_category = sum(of == category for _, of in rows)
        return (here + SMOOTHING) / (in_row * of_category / max(1, len(rows)) + SMOOTHING)

    def of(self, user, item, time, city):
        baskets = {(u, i, r) for u, i, r, *_ in self.taken}
        own, of_item = [b for b in baskets if b[0] == user], [b for b in baskets if b[1] == item]
        requests = len(self.requests(self.taken, 0, user))
        distinct, buyers = len({b[1] for b in own}), len({b[0] for b in of_item})
        pair = sorted(event[3] for event in self.taken if event[:2] == (user, item))
        repeats = len([b for b in own if b[1] == item])
        since = max(0, time - pair[-1]) / DAY if pair else math.nan
        gap = (pair[-1] - pair[0]) / DAY / (repeats - 1) if repeats > 1 else math.nan
        hour, category = time // 3600 % 24, self.category[item]
        by_hour = [(event[3] // 3600 % 24, self.category[event[1]]) for event in self.taken]
        by_city = [(event[5], self.category[event[1]]) for event in self.taken if event[5]]
        last = max((event[3] for event in self.taken if event[0] == user), default=None)
        return [
            *self.rates(0, user),
            share(len(own), requests),
            share(len(own) - distinct, len(own)),
            share(distinct, requests),
            *self.rates(1, item),
            len(of_item) / len(baskets),
            buyers / self.n_users,
            share(len(of_item) - buyers, len(of_item)),
            repeats,
            repeats / requests if requests else 0,
            since,
            since / max(gap, 1.0) if repeats > 1 else math.nan,
            any(event[:2] == (user, item) and event[4] == VIEW for event in self.known),
            sum(self.category[b[1]] == category for b in own) / len(own) if own else 0,
            self.lift(by_hour, category, hour),
            self.lift(by_city, category, city) if city in {name for name, _ in by_city} else 1,
            hour,
            time // DAY % 7,
            max(0, time - last) / DAY if last is not None else math.nan,
        ]


@pytest.mark.parametrize("seed", range(3))
def test_every_feature_is_what_a_loop_over_the_events_finds(release, seed):
    events = drawn(seed)
    facts, naive = learn_facts(as_log(events), release), Naive(events, release)
    rng = np.random.default_rng(seed)
    cities = [None, *CITIES, "Atlantis"]
    rows = [
        (user, item, 1_700_000_000 + int(rng.integers(30 * DAY)), cities[int(rng.integers(4))])
        for user in range(len(release.users))
        for item in range(len(release.items))
    ]
    user, item, time = (np.array(column, np.int64) for column in list(zip(*rows, strict=True))[:3])
    city = city_codes(facts, pl.Series([row[3] for row in rows]))
    found = features(facts, user, item, time, city)
    wanted = np.array([naive.of(*row) for row in rows], np.float32)
    for column, name in enumerate(FEATURES):
        np.testing.assert_allclose(found[:, column], wanted[:, column], rtol=1e-5, err_msg=name)


def test_nothing_known_is_no_error(release):
    events = [(user_id(0), item_id(0), 1, 1_700_000_000, VIEW, None)]
    facts = learn_facts(as_log(events), release)
    one = np.zeros(1, np.int64)
    found = dict(zip(FEATURES, features(facts, one, one, one + 1_700_000_000, one)[0].tolist(), strict=True))
    assert math.isnan(found["days_since"])
    assert math.isnan(found["days_since_request"])
    assert (found["repeats"], found["viewed"], found["category_affinity"]) == (0, 1, 0)
    assert found["user_click_through"] == 0
    assert found["item_popularity"] == 0


@pytest.mark.parametrize("name", ["ranker", "log", "validation", "test"])
def test_what_a_part_is_joined_to_lies_before_it(stage, name):
    """Whatever happened from a part's beginning on could have been otherwise: the facts are the same."""
    begin = getattr(stage.timeline, name).select(pl.col("timestamp").min()).collect().item()
    known = stage.timeline.before(name)
    assert known.select(pl.col("timestamp").max()).collect().item() <= begin
    facts = learn_facts(known, stage.release)
    assert facts.pair_last.max() <= begin
    everything = pl.concat([known, getattr(stage.timeline, name)])
    otherwise = dataclasses.replace(stage.timeline, **{name: getattr(stage.timeline, name).with_columns(item_id=0)})
    again = learn_facts(otherwise.before(name), stage.release)
    for field in dataclasses.fields(facts):
        np.testing.assert_array_equal(getattr(facts, field.name), getattr(again, field.name), err_msg=field.name)
    more = learn_facts(everything, stage.release)
    assert more.pair_last.max() > begin, "had it looked at the part, it would show"


def test_the_stage_joins_parts_to_what_was_before_them(stage, monkeypatch):
    """Neither the part nor what comes after it is read for its features."""
    newest = []

    def spy(events, release):
        newest.append(events.select(pl.col("timestamp").max()).collect().item())
        return learn_facts(events, release)

    monkeypatch.setattr(mixigen_stage, "learn_facts", spy)
    for name in ("log", "validation", "test"):
        part = stage.part(name, exclude_seen=False, most=20)
        begin = getattr(stage.timeline, name).select(pl.col("timestamp").min()).collect().item()
        assert newest.pop() <= begin <= part.requests.timestamps.min()
