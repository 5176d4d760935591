import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from service import linear_kernels
from service.history_kernels import WEIGHTINGS
from service.linear_kernels import DenseWeights, SparseWeights
from tests import naive


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_best_of_a_history_are_those_of_its_rows_that_are_eligible(data):
    n, n_release = 8, 12
    mapped, sparse = data.draw(st.booleans()), data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    dense = rng.integers(-2, 3, (n, n)).astype(np.float32)
    to_release = np.sort(rng.choice(n_release, n, replace=False)) if mapped else np.arange(n)
    to_model = np.full(n_release if mapped else n, -1, np.int32)
    to_model[to_release] = np.arange(n)
    release_items = st.integers(0, len(to_model) - 1)
    history = data.draw(st.lists(st.tuples(release_items, st.integers(1, 4)), unique_by=lambda one: one[0]))
    excluded = sorted(data.draw(st.sets(release_items)))
    mask = st.lists(st.booleans(), min_size=len(to_model), max_size=len(to_model))
    allowed = data.draw(st.just([]) | mask)
    k = data.draw(st.integers(0, n + 2))

    known = [(int(to_model[item]), count) for item, count in history if to_model[item] >= 0]
    scores = naive.score_history(dense, [item for item, _ in known], [count for _, count in known])
    local_excluded = [int(to_model[item]) for item in excluded]
    masked = naive.mask_scores(scores, local_excluded, [allowed[item] for item in to_release] if allowed else [])
    wanted = naive.top_k(masked, k)

    csr = csr_array(dense)
    W = SparseWeights(csr.indptr.astype(np.int64), csr.indices.astype(np.uint16), csr.data, n)
    best, their, of_all = linear_kernels.best_of(
        W if sparse else DenseWeights(dense),
        to_model if mapped else np.empty(0, np.int32),
        WEIGHTINGS["count"],
        np.array([item for item, _ in history], np.int32),
        np.array([count for _, count in history], np.int32),
        np.array(excluded, np.int32),
        np.array(allowed, np.bool_),
        k,
    )
    assert best.tolist() == wanted
    assert their.tolist() == [scores[item] for item in wanted]
    assert of_all.tolist() == (masked if known else [])
