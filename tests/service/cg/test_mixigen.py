"""The strategies against slow twins, over generators that are lists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.cg.base import Query
from service.cg.lists import Lists
from service.cg.mixigen import STRATEGIES, Recipe
from service.cg.several import Queries
from tests import naive
from tests.mixes import FixedCG, PersonalCG

N_ITEMS = 60


@st.composite
def cases(draw):
    """Lists that overlap, some empty, curves coarse enough for ties, and n."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n_cgs, depth = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    pool = draw(st.integers(1, N_ITEMS))
    lists = [rng.permutation(pool)[: rng.integers(0, pool + 1)].tolist() for _ in range(n_cgs)]
    curves = rng.integers(-3, 4, (n_cgs, depth)) / 2
    return lists, curves, draw(st.integers(1, 50)), rng


def blend(strategy, lists, n, **recipe):
    cgs = [FixedCG(f"cg{row}", items) for row, items in enumerate(lists)]
    made = Lists(cgs, Queries([Query()]), n)
    return merged(strategy, made, **recipe), made


def merged(strategy, lists, curves=None, **recipe):
    recipe = Recipe(lists.capacity, N_ITEMS, None if curves is None else np.asarray(curves)[None], **recipe)
    return STRATEGIES[strategy].merge(lists, recipe)[0]


def picks(found):
    return list(zip(found.items.tolist(), found.cg.tolist(), (found.cg_rank - 1).tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(cases())
def test_mixigen_is_score_all_and_sort_where_no_curve_rises(case):
    lists, curves, n, _ = case
    falling = -np.sort(-curves, axis=1)
    found, _ = blend("mixigen", lists, n, curves=falling)
    assert picks(found) == naive.merge_monotone(falling, lists, n)
    assert found.score.tolist() == sorted(found.score.tolist(), reverse=True)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_mixigen_is_the_k_way_procedure_for_any_curves(case):
    lists, curves, n, _ = case
    found, _ = blend("mixigen", lists, n, curves=curves)
    assert picks(found) == naive.merge_k_way(curves, lists, n)
    last = curves.shape[1] - 1
    assert found.score.tolist() == [curves[row, min(position, last)] for _, row, position in picks(found)]


@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(2, 4))
def test_merges_made_together_are_those_made_alone(case, together):
    """Each has curves and lists of its own, of which some are fetched and some are not yet."""
    lists, curves, n, rng = case
    each = [rng.permutation(curves) for _ in range(together)]
    orders = [[rng.permutation(items).tolist() for items in lists] for _ in range(together)]
    cgs = [PersonalCG(f"cg{row}", [order[row] for order in orders]) for row in range(len(lists))]
    made = Lists(cgs, Queries(map(Query, range(together))), n)
    made.fetch(rng.integers(0, 2, (together, len(lists))) * rng.choice([5, n]))
    recipe = Recipe(n, N_ITEMS, np.array(each))
    found = STRATEGIES["mixigen"].merge(made, recipe)
    for own, order, of_own in zip(found, orders, each, strict=True):
        assert picks(own) == naive.merge_k_way(of_own, order, n)
        assert own.supplied == np.bincount(own.cg, minlength=len(lists)).tolist()


@settings(max_examples=100, deadline=None)
@given(cases())
def test_quota_gives_shares_of_the_places(case):
    lists, _, n, rng = case
    shares = [*rng.integers(0, 4, len(lists) - 1).tolist(), 1]
    found, _ = blend("quota", lists, n, shares=shares)
    assert picks(found) == naive.merge_by_shares(shares, lists, n)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_round_robin_takes_turns(case):
    lists, _, n, _ = case
    found, _ = blend("round_robin", lists, n)
    assert picks(found) == naive.merge_by_shares([1] * len(lists), lists, n)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_rrf_is_the_sum_of_reciprocal_ranks(case):
    lists, _, n, _ = case
    found, _ = blend("rrf", lists, n)
    wanted = naive.reciprocal_rank_fusion(lists, n)
    assert found.items.tolist() == [item for item, _ in wanted]
    np.testing.assert_allclose(found.score, [score for _, score in wanted], rtol=1e-6)
    for item, row, position in picks(found):
        assert lists[row][position] == item
        assert position == min(other.index(item) for other in lists if item in other[:n])


def test_round_robin_by_hand():
    found, _ = blend("round_robin", [[1, 2, 3], [1, 4], [5, 6, 7]], 6)
    assert found.items.tolist() == [1, 4, 5, 2, 6, 3]
    assert found.cg.tolist() == [0, 1, 2, 0, 2, 0]
    assert found.cg_rank.tolist() == [1, 2, 1, 2, 2, 3]


@pytest.mark.parametrize("strategy", ["round_robin", "quota"])
def test_without_a_score_of_the_blend_it_is_the_generators_own(strategy):
    found, made = blend(strategy, [[1, 2, 3], [1, 4], [5, 6, 7]], 6)
    own = [made.scores(0)[row, position] for _, row, position in picks(found)]
    assert found.score.tolist() == own
    assert own[0] == 1.0


def test_quota_by_hand():
    lists = [list(range(10)), list(range(10, 20)), list(range(20, 30))]
    found, _ = blend("quota", lists, 10, shares=[0.2, 0.0, 0.8])
    assert np.bincount(found.cg, minlength=3).tolist() == [2, 0, 8]
    found, _ = blend("quota", [[1, 2], [], [3]], 5, shares=[1, 1, 0])
    assert found.items.tolist() == [1, 2, 3]  # nothing is left out while a list has more


def test_mixigen_by_hand():
    curves = np.array([[3.0, 1.0], [2.0, 1.0]])
    found, _ = blend("mixigen", [[7, 8, 9], [7, 6, 5]], 10, curves=curves)
    # 7 from the first; the second's 7 is passed over; then 1.0 each: the lower position, then the first
    assert picks(found) == [(7, 0, 0), (8, 0, 1), (6, 1, 1), (9, 0, 2), (5, 1, 2)]
    assert found.score.tolist() == [3, 1, 1, 1, 1]


def test_a_generator_that_is_not_needed_is_not_asked():
    cgs = [FixedCG("a", range(10)), FixedCG("b", range(10, 20))]
    merged("mixigen", Lists(cgs, Queries([Query()]), 5), curves=[[1.0], [0.5]])
    assert [cg.ranked for cg in cgs] == [1, 0]


def test_lists_are_fetched_in_batches_of_ten():
    _, made = blend("mixigen", [list(range(40)), list(range(40))], 15, curves=np.array([[1.0], [0.5]]))
    assert made.lengths.tolist() == [[20, 0]]


def test_sources_are_all_generators_that_had_an_item():
    found, made = blend("rrf", [[1, 2], [2, 3]], 3)
    assert found.items.tolist() == [2, 1, 3]
    origins = [[(source.cg, source.rank) for source in of_item] for of_item in made.sources(0, found.items)]
    assert origins == [[(0, 2), (1, 1)], [(0, 1)], [(1, 2)]]


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_a_failing_generator_is_dropped_and_named(strategy, caplog):
    cgs = [FixedCG("bad", [1, 2], error=RuntimeError("no")), FixedCG("good", [3, 4])]
    found = merged(strategy, Lists(cgs, Queries([Query()]), 5), curves=[[1.0], [0.5]])
    assert found.items.tolist() == [3, 4]
    assert found.dropped == ["bad"]
    assert "generator bad failed" in caplog.text


def test_what_a_generator_gave_before_it_failed_stays(caplog):
    del caplog
    cgs = [FixedCG("late", range(40), fail_after=45), FixedCG("good", range(20, 60))]
    found = merged("round_robin", Lists(cgs, Queries([Query()]), 50))
    assert found.dropped == ["late"]
    assert np.bincount(found.cg).tolist() == [20, 30]
