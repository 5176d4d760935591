"""The exact ranking of an embedding by way of its codes (`service.scan_kernels`)."""

from collections.abc import Callable

import numpy as np

from service import scan_kernels
from service.array_types import Floats, Ints
from service.cg.base import Candidates, ItemMap, ScoreRanking
from service.cg.several import Several
from service.scan_estimates import ROUNDING, ScanCodes

MAX_SHARE = 1 / 16
"""For a larger share of all items the codes give up too little: a scan of all vectors is as fast."""


Scores = Callable[[], Floats]
"""Scores of all items (n,), −inf where one is not eligible."""


class CodedVectors:
    """Item vectors and biases with their codes: what a scan reads, the same for every query."""

    def __init__(self, vectors: Floats, biases: Floats, codes: ScanCodes, max_share: float = MAX_SHARE) -> None:
        """Take vectors (n, dim), biases (n,), the codes of those very vectors, and how deep they are of use."""
        self.vectors, self.biases, self.codes = vectors, biases, codes
        self.deepest = int(max_share * len(vectors))
        largest = float(np.abs(biases).max(initial=0))
        self.slack = np.float32(largest * 2 * ROUNDING + vectors.shape[1] * np.finfo(np.float32).tiny)
        """What float32 may miss in adding a bias."""


class CodedRanking:
    """As `ScoreRanking` of the scores of all items, the same items and scores, but most are never computed."""

    def __init__(self, coded: CodedVectors, vector: Floats, excluded: Ints, items: ItemMap, scores: Scores) -> None:
        """Take a user vector; excluded: model's items; scores: scores all vectors."""
        self._coded, self._items, self._scores = coded, items, scores
        self._vector, self._excluded = vector.copy(), excluded.copy()  # mapped ones would be other types to numba
        self._estimate: Floats = np.empty(0, np.float32)
        """Empty until it is made."""
        self._found: Candidates | None = None
        self._exact: ScoreRanking | None = None

    def top(self, k: int) -> Candidates:
        """Return the best k, looking again where more are wanted than before."""
        if self._found is None or len(self._found) < k:
            self._found = self._search(k) if 0 < k <= self._coded.deepest else None
        if self._found is not None:
            return self._found if len(self._found) == k else self._found[:k]
        if self._exact is None:
            self._exact = ScoreRanking(self._scores(), self._items)
        return self._exact.top(k)

    def _search(self, k: int) -> Candidates | None:
        """Return the best k, None if the codes cannot tell."""
        coded, of_query = self._coded, (self._vector, self._excluded, self._estimate)
        items, scores, self._estimate = scan_kernels.best_items(
            *coded.codes, coded.vectors, coded.biases, coded.slack, *of_query, k
        )
        return Candidates(self._items.release_items(items), scores) if len(items) == k else None


def best_of_each(
    coded: CodedVectors, vectors: Floats, excluded: Ints, starts: Ints, items: ItemMap, k: int
) -> Several | None:
    """Return what `CodedRanking.top(k)` would for several user vectors; fewer than k where the codes cannot tell.

    vectors: (b, dim); excluded[starts[q] : starts[q + 1]]: of vector q. None: they cannot tell for any.
    """
    if not 0 < k <= coded.deepest:
        return None
    of_each = vectors, excluded, starts
    found, scores, sizes = scan_kernels.best_items_of_each(
        *coded.codes, coded.vectors, coded.biases, coded.slack, *of_each, k
    )
    return Several(items.release_items(found), scores, sizes)
