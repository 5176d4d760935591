"""What `prepare` was asked for, the same for every dataset."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """Where the raw data is and how much of it to make."""

    path: Path | None = None
    """Raw data on disk; None: fetch it."""
    columns: dict[str, str] = field(default_factory=dict)
    """Canonical name → name in the file (dataset `file`)."""
    rows: int = 100_000
    """Number of events to make (dataset `synthetic`)."""
    seed: int = 0
    """Seed of every random draw."""
