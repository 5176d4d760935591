"""The best of one generator for each of several queries."""

import functools
import logging
from collections.abc import Sequence
from typing import cast

from service.attempt import attempt
from service.cg.base import CandidateGenerator, Candidates, Query
from service.cg.several import Queries, RanksTogether

log = logging.getLogger(__name__)


def best_of_each(cg: CandidateGenerator, queries: Sequence[Query], k: int) -> Sequence[Candidates | Exception]:
    """Return for each query what `cg.rank(query).top(k)` returns or raises."""
    if not ranks_together(cg):
        return [attempt(_best, cg, query, k) for query in queries]
    whole = Queries(query for query in queries if not len(query.filters.allowed))
    together = iter(_best_together(cg, whole, k))
    return [next(together) if not len(query.filters.allowed) else attempt(_best, cg, query, k) for query in queries]


def _best_together(cg: CandidateGenerator, queries: Queries, k: int) -> Sequence[Candidates | Exception]:
    if len(queries) > 1:
        found = attempt(cast("RanksTogether", cg).best_of_each, queries, k)
        if not isinstance(found, Exception):
            return found.each()
        log.warning(
            "generator %s failed for %d requests together; asked for each", cg.name, len(queries), exc_info=found
        )
    return [attempt(_best, cg, query, k) for query in queries]


def _best(cg: CandidateGenerator, query: Query, k: int) -> Candidates:
    return cg.rank(query).top(k)


def ranks_together(cg: CandidateGenerator) -> bool:
    """Whether a generator answers several queries with less work than one after the other."""
    return _ranks_together(type(cg))


@functools.lru_cache(maxsize=64)
def _ranks_together(kind: type) -> bool:
    """Remember the answer: looking a protocol up takes microseconds."""
    return issubclass(kind, RanksTogether)
