"""The plot of a sweep: accuracy against every cost, with the frontier, as SVG, PNG or one HTML page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from html import escape
from itertools import cycle
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from snncc.report.frontier import FrontierCost, FrontierPlot

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""The palette of Okabe and Ito (2008), which people with any colour vision tell apart."""

MARKERS = "osD^vPX*"
WIDTH, HEIGHT = 5.6, 4.4
ROW = 2
"""Plots side by side."""

DOTS = 160
"""Dots per inch of a PNG."""

STYLE: Any = {  # the names of all settings are types of matplotlib's newest versions
    "svg.fonttype": "none",
    "svg.hashsalt": "snncc",
    "text.parse_math": False,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>body {{ margin: 1rem; background: #fff }} svg {{ max-width: 100%; height: auto }}</style>
</head>
<body>
{svg}
</body>
</html>
"""


def draw(found: FrontierPlot, kind: str) -> bytes:
    """The plot as a file whose name ends in `kind`: .svg, .png or .html."""
    rows = (len(found.costs) + ROW - 1) // ROW
    columns = min(ROW, len(found.costs))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows), layout="constrained")
        figure.suptitle(found.title)
        styles = _styles(found)
        entries: dict[str, Any] = {}
        for number, cost in enumerate(found.costs):
            axes = figure.add_subplot(rows, columns, number + 1)
            _draw_cost(axes, found, cost, styles)
            handles, labels = axes.get_legend_handles_labels()
            entries |= {name: item for name, item in zip(labels, handles, strict=True) if name not in entries}
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=2 * columns)
        buffer = io.BytesIO()
        metadata = {"Software": None} if kind == ".png" else {"Date": None, "Creator": None}
        figure.savefig(buffer, format="png" if kind == ".png" else "svg", dpi=DOTS, metadata=metadata)
    if kind != ".html":
        return buffer.getvalue()
    svg = buffer.getvalue().decode()  # matplotlib escapes every text
    return PAGE.format(title=escape(found.title), svg=svg[svg.index("<svg") :]).encode()


def _styles(found: FrontierPlot) -> dict[str, tuple[str, str]]:
    """Colour and marker of every series, the same against every cost."""
    names = dict.fromkeys(series.name for cost in found.costs for series in cost.series)
    return dict(zip(names, zip(cycle(COLOURS), cycle(MARKERS), strict=False), strict=False))


def _draw_cost(
    axes: Axes, found: FrontierPlot, cost: FrontierCost, styles: Mapping[str, tuple[str, str]]
) -> None:
    for series in cost.series:
        colour, marker = styles[series.name]
        axes.plot(*zip(*series.points, strict=True), marker, color=colour, alpha=0.8, label=series.name)
    if cost.best:
        axes.plot(
            *zip(*cost.best, strict=True), "o", markersize=11, color="none", markeredgecolor="#333333",
            label="frontier",
        )  # fmt: skip
    if found.level is not None:
        axes.axhline(found.level, color="#888888", linestyle="--", linewidth=1, label="float network")
    values = [x for series in cost.series for x, _ in series.points]
    if values and min(values) > 0 and max(values) > 4 * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel(cost.label)
    axes.set_ylabel(found.label)
