import numpy as np
import pytest

from service import hnsw
from service.cg.ann import ANN, GraphRanking
from service.cg.base import Cursor, Filters, ItemMap, Query
from service.cg.embedding import Embedding
from service.cg.knn import DotProductKNN
from service.ids import IdIndex
from tests.service.cg import models

N, DIM, N_USERS = 3000, 8, 30


@pytest.fixture(scope="module")
def embedding():
    rng = np.random.default_rng(0)
    shapes = (N, DIM), (N,), (N_USERS, DIM)
    vectors, biases, users = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    ids = IdIndex(np.arange(N_USERS))
    return Embedding(ItemMap(None, N), ids, vectors, biases, users, lambda items, _: vectors[items[0]], "count")


@pytest.fixture(scope="module", params=["ip", "l2"])
def good(request, embedding):
    return ANN("ann", embedding, models.graph(embedding, request.param, ef=200))


@pytest.fixture(scope="module")
def poor(embedding):
    """A graph that misses much."""
    return ANN("ann", embedding, models.graph(embedding, ef=8, M=2))


def filters(excluded=(), allowed=None):
    return Filters(np.array(excluded, np.int32), np.empty(0, np.bool_) if allowed is None else allowed)


class Counting:
    """A graph that notes how deep it was searched."""

    def __init__(self, graph):
        self.graph, self.depths = graph, []
        self.ef = graph.ef

    def __len__(self):
        return len(self.graph)

    def search(self, vector, k):
        self.depths.append(k)
        return self.graph.search(vector, k)

    @property
    def rounding(self):
        return self.graph.rounding


def test_finds_what_the_exact_scan_finds_with_the_same_scores(good, embedding):
    exact, shared = DotProductKNN("knn", embedding), 0
    for user in range(N_USERS):
        wanted, found = exact.rank(Query(user)).top(100), good.rank(Query(user)).top(100)
        assert len(found) == 100
        shared += np.isin(found.items, wanted.items).sum()
        all_scores = embedding.scores(embedding.user_vectors[user], Filters())
        assert found.scores.tolist() == all_scores[found.items].tolist()
    assert shared / (100 * N_USERS) >= 0.98


def test_a_poor_graph_misses_items_or_the_tests_of_it_mean_nothing(poor, embedding):
    exact = DotProductKNN("knn", embedding)
    wanted, found = (cg.rank(Query(0)).top(8).items for cg in (exact, poor))
    assert set(wanted.tolist()) != set(found.tolist())


@pytest.mark.parametrize("k", [1, 7, 100, 1000, N])
def test_as_many_as_the_exact_scan_returns_whatever_is_filtered(poor, good, embedding, k):
    exact, rng = DotProductKNN("knn", embedding), np.random.default_rng(k)
    for user in range(5):
        best = exact.rank(Query(user)).top(N).items
        for excluded, allowed in (
            ((), None),
            (np.sort(best[:500]), None),
            (np.sort(best[: N - 50]), None),
            ((), rng.random(N) < 0.5),
            (np.sort(best[:1000]), rng.random(N) < 0.3),
            ((), rng.random(N) < 0.01),
        ):
            query = Query(user, filters=filters(excluded, allowed))
            wanted = len(exact.rank(query).top(k))
            assert len(poor.rank(query).top(k)) == len(good.rank(query).top(k)) == wanted


def test_pieces_are_sorted_distinct_and_only_what_was_missed_is_left_out(poor, embedding):
    for user in range(5):
        cursor = Cursor(poor.rank(Query(user)))
        pieces = [cursor.next(size) for size in (1, 5, 10, 40, 200, N, N)]
        items = np.concatenate([piece.items for piece in pieces])
        scores = np.concatenate([piece.scores for piece in pieces])
        assert (np.diff(scores) <= 0).all()
        assert len(set(items.tolist())) == len(items) >= 0.8 * N
        assert scores.tolist() == embedding.scores(embedding.user_vectors[user], Filters())[items].tolist()


def test_small_requests_share_one_search_and_larger_ones_search_deeper(embedding):
    graph = Counting(models.graph(embedding, ef=50))
    ranking = GraphRanking(embedding, graph, embedding.user_vectors[0], Filters(), max_depth=400)
    for k in (10, 20, 50):
        ranking.top(k)
    assert graph.depths == [50]
    ranking.top(51)
    assert graph.depths == [50, 100]
    assert len(ranking.top(401)) == 401  # deeper than is worth it: an exact scan instead
    assert graph.depths == [50, 100]


def test_at_first_only_as_much_of_the_list_is_fetched_as_is_wanted(embedding):
    graph, vector = Counting(models.graph(embedding, ef=300)), embedding.user_vectors[0]
    whole = GraphRanking(embedding, graph, vector, filters(allowed=np.ones(N, np.bool_)), 400).top(250)
    assert graph.depths == [300]
    for k, excluded, depth in (
        (1, 0, 128),
        (112, 0, 128),
        (200, 0, 216),
        (150, 80, 246),
        (200, 90, 300),
        (299, 0, 300),
    ):
        graph.depths.clear()
        unwanted = np.sort(whole.items[-excluded:] if excluded else whole.items[:0])
        found = GraphRanking(embedding, graph, vector, filters(unwanted), 400).top(k)
        assert found.items[: 250 - excluded].tolist() == whole.items[: min(k, 250 - excluded)].tolist()
        assert graph.depths == [depth]


def test_after_a_part_comes_the_whole_list(embedding):
    graph = Counting(models.graph(embedding, ef=300))
    ranking = GraphRanking(embedding, graph, embedding.user_vectors[0], Filters(), 400)
    first = ranking.top(100)
    assert ranking.top(250).items[:100].tolist() == first.items.tolist()
    assert graph.depths == [128, 300]


def test_what_only_rounding_tells_apart_is_ordered_alike_in_short_and_long_answers():
    rng = np.random.default_rng(1)
    vectors = (1 + 1e-7 * rng.normal(size=(400, 16))).astype(np.float32)
    users = rng.normal(1, 1, (20, 16)).astype(np.float32)
    close = Embedding(
        ItemMap(None, 400), IdIndex(np.arange(20)), vectors, np.zeros(400, np.float32), users,
        lambda items, _: vectors[items[0]], "count",
    )  # fmt: skip
    graph = Counting(models.graph(close, ef=200))
    for user in range(20):
        short, long = (
            GraphRanking(close, graph, users[user], Filters(), 400).top(k).items.tolist() for k in (100, 200)
        )
        assert short == long[:100]
    assert 128 in graph.depths


def test_a_deeper_search_changes_nothing_that_was_handed_out(embedding):
    """Items a > b > … by score; the first search misses b and e, the second finds them but misses d."""
    best = DotProductKNN("knn", embedding).rank(Query(0)).top(8).items.astype(np.uint64)
    a, b, c, d, e, f, g, h = best

    class Scripted(Counting):
        def search(self, vector, k):
            self.depths.append(k)
            return np.array([[a, c, d, f], [a, b, c, e, f, g], [a, b, c, d, e, f, g, h]][len(self.depths) - 1])

    graph = Scripted(models.graph(embedding, ef=4))
    ranking = GraphRanking(embedding, graph, embedding.user_vectors[0], Filters(), max_depth=N)
    assert ranking.top(2).items.tolist() == [a, c]
    assert ranking.top(5).items.tolist() == [a, c, d, e, f]  # b comes too late, e does not, d is kept
    assert ranking.top(7).items.tolist() == [a, c, d, e, f, g, h]
    assert graph.depths == [4, 8, 16]


def test_a_search_that_hnswlib_gives_up_becomes_an_exact_scan(embedding):
    class Broken(Counting):
        def search(self, vector, k):
            return np.empty(0, np.uint64)

    model = models.graph(embedding)
    ranking = ANN("ann", embedding, Broken(model)).rank(Query(3))
    exact = DotProductKNN("knn", embedding).rank(Query(3))
    assert ranking.top(20).items.tolist() == exact.top(20).items.tolist()


def test_few_allowed_items_are_looked_at_without_the_graph(embedding):
    graph = Counting(models.graph(embedding))
    allowed = np.arange(N) % 10 == 0
    found = ANN("ann", embedding, graph).rank(Query(0, filters=filters(allowed=allowed))).top(N)
    assert len(found) == N / 10
    assert graph.depths == []


def test_answers_do_not_depend_on_the_order_of_insertion_threads(embedding):
    first, second = (models.graph(embedding, ef=8, M=2) for _ in range(2))
    for user in range(N_USERS):
        vector = embedding.user_vectors[user]
        assert first.search(vector, 20).tolist() == second.search(vector, 20).tolist()


def test_more_than_there_are_can_be_asked_of_a_graph(embedding):
    few = hnsw.build(embedding.item_vectors[:5], embedding.item_biases[:5], models.graph(embedding).settings, seed=0)
    assert sorted(few.search(embedding.user_vectors[0], 100).tolist()) == [0, 1, 2, 3, 4]
