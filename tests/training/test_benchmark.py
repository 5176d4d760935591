import json

from training import benchmark

RATIOS = {"slim": {"peer / ours": 0.14}}


def test_the_tables_are_markdown_and_json(tmp_path):
    text = benchmark.write(tmp_path / "new", "lavka", {"Quality": RATIOS, "Nothing": {}})
    assert "## Quality" in text
    assert "Nothing" not in text
    assert "0.1400" in (tmp_path / "new" / "lavka.md").read_text()
    assert json.loads((tmp_path / "new" / "lavka.json").read_text())["Quality"] == RATIOS
