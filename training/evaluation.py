"""Quality of a release on a test log, over the objects that serve it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from service.array_types import Bools, Ints, Longs
from service.ids import Id, IdIndex, id_type_of
from service.mix_features import Context
from service.registry import Release
from training import metrics
from training.errors import DataError
from training.events import POSITIVE_ACTIONS, REQUEST
from training.interactions import to_numpy
from training.named_lists import check_name, depends_on_context, results

By = Literal["request", "user"]
CONTEXT = ("timestamp", "city_name", "store_id")


@dataclass(frozen=True)
class Settings:
    """How a release is evaluated."""

    ks: tuple[int, ...] = (10, 50)
    by: By = "request"
    exclude_seen: bool | None = None
    """None: the release's default."""
    include_cold: bool = False
    """Also count users that the release does not know."""


@dataclass(frozen=True)
class TestSet:
    """Positives to be found, and the users (ids) whose lists they are looked for in."""

    users: list[Id]
    positives: metrics.Positives
    contexts: list[Context]
    """When and where each unit began."""


def evaluate(
    release: Release, events: pl.LazyFrame, cgs: Sequence[str] = (), settings: Settings | None = None
) -> dict[str, dict[str, float]]:
    """Return CG → metric → mean over requests (or users); see design of `evaluate` in docs.

    History is the release's own and not updated during the test.

    Raises:
        DataError: the log's ids are not of the release's type, or nothing is left to evaluate.
    """
    settings = settings or Settings()
    for name in cgs:
        check_name(release, name)
    test = make_test_set(release, events, settings)
    return {name: _evaluate_cg(release, name, test, settings) for name in cgs or sorted(release.cgs)}


def make_test_set(release: Release, events: pl.LazyFrame, settings: Settings) -> TestSet:
    """Reduce a log to its distinct positives per unit, as the settings say."""
    unit = list(REQUEST) if settings.by == "request" else ["user_id"]
    rows = (
        events.filter(pl.col("action_type").is_in(POSITIVE_ACTIONS))
        .select(*dict.fromkeys([*unit, "user_id", "item_id"]), *CONTEXT)
        .sort("timestamp", maintain_order=True)
        .unique(["item_id", "user_id", *unit], keep="first", maintain_order=True)
        .sort(*unit, "item_id", nulls_last=True)
        .with_columns(unit=pl.struct(unit).rle_id())
        .with_columns(pl.col(CONTEXT).sort_by("timestamp", maintain_order=True).first().over("unit"))
        .collect()
    )
    user = _rows_of(release.users, rows["user_id"], "user")
    item = _rows_of(release.items, rows["item_id"], "item")
    kept = np.ones(len(rows), bool) if settings.include_cold else user >= 0
    if exclude_seen(release, settings):
        kept &= ~_seen(release, user, item)
    if not kept.any():
        raise DataError(_nothing_left(rows.height, user))
    rows = rows.filter(pl.Series(kept))
    _, units = np.unique(rows["unit"].to_numpy(), return_inverse=True)
    users = rows["user_id"].unique(maintain_order=True)
    codes = rows["user_id"].replace_strict(users, pl.Series(range(len(users))), return_dtype=pl.Int64)
    list_of_unit = np.zeros(units.max() + 1, np.int64)
    list_of_unit[units] = codes.to_numpy()
    positives = metrics.Positives(units.astype(np.int64), item[kept].astype(np.int64), list_of_unit)
    return TestSet(users.to_list(), positives, _contexts(rows.unique("unit", keep="first", maintain_order=True)))


def exclude_seen(release: Release, settings: Settings) -> bool:
    """Resolve the default."""
    return release.manifest.exclude_seen if settings.exclude_seen is None else settings.exclude_seen


def lists(release: Release, name: str, test: TestSet, n: int, exclude_seen: bool) -> tuple[Ints, Longs]:
    """Return lists filled up as they are served, (n_lists, n) padded with −1, and the list of each unit.

    One list for each user, or one for each unit where the list depends on when and where it is asked for.
    """
    of_unit, users = test.positives.list_of_unit, test.users
    contexts = None
    if depends_on_context(release, name):
        users, contexts = [users[row] for row in of_unit.tolist()], test.contexts
        of_unit = np.arange(len(users))
    result = np.full((len(users), n), -1, np.int32)
    found = results(release, name, users, n, exclude_seen, f"evaluate {name}", contexts)
    for row, filled in enumerate(found):
        result[row, : len(filled.items)] = filled.items
    return result, of_unit


def _evaluate_cg(release: Release, cg: str, test: TestSet, settings: Settings) -> dict[str, float]:
    top, of_unit = lists(release, cg, test, max(settings.ks), exclude_seen(release, settings))
    positives = replace(test.positives, list_of_unit=of_unit)
    rank = metrics.ranks(top, positives)
    catalogue = release.catalogue
    result: dict[str, float] = {}
    for k in settings.ks:
        diversity = metrics.category_diversity(top, catalogue.categories, k)
        values = {
            "recall": metrics.recall(rank, positives, k),
            "ndcg": metrics.ndcg(rank, positives, k),
            "novelty": metrics.novelty(top, catalogue.users_share, k)[of_unit],
            "category_diversity": diversity[of_unit],
        }
        result |= {f"{name}@{k}": float(value.mean()) for name, value in values.items()}
    result[f"{settings.by}s"] = test.positives.n_units
    return {**result, "requests": test.positives.n_units}


def _contexts(units: pl.DataFrame) -> list[Context]:
    """Read the context of every unit, a row each."""
    return [
        Context(timestamp, city_name, None if store_id is None else str(store_id))
        for timestamp, city_name, store_id in units.select(CONTEXT).iter_rows()
    ]


def _rows_of(index: IdIndex, ids: pl.Series, what: str) -> Longs:
    array = to_numpy(ids)
    if id_type_of(array) != index.type:
        raise DataError(
            f"the test log has {what} ids of type {id_type_of(array)}, the release {index.type}; "
            f"cast its column {what}_id to the type it had in training"
        )
    return index.rows_of(array).astype(np.int64)


def _seen(release: Release, user: Longs, item: Longs) -> Bools:
    """Return which (user, item) pairs are in the release's history."""
    histories = release.history
    span = len(release.items)
    owner = np.repeat(np.arange(len(release.users)), np.diff(histories.indptr))
    seen = owner * span + histories.items
    return (user >= 0) & (item >= 0) & np.isin(user * span + item, seen)


def _nothing_left(rows: int, user: Longs) -> str:
    if not rows:
        return f"the test log holds no interaction; wanted action_type {' or '.join(POSITIVE_ACTIONS)}"
    if (user < 0).all():
        return f"none of {rows} test interactions is of a user of the release; --include-cold counts them"
    return f"all {rows} test interactions are of items their users had before; --include-seen counts them"
