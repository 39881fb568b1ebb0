"""Level widths of single populations: settings to choose from, and better ones near a setting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.passes.balance import Balance, grids_of
from snncc.passes.base import Context
from snncc.passes.widths import LEVEL_BITS, SMALL, Widths, frontier, mean_bits
from snncc.sim.reals import RealEngine
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog
from snncc_ir.progress import Watch

Array = NDArray[Any]

PROBED = 128
"""Images on which errors are measured."""

LEAST_GAIN = 0.002
"""Share of the error that an exchange of bits must save: less is noise of so few images."""

TRIED = 4
"""Exchanges that are measured before the search gives up."""


@dataclass(frozen=True)
class _Exchange:
    """One bit more for a population, paid by others."""

    bits: dict[str, int]
    estimate: float


class WidthSearch:
    """Measures settings on the real network with staircases: float weights, calibration images, no label."""

    def __init__(self, graph: Graph, context: Context) -> None:
        """Prepare for the real graph before `balance`."""
        analog = [node.name for node in graph.populations if isinstance(node.neuron, Analog)]
        self.neurons = {name: int(np.prod(graph.types[name].shape)) for name in analog}
        self._engine = RealEngine(graph)
        self._images = context.input_format.to_reals(context.samples[:PROBED])
        self._real = self._engine.run(self._images, {})
        self._grids = {bits: grids_of(Balance(level_bits=bits).apply(graph, context)) for bits in LEVEL_BITS}
        self._known: dict[tuple[tuple[str, int], ...], float] = {}

    def error(self, bits: Mapping[str, int]) -> float:
        """Squared error of the outputs over their variance; populations without bits stay real."""
        key = tuple(sorted(bits.items()))
        if key not in self._known:
            grids = {name: self._grids[width][name] for name, width in bits.items()}
            found = self._engine.run(self._images, grids)
            self._known[key] = sum(_relative_error(found[name], self._real[name]) for name in self._real)
        return self._known[key]

    def settings(self, watch: Watch) -> tuple[Widths, ...]:
        """A frontier of settings, the widest first, from the error that each population makes alone."""
        progress = watch("level widths")
        errors: dict[str, dict[int, float]] = {name: {} for name in self.neurons}
        for number, bits in enumerate(LEVEL_BITS):
            for name in self.neurons:
                errors[name][bits] = self.error({name: bits})
            progress(number + 1, len(LEVEL_BITS))
        return frontier(errors, self.neurons)

    def refined(self, bits: Mapping[str, int], most: float) -> Widths:
        """Widths of at most `most` mean bits with a smaller error of all roundings together.

        Errors of single populations do not add up. One bit more for one population and fewer for others is
        kept where it lowers the measured error, until none of the likeliest exchanges does.
        """
        best, moves = dict(bits), _Moves(self, bits)
        while (better := self._exchanged(best, moves, most)) is not None:
            moves.refresh(better, [name for name in better if better[name] != best[name]])
            best = better
        return Widths(best, mean_bits(best, self.neurons))

    def _exchanged(self, bits: Mapping[str, int], moves: _Moves, most: float) -> dict[str, int] | None:
        bound = self.error(bits) * (1 - LEAST_GAIN)
        likely = sorted(self._exchanges(bits, moves, most), key=lambda exchange: exchange.estimate)
        for exchange in likely[:TRIED]:
            if self.error(exchange.bits) < bound:
                return exchange.bits
        return None

    def _exchanges(self, bits: Mapping[str, int], moves: _Moves, most: float) -> Iterator[_Exchange]:
        """Every population raised, the others lowered where that costs least for the neurons it frees."""
        cheapest = sorted(moves.cost, key=lambda name: moves.cost[name] / self.neurons[name])
        for name, saved in moves.gain.items():
            chosen, spent = _moved(bits, name, 1), 0.0
            for other in (other for other in cheapest if other != name):
                if mean_bits(chosen, self.neurons) <= most + SMALL:
                    break
                chosen, spent = _moved(chosen, other, -1), spent + moves.cost[other]
            if mean_bits(chosen, self.neurons) <= most + SMALL:
                yield _Exchange(chosen, spent - saved)


class _Moves:
    """What one bit more or less of each population changes, measured when its own bits last changed."""

    def __init__(self, search: WidthSearch, bits: Mapping[str, int]) -> None:
        self._search = search
        self.gain: dict[str, float] = {}
        self.cost: dict[str, float] = {}
        self.refresh(bits, bits)

    def refresh(self, bits: Mapping[str, int], names: Iterable[str]) -> None:
        here = self._search.error(bits)
        for name in names:
            self.gain.pop(name, None)
            self.cost.pop(name, None)
            if bits[name] < max(LEVEL_BITS):
                self.gain[name] = here - self._search.error(_moved(bits, name, 1))
            if bits[name] > min(LEVEL_BITS):
                self.cost[name] = self._search.error(_moved(bits, name, -1)) - here


def _moved(bits: Mapping[str, int], name: str, by: int) -> dict[str, int]:
    return {**bits, name: bits[name] + by}


def _relative_error(found: Array, wanted: Array) -> float:
    """Mean squared difference, in units of the variance of what is wanted."""
    return float(np.square(found - wanted).mean() / max(float(wanted.var()), 1e-12))
