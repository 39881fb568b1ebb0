"""The graph under construction: places terms, populations and wiring, and names them."""

from __future__ import annotations

import math
import re
from collections.abc import Container
from dataclasses import replace

import numpy as np

from snncc.frontend.quantised import Quantised
from snncc.frontend.values import DriveValue, Lattice, Origin, Probe, Signal, Step, Term
from snncc.frontend.verdicts import Reject
from snncc.frontend.wiring import merged, result_shape, simplified
from snncc_ir.errors import GraphError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog, Bias, Quantiser
from snncc_ir.nodes import (
    AnyNode,
    Concat,
    Input,
    MaxPool,
    Pad,
    Population,
    Readout,
    Repeat,
    Reshape,
    Scale,
    Slice,
    Transpose,
)
from snncc_ir.tensors import WEIGHT_BITS, Reals, Tensor
from snncc_ir.types import Real, Shape

_LONGEST = 56
"""Leaves room for a number within the 64 characters of a name."""


class Builder:
    """Nodes placed so far, in order."""

    def __init__(self) -> None:
        """Start with no node."""
        self._nodes: dict[str, AnyNode] = {}
        self._shapes: dict[str, Shape] = {}
        self._signals: dict[tuple[str, Step], Signal] = {}
        self.probes: dict[str, Probe] = {}

    def input(self, hint: str, shape: Shape) -> Signal:
        """Place the network's input."""
        name = self._place(Input(name=self._unique(hint), type=_real(shape), origin=(hint,)), shape)
        return Signal(name=name, shape=shape, low=-math.inf, high=math.inf)

    def stand_in(self, hint: str, shape: Shape) -> Signal:
        """A signal in the place of a rejected node's value, so that its readers can be judged."""
        return self.input(hint, shape)

    def wire(self, signal: Signal, step: Step) -> Signal:
        """The signal behind one more step of wiring; zero padding waits for a convolution to take it."""
        if isinstance(step.wiring, Pad):
            signal = self._spaced(signal, step)
            return _padded(signal, step.wiring)
        signal = self.solid(signal)
        plain = simplified(step, signal.shape)
        if plain is None:
            return signal
        before = self._nodes[signal.name]
        last = _step_of(before)
        joined = merged(last, plain) if last is not None else None
        if joined is not None:
            source = before.sources[0]
            return self.wire(replace(signal, name=source, shape=self._shapes[source]), joined)
        return self._wired(signal, plain)

    def _spaced(self, signal: Signal, step: Step) -> Signal:
        """The signal with the zeros between neighbours placed, which no convolution takes over."""
        if not isinstance(step.wiring, Pad) or not any(step.wiring.interior):
            return signal
        signal = self.solid(signal)
        bare = replace(step.wiring, padding=((0, 0),) * len(signal.shape))
        if result_shape(bare, signal.shape) == signal.shape:
            return signal
        return _with_zero(self._wired(signal, Step(bare, step.origin)))

    def _wired(self, signal: Signal, step: Step) -> Signal:
        known = self._signals.get((signal.name, step))
        if known is not None:
            return replace(known, shared=signal.shared, grid=signal.grid, zero=signal.zero)
        node = replace(
            step.wiring, name=self._unique(step.origin.hint), source=signal.name, origin=step.origin.nodes
        )
        shape = result_shape(step.wiring, signal.shape)
        result = replace(signal, name=self._place(node, shape), shape=shape, pad=())
        self._signals[signal.name, step] = result
        return result

    def solid(self, signal: Signal) -> Signal:
        """The signal with its padding placed as a node."""
        if not signal.pad:
            return signal
        bare = unpadded(signal)
        step = Step(Pad(name="", source="", padding=signal.pad), Origin(f"{bare.name}_pad", ()))
        return self._wired(bare, step)

    def concat(self, parts: tuple[Signal, ...], axis: int, origin: Origin) -> Signal:
        """Signals joined along an axis (the batch axis is not counted)."""
        solid = tuple(self.solid(part) for part in parts)
        grids = {(part.grid, part.zero) for part in solid}
        grid, zero = grids.pop() if len(grids) == 1 else (None, None)
        if any(part.zero != zero for part in solid):
            raise Reject("joins integers of different scales; dequantise them before")
        node = Concat(name="", parts=tuple(part.name for part in solid), axis=axis, origin=origin.nodes)
        shape = result_shape(node, *(part.shape for part in solid))
        name = self._place(replace(node, name=self._unique(origin.hint)), shape)
        low, high = min(part.low for part in solid), max(part.high for part in solid)
        return Signal(name=name, shape=shape, low=low, high=high, grid=grid, zero=zero)

    def fire(
        self, drive: DriveValue, low: float, high: float, origin: Origin, slope: Reals | None = None
    ) -> Signal:
        """A population of the drive, a = min(max(f(drive), low), high), and the drive's wiring after it.

        f multiplies what is negative by `slope` [C], where there is one.
        """
        neuron = Analog(bias=bias_of(drive), low=low, high=high, slope=None if slope is None else real(slope))
        return self._fired(drive, neuron, origin, low, high, None)

    def quantise(self, drive: DriveValue, form: Quantised, origin: Origin) -> Signal:
        """A population of the drive on a grid that the network gives, and the drive's wiring after it."""
        neuron = form.neuron(bias_of(drive), -math.inf, math.inf)
        return self._fired(drive, neuron, origin, *form.bounds, form.grid)

    def requantise(self, signal: Signal, form: Quantised) -> Signal | None:
        """The signal's own population on the given grid; None where it is none or has other readers."""
        node = self._population_behind(signal)
        if node is None or not isinstance(node.neuron, Analog) or node.neuron.slope is not None:
            return None
        if form.step.size > 1 and node.name != signal.name:
            return None  # its channels may lie along another axis before the wiring
        old = node.neuron
        self._nodes[node.name] = replace(node, neuron=form.neuron(old.bias, old.low, old.high))
        low, high = form.bounds
        return replace(signal, low=low, high=high, grid=form.grid)

    def _population_behind(self, signal: Signal) -> Population | None:
        """The population that gives the signal, perhaps through pooling and layout, to this reader alone."""
        if signal.shared or signal.pad:
            return None
        node = self._nodes[signal.name]
        while isinstance(node, MaxPool | Repeat | Reshape | Transpose | Slice):
            node = self._nodes[node.source]
        return node if isinstance(node, Population) else None

    def _fired(
        self,
        drive: DriveValue,
        neuron: Analog | Quantiser,
        origin: Origin,
        low: float,
        high: float,
        grid: Lattice | None,
    ) -> Signal:
        terms = self._place_terms(drive.terms)
        name = self._unique(origin.hint)
        self._place(Population(name=name, drives=terms, neuron=neuron, origin=origin.nodes), drive.base)
        self.probes[name] = drive.probe
        signal = Signal(name=name, shape=drive.base, low=low, high=high, grid=grid)
        for step in drive.steps:
            signal = self.wire(signal, step)
        return signal

    def read_out(self, drive: DriveValue, hint: str) -> str:
        """An output of the drive, whose wiring is left out."""
        terms = self._place_terms(drive.terms)
        node = Readout(name=self._unique(hint), drives=terms, bias=bias_of(drive), origin=drive.origin.nodes)
        self._place(node, drive.base)
        self.probes[node.name] = drive.probe
        return node.name

    def narrow(self, signal: Signal, low: float, high: float) -> Signal | None:
        """The same population with a smaller range; None where the signal is none, or has other readers."""
        node = self._nodes[signal.name]
        if signal.shared or signal.pad or not isinstance(node, Population):
            return None
        neuron = node.neuron
        if not isinstance(neuron, Analog):
            return None
        low, high = max(low, neuron.low), min(high, neuron.high)
        self._nodes[node.name] = replace(node, neuron=_ranged(neuron, low, high))
        return replace(signal, low=low, high=high)

    def narrow_grid(self, signal: Signal, lo: int, hi: int) -> Signal | None:
        """The same quantised population with fewer levels; None where it is none, or has other readers."""
        node, grid = self._population_behind(signal), signal.grid
        if node is None or grid is None or not isinstance(node.neuron, Quantiser):
            return None
        if node.neuron.rounding.levels is not None:
            return None
        self._nodes[node.name] = replace(node, neuron=replace(node.neuron, lo=lo, hi=hi))
        return replace(signal, low=grid.step * lo, high=grid.step * hi, grid=Lattice(grid.step, lo, hi))

    def is_input(self, name: str) -> bool:
        """True for the network's input."""
        return isinstance(self._nodes[name], Input)

    def shape(self, name: str) -> Shape:
        """Shape of a placed node's value."""
        return self._shapes[name]

    def finish(self, name: str, outputs: tuple[str, ...]) -> Graph:
        """The graph of everything that the outputs need."""
        needed = set(outputs)
        for node in reversed(self._nodes.values()):
            if node.name in needed or isinstance(node, Input):
                needed.update(node.sources)
        nodes = tuple(node for node in self._nodes.values() if node.name in needed)
        return Graph(name=sanitised(name), nodes=nodes, outputs=outputs)

    def _place_terms(self, terms: tuple[Term, ...]) -> tuple[str, ...]:
        return tuple(self._place_term(part) for term in terms for part in split_wide(term))

    def _place_term(self, term: Term) -> str:
        source = self.solid(term.source)
        name = self._unique(term.origin.hint)
        node = replace(term.linear, name=name, source=source.name, origin=term.origin.nodes)
        return self._place(node, result_shape(node, source.shape))

    def _place(self, node: AnyNode, shape: Shape) -> str:
        self._nodes[node.name] = node
        self._shapes[node.name] = shape
        return node.name

    def _unique(self, hint: str) -> str:
        return unused(sanitised(hint), self._nodes)


def unused(base: str, taken: Container[str]) -> str:
    """The name, with a number behind it where it is taken."""
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def sanitised(hint: str) -> str:
    """A name of letters, digits and underscores that begins with a letter."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", hint).strip("_")[-_LONGEST:].strip("_")
    return name if name[:1].isalpha() else f"n{name}"


def unpadded(signal: Signal) -> Signal:
    """The signal without its pending padding."""
    if not signal.pad:
        return signal
    shape = tuple(size - sum(pair) for size, pair in zip(signal.shape, signal.pad, strict=True))
    return replace(signal, shape=shape, pad=())


def identity_term(signal: Signal, weight: Reals, origin: Origin) -> Term:
    """Channel c of the signal times weight[c]."""
    return Term(Scale(name="", source="", weight=real(weight)), signal, origin)


def split_wide(term: Term) -> tuple[Term, ...]:
    """The term, or several side by side where stored weights less their zero point have 9 bits."""
    weight = term.linear.weight
    if weight.scale is None or weight.bits is None or weight.bits <= WEIGHT_BITS[-1]:
        return (term,)
    top = 2 ** (WEIGHT_BITS[-1] - 1)
    first = np.clip(weight.data, -top, top - 1)
    parts = (Tensor.scaled(part, weight.scale.data) for part in (first, weight.data - first))
    terms = (replace(term, linear=replace(term.linear, weight=part)) for part in parts)
    return tuple(part for whole in terms for part in split_wide(whole))


def real(values: Reals) -> Tensor:
    """A real tensor; raises Reject where the numbers overflowed."""
    try:
        return Tensor.real(values)
    except GraphError:
        raise Reject("its weights become NaN or infinite when constants are folded") from None


def bias_of(drive: DriveValue) -> Bias:
    """The drive's bias, per channel or per channel and border class."""
    if drive.bias.ndim == 1:
        return Bias(values=real(drive.bias))
    if drive.bias.ndim != 3:
        raise Reject("its bias varies by position")
    reduced, rows = np.unique(drive.bias, axis=1, return_inverse=True)
    values, columns = np.unique(reduced, axis=2, return_inverse=True)
    return Bias(values=real(values), rows=_classes(rows), columns=_classes(columns))


def _classes(labels: np.typing.NDArray[np.intp]) -> tuple[int, ...]:
    return tuple(int(label) for label in labels.reshape(-1))


def _ranged(neuron: Analog, low: float, high: float) -> Analog:
    try:
        return replace(neuron, low=low, high=high)
    except GraphError as error:
        raise Reject(error.what) from None


def _real(shape: Shape) -> Real:
    try:
        return Real(shape)
    except GraphError as error:
        raise Reject(error.what) from None


def _step_of(node: AnyNode) -> Step | None:
    """The wiring of a placed node, where it can merge with more."""
    match node:
        case Reshape() | Transpose():
            return Step(replace(node, name="", source="", origin=()), Origin(node.name, node.origin))
        case _:
            return None


def _padded(signal: Signal, pad: Pad) -> Signal:
    """The signal with the pad's outer zeros pending."""
    if not any(map(any, pad.padding)):
        return signal
    outer = replace(pad, interior=())
    shape = result_shape(outer, signal.shape)
    before = signal.pad or ((0, 0),) * len(signal.shape)
    pairs = zip(before, pad.padding, strict=True)
    total = tuple((old[0] + new[0], old[1] + new[1]) for old, new in pairs)
    return _with_zero(replace(signal, shape=shape, pad=total))


def _with_zero(signal: Signal) -> Signal:
    """The signal whose range holds the zeros that padding adds."""
    return replace(signal, low=min(signal.low, 0.0), high=max(signal.high, 0.0))
