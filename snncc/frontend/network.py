"""Running the original network on batches, whatever its batch axis allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from snncc.frontend.load import Model
from snncc.frontend.runtime import Session
from snncc_ir.errors import DataError, ModelError
from snncc_ir.types import shape_text

Array = NDArray[Any]


class Network:
    """A variant of a model in ONNX Runtime.

    The batch axis is made dynamic. Where that fails, or an output then does not have one value per
    image, the images run in portions of the batch that the model itself fixes (one, if it fixes none).
    """

    def __init__(self, model: Model, proto: onnx.ModelProto) -> None:
        """Prepare `proto`, which is `model` with other outputs."""
        self._input = model.input
        self._proto = proto
        self._where = str(model.path)
        self._portion: int | None = None
        try:
            self._session = Session(_dynamic(proto, model), self._where)
        except ModelError:
            self._use_portions()

    def run(
        self, batch: Array, outputs: Sequence[str], extra: Mapping[str, Array] | None = None
    ) -> list[Array]:
        """Values of `outputs` for images `[N, *input shape]`, with `extra` inputs that all images share."""
        images = self._checked(batch)
        extra = extra or {}
        if self._portion is None:
            try:
                return self._run(images, outputs, extra)
            except ModelError:
                self._use_portions()
        size = self._portion or 1
        parts = [
            self._part(images[at : at + size], size, outputs, extra) for at in range(0, len(images), size)
        ]
        return [np.concatenate(values) for values in zip(*parts, strict=True)]

    def _use_portions(self) -> None:
        self._portion = self._input.batch or 1
        self._session = Session(self._proto, self._where)

    def _checked(self, batch: Array) -> Array:
        expected = self._input.shape
        if batch.ndim < 1 or batch.shape[1:] != expected:
            raise DataError(
                f"images of {shape_text(batch.shape[1:])} do not fit the input of {shape_text(expected)}",
                where=self._input.name,
                hint="give them as [N, *shape] in the network's own layout",
            )
        if len(batch) == 0:
            raise DataError("a batch has no images", where=self._input.name, hint="leave it out")
        return np.ascontiguousarray(batch, dtype=self._input.dtype)

    def _part(
        self, images: Array, size: int, outputs: Sequence[str], extra: Mapping[str, Array]
    ) -> list[Array]:
        """One portion; a short one is filled with its last image."""
        missing = size - len(images)
        full = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing else images
        return [value[: len(images)] for value in self._run(full, outputs, extra)]

    def _run(self, images: Array, outputs: Sequence[str], extra: Mapping[str, Array]) -> list[Array]:
        values = self._session.run(outputs, {self._input.name: images, **extra})
        for name, value in zip(outputs, values, strict=True):
            if value.ndim < 1 or len(value) != len(images):
                raise ModelError("does not have one value per image", where=name)
        return values


def _dynamic(proto: onnx.ModelProto, model: Model) -> onnx.ModelProto:
    """The same model with a dynamic batch axis."""
    if model.input.batch is None:
        return proto
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    del changed.graph.value_info[:]
    for value in changed.graph.input:
        if value.name == model.input.name:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for value in changed.graph.output:
        value.type.tensor_type.ClearField("shape")
    return changed
