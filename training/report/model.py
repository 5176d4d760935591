"""A report as values: sections of a sentence, a table and a chart. What is measured fills them, `page` draws them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Table = dict[str, dict[str, Any]]
"""Row → column → value."""


class Point(BaseModel):
    """One value; low and high bound its interval."""

    model_config = ConfigDict(frozen=True)

    x: float | str
    y: float
    low: float | None = None
    high: float | None = None


class Chart(BaseModel):
    """Series over one pair of axes."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["lines", "bars", "heat"]
    x_label: str
    y_label: str
    """With the unit."""
    series: dict[str, list[Point]]
    log_x: bool = False
    log_y: bool = False


class Section(BaseModel):
    """One question and its answer."""

    model_config = ConfigDict(frozen=True)

    title: str
    see: str
    """One sentence: what to see in it."""
    table: Table = {}
    chart: Chart | None = None


def missing(title: str, reason: str) -> Section:
    """Return what stands in the place of a section that cannot be made."""
    return Section(title=title, see=f"Not measured: {reason}.")
