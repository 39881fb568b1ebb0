"""Threshold balancing: the real value of the top level, per channel or per population."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Context, Pass, option
from snncc.passes.shared_scales import Group, shared_scales
from snncc.passes.tops import (
    SMALLEST_TOP,
    all_percentile,
    least_divergence_top,
    least_error_top,
    nonzero_percentile,
    roomy_top,
)
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Grid
from snncc_ir.statistics import Statistics
from snncc_ir.tensors import Ints, Reals, Tensor

Range = tuple[int, int]
Tops = dict[str, Reals]

METHODS = ("auto", "max", "mse", "kl")
SCOPES = ("channel", "population")

WIDTH = re.compile(r"([A-Za-z0-9_]+):([1-8])")

WITH_ZEROS = "percentile_all"
"""The method whose percentile counts the activations that are zero."""

HEADROOM = (0.5, 4.0)
"""What the number behind max and mse must be above, and at most."""

FINEST, ROOM = 8, 1.2
"""With so many level bits it costs more to clip what unseen images reach than to round a little coarser:
there, `auto` multiplies the top of `mse` (benchmarks/held_out.py)."""

BOUNDS = {"percentile": (0.0, 100.0), WITH_ZEROS: (0.0, 100.0), "max": HEADROOM, "mse": HEADROOM}
"""What the number behind a method's name must be above, and at most."""


@dataclass(frozen=True)
class Balance(Pass):
    """Chooses the grid of every analog population from its calibrated activations.

    `auto` is `mse`; with 8 level bits it goes beyond, for what unseen images reach, but not where the
    activations lie on the levels as they are: a network that learned with quantised activations keeps them.
    `max` takes the greatest activation, `max:f` f times that, for what unseen images reach,
    `percentile:p` the p-th percentile of the activations that are not zero (Rueckauer et al. 2016),
    `percentile_all:p` that of all activations (Lu and Sengupta 2020), `mse` the top with the least mean
    squared rounding and clipping error, `mse:f` f times that, `kl` the top that changes the distribution of
    the activations least. No top is beyond what the unit can give, unless its scale is shared: channels that
    wiring mixes (`shared_scales`) have one, chosen on the activations of all of them.
    """

    name: ClassVar[str] = "balance"

    method: str = option("auto", "auto, max, max:F, percentile:P, percentile_all:P, mse, mse:F or kl")
    level_bits: int = option(4, "bits of a level, 1 to 8")
    scope: str = option("channel", "one top per channel, or per population")
    widths: str = option("", "other level bits of single populations: NAME:BITS/NAME:BITS")

    def __post_init__(self) -> None:
        if not 1 <= self.level_bits <= 8:
            raise SnnccError(f"level_bits must be 1 to 8, not {self.level_bits}", where=self.name)
        check_method(self.method, self.name)
        if self.scope not in SCOPES:
            raise SnnccError(f"scope {self.scope!r} is none of {' and '.join(SCOPES)}", where=self.name)
        parse_widths(self.widths)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Give every analog population its grid."""
        widths = parse_widths(self.widths)
        analog = {node.name: node.neuron for node in graph.populations if isinstance(node.neuron, Analog)}
        ranges = {
            node.name: level_range(widths.pop(node.name, self.level_bits), signed=analog[node.name].low < 0)
            for node in graph.populations
            if node.name in analog
        }
        if widths:
            raise SnnccError(
                f"no population is called {next(iter(widths))!r}",
                where=f"{self.name}{{widths}}",
                hint=f"there are {', '.join(node.name for node in graph.populations)}",
            )
        units = {
            name: _Unit(context.calibration.populations[name], *bounds, analog[name].ceiling)
            for name, bounds in ranges.items()
        }
        tops = self._tops(graph, units)
        changed = []
        for node in graph.populations:
            if node.name in analog:
                lo, hi = ranges[node.name]
                grid = Grid(top=Tensor.real(tops[node.name]), lo=lo, hi=hi)
                changed.append(replace(node, neuron=replace(analog[node.name], grid=grid)))
        return graph.with_nodes(changed)

    def _tops(self, graph: Graph, units: Mapping[str, _Unit]) -> Tops:
        """The top of every channel; channels that must share a scale get one."""
        shared = shared_scales(graph, whole=self.scope == "population")
        tops = {}
        for name, unit in units.items():
            channels = graph.types[name].shape[0]
            tops[name] = np.full(channels, np.nan)
            alone = np.flatnonzero(~shared.mask(name, channels))
            if len(alone):
                tops[name][alone] = self._top(unit.picked(alone))
        for group in shared.groups:
            for name, top in self._shared_tops(group, units).items():
                tops[name][group[name]] = top
        return tops

    def _shared_tops(self, group: Group, units: Mapping[str, _Unit]) -> dict[str, float]:
        """Tops of one scale. Populations of unlike levels take the greatest that any of them asks for."""
        tops: dict[Range, float] = {}
        for bounds in sorted({units[name].bounds for name in group}):
            alike = [units[name].picked(group[name]) for name in group if units[name].bounds == bounds]
            tops[bounds] = float(self._top(_merged(alike))[0])
        if len(tops) == 1:
            return dict.fromkeys(group, next(iter(tops.values())))
        scale = max(top / _reach(bounds) for bounds, top in tops.items())
        return {name: scale * _reach(units[name].bounds) for name in group}

    def _top(self, unit: _Unit) -> Reals:
        return np.clip(self._chosen_top(unit), SMALLEST_TOP, max(unit.ceiling, SMALLEST_TOP))

    def _chosen_top(self, unit: _Unit) -> Reals:
        sample, greatest, bounds = unit.statistics.sample, unit.greatest, unit.bounds
        match self.method:
            case "auto" if (unit.hi - unit.lo).bit_length() == FINEST:
                return roomy_top(sample, greatest, *bounds, ROOM)
            case "max":
                return greatest
            case "auto" | "mse":
                return least_error_top(sample, greatest, *bounds)
            case "kl":
                return least_divergence_top(sample, greatest, *bounds)
            case _ if self.method.startswith("max:"):
                return greatest * _parameter(self.method)
            case _ if self.method.startswith("mse:"):
                return least_error_top(sample, greatest, *bounds) * _parameter(self.method)
            case _ if self.method.startswith(WITH_ZEROS):
                return all_percentile(sample, greatest, _parameter(self.method))
            case _:
                return nonzero_percentile(sample, greatest, _parameter(self.method))


@dataclass(frozen=True)
class _Unit:
    """What is known of a population when its top is chosen; `ceiling` is what its unit never exceeds."""

    statistics: Statistics
    lo: int
    hi: int
    ceiling: float

    @property
    def bounds(self) -> Range:
        return self.lo, self.hi

    @property
    def greatest(self) -> Reals:
        return np.maximum(self.statistics.high, -self.statistics.low)

    def picked(self, channels: Ints) -> _Unit:
        """The same for some channels."""
        return replace(self, statistics=self.statistics.picked(channels))


def _merged(units: Sequence[_Unit]) -> _Unit:
    """All channels of units of the same levels as one channel."""
    parts = [unit.statistics for unit in units]
    statistics = Statistics(
        low=np.concatenate([part.low for part in parts]).min(keepdims=True),
        high=np.concatenate([part.high for part in parts]).max(keepdims=True),
        drive_mean=np.concatenate([part.drive_mean for part in parts]).mean(keepdims=True),
        sample=np.concatenate([part.sample.reshape(-1, 1) for part in parts]),
    )
    return replace(units[0], statistics=statistics, ceiling=max(unit.ceiling for unit in units))


def grids_of(graph: Graph) -> dict[str, Grid]:
    """The grids of a balanced graph by population."""
    grids = {node.name: node.neuron.grid for node in graph.populations if isinstance(node.neuron, Analog)}
    return {name: grid for name, grid in grids.items() if grid is not None}


def level_range(bits: int, *, signed: bool) -> tuple[int, int]:
    """0..2^K - 1, or +-(2^(K-1) - 1) for signed populations (K = 1: -1..1)."""
    if not signed:
        return 0, 2**bits - 1
    top = max(1, 2 ** (bits - 1) - 1)
    return -top, top


def parse_widths(text: str) -> dict[str, int]:
    """Level bits by population from `NAME:BITS/NAME:BITS`."""
    found: dict[str, int] = {}
    for item in filter(None, text.split("/")):
        match = WIDTH.fullmatch(item)
        if match is None or match[1] in found:
            raise SnnccError(
                f"cannot read {item!r}",
                where=f"{Balance.name}{{widths}}",
                hint="write NAME:BITS/NAME:BITS, each population once, 1 to 8 bits",
            )
        found[match[1]] = int(match[2])
    return found


def print_widths(widths: Mapping[str, int]) -> str:
    """What `parse_widths` reads."""
    return "/".join(f"{name}:{bits}" for name, bits in widths.items())


def _reach(bounds: Range) -> int:
    """The level that a grid's top stands for."""
    return max(bounds[1], -bounds[0])


def check_method(method: str, where: str) -> None:
    """Raise SnnccError, in the name of the pass that has the option, unless there is such a method."""
    if method in METHODS:
        return
    kind = method.partition(":")[0]
    low, high = BOUNDS.get(kind, (0.0, 0.0))
    if not low < _parameter(method) <= high:
        raise SnnccError(
            f"method {method!r} is none of {', '.join(METHODS)}, percentile:P and percentile_all:P "
            "with P in (0, 100], max:F and mse:F with F in (0.5, 4]",
            where=where,
        )


def _parameter(method: str) -> float:
    """The number behind a method's name; nan where there is none."""
    try:
        return float(method.partition(":")[2])
    except ValueError:
        return math.nan
