"""Reading an untrusted ONNX file into a checked model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import TensorProto, helper

from snncc.frontend.external import MAX_BYTES, embed
from snncc.frontend.onnx_nodes import STANDARD_DOMAINS, OnnxNode, read_nodes
from snncc.frontend.runtime import OLDEST_OPSET, newest_ir_version, newest_opset
from snncc.frontend.stored_tensors import check_finite, check_stored, every_tensor, refuse_sparse, to_array
from snncc_ir.errors import ModelError
from snncc_ir.types import MAX_ELEMENTS, Shape, shape_text

_INPUT_TYPES = {
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.FLOAT16,
    TensorProto.UINT8,
    TensorProto.INT8,
}


@dataclass(frozen=True, slots=True)
class ModelInput:
    """The image input: its shape without the batch axis; `batch` is None where the axis is dynamic."""

    name: str
    shape: Shape
    batch: int | None
    dtype: np.dtype[Any]


@dataclass(frozen=True, eq=False)
class Model:
    """A checked ONNX model with all its weights in memory."""

    path: Path
    sha256: str
    external: Mapping[str, str]
    """sha256 of every file of external data, by its location."""
    proto: onnx.ModelProto
    opset: int
    input: ModelInput
    outputs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The graph's name, or else the file's."""
        return self.proto.graph.name or self.path.stem

    @cached_property
    def nodes(self) -> tuple[OnnxNode, ...]:
        """The graph's nodes, in file order."""
        return read_nodes(self.proto.graph)

    @cached_property
    def functions(self) -> frozenset[tuple[str, str]]:
        """Domain and name of every function that the model defines itself."""
        return frozenset((function.domain, function.name) for function in self.proto.functions)

    @cached_property
    def constants(self) -> Mapping[str, NDArray[Any]]:
        """The initialisers by name."""
        graph = self.proto.graph
        return {tensor.name: to_array(tensor.name, tensor) for tensor in graph.initializer}


def load(path: Path | str) -> Model:
    """Read and check a model; raises ModelError with one message for whatever is wrong with it."""
    path = Path(path)
    if path.suffix == ".nir":
        raise ModelError(
            "is a NIR file, of which nothing is lowered",
            where=str(path),
            hint="snncc compile takes it",
        )
    data = _read(path)
    proto = _parse(data, path)
    opset = _check_versions(proto, path)
    graph = proto.graph
    _check_texts(graph, path)
    refuse_sparse(graph)
    external = embed(graph, path.parent)
    for name, tensor in every_tensor(graph):
        check_stored(name, tensor)
        check_finite(name, tensor)
    _check_structure(graph, path)
    _check_nodes(proto, opset)
    return Model(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        external=external,
        proto=proto,
        opset=opset,
        input=_input(graph, path),
        outputs=tuple(output.name for output in graph.output),
    )


def _read(path: Path) -> bytes:
    where = str(path)
    if path.is_dir():
        raise ModelError("is a folder", where=where, hint="name the .onnx file in it")
    if not path.exists():
        raise ModelError("no such file", where=where, hint="check the path")
    if not path.is_file():
        raise ModelError("is no regular file", where=where, hint="name an .onnx file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError("is larger than 2 GiB", where=where, hint="no ONNX file is; check the path")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot be read: {error.strerror}", where=where, hint="check its permissions"
        ) from None
    if not data:
        raise ModelError("is empty", where=where, hint="export the model again")
    return data


def _parse(data: bytes, path: Path) -> onnx.ModelProto:
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError:
        raise ModelError(
            "is not an ONNX model, or is truncated", where=str(path), hint="export or copy it again"
        ) from None
    if not proto.opset_import or not proto.graph.output:
        raise ModelError(
            "is not an ONNX model, or is truncated", where=str(path), hint="export or copy it again"
        )
    if not proto.graph.node:
        raise ModelError("has no nodes", where=str(path), hint="export the network itself")
    return proto


def _check_texts(graph: onnx.GraphProto, path: Path) -> None:
    """Names are text: protocol buffers hand out bytes where they are no UTF-8."""
    texts: list[object] = [graph.name]
    for value in (*graph.input, *graph.output, *graph.initializer):
        texts.append(value.name)
    for node in graph.node:
        texts += [node.name, node.op_type, node.domain, *node.input, *node.output]
        texts += [attribute.name for attribute in node.attribute]
    if not all(isinstance(text, str) for text in texts):
        raise ModelError("holds names that are no text", where=str(path), hint=_DAMAGED)


def _check_versions(proto: onnx.ModelProto, path: Path) -> int:
    versions = [entry.version for entry in proto.opset_import if entry.domain in STANDARD_DOMAINS]
    if not versions:
        raise ModelError("states no opset of ONNX's own operators", where=str(path), hint="export it again")
    opset = max(versions)
    if opset < OLDEST_OPSET:
        raise ModelError(
            f"opset {opset} is older than {OLDEST_OPSET}, the oldest supported",
            where=str(path),
            hint="convert it with onnx.version_converter",
        )
    if opset > newest_opset():
        raise ModelError(
            f"opset {opset} is newer than {newest_opset()}, the newest that the installed ONNX Runtime runs",
            where=str(path),
            hint=f"export with opset_version={newest_opset()}, or update onnxruntime",
        )
    if proto.ir_version > newest_ir_version():
        raise ModelError(
            f"IR version {proto.ir_version} is newer than {newest_ir_version()}, "
            "the newest that the installed ONNX Runtime reads",
            where=str(path),
            hint=f"set ir_version to {newest_ir_version()} when saving, or update onnxruntime",
        )
    return int(opset)


def _check_structure(graph: onnx.GraphProto, path: Path) -> None:
    """Values are made once, and before they are read."""
    made = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input} | {""}
    for index, node in enumerate(graph.node):
        where = node.name or f"{node.op_type}#{index}"
        for name in node.input:
            if name not in made:
                raise ModelError(f"reads {name!r}, which nothing before it gives", where=where, hint=_DAMAGED)
        for name in node.output:
            if name and name in made:
                raise ModelError(f"gives {name!r} a second time", where=where, hint=_DAMAGED)
            made.add(name)
    for output in graph.output:
        if output.name not in made:
            raise ModelError(f"nothing gives the output {output.name!r}", where=str(path), hint=_DAMAGED)


_DAMAGED = "the file is damaged; export it again"


def _check_nodes(proto: onnx.ModelProto, opset: int) -> None:
    """Operators are used as their schemas say; unknown ones are a verdict, no error."""
    context = onnx.checker.C.CheckerContext()
    context.ir_version = proto.ir_version
    context.opset_imports = {"": opset}
    for node in read_nodes(proto.graph):
        known = node.is_standard and onnx.defs.has(node.op, max_inclusive_version=opset)
        if not known or node.attributes.has_graph:
            continue
        try:
            onnx.checker.check_node(node.proto, context)
        except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
            first = str(error).strip().splitlines()[0][:300]
            raise ModelError(f"breaks a rule of {node.op}: {first}", where=node.name, hint=_DAMAGED) from None


def _input(graph: onnx.GraphProto, path: Path) -> ModelInput:
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ModelError(
            f"has {len(inputs)} inputs ({names}); just one image input is supported",
            where=str(path),
            hint="export a network with one input",
        )
    value = inputs[0]
    if value.type.WhichOneof("value") != "tensor_type" or not value.type.tensor_type.HasField("shape"):
        raise ModelError("the input has no stated shape", where=value.name, hint=_FIXED_SHAPE)
    tensor = value.type.tensor_type
    if tensor.elem_type not in _INPUT_TYPES:
        raise ModelError(
            "the input is not of real numbers or bytes", where=value.name, hint="export a network of images"
        )
    batch, *shape = [_size(size) for size in tensor.shape.dim] or [None]
    return ModelInput(
        value.name, _static(shape, value.name), batch, helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    )


_FIXED_SHAPE = (
    "export with fixed channels, height and width, or fix them with "
    "`python -m onnxruntime.tools.make_dynamic_shape_fixed`"
)


def _size(dimension: onnx.TensorShapeProto.Dimension) -> int | None:
    fixed = dimension.HasField("dim_value") and dimension.dim_value > 0
    return int(dimension.dim_value) if fixed else None


def _static(sizes: list[int | None], name: str) -> Shape:
    shape = tuple(size for size in sizes if size is not None)
    if len(shape) < len(sizes):
        text = "x".join("?" if size is None else str(size) for size in sizes)
        raise ModelError(f"the input has a dynamic shape, {text} per image", where=name, hint=_FIXED_SHAPE)
    if not shape:
        raise ModelError(
            "the input has no axis beside the batch", where=name, hint="export a network of images"
        )
    if math.prod(shape) > MAX_ELEMENTS:
        raise ModelError(
            f"the input of {shape_text(shape)} has more than {MAX_ELEMENTS} elements", where=name
        )
    return shape
