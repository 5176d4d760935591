"""Draws sections: one self-contained HTML page; Markdown with pictures beside it, for the repository."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from training.report.charts import NARROW, WIDE, draw
from training.report.model import Chart, Section, Table
from training.tables import markdown

_FOLDER = Path(__file__).parent
_CHART_STYLE = (_FOLDER / "chart.css").read_text(encoding="utf-8")
_STYLE = (_FOLDER / "report.css").read_text(encoding="utf-8") + _CHART_STYLE
_LIGHT = re.sub(r"light-dark\(([^,]+), [^)]+\)", r"\1", _CHART_STYLE)
"""A picture in a file of its own stands on white."""


def html(title: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Return a page that needs nothing else: no script, no network; light and dark, wide and narrow."""
    about = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    links = "".join(f'<li><a href="#s{row}">{escape(section.title)}</a></li>' for row, section in enumerate(sections))
    body = "".join(_section(row, section) for row, section in enumerate(sections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f'<body><main><h1>{escape(title)}</h1><dl>{about}</dl><nav aria-label="Sections"><ol>{links}</ol></nav>'
        f"{body}</main></body></html>\n"
    )


def text(title: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Return the sentences and tables as Markdown; pictures are those of `pictures`, in a folder named `title`."""
    parts = [f"# {title}", "\n".join(f"- {name}: {value}" for name, value in facts.items())]
    for row, section in enumerate(sections):
        parts += [f"## {section.title}", section.see]
        for place, chart in _drawable(section):
            shown = chart.see or section.see
            parts += [chart.see] if chart.see else []
            parts.append(f"![{_alternative(shown)}]({title}/{_name(row, place)})")
        if section.table:
            parts.append(markdown("", _cells(section.table)))
        parts += [f"*{section.measured}*"] if section.measured else []
    return "\n\n".join(parts) + "\n"


def pictures(sections: Sequence[Section]) -> dict[str, str]:
    """Return file name → SVG of every chart."""
    return {
        _name(row, place): draw(chart, WIDE, _LIGHT) + "\n"
        for row, section in enumerate(sections)
        for place, chart in _drawable(section)
    }


def _drawable(section: Section) -> Iterator[tuple[int, Chart]]:
    return ((place, chart) for place, chart in enumerate(section.charts) if any(chart.series.values()))


def _name(row: int, place: int) -> str:
    return f"{row + 1:02}{'abcdefgh'[place]}.svg"


def _alternative(words: str) -> str:
    return words.replace("[", "(").replace("]", ")")


def _section(row: int, section: Section) -> str:
    figures = "".join(_figure(chart) for _, chart in _drawable(section))
    table = _table(section.title, section.table) if section.table else ""
    note = f'<p class="note">{escape(section.measured)}</p>' if section.measured else ""
    return (
        f'<section id="s{row}"><h2>{escape(section.title)}</h2><p>{_words(section.see)}</p>'
        f"{figures}{table}{note}</section>"
    )


def _words(sentence: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(sentence))


def _figure(chart: Chart) -> str:
    """Draw a chart twice; the style shows the one that fits."""
    drawn = "".join(
        f'<div class="{css}">{draw(chart, width)}</div>' for css, width in (("wide", WIDE), ("narrow", NARROW))
    )
    caption = f"<figcaption>{_words(chart.see)}</figcaption>" if chart.see else ""
    return f"<figure>{caption}{drawn}</figure>"


def _table(title: str, rows: Table) -> str:
    cells = _cells(rows)
    columns = list(dict.fromkeys(name for row in cells.values() for name in row))
    head = "<td></td>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(row.get(column, ''))}</td>" for column in columns)
        + "</tr>"
        for name, row in cells.items()
    )
    region = f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}: table">'
    return f"{region}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cells(rows: Table) -> dict[str, dict[str, str]]:
    """Write the values; one with an interval ("± name" beside "name") has it behind it."""
    return {
        name: {
            column: _shown(value) + (f" ± {_shown(row[half])}" if (half := f"± {column}") in row else "")
            for column, value in row.items()
            if not column.startswith("± ")
        }
        for name, row in rows.items()
    }


def _shown(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 1 else f"{value:.4f}"
