"""Threshold balancing: the real value of the top level, per channel or per population."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Context, Pass, option
from snncc.passes.stored_weights import feeds_stored_weights
from snncc.passes.tops import (
    SMALLEST_TOP,
    all_percentile,
    least_divergence_top,
    least_error_top,
    nonzero_percentile,
)
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Grid
from snncc_ir.statistics import Statistics
from snncc_ir.tensors import Reals, Tensor

METHODS = ("max", "mse", "kl")
SCOPES = ("channel", "population")

WIDTH = re.compile(r"([A-Za-z0-9_]+):([1-8])")

WITH_ZEROS = "percentile_all"
"""The method whose percentile counts the activations that are zero."""


@dataclass(frozen=True)
class Balance(Pass):
    """Chooses the grid of every analog population from its calibrated activations.

    `max` takes the greatest activation, `percentile:p` the p-th percentile of the activations that are
    not zero (Rueckauer et al. 2016), `percentile_all:p` that of all activations (Lu and Sengupta 2020),
    `mse` the top with the least mean squared rounding and clipping error, `kl` the top that changes the
    distribution of the activations least.
    """

    name: ClassVar[str] = "balance"

    method: str = option("mse", "max, percentile:P, percentile_all:P, mse or kl")
    level_bits: int = option(4, "bits of a level, 1 to 8")
    scope: str = option("channel", "one top per channel, or per population")
    widths: str = option("", "other level bits of single populations: NAME:BITS/NAME:BITS")

    def __post_init__(self) -> None:
        if not 1 <= self.level_bits <= 8:
            raise SnnccError(f"level_bits must be 1 to 8, not {self.level_bits}", where=self.name)
        if self.method not in METHODS:
            _percentile(self.method)
        if self.scope not in SCOPES:
            raise SnnccError(f"scope {self.scope!r} is none of {' and '.join(SCOPES)}", where=self.name)
        parse_widths(self.widths)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """Give every analog population its grid."""
        widths = parse_widths(self.widths)
        changed = []
        for node in graph.populations:
            bits = widths.pop(node.name, self.level_bits)
            if isinstance(node.neuron, Analog):
                statistics = context.calibration.populations[node.name]
                if self.scope == "population" or feeds_stored_weights(graph, node.name):
                    statistics = _merged(statistics)
                changed.append(replace(node, neuron=self._balanced(node.neuron, statistics, bits)))
        if widths:
            raise SnnccError(
                f"no population is called {next(iter(widths))!r}",
                where=f"{self.name}{{widths}}",
                hint=f"there are {', '.join(node.name for node in graph.populations)}",
            )
        return graph.with_nodes(changed)

    def _balanced(self, neuron: Analog, statistics: Statistics, bits: int) -> Analog:
        lo, hi = level_range(bits, signed=neuron.low < 0)
        top = np.broadcast_to(self._top(statistics, lo, hi), neuron.bias.values.shape[:1])
        return replace(neuron, grid=Grid(top=Tensor.real(np.maximum(top, SMALLEST_TOP)), lo=lo, hi=hi))

    def _top(self, statistics: Statistics, lo: int, hi: int) -> Reals:
        greatest = np.maximum(statistics.high, -statistics.low)
        match self.method:
            case "max":
                return greatest
            case "mse":
                return least_error_top(statistics.sample, greatest, lo, hi)
            case "kl":
                return least_divergence_top(statistics.sample, greatest, lo, hi)
            case _ if self.method.startswith(WITH_ZEROS):
                return all_percentile(statistics.sample, greatest, _percentile(self.method))
            case _:
                return nonzero_percentile(statistics.sample, greatest, _percentile(self.method))


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


def _merged(statistics: Statistics) -> Statistics:
    """The statistics of all channels as those of one."""
    return replace(
        statistics,
        low=statistics.low.min(keepdims=True),
        high=statistics.high.max(keepdims=True),
        drive_mean=statistics.drive_mean.mean(keepdims=True),
        sample=statistics.sample.reshape(-1, 1),
    )


def _percentile(method: str) -> float:
    kind, _, share = method.partition(":")
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if kind not in ("percentile", WITH_ZEROS) or not 0 < value <= 100:
        raise SnnccError(
            f"method {method!r} is none of {', '.join(METHODS)}, percentile:P and percentile_all:P "
            "with P in (0, 100]",
            where="balance",
        )
    return value
