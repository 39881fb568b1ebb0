"""Whether a network fits a chip, what it uses there, what would make it fit, and what an image costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.artefact import Artefact
from snncc.cores.activity import Activity, phased_activity, recoded, streamed_activity
from snncc.cores.energy import Cost, Estimate, estimate
from snncc.cores.planning import Planned, make_plan
from snncc.golden import GOLDEN_SAMPLES, golden_inputs
from snncc.machines import recorded_machine
from snncc.samples import load_images
from snncc.sim.levels import LevelEngine
from snncc.sim.streams import StreamEngine
from snncc_backends.chips import find_chip
from snncc_ir.codes import PHASED_CODES, Code, Reset
from snncc_ir.encoding import format_of
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import Conv, Dense
from snncc_ir.plan import RESOURCES, CoreUse, Place
from snncc_ir.progress import Watch, no_watch
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased, Rate

Array = NDArray[Any]

IMAGES = 16
"""Images that spikes are counted on."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A network on a chip: the plan, or the `reason` why there is none; what it costs, `own`, and by code.

    `notes` say what the chip does not offer, `changes` what other options would need.
    """

    machine: Machine
    planned: Planned | None
    reason: str
    notes: tuple[str, ...]
    changes: tuple[str, ...]
    own: Estimate | None
    estimates: Mapping[Code, Estimate]


@dataclass(frozen=True)
class Run:
    """A network and how often its neurons fire."""

    graph: Graph
    activity: Activity

    @property
    def code(self) -> Code | None:
        """The code of all its populations; None where they have several."""
        codes = {node.code for node in self.graph.populations} or {self.graph.inputs[0].code}
        return codes.pop() if len(codes) == 1 else None


def fit(graph: Graph, machine: Machine, levels: Mapping[str, Array], watch: Watch = no_watch) -> Fit:
    """Map a graph on a chip of cores; spikes are counted on images `levels[name][N, *shape]` of its input."""
    runs = measure(graph, machine, levels)
    planned, reason = None, ""
    try:
        planned = make_plan(graph, machine, dict(runs[0].activity.spikes), watch("partition"))
    except TargetError as error:
        reason = str(error)
    costs = [estimate(planned, run.graph, machine, run.activity) for run in runs] if planned else []
    crowded = planned is None or planned.plan.chips > 1
    return Fit(
        machine=machine,
        planned=planned,
        reason=reason,
        notes=tuple(_notes(graph, machine)),
        changes=tuple(_changes(graph, machine, planned)) if crowded else (),
        own=costs[0] if costs else None,
        estimates={run.code: cost for run, cost in zip(runs, costs, strict=False) if run.code is not None},
    )


def fit_artefact(
    found: Artefact,
    chip: str | None = None,
    data: Path | None = None,
    limit: int = IMAGES,
    watch: Watch = no_watch,
) -> Fit | None:
    """The fit of an artefact on its own chip or another one; spikes are counted on `limit` images of `data`.

    Without images those of the golden vectors count. None where it was compiled for no chip of cores.
    """
    machine = recorded_machine(found) if chip is None else find_chip(chip)
    if machine.core is None:
        return None
    levels = images_among(found.golden)
    if data is not None:
        images, _ = load_images(found, data, limit)
        (node,) = found.graph.inputs
        levels = {node.name: np.asarray(format_of(node).to_levels(np.asarray(images)))}
    return fit(found.graph, machine, levels, watch)


def with_plan(graph: Graph, machine: Machine, golden: Mapping[str, Array]) -> Machine:
    """The machine with the plan that `fit` makes for the images among golden vectors.

    Raises TargetError where the chip cannot hold the graph.
    """
    own = _own_run(graph, machine, images_among(golden))
    return replace(machine, plan=make_plan(graph, machine, dict(own.activity.spikes)).plan)


def own_cost(
    graph: Graph, machine: Machine, levels: Mapping[str, Array], watch: Watch = no_watch
) -> tuple[Planned, Estimate]:
    """The plan that `fit` makes, and what an image costs in the graph's own codes.

    Raises TargetError where the chip cannot hold the graph.
    """
    own = _own_run(graph, machine, levels)
    planned = make_plan(graph, machine, dict(own.activity.spikes), watch("partition"))
    return planned, estimate(planned, graph, machine, own.activity)


def _own_run(graph: Graph, machine: Machine, levels: Mapping[str, Array]) -> Run:
    own, *_ = measure(graph, replace(machine, codes=frozenset()), levels)
    return own


def images_among(golden: Mapping[str, Array]) -> dict[str, Array]:
    """The golden inputs that are images, and not noise or extremes."""
    return {name: x[:GOLDEN_SAMPLES] for name, x in golden_inputs(golden).items()}


def measure(graph: Graph, machine: Machine, inputs: Mapping[str, Array]) -> tuple[Run, ...]:
    """A run of the network itself, and of a phased one in each other code that the chip offers."""
    if not isinstance(graph.timing, Phased):
        run = StreamEngine(graph).run(inputs)
        payloads = machine.payload_bits.value > 0
        steps = int(run.settled.max())
        return (Run(graph, streamed_activity(graph, run.counts, inputs, steps, payloads=payloads)),)
    levels = measured_levels(graph, inputs)
    own = Run(graph, phased_activity(graph, levels))
    others = (recoded(graph, code) for code in PHASED_CODES if code in machine.codes and code is not own.code)
    return (own, *(Run(other, phased_activity(other, levels)) for other in others))


def measured_levels(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Levels `[N, *shape]` of inputs and populations."""
    return {**LevelEngine(graph, tuple(node.name for node in graph.populations)).run(inputs), **inputs}


def _notes(graph: Graph, machine: Machine) -> Iterator[str]:
    """What of the network the chip does not offer, beside its cores."""
    for code in sorted(
        {node.code for node in graph.populations} - machine.codes, key=lambda code: code.value
    ):
        offered = ", ".join(sorted(known.value for known in machine.codes))
        yield f"code {code.value} is not offered by {machine.name}; compile with --code {offered}"
    if isinstance(graph.timing, Rate) and graph.timing.reset not in machine.resets:
        yield f"reset {graph.timing.reset.value} is not offered by {machine.name}"
    widest = _widest(graph)
    if widest > machine.weight_bits.value:
        yield (
            f"weights of {widest} bits take several synapses of {machine.weight_bits.value} bits each; "
            f"compile with --weight-bits {machine.weight_bits.value}"
        )


def _changes(graph: Graph, machine: Machine, planned: Planned | None) -> Iterator[str]:
    """What the network would need with other options, each one planned."""
    now = len(planned.plan.cores) if planned else None
    for option, changed in _options(graph):
        try:
            found = make_plan(changed, machine).plan
        except TargetError:
            continue
        if now is None or len(found.cores) < now:
            yield f"with {option}: {counted(len(found.cores), 'core')} on {counted(found.chips, 'chip')}"


def _options(graph: Graph) -> Iterator[tuple[str, Graph]]:
    unsigned = all(graph.levels(node.name).lo == 0 for node in graph.populations)
    if unsigned and isinstance(graph.timing, Rate) and graph.timing.reset is Reset.SUBTRACT:
        yield "--reset zero", replace(graph, timing=Rate(graph.timing.steps, Reset.ZERO))
    widest = _widest(graph)
    for bits in (4, 2):
        if bits < widest:
            yield f"--weight-bits {bits}", _narrowed(graph, bits)


def _widest(graph: Graph) -> int:
    """Bits of the widest weights."""
    weights = (node.weight.bits or 0 for node in graph.linears if isinstance(node, Conv | Dense))
    return max(weights, default=0)


def _narrowed(graph: Graph, bits: int) -> Graph:
    """A network of the same size with weights of so many bits, whatever their values."""
    return graph.with_nodes(
        replace(node, weight=Tensor.integer(np.zeros_like(node.weight.data), bits))
        for node in graph.linears
        if isinstance(node, Conv | Dense) and (node.weight.bits or 0) > bits
    )


def counted(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def as_plain(found: Fit) -> dict[str, Any]:
    """What `--json` prints (docs/cores.md)."""
    plain: dict[str, Any] = {
        "chip": found.machine.name,
        "fits": found.planned is not None,
        "reason": found.reason,
        "notes": list(found.notes),
        "changes": list(found.changes),
    }
    if found.planned is None:
        return {**plain, "cores": None, "chips": None}
    plan, placement = found.planned.plan, found.planned.placement
    limits, names = limits_of_machine(found.machine), [resource.value for resource in RESOURCES]
    return {
        **plain,
        "cores": len(plan.cores),
        "chips": plan.chips,
        "lower_bound": plan.bound,
        "lower_bounds": dict(zip(names, plan.bounds, strict=True)),
        "limits": dict(zip(names, limits, strict=True)),
        "bound_by": {name: resource.value for name, resource in found.planned.limits.items()},
        "hops": placement.hops,
        "row_major_hops": placement.row_major_hops,
        "busiest_link": placement.busiest,
        "use": [_plain_core(core, place) for core, place in zip(plan.cores, plan.places, strict=True)],
        "estimates": {name: _plain_estimate(each) for name, each in costs_by_name(found).items()},
    }


def costs_by_name(found: Fit) -> dict[str, Estimate]:
    """What an image costs in every code; `mixed` where the network's populations have several."""
    named = {code.value: each for code, each in found.estimates.items()}
    return (
        named if found.own in found.estimates.values() or found.own is None else {"mixed": found.own, **named}
    )


def fit_summary(found: Fit) -> dict[str, Any]:
    """What `compile --json` says of the fit."""
    plain = as_plain(found)
    return {"cores": plain["cores"], "chips": plain["chips"], "fit": plain}


def _plain_core(core: CoreUse, place: Place) -> dict[str, Any]:
    slices = [{"unit": item.unit, "box": [list(axis) for axis in item.box]} for item in core.slices]
    where = {"chip": place.chip, "column": place.column, "row": place.row}
    return {**where, "usage": list(core.usage), "slices": slices}


def _plain_estimate(found: Estimate) -> dict[str, Any]:
    return {
        "steps": found.steps,
        "microseconds": found.latency,
        "interval_microseconds": found.interval,
        "total": _plain_cost(found.total),
        "units": {name: _plain_cost(cost) for name, cost in found.units.items()},
    }


def _plain_cost(cost: Cost) -> dict[str, float]:
    return {
        "synops": cost.synops,
        "updates": cost.updates,
        "spikes": cost.spikes,
        "hops": cost.hops,
        "links": cost.links,
        "nanojoules": cost.energy,
        "macs": cost.macs,
        "mac_nanojoules": cost.mac_energy,
    }


def limits_of_machine(machine: Machine) -> tuple[int, ...]:
    """What a core has of each resource."""
    core = machine.core
    if core is None:
        raise TargetError("has no cores", where=machine.name, hint="choose a chip of cores, such as loihi2")
    found = (core.compartments, core.synapse_words, core.input_axons, core.output_axons)
    return tuple(limit.value for limit in (*found, core.populations, core.projections))
