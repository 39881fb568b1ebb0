"""Accuracy, simulation speed and compile time on the CIFAR-10 networks of a data folder.

    python benchmarks/cifar.py accuracy DATA     loss at 8, 6, 4, 3 and 2 bits against the float network
    python benchmarks/cifar.py speed DATA        levels engine against the float network in ONNX Runtime
    python benchmarks/cifar.py compile DATA      compilation against float inference on the same images

Each exits 1 where a promise is broken: at 6 or 4 bits more than 0.5 points below the plain quantiser;
ResNet-8 over 3 times as slow as float inference; compilation over 1.5 times float inference and 3 seconds.

DATA holds cifar10.npz and models/*.onnx. Each ratio is taken in one process, the two sides in turn; medians.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc.sim.evaluate import evaluate_images
from snncc_ir.encoding import format_of
from snncc_ir.progress import silent

PROMISED_BITS, MOST_BELOW_PLAIN, MOST_TIMES_FLOAT = (6, 4), 0.5, 3.0
BATCH = 64
ROUNDS = 5


@dataclass(frozen=True)
class Network:
    """A model, the scaling of its pixels, and the accuracies of a plain quantiser by level bits."""

    file: str
    pixels: PixelScaling
    plain: dict[int, float]


NETWORKS = (
    Network("resnet8_cifar10_fp32.onnx", PixelScaling(), {6: 87.80, 4: 87.10, 3: 84.20, 2: 74.15}),
    Network(
        "resnet20_cifar10.onnx",
        PixelScaling(scale=255.0, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        {6: 91.55, 4: 90.60, 3: 88.05, 2: 72.65},
    ),
    Network(
        "mobilenet_like_cifar10.onnx", PixelScaling(scale=255.0), {6: 87.75, 4: 85.90, 3: 82.90, 2: 71.40}
    ),
)
"""`plain`: per-channel mean-squared-error thresholds, 8-bit weights, no correction, same 2,000 images."""


def options_for(data: Path, network: Network, out: Path, bits: int = 4) -> CompileOptions:
    """The default compilation of a network."""
    return CompileOptions(
        output=out,
        target="sim",
        calibrate=data / "cifar10.npz",
        pixels=network.pixels,
        level_bits=bits,
        force=True,
    )


def float_session(data: Path, network: Network) -> tuple[onnxruntime.InferenceSession, str]:
    """ONNX Runtime on the float network."""
    session = onnxruntime.InferenceSession(
        str(data / "models" / network.file), providers=["CPUExecutionProvider"]
    )
    return session, session.get_inputs()[0].name


def real_inputs(network: Network, pixels: np.ndarray) -> np.ndarray:
    """What the float network sees, N,C,H,W."""
    scaling = network.pixels
    mean, std = (np.array(v).reshape(1, -1, 1, 1) for v in (scaling.mean, scaling.std))
    return ((pixels.transpose(0, 3, 1, 2) / scaling.scale - mean) / std).astype(np.float32)


def float_run(session: onnxruntime.InferenceSession, name: str, images: np.ndarray) -> np.ndarray:
    """The float network's outputs, batch by batch."""
    parts = [session.run(None, {name: images[i : i + BATCH]})[0] for i in range(0, len(images), BATCH)]
    return np.concatenate(parts)


def distance(outputs: np.ndarray, wanted: np.ndarray) -> float:
    """Mean squared difference of class scores `[N, C]`, but for a constant per image; a softmax is undone."""
    return float(np.square(_centred(outputs) - _centred(wanted)).mean())


def log_scores(outputs: np.ndarray) -> np.ndarray:
    """The logarithm of the softmax of class scores `[N, C]`; of scores behind a softmax, their logarithm."""
    centred = _centred(outputs)
    return centred - np.log(np.exp(centred).sum(axis=1, keepdims=True))


def _centred(outputs: np.ndarray) -> np.ndarray:
    flat = outputs.reshape(len(outputs), -1).astype(np.float64)
    if flat.min() >= 0 and np.allclose(flat.sum(axis=1), 1, atol=1e-3):
        flat = np.log(np.maximum(flat, np.finfo(np.float32).tiny))
    return flat - flat.mean(axis=1, keepdims=True)


def accuracy(data: Path) -> bool:
    """Loss in percentage points at several widths."""
    found = dataset.load(data / "cifar10.npz")
    kept = True
    print("network                          bits  float  snncc   loss  plain quantiser")
    for network in NETWORKS:
        session, name = float_session(data, network)
        scores = float_run(session, name, real_inputs(network, found.images))
        real = 100 * float((scores.argmax(axis=1) == found.labels).mean())
        for bits in (8, 6, 4, 3, 2):
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "a.snncc"
                compile_model(data / "models" / network.file, options_for(data, network, out, bits))
                graph = artefact.read(out).graph
            form = format_of(graph.inputs[0])
            images = dataset.fit(found.images, form.levels.shape, found.path)
            got = 100 * evaluate_images(graph, form, images, None, silent).accuracy(found.labels)
            plain = network.plain.get(bits)
            kept &= bits not in PROMISED_BITS or plain is None or got >= plain - MOST_BELOW_PLAIN - 1e-9
            print(
                f"{network.file:32} {bits:4} {real:6.2f} {got:6.2f} {real - got:6.2f}  {plain or '-'}",
                flush=True,
            )

    return kept


def interleaved(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of both, measured in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, record in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            run()
            record.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def speed(data: Path) -> bool:
    """Simulation of 2,000 images, spikes and synaptic operations counted, against float inference."""
    found = dataset.load(data / "cifar10.npz")
    kept = True
    print("network                          snncc s  float s  ratio  peak MiB")
    for network in NETWORKS:
        session, name = float_session(data, network)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "a.snncc"
            compile_model(data / "models" / network.file, options_for(data, network, out))
            graph = artefact.read(out).graph
        form = format_of(graph.inputs[0])
        images = dataset.fit(found.images, form.levels.shape, found.path)
        reals = real_inputs(network, found.images)
        ours, theirs = interleaved(
            lambda: evaluate_images(graph, form, images, None, silent),  # noqa: B023 (runs in this round)
            lambda: float_run(session, name, reals),  # noqa: B023
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{network.file:32} {ours:7.3f} {theirs:8.3f} {ours / theirs:6.2f} {peak:9.0f}", flush=True)
        kept &= "resnet8" not in network.file or ours <= MOST_TIMES_FLOAT * theirs
    return kept


def compiling(data: Path) -> bool:
    """Compilation with the default passes against plain float inference on the calibration images."""
    found = dataset.load(data / "cifar10.npz")
    kept = True
    print("network                          snncc s  float s  allowed s (1.5 x float + 3)")
    for network in NETWORKS:
        session, name = float_session(data, network)
        reals = real_inputs(network, found.calibration)
        with tempfile.TemporaryDirectory() as folder:
            options = options_for(data, network, Path(folder) / "a.snncc")
            model = data / "models" / network.file
            ours, theirs = interleaved(
                lambda: compile_model(model, options),  # noqa: B023
                lambda: float_run(session, name, reals),  # noqa: B023
            )
        print(f"{network.file:32} {ours:7.3f} {theirs:8.3f} {1.5 * theirs + 3:8.3f}", flush=True)
        kept &= ours <= 1.5 * theirs + 3
    return kept


def main() -> int:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("accuracy", "speed", "compile"))
    parser.add_argument("data", type=Path)
    chosen = parser.parse_args()
    kept = {"accuracy": accuracy, "speed": speed, "compile": compiling}[chosen.what](chosen.data)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
