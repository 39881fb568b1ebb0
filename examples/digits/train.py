"""Train a small digit network of this example, write it with the digits it is tried on, and measure it."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from mnist import CLASSES, SIZE, Bytes, Mnist, MnistError, Split, from_folder, from_package
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn
from torch.nn import functional

SHOWN_IMAGES = 1_000
CALIBRATION_IMAGES = 256
MEASURE_BATCH = 500
OPSET = 17
# Sums are split over the threads: another number of threads gives slightly different weights.
THREADS = 2


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution, padded so that stride 1 keeps the size, BatchNorm, ReLU, and a 2x2 max-pool if asked."""

    channels: int
    kernel: int
    stride: int = 1
    pool: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network, and how to train it."""

    name: str
    layers: tuple[Layer, ...]
    epochs: int = 20
    batch: int = 128
    peak_rate: float = 0.01
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    dropout: float = 0.25
    seed: int = 1


POOLED = Recipe(
    name="digits",
    layers=(
        Layer(channels=8, kernel=5, pool=True),
        Layer(channels=16, kernel=3),
        Layer(channels=32, kernel=3, stride=2),
    ),
)
STRIDED = Recipe(
    name="digits_strided",
    layers=(
        Layer(channels=8, kernel=5, stride=2),
        Layer(channels=16, kernel=3),
        Layer(channels=32, kernel=3, stride=2),
    ),
    dropout=0.0,
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line."""

    recipe: Recipe
    mnist: Path | None
    cache: Path
    output: Path
    measure: bool


def build(recipe: Recipe) -> nn.Sequential:
    """The network, from pixels / 255 to one score per digit."""
    network = nn.Sequential()
    depth, size = 1, SIZE
    for number, layer in enumerate(recipe.layers, start=1):
        convolution = nn.Conv2d(
            depth, layer.channels, layer.kernel, stride=layer.stride, padding=layer.kernel // 2, bias=False
        )
        network.add_module(f"conv{number}", convolution)
        network.add_module(f"norm{number}", nn.BatchNorm2d(layer.channels))
        network.add_module(f"relu{number}", nn.ReLU())
        depth, size = layer.channels, math.ceil(size / layer.stride)
        if layer.pool:
            network.add_module(f"pool{number}", nn.MaxPool2d(2))
            size //= 2
    network.add_module("flatten", nn.Flatten())
    # Absent from the exported network, which it leaves less sensitive to the rounding of activations.
    network.add_module("dropout", nn.Dropout(recipe.dropout))
    network.add_module("readout", nn.Linear(depth * size * size, CLASSES))
    return network


def as_input(images: Bytes) -> npt.NDArray[np.float32]:
    """The network's input: one channel, pixels / 255."""
    return np.divide(images[:, None], 255, dtype=np.float32)


def distort(images: Tensor, random: torch.Generator) -> Tensor:
    """Turn, scale, shear and shift each image a little."""

    def uniform(limit: float) -> Tensor:
        return (torch.rand(len(images), generator=random) * 2 - 1) * limit

    angle, scale, shear = uniform(math.radians(12)), 1 + uniform(0.1), uniform(0.15)
    # grid_sample counts the image's height and width as 2.
    right, down = uniform(2 * 2 / SIZE), uniform(2 * 2 / SIZE)
    first = torch.stack((scale * angle.cos(), shear - angle.sin(), right), dim=1)
    second = torch.stack((angle.sin(), scale * angle.cos(), down), dim=1)
    grid = functional.affine_grid(
        torch.stack((first, second), dim=1), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, align_corners=False)


def train(recipe: Recipe, digits: Split) -> nn.Sequential:
    """Train from the recipe's seed; the test digits play no part."""
    torch.manual_seed(recipe.seed)
    random = torch.Generator().manual_seed(recipe.seed)
    network = build(recipe)
    images, labels = (
        torch.from_numpy(as_input(digits.images)),
        torch.from_numpy(digits.labels.astype(np.int64)),
    )
    steps = len(labels) // recipe.batch
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_rate, total_steps=steps * recipe.epochs
    )
    for epoch in range(1, recipe.epochs + 1):
        total = 0.0
        for chosen in torch.randperm(len(labels), generator=random)[: steps * recipe.batch].view(
            steps, recipe.batch
        ):
            scores = network(distort(images[chosen], random))
            loss = functional.cross_entropy(scores, labels[chosen], label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch} of {recipe.epochs}: training loss {total / steps:.4f}", flush=True)
    return network.eval()


def export(network: nn.Sequential) -> bytes:
    """The network as an ONNX file."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The newer exporter needs one more package and names the nodes less readably.
        warnings.simplefilter("ignore", DeprecationWarning)
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, SIZE, SIZE),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["scores"],
            dynamic_axes={"image": {0: "N"}, "scores": {0: "N"}},
            # Keeps the BatchNormalization nodes: folding them is the compiler's work.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
        onnx.checker.check_model(path, full_check=True)
        return path.read_bytes()


def pack(mnist: Mnist) -> bytes:
    """The digits that accompany the networks, as an npz file."""
    # numpy dates the members 1980, so the same digits give the same bytes.
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        images=mnist.test.images[:SHOWN_IMAGES],
        labels=mnist.test.labels[:SHOWN_IMAGES],
        calibration=mnist.train.images[:CALIBRATION_IMAGES],
    )
    return buffer.getvalue()


def write(path: Path, data: bytes) -> None:
    """Write the whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        # Not a temporary file itself: those are readable by their owner alone.
        whole = Path(folder) / path.name
        whole.write_bytes(data)
        whole.replace(path)


def right_answers(model: Path, digits: Split) -> npt.NDArray[np.bool_]:
    """For each image: does ONNX's own reference evaluator, run on the file, give its label?"""
    evaluator = ReferenceEvaluator(str(model))
    right = np.zeros(len(digits.labels), np.bool_)
    for start in range(0, len(right), MEASURE_BATCH):
        part = slice(start, start + MEASURE_BATCH)
        (scores,) = evaluator.run(None, {"image": as_input(digits.images[part])})
        right[part] = np.argmax(scores, axis=1) == digits.labels[part]
    return right


def report(model: Path, test: Split) -> None:
    """Print the accuracy of the file as it stands."""
    right = right_answers(model, test)
    for count in (len(right), SHOWN_IMAGES):
        hits = int(right[:count].sum())
        print(f"{model.name}: {hits} of the first {count} test digits right, {hits / count:.2%}")


def parse_options() -> Options:
    """Read the command line."""
    here = Path(__file__).resolve().parent
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--strided", action="store_true", help="the network without max-pooling: digits_strided.onnx"
    )
    parser.add_argument(
        "--mnist", type=Path, metavar="FOLDER", help="read the four MNIST files here, download nothing"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", default=home / "snncc", help="keep the download here"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", default=here, help="write here (default: beside me)"
    )
    parser.add_argument(
        "--measure", action="store_true", help="train nothing, measure the network that is there"
    )
    given = parser.parse_args()
    return Options(
        recipe=STRIDED if given.strided else POOLED,
        mnist=given.mnist,
        cache=given.cache,
        output=given.output,
        measure=given.measure,
    )


def run(options: Options) -> None:
    """Train and write, unless told only to measure; then measure."""
    mnist = from_folder(options.mnist) if options.mnist else from_package(options.cache)
    model = options.output / f"{options.recipe.name}.onnx"
    if not options.measure:
        write(model, export(train(options.recipe, mnist.train)))
        write(options.output / "digits.npz", pack(mnist))
    report(model, mnist.test)


def main() -> int:
    """Run the command; 1 where the digits cannot be had or a file cannot be written or read."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    try:
        run(parse_options())
    except (MnistError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
