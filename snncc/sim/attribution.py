"""What every switch of a hybrid network costs: the loss before it is switched off minus the loss after.

The switches of the integer network go off one after the other until the float network is left, once from
the input to the output and once from the output to the input; a switch's share is the mean of both. The
shares therefore add up to the whole loss, and where causes interact in pairs alone they are Shapley values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.hybrid import Hybrid, Source, Switch
from snncc_ir.progress import Progress

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss against the float network, or a part of one; means over images.

    `error` is the squared difference of the outputs, `disagreement` the share of images whose first output
    has its greatest value elsewhere, `wrong` that of wrong answers beyond the float network's.
    """

    error: float
    disagreement: float
    wrong: float | None


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """The loss of each switch, that of the whole integer network, and the accuracies of both networks."""

    images: int
    parts: dict[Switch, Loss]
    total: Loss
    float_accuracy: float | None
    accuracy: float | None


Batch = tuple[Source, Array | None]


def attribute(
    hybrid: Hybrid, switches: tuple[Switch, ...], batches: Iterable[Batch], total: int, progress: Progress
) -> Attribution:
    """Attribute the loss on `total` images, given in batches with their labels.

    `switches` are those to tell apart, in the network's order; the others stay on, and count for nothing
    where they change nothing.
    """
    answers = hybrid.width_of_first_output
    sums = np.zeros((2, len(switches) + 1, 3))
    right, done, labelled = 0, 0, True
    for source, labels in batches:
        labelled &= labels is not None
        real = hybrid.outputs(hybrid.run(source, frozenset(hybrid.switches) - frozenset(switches)))
        want = real[:, :answers].argmax(axis=1)
        right += 0 if labels is None else int((want == labels).sum())
        for way, order in enumerate((switches, switches[::-1])):
            for index, outputs in enumerate(_switching_off(hybrid, source, order)):
                sums[way, index] += _losses(outputs, real, answers, labels)
        done += len(real)
        progress(done, total)
    sums /= done
    base = right / done if labelled else None
    whole = sums[0, 0]
    forward, backward = -np.diff(sums[0], axis=0), -np.diff(sums[1], axis=0)[::-1]
    shares = (forward + backward) / 2
    return Attribution(
        images=done,
        parts={switch: _loss(row, labelled) for switch, row in zip(switches, shares, strict=True)},
        total=_loss(whole - np.array([0, 0, 0 if base is None else 1 - base]), labelled),
        float_accuracy=base,
        accuracy=1 - float(whole[2]) if labelled else None,
    )


def _switching_off(hybrid: Hybrid, source: Source, order: tuple[Switch, ...]) -> Iterator[Array]:
    """Outputs of the integer network, and after each switch that goes off."""
    on = frozenset(hybrid.switches)
    values = hybrid.run(source, on)
    yield hybrid.outputs(values)
    for switch in order:
        on -= {switch}
        values = hybrid.rerun(source, on, values, switch.node)
        yield hybrid.outputs(values)


def _losses(outputs: Array, real: Array, answers: int, labels: Array | None) -> Array:
    """Sums over the images of squared error, disagreement and wrong answers."""
    found, want = (values[:, :answers].argmax(axis=1) for values in (outputs, real))
    wrong = 0 if labels is None else np.count_nonzero(found != labels)
    error = np.square(outputs - real).mean(axis=1).sum()
    return np.array([error, np.count_nonzero(found != want), wrong], dtype=np.float64)


def _loss(row: Array, labelled: bool) -> Loss:
    error, disagreement, wrong = map(float, row)
    return Loss(error=error, disagreement=disagreement, wrong=wrong if labelled else None)
