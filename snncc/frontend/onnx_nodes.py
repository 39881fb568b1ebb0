"""ONNX nodes and their attributes, read once and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from snncc.frontend.verdicts import Reject

Kind = onnx.AttributeProto

STANDARD_DOMAINS = ("", "ai.onnx")

QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
"""Where QONNX and the exporters before it keep Quant, BipolarQuant and Trunc."""


@dataclass(frozen=True, eq=False)
class Attributes:
    """The attributes of one node; each getter raises Reject where the stored type is another one."""

    protos: Mapping[str, onnx.AttributeProto]

    def _find(self, name: str, kind: int) -> onnx.AttributeProto | None:
        proto = self.protos.get(name)
        if proto is not None and proto.type != kind:
            raise Reject(f"attribute {name} has the wrong type")
        return proto

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        proto = self._find(name, Kind.INT)
        return default if proto is None else int(proto.i)

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """A list of integers."""
        proto = self._find(name, Kind.INTS)
        return default if proto is None else tuple(map(int, proto.ints))

    def real(self, name: str, default: float) -> float:
        """A real attribute."""
        proto = self._find(name, Kind.FLOAT)
        return default if proto is None else float(proto.f)

    def reals(self, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """A list of real numbers."""
        proto = self._find(name, Kind.FLOATS)
        return default if proto is None else tuple(map(float, proto.floats))

    def text(self, name: str, default: str) -> str:
        """A text attribute."""
        proto = self._find(name, Kind.STRING)
        return default if proto is None else proto.s.decode("utf-8", "replace")

    def __contains__(self, name: str) -> bool:
        return name in self.protos

    @property
    def has_graph(self) -> bool:
        """True where an attribute holds a graph (If, Loop, Scan)."""
        return any(proto.type in (Kind.GRAPH, Kind.GRAPHS) for proto in self.protos.values())


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One node: `name` is its ONNX name, or "Op#index" where it has none."""

    index: int
    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Attributes
    proto: onnx.NodeProto

    @property
    def is_standard(self) -> bool:
        """True for operators of ONNX itself."""
        return self.domain in STANDARD_DOMAINS

    @property
    def hint(self) -> str:
        """What a readable IR name can be made of."""
        if self.proto.name or not self.outputs:
            return self.name
        return f"{self.op}_{self.outputs[0]}" if self.outputs[0][:1].isdigit() else self.outputs[0]


def words(text: str) -> frozenset[str]:
    """A set of operator names, written as one text."""
    return frozenset(text.split())


def read_nodes(graph: onnx.GraphProto) -> tuple[OnnxNode, ...]:
    """The nodes of a graph, in file order."""
    return tuple(_read(index, proto) for index, proto in enumerate(graph.node))


def _read(index: int, proto: onnx.NodeProto) -> OnnxNode:
    return OnnxNode(
        index=index,
        name=proto.name or f"{proto.op_type}#{index}",
        op=proto.op_type,
        domain=proto.domain,
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes=Attributes({attribute.name: attribute for attribute in proto.attribute}),
        proto=proto,
    )
