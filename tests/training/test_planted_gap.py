"""What `mixigen --planted` prints, on a small world."""

import numpy as np
import pytest

from tests.training import blending
from training import planted_gap, planted_oracle
from training.__main__ import main
from training.mixigen_base import in_turns


@pytest.fixture(scope="module")
def judge(stage):
    part = stage.part("test", exclude_seen=False, most=60)
    chances = planted_oracle.place_probabilities(blending.planted(), stage.release, part.requests, part.lists)
    return planted_gap.Judge(part, chances)


def test_hits_are_the_sum_of_the_chances_of_the_items_that_are_given(judge):
    n, part = 12, judge.part
    curves = np.broadcast_to(in_turns(len(part.lists.cgs), 100), (60, len(part.lists.cgs), 100))
    chances = judge.of_place.reshape(60, len(part.lists.cgs) + 1, 100)
    wanted = 0.0
    for row, own in enumerate(part.list_of.tolist()):
        given = set()
        for position in range(100):
            for cg in range(len(part.lists.cgs)):
                item = int(part.lists.items[cg, own, position])
                if item >= 0 and item not in given and len(given) < n:
                    given.add(item)
                    wanted += chances[row, cg, position] / 60
    assert judge.merged(curves, n) == pytest.approx(wanted)
    shares = np.ones(len(part.lists.cgs))
    assert judge.quota(n) >= judge.hits(part.quota(shares, n)) - 1e-12


def test_the_share_of_the_gap_is_nought_for_the_quota_and_one_for_the_oracle(stage, blend, monkeypatch):
    monkeypatch.setattr(planted_gap, "MOST", 150)
    rows = planted_gap.compare(stage, blending.PLAN, blend)
    assert set(rows) == {f"n={n}" for n in planted_gap.NS}
    for row in rows.values():
        gap = row["oracle"] - row["best quota"]
        assert row["mixigen"] == pytest.approx(row["best quota"] + row["share of the gap"] * gap)
    assert rows["n=10"]["oracle"] > rows["n=10"]["best quota"]
    text = planted_gap.as_markdown({"plan": "a plan", "lengths": rows, "trees": blend.trees, "seconds": 1})
    assert "share of the gap" in text
    assert f"{rows['n=10']['oracle']:.4f}" in text


def test_the_command_measures_and_publishes_nothing(monkeypatch, capsys, tmp_path):
    asked = []

    def measure(plan, config):
        asked.append((plan, config))
        return {"plan": "p", "lengths": {"n=10": {"oracle": 0.5}}, "trees": 3, "seconds": 4}

    monkeypatch.setattr(planted_gap, "measure", measure)
    monkeypatch.chdir(tmp_path)
    assert main(["mixigen", "--planted", "--set", "iterations=5"]) == 0
    ((plan, config),) = asked
    assert plan == planted_gap.PLAN
    assert (config.iterations, config.target) == (5, "bought")
    assert "0.5000" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
