"""MixiGens and generators for tests: random trees, and generators that are lists."""

import time
from pathlib import Path

import numpy as np

from service.artifact import Draft
from service.cg.base import NOTHING, Candidates, ListRanking
from service.cg.several import Several
from service.ids import IdType
from service.mix_features import MixSchema, feature_names
from service.mix_segments import Segments
from service.mix_trees import Trees
from service.release_manifest import MIXIGEN, now
from service.store import Store
from tests.stores import tiny_store

TRAINED = ("slim", "ease", "personal_top")


def schema(cgs=TRAINED, **values) -> MixSchema:
    """A schema with unequal acceptances."""
    return MixSchema(cgs=cgs, acceptance={name: 0.1 * (row + 1) for row, name in enumerate(cgs)}, **values)


def random_trees(of: MixSchema, rng, n_trees=20, *, monotone=False) -> Trees:
    """Trees of depth 3 whose first level is the position; `monotone`: none rises with it."""
    width = len(feature_names(of))
    feature = rng.integers(0, width - 1, (n_trees, 3)).astype(np.int32)
    feature[:, 0] = width - 1
    border = rng.normal(0.5, 1, (n_trees, 3)).astype(np.float32)
    border[:, 0] = rng.integers(1, of.max_position + 1, n_trees) + 0.5
    leaves = rng.normal(size=(n_trees, 8))
    if monotone:
        leaves[:, 1::2] = leaves[:, ::2] - rng.random((n_trees, 4))
    return Trees(feature, border, leaves, np.array([1.0, 0.0]))


def mixigen_draft(
    ids: IdType = "uint64", seed: int = 0, *, trees=None, of: MixSchema | None = None, segments=None, habits=None
) -> Draft:
    """An artifact as training writes it; habits: `Habits` of a schema that has them."""
    of = of or schema(max_position=6, cities=("Berlin", "Bonn"), stores=("7",), timezone="Europe/Berlin")
    trees = trees or random_trees(of, np.random.default_rng(seed))
    return Draft(
        name=MIXIGEN,
        algorithm=MIXIGEN,
        arrays={
            **trees._asdict(),
            **(segments or Segments.fixed(np.zeros((2, len(of.cgs), of.max_position)))).arrays(),
            **({} if habits is None else {"user_ids": habits.users.ids, "habits": habits.values}),
        },
        config={"schema": of.model_dump(mode="json")},
        item_id_type=ids,
        user_id_type=ids,
        data_fingerprint="0" * 64,
        created=now(),
    )


def mix_store(root: Path, ids: IdType = "uint64", seed: int = 0, **draft) -> Store:
    """A tiny store with a MixiGen over slim, ease and personal_top."""
    store = tiny_store(root, ids, exclude_seen=False, seed=seed)
    store.publish([mixigen_draft(ids, seed, **draft)])
    return store


class FixedCG:
    """A generator that is a list; scores fall from 1. Counts how often it was asked to rank."""

    def __init__(self, name, items, *, pause=0.0, error=None, fail_after=None):
        self.name, self.pause, self.error, self.fail_after = name, pause, error, fail_after
        items = np.asarray(items, np.int32)
        self._list = Candidates(items, np.linspace(1, 0.5, max(len(items), 1), dtype=np.float32)[: len(items)])
        self.ranked = 0

    def rank(self, query):
        del query
        self.ranked += 1
        time.sleep(self.pause)
        if self.error:
            raise self.error
        return self if self.fail_after is not None else ListRanking(self._list)

    def top(self, k):
        if k > self.fail_after:
            raise RuntimeError("broken at a later batch")
        return self._list[:k]

    def warm_up(self):
        pass


class PersonalCG(FixedCG):
    """A generator that is a list for each user, users being 0, 1, …; it can be asked for several at once."""

    def __init__(self, name, lists):
        super().__init__(name, [])
        self._of_user = [FixedCG(name, items) for items in lists]

    def rank(self, query):
        return self._of_user[query.user].rank(query)

    def best_of_each(self, queries, k):
        found = Several.none(len(queries), k)
        for row, query in enumerate(queries):
            found.put(row, self.rank(query).top(k))
        return found


EMPTY_CG = FixedCG("empty", NOTHING.items)
