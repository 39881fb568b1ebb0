"""A NIR file as a `rate` graph: IF neurons exactly as it says, those that leak as Loihi has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.nir.drives import Drives, plain
from snncc_backends.nir.fields import Entries, read_file
from snncc_backends.nir.leaky import rounded
from snncc_backends.nir.maps import Signal, channels
from snncc_backends.nir.units import NARROW, UnitError, neuron_units, rough_unit, shared_unit
from snncc_ir.codes import Code, Reset
from snncc_ir.errors import GraphError, ModelError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Input, Population, Readout, Reshape, Scale
from snncc_ir.tensors import Reals, Tensor
from snncc_ir.timing import Rate
from snncc_ir.types import Levels, Shape

Array = NDArray[Any]

LEAKY = "LIF", "CubaLIF"
TAKEN = ("IF", *LEAKY, "Conv2d", "Affine", "Linear", "Scale", "SumPool2d", "Flatten")
DEFAULT_DT = 1e-3
"""Seconds of a time step, where nobody says."""

OPEN_START = "the file does not say where potentials start; they start at half the threshold"
OTHERS = {
    "AvgPool2d": "write it as SumPool2d and Scale",
    "Conv1d": "write it as Conv2d with a height of 1",
    "Threshold": "write it as IF",
    "LI": "read the spikes by an Affine node before the output",
    "CubaLI": "read the spikes by an Affine node before the output",
}


@dataclass(frozen=True, kw_only=True)
class Lifted:
    """A graph, the names of its outputs in the file by node, and what the user should know."""

    graph: Graph
    outputs: Mapping[str, str]
    warnings: tuple[str, ...]


def lift(path: Path, steps: int, reset: Reset | None, dt: float | None = None) -> Lifted:
    """The graph of a NIR file; `steps` and `reset` are for files that do not say them.

    `dt` are the seconds of a step of neurons that leak, in place of the file's own or `DEFAULT_DT`.
    Raises ModelError where the file is damaged, or holds what no rate graph computes.
    """
    try:
        return _Lifting(file=read_file(path), steps=steps, reset=reset, dt=dt).run(path)
    except GraphError as error:
        raise ModelError(error.what, where=error.where or str(path), hint=error.hint) from None


@dataclass(kw_only=True)
class _Lifting(Drives):
    """A file on its way to a graph."""

    steps: int
    reset: Reset | None
    dt: float | None
    seconds: float = DEFAULT_DT
    outputs: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def run(self, path: Path) -> Lifted:
        """Lift every node of the file."""
        metadata = self.file.metadata
        said = metadata.text("reset")
        if said is not None:
            self.reset = _reset(metadata, said)
        steps = metadata.whole("steps", 1)[0] if "steps" in metadata.tree else self.steps
        self.steps = max(steps, 1)
        self.warnings += [] if "steps" in metadata.tree else [f"the file says no number of steps: {steps}"]
        if self.leaks:
            self._begin_leaking(metadata)
        elif self.dt is not None:
            raise SnnccError(
                "no neuron of the file leaks, so its steps have no length", where="--dt", hint="leave it out"
            )
        for node in self.file.nodes:
            self._node(node)
        graph = Graph(
            name=plain(path.stem, "nir"),
            nodes=tuple(self.nodes),
            outputs=tuple(dict.fromkeys(self.outputs.values())),
            timing=Rate(steps, self.reset or Reset.ZERO),
        )
        return Lifted(graph=graph, outputs=self.outputs, warnings=tuple(self.warnings))

    @cached_property
    def leaks(self) -> bool:
        """True where a neuron of the file leaks: then all do."""
        return any(node.kind in LEAKY for node in self.file.nodes)

    def _begin_leaking(self, metadata: Entries) -> None:
        """The length of a step, and the only reset that such neurons have."""
        if self.reset is Reset.SUBTRACT:
            raise metadata.refuse(
                "its neurons leak, and reset by subtract", "neurons that leak reset to zero"
            )
        self.reset = Reset.ZERO
        if self.dt is not None:
            self.seconds = self.dt
        elif "dt" in metadata.tree:
            self.seconds = metadata.number("dt")
            if self.seconds <= 0:
                raise metadata.refuse("its dt must be positive", "give another with --dt")
        else:
            self.warnings.append(f"the file says no length of a step: {DEFAULT_DT:g} s, change it with --dt")

    def _node(self, node: Entries) -> None:
        match node.kind:
            case "Input":
                self._input(node)
            case "Output":
                self._output(node)
            case "IF" if self.leaks:
                raise node.refuse("does not leak, other neurons do", "use one kind of neuron")
            case "IF":
                self._population(node)
            case "LIF" | "CubaLIF":
                self._leaky(node)
            case "Flatten":
                self._flatten(node)
            case "Conv2d" | "Affine" | "Linear" | "Scale" | "SumPool2d":
                self.values[node.name] = self.linear(node)
            case kind:
                hint = OTHERS.get(kind, f"{', '.join(TAKEN[:-1])} and {TAKEN[-1]} are taken")
                raise node.refuse(f"is of type {kind!r:.40}, which is not taken", hint)

    def _input(self, node: Entries) -> None:
        said = node.metadata
        shape = node.shape()
        known = {"lo", "hi"} <= said.tree.keys()
        lo = said.number("lo") if known else 0
        hi = said.whole("hi", 1)[0] if known else 1
        scale = said.optional("scale")
        if lo != int(lo) or (scale is not None and scale.min() <= 0):
            raise node.refuse("its lo must be a whole number, its scale positive")
        if not known:
            self.warnings.append(f"{node.name}: the file says no input levels, so spikes 0 and 1 are taken")
        made = partial(
            Input,
            type=Levels(shape, int(lo), hi),
            scale=_broadcast(scale, 1.0, shape),
            zero=_broadcast(said.optional("zero"), 0.0, shape),
            origin=(node.name,),
        )
        name = self.add(node.name, lambda name: made(name=name))
        self.values[node.name] = Signal(self._spiking(name) if self.leaks and (lo, hi) == (0, 1) else name, 1)

    def _spiking(self, source: str) -> str:
        """Neurons that pass on the spikes of an input, as chips need them: a neuron per spike train."""
        channels = self.types[source].shape[0]
        ones = Tensor.integer(np.ones(channels), NARROW)
        drive = self.add(f"{source}_bias", lambda name: Scale(name=name, source=source, weight=ones))
        bias = Bias(values=Tensor.integer(np.zeros(channels)))
        relay = Staircase(theta=Tensor.integer(np.ones(channels)), bias=bias, lo=0, hi=1)
        made = partial(Population, drives=(drive,), neuron=relay, code=Code.RATE)
        return self.add(f"{source}_neurons", lambda name: made(name=name))

    def _flatten(self, node: Entries) -> None:
        source = self.signal(node)
        size = int(np.prod(self.types[source.name].shape))
        if node.whole("start_dim", 1) != (0,):
            raise node.refuse("keeps some axes", "flatten from start_dim 0 to end_dim -1")
        made = partial(Reshape, source=source.name, shape=(size,), origin=(node.name,))
        self.values[node.name] = replace(source, name=self.add(node.name, lambda name: made(name=name)))

    def _output(self, node: Entries) -> None:
        sources = [self.values[name] for name in self.file.sources[node.name]]
        if len(sources) == 1 and isinstance(sources[0], Signal):
            self.outputs[node.name] = sources[0].name
            return
        drive = self.summed(node)
        try:
            unit = shared_unit([term.levels for term in drive.terms], drive.bias)
        except UnitError as error:
            if not self.leaks:
                raise node.refuse(str(error), UNITS_HINT) from None
            unit = rough_unit([term.levels for term in drive.terms], drive.bias)
            self.warnings.append(f"{node.name}: weights rounded to 8 bits of the greatest")
        scale = node.metadata.number("scale") if "scale" in node.metadata.tree else 1.0
        scale *= float(unit.size[0])
        bias = Bias(values=Tensor.integer(unit.integers(drive.bias)))
        drives = self.terms(node, drive, unit)
        made = partial(Readout, drives=drives, bias=bias, scale=scale, origin=(node.name,))
        self.outputs[node.name] = self.add(node.name, lambda name: made(name=name))

    def _population(self, node: Entries) -> None:
        drive = self.summed(node)
        for name in ("r", "v_reset"):
            self._expect(node, name, 1.0 if name == "r" else 0.0)
        threshold = channels(node, "v_threshold", drive.shape)
        said = node.metadata
        reset = _reset(node, said.text("reset") or (self.reset or Reset.ZERO).value)
        if self.reset not in (None, reset):
            raise node.refuse(f"resets by {reset.value}, other neurons by the other rule", "use one rule")
        self.reset = reset
        top = said.whole("level_top", 1)[0] if "level_top" in said.tree else 1
        if top < 1:
            raise node.refuse("its level_top must be at least 1")
        start = channels(said, "v_initial", drive.shape) if "v_initial" in said.tree else None
        if start is None and OPEN_START not in self.warnings:
            self.warnings.append(OPEN_START)
        try:
            weights = [term.levels for term in drive.terms]
            unit, theta = neuron_units(weights, drive.bias, threshold, start, top, reset)
        except UnitError as error:
            raise node.refuse(str(error), UNITS_HINT) from None
        bias = Bias(values=Tensor.integer(unit.integers(drive.bias)))
        neuron = Staircase(theta=Tensor.integer(theta), bias=bias, lo=0, hi=top)
        level = said.optional("level_scale")
        made = partial(
            Population,
            drives=self.terms(node, drive, unit),
            neuron=neuron,
            code=Code.RATE,
            scale=None if level is None else Tensor.real(level),
            origin=(node.name,),
        )
        self.values[node.name] = Signal(self.add(node.name, lambda name: made(name=name)), top)

    def _leaky(self, node: Entries) -> None:
        self._expect(node, "v_reset", 0.0)
        self._expect(node.metadata, "v_initial", 0.0)
        if _reset(node, node.metadata.text("reset") or Reset.ZERO.value) is Reset.SUBTRACT:
            raise node.refuse("leaks, and resets by subtract", "neurons that leak reset to zero")
        drive = self.summed(node)
        sources = {term.source: self.types[term.source] for term in drive.terms}
        levels = {name: kind for name, kind in sources.items() if isinstance(kind, Levels)}
        made = rounded(node, drive, self.seconds, self.steps, levels)
        self.warnings += [made.note] if made.note else []
        level = node.metadata.optional("level_scale")
        population = partial(
            Population,
            drives=self.terms(node, made.drive, made.unit),
            neuron=made.neuron,
            code=Code.RATE,
            scale=None if level is None else Tensor.real(level),
            origin=(node.name,),
        )
        self.values[node.name] = Signal(self.add(node.name, lambda name: population(name=name)), 1)

    def _expect(self, node: Entries, name: str, value: float) -> None:
        if name in node.tree and (node.reals(name) != value).any():
            raise node.refuse(f"its {name} is not {value:g} everywhere", "scale weights instead")


UNITS_HINT = "quantise the network, or compile it from ONNX"


def _reset(node: Entries, text: str) -> Reset:
    if text not in ("subtract", "zero"):
        raise node.refuse(f"its reset {text!r:.40} is none of subtract, zero")
    return Reset(text)


def _broadcast(values: Reals | None, default: float, shape: Shape) -> Tensor:
    return Tensor.real(np.full((1,) * len(shape), default) if values is None else values)
