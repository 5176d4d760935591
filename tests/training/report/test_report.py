"""The report: what is measured, drawn, kept, and left out where it cannot be."""

import json
import re
import xml.etree.ElementTree as ET
from html import escape
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from service import hnsw
from service.cg.ann import ANN, GraphRanking
from service.mix_features import Context
from service.store import Store
from tests.mixes import TRAINED, mix_store
from tests.stores import tiny_store
from training import evaluation, metrics, report
from training.datasets import write
from training.embeddings import Embeddings
from training.errors import DataError
from training.events import read_events
from training.pipeline import Log, fit_all, make_plan
from training.report import charts, page
from training.report.ann import EFS, ROUNDS, _charts, graphs_against_scan
from training.report.bench import Bench, _some
from training.report.blend import _change, blend
from training.report.growth import exponent
from training.report.interval import mean_and_half
from training.report.kept import Kept
from training.report.memory import memory
from training.report.model import Chart, Point, Section
from training.report.pruning import pruning
from training.report.quality import _against_reference
from training.report.scale import Scale
from training.split import write_split

SVG = "{http://www.w3.org/2000/svg}"
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
    write("synthetic", {"rows": 60_000, "seed": 1}, made.events)
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
    drawn = [chart for section in content["sections"] for chart in section["charts"] if any(chart["series"].values())]
    named = re.findall(r"\]\((.+\.svg)\)", text)
    assert len(named) == len(drawn) > 8
    for name in named:
        assert ET.parse(written / name).getroot().tag.endswith("svg")
    for section in content["sections"]:
        assert section["measured"].startswith("Measured 2")
        assert f"## {section['title']}" in text
        assert f">{escape(section['title'])}</h2>" in html
        assert section["see"].endswith(".")
    by_title = {section["title"]: section for section in content["sections"]}
    quality = by_title["Quality, seen allowed"]["table"]
    assert {"ease", "als", "personal_top", "popular", "mix", "mix:round_robin"} <= set(quality)
    assert "mix:quota" not in quality
    beyond = by_title["Quality, seen allowed"]["charts"][1]["see"]
    widest = max(quality, key=lambda name: quality[name]["coverage@50"])
    assert f"lists of {widest} together cover more of the catalogue than any other" in beyond
    assert quality["ease"]["recall@10"] > 0
    assert 0 < quality["popular"]["coverage@50"] < quality["ease"]["coverage@50"] <= 1
    growth = by_title["Training time"]["table"]
    assert set(growth) == {"ease", "als", "personal_top"}
    assert len([column for column in growth["ease"] if "interactions" in column]) == 4
    low, high = map(float, growth["ease"]["95 % interval"].split(" … "))
    assert low <= float(growth["ease"]["exponent"]) <= high
    memory = by_title["Memory"]["table"]
    assert memory["ease"]["files on disk, MiB"] > memory["als"]["files on disk, MiB"] > 0
    assert memory["all of the release"]["files on disk, MiB"] > memory["ease"]["files on disk, MiB"]
    assert memory["als, with a graph"]["files on disk, MiB"] > memory["als"]["files on disk, MiB"]
    assert memory["als, with a graph"]["own memory, MiB"] > 0
    assert memory["ease, 100 largest of a row"]["mapped after 50 requests, MiB"] > 0
    drawn = by_title["Memory"]["charts"][0]["series"]["files on disk"]
    assert {point["x"]: point["y"] for point in drawn} == {
        point["x"]: memory[point["x"]]["files on disk, MiB"] for point in drawn
    }
    speed = by_title["Inference"]["table"]
    assert speed["mix"]["HTTP requests/s"] < speed["popular"]["in process requests/s"]
    ann = by_title["Approximate against exact search"]["table"]
    assert ann["als (ip), ef 128"]["exact scan, median µs"] > 0
    assert [row["recall@100"] for row in ann.values()][-1] > 0.95
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
    kept = written / ".synthetic-quick"
    (kept / "overlap.json").unlink()  # as if it had been interrupted there
    (kept / "pruning.json").unlink()  # here before the last of its parts
    (kept / "pruning-30.json").unlink()
    fits = [(path.name, path.stat().st_mtime_ns) for path in (kept / "store" / "artifacts").glob("*/*")]
    measured = []

    def watched(name, section):
        return lambda bench: measured.append(name) or section(bench)

    sections = {name: watched(name, section) for name, section in report.SECTIONS.items()}
    monkeypatch.setattr(report, "SECTIONS", sections)
    monkeypatch.setattr(report, "fit_all", lambda *_: pytest.fail("fitted again"))
    monkeypatch.setattr(
        import_module("training.report.pruning"),
        "_measure",
        lambda _, k: kept_parts.append(k) or {**pruned, "MiB": 0.1},
    )
    kept_parts: list[int] = []
    pruned = json.loads((kept / "pruning-10.json").read_text())
    report.run("synthetic", PLAN, log, written, quick=True)
    assert measured == ["pruning", "overlap"]
    assert kept_parts == [30]
    assert [(path.name, path.stat().st_mtime_ns) for path in (kept / "store" / "artifacts").glob("*/*")] == fits
    after = (written / "synthetic-quick.json").read_text()
    assert _without(after, "Pruning of EASE", "Overlap of the lists") == _without(
        before, "Pruning of EASE", "Overlap of the lists"
    )
    measured.clear()
    report.run("synthetic", PLAN, log, written, quick=True, again=["overlap"])
    assert measured == ["overlap"]


def _without(content: str, *titles: str) -> list[dict]:
    return [section for section in json.loads(content)["sections"] if section["title"] not in titles]


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


def test_the_compact_form_that_is_served_is_beside_the_pruned_ones(log: Log, tmp_path: Path) -> None:
    plan = make_plan({"ease": {"lambd": 50, "serve_top_k": 8, "serve_columns": 40}})
    store = Store(tmp_path / "store")
    versions = fit_all(store, plan, log.train)
    store.publish(artifacts=versions, keep_base=False, default_cg="ease")
    bench = Bench("synthetic", plan, log, store, versions, Kept(tmp_path / "kept", "key"), quick=True)
    (section,) = pruning(bench)
    compact = section.table["compact, as served"]
    assert 0 < compact["MiB"] < section.table["dense"]["MiB"]
    assert [point.y for point in section.charts[0].series["recall@50, compact, as served"]] == [compact["recall@50"]]
    (section,) = memory(bench)
    dense = section.table["ease, dense"]
    assert dense["files on disk, MiB"] > section.table["ease"]["files on disk, MiB"]
    assert dense["mapped after 50 requests, MiB"] > 0


def test_mixigen(log: Log, tmp_path: Path) -> None:
    bench = Bench("synthetic", PLAN, log, mix_store(tmp_path / "store"), {}, Kept(tmp_path / "kept", "key"), quick=True)
    curves, hours, segments = blend(bench)
    for section in (curves, hours, segments):
        assert set(section.table) == set(TRAINED)
        assert section.charts
    series = curves.charts[0].series
    assert {len(line) for line in series.values()} == {6}  # places of the training
    assert f"{max(series, key=lambda name: series[name][-1].y)} ends highest" in curves.see
    for column in ("00:00", "22:00"):
        assert sum(row[column] for row in hours.table.values()) == pytest.approx(50, abs=0.05)
    assert len(hours.table["ease"]) == 12
    assert 2 <= len(segments.table["ease"]) <= 3


def test_a_change_within_the_noise_is_none() -> None:
    said = [
        _change(
            "Over the day",
            "No difference",
            [{"als": (6.47, half), "ease": (3.0, half)}, {"als": (high, half), "ease": (3.0, half)}],
        )
        for high, half in ((6.52, 0.3), (6.52, 0.0), (7.0, 0.3))
    ]
    none = "No difference: no generator's places change by more than 0.05 of 50"
    assert said == [none, none, "Over the day als changes most, from 6.5 to 7.0 of 50 places"]


def test_a_release_without_a_mixigen_says_so(log: Log, tmp_path: Path) -> None:
    bench = Bench(
        "synthetic", PLAN, log, tiny_store(tmp_path / "store"), {}, Kept(tmp_path / "kept", "key"), quick=True
    )
    assert {section.see for section in blend(bench)} == {"Not measured: this release has no MixiGen."}


def test_the_exponent_is_the_slope_of_logarithms() -> None:
    sizes = {share: [size, 1] for share, size in (("0.25", 100), ("0.5", 200), ("1.0", 400))}
    exact = exponent(sizes, {share: [[1e-6 * size**2, 9.0]] for share, (size, _) in sizes.items()})
    assert exact == pytest.approx((2, 2, 2))
    slope, low, high = exponent(sizes, {"0.25": [[1.0, 9.0]], "0.5": [[1.0, 9.0]], "1.0": [[2.0, 9.0]]})
    assert slope == pytest.approx(0.5)
    # residuals (1, -2, 1) / 6 · log 2 with one degree of freedom; the 97.5 % quantile of Student's t is 12.706
    assert high - slope == pytest.approx(slope - low) == pytest.approx(12.706 * (1 / 12) ** 0.5, rel=1e-3)


def test_requests_of_one_user_count_as_one_in_an_interval() -> None:
    values = np.array([0.0, 0.0, 1.0, 1.0])
    mean, alone = mean_and_half(values)
    assert (mean, alone) == (0.5, pytest.approx(1.96 * (4 / 3 * 1.0) ** 0.5 / 4))
    _, together = mean_and_half(values, np.array([7, 7, 9, 9]))
    assert together == pytest.approx(1.96 * (2 / 1 * 2.0) ** 0.5 / 4)
    assert mean_and_half([3.0]) == (3.0, 0.0)


def test_a_graph_is_asked_at_every_ef_of_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ANN, "rank", _no_scan(ANN.rank))
    rng = np.random.default_rng(0)
    model = Embeddings(rng.normal(size=(3, 4)), rng.normal(size=(300, 4)), np.zeros(300))
    model = Embeddings(*(array.astype(np.float32) for array in model))
    settings = hnsw.Settings(space="ip", M=4, ef_construction=20, ef=min(EFS))
    graph = hnsw.build(model.items, model.item_biases, settings, seed=0)
    found = graphs_against_scan(model, graph, [0, 1, 2])
    assert [row["ef"] for row in found] == [128, 256]
    assert found[0]["recall"] <= found[1]["recall"] <= 1
    assert found[0]["exact"] == found[1]["exact"]  # timed once
    assert len(found[0]["exact"]) == len(found[0]["ann"]) == ROUNDS


def test_the_speed_of_a_graph_has_a_line_of_equal_speed_and_a_range() -> None:
    rows = [{"ef": ef, "recall": 1.0, "half": 0.0, "exact": [3.0, 4.0, 5.0], "ann": [1.0, 2.0, 2.0]} for ef in EFS]
    speed = _charts({"als": rows})[1].series
    assert speed["als"][0] == Point(x=128, y=2, low=1.5, high=5)
    assert speed["as fast as the scan"] == [Point(x=ef, y=1) for ef in EFS]


def _no_scan(rank):
    def watched(self, query):
        ranking = rank(self, query)
        assert isinstance(ranking, GraphRanking)
        assert ranking._max_depth >= ranking._graph.ef, "gives the graph up before ef is reached"
        return ranking

    return watched


def test_a_sample_of_requests_keeps_their_users_and_positives() -> None:
    positives = metrics.Positives(np.repeat(np.arange(40), 2), np.arange(80), np.arange(40) // 4)
    test = evaluation.TestSet(
        [f"u{user}" for user in range(10)], positives, [Context(timestamp=unit) for unit in range(40)]
    )
    some = _some(test, 7)
    assert some.positives.n_units == len(some.contexts) == 7
    for unit, context in enumerate(some.contexts):
        before = context.timestamp
        assert some.users[some.positives.list_of_unit[unit]] == f"u{before // 4}"
        assert some.positives.item[some.positives.unit == unit].tolist() == [2 * before, 2 * before + 1]
    assert _some(test, 40) is test


@pytest.mark.parametrize(
    ("values", "log", "ticks"),
    [
        ([0.0, 0.3], False, [0, 0.1, 0.2, 0.3]),
        ([0.013, 0.0292], False, [0.01, 0.015, 0.02, 0.025, 0.03]),
        ([5.0, 5.0], False, [4, 6]),
        ([0.02, 90.0], True, [0.1, 1, 10, 100]),
        ([3000.0, 24000.0], True, [5000, 10000, 20000]),
    ],
)
def test_marks_are_round_numbers(values: list[float], log: bool, ticks: list[float]) -> None:
    scale = Scale(values, 0, 100, log=log)
    assert scale.ticks == pytest.approx(ticks)
    assert all(-1e-6 <= scale(value) <= 100 + 1e-6 for value in values)


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
    shapes = root.iter(SVG + ("rect" if kind != "lines" else "circle"))
    legend = 2 if kind == "bars" else 0
    assert len(list(shapes)) == 3 + legend
    assert "&lt;ease&gt;" in drawn


@pytest.mark.parametrize("width", [charts.NARROW, charts.WIDE])
@pytest.mark.parametrize("kind", ["lines", "bars", "heat"])
def test_nothing_of_a_chart_is_cut_off(kind: str, width: int) -> None:
    names = ["adaptive_bpr", "mix:round_robin", "personal_top", "popular", "als", "bpr", "slim", "ease"]
    points = [Point(x=name if kind != "lines" else row + 1, y=0.1 * row + 0.1) for row, name in enumerate(names)]
    root = ET.fromstring(
        charts.draw(Chart(kind=kind, x_label="x", y_label="y", series=dict.fromkeys(names, points)), width)
    )
    *_, height = map(float, root.attrib["viewBox"].split())
    for text in root.iter(f"{SVG}text"):
        if "transform" in text.attrib:
            continue
        wide = charts.CHARACTER * len(text.text or "")
        before = {"start": 0.0, "middle": 0.5, "end": 1.0}[text.attrib["text-anchor"]]
        start = float(text.attrib["x"]) - before * wide
        assert start > -2, text.text
        assert start + wide <= width + 2, text.text
        assert 8 <= float(text.attrib["y"]) <= height


def test_markup_in_names_stays_text() -> None:
    section = Section(title="<b>", see="a & `b < c`.", table={"<i>": {"<u>": "<s>"}})
    html = page.html("<h>", {"<k>": "<v>"}, [section])
    assert not re.findall(r"<(b|i|u|s|k|v|h)>", html)
    assert "a &amp; <code>b &lt; c</code>." in html
