"""Why a chain cannot run a network, each reason as one sentence."""

from __future__ import annotations

from dataclasses import replace

from snncc_backends.fpga.capacity import capacity_refusals
from snncc_backends.fpga.chain.cut import Cutter
from snncc_backends.fpga.chain.estimate import chain_memories
from snncc_backends.fpga.chain.tables import Chain, build_chain
from snncc_backends.fpga.refusals import lane_refusals, table_refusals
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.timing import Phased

STREAMS = "cores in a row run phased codes alone"
HINT = "compile with a phased --code, or without --target-fps and --max-lut"


def find_chain_refusals(graph: Graph, machine: Machine) -> tuple[str, ...]:
    """Every reason why a machine's cores cannot run a graph."""
    try:
        chain = checked_chain(graph, machine)
    except TargetError as error:
        return (str(error),)
    return tuple(capacity_refusals(chain_memories(chain), machine))


def checked_chain(graph: Graph, machine: Machine) -> Chain:
    """The chain of a graph on a machine's cores; raises TargetError where they cannot run it."""
    check_graph(graph)
    reasons = [text for core in machine.chain for text in lane_refusals(replace(machine, lanes=core.lanes))]
    passes, given = len(Cutter(graph).tasks), [core.passes for core in machine.chain]
    if sum(given) != passes or min(given) < 1:
        reasons.append(f"its cores run {' + '.join(map(str, given))} passes, the network has {passes}")
    if reasons:
        raise TargetError("; ".join(reasons))
    chain = build_chain(graph, machine.chain)
    reasons = [text for core in chain.cores for text in table_refusals(core.tables, machine)]
    if reasons:
        raise TargetError("; ".join(reasons))
    return chain


def check_graph(graph: Graph) -> None:
    """Raise TargetError where a graph is nothing for a chain, however it is cut."""
    if not graph.is_integer:
        raise TargetError("the graph holds real values", where=graph.name, hint="quantize it first")
    if not isinstance(graph.timing, Phased):
        raise TargetError(STREAMS, where=graph.name, hint=HINT)
