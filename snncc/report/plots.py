"""Plots as inline SVG, whose colours are variables of the page's style sheet."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from snncc.report.content import Costs, Fpga, Histogram, Point, Shares

INK, LINES = "#010101", "#020202"
SERIES = tuple(f"#0300{index:02}" for index in range(6))
"""Stand for colours: the page replaces them by its own, light or dark."""

COLOURS = {
    INK: "var(--ink)",
    LINES: "var(--line)",
    **{colour: f"var(--c{i})" for i, colour in enumerate(SERIES)},
}

STYLE: Any = {  # the names of all settings are types of matplotlib's newest versions
    "svg.fonttype": "none",
    "svg.hashsalt": "snncc",
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINES,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINES,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}

IDENTIFIER = re.compile(r'(\bid="|url\(#|href="#)')


def _drawn(name: str, width: float, height: float, draw: Callable[[Figure], None]) -> Markup:
    """An SVG element whose identifiers begin with `name`."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = IDENTIFIER.sub(rf"\g<1>{name}-", text[text.index("<svg") :])
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for stand_in, colour in COLOURS.items():
        text = text.replace(stand_in, colour)
    return Markup(text)  # matplotlib escapes every text


WIDTH = 5.6
"""Inches of a plot that has a row for each name: as wide as a phone at the size of its text."""

LONGEST = 24
"""Characters of a name that are shown."""


def shares(found: Shares, label: str, name: str) -> Markup:
    """Bars of parts, one per name, stacked by cause; what is negative goes to the left."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = range(len(found.names))
        ends = {True: [0.0] * len(found.names), False: [0.0] * len(found.names)}
        for colour, (cause, values) in zip(SERIES, found.values.items(), strict=False):
            starts = [ends[value >= 0][place] for place, value in enumerate(values)]
            axes.barh(places, values, left=starts, color=colour, label=cause, height=0.7)
            for place, value in enumerate(values):
                ends[value >= 0][place] += value
        _name_rows(axes, found.names, label)

    return _drawn(name, WIDTH, 1.3 + 0.24 * len(found.names), draw)


def cycles(found: Fpga) -> Markup:
    """Bars of clock cycles, one per layer, stacked by what happens in them."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        ends = [0.0] * len(found.layers)
        for colour, (part, values) in zip(SERIES, found.cycles.items(), strict=False):
            axes.barh(range(len(ends)), values, left=ends, color=colour, label=part, height=0.7)
            ends = [end + value for end, value in zip(ends, values, strict=True)]
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        _name_rows(axes, found.layers, "clock cycles per image")

    return _drawn("cycles", WIDTH, 1.3 + 0.28 * len(found.layers), draw)


def _name_rows(axes: Axes, names: tuple[str, ...], label: str) -> None:
    shown = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\u2026" for name in names]
    axes.set_yticks(range(len(names)), shown)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(label)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, columnspacing=1.2, handlelength=1.2)


AXES: dict[str, Callable[[Point], float | None]] = {
    "time steps": lambda point: point.steps,
    "spikes per image": lambda point: point.spikes,
    "synaptic operations per image": lambda point: point.synops,
    "energy per image, uJ": lambda point: point.microjoules,
}
"""What accuracy is drawn against."""


def costs(found: Costs) -> tuple[Markup, ...]:
    """Accuracy against each cost that is known, on a logarithmic axis: codes as points, streams as curves."""
    known = [
        (label, cost)
        for label, cost in AXES.items()
        if any(cost(point) is not None for point in found.all_points)
    ]
    return tuple(
        _drawn(f"costs{index}", 5.2, 3.6, partial(_draw_cost, found, label, cost))
        for index, (label, cost) in enumerate(known)
    )


SHAPES = (("o", 8), ("s", 8), ("D", 8), ("^", 12))
"""Markers of the codes and their sizes: two at the same place are both seen."""

LINES_OF_CURVES = ((SERIES[4], "-"), (SERIES[5], "--"))
"""Of the last curve, and of the one before it."""


def _draw_cost(found: Costs, label: str, cost: Callable[[Point], float | None], figure: Figure) -> None:
    axes = figure.subplots()
    for curve, (colour, line) in zip(reversed(found.curves), LINES_OF_CURVES, strict=False):
        path = [(x, 100 * point.accuracy) for point in curve.points if (x := cost(point)) is not None]
        if path:
            axes.plot(
                *zip(*path, strict=True),
                color=colour,
                linestyle=line,
                marker="." if len(path) < len(curve.points) else "",
                label=curve.name,
            )
    for colour, (shape, size), point in zip(SERIES, SHAPES, found.points, strict=False):
        x = cost(point)
        if x is not None:
            face = colour if point.name == found.own else "none"
            style = {"linestyle": "none", "markersize": size, "markeredgewidth": 2, "zorder": 3}
            colours = {"color": colour, "markerfacecolor": face}
            axes.plot([x], [100 * point.accuracy], shape, label=point.name, **style, **colours)  # type: ignore[arg-type]
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy, %")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize=9)


def histogram(index: int, found: Histogram) -> Markup:
    """The shares of the levels of one population, in percent."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        total = sum(found.counts)
        heights = [100 * count / total for count in found.counts]
        places = range(found.first, found.first + len(heights))
        edges = [place - 0.5 for place in (*places, places.stop)]
        axes.stairs(heights, edges, fill=True, color=SERIES[0], linewidth=0, alpha=0.85)
        last = max(found.first + len(heights) - 1, 1)
        axes.set_xlim(found.first - 0.6, last + 0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("%")

    return _drawn(f"levels{index}", 3, 1.7, draw)
