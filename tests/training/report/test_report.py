"""The report: what is measured, drawn, kept, and left out where it cannot be."""

import json
import re
import xml.etree.ElementTree as ET
from html import escape
from pathlib import Path

import pytest

from tests.mixes import TRAINED, mix_store
from tests.stores import tiny_store
from training import report
from training.datasets import write
from training.errors import DataError
from training.events import read_events
from training.pipeline import Log, make_plan
from training.report import charts, page
from training.report.bench import Bench
from training.report.blend import blend
from training.report.growth import _exponent
from training.report.model import Chart, Point, Section
from training.report.quality import _against_reference
from training.split import write_split

PLAN = make_plan(
    {
        "release": {"split_by": "time", "exclude_seen": False, "default_cg": "ease"},
        "ease": {"lambd": 50, "weighting": "log"},
        "als": {"dim": 8, "max_iter": 2},
        "personal_top": {},
    }
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    folder = tmp_path_factory.mktemp("log")
    made = Log(*(folder / f"{name}.parquet" for name in ("events", "train", "test")))
    write("synthetic", {"rows": 40_000, "seed": 1}, made.events)
    write_split("time", read_events(made.events), made.train, made.test)
    return made


@pytest.fixture(scope="module")
def written(log: Log, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    report.run("synthetic", PLAN, log, out, quick=True)
    return out


def test_every_section_is_in_all_three_files(written: Path) -> None:
    content = json.loads((written / "synthetic-quick.json").read_text())
    titles = [section["title"] for section in content["sections"]]
    assert len(titles) == 11
    html, text = ((written / f"synthetic-quick.{kind}").read_text() for kind in ("html", "md"))
    for section in content["sections"]:
        assert f"## {section['title']}" in text
        assert f">{escape(section['title'])}</h2>" in html
        assert section["see"].endswith(".")
    by_title = {section["title"]: section for section in content["sections"]}
    quality = by_title["Quality, seen allowed"]["table"]
    assert {"ease", "als", "personal_top", "popular", "mix", "mix:quota"} <= set(quality)
    assert quality["ease"]["recall@10"] > 0
    assert 0 < quality["popular"]["coverage@50"] < quality["ease"]["coverage@50"] <= 1
    growth = by_title["Training time"]["table"]
    assert set(growth) == {"ease", "als", "personal_top"}
    assert by_title["Memory"]["table"]["ease"]["files on disk, MiB"] > 0
    speed = by_title["Inference"]["table"]
    assert speed["mix"]["HTTP requests/s"] < speed["popular"]["in process requests/s"]
    ann = by_title["Approximate against exact search"]["table"]
    recalls = [row["recall@100"] for row in ann.values()]
    assert recalls[-1] > 0.95
    pruning = by_title["Pruning of EASE"]["table"]
    assert pruning["10 largest of a row"]["MiB"] < pruning["dense"]["MiB"]
    overlap = by_title["Overlap of the lists"]["table"]
    assert overlap["ease"]["ease"] == 1
    assert overlap["ease"]["als"] == overlap["als"]["ease"] < 1
    assert len(by_title["Places by hour"]["table"]["ease"]) == 12


def test_the_page_needs_nothing_else(written: Path) -> None:
    html = (written / "synthetic-quick.html").read_text()
    assert "<script" not in html
    assert not re.findall(r"(?:src|href)=\"(?!#)", html)
    assert "light-dark(" in html
    for drawn in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        ET.fromstring(drawn)


def test_what_is_measured_is_not_measured_again(log: Log, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (written / "synthetic-quick.json").read_text()
    (written / ".synthetic-quick" / "overlap.json").unlink()  # as if it had been interrupted there
    measured = []

    def watched(name, section):
        return lambda bench: measured.append(name) or section(bench)

    sections = {name: watched(name, section) for name, section in report.SECTIONS.items()}
    monkeypatch.setattr(report, "SECTIONS", sections)
    monkeypatch.setattr(report, "fit_all", None)
    report.run("synthetic", PLAN, log, written, quick=True)
    assert measured == ["overlap"]
    after = (written / "synthetic-quick.json").read_text()
    assert json.loads(after)["sections"] == json.loads(before)["sections"]


def test_other_data_is_measured_anew(log: Log, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FittingError(Exception):
        pass

    def fit_again(*_: object) -> None:
        raise FittingError

    monkeypatch.setattr(report, "fit_all", fit_again)
    with pytest.raises(FittingError):
        report.run("synthetic", make_plan({"ease": {"lambd": 51}}), log, written, quick=True)


def test_a_folder_that_cannot_be_written(log: Log, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        report.run("synthetic", PLAN, log, tmp_path / "out", quick=False)


def test_mixigen(log: Log, tmp_path: Path) -> None:
    bench = Bench("synthetic", PLAN, log, mix_store(tmp_path), {}, quick=True)
    curves, hours, segments = blend(bench)
    for section in (curves, hours, segments):
        assert set(section.table) == set(TRAINED)
        assert section.chart is not None
    for column in ("00:00", "22:00"):
        assert sum(row[column] for row in hours.table.values()) == pytest.approx(50, abs=0.05)
    assert len(hours.table["ease"]) == 12
    assert 2 <= len(segments.table["ease"]) <= 3


def test_a_release_without_a_mixigen_says_so(log: Log, tmp_path: Path) -> None:
    bench = Bench("synthetic", PLAN, log, tiny_store(tmp_path), {}, quick=True)
    assert {section.see for section in blend(bench)} == {"Not measured: this release has no MixiGen."}


def test_the_exponent_is_the_slope_of_logarithms() -> None:
    sizes = {0.25: 100, 0.5: 200, 1.0: 400}
    assert _exponent(sizes, {share: 1e-6 * size**2 for share, size in sizes.items()}) == (2.0, 0.0)
    slope, error = _exponent(sizes, {0.25: 1.0, 0.5: 1.0, 1.0: 2.0})
    assert slope == 0.5
    assert error > 0


def test_levels_of_the_reference() -> None:
    row = {"recall@10": 0.05, "recall@50": 0.14}
    assert _against_reference("lavka", "ease", row) == {"reference @10/@50": "0.04/0.15", "reached": "fail"}
    assert _against_reference("lavka", "slim", row)["reached"] == "pass"
    assert _against_reference("movielens-100k", "ease", row) == {}


@pytest.mark.parametrize("kind", ["lines", "bars", "heat"])
def test_charts_are_well_formed_and_hold_every_value(kind: str) -> None:
    points = [Point(x=x, y=y, low=y - 0.1, high=y + 0.1) for x, y in ((1, 0.2), (2, 0.9))]
    chart = Chart(kind=kind, x_label="a < b", y_label="share & more", series={"<ease>": points, "als": points[:1]})
    drawn = charts.draw(chart)
    root = ET.fromstring(f"<div>{drawn}</div>")
    shapes = root.iter("rect" if kind != "lines" else "circle")
    assert len(list(shapes)) == 3
    assert "&lt;ease&gt;" in drawn


def test_markup_in_names_stays_text() -> None:
    section = Section(title="<b>", see="a & b.", table={"<i>": {"<u>": "<s>"}})
    html = page.html("<h>", {"<k>": "<v>"}, [section])
    assert not re.findall(r"<(b|i|u|s|k|v|h)>", html)
