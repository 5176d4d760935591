"""Tuned values, one TOML file per dataset and one table per algorithm; the keys are those of `--set`."""

import tomllib
from pathlib import Path
from typing import Any

from training.errors import DataError

FOLDER = Path(__file__).parent / "presets"


def names() -> list[str]:
    """Return the datasets that have a preset."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> dict[str, dict[str, Any]]:
    """Return the tables of a preset: algorithm → key → value, and `release` → setting → value."""
    if name not in names():
        raise DataError(f"no preset {name!r}; there is: {', '.join(names()) or 'none'}")
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
