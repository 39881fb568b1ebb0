"""Train a network of single-step neurons, or the same shape with ReLU, on Fashion-MNIST; write it as ONNX."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from data import SIZE, Bytes, DataError, Split, read
from model import Activation, Weights, build, settled
from torch import Tensor, nn
from torch.nn import functional

OPSET = 17
MEASURE_BATCH = 500
# Sums are split over the threads. With one, trainings that run side by side give what each gives alone.
THREADS = 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train."""

    epochs: int
    batch: int = 128
    peak_rate: float = 0.004
    weight_decay: float = 0.01
    temperature: float = 2.0
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line."""

    data: Path
    activation: Activation
    weights: Weights
    teacher: Path | None
    output: Path
    recipe: Recipe


def as_input(images: Bytes) -> npt.NDArray[np.float32]:
    """The network's input: one channel, pixels / 255."""
    return np.divide(images[:, None], 255, dtype=np.float32)


def scores_of(model: Path, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scores (count, classes) of the file as it stands, by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    parts = range(0, len(images), MEASURE_BATCH)
    return np.concatenate([session.run(None, {"image": images[i : i + MEASURE_BATCH]})[0] for i in parts])


def taught(teacher: Path, images: npt.NDArray[np.float32]) -> Tensor:
    """The teacher's scores (2, count, classes), of the images and of their mirror images."""
    both = (images, np.ascontiguousarray(images[..., ::-1]))
    return torch.from_numpy(np.stack([scores_of(teacher, side) for side in both]))


def distance(scores: Tensor, aim: Tensor, temperature: float) -> Tensor:
    """T^2 times the divergence of two softmaxes at temperature T (Hinton et al. 2015)."""
    ours, theirs = (functional.log_softmax(x / temperature, dim=1) for x in (scores, aim))
    return temperature**2 * functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)


def train(options: Options, split: Split) -> nn.Sequential:
    """Train from the recipe's seed, on labels and on what the teacher says; every image may be mirrored."""
    recipe = options.recipe
    torch.manual_seed(recipe.seed)
    random = torch.Generator().manual_seed(recipe.seed)
    network = build(options.activation, options.weights).train()
    pixels = as_input(split.images)
    aims = None if options.teacher is None else taught(options.teacher, pixels)
    images, labels = torch.from_numpy(pixels), torch.from_numpy(split.labels.astype(np.int64))
    steps = len(labels) // recipe.batch
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_rate, total_steps=steps * recipe.epochs
    )
    for epoch in range(1, recipe.epochs + 1):
        total = 0.0
        order = torch.randperm(len(labels), generator=random)[: steps * recipe.batch]
        for chosen in order.view(steps, recipe.batch):
            mirrored = torch.rand(recipe.batch, generator=random) < 0.5
            batch = torch.where(mirrored[:, None, None, None], images[chosen].flip(3), images[chosen])
            # Spikes are exact in bfloat16, and half as long.
            with torch.autocast("cpu", torch.bfloat16, enabled=options.activation is Activation.STEP):
                scores = network(batch)
            scores = scores.float()
            loss = functional.cross_entropy(scores, labels[chosen])
            if aims is not None:
                loss = loss + distance(scores, aims[mirrored.long(), chosen], recipe.temperature)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch} of {recipe.epochs}: training loss {total / steps:.4f}", flush=True)
    return settled(network)


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
            # Keeps the BatchNormalization nodes, and with them the two values of one-bit weights.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
        onnx.checker.check_model(path, full_check=True)
        return path.read_bytes()


def parse_options() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of Fashion-MNIST's four files")
    parser.add_argument("--activation", choices=[a.value for a in Activation], default=Activation.STEP.value)
    parser.add_argument("--weights", choices=[w.value for w in Weights], default=Weights.FLOAT.value)
    parser.add_argument(
        "--teacher", type=Path, metavar="FILE", help="an ONNX file of this script, to learn its scores too"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", required=True, help="the ONNX file to write")
    parser.add_argument("--epochs", type=int, default=9)
    given = parser.parse_args()
    if given.epochs < 1:
        parser.error("--epochs must be at least 1")
    return Options(
        data=given.data,
        activation=Activation(given.activation),
        weights=Weights(given.weights),
        teacher=given.teacher,
        output=given.output,
        recipe=Recipe(epochs=given.epochs),
    )


def run(options: Options) -> None:
    """Train, write the file, and say how often it is right on images that it has not learnt from."""
    if options.teacher is not None and not options.teacher.is_file():
        raise DataError(f"there is no teacher {options.teacher}: train it first, with --activation relu")
    learnt, held_out = read(options.data)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(export(train(options, learnt)))
    answers = scores_of(options.output, as_input(held_out.images)).argmax(axis=1)
    right = int((answers == held_out.labels).sum())
    print(f"{options.output}: {right} of {len(answers)} held-out images right, {right / len(answers):.2%}")


def main() -> int:
    """Run the command; 1 where the images cannot be read or the file cannot be written."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    try:
        run(parse_options())
    except (DataError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
