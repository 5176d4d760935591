"""Tables of the comparisons with other libraries, as files."""

import json
from collections.abc import Mapping
from pathlib import Path

from training.errors import DataError
from training.pipeline import Table
from training.tables import markdown


def write(out: Path, dataset: str, tables: Mapping[str, Table]) -> str:
    """Write the tables as Markdown and JSON; return the Markdown."""
    text = "\n\n".join(f"## {title}\n\n{markdown(dataset, rows)}" for title, rows in tables.items() if rows) + "\n"
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{dataset}.md").write_text(f"# {dataset}\n\n{text}", encoding="utf-8")
        (out / f"{dataset}.json").write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror})") from None
    return text
