"""The onnx package's own backend tests: each model gets a verdict, and what is lowered is computed.

Weights that arrive as inputs become constants; the image is the first input for which the model lowers.
"""

from __future__ import annotations

import contextlib
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnx.backend.test.case.node import collect_testcases
from onnx.reference import ReferenceEvaluator

from snncc.frontend.load import Model, load
from snncc.frontend.lower import Lowered, examine
from snncc.frontend.onnx_nodes import OnnxNode
from snncc.frontend.runtime import OLDEST_OPSET, newest_ir_version, newest_opset
from snncc_ir.errors import SnnccError
from snncc_ir.semantics import evaluate
from support.bounds import differences
from support.quantised import compiled

Array = NDArray[Any]

SUITES = ("simple", "pytorch-converted", "pytorch-operator")
"""Folders of models with data that the onnx package ships."""

REALS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT8)

COPIES = 8
"""Perturbed copies of the stored input that calibration sees beside it."""

CONVERTED_OPSET = 13

TAIL = ("Softmax", "LogSoftmax", "Sigmoid", "Hardmax", "ArgMax")


class Verdict(Enum):
    """What became of a case."""

    EQUAL = "lowered and equal"
    REJECTED = "rejected"
    UNSUITABLE = "not applicable"
    DIFFERENT = "DIFFERENT"
    CRASHED = "TRACEBACK"


@dataclass(frozen=True)
class Outcome:
    """A case, its verdict, and why."""

    suite: str
    name: str
    verdict: Verdict
    reason: str
    quantised: bool = False
    """True where the compiled network was compared as well."""

    @property
    def failed(self) -> bool:
        """True for a wrong result or a traceback."""
        return self.verdict in (Verdict.DIFFERENT, Verdict.CRASHED)


@dataclass(frozen=True, eq=False)
class Case:
    """A model and the stored values of its inputs and outputs (None: no tensor)."""

    suite: str
    name: str
    model: onnx.ModelProto
    inputs: Sequence[Array | None]
    outputs: Sequence[Array | None]


def node_cases() -> Iterator[Case]:
    """The single-node models; each stores one set of data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    for case in found:
        if case.model is None or not case.data_sets:
            continue
        inputs, outputs = case.data_sets[0]
        yield Case("node", case.name, case.model, [_array(x) for x in inputs], [_array(y) for y in outputs])


def stored_cases() -> Iterator[Case]:
    """The models with data in files."""
    root = Path(onnx.backend.test.__file__).parent / "data"
    for suite in SUITES:
        for folder in sorted((root / suite).iterdir()):
            data = folder / "test_data_set_0"
            model = onnx.load(folder / "model.onnx")
            inputs, outputs = (
                [_stored(data / f"{kind}_{i}.pb") for i in range(len(values))]
                for kind, values in (("input", model.graph.input), ("output", model.graph.output))
            )
            yield Case(suite, folder.name, model, inputs, outputs)


def _stored(path: Path) -> Array | None:
    if not path.exists():
        return None
    tensor = onnx.TensorProto()
    try:
        tensor.ParseFromString(path.read_bytes())
        return np.asarray(numpy_helper.to_array(tensor))
    except Exception:  # a sequence or an optional value, which no network of images has
        return None


def _array(value: object) -> Array | None:
    if isinstance(value, TensorProto):
        return np.asarray(numpy_helper.to_array(value))
    return np.asarray(value) if isinstance(value, np.ndarray | np.generic | int | float) else None


def run(case: Case, *, compiles: bool = True) -> Outcome:
    """Judge one case; any exception but SnnccError is a crash."""
    outcome = Outcome(case.suite, case.name, Verdict.UNSUITABLE, "no input holds real numbers per image")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index in _image_inputs(case):
            try:
                found = _tried(case, index, Path(folder), compiles)
            except Exception:
                return Outcome(case.suite, case.name, Verdict.CRASHED, traceback.format_exc())
            if found.verdict not in (Verdict.REJECTED, Verdict.UNSUITABLE):
                return found
            if outcome.verdict is Verdict.UNSUITABLE:
                outcome = found
    return outcome


def _image_inputs(case: Case) -> Iterator[int]:
    for index, (value, array) in enumerate(zip(case.model.graph.input, case.inputs, strict=False)):
        if value.type.tensor_type.elem_type in REALS and array is not None:
            yield index


def _tried(case: Case, index: int, folder: Path, compiles: bool) -> Outcome:
    """The outcome with one input as the image."""
    path = folder / "model.onnx"
    images = case.inputs[index]
    assert images is not None

    def outcome(verdict: Verdict, reason: str, quantised: bool = False) -> Outcome:
        return Outcome(case.suite, case.name, verdict, reason, quantised)

    try:
        onnx.save(_prepared(case, index), path)
        model = load(path)
        examined = examine(model)
    except SnnccError as error:
        return outcome(Verdict.UNSUITABLE, str(error).replace(f"{path}: ", ""))
    if examined.lowered is None:
        rejected = [verdict for verdict in examined.verdicts if verdict.is_rejected]
        return outcome(Verdict.REJECTED, f"{rejected[0].op}: {rejected[0].reason}")
    problem = _real_problem(model, examined.lowered, images, case.outputs)
    if problem:
        return outcome(Verdict.DIFFERENT, problem)
    if not compiles:
        return outcome(Verdict.EQUAL, "in real units")
    try:
        problem = _quantised_problem(path, examined.lowered, images, folder)
    except SnnccError as error:
        return outcome(Verdict.EQUAL, f"in real units; compile says: {error}")
    if problem:
        return outcome(Verdict.DIFFERENT, problem)
    return outcome(Verdict.EQUAL, "in real units, and at 8 bits within the bound", True)


def _prepared(case: Case, index: int) -> onnx.ModelProto:
    """The model with one input, all others constant, of versions that ONNX Runtime runs."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    kept = model.graph.input[index].name
    names = {tensor.name for tensor in model.graph.initializer}
    for value, array in zip(model.graph.input, case.inputs, strict=False):
        if value.name != kept and value.name not in names and array is not None:
            model.graph.initializer.append(numpy_helper.from_array(array, value.name))
    inputs = [value for value in model.graph.input if value.name == kept]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    _renew(model)
    if any(entry.version < OLDEST_OPSET for entry in model.opset_import if entry.domain == ""):
        with contextlib.suppress(RuntimeError, version_converter.ConvertError):  # it lacks some operators
            return version_converter.convert_version(model, CONVERTED_OPSET)
    return model


def _renew(model: onnx.ModelProto) -> None:
    """State the newest opset that ONNX Runtime runs where that changes no operator."""
    newest = newest_opset()
    model.ir_version = min(max(model.ir_version, 8), newest_ir_version())
    for entry in model.opset_import:
        same = all(_unchanged(node.op_type, entry.version, newest) for node in model.graph.node)
        if entry.domain == "" and entry.version > newest and same:
            entry.version = newest


def _unchanged(op: str, version: int, newest: int) -> bool:
    try:
        stated = onnx.defs.get_schema(op, max_inclusive_version=version)
        return bool(stated.since_version <= newest)
    except onnx.defs.SchemaError:
        return True  # of another domain


def _real_problem(model: Model, lowered: Lowered, images: Array, expected: Sequence[Array | None]) -> str:
    """How the lowered graph differs from the stored outputs; empty where it does not."""
    givers = {name: node for node in model.nodes for name in node.outputs}
    (name,) = (node.name for node in lowered.graph.inputs)
    values = evaluate(lowered.graph, {name: images.astype(np.float64)})
    for output, wanted in zip(model.outputs, expected, strict=False):
        if wanted is None or output not in lowered.outputs:
            return f"{output}: no stored tensor to compare with"
        got = values[lowered.outputs[output]]
        if givers[output].op in TAIL:
            got = _finished(model, output, got)
        problem = _distance(got, _in_real_units(model, givers[output], wanted))
        if problem:
            return f"{output}: {problem}"
    return ""


def _in_real_units(model: Model, giver: OnnxNode, wanted: Array) -> Array:
    """Stored codes as the real numbers that they stand for: outputs are given in real units."""
    place = {"QuantizeLinear": 1, "QLinearConv": 6, "QLinearMatMul": 6}.get(giver.op)
    if place is None:
        return wanted
    scale, zero = (model.constants[name].astype(np.float64) for name in giver.inputs[place : place + 2])
    return np.asarray(scale * (wanted.astype(np.float64) - zero))


def _distance(got: Array, wanted: Array) -> str:
    """How far the values are apart; empty where it is no further than rounding brings them."""
    if got.size != wanted.size:
        return f"{got.shape} for {wanted.shape}"
    tolerance = 2e-3 if wanted.dtype == np.float16 else 1e-4
    size = max(float(np.abs(wanted).max(initial=0)), 1.0)
    worst = float(np.abs(got.reshape(wanted.shape) - wanted.astype(np.float64)).max(initial=0))
    return "" if worst <= tolerance * size else f"off by {worst:g} at values of {size:g}"


def _finished(model: Model, output: str, drive: Array) -> Array:
    """The drive behind the operator that gives the output, which only orders it anew."""
    node = next(node.proto for node in model.nodes if output in node.outputs)
    graph = helper.make_graph(
        [node],
        "tail",
        [helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None)],
        [helper.make_empty_tensor_value_info(output)],
    )
    tail = helper.make_model(graph, opset_imports=[helper.make_opsetid("", model.opset)])
    (value,) = ReferenceEvaluator(tail).run(None, {node.input[0]: drive.astype(np.float32)})
    return np.asarray(value)


def _quantised_problem(path: Path, lowered: Lowered, images: Array, folder: Path) -> str:
    """Whether the network compiled at 8 bits leaves the bound; empty where it does not."""
    random = np.random.default_rng(0)
    real = images.astype(np.float64)
    spread = 0.05 * (np.abs(real).max(initial=0) or 1.0)
    copies = [real + random.normal(0, spread, real.shape) for _ in range(COPIES)]
    stored = np.concatenate([real, *copies]).astype(np.float32)
    graph, form = compiled(path, stored, folder)
    found = differences(lowered.graph, graph, form, stored[: len(real)].astype(np.float64))
    broken = {name: item.excess for name, item in found.items() if item.excess > 0}
    return "; ".join(f"{name} leaves its bound by {excess:g}" for name, excess in broken.items())
