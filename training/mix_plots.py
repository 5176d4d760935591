"""The pictures of a blender; matplotlib is imported where it is used."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from service.array_types import Doubles


def plot_curves(panels: Mapping[str, Doubles], cgs: Sequence[str], path: Path) -> None:
    """Draw score against position for each generator, with the band of the middle 80 % of requests.

    panels: title → scores (n_requests, n_cgs, positions).
    """
    figure, axes = _figure(len(panels))
    for axis, (title, scores) in zip(axes, panels.items(), strict=True):
        positions = np.arange(1, scores.shape[2] + 1)
        for cg, name in enumerate(cgs):
            low, middle, high = np.quantile(scores[:, cg], [0.1, 0.5, 0.9], axis=0)
            axis.plot(positions, middle, label=name)
            axis.fill_between(positions, low, high, alpha=0.15)
        axis.set(title=title, xlabel="position in the generator's list", ylabel="blending score")
        axis.legend()
    _save(figure, path)


def plot_worth(panels: Mapping[str, Mapping[str, Mapping[str, float]]], path: Path) -> None:
    """Draw bars: one panel for each quantity, one group for each segment, one bar for each generator.

    panels: title → segment → generator → value.
    """
    figure, axes = _figure(len(panels))
    for axis, (title, groups) in zip(axes, panels.items(), strict=True):
        names = list(dict.fromkeys(name for values in groups.values() for name in values))
        width = 0.8 / max(1, len(names))
        for place, name in enumerate(names):
            heights = [values.get(name, 0.0) for values in groups.values()]
            axis.bar(np.arange(len(groups)) + place * width, heights, width, label=name)
        axis.set_xticks(np.arange(len(groups)) + 0.4, list(groups))
        axis.set(title=title)
        axis.legend(fontsize="small")
    _save(figure, path)


def _figure(panels: int):  # type: ignore[no-untyped-def]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7 * panels, 5), layout="constrained")
    return figure, [figure.add_subplot(1, panels, panel + 1) for panel in range(panels)]


def _save(figure, path: Path) -> None:  # type: ignore[no-untyped-def]
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
