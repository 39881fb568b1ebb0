"""How the outputs of a real graph depend on the activations of its populations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snncc.sim.session import open_session
from snncc.sim.training.emitter import Array, Emitter
from snncc.sim.training.tape import IMAGES, THREADS, RealTape, value_count
from snncc_ir.graph import Graph
from snncc_ir.training import Sensitivity

MOST_NUMBERS = 2**24
"""Values of all nodes for a batch of images, which a pass forth and back holds several times over."""

MOST_IMAGES = 32
"""Of a batch."""


class Adjoint:
    """Goes forth and back through a graph before `quantize`, in float32, one batch of images at a time."""

    def __init__(self, graph: Graph) -> None:
        """Prepare the model; raises GraphError where a node has no gradient."""
        self.batch = max(1, min(MOST_IMAGES, MOST_NUMBERS // value_count(graph)))
        emit = Emitter()
        tape = RealTape(emit, self.batch, graph)
        for name in graph.outputs:
            tape.add_gradient(name, _aim(name))
        tape.differentiate()
        (image,) = graph.inputs
        inputs = {IMAGES: tape.shape(image.name)} | {_aim(name): tape.shape(name) for name in graph.outputs}
        self._names = [node.name for node in graph.populations]
        outputs = {f"value/{name}": tape.values[name] for name in self._names}
        outputs |= {f"gradient/{name}": tape.gradients[name] for name in self._names}
        outputs |= {f"output/{name}": tape.values[name] for name in graph.outputs}
        self._session = open_session(emit.model(inputs, outputs), THREADS, spinning=False)
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._shapes = {name: graph.types[name].shape for name in graph.outputs}

    def outputs(self, images: Array) -> dict[str, Array]:
        """Outputs `[N, *shape]` for at most `batch` real images `[N, *input shape]`."""
        none = {name: np.zeros((len(images), *shape)) for name, shape in self._shapes.items()}
        names = [f"output/{name}" for name in self._shapes]
        return dict(zip(self._shapes, self._run(names, images, none), strict=True))

    def __call__(self, images: Array, aims: Mapping[str, Array]) -> dict[str, Sensitivity]:
        """Activations of populations, and the gradients by them of the sum of `aims` times outputs.

        For at most `batch` real images `[N, *input shape]`; `aims[output][N, *shape]` are factors.
        """
        names = [f"{kind}/{name}" for name in self._names for kind in ("value", "gradient")]
        found = self._run(names, images, aims)
        return {
            name: Sensitivity(values=found[2 * number], gradients=found[2 * number + 1])
            for number, name in enumerate(self._names)
        }

    def _run(self, names: list[str], images: Array, aims: Mapping[str, Array]) -> list[Array]:
        """Values of that name for each image."""
        feed = {IMAGES: images} | {_aim(name): values for name, values in aims.items()}
        whole = {name: self._filled(feed[name]) for name in self._inputs}
        return [value[: len(images)] for value in self._session.run(names, whole)]

    def _filled(self, values: Array) -> Array:
        """A whole batch: zeros stand for the images that are missing."""
        missing = [(0, self.batch - len(values))] + [(0, 0)] * (values.ndim - 1)
        return np.pad(np.asarray(values, dtype=np.float32), missing)


def _aim(output: str) -> str:
    return f"aim/{output}"
