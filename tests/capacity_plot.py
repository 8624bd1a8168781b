"""The plot of the capacity simulation, as an SVG that is readable on light and on dark pages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from tests.replica_model import PassCost

_GREY: Final = "#808080"
_COLOURS: Final = ("#d9480f", "#2b8a3e", "#1c7ed6", "#9c36b5")
"""With a contrast of at least 3 to white and to GitHub's dark page."""
_STYLE: Final[Any] = {
    "svg.fonttype": "none",  # text stays text, which makes the file small
    "svg.hashsalt": "waiting times",  # equal files for equal data
    "font.size": 10.0,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), _GREY),
    **dict.fromkeys(("xtick.color", "ytick.color"), _GREY),
}


class Line(NamedTuple):
    """The waits with one number of replicas."""

    cost: PassCost
    replicas: int
    points: Sequence[tuple[float, float]]
    """Users for each replica, and the seconds within which 95 % of the grids arrive."""


def save_plot(path: Path, panels: Mapping[str, Sequence[Line]]) -> None:
    """Write the plot, with a panel for each model, by its title. Equal data give equal bytes."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.0, 3.6), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (title, lines) in zip(axes, panels.items(), strict=True):
            _draw(axis, title, lines)
        axes[0].set_ylabel("95 % of the grids arrive within")
        figure.savefig(path, transparent=True, metadata={"Date": None})


def _draw(axis: Axes, title: str, lines: Sequence[Line]) -> None:
    for colour, line in zip(_COLOURS, lines, strict=False):
        users, waits = zip(*line.points, strict=True)
        label = "1 GPU" if line.replicas == 1 else f"{line.replicas} GPUs"
        axis.plot(users, waits, "o-", color=colour, label=label, markersize=3.5)
    axis.set_title(title, fontsize=10.0)
    axis.set_yscale("log")
    axis.set_xlabel("users for each GPU, in the busiest hour")
    axis.set_xlim(left=0.0)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.yaxis.set_major_formatter(FuncFormatter(_seconds))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_yticks([1, 2, 5, 10, 20, 60, 120, 300])
    axis.grid(color=_GREY, alpha=0.25, linewidth=0.6)
    axis.legend(frameon=False, fontsize=9.0)


def _seconds(value: float, _: object) -> str:
    return f"{value:g} s" if value < 60 else f"{value / 60:g} min"
