"""What pruning an item-item matrix costs, estimated on the training log itself."""

import numpy as np
import scipy.sparse as sp

from service.array_types import Floats, Longs
from service.compact_kernels import CompactWeights
from training import compact
from training.config import FitConfig, Weighting
from training.interactions import Interactions, matrix

Weights = Floats | sp.csr_array

K = 50
MAX_USERS = 1000
HELD_OUT = 0.2


def pruning_loss(
    W: Weights, pruned: sp.csr_array | CompactWeights, interactions: Interactions, config: FitConfig
) -> dict[str, float | int]:
    """Compare recall@50 of W and of its pruned form (both n_items × n_items).

    The last fifth of the items of up to 1,000 users is hidden from their history and to be found
    among the items that are not in the rest of it. W was fitted with the hidden items, so both
    recalls are too high by the same cause; their difference is what counts.
    """
    users = _sample(interactions, config.seed)
    if not len(users):
        return {}
    X, hidden = _hide_last(interactions, config.weighting, users)
    hidden_count = np.asarray(hidden.sum(axis=1)).ravel()
    found = {}
    for name, weights in (("dense", W), ("pruned", pruned)):
        scores = compact.scores(X, weights) if isinstance(weights, CompactWeights) else X @ weights
        scores = scores.toarray() if sp.issparse(scores) else scores
        scores[X.nonzero()] = -np.inf
        k = min(K, scores.shape[1])
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        hits = np.take_along_axis(hidden.toarray(), top, axis=1).sum(axis=1)
        found[name] = float((hits / hidden_count).mean())
    return {
        "users": len(users),
        "recall@50 dense": round(found["dense"], 4),
        "recall@50 pruned": round(found["pruned"], 4),
        "recall@50 lost": round(found["dense"] - found["pruned"], 4),
    }


def _sample(interactions: Interactions, seed: int) -> Longs:
    sizes = np.diff(interactions.indptr)
    enough = np.flatnonzero(sizes >= 1 / HELD_OUT)
    return np.sort(np.random.default_rng(seed).permutation(enough)[:MAX_USERS])


def _hide_last(interactions: Interactions, weighting: Weighting, users: Longs) -> tuple[sp.csr_array, sp.csr_array]:
    """Return the users' rows of X without their last items, and those items as ones."""
    rest = matrix(interactions, weighting)[users]
    hidden = rest.copy()
    for row, user in enumerate(users.tolist()):
        last = interactions.last[interactions.indptr[user] : interactions.indptr[user + 1]]
        is_hidden = np.zeros(len(last), bool)
        is_hidden[np.argsort(-last, kind="stable")[: int(len(last) * HELD_OUT)]] = True
        part = slice(rest.indptr[row], rest.indptr[row + 1])
        rest.data[part] *= ~is_hidden
        hidden.data[part] = is_hidden
    rest.eliminate_zeros()
    hidden.eliminate_zeros()
    return rest, hidden
