"""Tables of numbers as Markdown, which a terminal shows well enough."""

from collections.abc import Mapping


def markdown(corner: str, rows: Mapping[str, Mapping[str, object]]) -> str:
    """Lay out row name → column name → value, aligned; floats with four decimals."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [[corner, *columns]]
    lines += [[name, *(_text(row.get(column)) for column in columns)] for name, row in rows.items()]
    widths = [max(len(line[position]) for line in lines) for position in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
