"""Pieces of SVG."""

from html import escape


def line(css: str, x1: float, x2: float, y1: float, y2: float) -> str:
    """Draw a straight line."""
    return f'<line class="{css}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, words: str, anchor: str = "middle", css: str = "") -> str:
    """Write a line of text."""
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def path(places: list[tuple[float, float]]) -> str:
    """Write the points of a polygon or a polyline."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
