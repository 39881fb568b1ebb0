"""The linear nodes of a NIR file, and what flows between its neurons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from snncc_backends.nir.fields import Entries
from snncc_backends.nir.units import Weights
from snncc_ir.nodes import Conv, Dense, Linear, Scale, SumPool
from snncc_ir.tensors import Reals
from snncc_ir.types import Shape

Make = Callable[..., Linear]


@dataclass(frozen=True)
class Term:
    """A linear map of a node's levels: `make(name, source, weight)` builds it from integer weights."""

    source: str
    gain: int
    weight: Reals
    make: Make
    bits: int
    pools: bool = False

    @property
    def levels(self) -> Weights:
        """Its weights by level, and the bits that they must fit."""
        return Weights(self.weight / self.gain, self.bits)


@dataclass(frozen=True)
class Drive:
    """Terms that are added, and a bias per channel."""

    shape: Shape
    terms: tuple[Term, ...]
    bias: Reals


@dataclass(frozen=True)
class Signal:
    """A node of the graph that gives levels; `gain` is what one of them weighs in the file."""

    name: str
    gain: int


def channels(node: Entries, name: str, shape: Shape) -> Reals:
    """Numbers `[*shape]` that are the same at all positions of a channel, by channel."""
    values = node.reals(name)
    if values.shape != shape:
        raise node.refuse(f"{name} of shape {values.shape} does not fit neurons of shape {shape}")
    flat = values.reshape(shape[0], -1)
    if (flat != flat[:, :1]).any():
        raise node.refuse(f"{name} differs within a channel", "use one value per channel")
    return np.asarray(flat[:, 0])


def map_of(node: Entries, shape: Shape) -> tuple[Reals, Make, Reals | None]:
    """Weights, what builds the node, and its biases."""
    match node.kind:
        case "Conv2d":
            return _weight(node, 4), _convolution(node), node.optional("bias")
        case "Affine":
            return _weight(node, 2), Dense, node.reals("bias")
        case "Linear":
            return _weight(node, 2), Dense, None
        case "Scale":
            return channels(node, "scale", shape), Scale, None
        case _:
            return np.ones(shape[0]), _pool(node), None


def _weight(node: Entries, axes: int) -> Reals:
    weight = node.reals("weight")
    if weight.ndim != axes:
        raise node.refuse(f"its weights have {weight.ndim} axes, not {axes}")
    return weight


def _pair(node: Entries, name: str) -> tuple[int, int]:
    first, second = node.whole(name, 2)
    return first, second


def _convolution(node: Entries) -> Make:
    said = node.text("padding")
    if said not in (None, "valid"):
        raise node.refuse(f"its padding is {said!r:.20}", "write it as numbers")
    rows, columns = (0, 0) if said else _pair(node, "padding")
    (groups,) = node.whole("groups", 1)
    return partial(
        Conv,
        stride=_pair(node, "stride"),
        padding=((rows, rows), (columns, columns)),
        dilation=_pair(node, "dilation"),
        groups=groups,
    )


def _pool(node: Entries) -> Make:
    rows, columns = _pair(node, "padding")
    return partial(
        SumPool,
        kernel=_pair(node, "kernel_size"),
        stride=_pair(node, "stride"),
        padding=((rows, rows), (columns, columns)),
        count_padding=True,
    )


def adds_bias(node: Entries, drive: Drive) -> bool:
    """True for the identity with a bias."""
    weight = node.tree.get("weight")
    if node.kind not in ("Affine", "Conv2d") or not isinstance(weight, np.ndarray):
        return False
    channels = drive.shape[0]
    if node.kind == "Conv2d" and (
        node.text("padding") or (*_pair(node, "stride"), *_pair(node, "padding")) != (1, 1, 0, 0)
    ):
        return False
    return weight.size == channels**2 and bool((weight.reshape(channels, -1) == np.eye(channels)).all())
