"""How the outputs of a real graph depend on the activations of its populations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snncc.sim.session import open_session
from snncc.sim.training.emitter import Array, Emitter
from snncc.sim.training.tape import IMAGES, THREADS, RealTape, value_count
from snncc_ir.graph import Graph
from snncc_ir.types import Shape

MOST_NUMBERS = 2**24
"""Values of all nodes for a batch of images, which a pass forth and back holds several times over."""

MOST_IMAGES = 32
"""Of a batch."""


class Adjoint:
    """Goes forth and back through a graph before `quantize`, in float32, one batch of images at a time."""

    def __init__(self, graph: Graph) -> None:
        """Prepare the models; raises GraphError where a node has no gradient."""
        self.batch = max(1, min(MOST_IMAGES, MOST_NUMBERS // value_count(graph)))
        emit = Emitter()
        tape = RealTape(emit, self.batch, graph)
        for name in graph.outputs:
            tape.add_gradient(name, _aim(name))
        tape.differentiate()
        (image,) = graph.inputs
        inputs = {IMAGES: tape.shape(image.name)} | {_aim(name): tape.shape(name) for name in graph.outputs}
        populations = [node.name for node in graph.populations]
        known = dict.fromkeys([*populations, *graph.outputs])
        self._forth = _Session(emit, inputs, {name: tape.values[name] for name in known})
        self._back = _Session(emit, inputs, {name: tape.gradients[name] for name in populations})

    def values(self, images: Array) -> dict[str, Array]:
        """Activations of populations, and outputs, `[N, *shape]` by name.

        For at most `batch` real images `[N, *input shape]`.
        """
        return self._forth.run({IMAGES: images}, self.batch)

    def gradients(self, images: Array, aims: Mapping[str, Array]) -> dict[str, Array]:
        """Gradients of the sum of `aims` times outputs by the activations `[N, *shape]` of populations.

        For at most `batch` real images `[N, *input shape]`; `aims[output][N, *shape]` are factors.
        """
        return self._back.run({IMAGES: images} | {_aim(name): aim for name, aim in aims.items()}, self.batch)


class _Session:
    """Computes some values of a model."""

    def __init__(self, emit: Emitter, inputs: Mapping[str, Shape], outputs: Mapping[str, str]) -> None:
        named = {f"found/{name}": value for name, value in outputs.items()}
        self._names = list(outputs)
        self._session = open_session(emit.model(inputs, named), THREADS, spinning=False)
        self._inputs = [value.name for value in self._session.get_inputs()]

    def run(self, feed: Mapping[str, Array], batch: int) -> dict[str, Array]:
        """Values for each of the images; zeros stand for those that miss in a batch."""
        count = len(feed[IMAGES])
        whole = {name: _filled(feed[name], batch) for name in self._inputs}
        found = self._session.run(None, whole)
        return {name: value[:count] for name, value in zip(self._names, found, strict=True)}


def _filled(values: Array, batch: int) -> Array:
    missing = [(0, batch - len(values))] + [(0, 0)] * (values.ndim - 1)
    return np.pad(np.asarray(values, dtype=np.float32), missing)


def _aim(output: str) -> str:
    return f"aim/{output}"
