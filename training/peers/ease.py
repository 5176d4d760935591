"""EASE against the bare LAPACK calls on the same Gram matrix."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from training import ease
from training.blas import Matrix
from training.peers.bench import Bench
from training.peers.contest import THREADS, Contest, Outcomes, Row, Side
from training.spd_inverse import invert_spd

MOST_ITEMS, QUICK_ITEMS = 15_000, 2_000
"""The most popular are taken; time grows with the cube, and LAPACK crashes near 41,000."""
PRODUCT = 4096


def contests(bench: Bench) -> Iterator[Contest]:
    """The whole fit, and its inversion alone, against potrf + potri."""
    X = _most_popular(bench.X("ease"), QUICK_ITEMS if bench.quick else MOST_ITEMS)
    n = X.shape[1]
    dense = {"sparse_inv": False, "serve_top_k": None, "serve_columns": None}
    config = bench.config("ease", num_threads=THREADS, precision="float32", **dense)
    G = ease.lower_gram(X, np.dtype(np.float32))
    np.einsum("ii->i", G)[:] += config.lambd
    square = np.random.default_rng(0).random((PRODUCT, PRODUCT), np.float32)

    def note(outcomes: Outcomes) -> str:
        rates = {name: n**3 / outcomes[name].seconds / 1e9 for name in ("inversion", "lapack")}
        product = 2 * PRODUCT**3 / outcomes["sgemm"].seconds / 1e9
        return (
            f"GFLOP/s: our inversion {rates['inversion']:.0f}, potrf + potri {rates['lapack']:.0f}, sgemm {product:.0f}"
        )

    yield Contest(
        {
            "fit": Side(lambda _: _fit(X, config)),
            "inversion": Side(_invert, G.copy),
            "lapack": Side(_lapack, lambda: G.copy().T),
            "sgemm": Side(_multiply, lambda: square),
        },
        [
            Row(f"EASE, {n:,} items / potrf + potri", "fit", "lapack", note),
            Row("EASE, inversion alone / potrf + potri", "inversion", "lapack", note),
        ],
    )


def _most_popular(X: sp.csr_array, n_items: int) -> sp.csr_array:
    users = np.bincount(X.indices, minlength=X.shape[1])
    return X[:, np.sort(np.argsort(-users, kind="stable")[:n_items])]


def _fit(X: sp.csr_array, config: ease.Config) -> None:
    ease.fit(X, config)


def _invert(G: Matrix) -> None:
    with threadpool_limits(THREADS, "blas"):
        invert_spd(G)


def _lapack(G: Matrix) -> None:
    """Invert G (n, n), Fortran order, of which only the upper triangle is set, where it lies."""
    with threadpool_limits(THREADS, "blas"):
        _, failed = lapack.spotrf(G, lower=0, clean=0, overwrite_a=1)
        _, failed_too = lapack.spotri(G, lower=0, overwrite_c=1)
    if failed or failed_too:
        raise ValueError(f"LAPACK could not invert the Gram matrix ({failed}, {failed_too}): raise ease's lambd")


def _multiply(square: Matrix) -> None:
    with threadpool_limits(THREADS, "blas"):
        square @ square
