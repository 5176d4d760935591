"""What BPR and AdaptiveBPR share: hyperparameters, initial model, schedule, the false-negative report."""

import logging
from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array, csr_matrix

from training.config import FitConfig
from training.embeddings import Embeddings
from training.progress import track
from training.sampling import Choice, make_choice

logger = logging.getLogger(__name__)

Negatives = Literal["popularity", "uniform"]


class PairwiseConfig(FitConfig):
    """Hyperparameters of BPR and AdaptiveBPR."""

    num_threads: int = Field(1, ge=0, le=1024)
    """Threads used for fitting, 0 for one per core; several update without locks and are not reproducible."""
    dim: int = Field(128, ge=1, le=8192)
    """Length of the user and item vectors."""
    max_iter: int = Field(100, ge=1)
    """Epochs; each draws as many triplets as there are interactions."""
    learning_rate: float = Field(0.01, gt=0)
    """Step size of the gradient descent."""
    learning_rate_decay: Literal["none", "linear"] = "none"
    """Keep the step size, or lower it epoch by epoch to reach 0 after the last."""
    lambd: float = Field(0.01, ge=0)
    """Weight of the L2 penalty on vectors and biases."""
    bias_lambd: float | None = Field(None, ge=0)
    """Weight of the L2 penalty on biases alone; none means lambd. 0 lets the biases follow popularity."""
    negatives: Negatives = "popularity"
    """How negative items are drawn: in proportion to popularity ** negatives_exponent, or all alike."""
    negatives_exponent: float = Field(1.0, ge=0, le=4)
    """Exponent of the popularity under negatives=popularity; 0 is uniform."""

    def penalties(self) -> tuple[np.float32, np.float32]:
        """The L2 weights of vectors and of biases."""
        biases = self.lambd if self.bias_lambd is None else self.bias_lambd
        return np.float32(self.lambd), np.float32(biases)


def initial_model(X: csr_array | csr_matrix, config: PairwiseConfig) -> Embeddings:
    """Normal vectors of scale 0.2 / dim and zero biases; zero vectors where a row or column of X is empty."""
    rng = np.random.default_rng(config.seed)
    n_users, n_items = X.shape
    users = rng.normal(0, 0.2 / config.dim, (n_users, config.dim)).astype(np.float32)
    items = rng.normal(0, 0.2 / config.dim, (n_items, config.dim)).astype(np.float32)
    users[np.diff(X.indptr) == 0] = 0
    items[np.bincount(X.indices, minlength=n_items) == 0] = 0
    return Embeddings(users, items, np.zeros(n_items, np.float32))


def negative_choice(X: csr_array | csr_matrix, config: PairwiseConfig) -> Choice:
    """The distribution over items from which negatives are drawn, whoever the user is."""
    if config.negatives == "uniform":
        return make_choice(np.ones(X.shape[1]))
    popularity = np.bincount(X.indices, weights=X.data, minlength=X.shape[1])
    return make_choice(popularity**config.negatives_exponent)


def epoch_size(X: csr_array | csr_matrix) -> int:
    """Triplets of an epoch: the length of the list of interactions, an entry of value 2 standing twice."""
    return max(X.nnz, round(float(X.data.sum(dtype=np.float64))))


def epochs(config: PairwiseConfig, label: str) -> Iterator[tuple[int, np.float32]]:
    """(epoch, learning rate), with progress reported."""
    for epoch in track(range(config.max_iter), label):
        left = 1 - epoch / config.max_iter if config.learning_rate_decay == "linear" else 1
        yield epoch, np.float32(config.learning_rate * left)


def checked(model: Embeddings, config: PairwiseConfig) -> Embeddings:
    """The model; ValueError where training diverged."""
    if not all(np.isfinite(array).all() for array in model):
        raise ValueError(
            f"training diverged: vectors are no longer finite with learning_rate={config.learning_rate} and "
            f"lambd={config.lambd}; lower learning_rate"
        )
    return model


def report_skipped(label: str, skipped: int, drawn: int) -> None:
    """Log how many triplets were skipped because their negative was a positive of the user."""
    logger.info("%s: skipped %d of %d triplets (%.1f %%)", label, skipped, drawn, 100 * skipped / drawn)
