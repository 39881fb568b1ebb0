"""Stored tensors of an untrusted model: sizes are checked before anything is allocated, values before use."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from snncc_ir.errors import ModelError
from snncc_ir.types import MAX_ELEMENTS, shape_text

Array = NDArray[Any]

_PACKED: dict[int, int] = {
    getattr(TensorProto, name): bits
    for name, bits in (("INT4", 4), ("UINT4", 4), ("FLOAT4E2M1", 4), ("INT2", 2), ("UINT2", 2))
    if hasattr(TensorProto, name)
}
"""Bits per element of the types that share bytes."""

_COMPLEX = (TensorProto.COMPLEX64, TensorProto.COMPLEX128)


def every_tensor(graph: onnx.GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """Every dense tensor stored in the graph and its subgraphs, with a name to show."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for index, node in enumerate(graph.node):
        where = node.name or f"{node.op_type}#{index}"
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t.name or where, attribute.t
            yield from ((tensor.name or where, tensor) for tensor in attribute.tensors)
            if attribute.HasField("g"):
                yield from every_tensor(attribute.g)
            for subgraph in attribute.graphs:
                yield from every_tensor(subgraph)


def refuse_sparse(graph: onnx.GraphProto) -> None:
    """Raise ModelError where the graph stores sparse initialisers."""
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise ModelError("sparse tensors are not supported", where=name, hint="export dense weights")


def element_count(name: str, tensor: TensorProto) -> int:
    """Number of elements that the shape declares; raises ModelError where it is absurd."""
    if any(size < 0 for size in tensor.dims):
        raise ModelError(
            "tensor has a negative size", where=name, hint="the file is damaged; export it again"
        )
    count = int(math.prod(tensor.dims))
    if count > MAX_ELEMENTS:
        raise ModelError(
            f"tensor of shape {shape_text(tuple(tensor.dims))} has more than {MAX_ELEMENTS} elements",
            where=name,
            hint="no network that fits a chip is that large; export it again",
        )
    return count


def byte_count(name: str, tensor: TensorProto) -> int | None:
    """Bytes of the tensor's raw form; None for text."""
    count = element_count(name, tensor)
    if tensor.data_type == TensorProto.STRING:
        return None
    if tensor.data_type in _PACKED:
        return (count * _PACKED[tensor.data_type] + 7) // 8
    try:
        return count * int(np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize)
    except (KeyError, ValueError, TypeError):
        raise ModelError(f"tensor has the unknown element type {tensor.data_type}", where=name) from None


def check_stored(name: str, tensor: TensorProto) -> None:
    """Raise ModelError unless the tensor holds as many values as its shape declares."""
    expected = byte_count(name, tensor)
    if expected is None:
        return
    if tensor.HasField("raw_data"):
        found, unit = len(tensor.raw_data), "bytes"
    else:
        found, expected, unit = _typed_counts(tensor)
    if found != expected:
        shape = shape_text(tuple(tensor.dims))
        raise ModelError(
            f"tensor of shape {shape} needs {expected} {unit}, the file holds {found}",
            where=name,
            hint="the file is damaged; export it again",
        )


def _typed_counts(tensor: TensorProto) -> tuple[int, int, str]:
    """Values found and expected in the field of the tensor's type."""
    field = helper.tensor_dtype_to_field(tensor.data_type)
    count = int(math.prod(tensor.dims))
    if tensor.data_type in _COMPLEX:
        count *= 2
    elif tensor.data_type in _PACKED:
        per_value = 8 // _PACKED[tensor.data_type]
        count = -(-count // per_value)
    return len(getattr(tensor, field)), count, "values"


def to_array(name: str, tensor: TensorProto) -> Array:
    """The tensor's values; check_stored comes first."""
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise ModelError(f"tensor cannot be read: {error}", where=name) from None


def check_finite(name: str, tensor: TensorProto) -> None:
    """Raise ModelError where weights hold NaN or infinity (one infinite number may be a bound of Clip)."""
    if tensor.data_type == TensorProto.STRING:
        return
    values = to_array(name, tensor)
    if values.dtype.kind != "f":
        return
    if np.isnan(values).any() or (values.size > 1 and np.isinf(values).any()):
        kind = "NaN" if np.isnan(values).any() else "infinity"
        raise ModelError(
            f"weights hold {kind}", where=name, hint="the training diverged; export other weights"
        )
