"""Figures of an integer graph on the held-out images, computed by the engine that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.loss import predictions_of
from snncc.sim.evaluate import evaluate_images
from snncc.tuning.material import Material
from snncc.tunings import Figures
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout
from snncc_ir.progress import silent

Array = NDArray[Any]

LEAST = 1e-300


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Compares outputs with the classes of images, or with the float network's outputs `answers[N, ...]`."""

    material: Material
    answers: Array | None

    def __call__(self, graph: Graph) -> Figures:
        """The figures of a graph."""
        found = evaluate_images(graph, self.material.form, self.material.images, None, silent)
        outputs = next(iter(found.outputs.values()))
        outputs = outputs.reshape(len(outputs), -1)
        if self.answers is None:
            labels = self.material.labels
            if labels is None:
                raise TypeError("there is nothing to compare with")
            return Figures(loss=_cross_entropy(outputs, labels), share=found.accuracy(labels))
        answers = self.answers.reshape(len(outputs), -1)
        share = float((predictions_of(outputs) == predictions_of(answers)).mean())
        return Figures(loss=_distance(outputs, answers, _are_scores(graph)), share=share)


def _are_scores(graph: Graph) -> bool:
    """Whether the first output is a vector of class scores, as `Loss.AUTO` has it."""
    shape = graph.types[graph.outputs[0]].shape
    return isinstance(graph.by_name[graph.outputs[0]], Readout) and len(shape) == 1 and shape[0] > 1


def _cross_entropy(outputs: Array, labels: Array) -> float:
    return float(-_log_softmax(outputs)[np.arange(len(labels)), labels].mean())


def _distance(outputs: Array, answers: Array, are_scores: bool) -> float:
    """Mean divergence from the float network's class probabilities, or squared error over their variance."""
    if not are_scores:
        return float(
            np.square(outputs - answers).sum() / max(np.square(answers - answers.mean()).sum(), LEAST)
        )
    theirs = _log_softmax(answers)
    return float((np.exp(theirs) * (theirs - _log_softmax(outputs))).sum(axis=1).mean())


def _log_softmax(scores: Array) -> Array:
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
