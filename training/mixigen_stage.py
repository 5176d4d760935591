"""From events and models to a trained blender, along the time line.

The generators here are temporary: the same models, fitted on the first part of the log alone. What is
learnt of them is then used for the served ones, which were fitted on all of it.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from service import registry
from service.artifact import Draft
from service.ids import id_type_of
from service.mix_features import MixSchema
from service.mix_habits import Habits
from service.mix_model import MixModel
from service.registry import Release
from service.release_manifest import DATA, MIXIGEN, ReleaseManifest, now
from service.store import Store
from training import mixigen, ranker
from training.candidate_log import RANDOM, blended_cgs, make_lists, write_log
from training.errors import DataError
from training.fitting import Model, fit
from training.interactions import build, fingerprint
from training.merge import mark
from training.mix_evaluation import Part
from training.mixigen_habits import learn as learn_habits
from training.mixigen_logged import Logged
from training.ranker_features import learn_facts
from training.requests import Requests, read_requests
from training.served_log import Line, Served, take
from training.served_log import see as see_served
from training.timeline import LEARNING, SHARES, Timeline, make_timeline

if TYPE_CHECKING:
    from catboost import CatBoostRanker

WAYS = (False, True)
"""Seen items allowed, excluded: the blender learns from both."""


@dataclass(frozen=True)
class Stage:
    """Temporary generators, the ranker that was trained on their candidates, and the time line."""

    timeline: Timeline
    release: Release
    cgs: tuple[str, ...]
    ranker: "CatBoostRanker"
    ranked: Requests
    """The requests that the ranker was trained on."""
    seed: int

    def part(self, name: str, *, exclude_seen: bool, most: int) -> Part:
        """Return a later part with the candidates of its requests, at most `most` of them."""
        requests = draw(read_requests(getattr(self.timeline, name), self.release), most, self.seed)
        if exclude_seen:
            requests = requests.without_seen(self.release)
        lists = make_lists(self.release, self.cgs, requests.user, exclude_seen=exclude_seen)
        facts = learn_facts(self.timeline.before(name), self.release)
        best = ranker.best_items(self.ranker, requests, lists, facts, lists.items.shape[2])
        return Part(requests, lists, best, len(self.release.items))

    def schema(self, log: Part, config: mixigen.Config) -> MixSchema:
        """Describe what a blender is trained on; acceptance is that of the ranker's part."""
        lists = make_lists(self.release, self.cgs, self.ranked.user, exclude_seen=False)
        list_of = lists.row_of(self.ranked.user)
        accepted = mark(lists.items, list_of, self.ranked.request, self.ranked.item, len(self.release.items))
        return mixigen.make_schema(log.requests, accepted, self.cgs, config)


@contextmanager
def make_stage(
    events: pl.LazyFrame, models: Sequence[Model], config: ranker.Config | None = None, *, test: bool = False
) -> Iterator[Stage]:
    """Fit the models on the first part and the ranker on the second; gone when the context ends.

    test: keep the last fifth for a test; without, the log is one from which it has been cut off.

    Raises:
        DataError: the log is too short for the time line.
    """
    config = config or ranker.Config()
    timeline = make_timeline(events, SHARES if test else LEARNING)
    with tempfile.TemporaryDirectory(prefix="candgen-") as folder:
        release = _fit(timeline.models, models, Path(folder))
        cgs = blended_cgs(release)
        requests = draw(read_requests(timeline.ranker, release), config.max_requests, config.seed)
        ways = {False: requests, True: requests.without_seen(release)}
        sources = [
            (some, make_lists(release, cgs, some.user, exclude_seen=way)) for way, some in ways.items() if len(some)
        ]
        model = _or_data_error(ranker.train, sources, learn_facts(timeline.before("ranker"), release), config)
        yield Stage(timeline, release, tuple(cgs), model, requests, config.seed)


def make_log(stage: Stage, config: mixigen.Config) -> dict[bool, Part]:
    """Return the candidate log of both ways.

    Raises:
        DataError: too few users came back.
    """
    log = _ways(stage, "log", config.max_requests)
    users = len(np.unique(log[False].requests.user))
    if users < config.min_users:
        raise DataError(
            f"the candidate log has requests of {users} users whom the generators knew; wanted {config.min_users} "
            "(min_users): a blender learns from users who come back"
        )
    return log


def take_served(
    stage: Stage, lines: Sequence[Line], events: pl.LazyFrame, *, before_validation: bool
) -> dict[bool, Served]:
    """Return the lines of a mix log that may be learnt from: from the candidate log's part on.

    before_validation: and none of what a report is made of.
    """
    since, until = (
        int(part.select(pl.col("timestamp").min()).collect().item())
        for part in (stage.timeline.log, stage.timeline.validation)
    )
    end = until if before_validation else None
    return take(lines, events, stage.release, stage.cgs, since=since, until=end)


def write_candidate_log(stage: Stage, log: Mapping[bool, Part], path: Path) -> int:
    """Write the candidates of the log's requests, seen items allowed, and of `random`; return the rows."""
    requests = log[False].requests
    lists = make_lists(stage.release, (*stage.cgs, RANDOM), requests.user, exclude_seen=False)
    return write_log(stage.release, requests, lists, path)


def make_habits(stage: Stage, log: Mapping[bool, Part], config: mixigen.Config) -> tuple[Habits, Habits]:
    """Return the habits of users before the log, from the ranker's part, and after it, for what comes later."""
    ranked, later = (_ways(stage, name, config.max_requests) for name in ("ranker", "validation"))
    users = stage.release.users
    before = learn_habits(users, {way: [ranked[way]] for way in WAYS})
    return before, learn_habits(users, {way: [log[way], later[way]] for way in WAYS})


def train_on(
    stage: Stage,
    log: Mapping[bool, Part],
    config: mixigen.Config,
    habits: tuple[Habits, Habits] | None = None,
    served: Mapping[bool, Served] | None = None,
) -> mixigen.Blend:
    """Train a blender on the candidate log, and on mixes that were served.

    habits: `make_habits`, which are made where they are wanted.
    """
    schema = stage.schema(log[False], config)
    if config.habits and habits is None:
        habits = make_habits(stage, log, config)
    before, after = habits if config.habits and habits else (None, None)
    logs = [_logged(stage.release, log[way], schema, config, before) for way in WAYS]
    if served:
        more = [_logged_served(stage, served[way], schema, config, before) for way in WAYS]
        logs = [log.extend(own) if len(own.list_of) else log for log, own in zip(logs, more, strict=True)]
    blend: mixigen.Blend = _or_data_error(mixigen.train, logs, schema, config, len(stage.release.items))
    model = MixModel(blend.model.trees, schema, blend.model.segments, after)
    return blend._replace(model=model)


def train(events: pl.LazyFrame, models: Sequence[Model], config: mixigen.Config | None = None) -> Draft:
    """Return the draft of a blender for a release of these models.

    Raises:
        DataError: the log is too short.
    """
    config = config or mixigen.Config()
    started = time.perf_counter()
    with make_stage(events, models) as stage:
        blend = train_on(stage, make_log(stage, config), config)
    return make_draft(events, blend, config, time.perf_counter() - started)


def make_draft(events: pl.LazyFrame, blend: mixigen.Blend, config: mixigen.Config, seconds: float) -> Draft:
    """Pack a blender."""
    interactions = build(events)
    return Draft(
        name=MIXIGEN,
        algorithm=MIXIGEN,
        arrays={**blend.model.trees._asdict(), **blend.model.segments.arrays(), **_habit_arrays(blend.model.habits)},
        config={"schema": blend.model.schema.model_dump(mode="json"), **config.model_dump(mode="json")},
        item_id_type=id_type_of(interactions.item_ids),
        user_id_type=id_type_of(interactions.user_ids),
        data_fingerprint=fingerprint(interactions),
        created=now(),
        fit_seconds=round(seconds, 3),
        metrics={"trees": blend.trees},
        libraries={name: version(name) for name in ("candgen", "numpy", "catboost")},
    )


def _habit_arrays(habits: Habits | None) -> dict[str, Any]:
    return {} if habits is None else {"user_ids": habits.users.ids, "habits": habits.values}


def models_of(store: Store, release: ReleaseManifest) -> list[Model]:
    """Return what the generators of a release were fitted with."""
    manifests = [store.manifest(name, version) for name, version in release.artifacts.items()]
    return [
        Model(manifest.name, manifest.algorithm, manifest.config)
        for manifest in manifests
        if manifest.name not in (DATA, MIXIGEN)
    ]


def draw(requests: Requests, most: int, seed: int) -> Requests:
    """Return at most `most` requests, drawn at random."""
    if len(requests) <= most:
        return requests
    return requests.take(np.sort(np.random.default_rng(seed).permutation(len(requests))[:most]))


def _ways(stage: Stage, name: str, most: int) -> dict[bool, Part]:
    return {way: stage.part(name, exclude_seen=way, most=most) for way in WAYS}


def _logged(release: Release, log: Part, schema: MixSchema, config: mixigen.Config, habits: Habits | None) -> Logged:
    n_cgs = len(schema.cgs)
    return Logged(
        mixigen.see(release, log.requests, schema, exclude_seen=log.lists.exclude_seen, habits=habits),
        log.lists,
        log.list_of,
        mixigen.worth(log.liked(config.N)[:, :n_cgs], log.bought[:, :n_cgs], log.requests.positives, config),
        log.requests.timestamps,
    )


def _logged_served(
    stage: Stage, served: Served, schema: MixSchema, config: mixigen.Config, habits: Habits | None
) -> Logged:
    """Return lines of a mix log as if they were of the candidate log; all is known from before the log's part."""
    requests, lists, n_items = served.requests, served.lists, len(stage.release.items)
    list_of = np.arange(len(requests))
    facts = learn_facts(stage.timeline.before("log"), stage.release)
    best = ranker.best_items(stage.ranker, requests, lists, facts, config.N, list_of)
    of_best = np.repeat(list_of, config.N)
    liked = mark(lists.items, list_of, of_best, best.ravel().astype(np.int64), n_items)
    bought = mark(lists.items, list_of, requests.request, requests.item, n_items)
    value = mixigen.worth(liked, bought, requests.positives, config)
    return Logged(see_served(served, stage.release, schema, habits), lists, list_of, value, requests.timestamps)


def _fit(events: pl.LazyFrame, models: Sequence[Model], folder: Path) -> Release:
    store = Store(folder)
    versions: dict[str, str] = {}
    for draft in fit(build(events), models):
        versions |= store.add([draft])
    artifacts = {name: store.artifact(name, version) for name, version in versions.items()}
    return registry.build(store.draft_release(versions, models[0].name), artifacts)


def _or_data_error(work: Any, *args: Any) -> Any:
    """Say it in one line where a log is too short for catboost."""
    try:
        return work(*args)
    except ValueError as error:
        raise DataError(str(error)) from error
