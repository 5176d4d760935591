"""Fenced blocks of a Markdown document, and how the executed ones are run.

`sh` and `python` blocks are run in order, in one folder; a `json` block under one says what the answer
looks like: the test compares its names and types. The README shows commands with their answers in one `console`
block. All other blocks (`text`, …) are only read.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from training.__main__ import main

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
ADDRESS = "http://127.0.0.1:8000"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block; `shape` is what a json block under it shows."""

    language: str
    text: str
    where: str
    shape: object = None


def blocks(path: Path) -> Iterator[Block]:
    """Yield the blocks of a document that are executed."""
    text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
    found = list(_FENCE.finditer(text))
    for place, match in enumerate(found):
        language, content = match.groups()
        following = found[place + 1] if place + 1 < len(found) else None
        shape = json.loads(following[2]) if following and following[1] == "json" else None
        if language in ("sh", "python"):
            line = text.count("\n", 0, match.start()) + 1
            yield Block(language, content, f"{name}:{line}", shape)


def typed(path: Path) -> Iterator[Block]:
    """Yield the commands of a document's `console` blocks, each with the answer under it."""
    text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
    for match in _FENCE.finditer(text):
        language, content = match.groups()
        if language == "console":
            line = text.count("\n", 0, match.start()) + 1
            for command in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
                call, _, answer = re.sub(r"\\\n *", "", command).partition("\n")
                shape = json.loads(answer) if answer.strip() else None
                yield Block("sh", call, f"{name}:{line}", shape)


class Session:
    """What a reader has open: a folder, a Python prompt, the address of a service."""

    def __init__(self, folder: Path, address: str = ADDRESS) -> None:
        self.folder, self.address = folder, address
        self.names: dict[str, object] = {"__name__": "__docs__"}

    def run(self, block: Block, capture) -> None:
        """Run a block as a reader would; fail if it does, or if it does not answer as the document says.

        capture: pytest's capsys; the folder is the current one.
        """
        text = block.text.replace(ADDRESS, self.address)
        if block.language == "python":
            exec(compile(text, block.where, "exec"), self.names)
            printed = capture.readouterr().out
        else:
            printed = self._shell(text, block.where, capture)
        if block.shape is not None:
            check_shape(json.loads(printed.strip().splitlines()[-1]), block.shape, block.where)

    def close(self) -> None:
        """Close what the reader left open."""
        client = self.names.get("client")
        if isinstance(client, httpx.Client):
            client.close()

    def _shell(self, text: str, where: str, capture) -> str:
        lines = [shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines()]
        lines = [line for line in lines if line]
        if all(line[:3] == ["python", "-m", "training"] for line in lines):  # without the seconds of imports
            for line in lines:
                assert main(line[3:]) == 0, f"{where}: {shlex.join(line)}: {capture.readouterr().err}"
            return capture.readouterr().out
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{where}: {done.stderr}"
        return done.stdout


def check_shape(answer: object, shape: object, where: str) -> None:
    """Compare names and types, of lists the first entries; a null in the document stands for anything."""
    if shape is None:
        return
    if isinstance(shape, dict):
        assert isinstance(answer, dict), where
        assert set(answer) == set(shape), f"{where}: the document shows {set(shape)}, the answer has {set(answer)}"
        for name, value in shape.items():
            check_shape(answer[name], value, f"{where} {name}")
    elif isinstance(shape, list):
        assert isinstance(answer, list), where
        if shape:
            assert answer, f"{where}: empty"
            check_shape(answer[0], shape[0], where)
    elif isinstance(shape, float) and not isinstance(answer, bool):
        assert isinstance(answer, int | float), where
    else:
        assert type(answer) is type(shape), f"{where}: the document shows {shape!r}, the answer has {answer!r}"
