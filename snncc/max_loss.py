"""The narrowest levels whose loss on held-out calibration images stays within a bound."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from snncc.driver import Built, Compiled, Prepared, context_of, float_outputs_of, prepare, run_passes, write
from snncc.loss import Loss, loss, predictions_of
from snncc.options import CompileOptions, default_passes
from snncc.passes.balance import print_widths
from snncc.passes.base import Context
from snncc.passes.pipeline import parse
from snncc.passes.widths import Widths
from snncc.samples import Samples
from snncc.sim.evaluate import evaluate_images
from snncc.width_search import WidthSearch
from snncc_ir.errors import DataError, SnnccError
from snncc_ir.progress import silent

FEWEST_IMAGES = 32
"""With fewer calibration images than this, half of them say nothing about a loss."""


@dataclass(frozen=True)
class _Trial:
    """A setting, the network that it gives, and its loss on the held-out images."""

    widths: Widths
    built: Built
    loss: Loss


def compile_within(path: Path, options: CompileOptions, most: float) -> Compiled:
    """Compile with the narrowest level widths found whose loss is at most `most` percentage points.

    Half of the calibration images set thresholds and biases, the other half measures the loss. Bisection
    finds a setting on a frontier, each improved by exchanges of bits before it is measured. Raises
    SnnccError where even 8 bits lose more.
    """
    start = time.perf_counter()
    _check(options, most)
    prepared = prepare(path, options)
    _check_code(prepared.options)
    fit, held = _halves(prepared)
    context = context_of(prepared, fit)
    trials = _Trials(prepared, context, held)
    settings = trials.widths.settings(prepared.options.watch)
    best = trials.run(settings[0])
    if best.loss.points > most:
        raise SnnccError(
            f"no level widths stay within {most:g} points: 8 bits everywhere lose {best.loss}",
            where="--max-loss",
            hint="allow more, give more calibration images, or more --weight-bits",
        )
    first, last = 0, len(settings) - 1  # settings[first] is within the bound
    while first < last:
        middle = (first + last + 1) // 2
        trial = trials.run(settings[middle])
        if trial.loss.points <= most:
            best, first = trial, middle
        else:
            last = middle - 1
    more = {"max_loss": _summary(best, most)}
    return write(replace(prepared, samples=fit), best.built, start, more)


def _summary(best: _Trial, most: float) -> dict[str, Any]:
    found = best.loss
    return {
        "bound": most,
        **found.as_plain(),
        "mean_level_bits": round(best.widths.mean, 3),
        "level_bits": dict(best.widths.bits),
    }


def _check(options: CompileOptions, most: float) -> None:
    if not 0 <= most <= 100:
        raise SnnccError(f"must be 0 to 100 percentage points, not {most:g}", where="--max-loss")
    if options.level_bits != CompileOptions.level_bits:
        raise SnnccError("chooses the level bits", where="--max-loss", hint="leave out --level-bits")
    for flag, given in (("--passes", options.passes), ("--published", options.published)):
        if given is not None:
            raise SnnccError("works on the default pipeline", where="--max-loss", hint=f"leave out {flag}")


def _check_code(options: CompileOptions) -> None:
    if options.code == "rate":
        raise SnnccError(
            "chooses level widths, which do not bound what rate loses",
            where="--max-loss",
            hint="choose --steps, or another --code",
        )


def _halves(prepared: Prepared) -> tuple[Samples, Samples]:
    samples = prepared.samples
    if samples.synthetic:
        raise DataError("needs real images", where="--max-loss", hint="give them with --calibrate")
    count = len(samples.images)
    if count < FEWEST_IMAGES:
        raise DataError(
            f"needs at least {FEWEST_IMAGES} calibration images, there are {count}", where="--max-loss"
        )
    order = np.random.default_rng(0).permutation(count)
    return samples.chosen(np.sort(order[: count // 2])), samples.chosen(np.sort(order[count // 2 :]))


class _Trials:
    """Builds and measures settings; the float network's outputs on the held-out images are taken once."""

    def __init__(self, prepared: Prepared, context: Context, held: Samples) -> None:
        self.widths = WidthSearch(prepared.lowered.graph, context)
        self.prepared, self.context, self.held = prepared, context, held
        self.float_predictions = predictions_of(float_outputs_of(prepared, held)[0])

    def run(self, setting: Widths) -> _Trial:
        """The network with the best widths found near a setting, and its loss."""
        widths = self.widths.refined(setting.bits, setting.mean)
        options = replace(self.prepared.options, widths=print_widths(widths.bits))
        pipeline = parse(default_passes(options, self.prepared.machine))
        built = run_passes(self.prepared, pipeline, self.context)
        run = evaluate_images(built.graph, self.held.form, self.held.images, None, silent)
        found = loss(run.predictions, self.float_predictions, self.held.labels)
        return _Trial(widths=widths, built=built, loss=found)
