"""Networks that come quantised or binary, against executions of their own files.

    python benchmarks/imports.py DATA

- resnet8_cifar10_int8_qdq: every channel proved or tabled, and the integer logits of every image equal to an
  execution of the file in exact arithmetic (benchmarks/exact_qdq.py). ONNX Runtime, with all graph
  optimisations off, stands beside it: it adds in float32, so drives next to a rounding tie may fall on the
  other side.
- cnv_w1a1_cifar10: logits and predictions identical to ONNX Runtime's on every image, weights of one bit.
- tfc_w1a1_mnist, tfc_w2a2_mnist: predictions identical to the QONNX semantics, float32 numpy written from the
  documentation of Quant and BipolarQuant, run by the onnx package's reference evaluator.

Nothing is calibrated. Exits 1 where one of these does not hold. DATA holds cifar10.npz, mnist.npz and
models/*.onnx.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import exact_qdq
import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc.sim.evaluate import Evaluation, evaluate_images
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.nodes import Conv, Dense
from snncc_ir.progress import silent

Array = np.ndarray

BATCH = 50

BESIDE_TIE = 1e-4
"""Levels from a tie within which float32 sums of this size may round to the other side."""


def compiled(model: Path, pixels: PixelScaling, calibrate: Path | None = None) -> tuple[Graph, dict]:
    """The integer graph of a model with the default options, and the summary of its compilation."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "a.snncc"
        options = CompileOptions(output=out, target="sim", pixels=pixels, calibrate=calibrate)
        summary = compile_model(model, options).summary
        return artefact.read(out).graph, summary


def simulated(graph: Graph, images: np.ndarray) -> Evaluation:
    """The levels engine on all images."""
    form = format_of(graph.inputs[0])
    fitted = dataset.fit(images, form.levels.shape, Path("images"))
    return evaluate_images(graph, form, fitted, None, silent)


def channels(summary: dict) -> tuple[int, int, int]:
    """Channels proved, tabled and approximated."""
    rows = summary["requantised"]
    proved, tabled, approximated = (
        sum(row[key] for row in rows) for key in ("proved", "tabled", "approximated")
    )
    return proved, tabled, approximated


def plain_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """ONNX Runtime without any graph optimisation."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def show(name: str, summary: dict, what: str, equal: int, images: int) -> bool:
    """One row of the table."""
    proved, tabled, approximated = channels(summary)
    print(
        f"{name:26} {proved:6} {tabled:6} {approximated:6}  {what:34} {equal:5} of {images:5} images equal",
        flush=True,
    )
    return equal == images and approximated == 0


def resnet(data: Path) -> bool:
    """The int8 ResNet-8."""
    name = "resnet8_cifar10_int8_qdq"
    path = data / "models" / f"{name}.onnx"
    found = dataset.load(data / "cifar10.npz")
    graph, summary = compiled(path, PixelScaling(mean=(128.0,)))
    ours = next(iter(simulated(graph, found.images).outputs.values()))
    model = onnx.load(path)
    codes = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"][:-1]
    zero, scale = _quantiser(model, codes[-1])
    runs = _runs(model, codes, found.images)
    exact, theirs = (np.concatenate([part[codes[-1]] for part in side]) for side in runs)
    kept = show(
        name,
        summary,
        "exact arithmetic, integer logits",
        _same(np.rint(ours / scale) + zero, exact),
        len(ours),
    )
    agree = int((exact.argmax(axis=1) == theirs.argmax(axis=1)).sum())
    print(f"  ONNX Runtime: integer logits equal for {_same(theirs, exact)}, predictions for {agree} images")
    print(f"  accuracy: exact {_accuracy(exact, found):.2f} %, ONNX Runtime {_accuracy(theirs, found):.2f} %")
    return kept & _explained(codes, *runs)


def _runs(model: onnx.ModelProto, codes: list[str], images: np.ndarray) -> tuple[list[dict], list[dict]]:
    """The integers behind every QuantizeLinear, batch by batch: in exact arithmetic, and in ONNX Runtime."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(onnx.helper.make_empty_tensor_value_info(code) for code in codes)
    session = plain_session(watched)
    exact, theirs = [], []
    for start in range(0, len(images), BATCH):
        batch = (images[start : start + BATCH].astype(np.int16) - 128).astype(np.int8)
        exact.append(exact_qdq.run(model, batch, set(codes)))
        theirs.append(dict(zip(codes, session.run(codes, {model.graph.input[0].name: batch}), strict=True)))
    return exact, theirs


def _explained(codes: list[str], exact: list[dict], theirs: list[dict]) -> bool:
    """Differences between the two begin beside a tie, where float32 rounds: one level off in few neurons."""
    first, neurons, most, far = 0, 0, 0, 0.0
    for ours, other in zip(exact, theirs, strict=True):
        settled = np.zeros(len(ours[codes[0]]), dtype=bool)
        for code in codes:
            gap = np.abs(ours[code] - other[code].astype(np.int64)).reshape(len(settled), -1)
            fresh = ~settled & (gap.max(axis=1) > 0)
            first += int(fresh.sum())
            neurons += int((gap[fresh] > 0).sum())
            most = max(most, int(gap[fresh].max(initial=0)))
            ties = ours[f"tie/{code}"].reshape(gap.shape)
            far = max(far, float(ties[fresh][gap[fresh] > 0].max(initial=0)))
            settled |= fresh
    print(
        f"  they part in {first} images; in the first layer that differs, {neurons} neurons by {most} level"
    )
    print(f"  these lie within {far:.1e} levels of a rounding tie")
    return most <= 1 and far < BESIDE_TIE


def _quantiser(model: onnx.ModelProto, code: str) -> tuple[int, float]:
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    node = next(node for node in model.graph.node if node.output[0] == code)
    return int(constants[node.input[2]]), float(constants[node.input[1]])


def _same(ours: np.ndarray, other: np.ndarray) -> int:
    return int((ours.reshape(len(ours), -1) == other.reshape(len(ours), -1)).all(axis=1).sum())


def _accuracy(scores: np.ndarray, found: dataset.Data) -> float:
    return 100 * float((scores.argmax(axis=1) == found.labels).mean())


def cnv(data: Path) -> bool:
    """The binary VGG-like network."""
    name = "cnv_w1a1_cifar10"
    path = data / "models" / f"{name}.onnx"
    found = dataset.load(data / "cifar10.npz")
    pixels = found.images.transpose(0, 3, 1, 2).astype(np.float64)
    reals = (np.rint((2 * pixels / 255 - 1) * 128) / 128).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "grid.npz", images=reals)
        graph, summary = compiled(path, PixelScaling(), Path(folder) / "grid.npz")
    ours = next(iter(simulated(graph, reals).outputs.values()))
    session = plain_session(onnx.load(path))
    theirs = np.concatenate(
        [session.run(None, {"input": reals[i : i + BATCH]})[0] for i in range(0, len(reals), BATCH)]
    )
    kept = show(name, summary, "ONNX Runtime, logits", _same(ours, theirs), len(ours))
    kept &= show(name, summary, "ONNX Runtime, predictions", _same_class(ours, theirs), len(ours))
    widths = {node.weight.bits for node in graph.linears if isinstance(node, Conv | Dense)}
    print(f"  weights of {', '.join(map(str, sorted(widths)))} bit; accuracy {_accuracy(ours, found):.2f} %")
    return kept and widths == {1}


def _same_class(ours: np.ndarray, other: np.ndarray) -> int:
    return int((ours.argmax(axis=1) == other.argmax(axis=1)).sum())


class Quant(OpRun):
    """QONNX Quant with ROUND, from its documentation, in float32."""

    op_domain = "onnx.brevitas"

    def _run(self, x: Array, *given: Array, **options: float | str) -> tuple[Array]:
        scale, zero, bits = given
        signed, narrow, rounding_mode = (options[name] for name in ("signed", "narrow", "rounding_mode"))
        if rounding_mode not in ("ROUND", b"ROUND"):
            raise NotImplementedError(rounding_mode)
        width = int(bits)
        lowest = -(2 ** (width - 1)) + narrow if signed else 0
        highest = 2 ** (width - 1) - 1 if signed else 2**width - 1 - narrow
        integers = np.round(np.clip(x / scale + zero, lowest, highest))
        return (((integers - zero) * scale).astype(np.float32),)


class BipolarQuant(OpRun):
    """QONNX BipolarQuant, from its documentation, in float32."""

    op_domain = "onnx.brevitas"

    def _run(self, x: Array, scale: Array) -> tuple[Array]:
        return ((np.where(x >= 0, 1, -1) * scale).astype(np.float32),)


class BatchNormalization(OpRun):
    """The inference form: the evaluator's own of opset 9 mixes in the statistics of the batch."""

    op_domain = ""

    def _run(self, x: Array, *given: Array, **options: float | str) -> tuple[Array]:
        gamma, beta, mean, variance = given
        epsilon = options["epsilon"]
        return ((gamma * (x - mean) / np.sqrt(variance + np.float32(epsilon)) + beta).astype(np.float32),)


def tfc(data: Path, name: str) -> bool:
    """A binary or two-bit multilayer perceptron."""
    path = data / "models" / f"{name}.onnx"
    found = dataset.load(data / "mnist.npz")
    graph, summary = compiled(path, PixelScaling(scale=255.0))
    ours = next(iter(simulated(graph, found.images).outputs.values()))
    model = onnx.load(path)
    model.opset_import.append(onnx.helper.make_opsetid("onnx.brevitas", 1))
    session = ReferenceEvaluator(model, new_ops=[Quant, BipolarQuant, BatchNormalization])
    reals = (found.images.astype(np.float32) / np.float32(255))[:, None]
    theirs = session.run(None, {model.graph.input[0].name: reals})[0]
    kept = show(name, summary, "QONNX semantics, predictions", _same_class(ours, theirs), len(ours))
    print(f"  accuracy {_accuracy(ours, found):.2f} %; logits differ by {np.abs(ours - theirs).max():.3f}")
    return kept


def main() -> int:
    """Run all four."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    print("network                    proved tabled approx.  compared with")
    kept = [resnet(data), cnv(data), tfc(data, "tfc_w1a1_mnist"), tfc(data, "tfc_w2a2_mnist")]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
