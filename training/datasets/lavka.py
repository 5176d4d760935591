"""Lavka, the grocery log of the reference notebook: 16.5 M events, 307,954 of them cart updates.

From a train.parquet, a folder that holds it, the zip around it, or downloaded.
"""

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import polars as pl

from training.datasets.download import download
from training.datasets.source import Source
from training.datasets.wheel import cache_directory
from training.errors import DataError
from training.events import CANONICAL, REQUIRED, scan

URL = "https://www.kaggle.com/api/v1/datasets/download/thekabeton/ysda-recsys-2025-lavka-dataset"
MEMBER = "train.parquet"


def prepare(source: Source) -> pl.LazyFrame:
    """Canonical events in the order of the file.

    Rows without user, product or time cannot be used: they are left out, and counted on standard error.
    """
    path = source.path or download(URL, cache_directory() / "lavka.zip")
    if path.is_dir():
        path = path / MEMBER
    if zipfile.is_zipfile(path):
        path = extract(path, cache_directory())
    events = canonical(scan(path))
    if any(name not in events.collect_schema() for name in REQUIRED):
        return events  # validation says what is missing
    unusable = pl.any_horizontal(pl.col(name).is_null() for name in REQUIRED)
    count = events.select(unusable.sum()).collect(engine="streaming").item()
    if count:
        print(f"{path}: {count:,} rows without user, product or time left out", file=sys.stderr, flush=True)
    return events.filter(~unusable) if count else events


def canonical(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Lavka's columns under canonical names; a log that has these names already is taken as it is."""
    schema = raw.collect_schema()
    if "item_id" not in schema and "product_id" in schema:
        raw = raw.rename({"product_id": "item_id"})
        schema = raw.collect_schema()
    names = [name for name in CANONICAL if name in schema]
    return raw.select(_column(name, schema[name]) for name in names) if names else raw


def _column(name: str, dtype: pl.DataType) -> pl.Expr:
    if name == "timestamp" and dtype.is_temporal():
        return pl.col(name).dt.epoch("s")
    if name in ("position_in_request", "store_id") and dtype.is_float():
        return pl.col(name).cast(pl.Int64)  # whole numbers that became floats beside nulls
    return pl.col(name)


def extract(archive: Path, folder: Path) -> Path:
    """Unpack train.parquet into `folder` under a name of its own size and CRC; reading checks the CRC."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [info for info in zipped.infolist() if Path(info.filename).name == MEMBER]
            if not members:
                raise DataError(
                    f"{archive}: holds {', '.join(zipped.namelist()[:5])}; wanted {MEMBER}; get the zip again"
                )
            target = folder / f"lavka-{members[0].CRC:08x}-{members[0].file_size}.parquet"
            if target.is_file() and target.stat().st_size == members[0].file_size:
                return target
            with (
                zipped.open(members[0]) as packed,
                tempfile.NamedTemporaryFile(dir=folder, delete=False) as unpacked,
            ):
                temporary = Path(unpacked.name)
                try:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
                    temporary.replace(target)
                finally:
                    temporary.unlink(missing_ok=True)
            return target
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise DataError(f"{archive}: damaged ({error}); delete it and get it again") from None
