"""What has been measured, on disk: an interrupted report goes on where it was."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

_KEY = "key.txt"


class Kept:
    """Named values (JSON) of one folder, all made from the same plan and data."""

    def __init__(self, folder: Path, key: str) -> None:
        """Open a folder; what it holds of another key is removed.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder = folder
        mark = folder / _KEY
        if not mark.exists() or mark.read_text(encoding="utf-8") != key:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            mark.write_text(key, encoding="utf-8")

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the value of this name; make and keep it if there is none."""
        path = self._path(name)
        if not path.exists():
            temporary = path.with_suffix(".tmp")
            temporary.write_text(json.dumps(make()), encoding="utf-8")
            temporary.replace(path)
        return json.loads(path.read_text(encoding="utf-8"))

    def forget(self, name: str) -> None:
        """Remove the value of this name and of all whose names begin with it and a space."""
        for path in self.folder.glob("*.json"):
            if path == self._path(name) or path.name.startswith(_slug(f"{name} ")):
                path.unlink()

    def _path(self, name: str) -> Path:
        return self.folder / f"{_slug(name)}.json"


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name)
