"""How much of what can be gained by blending a synthetic log MixiGen gains: `mixigen --planted`.

The log is drawn from a known world, so what a list is worth can be expected instead of counted. Between the best fixed
quota, found for the very requests it is judged by, and the oracle, which knows each user's kind and the hour's
effect, lies what only a personal blender can gain; MixiGen's share of that gap is the result.
"""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from service.array_types import Doubles, Ints
from training import mixigen, mixigen_stage, planted_oracle
from training.datasets import lavka
from training.datasets.synthetic import Plan, generate, world
from training.events import read_events
from training.fitting import Model
from training.merge import merge
from training.mix_evaluation import Part
from training.mixigen_stage import Stage
from training.output import write_events
from training.quotas import search
from training.tables import markdown

NS = (10, 30, 50)
"""Of 2,000 items a list of a hundred holds what matters whoever fills it."""
PLAN = Plan(rows=5_000_000, seed=3, p_cart=0.4)
"""One purchase says little about its user: of a million rows MixiGen recovers half as much."""
MODELS = (
    Model("popular", "popular", {}),
    Model("ease", "ease", {"weighting": "log", "lambd": 20.0}),
    Model("als", "als", {"weighting": "count", "dim": 32, "max_iter": 8, "alpha0": 0.3, "lambd": 0.01}),
    Model("bpr", "bpr", {"dim": 32, "max_iter": 10, "negatives": "uniform", "learning_rate": 0.05}),
    Model("personal_top", "personal_top", {"weighting": "count"}),
)
VALUES: Mapping[str, Any] = {
    "target": "bought",
    "max_requests": 60_000,
    "segments": 40,
    "segment_trees": 24,
    "learning_rate": 0.05,
    "iterations": 600,
    "patience": 40,
}
"""What is planted is what is taken, for which the ranker would be a detour; all requests count; and there is much to be
learned, so that it pays to learn slowly."""
PART = "test"
MOST = 4_000


class Judge:
    """Expected hits of a part's places, by the probabilities that the log was drawn from."""

    def __init__(self, part: Part, probabilities: Doubles) -> None:
        self.part = part
        fill = np.zeros((len(probabilities), 1, probabilities.shape[2]))
        self.of_place = np.concatenate([probabilities, fill], axis=1).reshape(len(probabilities), -1)

    def hits(self, picks: Ints) -> float:
        """Return the mean over requests of the probability that an item that is taken is among the places."""
        found = np.take_along_axis(self.of_place, np.maximum(picks, 0), axis=1)
        return float(np.where(picks >= 0, found, 0).sum(axis=1).mean())

    def merged(self, curves: Doubles, n: int) -> float:
        """Return the same of a merge."""
        return self.hits(merge(self.part.items, self.part.list_of, curves, self.part.n_items, n))

    def quota(self, n: int) -> float:
        """Return the same of the best fixed quota for these very requests."""
        return search(lambda shares: self.hits(self.part.quota(shares, n)), len(self.part.lists.cgs))[1]


def measure(plan: Plan, config: mixigen.Config) -> dict[str, Any]:
    """Draw a log, train on its earlier parts, judge on its last; seen items allowed."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="candgen-") as folder:
        path = Path(folder) / "events.parquet"
        write_events(lavka.canonical(generate(plan)), path)
        with mixigen_stage.make_stage(read_events(path), MODELS, test=True) as stage:
            blend = mixigen_stage.train_on(stage, mixigen_stage.make_log(stage, config), config)
            rows = compare(stage, plan, blend)
    return {"plan": str(plan), "lengths": rows, "trees": blend.trees, "seconds": round(time.perf_counter() - started)}


def compare(stage: Stage, plan: Plan, blend: mixigen.Blend) -> dict[str, dict[str, float]]:
    """Return "n=10" → expected hits of quota, oracle and MixiGen, and the share of the gap."""
    planted, part = world(plan), stage.part(PART, exclude_seen=False, most=MOST)
    probabilities = planted_oracle.place_probabilities(planted, stage.release, part.requests, part.lists)
    oracle = planted_oracle.curves(planted, stage.release, part.requests, part.lists, probabilities)
    model = blend.model
    seen = mixigen.see(stage.release, part.requests, model.schema, exclude_seen=False, habits=model.habits)
    ours, judge, rows = mixigen.curves(model, seen), Judge(part, probabilities), {}
    start = np.stack([model.segments.of(values) for values in seen.values(model.schema)])
    for n in NS:
        quota, best = judge.quota(n), judge.merged(oracle, n)
        mixed = judge.merged(ours, n)
        rows[f"n={n}"] = {
            "best quota": quota,
            "mixigen without boosted trees": judge.merged(start, n),
            "mixigen": mixed,
            "oracle": best,
            "share of the gap": (mixed - quota) / (best - quota),
        }
    return rows


def as_markdown(found: dict[str, Any]) -> str:
    """Lay out what `measure` found."""
    table = markdown("expected hits", {name: dict(row) for name, row in found["lengths"].items()})
    return f"{found['plan']}\n\n{table}\n\n{found['trees']} trees, {found['seconds']} s\n"
