"""Any parquet or CSV file, its columns renamed to the canonical ones.

Here formats are converted, which the log itself does not allow: dates become unix seconds, and the
text of a CSV becomes integers where it is exactly that (ids above 2^63 and `007` survive).
"""

from pathlib import Path

import polars as pl

from training.datasets.source import Source
from training.errors import DataError
from training.events import CANONICAL, scan

PARQUET_MAGIC = b"PAR1"
SEPARATORS = ",\t;|"
WHOLE_NUMBERS: tuple[pl.Int64 | pl.UInt64, ...] = (pl.Int64(), pl.UInt64())


def prepare(source: Source) -> pl.LazyFrame:
    """Canonical events in the order of the file; canonical columns that are not mapped go by their name."""
    path = source.path
    if path is None:
        raise DataError("dataset file without --path; wanted a parquet or CSV file; give --path FILE")
    try:
        is_text, raw = _open(path)
        events = _renamed(raw, source.columns, path)
        if is_text:
            events = _typed(events)
        return _seconds(events, path)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: cannot be read ({str(error).splitlines()[0]}); wanted parquet or CSV") from None


def _open(path: Path) -> tuple[bool, pl.LazyFrame]:
    """Whether the columns are text still, and the file."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; wanted a parquet or CSV file")
    with path.open("rb") as file:
        if file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC:
            return False, scan(path)
    header = pl.read_csv(path, has_header=False, n_rows=1, separator="\0", quote_char=None, infer_schema=False)
    line = header.item()
    separator = max(SEPARATORS, key=line.count)
    return True, pl.scan_csv(path, separator=separator, infer_schema=False, glob=False)


def _renamed(raw: pl.LazyFrame, columns: dict[str, str], path: Path) -> pl.LazyFrame:
    schema = raw.collect_schema()
    missing = sorted(set(columns.values()) - set(schema))
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; it has {', '.join(schema)}; see --columns")
    names = {name: columns.get(name, name) for name in CANONICAL if name in columns or name in schema}
    return raw.select(pl.col(column).alias(name) for name, column in names.items())


def _typed(events: pl.LazyFrame) -> pl.LazyFrame:
    """Give the whole-number columns of a text file the first type that holds every value exactly."""
    names = [
        name
        for name in ("user_id", "item_id", "timestamp", "request_id", "store_id", "position_in_request")
        if name in events.collect_schema()
    ]
    # exact: turned back into text it is the same text, so `007` and `1e3` stay strings
    fits = events.select(
        _number(name, dtype).cast(pl.String).eq_missing(pl.col(name)).all().alias(f"{name} {dtype}")
        for name in names
        for dtype in WHOLE_NUMBERS
    ).collect(engine="streaming")
    chosen = {name: next((dtype for dtype in WHOLE_NUMBERS if fits[f"{name} {dtype}"].item()), None) for name in names}
    return events.with_columns(_number(name, dtype) for name, dtype in chosen.items() if dtype is not None)


def _number(name: str, dtype: pl.Int64 | pl.UInt64) -> pl.Expr:
    return pl.col(name).str.to_integer(dtype=dtype, strict=False)


def _seconds(events: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    """Dates and times, typed or as text, to unix seconds."""
    dtype = events.collect_schema().get("timestamp")
    if dtype == pl.String:
        text = pl.col("timestamp")
        stamps = text.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
        unread = events.filter(text.is_not_null() & stamps.is_null()).select(text).head(1).collect()
        if len(unread):
            raise DataError(
                f"{path}: timestamp {unread.item()!r}; wanted unix seconds or dates "
                "like 2025-01-31 18:00:00; convert the column"
            )
        return events.with_columns(timestamp=stamps.dt.epoch("s"))
    if isinstance(dtype, pl.Datetime | pl.Date):
        return events.with_columns(timestamp=pl.col("timestamp").dt.epoch("s"))
    return events
