"""The files of a sweep beside its table: CSV, and a plot of the frontier."""

from __future__ import annotations

import importlib
from pathlib import Path

from snncc import report
from snncc.folder import replace_file
from snncc.report.frontier import FrontierCost, FrontierPlot, FrontierSeries
from snncc.sweep.points import Quantity, value_of
from snncc.sweep.run import Sweep
from snncc.sweep.table import csv_text
from snncc_ir.errors import SnnccError

PLOTS = (".svg", ".png", ".html")

LABELS = {
    Quantity.STEPS: "time steps",
    Quantity.SPIKES: "spikes per image",
    Quantity.SYNOPS: "synaptic operations per image",
    Quantity.ENERGY: "energy per image, uJ",
    Quantity.TIME: "time per image, us",
    Quantity.LUTS: "LUTs",
    Quantity.BRAMS: "block memories",
    Quantity.CYCLES: "clock cycles per image",
    Quantity.LEVELS: "bits of a level",
    Quantity.WEIGHTS: "bits of a weight",
}
"""What stands at an axis, where it is not the quantity's name."""


def check_outputs(csv: Path | None, plot: Path | None) -> None:
    """Refuse files that cannot be written, and a plot that cannot be drawn, before anything runs."""
    for option, file, kinds in (("--csv", csv, (".csv",)), ("--plot", plot, PLOTS)):
        if file is None:
            continue
        if file.suffix not in kinds or not file.parent.is_dir() or file.is_dir():
            raise SnnccError(
                f"must name a {' or '.join(kinds)} file in an existing folder", where=f"{option} {file}"
            )
    if plot is not None:
        report.require("--plot")


def save(found: Sweep, csv: Path | None, plot: Path | None) -> None:
    """Write the files that were asked for."""
    if csv is not None:
        _write(csv, csv_text(found).encode())
    if plot is not None:
        draw = importlib.import_module("snncc.report.frontier_plot").draw
        _write(plot, draw(_content(found), plot.suffix))


def _write(file: Path, data: bytes) -> None:
    try:
        replace_file(file, data)
    except OSError as error:
        raise SnnccError(f"cannot be written ({error.strerror or error})", where=str(file)) from error


def _content(found: Sweep) -> FrontierPlot:
    labelled = found.float_accuracy is not None
    height = Quantity.ACCURACY if labelled else Quantity.LOSS
    return FrontierPlot(
        title=found.study.model.name,
        label="accuracy, %" if labelled else "answers changed, %",
        level=100 * found.float_accuracy if found.float_accuracy is not None else None,
        costs=tuple(_cost(found, cost, height) for cost in found.against),
    )


def _cost(found: Sweep, cost: Quantity, height: Quantity) -> FrontierCost:
    series: dict[str, list[tuple[float, float]]] = {}
    best = []
    for row, on in zip(found.rows, found.frontier, strict=True):
        x, y = value_of(row, cost), value_of(row, height)
        if x is not None and y is not None:
            series.setdefault(f"{row.setting.code}, {row.setting.chip}", []).append((x, y))
            best += [(x, y)] if on else []
    return FrontierCost(
        label=LABELS.get(cost, cost.value),
        series=tuple(FrontierSeries(name=name, points=tuple(points)) for name, points in series.items()),
        best=tuple(sorted(best)),
    )
