import numpy as np
import polars as pl
import pytest

from training.datasets import synthetic
from training.datasets.planted import Size, plant, scrambled
from training.datasets.source import Source
from training.datasets.synthetic import Plan, generate, world
from training.errors import DataError
from training.events import normalise
from training.interactions import build

PLAN = Plan(rows=400_000, seed=3, size=Size(users=6, items=40, clusters=4, cities=2), p_cart=1.0)


@pytest.fixture(scope="module")
def log():
    return generate(PLAN).collect()


@pytest.fixture(scope="module")
def planted():
    return world(PLAN)


def carts(log, planted):
    """(user, item, hour) indices of the cart updates."""
    rows = log.filter(pl.col("action_type") == "AT_CartUpdate")
    # the hour is that of the request; its first view is at its start
    starts = log.group_by("request_id").agg(start=pl.col("timestamp").min())
    hours = rows.join(starts, on="request_id", maintain_order="left")["start"].to_numpy() // 3600 % 24
    return _index(planted.user_ids, rows["user_id"]), _index(planted.item_ids, rows["product_id"]), hours


def _index(ids, values):
    order = np.argsort(ids)
    return order[np.searchsorted(ids[order], values.to_numpy())]


@pytest.mark.parametrize("rows", [1, 2, 1000, 450_000])
def test_exactly_as_many_rows_as_asked_for(rows):
    assert generate(Plan(rows=rows)).select(pl.len()).collect(engine="streaming").item() == rows


def test_same_seed_same_log(log):
    assert generate(PLAN).collect().equals(log)
    assert not generate(Plan(rows=1000, seed=1)).collect().equals(generate(Plan(rows=1000, seed=2)).collect())


def test_canonical_with_lavkas_proportions():
    events = normalise(synthetic.prepare(Source(rows=300_000, seed=1)), "test").collect()
    share = dict(events["action_type"].value_counts(normalize=True).rows())
    assert set(share) == {"AT_View", "AT_Click", "AT_CartUpdate", "AT_Purchase"}
    assert share["AT_CartUpdate"] == pytest.approx(0.0187, abs=0.0015)
    assert events["user_id"].max() > 2**63 > events["user_id"].min()
    assert events["item_id"].max() > 2**63
    assert events.null_count().sum_horizontal().item() == 0


def test_projection_filter_and_limit_go_through():
    everything = generate(PLAN)
    some = everything.filter(pl.col("action_type") == "AT_Click").select("user_id").head(7).collect()
    assert some.equals(everything.collect().filter(pl.col("action_type") == "AT_Click").select("user_id").head(7))


def test_a_request_is_one_users_and_counts_its_positions(log):
    requests = log.filter(pl.col("action_type") == "AT_View").group_by("request_id")
    facts = requests.agg(
        users=pl.col("user_id").n_unique(),
        counted=(pl.col("position_in_request") == pl.int_range(pl.len())).all(),
    ).slice(0)
    assert facts["users"].max() == 1
    assert facts["counted"].all()
    funnel = log.group_by("request_id", "position_in_request").agg(pl.col("action_type"))
    carted = funnel.filter(pl.col("action_type").list.contains("AT_Purchase"))
    assert carted["action_type"].list.contains("AT_CartUpdate").all()


def test_carts_follow_the_planted_probabilities(log, planted):
    """Chi-square of the carted items, user by user, each hour with its own planted distribution."""
    users, items, hours = carts(log, planted)
    chi_square = 0.0
    for user in range(PLAN.size.users):
        per_hour = np.bincount(hours[users == user], minlength=24)
        chances = [planted.item_probabilities(np.array([user]), hour)[0] for hour in range(24)]
        expected = per_hour @ np.array(chances)
        observed = np.bincount(items[users == user], minlength=len(planted.item_ids))
        assert observed.sum() > 4000
        chi_square += ((observed - expected) ** 2 / expected).sum()
    freedom = PLAN.size.users * (PLAN.size.items - 1)
    assert abs(chi_square - freedom) < 4 * np.sqrt(2 * freedom)


def test_hour_city_taste_and_repeats_matter(planted):
    users = np.arange(PLAN.size.users)
    at_noon, at_night = planted.item_probabilities(users, 12), planted.item_probabilities(users, 0)
    np.testing.assert_allclose(at_noon.sum(axis=1), 1)
    assert np.abs(at_noon - at_night).sum(axis=1).min() > 0.02
    own = np.argmax(planted.affinity, axis=1)
    assert own.tolist() == list(range(PLAN.size.clusters))
    again = at_noon[users[:, None], planted.favourites].mean(axis=1)
    assert (again > planted.p_repeat / planted.favourites.shape[1]).all()
    city = planted.cluster_probabilities()
    assert np.abs(city[:, 0] - city[:, 1]).max() > 0.01


def test_upper_positions_are_carted_more_often(log):
    views = log.filter(pl.col("action_type") == "AT_View")["position_in_request"].value_counts()
    bought = log.filter(pl.col("action_type") == "AT_CartUpdate")["position_in_request"].value_counts()
    rate = {}
    for position in (0, 15):
        seen, taken = (counts.filter(position_in_request=position)["count"].item() for counts in (views, bought))
        rate[position] = taken / seen
    assert rate[0] == pytest.approx(0.5, abs=0.02)
    assert rate[15] == pytest.approx(0.5 / 1.75, abs=0.02)


def test_ids_are_distinct():
    assert len(np.unique(scrambled(np.arange(100_000), seed=5, stream=1))) == 100_000
    assert set(scrambled(np.arange(10), 5, 1)).isdisjoint(scrambled(np.arange(10), 6, 1))


@pytest.mark.parametrize(
    "size",
    [
        Size(users=0, items=10),
        Size(users=1, items=3, clusters=4),
        Size(users=1, items=9, clusters=3, cities=0),
    ],
)
def test_worlds_that_cannot_be(size):
    with pytest.raises(DataError, match="wanted at least one of each"):
        plant(size, 0)


def test_no_rows():
    with pytest.raises(DataError, match="0 rows; wanted at least one"):
        generate(Plan(rows=0))


def test_interactions_can_be_built():
    got = build(normalise(synthetic.prepare(Source(rows=20_000)), "test"))
    assert len(got.items) > 200
    assert got.item_ids.dtype == np.uint64
