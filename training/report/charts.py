"""Charts as SVG: colours come from the style of what they stand in, so that they follow light and dark."""

from collections.abc import Sequence
from html import escape

from training.report import svg
from training.report.model import Chart, Point
from training.report.scale import Scale, mark, number

WIDE, NARROW = 640, 360
"""Widths in pixels, of a desk and of a phone: text is as large in both."""
RIGHT, GAP, CHARACTER = 14, 8, 6.7
DASHES = ("", "8 4", "2 3", "10 3 2 3", "5 2", "1 4", "12 5", "6 2 2 2")


def draw(chart: Chart, width: int = WIDE, style: str = "") -> str:
    """Return a chart with its legend; with a style, one that can stand in a file of its own."""
    legend, top = _legend(chart, width)
    body, height = {"lines": _lines, "bars": _bars, "heat": _heat}[chart.kind](chart, width, top)
    label = escape(f"{chart.y_label} against {chart.x_label}: {', '.join(chart.series)}")
    inside = f'<style>{style}</style><rect class="back" width="{width}" height="{height:.0f}"/>' if style else ""
    size = f'width="{width}" height="{height:.0f}" ' if style else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}viewBox="0 0 {width} {height:.0f}" role="img" '
        f'aria-label="{label}">{inside}{legend}{body}</svg>'
    )


def _legend(chart: Chart, width: int) -> tuple[str, float]:
    """Return the names of the series with their colours, and where they end."""
    if chart.kind == "heat" or len(chart.series) < 2:
        return "", GAP
    parts, x, y = [], float(GAP), 18.0
    for row, name in enumerate(chart.series):
        needed = 30 + CHARACTER * len(name) + 12
        if x + needed > width and x > GAP:
            x, y = float(GAP), y + 17
        mark = (
            f'<line class="line c{row % 10}" stroke-dasharray="{DASHES[row % 8]}" x1="{x}" x2="{x + 24}" '
            f'y1="{y - 4}" y2="{y - 4}"/>'
            if chart.kind == "lines"
            else f'<rect class="c{row % 10}" x="{x + 8}" y="{y - 10}" width="12" height="11"/>'
        )
        parts += [mark, svg.text(x + 30, y, name, "start", "name")]
        x += needed
    return "".join(parts), y + 10


def _lines(chart: Chart, width: int, top: float) -> tuple[str, float]:
    points = [point for series in chart.series.values() for point in series]
    start, floor = top + 22, top + 22 + 0.36 * WIDE
    y = Scale(_extremes(points), floor, start, log=chart.log_y)
    left = 12 + CHARACTER * max(len(mark(tick)) for tick in y.ticks)
    x = Scale([float(point.x) for point in points], left + 4, width - RIGHT - 4, log=chart.log_x, tight=True)
    parts = [svg.text(GAP, top + 8, chart.y_label, "start", "axis")]
    for tick in y.ticks:
        parts.append(svg.line("grid", left, width - RIGHT, y(tick), y(tick)))
        parts.append(svg.text(left - 6, y(tick) + 4, mark(tick), "end"))
    for tick in x.ticks:
        parts += [svg.line("grid", x(tick), x(tick), floor, floor + 5), svg.text(x(tick), floor + 18, mark(tick))]
    parts.append(svg.text((left + width - RIGHT) / 2, floor + 36, chart.x_label, css="axis"))
    for row, series in enumerate(chart.series.values()):
        parts.append(_curve(row, [(x(float(point.x)), point) for point in series], y))
    return "".join(parts), floor + 46


def _curve(row: int, places: Sequence[tuple[float, Point]], y: Scale) -> str:
    colour = f"c{row % 10}"
    bounds = [(at, p.low, p.high) for at, p in places if p.low is not None and p.high is not None]
    edge = [(at, y(high)) for at, _, high in bounds] + [(at, y(low)) for at, low, _ in reversed(bounds)]
    parts = [f'<polygon class="band {colour}" points="{svg.path(edge)}"/>'] if len(bounds) > 1 else []
    parts += [svg.line(f"line {colour}", at, at, y(low), y(high)) for at, low, high in bounds if len(bounds) == 1]
    path = svg.path([(at, y(point.y)) for at, point in places])
    parts.append(f'<polyline class="line {colour}" stroke-dasharray="{DASHES[row % 8]}" points="{path}"/>')
    if len(places) <= 15:
        parts += [f'<circle class="dot {colour}" cx="{at:.1f}" cy="{y(point.y):.1f}" r="3"/>' for at, point in places]
    return "".join(parts)


def _bars(chart: Chart, width: int, top: float) -> tuple[str, float]:
    """Draw them lying, so that every name can be read."""
    names = list(dict.fromkeys(str(point.x) for series in chart.series.values() for point in series))
    points = [point for series in chart.series.values() for point in series]
    thick = 11 if len(chart.series) < 4 else 7
    step = thick * len(chart.series) + 11
    start = top + 20
    floor = start + step * len(names)
    left = 14 + CHARACTER * max(len(name) for name in names)
    x = Scale(_extremes(points), left, width - RIGHT - 38, log=chart.log_y, zero=True)
    parts = [svg.text(left, top + 8, chart.x_label, "start", "axis")]
    for tick in x.ticks:
        parts += [svg.line("grid", x(tick), x(tick), start, floor), svg.text(x(tick), floor + 16, mark(tick))]
    parts.append(svg.text((left + width - RIGHT) / 2, floor + 34, chart.y_label, css="axis"))
    for place, name in enumerate(names):
        parts.append(svg.text(left - 6, start + (place + 0.5) * step + 4, name, "end", "name"))
    for row, series in enumerate(chart.series.values()):
        for point in series:
            at = start + names.index(str(point.x)) * step + 5.5 + row * thick
            parts.append(_bar(row, point, x, left, at, thick))
    return "".join(parts), floor + 44


def _bar(row: int, point: Point, x: Scale, left: float, at: float, thick: int) -> str:
    end, middle = x(point.y), at + thick / 2
    colour = f"c{row % 10}"
    parts = [
        f'<circle class="dot {colour}" cx="{end:.1f}" cy="{middle:.1f}" r="4"/>'
        if x.log
        else f'<rect class="{colour}" x="{left:.1f}" y="{at:.1f}" width="{max(0.0, end - left):.1f}" '
        f'height="{thick - 1}"/>'
    ]
    if point.low is not None and point.high is not None:
        parts.append(svg.line("whisker", x(point.low), x(point.high), middle, middle))
        end = max(end, x(point.high))
    if thick > 8 and (not x.log or point.high is None):  # a dot's value would stand far from it
        parts.append(svg.text(end + 5, middle + 4, number(point.y), "start"))
    return "".join(parts)


def _heat(chart: Chart, width: int, top: float) -> tuple[str, float]:
    """Series are rows, x columns; a value from 0 to 1 is the strength of the colour and stands in its cell."""
    columns = list(dict.fromkeys(str(point.x) for series in chart.series.values() for point in series))
    longest = CHARACTER * max(len(name) for name in (*columns, *chart.series))
    left, start = longest + 12, top + 0.75 * longest + 14
    wide, high = min(80.0, (width - left - 0.5 * longest) / len(columns)), 28
    parts = []
    for place, name in enumerate(columns):
        at = left + (place + 0.5) * wide
        turn = f'transform="rotate(-45 {at:.1f} {start - 6:.1f})"'
        parts.append(f'<text class="name" {turn} x="{at:.1f}" y="{start - 6:.1f}">{escape(name)}</text>')
    for row, (name, series) in enumerate(chart.series.items()):
        parts.append(svg.text(left - 8, start + (row + 0.65) * high, name, "end", "name"))
        for point in series:
            at = left + columns.index(str(point.x)) * wide
            shape = f'x="{at:.1f}" y="{start + row * high:.1f}" width="{wide - 2:.1f}" height="{high - 2}"'
            parts.append(f'<rect class="c0" fill-opacity="{0.55 * point.y:.2f}" {shape}/>')
            parts.append(svg.text(at + wide / 2, start + (row + 0.65) * high, f"{point.y:.2f}", css="name"))
    return "".join(parts), start + high * len(chart.series) + GAP


def _extremes(points: Sequence[Point]) -> list[float]:
    return [value for point in points for value in (point.y, point.low, point.high) if value is not None]
