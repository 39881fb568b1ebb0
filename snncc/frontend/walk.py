"""The walk over an ONNX graph: every node gets values and a verdict, and nothing stops it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from snncc.frontend.builder import Builder
from snncc.frontend.calls import Call, Result, is_scaling, signed
from snncc.frontend.constants import fold, is_foldable, shape_of
from snncc.frontend.load import Model
from snncc.frontend.onnx_nodes import OnnxNode
from snncc.frontend.refusals import ELEMENTWISE, SAME_SHAPE, refusal
from snncc.frontend.registry import lowering_of
from snncc.frontend.stored_constants import fold_stored
from snncc.frontend.usage import LABELS, SHAPE_OPERATORS, Usage, usage_of
from snncc.frontend.values import Const, DriveValue, Signal, Unknown, Value
from snncc.frontend.verdicts import Kind, Reject, Verdict
from snncc_ir.types import Shape

SCORING = ("Hardmax", "LogSoftmax", "Sigmoid", "Softmax")
"""Operators at the end whose values stand for the classes; rounding them changes no choice."""


@dataclass(frozen=True, eq=False)
class Walk:
    """What the walk found: the value of every tensor, the nodes placed, one verdict per ONNX node."""

    values: Mapping[str, Value]
    builder: Builder
    verdicts: tuple[Verdict, ...]
    chosen: frozenset[str]
    """Tensors that hold the chosen class."""


def walk(model: Model) -> Walk:
    """Lower every node that can be lowered, in order."""
    walker = _Walker(model)
    verdicts = tuple(walker.visit(node) for node in model.nodes)
    return Walk(walker.values, walker.builder, verdicts, frozenset(walker.chosen))


class _Walker:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.usage: Usage = usage_of(model)
        self.batch = model.input.batch or 1
        self.builder = Builder()
        self.values: dict[str, Value] = {name: Const(array) for name, array in model.constants.items()}
        placed = self.builder.input(model.input.name, model.input.shape)
        integers = model.input.dtype.kind in "iu"
        self.values[model.input.name] = replace(placed, zero=0) if integers else placed
        self.chosen: set[str] = set()
        self.scores: set[str] = set()
        self.declared = _declared_shapes(model)

    def visit(self, node: OnnxNode) -> Verdict:
        """Give the node's outputs their values."""
        if node.index not in self.usage.live:
            return Verdict(node.name, node.op, Kind.FOLDED, "its value is never used")
        twin = self.usage.twins.get(node.index)
        if twin is not None and not isinstance(self.values.get(twin), Unknown):
            self.values[node.outputs[0]] = self.values[twin]
            return Verdict(node.name, node.op, Kind.FOLDED, "does what an earlier node does")
        try:
            result = self._result(node)
        except Reject as reject:
            result = Result(self._stand_ins(node), Kind.REJECTED, reject.reason)
        for name, value in zip(node.outputs, result.values, strict=False):
            self.values[name] = value
        return Verdict(node.name, node.op, result.kind, result.reason)

    def _result(self, node: OnnxNode) -> Result:
        inputs = tuple(self._input(node, name) if name else None for name in node.inputs)
        constant = self._constant(node, inputs)
        if constant is not None:
            return constant
        lowering = lowering_of(node)
        if lowering is None:
            raise Reject(refusal(node, self.model.functions))
        if any(isinstance(value, Unknown) for value in inputs):
            unknown = tuple(Unknown() for _ in node.outputs)
            return Result(unknown, Kind.LOWERED, "not looked at closely: a rejected node comes before it")
        if self.chosen.intersection(node.inputs):
            return self._after_choice(node)
        if self.scores.intersection(node.inputs) and node.op in ("QuantizeLinear", "DequantizeLinear"):
            self.scores.update(node.outputs)
            return self._after_choice(node)
        call = Call(
            node=node,
            values=inputs,
            builder=self.builder,
            batch=self.batch,
            opset=self.model.opset,
            is_tail=node.index in self.usage.tail,
            read=self.usage.read,
        )
        if node.op == "ArgMax":
            self.chosen.add(node.outputs[0])
        result = lowering(call)
        if call.is_tail and (node.op in SCORING or self.scores.intersection(node.inputs)):
            self.scores.update(node.outputs)
        return result

    def _constant(self, node: OnnxNode, inputs: tuple[Value | None, ...]) -> Result | None:
        stored = fold_stored(node, inputs, self.model.opset)
        if stored is not None:
            return Result((stored,), Kind.FOLDED, "constant")
        if not node.is_standard:
            return None
        arrays = [value.array if isinstance(value, Const) else None for value in inputs]
        given = [value for value in inputs if value is not None]
        if all(isinstance(value, Const) for value in given) and is_foldable(node):
            values = fold(node, arrays, self.model.opset)
            return Result(tuple(map(Const, values)), Kind.FOLDED, "constant")
        source = inputs[0] if node.op in SHAPE_OPERATORS and inputs else None
        if not isinstance(source, Signal | DriveValue):
            return None
        return Result((Const(shape_of(node, (self.batch, *source.shape))),), Kind.FOLDED, "constant")

    def _after_choice(self, node: OnnxNode) -> Result:
        """What follows the last ArgMax dresses up the class number; scores may be rounded."""
        if node.index not in self.usage.tail:
            raise Reject("computes with the chosen class; only the choice itself is supported")
        chosen = [name for name in node.inputs if name in self.chosen]
        if chosen:
            self.chosen.update(node.outputs)
        reason = "the class order is that of the drives"
        if node.op in LABELS:
            reason = "a prediction is the class's place in the list of classes"
        return Result((self.values[(chosen or node.inputs)[0]],), Kind.FOLDED, reason)

    def _input(self, node: OnnxNode, name: str) -> Value:
        """The value of a tensor; a drive that several nodes compute with becomes a population."""
        value = self.values.get(name, Unknown())
        if isinstance(value, DriveValue) and self._is_split(node, name) and not is_scaling(value):
            value = signed(self.builder, value)
            self.values[name] = value
        if isinstance(value, Signal) and self.usage.all_reads[name] > 1:
            return replace(value, shared=True)
        return value

    def _is_split(self, node: OnnxNode, name: str) -> bool:
        """True where several nodes compute with the tensor, this one among them."""
        return self.usage.computed[name] > 1 and node.op not in SHAPE_OPERATORS

    def _stand_ins(self, node: OnnxNode) -> tuple[Value, ...]:
        """Signals in the place of a rejected node's values, where their shapes are known."""
        if all(isinstance(self.values.get(name), Const) for name in node.inputs if name):
            return tuple(Unknown() for _ in node.outputs)
        return tuple(self._stand_in(node, name) for name in node.outputs)

    def _stand_in(self, node: OnnxNode, name: str) -> Value:
        shape = self._likely_shape(node) or self.declared.get(name)
        try:
            return Unknown() if shape is None else self.builder.stand_in(node.hint, shape)
        except Reject:
            return Unknown()

    def _likely_shape(self, node: OnnxNode) -> Shape | None:
        """The shape of a rejected node's value, where it is that of its inputs."""
        found = [self.values.get(name) for name in node.inputs]
        shapes = [value.shape for value in found if isinstance(value, Signal | DriveValue)]
        if node.op in SAME_SHAPE:
            return shapes[0] if shapes else None
        alike = node.op in ELEMENTWISE and len(set(shapes)) == 1
        return shapes[0] if alike else None


def _declared_shapes(model: Model) -> Mapping[str, Shape]:
    """Static shapes without the batch axis that the file states.

    ONNX's own shape inference would find more, but it aborts the process on some damaged files.
    """
    graph = model.proto.graph
    shapes: dict[str, Shape] = {}
    for value in (*graph.value_info, *graph.output):
        if value.type.tensor_type.HasField("shape"):
            sizes = tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim[1:])
            if sizes and min(sizes) > 0:
                shapes[value.name] = sizes
    return shapes
