"""Draws sections: one self-contained HTML page, and Markdown for the repository."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from training.report.charts import draw
from training.report.model import Section, Table
from training.tables import markdown

_STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")


def html(title: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Return a page that needs nothing else: no script, no network; light and dark, wide and narrow."""
    about = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    links = "".join(f'<li><a href="#s{row}">{escape(section.title)}</a></li>' for row, section in enumerate(sections))
    body = "".join(_section(row, section) for row, section in enumerate(sections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1><dl>{about}</dl><nav><ol>{links}</ol></nav>{body}</main></body></html>\n"
    )


def text(title: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Return the sentences and tables as Markdown."""
    parts = [f"# {title}", "\n".join(f"- {name}: {value}" for name, value in facts.items())]
    for section in sections:
        parts += [f"## {section.title}", section.see]
        if section.table:
            rows = {
                name: {column: _shown(value) for column, value in row.items()} for name, row in section.table.items()
            }
            parts.append(markdown("", rows))
    return "\n\n".join(parts) + "\n"


def _section(row: int, section: Section) -> str:
    chart = draw(section.chart) if section.chart and any(section.chart.series.values()) else ""
    table = _table(section.title, section.table) if section.table else ""
    return (
        f'<section id="s{row}"><h2>{escape(section.title)}</h2><p>{escape(section.see)}</p>'
        f"<figure>{chart}</figure>{table}</section>"
    )


def _table(title: str, rows: Table) -> str:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = "<td></td>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(_shown(row.get(column)))}</td>" for column in columns)
        + "</tr>"
        for name, row in rows.items()
    )
    region = f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}: table">'
    return f"{region}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _shown(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
