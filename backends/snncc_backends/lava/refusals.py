"""What a Loihi 2 style machine cannot express, each reason as one sentence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snncc_ir.certificates import certify_widths
from snncc_ir.codes import Code
from snncc_ir.graph import Graph
from snncc_ir.linear import pool_factors
from snncc_ir.machine import Machine
from snncc_ir.nodes import Conv, Dense, Linear, Population, SumPool, Wiring
from snncc_ir.tensors import interval_bits, signed_bits
from snncc_ir.timing import Phased
from snncc_ir.types import Shape


def find_refusals(graph: Graph, machine: Machine) -> tuple[str, ...]:
    """Every reason why `machine` cannot run the graph."""
    if not graph.is_integer:
        return (f"{graph.name}: the graph holds real values; quantize it first",)
    if not isinstance(graph.timing, Phased):
        timing = type(graph.timing).__name__.lower()
        codes = _names(machine)
        return (f"{graph.name}: {timing} timing; {machine.name} runs the phased codes {codes}, choose one",)
    return (
        *unreported_outputs(graph),
        *_codes(graph, machine),
        *weight_refusals(graph, machine.multiplier_bits.value, machine),
        *_membranes(graph, machine),
    )


def unreported_outputs(graph: Graph) -> Iterator[str]:
    """Outputs that no process gives."""
    for name in graph.outputs:
        if isinstance(graph.by_name[name], Wiring):
            yield (
                f"{name}: the output rearranges or pools levels, which no process reports; "
                "make the layer before it the output"
            )


def _names(machine: Machine) -> str:
    return ", ".join(sorted(code.value for code in machine.codes))


def _codes(graph: Graph, machine: Machine) -> Iterator[str]:
    """Codes that are not offered, and payloads that are too wide."""
    for node in (*graph.inputs, *graph.populations):
        strand = graph.strands[node.name][0]
        if strand.code not in machine.codes:
            yield (
                f"{node.name}: code {strand.code.value} is not offered by {machine.name}; "
                f"choose one of {_names(machine)}"
            )
        bits = interval_bits(strand.lo, strand.hi)
        if strand.code is Code.GRADED and bits > machine.payload_bits.value:
            yield (
                f"{node.name}: levels {strand.lo}..{strand.hi} need a payload of {bits} bits, "
                f"{machine.name} has {machine.payload_bits.value}; use fewer level bits or another code"
            )


def weight_refusals(graph: Graph, multiplier_bits: int, machine: Machine) -> Iterator[str]:
    """Weights that are wider than a synapse, and multipliers of skips and pools."""
    for node in graph.nodes:
        if not isinstance(node, Linear):
            continue
        is_weight = isinstance(node, Conv | Dense)
        limit = machine.weight_bits.value if is_weight else multiplier_bits
        what, option = ("weights", "weight bits") if is_weight else ("multipliers", "multiplier bits")
        bits = _weight_bits(node, graph.types[node.source].shape)
        if bits > limit:
            yield f"{node.name}: {what} of {bits} bits, {machine.name} has {limit}; use fewer {option}"


def _weight_bits(node: Linear, source: Shape) -> int:
    """Bits that the weights of a linear node need; a sum pool's include the factor of each position."""
    if node.weight.bits == 1:
        return 1
    weight = node.weight.data.astype(np.int64)
    if isinstance(node, SumPool):
        weight = np.outer(weight, np.unique(pool_factors(node, source)))
    return signed_bits(weight)


def _membranes(graph: Graph, machine: Machine) -> Iterator[str]:
    limit = machine.membrane_bits.value
    for name, width in certify_widths(graph).items():
        if width.bits <= limit:
            continue
        whole = width.membrane.hull(width.drive)
        what = "potential" if isinstance(graph.by_name[name], Population) else "sum"
        yield (
            f"{name}: its {what} reaches {int(whole.low.min())}..{int(whole.high.max())}, which takes "
            f"{width.bits} bits, {machine.name} has {limit}; use fewer weight bits or level bits"
        )
