"""BPR: matrix factorisation with item biases for the pairwise log-loss (Rendle et al. 2009)."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from training.bpr_kernels import train_range
from training.embeddings import Embeddings
from training.pairwise import (
    PairwiseConfig,
    checked,
    epoch_size,
    epochs,
    initial_model,
    negative_choice,
    report_skipped,
)
from training.sampling import make_interactions, stream_key


class Config(PairwiseConfig):
    """Hyperparameters of BPR."""

    skip_false_negatives: bool = True
    """Skip a triplet whose negative is a positive of the user; off, only one with two equal items is."""


def fit(X: csr_array | csr_matrix, config: Config) -> Embeddings:
    """Fit user and item vectors and item biases to X, (n_users, n_items); logs the triplets skipped.

    A value of X is the weight of its interaction: a count acts like that many repeats in the list of
    interactions. Raises ValueError for an X without interactions or with negative values, and where
    training diverges.
    """
    model, skipped = train(X, config)
    report_skipped("bpr", skipped, config.max_iter * epoch_size(X))
    return model


def train(X: csr_array | csr_matrix, config: Config) -> tuple[Embeddings, int]:
    """As `fit`, but silent: the model and the number of triplets skipped."""
    interactions, items = make_interactions(X), negative_choice(X, config)
    model, size, key = initial_model(X, config), epoch_size(X), stream_key(config.seed)
    lambd, bias_lambd = config.penalties()
    skipped = 0
    with ThreadPoolExecutor(config.threads) as pool:
        for epoch, rate in epochs(config, "bpr"):
            cuts = np.linspace(epoch * size, (epoch + 1) * size, config.threads + 1).astype(np.int64)
            slices = [
                pool.submit(
                    train_range,
                    *(*model, interactions, items, key, start, stop),
                    *(rate, lambd, bias_lambd, config.skip_false_negatives),
                )
                for start, stop in pairwise(cuts)
            ]
            skipped += sum(part.result() for part in slices)
    return checked(model, config), skipped
