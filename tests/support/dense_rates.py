"""Dense back-propagation through time in form RATE, in float64; thresholds have gradients too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from snncc.learn.network import Network, Neuron, Penalty, Reset
from support.dense_gradients import gathered, matrix, push

Array = Any


@dataclass
class Neurons:
    """Thresholds and first potentials of a layer, `[neurons]`."""

    thresholds: Array
    starts: Array


@dataclass
class RateRun:
    """One image: potentials and spikes `[steps, neurons]` of every layer, and what came of them.

    `biases` and `thresholds` are gradients by neuron, those of a channel are their sums.
    """

    potentials: list[Array]
    spikes: list[Array]
    scores: Array
    loss: float
    weights: list[Array]
    biases: list[Array]
    thresholds: list[Array]


def neurons_of(network: Network) -> list[Neurons]:
    """As the network says them."""
    found = []
    for stage in network.stages[:-1]:
        neuron = stage.layer.neuron
        thresholds = np.full(np.prod(stage.gives), neuron.threshold)
        found.append(Neurons(thresholds, thresholds / 2 if neuron.decay == 1 else 0 * thresholds))
    return found


def run_rate(
    network: Network,
    weights: list[Array],
    biases: list[Array],
    neurons: list[Neurons],
    sent: Array,
    label: int,
    penalty: Penalty | None = None,
) -> RateRun:
    """An image `sent[steps, inputs]`; `biases[positions, channels]` of every stage."""
    stages = network.stages
    matrices, indices = zip(
        *(matrix(s, w.astype(np.float64)) for s, w in zip(stages, weights, strict=True)), strict=True
    )
    flat = [b.astype(np.float64).ravel() for b in biases]
    trains, potentials = [sent.astype(np.float64)], []
    for stage, m, b, given in zip(stages[:-1], matrices, flat, neurons, strict=False):
        v, s = _layer(stage.layer.neuron, stage.layer.neuron.gain * (trains[-1] @ m) + b, given)
        potentials.append(v)
        trains.append(s)
    scores = (trains[-1] @ matrices[-1] + flat[-1]).sum(axis=0)
    logits = network.readout.gain / network.steps * scores
    away = logits - logits.max()
    share = np.exp(away) / np.exp(away).sum()
    outer = network.readout.gain / network.steps * (share - np.eye(len(share))[label])
    by_drive = np.tile(outer, (network.steps, 1))
    by_weights, by_biases, by_thresholds = [trains[-1].T @ by_drive], [by_drive.sum(axis=0)], []
    below = by_drive @ matrices[-1].T
    for k in range(len(stages) - 2, -1, -1):
        neuron = stages[k].layer.neuron
        below = below + push(trains[k + 1], penalty)
        e, by_threshold = _through(network, neuron, neurons[k], potentials[k], trains[k + 1], below)
        by_thresholds.insert(0, by_threshold)
        by_weights.insert(0, neuron.gain * (trains[k].T @ e))
        by_biases.insert(0, e.sum(axis=0))
        below = neuron.gain * (e @ matrices[k].T)
    return RateRun(
        potentials=potentials,
        spikes=trains,
        scores=scores,
        loss=float(np.log(np.exp(away).sum()) - away[label]),
        weights=[gathered(g, i, w) for g, i, w in zip(by_weights, indices, weights, strict=True)],
        biases=[g.reshape(b.shape) for g, b in zip(by_biases, biases, strict=True)],
        thresholds=by_thresholds,
    )


def _layer(neuron: Neuron, drive: Array, given: Neurons) -> tuple[Array, Array]:
    v, s = np.zeros_like(drive), np.zeros_like(drive)
    now = given.starts
    for t in range(len(drive)):
        v[t] = neuron.decay * now + drive[t]
        s[t] = v[t] >= given.thresholds
        now = v[t] * (1 - s[t]) if neuron.reset is Reset.ZERO else v[t] - given.thresholds * s[t]
    return v, s


def _through(
    network: Network, neuron: Neuron, given: Neurons, v: Array, s: Array, by_spike: Array
) -> tuple[Array, Array]:
    """Gradients by the drive of every step and by the thresholds, with starts in proportion to these."""
    h, surrogate = given.thresholds, network.surrogate
    away = np.abs(v - h)
    delta = np.where(away < surrogate.band * h, by_spike / (surrogate.slope * away / h + 1) ** 2 / h, 0)
    e, carried = np.zeros_like(v), np.zeros(v.shape[1])
    by_threshold = -(delta * v / h).sum(axis=0)
    for t in range(len(v) - 1, -1, -1):
        kept = 1 - s[t] if neuron.reset is Reset.ZERO else 1.0
        if neuron.reset is Reset.SUBTRACT:
            by_threshold -= neuron.decay * s[t] * carried
        carried = delta[t] + neuron.decay * kept * carried
        e[t] = carried
    return e, by_threshold + neuron.decay * carried * given.starts / h
