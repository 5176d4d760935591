"""A report as values: sections of a sentence, a table and charts. What is measured fills them, `page` draws them."""

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
    """Of bars: dots instead, since a bar has no foot on such an axis."""
    see: str = ""
    """What to see in it, where the section's sentence is about another chart."""


class Section(BaseModel):
    """One question and its answer."""

    model_config = ConfigDict(frozen=True)

    title: str
    see: str
    """What to see in it."""
    table: Table = {}
    charts: list[Chart] = []
    measured: str = ""
    """When, by which commit, and how busy the machine was."""


def missing(title: str, reason: str) -> Section:
    """Return what stands in the place of a section that cannot be made."""
    return Section(title=title, see=f"Not measured: {reason}.")


def around(x: float | str, mean: float, half: float) -> Point:
    """Return a mean with its interval."""
    return Point(x=x, y=mean, low=mean - half, high=mean + half)
