"""Back-propagation through time with everything dense, in float64: what the sparse gradients must equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from snncc.learn.network import Conv, Dense, Layer, Network, Penalty, Reset, Score, Stage

Array = Any


@dataclass
class Run:
    """One image: potentials and spikes `[steps, neurons]` of every layer, and what came of them."""

    potentials: list[Array]
    spikes: list[Array]
    scores: Array
    loss: float
    gradients: list[Array]


def matrix(stage: Stage, weights: Array) -> tuple[Array, Array]:
    """The layer as one matrix `[inputs, outputs]`, and which weight stands where (-1: none)."""
    if not isinstance(stage.layer, Conv):
        return weights, np.arange(weights.size).reshape(weights.shape)
    index = np.full((*stage.reads, *stage.gives), -1)
    numbers = np.arange(weights.size).reshape(weights.shape)
    (kernel_y, kernel_x), (stride_y, stride_x) = stage.layer.kernel, stage.layer.stride
    for y in range(stage.gives[0]):
        for x in range(stage.gives[1]):
            for ky in range(kernel_y):
                for kx in range(kernel_x):
                    row = y * stride_y + ky - stage.layer.padding[0]
                    column = x * stride_x + kx - stage.layer.padding[1]
                    if 0 <= row < stage.reads[0] and 0 <= column < stage.reads[1]:
                        index[row, column, :, y, x] = numbers[ky, kx]
    index = index.reshape(np.prod(stage.reads), np.prod(stage.gives))
    return np.where(index >= 0, weights.ravel()[index], 0.0), index


def push(spikes: Array, penalty: Penalty | None) -> Array:
    """The gradient of a penalty by each spike of a neuron, for the spikes `[steps, neurons]` of a layer."""
    if penalty is None:
        return np.zeros(spikes.shape[1])
    counts = spikes.sum(axis=0)
    upper = penalty.upper if counts.mean() > penalty.most else 0.0
    return (upper - 2 * penalty.lower * np.maximum(penalty.least - counts, 0)) / len(counts)


def run(
    network: Network, weights: list[Array], spikes: Array, label: int, penalty: Penalty | None = None
) -> Run:
    """An image `spikes[steps, inputs]`, with its gradients by the weights."""
    stages = network.stages
    matrices, indices = zip(
        *(matrix(s, w.astype(np.float64)) for s, w in zip(stages, weights, strict=True)), strict=True
    )
    trains, potentials = [spikes.astype(np.float64)], []
    for stage, m in zip(stages[:-1], matrices, strict=False):
        v, s = _layer(stage.layer, trains[-1] @ m)
        potentials.append(v)
        trains.append(s)
    readout = network.readout
    u = np.zeros((network.steps, readout.classes))
    drive = readout.gain * (trains[-1] @ matrices[-1])
    for t in range(1, network.steps):
        u[t] = readout.decay * u[t - 1] + drive[t - 1]
    scores = u.max(axis=0) if readout.score is Score.MAXIMUM else u.sum(axis=0)
    share = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    outer = share - np.eye(len(share))[label]
    by_u = np.zeros_like(u)
    if readout.score is Score.MAXIMUM:
        by_u[u.argmax(axis=0), np.arange(len(share))] = outer
    else:
        by_u[:] = outer
    by_drive = np.zeros_like(u)
    for t in range(network.steps - 1, 0, -1):
        by_drive[t - 1] = by_u[t]
        by_u[t - 1] += readout.decay * by_u[t]
    found = [(trains[-1].T @ by_drive) * readout.gain]
    below = by_drive @ matrices[-1].T * readout.gain
    for k in range(len(stages) - 2, -1, -1):
        layer: Layer = stages[k].layer
        below = below + push(trains[k + 1], penalty)
        by_drive = _through(network, layer, potentials[k], trains[k + 1], below)
        found.insert(0, (trains[k].T @ by_drive) * layer.neuron.gain)
        below = by_drive @ matrices[k].T * layer.neuron.gain
    gradients = [gathered(g, i, w) for g, i, w in zip(found, indices, weights, strict=True)]
    return Run(potentials, trains, scores, float(-np.log(share[label])), gradients)


def _layer(layer: Dense | Conv, drive: Array) -> tuple[Array, Array]:
    neuron = layer.neuron
    v, s = np.zeros_like(drive), np.zeros_like(drive)
    for t in range(1, len(drive)):
        if neuron.reset is Reset.ZERO:
            v[t] = neuron.decay * v[t - 1] * (1 - s[t - 1]) + neuron.gain * drive[t - 1]
        else:
            v[t] = neuron.decay * v[t - 1] - neuron.threshold * s[t - 1] + neuron.gain * drive[t - 1]
        s[t] = v[t] > neuron.threshold
    return v, s


def _through(network: Network, layer: Dense | Conv, v: Array, s: Array, by_spike: Array) -> Array:
    """Gradient by the drive of every step, from that by the spikes; the reset passes none."""
    x = np.abs(v - layer.neuron.threshold)
    surrogate = np.where(x < network.surrogate.band, 1 / (network.surrogate.slope * x + 1) ** 2, 0)
    by_drive, carried = np.zeros_like(v), np.zeros(v.shape[1])
    for t in range(len(v) - 1, 0, -1):
        carried = carried + by_spike[t] * surrogate[t]
        by_drive[t - 1] = carried
        kept = 1 - s[t - 1] if layer.neuron.reset is Reset.ZERO else 1.0
        carried = carried * layer.neuron.decay * kept
    return by_drive


def gathered(by_matrix: Array, index: Array, weights: Array) -> Array:
    """The gradient by the weights for one by the layer's matrix."""
    found = np.bincount(index[index >= 0], by_matrix[index >= 0], minlength=weights.size)
    return found.reshape(weights.shape)
