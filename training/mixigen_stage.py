"""From events and the models of a release to a trained blender, along the time line.

The generators here are temporary: the same models, fitted on the first part of the log alone. What is
learnt of them is then used for the served ones, which were fitted on all of it.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service import registry
from service.artifact import Draft
from service.ids import id_type_of
from service.mix_features import MixSchema
from service.registry import Release
from service.store import MIXIGEN, Store, now
from training import mixigen, ranker
from training.candidate_log import Lists, blended_cgs, make_lists
from training.fitting import Model, fit
from training.interactions import build, fingerprint
from training.merge import mark
from training.mix_evaluation import Part
from training.ranker_features import Facts, learn_facts
from training.requests import Requests, read_requests
from training.timeline import Timeline, make_timeline

MAX_EVALUATED = 30_000
"""Requests drawn of the validation and of the test part."""


@dataclass(frozen=True)
class Stage:
    """Temporary generators, the ranker that was trained on their candidates, and the time line."""

    timeline: Timeline
    release: Release
    cgs: tuple[str, ...]
    ranker: Any
    ranked: Requests
    """The requests that the ranker was trained on."""
    seed: int

    def part(self, name: str, *, exclude_seen: bool, most: int = MAX_EVALUATED) -> Part:
        """Return a later part with the candidates of its requests, at most `most` of them."""
        requests = draw(read_requests(getattr(self.timeline, name), self.release), most, self.seed)
        if exclude_seen:
            requests = requests.without_seen(self.release)
        lists = make_lists(self.release, self.cgs, requests.user, exclude_seen=exclude_seen)
        facts = learn_facts(self.timeline.before(name), self.release)
        best = ranker.best_items(self.ranker, requests, lists, facts, lists.items.shape[2])
        return Part(requests, lists, best, len(self.release.items))

    def accepted(self, lists: Lists) -> NDArray[np.bool_]:
        """Return what was bought in the ranker's part among lists of the same users."""
        requests = self.ranked.take(np.isin(self.ranked.user, lists.users))
        list_of = lists.row_of(requests.user)
        return mark(lists.items, list_of, requests.request, requests.item, len(self.release.items))


@contextmanager
def make_stage(
    events: pl.LazyFrame, models: Sequence[Model], config: ranker.Config | None = None
) -> Iterator[Stage]:
    """Fit the models on the first part and the ranker on the second; gone when the context ends.

    Raises:
        DataError: the log is too short for the time line.
    """
    config = config or ranker.Config()
    timeline = make_timeline(events)
    with tempfile.TemporaryDirectory(prefix="candgen-") as folder:
        release = _fit(timeline.models, models, Path(folder))
        cgs = blended_cgs(release)
        requests = draw(read_requests(timeline.ranker, release), config.max_requests, config.seed)
        lists = make_lists(release, cgs, requests.user, exclude_seen=False)
        model = ranker.train(requests, lists, _facts(timeline, release), config)
        yield Stage(timeline, release, tuple(cgs), model, requests, config.seed)


def train_on(stage: Stage, log: Part, config: mixigen.Config) -> mixigen.Blend:
    """Train a blender on the candidate log."""
    schema = _schema(stage, log, config)
    seen = mixigen.see(stage.release, log.requests, schema, log.lists.exclude_seen)
    value = mixigen.worth(log.liked(config.N), log.bought, log.requests.positives, config)
    return mixigen.train(seen, log.lists, log.list_of, value, schema, config, log.n_items)


def train(
    events: pl.LazyFrame, models: Sequence[Model], config: mixigen.Config | None = None, *, exclude_seen: bool
) -> Draft:
    """Return the draft of a blender for a release of these models; `exclude_seen` as it will be served.

    Raises:
        DataError, ValueError: the log is too short.
    """
    config = config or mixigen.Config()
    started = time.perf_counter()
    with make_stage(events, models) as stage:
        log = stage.part("log", exclude_seen=exclude_seen, most=config.max_requests)
        blend = train_on(stage, log, config)
    return make_draft(events, blend, config, time.perf_counter() - started)


def make_draft(events: pl.LazyFrame, blend: mixigen.Blend, config: mixigen.Config, seconds: float) -> Draft:
    """Pack a blender."""
    interactions = build(events)
    return Draft(
        name=MIXIGEN,
        algorithm=MIXIGEN,
        arrays=blend.model.trees._asdict(),
        config={"schema": blend.model.schema.model_dump(mode="json"), **config.model_dump(mode="json")},
        item_id_type=id_type_of(interactions.item_ids),
        user_id_type=id_type_of(interactions.user_ids),
        data_fingerprint=fingerprint(interactions),
        created=now(),
        fit_seconds=round(seconds, 3),
        metrics={"trees": blend.trees},
        libraries={name: version(name) for name in ("candgen", "numpy", "catboost")},
    )


def draw(requests: Requests, most: int, seed: int) -> Requests:
    """Return at most `most` requests, drawn at random."""
    if len(requests) <= most:
        return requests
    return requests.take(np.sort(np.random.default_rng(seed).permutation(len(requests))[:most]))


def _facts(timeline: Timeline, release: Release) -> Facts:
    return learn_facts(timeline.before("ranker"), release)


def _schema(stage: Stage, log: Part, config: mixigen.Config) -> MixSchema:
    lists = make_lists(stage.release, stage.cgs, stage.ranked.user, exclude_seen=log.lists.exclude_seen)
    return mixigen.make_schema(log.requests, log.lists, stage.accepted(lists), config)


def _fit(events: pl.LazyFrame, models: Sequence[Model], folder: Path) -> Release:
    store = Store(folder)
    versions: dict[str, str] = {}
    for draft in fit(build(events), models):
        versions |= store.add([draft])
    artifacts = {name: store.artifact(name, version) for name, version in versions.items()}
    return registry.build(store.draft_release(versions, models[0].name), artifacts)
