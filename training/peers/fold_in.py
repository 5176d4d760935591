"""What folding users in costs: their vectors from a history alone, against those that training ended with."""

from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from service.cg import fold_in_als, fold_in_bpr
from training import adaptive_bpr, als, bpr
from training.embeddings import Embeddings
from training.peers.bench import Bench
from training.peers.contest import THREADS, Contest, Outcomes, Row, Side

MODELS: dict[str, ModuleType] = {"als": als, "bpr": bpr, "adaptive_bpr": adaptive_bpr}
QUICK_EPOCHS = 2


def contests(bench: Bench) -> Iterator[Contest]:
    """For each model, the vectors of all users folded in, one user after the other, against the whole fit."""
    for name, module in MODELS.items():
        yield _contest(bench, name, module)


def _contest(bench: Bench, name: str, module: ModuleType) -> Contest:
    X, epochs = bench.X(name), {"max_iter": QUICK_EPOCHS} if bench.quick else {}
    config = bench.config(name, num_threads=THREADS, **epochs)
    fitted: list[Embeddings] = []

    def train(_: None) -> Embeddings:
        fitted[:] = [module.fit(X, config)]
        return fitted[0]

    def note(outcomes: Outcomes) -> str:
        kept = [
            outcomes["folded in"].recall[f"recall@{k}"] / outcomes["trained"].recall[f"recall@{k}"] for k in (10, 50)
        ]
        how = "closed form" if name == "als" else "map learnt from the other half of the users"
        return f"{how}; recall kept: {kept[0]:.1%}, {kept[1]:.1%}"

    judge = partial(bench.recall_of_embeddings, name)
    fold = partial(fold_in_all, X=X, config=config)
    return Contest(
        # the sides take turns in this order, so there is a model to fold in to
        {"trained": Side(train, judge=judge), "folded in": Side(fold, lambda: fitted[0], judge)},
        [Row(f"{name}, users folded in / trained", "folded in", "trained", note)],
    )


def fold_in_all(model: Embeddings, X: sp.csr_array, config: Any) -> Embeddings:
    """The model with each user's vector folded in from the user's row of X."""
    rows = (_by_als if isinstance(config, als.Config) else _by_map)(model, X, config)
    return model._replace(users=np.ascontiguousarray(rows, np.float32))


def _by_als(model: Embeddings, X: sp.csr_array, config: als.Config) -> NDArray[np.float32]:
    basis = fold_in_als.gram_basis(model.items)
    fold = partial(
        fold_in_als.fold_in, alpha0=config.alpha0, lambd=config.lambd, nu=config.nu, loss=config.loss
    )  # fmt: skip
    return np.stack([fold(model.items, basis, *_history(X, user)) for user in range(X.shape[0])])


def _by_map(model: Embeddings, X: sp.csr_array, config: Any) -> NDArray[np.float32]:
    """As for users that the map was not learnt from: each half is mapped by what the other half taught."""
    del config
    half = np.random.default_rng(0).permutation(X.shape[0]) % 2
    maps = [
        fold_in_bpr.learn_map(model.users[half != own], model.items, X[np.flatnonzero(half != own)]) for own in (0, 1)
    ]
    return np.stack(
        [fold_in_bpr.fold_in(model.items, maps[half[user]], *_history(X, user)) for user in range(X.shape[0])]
    )


def _history(X: sp.csr_array, user: int) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
    seen = slice(X.indptr[user], X.indptr[user + 1])
    return X.indices[seen], X.data[seen].astype(np.float32)
