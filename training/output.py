"""Writing event files: whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

from training.errors import DataError


def write_events(events: pl.LazyFrame, path: Path, check: Callable[[Path], object] = lambda _: None) -> None:
    """Stream to a temporary file beside `path`, let `check` look at it, then rename it into place.

    A missing folder is created. If anything fails, `path` is as it was before.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; wanted the name of a parquet file to write")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); choose another folder") from None
    os.close(handle)
    temporary = Path(name)
    try:
        events.sink_parquet(temporary)
        check(temporary)
        temporary.chmod(0o644)  # mkstemp makes it private
        temporary.replace(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: could not be written ({reason}); check the disk and the source") from None
    finally:
        temporary.unlink(missing_ok=True)
