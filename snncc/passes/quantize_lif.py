"""Quantisation for fixed-point LIF neurons: one threshold per population, and no sum that overflows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.base import Context, option
from snncc.passes.folding import row_max
from snncc.passes.quantize import Quantize, Quantizer
from snncc.passes.rounders import ROUNDERS
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.lif import GREATEST_BIAS, GREATEST_SUM, is_mantissa
from snncc_ir.linear import pool_factors
from snncc_ir.neurons import Analog, Bias, Staircase
from snncc_ir.nodes import Input, Linear, Population, Readout, SumPool
from snncc_ir.tensors import Reals, Tensor

PIXEL_EARLY = 0.5
"""Share by which the threshold of a pixel's neuron is lowered: it adds the same amount in every step."""

LEAST_ROOM = 0.25
"""Share of the potential's range that rounding leaves for the weights at least; a target may then refuse."""


@dataclass(frozen=True)
class QuantizeLif(Quantize):
    """Quantizes a balanced network whose levels are 0 and 1 for the stock LIF neuron (`snncc_ir.lif`).

    All channels of a population have one s_w, so one threshold. s_w is the least for which weights fit their
    bits, biases have a mantissa and exponent, and `steps` steps of the most negative drive stay above
    -2^17, where the neuron would clip its potential. A pixel's weight is 1: it is a bias. Biases beyond a
    mantissa are rounded to even numbers. A reset to zero drops what lies above the threshold, so a neuron
    fires too seldom; `early` lowers the thresholds for it.
    """

    name: ClassVar[str] = "quantize_lif"

    steps: int = option(64, "time steps per image, those of choose_code")
    early: float = option(0.2, "share by which thresholds are lowered, 0 to 0.9")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1:
            raise SnnccError(f"steps must be at least 1, not {self.steps}", where=self.name)
        if not 0 <= self.early <= 0.9:
            raise SnnccError(f"early must be 0 to 0.9, not {self.early:g}", where=self.name)

    def quantizer(self, graph: Graph, context: Context) -> Quantizer:
        """The quantizer with units of whole populations."""
        for node in graph.populations:
            grid = node.neuron.grid if isinstance(node.neuron, Analog) else None
            if grid is None or (grid.lo, grid.hi) != (0, 1):
                raise SnnccError(
                    "a LIF neuron's only levels are 0 and 1",
                    where=node.name,
                    hint="give a float network without negative activations, and balance{level_bits=1,...}",
                )
        rounder = ROUNDERS[self.rounding](graph, context)
        return _LifQuantizer(
            graph,
            context.input_format,
            self,
            rounder,
            context.certify,
            duration=self.steps,
            early=self.early,
        )


@dataclass
class _LifQuantizer(Quantizer):
    """The quantizer that gives all channels of a population one unit."""

    duration: int = 1
    early: float = 0.0

    def _stored_unit(self, node: Population, folded: Mapping[str, Reals]) -> Reals | None:
        """Integers that came with the network are rounded anew."""
        return None

    def _unit(self, node: Population | Readout, folded: Mapping[str, Reals]) -> Reals:
        projections = self.graph.projections(node)
        unit = super()._unit(node, folded)
        if self._reads_input(node):
            return np.full_like(unit, max(float(row_max(w).max()) for w in folded.values()))
        taps = {each.name: self._tap(each) * folded[each.name] for each in projections}
        least = max(float(row_max(w).max()) / self.options.largest_weight for w in taps.values())
        synapses = float(unit.max()) if self._has_synapses(folded) else 0.0
        bound = self._bound(node, taps) if isinstance(node, Population) else 0.0
        return np.full_like(unit, max(least, synapses, bound) or 1.0)

    def _population(self, node: Population) -> None:
        super()._population(node)
        made = self.done[node.name]
        if isinstance(made, Population) and isinstance(made.neuron, Staircase):
            share = PIXEL_EARLY if self._reads_input(node) else self.early
            theta = np.maximum(np.rint(made.neuron.theta.data * (1 - share)), 1)
            self.done[node.name] = replace(made, neuron=replace(made.neuron, theta=Tensor.integer(theta)))

    def _reads_input(self, node: Population | Readout) -> bool:
        sources = [self.graph.by_name[each.source] for each in self.graph.projections(node)]
        return any(isinstance(each, Input) for each in sources)

    def _tap(self, node: Linear) -> int:
        """How many times its weight the strongest synapse of a projection is."""
        if not isinstance(node, SumPool):
            return 1
        return int(pool_factors(node, self.graph.types[node.source].shape).max())

    def _has_synapses(self, folded: Mapping[str, Reals]) -> bool:
        return any(weights.ndim > 1 for weights in folded.values())

    def _bound(self, node: Population, taps: Mapping[str, Reals]) -> float:
        """The least unit in which no potential and no bias leaves its range."""
        bias = node.neuron.bias.values.data if isinstance(node.neuron, Analog) else np.zeros(1)
        flat = [self._synaptic(name, weights) for name, weights in taps.items()]
        fall = sum(np.maximum(-weights, 0).sum(axis=1) for weights in flat)
        fall = fall + np.maximum(-bias.reshape(len(bias), -1).min(axis=1), 0)
        most_inputs = sum(weights.shape[1] for weights in flat)
        rounding = self.duration * (most_inputs + 2) / 2
        room = max(GREATEST_SUM - rounding, LEAST_ROOM * GREATEST_SUM)
        widest = float(np.abs(bias).max()) / (GREATEST_BIAS - 1)
        return max(float(np.max(fall)) * self.duration / room, widest)

    def _synaptic(self, name: str, weights: Reals) -> Reals:
        """The weights of a projection into each channel, `[C, synapses]`."""
        node = self.graph.by_name[name]
        taps = node.kernel[0] * node.kernel[1] if isinstance(node, SumPool) else 1
        return np.repeat(weights.reshape(len(weights), -1), taps, axis=1)

    def _finish(
        self, node: Population | Readout, folded: Mapping[str, Reals], unit: Reals, bias: Bias
    ) -> Bias:
        made = super()._finish(node, folded, unit, bias)
        if isinstance(node, Readout):
            return made
        values = made.values.data
        even = 2 * np.rint(values / 2).astype(np.int64)
        return replace(made, values=Tensor.integer(np.where(is_mantissa(values), values, even)))
