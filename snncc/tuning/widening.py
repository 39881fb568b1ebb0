"""Thresholds of neurons with two levels, as wide as what reaches them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.tuning.material import Material
from snncc_ir.graph import Graph
from snncc_ir.neurons import Staircase, per_channel
from snncc_ir.nodes import Population
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Tensor

Array = NDArray[Any]

IMAGES = 8
"""On which the size of a drive is measured."""


def widened(graph: Graph, material: Material) -> Graph:
    """The same function with other thresholds where a neuron has two levels 0 and 1.

    [v >= theta] with v = U + b + floor(theta / 2) is [U + b >= ceil(theta / 2)]: a greater theta and b give
    the same level for every U. A gradient, which sees the range 0..theta, needs one of the size of U + b; a
    network whose activations came as comparisons has theta = 1.
    """
    found = [node for node in graph.populations if _is_step(node)]
    if not found:
        return graph
    (source,) = graph.inputs
    values = evaluate(
        graph, {source.name: material.form.to_levels(material.images[:IMAGES]).astype(np.int64)}
    )
    drives = {node.name: np.sum([values[name] for name in node.drives], axis=0) for node in found}
    return graph.with_nodes(_widened(node, drives[node.name]) for node in found)


def _is_step(node: Population) -> bool:
    return isinstance(node.neuron, Staircase) and (node.neuron.lo, node.neuron.hi) == (0, 1)


def _widened(node: Population, drive: Array) -> Population:
    neuron = node.neuron
    if not isinstance(neuron, Staircase):
        raise TypeError("only staircases are widened")
    given = neuron.theta.data
    half = per_channel((given + 1) // 2, drive.ndim - 1)
    distance = drive + neuron.bias.spread(drive.shape[1:]) - half
    size = np.sqrt(np.square(distance.astype(np.float64)).mean(axis=(0, *range(2, drive.ndim))))
    theta = np.maximum(given, 2 * np.rint(size).astype(np.int64))
    more = (theta + 1) // 2 - (given + 1) // 2
    values = neuron.bias.values.data
    bias = replace(neuron.bias, values=Tensor.integer(values + more.reshape(-1, *(1,) * (values.ndim - 1))))
    return replace(node, neuron=Staircase(theta=Tensor.integer(theta), bias=bias, lo=0, hi=1))
