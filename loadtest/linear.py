"""LinearItemToItemCG in process against other ways to the same list: same sparse W, same histories, same items.

    python -m loadtest.linear --store DIR [--artifact slim] [--n 100] [--users 500]

Against `recommend` of implicit's item-item model (extra `peers`), and against the plain way: the user's row of a
sparse matrix @ a dense W, argpartition. One core; medians of processor time over users who ask in turn, then over
rounds in which the ways take turns; first the lists are compared.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from service import registry
from service.cg.base import Filters, Query, history_weights
from service.registry import Release
from service.release_manifest import DATA
from service.store import Store
from training.tables import markdown

Found = tuple[NDArray[Any], NDArray[Any]]
Ask = Callable[[int], Found]
"""User's row → items of the model and scores, best first."""
ROUNDS = 7
CG, IMPLICIT, PLAIN = "LinearItemToItemCG", "implicit's recommend", "sparse row @ dense W, argpartition"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("models_store"))
    parser.add_argument("--artifact", default="slim", help="with a sparse W")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--users", type=int, default=500)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(markdown("way", compare(Store(args.store), args.artifact, args.n, args.users)))


def compare(store: Store, name: str, n: int, n_users: int) -> dict[str, dict[str, object]]:
    """Return microseconds of each way, and how many times as long as the CG's in the same round that is."""
    release = registry.load(store)
    ways, users = _ways(release, store, name, n), _users(release, n_users)
    for user in users:
        _check_alike({way: ask(user) for way, ask in ways.items()})
    rounds = [{way: _microseconds(ask, users) for way, ask in ways.items()} for _ in range(ROUNDS)]
    return {
        way: {
            "µs": round(median(micro[way] for micro in rounds), 1),
            "× the CG": round(median(micro[way] / micro[CG] for micro in rounds), 2),
        }
        for way in ways
    }


def _microseconds(ask: Ask, users: Sequence[int]) -> float:
    """Return the median over the users."""
    times = []
    for user in users:
        started = time.process_time()
        ask(user)
        times.append(time.process_time() - started)
    return 1e6 * median(times)


def _users(release: Release, n_users: int) -> list[int]:
    """Return users spread over all that have a history (of the whole release)."""
    known = np.flatnonzero(np.diff(release.history.indptr))
    return known[np.linspace(0, len(known) - 1, n_users).astype(int)].tolist()


def _ways(release: Release, store: Store, name: str, n: int) -> dict[str, Ask]:
    arrays = store.artifact(name, release.manifest.artifacts[name]).arrays
    own = release.items.rows_of(arrays["item_ids"])
    data = store.artifact(DATA, release.manifest.artifacts[DATA]).arrays
    parts = (arrays["weights_values"], arrays["weights_columns"], arrays["weights_indptr"])
    W = sp.csr_matrix(tuple(np.array(part) for part in parts), shape=(len(own), len(own)))
    weighting = store.manifest(name, release.manifest.artifacts[name]).config["weighting"]
    X = _matrix(release, history_weights(np.asarray(data["history_counts"]), weighting))[:, own]
    rows = [X[user] for user in range(X.shape[0])]  # cut in advance, as histories are: no way has to do it
    histories = [release.history.lookup(user) for user in release.users.ids_of(np.arange(X.shape[0], dtype=np.int32))]
    cg, dense = release.cg(name), W.toarray()

    def ask_cg(user: int) -> Found:
        history = histories[user]
        assert history is not None
        found = cg.rank(Query(history=history, filters=Filters(history.items))).top(n)
        return found.items, found.scores

    def ask_plainly(user: int) -> Found:
        row = rows[user]
        scores = np.asarray(row @ dense).ravel()
        scores[row.indices] = -np.inf
        best = np.argpartition(-scores, n)[:n]
        best = best[np.argsort(-scores[best], kind="stable")]
        return best, scores[best]

    return {CG: ask_cg, **_implicit(W, X, n), PLAIN: ask_plainly}


def _implicit(W: sp.csr_matrix, X: sp.csr_matrix, n: int) -> dict[str, Ask]:
    if find_spec("implicit") is None:
        return {}
    from implicit.nearest_neighbours import ItemItemRecommender

    model = ItemItemRecommender(K=1, num_threads=1)
    model.similarity = W.astype(np.float64)
    model.scorer = _scorer(model.similarity)
    all_rows = X.astype(np.float64)
    rows = [all_rows[user] for user in range(X.shape[0])]
    return {IMPLICIT: lambda user: model.recommend(user, rows[user], N=n, filter_already_liked_items=True)}


def _scorer(similarity: sp.csr_matrix) -> Any:
    from implicit._nearest_neighbours import NearestNeighboursScorer

    return NearestNeighboursScorer(similarity)


def _matrix(release: Release, values: NDArray[np.float32]) -> sp.csr_matrix:
    """Return the histories of all users, with these values, as a matrix."""
    history, shape = release.history, (len(release.users), len(release.items))
    return sp.csr_matrix((values, np.array(history.items), np.array(history.indptr)), shape=shape)


def _check_alike(found: dict[str, Found]) -> None:
    """Compare scores by place, which ties between items do not disturb, up to where the CG's list ends."""
    own = found[CG][1]
    for way, (_, scores) in found.items():
        if not np.allclose(scores[: len(own)], own, rtol=1e-4, atol=1e-5):
            raise SystemExit(f"{way} finds another list than {CG}; nothing to compare")


if __name__ == "__main__":
    main()
