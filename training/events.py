"""The canonical event log: its columns, how it is read, and what is refused.

A request is identified by the columns `REQUEST`, not by `request_id` alone: events without a
request id (a null, or no such column) form one request per user.
"""

from pathlib import Path

import polars as pl

from training.errors import DataError

REQUIRED = ("user_id", "item_id", "timestamp")
OPTIONAL: dict[str, pl.DataType] = {
    "request_id": pl.Int64(),
    "action_type": pl.String(),
    "product_category": pl.String(),
    "city_name": pl.String(),
    "store_id": pl.Int64(),
    "position_in_request": pl.Int64(),
    "product_name": pl.String(),
}
"""Optional columns and the type that an absent one gets."""
CANONICAL = (*REQUIRED, *OPTIONAL)
REQUEST = ("user_id", "request_id")
ACTIONS = ("AT_View", "AT_Click", "AT_CartUpdate", "AT_Purchase")
POSITIVE_ACTIONS = ("AT_CartUpdate", "AT_Purchase")
DEFAULT_ACTION = "AT_CartUpdate"
MAX_ID_BYTES = 256

SIGNED = (pl.Int8, pl.Int16, pl.Int32, pl.Int64)
UNSIGNED = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
TEXT = (pl.String, pl.Categorical, pl.Enum)


def scan(path: Path | str) -> pl.LazyFrame:
    """Open a parquet file lazily, as it is; raises DataError if there is none that can be read."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; wanted a parquet file of events, see `prepare`")
    try:
        frame = pl.scan_parquet(path, glob=False)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: not a readable parquet file ({reason}); convert it with `prepare file`") from None
    return frame


def read_events(path: Path | str) -> pl.LazyFrame:
    """Read a log lazily, validated and normalised.

    All canonical columns are there, in the order of `CANONICAL`, further columns after them
    untouched. Ids are Int64, UInt64 or String. The values are checked in one streaming pass now.
    """
    return normalise(scan(path), str(path))


def normalise(events: pl.LazyFrame, source: str) -> pl.LazyFrame:
    """Validate and normalise a log; `source` names it in errors. See `read_events`."""
    try:
        return _normalise(events, source)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{source}: cannot be read ({reason}); write the file again") from None


def _normalise(events: pl.LazyFrame, source: str) -> pl.LazyFrame:
    schema = events.collect_schema()
    _check_columns(schema, source)
    if not events.select(pl.len()).collect(engine="streaming").item():
        raise DataError(f"{source}: the log is empty; wanted at least one event")
    _check_types(schema, source)
    _check_values(events, schema, source)
    return events.select(
        *(_column(name, schema).alias(name) for name in CANONICAL),
        *(name for name in schema if name not in CANONICAL),
    )


def _check_columns(schema: pl.Schema, source: str) -> None:
    missing = [name for name in REQUIRED if name not in schema]
    if missing:
        raise DataError(
            f"{source}: missing column(s) {', '.join(missing)}; it has {', '.join(schema) or 'none'}; "
            "rename them with `prepare file --columns user_id=…,item_id=…,timestamp=…`"
        )


def _check_types(schema: pl.Schema, source: str) -> None:
    ids = ("user_id", "item_id", *(name for name in ("request_id", "store_id") if name in schema))
    for name in ids:
        if schema[name] not in (*SIGNED, *UNSIGNED, *TEXT, pl.Null):
            raise DataError(
                f"{source}: {name} is {schema[name]}; wanted whole numbers of up to 64 bits or strings; "
                f'cast it, e.g. pl.col("{name}").cast(pl.Int64)'
            )
    for name in ("timestamp", "position_in_request"):
        if name in schema and schema[name] not in (*SIGNED, *UNSIGNED, pl.Null):
            raise DataError(f"{source}: {name} is {schema[name]}; wanted whole numbers; {_remedy(schema[name], name)}")
    if "action_type" in schema and schema["action_type"] not in (*TEXT, pl.Null):
        raise DataError(
            f"{source}: action_type is {schema['action_type']}; wanted strings, one of {', '.join(ACTIONS)}; "
            "map its values"
        )


def _remedy(dtype: pl.DataType, name: str) -> str:
    if dtype.is_temporal():
        return f'convert it to unix seconds with pl.col("{name}").dt.epoch("s")'
    return f'cast it, e.g. pl.col("{name}").cast(pl.Int64)'


def _check_values(events: pl.LazyFrame, schema: pl.Schema, source: str) -> None:
    """Look at every value once, column by column of the checks; raise for the first check that fails."""
    checks = {(name, what): bad for name in CANONICAL if name in schema for what, bad in _bad(name, schema)}
    counts = events.select(bad.sum().alias(f"{name}:{what}") for (name, what), bad in checks.items()).collect(
        engine="streaming"
    )
    for name, what in checks:
        count = counts[f"{name}:{what}"].item()
        if count:
            seen = _seen(events, name) if name == "action_type" else ""
            raise DataError(f"{source}: {name} {what} in {count} row(s){seen}; {WANTED[name]}")


WANTED = {
    "user_id": "wanted an id in every row, strings of 1 to 256 bytes without NUL; drop or repair these rows",
    "item_id": "wanted an id in every row, strings of 1 to 256 bytes without NUL; drop or repair these rows",
    "timestamp": "wanted unix seconds from 0 to 2^63 - 1; drop or repair these rows",
    "action_type": f"wanted one of {', '.join(ACTIONS)}; map or drop these rows",
}


def _bad(name: str, schema: pl.Schema) -> list[tuple[str, pl.Expr]]:
    """For one column the things that can be wrong with its values, as boolean expressions."""
    column = pl.col(name)
    if name == "timestamp":
        too_big = column.cast(pl.UInt64, strict=False) > 2**63 - 1
        return [("is null", column.is_null()), ("is negative", column < 0), ("is above 2^63 - 1", too_big)]
    if name == "action_type" and schema[name] != pl.Null:
        return [("is null or unknown", ~column.cast(pl.String).is_in(ACTIONS).fill_null(False))]
    if name not in ("user_id", "item_id"):
        return []
    checks = [("is null", column.is_null())]
    if schema[name] in TEXT:
        text = column.cast(pl.String)
        checks += [
            ("is an empty string", text == ""),
            (f"is longer than {MAX_ID_BYTES} bytes", text.str.len_bytes() > MAX_ID_BYTES),
            ("holds a NUL character", text.str.contains("\0", literal=True)),
        ]
    return checks


def _seen(events: pl.LazyFrame, name: str) -> str:
    """The first few values that are no action, for the error message."""
    values = events.select(pl.col(name).cast(pl.String)).filter(~pl.col(name).is_in(ACTIONS).fill_null(False))
    some = values.unique().sort(name).head(5).collect()[name].to_list()
    return f" ({', '.join(repr(value) for value in some)})"


def _column(name: str, schema: pl.Schema) -> pl.Expr:
    """The expression that brings one canonical column to its canonical type, or makes its default."""
    column, dtype = pl.col(name), schema.get(name, pl.Null())
    if name == "action_type":
        return pl.lit(DEFAULT_ACTION) if dtype == pl.Null else column.cast(pl.String)
    if dtype == pl.Null:
        return pl.lit(None, dtype=OPTIONAL[name])
    if name in ("timestamp", "position_in_request"):
        return column.cast(pl.Int64)
    if name in ("user_id", "item_id", "request_id", "store_id"):
        if dtype in SIGNED:
            return column.cast(pl.Int64)
        return column.cast(pl.UInt64 if dtype in UNSIGNED else pl.String)
    return column.cast(pl.String)
