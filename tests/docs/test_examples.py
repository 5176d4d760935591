"""Every example of docs/ is run as a reader would, in order."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cg.build import BUILDERS
from tests.docs.blocks import DOCS, Session, blocks, check_shape
from tests.mixes import mix_store
from tests.servers import Service, serving
from training.algorithms import ALGORITHMS

WITH_SERVICE = ("http-api.md", "playground.md")
OFFLINE = sorted({path.name for path in DOCS.glob("*.md")} - {*WITH_SERVICE, "README.md"})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(mix_store(tmp_path_factory.mktemp("docs"), "int64")) as running:
        yield running


def run(name: str, session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    executed = list(blocks(name))
    assert executed, f"{name} has no example"
    with contextlib.closing(session):
        for block in executed:
            session.run(block, capsys)


@pytest.mark.parametrize("name", OFFLINE)
def test_offline_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for table in (ALGORITHMS, BUILDERS):  # extending.md adds to them
        monkeypatch.setitem(table, "cosine", table["popular"])
    run(name, Session(tmp_path), capsys)


@pytest.mark.parametrize("name", WITH_SERVICE)
def test_examples_that_ask_a_service(
    name: str, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(name, Session(tmp_path, service.address), capsys)


def test_the_worked_example_is_short() -> None:
    code = "".join(block.text for block in blocks("extending.md") if block.language == "python")
    assert len(code.splitlines()) < 60


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
