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
    _save(figure, axes, path)


def plot_worth(panels: Mapping[str, Mapping[str, Mapping[str, float]]], path: Path) -> None:
    """Draw bars: one panel for each quantity, one group for each segment, one bar for each generator.

    panels: title, which begins with the quantity up to a comma → segment → generator → value.
    """
    figure, axes = _figure(len(panels))
    for axis, (title, groups) in zip(axes, panels.items(), strict=True):
        names = list(dict.fromkeys(name for values in groups.values() for name in values))
        width = 0.8 / max(1, len(names))
        for place, name in enumerate(names):
            heights = [values.get(name, 0.0) for values in groups.values()]
            axis.bar(np.arange(len(groups)) + place * width, heights, width, label=name)
        axis.set_xticks(np.arange(len(groups)) + 0.4 - width / 2, list(groups))
        axis.set(title=title, xlabel="users", ylabel=title.split(",")[0])
        axis.axhline(0, color="0.5", linewidth=0.8)
    _save(figure, axes, path)


def _figure(panels: int):  # type: ignore[no-untyped-def]
    """Return a figure and its panels, two in a row."""
    from matplotlib.figure import Figure

    rows = -(-panels // 2)
    figure = Figure(figsize=(14, 5 * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, 2, panel + 1) for panel in range(panels)]


def _save(figure, axes, path: Path) -> None:  # type: ignore[no-untyped-def]
    """Write the picture, with one legend for all panels below them."""
    labels = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels, loc="outside lower center", ncols=len(labels))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
