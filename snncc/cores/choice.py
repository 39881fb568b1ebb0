"""The cheapest phased code of every population, on the cores of a chip (docs/cores.md has the proof)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

import networkx as nx

from snncc.cores.activity import Array, phased_activity, recoded
from snncc.cores.energy import estimate
from snncc.cores.planning import Planned, make_plan
from snncc.cores.units import compartments_of
from snncc_ir.certificates import certify_widths
from snncc_ir.codes import Code, CodeGoal, window
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import MaxPool, Wiring
from snncc_ir.selection import CodeChoice, Price
from snncc_ir.tensors import interval_bits

ORDER = (Code.GRADED, Code.TTFS, Code.RADIX, Code.COUNT)
"""Of two of these, the first sends no more spikes for any level, and takes no more compartments."""

Codes = tuple[Code, ...]


def offered_codes(machine: Machine) -> Codes:
    """The phased codes to choose from; raises TargetError where there is no choice, or nothing prices it."""
    if machine.core is None or machine.events is None:
        raise TargetError(
            "has no figures for energy and time, so codes have no price",
            where=machine.name,
            hint="compile for a chip of cores (--target lava), or name a --code",
        )
    offered = tuple(code for code in ORDER if code in machine.codes)
    if len(offered) < 2:
        named = ", ".join(sorted(code.value for code in machine.codes))
        raise TargetError(
            f"offers {named}, so there is no phased code to choose", where=machine.name, hint="name a --code"
        )
    return offered


def choose_codes(graph: Graph, machine: Machine, levels: Mapping[str, Array], goal: CodeGoal) -> CodeChoice:
    """The codes of least price for images with the levels `[N, *shape]` of inputs and populations.

    The plan is that of the network in the reference code. Raises TargetError where there is none, or no
    choice of codes.
    """
    offered = offered_codes(machine)
    reference = Code.RADIX if Code.RADIX in offered else offered[0]
    uniform = recoded(graph, reference)
    planned = make_plan(uniform, machine, dict(phased_activity(uniform, levels).spikes))
    priced = [
        (_price(planned, graph, machine, levels, codes), codes)
        for codes in _candidates(graph, _options(graph, machine, offered))
    ]
    price, codes = min(priced, key=lambda found: found[0].key(goal))
    everywhere = {node.name: reference for node in graph.populations}
    return CodeChoice(
        goal=goal,
        codes=codes,
        price=price,
        reference=reference,
        reference_price=_price(planned, graph, machine, levels, everywhere),
    )


def with_codes(graph: Graph, codes: Mapping[str, Code]) -> Graph:
    """The graph with other codes for its populations; the levels stay."""
    return graph.with_nodes(replace(node, code=codes[node.name]) for node in graph.populations)


def _price(
    planned: Planned,
    graph: Graph,
    machine: Machine,
    levels: Mapping[str, Array],
    codes: Mapping[str, Code],
) -> Price:
    coded = with_codes(graph, codes)
    found = estimate(planned, coded, machine, phased_activity(coded, levels))
    units, core = planned.network.by_name, planned.network.core
    sizes = ((units[node.name].size, compartments_of(coded, node, core)) for node in coded.populations)
    return Price(
        nanojoules=found.total.energy,
        microseconds=found.latency,
        compartments=sum(size * each for size, each in sizes),
    )


def _options(graph: Graph, machine: Machine, offered: Codes) -> dict[str, Codes]:
    """The codes whose payload and potential fit the chip; all of them where none does, for it to refuse."""
    widths = {code: certify_widths(recoded(graph, code)) for code in offered}

    def fits(name: str, code: Code) -> bool:
        levels = graph.levels(name)
        payload = interval_bits(levels.lo, levels.hi) if code is Code.GRADED else 0
        return (
            payload <= machine.payload_bits.value and widths[code][name].bits <= machine.membrane_bits.value
        )

    names = [node.name for node in graph.populations]
    return {name: tuple(code for code in offered if fits(name, code)) or offered for name in names}


def _candidates(graph: Graph, options: Mapping[str, Codes]) -> Iterator[dict[str, Code]]:
    """For each length that the network's window can have, the codes of the fewest spikes that fit into it.

    No other codes with a window of that length cost less in anything.
    """
    groups = [
        (group, tuple(code for code in options[group[0]] if all(code in options[name] for name in group)))
        for group in _groups(graph)
    ]
    windows = {_window(graph, group[0], code) for group, codes in groups for code in codes}
    for most in sorted(windows) or [1]:
        chosen = [
            next((code for code in codes if _window(graph, group[0], code) <= most), None)
            for group, codes in groups
        ]
        if None not in chosen:
            yield dict(
                chain.from_iterable(
                    ((name, code) for name in group)
                    for (group, _), code in zip(groups, chosen, strict=True)
                    if code
                )
            )


def _window(graph: Graph, name: str, code: Code) -> int:
    levels = graph.levels(name)
    return window(code, levels.lo, levels.hi)


def _groups(graph: Graph) -> list[list[str]]:
    """Populations that share a code because a max-pool takes one kind of train (ir/SPEC.md, section 5)."""
    wiring = nx.DiGraph(
        (source, node.name) for node in graph.nodes if isinstance(node, Wiring) for source in node.sources
    )
    joined = nx.Graph()
    joined.add_nodes_from(node.name for node in graph.populations)
    for node in graph.nodes:
        if isinstance(node, MaxPool):
            nx.add_path(joined, [name for name in nx.ancestors(wiring, node.name) if name in joined])
    return [sorted(group) for group in nx.connected_components(joined)]
