"""Candidates of many users as one parquet file."""

import shutil
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import polars as pl

from service.fill import Filled
from service.ids import Id, IdType, parse_id
from service.registry import Release
from training.errors import DataError
from training.named_lists import check_name, results
from training.output import write_events

_USERS_PER_PART = 20_000
_DTYPES = {"int64": pl.Int64, "uint64": pl.UInt64, "string": pl.String}


def read_users(path: Path, id_type: IdType) -> list[Id]:
    """Read ids from a parquet or CSV file with a column user_id, or a text file with one id a line.

    Raises:
        DataError: no such file or column, or not ids of the release's type.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; wanted one user id per line, or parquet/CSV with user_id")
    try:
        values = _read_column(path)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None
    users: list[Id] = []
    for line, value in enumerate(values, start=1):
        try:
            users.append(parse_id(value, id_type))
        except ValueError as error:
            raise DataError(f"{path}, row {line}: {error}") from None
    if not users:
        raise DataError(f"{path}: holds no user id")
    return users


def write_candidates(
    release: Release, users: Sequence[Id], cgs: Sequence[str], n: int, exclude_seen: bool | None, out: Path
) -> int:
    """Write columns user_id, cg, rank (from 1), item_id, score (null for fill), fill; return the rows.

    Memory is bounded: parts are written as they come, and joined at the end.
    """
    for cg in cgs:
        check_name(release, cg)
    folder = Path(tempfile.mkdtemp(prefix=".candidates-", dir=_folder(out)))
    try:
        rows = 0
        for cg in cgs:
            waiting = zip(users, results(release, cg, users, n, exclude_seen, cg), strict=True)
            while part := list(islice(waiting, _USERS_PER_PART)):
                frame = _frame(release, cg, part)
                frame.write_parquet(folder / f"{rows:015d}.parquet")
                rows += len(frame)
        write_events(pl.scan_parquet(folder / "*.parquet"), out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def _folder(out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror})") from None
    return out.parent


def _frame(release: Release, cg: str, part: Sequence[tuple[Id, Filled]]) -> pl.DataFrame:
    rows = [(user, release.items.ids_of(found.items), found.own.scores.tolist()) for user, found in part]
    items = _DTYPES[release.items.type]
    return (
        pl.DataFrame(
            {
                "user_id": [user for user, *_ in rows],
                "cg": [cg] * len(rows),
                "rank": [list(range(1, len(ids) + 1)) for _, ids, _ in rows],
                "item_id": [ids for _, ids, _ in rows],
                "score": [scores + [None] * (len(ids) - len(scores)) for _, ids, scores in rows],
            },
            schema={
                "user_id": _DTYPES[release.users.type],
                "cg": pl.String,
                "rank": pl.List(pl.Int32),
                "item_id": pl.List(items),
                "score": pl.List(pl.Float32),
            },
        )
        .explode("rank", "item_id", "score")
        .drop_nulls("item_id")
        .with_columns(fill=pl.col("score").is_null())
    )


def _read_column(path: Path) -> list[object]:
    if path.suffix == ".parquet":
        return _column(pl.read_parquet(path, glob=False), path)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return _column(pl.read_csv(path, infer_schema=False), path)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _column(frame: pl.DataFrame, path: Path) -> list[object]:
    if "user_id" not in frame.columns:
        raise DataError(f"{path}: has columns {', '.join(frame.columns)}; wanted one named user_id")
    return frame["user_id"].to_list()
