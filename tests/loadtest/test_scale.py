"""The scale study in its quick form, and the synthetic releases that it is made on."""

import json

import numpy as np

from loadtest import scale, synthetic
from loadtest.synthetic import Size
from service import registry


def test_a_synthetic_release_has_the_size_and_the_histories_asked_for(tmp_path):
    size = Size(items=1200, users=210)
    release = registry.load(synthetic.publish(tmp_path, size))
    assert sorted(release.cgs) == ["als", "bpr", "ease", "personal_top", "popular", "slim"]
    assert (len(release.items), len(release.users)) == (1200, 210)
    for user, length in ((0, 0), (50, 10), (100, 100), (150, 1000), (209, synthetic.ITEMS_PER_USER)):
        items = release.history.lookup(user).items
        assert len(items) == length
        assert (np.diff(items) > 0).all()


def test_every_size_history_and_n_is_in_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "SECONDS", 0.02)
    sizes = (Size(items=1100, users=220, graph=True), Size(items=1500, users=220, dense=False))
    found = scale.run(tmp_path, sizes)
    json.dumps(found)
    cells = {(cell["cg"], cell["history"], cell["n"]) for cell in found[0]["cells"]}
    names = ("als", "als, folded in", "ann", "bpr", "ease", "mix", "personal_top", "popular", "slim")
    for name in names:
        assert {(name, history, 100) for history in (0, 10, 100, 1000)} <= cells
        assert {(name, 100, n) for n in (10, 1000)} <= cells
    assert all(cell["wall_us"] > 0 <= cell["cpu_us"] for one in found for cell in one["cells"])
    assert found[1]["own_mb"] < 1000 < found[1]["bytes"]
    text = scale.report(found)
    assert "| slim " in text
    assert "1,500 items" in text
    ease = next(line for line in text.splitlines() if line.startswith("| ease "))
    assert ease.count("/") == 1, "no dense matrix of the larger catalogue"
