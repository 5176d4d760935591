"""Every example of docs/ is run as a reader would, in order."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.store import Store
from tests.docs.blocks import DOCS, ROOT, Session, blocks, check_shape, typed
from tests.mixes import mix_store
from tests.servers import Service, serving

WITH_SERVICE = ("http-api.md", "playground.md")
WORKED = "extending.md"
OFFLINE = sorted({path.name for path in DOCS.glob("*.md")} - {*WITH_SERVICE, WORKED, "README.md"})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(mix_store(tmp_path_factory.mktemp("docs"), "int64")) as running:
        yield running


def run(name: str, session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    executed = list(blocks(DOCS / name))
    assert executed, f"{name} has no example"
    with contextlib.closing(session):
        for block in executed:
            session.run(block, capsys)


@pytest.mark.parametrize("name", OFFLINE)
def test_offline_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(name, Session(tmp_path), capsys)


@pytest.mark.parametrize("name", WITH_SERVICE)
def test_examples_that_ask_a_service(
    name: str, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(name, Session(tmp_path, service.address), capsys)


def test_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """From somebody's CSV to a served release, asked what the README asks."""
    monkeypatch.chdir(tmp_path)
    write_purchases(tmp_path / "log.csv")
    readme = ROOT / "README.md"
    session = Session(tmp_path)
    for block in blocks(readme):
        session.run(block, capsys)
    monkeypatch.setenv("CANDGEN_HISTORY", "memory")
    with serving(Store(tmp_path / "models_store")) as service:
        session = Session(tmp_path, service.address)
        commands = list(typed(readme))
        assert len(commands) == 6
        for block in commands:
            session.run(block, capsys)


def write_purchases(path: Path) -> None:
    """Write what 60 customers bought, with the names of columns that the README renames."""
    rng = np.random.default_rng(0)
    items = np.array([1082185, 856942, 995242, *range(40)])
    lines = [f"{rng.integers(60)},{rng.choice(items)},{1_700_000_000 + second}" for second in range(2_000)]
    path.write_text("\n".join(["customer,sku,time", *lines, ""]))


def test_the_worked_example(tmp_path: Path) -> None:
    """In a copy of the code, put where it says; then its commands."""
    for package in ("service", "training"):
        shutil.copytree(DOCS.parent / package, tmp_path / package)  # with compiled kernels: they know their sources
    code = [block for block in blocks(DOCS / WORKED) if block.language == "python"]
    text = (DOCS / WORKED).read_text(encoding="utf-8")
    for block in code:
        file = re.findall(r"`([\w/]+\.py)`", text[: text.index(block.text)])[-1]
        put(block.text, tmp_path / file)
    (commands,) = (block for block in blocks(DOCS / WORKED) if block.language == "sh")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", "-c", commands.text]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "| cosine" in done.stdout
    assert sum(len(block.text.splitlines()) for block in code) < 60


def put(text: str, file: Path) -> None:
    """Make a new file of a text, or put it where a reader would: among the imports, above the table, or into it."""
    if not file.exists():
        file.write_text(text)
        return
    code = file.read_text()
    table = re.search(r"^[A-Z]+: Mapping.* = {\n", code, re.MULTILINE)
    assert table
    at = table.end() if text.startswith(" ") else table.start()
    if text.startswith(("import ", "from ")):
        at = code.index("\nfrom ") + 1
    file.write_text(code[:at] + text + code[at:])


@pytest.mark.parametrize("path", [*DOCS.glob("*.md"), DOCS.parent / "README.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", path.read_text(encoding="utf-8")):
        linked = path.parent / target if target else path
        assert linked.exists(), f"{path.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_document_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} == set(re.findall(r"\(([\w-]+\.md)\)", index))


@pytest.mark.parametrize(
    ("answer", "shape"),
    [({"a": 1}, {"b": 1}), ({"a": 1, "b": 2}, {"a": 1}), ([], [1]), ("x", 1), ({"a": "x"}, {"a": 1.5})],
)
def test_an_answer_of_another_shape_fails(answer: object, shape: object) -> None:
    with pytest.raises(AssertionError):
        check_shape(answer, shape, "here")
