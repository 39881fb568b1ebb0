"""Thresholds, biases and weights learn to give the float network's answers, on unlabelled images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from snncc.passes.augment import Change, augmented
from snncc.passes.base import Array, Context, Pass, Trainer, option
from snncc.passes.rounded import rounded
from snncc.passes.variables import Adam, Variables
from snncc_ir.aims import Loss, Surrogate
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Analog
from snncc_ir.tensors import WEIGHT_BITS
from snncc_ir.training import Objective, Parameters
from snncc_ir.types import Shape

AUTO, NONE = "auto", "none"

MOST_HIDDEN = 1000.0

RATES = {2: 0.006, 3: 0.002, 4: 0.001}
"""Learning rates by level bits: the finer the levels, the nearer the network starts to its aim."""


@dataclass(frozen=True)
class TuneThresholds(Pass):
    """Minimises the difference between the network with staircases and the float network (distillation).

    The difference of the outputs, and `hidden` times that of the populations in between. Adam on weights,
    biases and steps of the real graph, with the roundings of `quantize` in the loop and straight-through
    gradients (Esser et al. 2020); the rate falls to 0 along a cosine. It looks at calibration images alone
    and at no label, and leaves the graph as it is where their loss does not fall.
    Runs between `balance` and `quantize`.
    """

    name: ClassVar[str] = "tune_thresholds"

    steps: int = option(600, "updates")
    batch: int = option(32, "images per update")
    rate: float = option(
        0.0, "learning rate: greatest update, as a share of a weight row's rms or of a step; 0: by level bits"
    )
    loss: str = option(Loss.AUTO.value, "kl for class scores, mse for numbers, or auto")
    temperature: float = option(1.0, "softmax temperature of kl")
    surrogate: str = option(
        Surrogate.STRAIGHT.value, "of one-bit levels' derivative: straight, or single_step (S2NN)"
    )
    hidden: float = option(20.0, "share of the hidden populations' relative squared error in the loss")
    augment: str = option(AUTO, "changes of the images: flip, crop, mixup, joined by +; none; or auto")
    weight_bits: int = option(8, "bits of a weight, as quantize will have them")
    seed: int = option(0, "of the choice of images and of their changes")

    def __post_init__(self) -> None:
        for name, value in (("steps", self.steps), ("batch", self.batch)):
            if value < 1:
                raise SnnccError(f"{name} must be at least 1, not {value}", where=self.name)
        if not 0 < self.temperature <= 100:
            raise SnnccError(
                f"temperature must be positive and at most 100, not {self.temperature}", where=self.name
            )
        for name, number, most in (("rate", self.rate, 1.0), ("hidden", self.hidden, MOST_HIDDEN)):
            if not 0 <= number <= most:
                raise SnnccError(f"{name} must be 0 to {most:g}, not {number}", where=self.name)
        if self.seed < 0:
            raise SnnccError(f"seed must not be negative, as {self.seed} is", where=self.name)
        if self.weight_bits not in WEIGHT_BITS[1:]:
            widths = ", ".join(map(str, WEIGHT_BITS[1:]))
            raise SnnccError(f"weight_bits must be one of {widths}, not {self.weight_bits}", where=self.name)
        for name, text, kind in (("loss", self.loss, Loss), ("surrogate", self.surrogate, Surrogate)):
            names = [member.value for member in kind]
            if text not in names:
                raise SnnccError(f"{name} {text!r} is none of {', '.join(names)}", where=self.name)
        if self.augment not in (AUTO, NONE):
            _changes(self.augment)

    def apply(self, graph: Graph, context: Context) -> Graph:
        """The real graph with new weights, biases and grids."""
        if any(not isinstance(node.neuron, Analog) for node in graph.populations):
            raise SnnccError("runs on the real network", where=self.name, hint="put it before quantize")
        objective = Objective(
            loss=Loss(self.loss),
            temperature=self.temperature,
            batch=self.batch,
            hidden=self.hidden,
            surrogate=Surrogate(self.surrogate),
        )
        trainer = context.training(graph, objective)
        course = _Course(self, self.rate or _rate_for(graph), context, trainer, Variables(graph))
        learned = course.run(self._batches(graph, context))
        return min((graph, learned), key=course.mean_loss)

    def _batches(self, graph: Graph, context: Context) -> Iterator[Array]:
        """Real images of every update."""
        rng = np.random.default_rng(self.seed)
        shape = graph.types[graph.inputs[0].name].shape
        changes = self._changes_for(shape)
        channel = 1 if _channels_first(shape) else -1
        for chosen in _choices(len(context.samples), self.batch, self.steps, rng):
            images = np.moveaxis(context.input_format.to_reals(context.samples[chosen]), channel, 1)
            yield np.moveaxis(augmented(images, changes, rng), 1, channel)

    def _changes_for(self, shape: Shape) -> tuple[Change, ...]:
        image = len(shape) == 3 and min(shape[1:] if _channels_first(shape) else shape[:-1]) > 1
        if self.augment == AUTO:
            return tuple(Change) if image else ()
        changes = _changes(self.augment) if self.augment != NONE else ()
        if not image and set(changes) - {Change.MIXUP}:
            raise SnnccError("flip and crop need images", where=self.name, hint="set augment=none or mixup")
        return changes


@dataclass(frozen=True)
class _Course:
    """One training from start to end."""

    options: TuneThresholds
    rate: float
    context: Context
    trainer: Trainer
    variables: Variables

    def run(self, batches: Iterator[Array]) -> Graph:
        """The graph after one update for every batch."""
        vector, steps = self.variables.start(), self.options.steps
        adam = Adam(len(vector))
        progress = self.context.watch(TuneThresholds.name)
        for count, images in enumerate(batches):
            _, gradients = self._loss(self.variables.graph_at(vector), images)
            rate = self.rate * 0.5 * (1.0 + math.cos(math.pi * count / steps))
            gradient = self.variables.gradient(vector, gradients)
            vector = vector + self.variables.rates * adam.step(gradient, rate)
            progress(count + 1, steps)
        return self.variables.graph_at(vector)

    def mean_loss(self, graph: Graph) -> float:
        """Loss on the calibration images as they are; the last batch is filled up with the first images."""
        samples, batch = self.context.samples, self.options.batch
        firsts = range(0, len(samples), batch)
        chosen = (np.arange(first, first + batch) % len(samples) for first in firsts)
        images = (self.context.input_format.to_reals(samples[index]) for index in chosen)
        return sum(self._loss(graph, part)[0] for part in images) / len(firsts)

    def _loss(self, graph: Graph, images: Array) -> tuple[float, Parameters]:
        return self.trainer(images, rounded(graph, self.context, self.options.weight_bits))


def _rate_for(graph: Graph) -> float:
    """The rate for the mean level bits over all neurons."""
    grids = {n.name: n.neuron.grid for n in graph.populations if isinstance(n.neuron, Analog)}
    if not grids:
        return RATES[max(RATES)]
    bits = [math.log2(grid.hi - grid.lo + 1) for grid in grids.values() if grid is not None]
    neurons = [math.prod(graph.types[name].shape) for name in grids]
    mean = round(float(np.average(bits, weights=neurons)))
    return RATES[min(max(mean, min(RATES)), max(RATES))]


def _channels_first(shape: Shape) -> bool:
    """False for images as some exporters have them, with their channels in the last axis."""
    return shape[0] <= shape[-1]


def _changes(text: str) -> tuple[Change, ...]:
    names = [change.value for change in Change]
    chosen = text.split("+")
    if not set(chosen) <= set(names):
        raise SnnccError(
            f"augment {text!r} is none of {AUTO}, {NONE} and {', '.join(names)} joined by +",
            where=TuneThresholds.name,
        )
    return tuple(change for change in Change if change.value in chosen)


def _choices(count: int, batch: int, steps: int, rng: np.random.Generator) -> Iterator[Array]:
    """Indices of the images of every update: all images in random order, again and again."""
    rest = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        while len(rest) < batch:
            rest = np.concatenate([rest, rng.permutation(count)])
        yield rest[:batch]
        rest = rest[batch:]
