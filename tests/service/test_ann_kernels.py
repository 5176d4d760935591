import numpy as np

from service import ann_kernels, embedding_kernels

NONE, ALL = np.empty(0, np.int32), np.empty(0, np.bool_)


def model(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(50, 6)).astype(np.float32), rng.normal(size=50).astype(np.float32), rng.normal(size=6)


def settled(k, rounding, excluded=NONE, found=30):
    vectors, biases, query = model()
    query = query.astype(np.float32)
    order = np.argsort(-(vectors @ query + biases), kind="stable")[:found].astype(np.uint64)
    whole = embedding_kernels.rank_found(order, vectors, biases, query, excluded, ALL, ann_kernels.BEFORE_ALL)
    part = ann_kernels.rank_settled(order, vectors, biases, query, excluded, ALL, k, rounding)
    return whole, part, float(np.linalg.norm(query))


def test_the_best_k_where_the_last_found_lies_clearly_behind_them():
    excluded = np.array([1, 5, 7], np.int32)
    (items, scores), (own, own_scores), _ = settled(10, (0.0, 0.0, 0.0), excluded)
    assert own.tolist() == items[:10].tolist()
    assert own_scores.tolist() == scores[:10].tolist()
    assert not set(own.tolist()) & set(excluded.tolist())


def test_nothing_where_as_many_were_found_as_are_wanted_or_fewer():
    for k in (30, 31):
        assert len(settled(k, (0.0, 0.0, 0.0))[1][0]) == 0
    assert len(settled(29, (0.0, 0.0, 0.0))[1][0]) == 29


def test_rounding_grows_with_the_length_of_the_query():
    (_, scores), _, length = settled(10, (0.0, 0.0, 0.0))
    gap = float(scores[9] - scores[-1])
    for power in range(3):
        for share, wanted in ((0.999, 10), (1.001, 0)):
            rounding = tuple(share * gap / length**power if 2 - place == power else 0.0 for place in range(3))
            assert len(settled(10, rounding)[1][0]) == wanted
