"""AdaptiveBPR: BPR on hard negatives, drawn by a softmax of the model's own scores.

After Rendle and Freudenthaler, "Improving Pairwise Learning for Item Recommendation from Implicit Feedback"
(2014), with the softmax in place of their geometric rank distribution.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from service.array_types import Ints, Longs
from training.bpr_kernels import train_triplets
from training.embeddings import Embeddings
from training.hard_negatives import draw_fixed_negatives, draw_hard_negatives, draw_positives
from training.pairwise import (
    Negatives,
    PairwiseConfig,
    checked,
    epoch_size,
    epochs,
    initial_model,
    negative_choice,
    report_skipped,
)
from training.sampling import Choice, Interactions, make_interactions, stream_key


class Config(PairwiseConfig):
    """Hyperparameters of AdaptiveBPR."""

    negatives: Negatives = "uniform"
    """How negatives are drawn before the weights follow the scores."""
    weight_temperature: float = Field(0.5, gt=0)
    """Temperature of the softmax over scores by which negatives are drawn; lower means harder ones."""
    num_epochs_without_updates: int = Field(10, ge=0)
    """The negatives' weights follow the scores from the end of this epoch on, counting from 0."""
    table_memory_limit: int = Field(256, ge=1, le=2**20)
    """MiB for the n_users × n_items table of negative weights; larger ones are made in blocks of users."""


class Sampler(NamedTuple):
    """All that does not change between the draws of two epochs."""

    interactions: Interactions
    items: Choice
    key: np.uint64
    config: Config


def fit(X: csr_array | csr_matrix, config: Config) -> Embeddings:
    """Fit user and item vectors and item biases to X, (n_users, n_items); logs the triplets skipped.

    A triplet is a user in proportion to the sum of their row of X, one of their positives in proportion to
    its value, and one of their other items in proportion to exp(score / weight_temperature), with the scores
    from the end of the epoch before. A triplet is skipped only where the user has no other item, or where
    negatives=popularity hits a positive. Raises ValueError for an X without interactions or with negative
    values, and where training diverges.
    """
    model, skipped = train(X, config)
    report_skipped("adaptive_bpr", skipped, config.max_iter * epoch_size(X))
    return model


def train(X: csr_array | csr_matrix, config: Config) -> tuple[Embeddings, int]:
    """As `fit`, but silent: the model and the number of triplets skipped."""
    sampler = Sampler(make_interactions(X), negative_choice(X, config), stream_key(config.seed), config)
    model, size = initial_model(X, config), epoch_size(X)
    lambd, bias_lambd = config.penalties()
    triplets = np.empty((size, 3), np.int32)
    skipped = 0
    with ThreadPoolExecutor(config.threads) as pool:
        for epoch, rate in epochs(config, "adaptive_bpr"):
            if epoch <= config.num_epochs_without_updates:
                skipped += draw_first(sampler, epoch * size, triplets)
            else:
                skipped += draw_adaptive(sampler, model, epoch * size, triplets, pool)
            steps = [
                pool.submit(train_triplets, *model, part, rate, lambd, bias_lambd)
                for part in np.array_split(triplets, config.threads)
            ]
            for step in steps:
                step.result()
    return checked(model, config), skipped


def draw_first(sampler: Sampler, first: int, triplets: Ints) -> int:
    """Fill `triplets` with draws first, first + 1, … from the starting weights; returns how many are void."""
    draw_positives(sampler.interactions, sampler.key, first, triplets)
    return int(draw_fixed_negatives(sampler.interactions, sampler.items, sampler.key, first, triplets))


def draw_adaptive(sampler: Sampler, model: Embeddings, first: int, triplets: Ints, pool: ThreadPoolExecutor) -> int:
    """As `draw_first`, with negatives weighted by the model's scores; the weights exist for a block of users.

    The weights stay the same for an epoch, so all draws of a user are made while their row is there. The
    whole n_users × n_items table is therefore never needed: how many users a block has changes the memory,
    not the draws.
    """
    draw_positives(sampler.interactions, sampler.key, first, triplets)
    order = np.argsort(triplets[:, 0], kind="stable")
    users, starts = np.unique(triplets[order, 0], return_index=True)
    bounds = np.append(starts, len(order))
    threads, n_items = sampler.config.threads, len(model.items)
    fitting = sampler.config.table_memory_limit * 2**20 // (4 * n_items * threads)
    rows = min(max(1, fitting), -(-len(users) // threads))

    def fill(mine: Longs) -> int:
        table, void = np.empty((rows, n_items), np.float32), 0
        for low in range(0, len(mine), rows):
            block = users[mine[low : low + rows]]
            scores = np.matmul(model.users[block], model.items.T, out=table[: len(block)])
            void += draw_hard_negatives(
                *(scores, model.item_biases, np.float32(sampler.config.weight_temperature)),
                *(block, order, bounds[mine[low] : mine[low] + len(block) + 1]),
                *(sampler.interactions, sampler.key, first, triplets),
            )
        return void

    with threadpool_limits(1, "blas"):
        return sum(pool.map(fill, np.array_split(np.arange(len(users)), threads)))
