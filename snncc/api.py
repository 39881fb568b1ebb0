"""The Python API: what the commands do, with arrays in the place of files.

net = snncc.compile("model.onnx", "model.snncc", target="sim", calibrate=images, scale=255)
run = net.simulate(images, labels)
run.outputs, run.accuracy, run.evaluation.counts
net.verify().equal
tuned, how = net.tune("tuned.snncc", images, labels, epochs=10)
net.report("model.html", images, labels)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snncc import artefact
from snncc.compiling import compile_network
from snncc.dataset import Data, of_arrays
from snncc.explain import IMAGES, Explanation
from snncc.explain import explain as explain_artefact
from snncc.options import CompileOptions, PixelScaling
from snncc.passes.published import Published
from snncc.reporting.report import ReportOptions, Written
from snncc.reporting.report import report as write_report
from snncc.simulate import Simulation
from snncc.simulate import simulate as simulate_artefact
from snncc.steps import StepOptions
from snncc.tuning.recipe import Recipe, changes_of
from snncc.tuning.tune import Tuned, TuneOptions
from snncc.tuning.tune import tune as tune_artefact
from snncc.verify import Ladder
from snncc.verify import verify as verify_artefact
from snncc_ir.aims import Aim, Surrogate
from snncc_ir.errors import SnnccError
from snncc_ir.graph import Graph
from snncc_ir.machine import Goal

File = str | os.PathLike[str]
Images = File | ArrayLike
Choice = TypeVar("Choice", bound=Enum)


@dataclass(frozen=True)
class Network:
    """A compiled network: the artefact in the folder `path`, and what can be done with it.

    Every method reads the artefact anew and checks its digests; ArtefactError where it is damaged.
    """

    path: Path

    @cached_property
    def graph(self) -> Graph:
        """The integer graph (ir/SPEC.md)."""
        return artefact.read(self.path).graph

    def simulate(
        self,
        images: Images,
        labels: ArrayLike | None = None,
        *,
        engine: str | None = None,
        limit: int | None = None,
        every_step: bool = False,
        exit_margin: float | None = None,
    ) -> Simulation:
        """Run images through one engine, the fastest if none is named.

        `images` is a file or folder, as for `snncc simulate --data`, or an array `[N, *shape]`: pixels
        (uint8) where the network was compiled on pixels, else real numbers in the network's own units.
        `labels[N]` are whole numbers. `outputs` of what comes back are in real units, by the model's names,
        costs in `evaluation.counts` those of all images. `every_step` and `exit_margin` (in the units of
        the first output) are for streaming codes.

        Raises DataError for images that the network does not take, ToolError where the engine cannot run.
        """
        data = _data(images, labels)
        steps = StepOptions(every_step=every_step, exit_margin=exit_margin)
        return simulate_artefact(self.path, data, engine=engine, limit=limit, steps=steps)

    def verify(self, engine: str | None = None) -> Ladder:
        """Compare all engines of the target, or one, with the reference; `equal` says whether they agree.

        They run the artefact's golden images, random and extreme ones; integers are compared, without any
        tolerance (ir/SPEC.md). Raises ToolError where the one `engine` cannot run; of all, it is `not run`.
        """
        return verify_artefact(self.path, only=engine)

    def explain(
        self,
        images: Images,
        labels: ArrayLike | None = None,
        *,
        model: File | None = None,
        limit: int = IMAGES,
    ) -> Explanation:
        """Attribute the loss against the float network to populations and causes, on `limit` images.

        `images` and `labels` are those of `simulate`; without labels no accuracy is attributed. `found.total`
        is the loss, `found.parts` what each population's weights, rounding and saturation have of it: squared
        error in the outputs' real units, shares of images from 0 to 1. A part is the mean over an order of
        the causes and its reverse (docs/explain.md). `model` is the ONNX file that was compiled, by default
        the one of its name beside the artefact or in the working folder.

        Raises SnnccError where the model is not there or is another one, DataError for the images.
        """
        return explain_artefact(
            self.path, _data(images, labels), model_path=None if model is None else Path(model), limit=limit
        )

    def tune(
        self,
        out: File,
        images: Images,
        labels: ArrayLike | None = None,
        *,
        epochs: int,
        aim: str | None = None,
        model: File | None = None,
        rate: float = 0.002,
        batch: int = 64,
        augment: str = "none",
        surrogate: str = "straight",
        patience: int = 5,
        seed: int = 0,
        force: bool = False,
    ) -> tuple[Network, Tuned]:
        """Let the network learn from `images`, and write what it becomes as an artefact to the folder `out`.

        `images` and `labels[N]` are those of `simulate`; every option is that of `snncc tune` of its name
        (docs/tuning.md). What comes back is the new network, and its `gain` and `epochs`. The gradient passes
        straight through roundings (Bengio et al. 2013; of thresholds: Esser et al. 2020, equation 3).

        Raises GraphError for a neuron without a gradient, DataError for images or labels that do not fit,
        SnnccError where the loss leaves all bounds, ArtefactError where `out` cannot be written or, without
        `force`, exists.
        """
        options = TuneOptions(
            data=_data(images, labels),
            output=Path(out),
            recipe=Recipe(
                epochs=epochs,
                batch=batch,
                rate=rate,
                patience=patience,
                changes=changes_of(augment),
                surrogate=_choice(Surrogate, surrogate, "surrogate", "--surrogate"),
                seed=seed,
            ),
            aim=None if aim is None else _choice(Aim, aim, "aim", "--aim"),
            model=None if model is None else Path(model),
            force=force,
        )
        tuned = tune_artefact(self.path, options)
        return Network(tuned.path), tuned

    def report(
        self,
        path: File,
        data: Images | None = None,
        labels: ArrayLike | None = None,
        *,
        model: File | None = None,
        limit: int = IMAGES,
        chip: str | None = None,
        verify: bool = True,
        force: bool = False,
    ) -> Written:
        """Write everything that is known of the network as one HTML page to the file `path`.

        `data` (a file or folder, or images `[N, *shape]`) and `labels[N]` are those of `simulate`; the first
        `limit` images are measured on, and without any the page says nothing of accuracy. `model` is the ONNX
        file that was compiled, by default the one of its name beside the artefact or in the working folder.
        `chip` lays the network on a chip of cores other than its own: loihi1, loihi2 or a .toml file.
        `verify` compares all engines, which can take long. What comes back has the `file`, its `size` in
        bytes and the names of its `sections`.

        Raises ToolError without the extra `report`, DataError for images that the network does not take,
        ArtefactError where the page cannot be written, or is there already (`force` replaces it).
        """
        options = ReportOptions(
            data=None if data is None else _data(data, labels),
            model=None if model is None else Path(model),
            limit=limit,
            chip=chip,
            climb=verify,
        )
        return write_report(self.path, Path(path), options, force=force)


def compile(
    model: File,
    out: File,
    *,
    target: str,
    chip: str | None = None,
    calibrate: Images | None = None,
    scale: float = 1.0,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
    input_bits: int | None = None,
    level_bits: int = 4,
    weight_bits: int = 8,
    max_loss: float | None = None,
    code: str = "radix",
    steps: int = 64,
    dt: float | None = None,
    reset: str = "subtract",
    published: str | None = None,
    partition: bool = False,
    lanes: int | None = None,
    target_fps: float | None = None,
    max_lut: int | None = None,
    passes: str | None = None,
    force: bool = False,
) -> Network:
    """Compile an ONNX (or NIR) file into an artefact in the folder `out`.

    Every option is that of `snncc compile` of its name. `calibrate` is a file or folder, or an array of
    images `[N, *shape]`; a pixel p means (p / scale - mean) / std to the network, with one number or one per
    channel. `max_loss` is in percentage points, `steps` in time steps, `dt` in seconds, `target_fps` in
    images per second. `published` names a conversion of the literature, with its sources in docs/methods.md.

    Raises SnnccError, whose text says what, where and what to do: ModelError for what cannot be lowered,
    DataError for the images, TargetError for what the target cannot express, ArtefactError where `out` cannot
    be written or, without `force`, exists.
    """
    options = CompileOptions(
        output=Path(out),
        target=target,
        machine=chip,
        lanes=lanes,
        partition=partition,
        goal=None if target_fps is None and max_lut is None else Goal(target_fps, max_lut, lanes),
        calibrate=None if calibrate is None else _data(calibrate, None),
        pixels=PixelScaling(scale=scale, mean=_numbers(mean), std=_numbers(std)),
        input_bits=input_bits,
        level_bits=level_bits,
        weight_bits=weight_bits,
        code=code,
        steps=steps,
        dt=dt,
        reset=reset,
        published=None if published is None else _choice(Published, published, "conversion", "--published"),
        passes=passes,
        force=force,
    )
    return Network(compile_network(Path(model), options, max_loss).path)


def load(path: File) -> Network:
    """The network of an artefact; ArtefactError where there is none, or it is damaged."""
    return Network(artefact.read(Path(path)).path)


def _choice(kind: type[Choice], name: str, noun: str, option: str) -> Choice:
    """The member of an enumeration by the value that a user names."""
    try:
        return kind(name)
    except ValueError:
        names = ", ".join(str(each.value) for each in kind)
        raise SnnccError(f"no {noun} is called {name!r}", where=option, hint=f"there are {names}") from None


def _data(images: Images, labels: ArrayLike | None) -> Path | Data:
    if isinstance(images, str | os.PathLike):
        if labels is None:
            return Path(images)
        raise TypeError("labels go with an array of images; a file holds its own")
    return of_arrays(np.asarray(images), None if labels is None else np.asarray(labels))


def _numbers(value: float | Sequence[float]) -> tuple[float, ...]:
    numbers: NDArray[np.float64] = np.atleast_1d(np.asarray(value, dtype=np.float64))
    return tuple(numbers.tolist())
