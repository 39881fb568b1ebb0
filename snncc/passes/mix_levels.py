"""Level bits by what they gain: channels that need more of them get more, in parts of their own."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from snncc.passes.balance import Balance, check_method, print_widths
from snncc.passes.base import Context, Pass, option
from snncc.passes.channel_ties import tied_populations
from snncc.passes.channel_tops import TopsByBits, channel_tops
from snncc.passes.division import Division, divided, division_of
from snncc.passes.mixture import Mixture, mixture
from snncc.passes.shared_scales import shared_scales
from snncc.passes.widths import LEVEL_BITS
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Grid
from snncc_ir.nodes import Population
from snncc_ir.tensors import Reals, Tensor

Tops = Mapping[str, TopsByBits]
"""By population."""

MOST_PARTS = 64
"""That a user may ask for."""


@dataclass(frozen=True)
class MixLevels(Pass):
    """Divides populations by channels into parts with level bits of their own, and balances them.

    The mean over all neurons is at most `level_bits`. A bit more divides the squared error that a channel
    adds to the outputs by about four, whatever it is; for a given sum of bits the sum of the errors is least
    where no exchange of bits lowers it (reverse water-filling: Cover and Thomas, Elements of Information
    Theory, section 10.3). The errors are measured. Takes the place of `balance`.
    """

    name: ClassVar[str] = "mix_levels"

    level_bits: float = option(4.0, "bits of a level, at most, in the mean over all neurons, 1 to 8")
    parts: int = option(8, f"of a population at most, 1 to {MOST_PARTS}")
    method: str = option("auto", "as for balance; auto also asks what tops cost the outputs")

    def __post_init__(self) -> None:
        if not 1 <= self.level_bits <= max(LEVEL_BITS):
            raise SnnccError(f"level_bits must be 1 to 8, not {self.level_bits}", where=self.name)
        if not 1 <= self.parts <= MOST_PARTS:
            raise SnnccError(f"parts must be 1 to {MOST_PARTS}, not {self.parts}", where=self.name)
        check_method(self.method, self.name)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The graph in parts, each with its grid."""
        _check_real(graph)
        if not graph.populations:
            return graph
        return self.mixed(graph, context, self.tops(graph, context))

    def tops(self, graph: Graph, context: Context) -> Tops:
        """The tops that every channel would have by its level bits, and what its rounding would cost."""
        balanced = {bits: self._balance(bits).apply(graph, context) for bits in LEVEL_BITS}
        return channel_tops(graph, context, balanced, free=self.method == "auto")

    def mixed(self, graph: Graph, context: Context, tops: Tops) -> Graph:
        """The graph in parts with their grids, for tops that are known."""
        errors = {name: {bits: one.errors for bits, one in widths.items()} for name, widths in tops.items()}
        found = mixture(graph, errors, self.level_bits, self.parts)
        parts = divided(graph, _division(found))
        bits = _bits_by_node(parts, found)
        balance = replace(self._balance(max(LEVEL_BITS)), widths=print_widths(bits))
        return _with_tops(balance.apply(parts, self.adapted(graph, parts, context)), bits, tops)

    def _balance(self, bits: int) -> Balance:
        return Balance(method=self.method, level_bits=bits)

    def adapted(self, graph: Graph, changed: Graph, context: Context) -> Context:
        """The calibration of every part."""
        populations = dict(context.calibration.populations)
        for node in changed.populations:
            if node.part is not None:
                whole = context.calibration.populations[node.part.whole]
                populations[node.name] = whole.picked(np.array(node.part.channels))
        return replace(context, calibration=replace(context.calibration, populations=populations))

    def rescaled(self, graph: Graph, compiled: Graph) -> Graph:
        """The graph in the parts of the compiled one, which remember their channels."""
        division = division_of(compiled)
        _check_division(graph, division)
        return divided(graph, division)


def _with_tops(balanced: Graph, bits: Mapping[str, int], tops: Tops) -> Graph:
    """A balanced graph in parts with the tops of its channels, but where channels must share a scale."""
    shared, changed = shared_scales(balanced), []
    for node in balanced.populations:
        match node.neuron:
            case Analog(grid=Grid() as grid) as unit:
                own = _own_tops(node, tops, bits[node.name])
                top = np.where(shared.mask(node.name, len(own)), grid.top.data, own)
                changed.append(replace(node, neuron=replace(unit, grid=replace(grid, top=Tensor.real(top)))))
    return balanced.with_nodes(changed)


def _own_tops(node: Population, tops: Tops, bits: int) -> Reals:
    """Those that the channels of a population or part have alone."""
    if node.part is None:
        return tops[node.name][bits].tops
    return tops[node.part.whole][bits].tops[list(node.part.channels)]


def _division(found: Mixture) -> Division:
    """Of the populations that do not stay whole."""
    return {name: [piece.channels for piece in pieces] for name, pieces in found.items() if len(pieces) > 1}


def _bits_by_node(parts: Graph, found: Mixture) -> dict[str, int]:
    """Level bits of the populations of a divided graph."""
    bits = {name: pieces[0].bits for name, pieces in found.items() if len(pieces) == 1}
    for node in parts.populations:
        if node.part is not None:
            by_channels = {tuple(piece.channels): piece.bits for piece in found[node.part.whole]}
            bits[node.name] = by_channels[node.part.channels]
    return bits


def _check_real(graph: Graph) -> None:
    """Refuse a graph whose levels are chosen already."""
    units = [node.neuron for node in graph.populations if isinstance(node.neuron, Analog)]
    if any(unit.grid is not None for unit in units) or (graph.populations and not units):
        raise SnnccError(
            "runs on the real network", where=MixLevels.name, hint="put it in the place of balance"
        )
    given = [node.name for node in graph.populations if not isinstance(node.neuron, Analog)]
    if given:
        raise SnnccError(
            f"{given[0]} came with levels of its own",
            where=MixLevels.name,
            hint="use balance, which keeps them",
        )


def _check_division(graph: Graph, division: Division) -> None:
    """Refuse a division that this pass cannot have made of the graph."""
    for names in tied_populations(graph):
        orders = {tuple(map(tuple, division[name])) for name in names if name in division}
        channels = range(graph.types[names[0]].shape[0])
        for parts in orders:
            if len(orders) > 1 or sorted(itertools.chain(*parts)) != list(channels):
                raise _not_of_this(names[0])
    unknown = division.keys() - set(itertools.chain(*tied_populations(graph)))
    if unknown:
        raise _not_of_this(min(unknown))


def _not_of_this(name: str) -> SnnccError:
    return SnnccError("its parts are not those of the model", where=name, hint="compile it again")
