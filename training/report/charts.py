"""Charts as inline SVG: colours come from the page's style, so that they follow light and dark."""

import math
from collections.abc import Sequence
from html import escape

from training.report.model import Chart, Point

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 58
DASHES = ("", "8 4", "2 3", "10 3 2 3", "5 2", "1 4", "12 5", "6 2 2 2")


def draw(chart: Chart) -> str:
    """Return a chart with its legend."""
    body = {"lines": _lines, "bars": _bars, "heat": _heat}[chart.kind](chart)
    label = escape(f"{chart.y_label} against {chart.x_label}: {', '.join(chart.series)}")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{body}</svg>{_legend(chart)}'


class _Scale:
    """Values to places, linear or logarithmic."""

    def __init__(self, values: Sequence[float], start: float, end: float, log: bool, zero: bool = False) -> None:
        self.log = log
        low, high = min(values), max(values)
        low = 0.0 if zero and not log else low
        self._low, high = self._of(low), self._of(high)
        self._span = (high - self._low) or 1.0
        self._start, self._length = start, end - start

    def _of(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value

    def __call__(self, value: float) -> float:
        return self._start + (self._of(value) - self._low) / self._span * self._length

    def ticks(self, n: int = 4) -> list[float]:
        places = [self._low + self._span * part / n for part in range(n + 1)]
        return [10**place for place in places] if self.log else places


def _lines(chart: Chart) -> str:
    points = [point for series in chart.series.values() for point in series]
    x = _Scale([float(point.x) for point in points], LEFT, WIDTH - RIGHT, chart.log_x)
    y = _Scale(_extremes(points), HEIGHT - BOTTOM, TOP, chart.log_y)
    parts = [_y_axis(y, chart), _x_label(chart)]
    parts += [_text(x(tick), HEIGHT - BOTTOM + 16, _number(tick)) for tick in x.ticks()]
    for row, series in enumerate(chart.series.values()):
        places = [(x(float(point.x)), point) for point in series]
        path = " ".join(f"{at:.1f},{y(point.y):.1f}" for at, point in places)
        parts.append(f'<polyline class="line c{row % 10}" stroke-dasharray="{DASHES[row % 8]}" points="{path}"/>')
        parts += [_interval(at, point, y, row) for at, point in places]
        parts += [
            f'<circle class="dot c{row % 10}" cx="{at:.1f}" cy="{y(point.y):.1f}" r="3"/>' for at, point in places
        ]
    return "".join(parts)


def _bars(chart: Chart) -> str:
    names = list(dict.fromkeys(str(point.x) for series in chart.series.values() for point in series))
    y = _Scale(_extremes([p for s in chart.series.values() for p in s]), HEIGHT - BOTTOM, TOP, chart.log_y, zero=True)
    step = (WIDTH - LEFT - RIGHT) / len(names)
    width = 0.8 * step / len(chart.series)
    parts = [_y_axis(y, chart), _x_label(chart)]
    drop = 14 if len(names) > 6 else 0  # every other name lower, so that neighbours do not meet
    for place, name in enumerate(names):
        parts.append(_text(LEFT + (place + 0.5) * step, HEIGHT - BOTTOM + 16 + drop * (place % 2), name))
    for row, series in enumerate(chart.series.values()):
        for point in series:
            at = LEFT + names.index(str(point.x)) * step + 0.1 * step + row * width
            top = y(point.y)
            parts.append(
                f'<rect class="c{row % 10}" x="{at:.1f}" y="{top:.1f}" width="{width:.1f}" '
                f'height="{max(0.0, HEIGHT - BOTTOM - top):.1f}"/>'
            )
            parts.append(_interval(at + width / 2, point, y, None))
    return "".join(parts)


def _heat(chart: Chart) -> str:
    """Series are rows, x columns; a value from 0 to 1 is the strength of the colour and stands in its cell."""
    columns = list(dict.fromkeys(str(point.x) for series in chart.series.values() for point in series))
    left, top = 110, 30
    wide, high = (WIDTH - left) / len(columns), (HEIGHT - top) / len(chart.series)
    parts = [_text(left + (place + 0.5) * wide, top - 10, name) for place, name in enumerate(columns)]
    for row, (name, series) in enumerate(chart.series.items()):
        parts.append(_text(left - 8, top + (row + 0.6) * high, name, "end"))
        for point in series:
            at = left + columns.index(str(point.x)) * wide
            shape = f'x="{at:.1f}" y="{top + row * high:.1f}" width="{wide - 2:.1f}" height="{high - 2:.1f}"'
            parts.append(f'<rect class="c0" fill-opacity="{0.55 * point.y:.2f}" {shape}/>')
            parts.append(_text(at + wide / 2, top + (row + 0.6) * high, f"{point.y:.2f}", css="cell"))
    return "".join(parts)


def _legend(chart: Chart) -> str:
    if chart.kind == "heat":
        return ""
    names = "".join(f'<li><i class="c{row % 10}"></i>{escape(name)}</li>' for row, name in enumerate(chart.series))
    return f'<ul class="key">{names}</ul>'


def _extremes(points: Sequence[Point]) -> list[float]:
    return [value for point in points for value in (point.y, point.low, point.high) if value is not None]


def _y_axis(y: _Scale, chart: Chart) -> str:
    lines = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        + _text(LEFT - 6, y(tick) + 4, _number(tick), "end")
        for tick in y.ticks()
    )
    middle = (HEIGHT - BOTTOM) / 2
    return (
        lines
        + f'<text transform="rotate(-90 12 {middle})" x="12" y="{middle}" text-anchor="middle">'
        + (f"{escape(chart.y_label)}</text>")
    )


def _x_label(chart: Chart) -> str:
    return _text((LEFT + WIDTH) / 2, HEIGHT - 8, chart.x_label)


def _interval(at: float, point: Point, y: _Scale, row: int | None) -> str:
    if point.low is None or point.high is None:
        return ""
    css = "whisker" if row is None else f"whisker c{row % 10}"
    return f'<line class="{css}" x1="{at:.1f}" x2="{at:.1f}" y1="{y(point.low):.1f}" y2="{y(point.high):.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", css: str = "") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
