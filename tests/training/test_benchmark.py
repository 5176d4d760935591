import json

from training import benchmark

QUALITY = {
    "ease": {"recall@10, seen allowed": 0.05, "recall@50, seen allowed": 0.14}
    | {"recall@10, seen excluded": 0.04, "recall@50, seen excluded": 0.15},
    "als": {"recall@10, seen allowed": 0.5},
}


def test_reference_levels_stand_beside_what_was_measured():
    rows = benchmark.with_reference_levels(QUALITY, "lavka")
    assert rows["ease"]["reference @10/@50"] == "0.04/0.15"
    assert rows["ease"]["reached, seen allowed"] == "fail"
    assert rows["ease"]["reached, seen excluded"] == "pass"
    assert rows["als"] == QUALITY["als"]
    assert benchmark.with_reference_levels(QUALITY, "movielens-100k") == QUALITY


def test_the_report_is_markdown_and_json(tmp_path):
    text = benchmark.write(tmp_path / "new", "lavka", {"Quality": QUALITY, "Nothing": {}})
    assert "## Quality" in text
    assert "Nothing" not in text
    assert "0.1400" in (tmp_path / "new" / "lavka.md").read_text()
    assert json.loads((tmp_path / "new" / "lavka.json").read_text())["Quality"] == QUALITY
