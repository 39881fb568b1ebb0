"""From a streaming graph to the tables of the event core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snncc_backends.fpga.events.descriptors import Descriptor, Op
from snncc_backends.fpga.events.plan import Add, EventPlan, Kept, Kind, Unit, make_event_plan
from snncc_backends.fpga.events.records import Axis, Builder, add_load, add_step, place_firing
from snncc_backends.fpga.events.tables import EventTables, EventWidths, Placed, memory_fields, words_of
from snncc_backends.fpga.tables.memory import Memory, lane_memories, record_memories
from snncc_backends.fpga.tables.tables import DESCRIPTOR_WORDS
from snncc_ir.certificates import Interval, certify_widths
from snncc_ir.codes import Reset
from snncc_ir.graph import Graph
from snncc_ir.tensors import interval_bits
from snncc_ir.timing import Rate


def build_event_tables(graph: Graph, lanes: int, at_least: EventWidths | None = None) -> EventTables:
    """The tables of a streaming integer graph for `lanes` lanes; fields are as wide as `at_least` or more."""
    plan = make_event_plan(graph, lanes, at_least.weight if at_least else 1)
    rate = graph.timing if isinstance(graph.timing, Rate) else None
    inputs = _input_places(graph, plan, lanes)
    placed = _place(graph, plan, lanes)
    builder = Builder(
        lanes=lanes,
        slot=plan.weight_bits,
        stbif=rate is None,
        reset=rate.reset if rate else Reset.SUBTRACT,
        rows=Axis(_longest(plan, 1)),
        columns=Axis(_longest(plan, 2)),
    )
    _add_passes(builder, placed, inputs, rate.steps if rate else 0)
    widths = _widths(graph, builder, plan, placed, inputs)
    if at_least is not None:
        widths = widths.at_least(at_least)
    return EventTables(
        widths=widths,
        memories=_memories(builder, widths),
        units=placed,
        inputs=inputs,
        shapes=plan.views.shapes,
        pass_names=tuple(builder.names),
    )


def _input_places(graph: Graph, plan: EventPlan, lanes: int) -> dict[str, int]:
    places, end = {}, 0
    for node in graph.inputs:
        places[node.name] = end
        end += words_of(plan.views.shapes[node.name], lanes)
    return places


def _longest(plan: EventPlan, axis: int) -> int:
    """Rows (axis 1) or columns (axis 2) of the longest image that is visited without taps."""
    return max(max(unit.shape[axis], unit.sums[axis]) for unit in plan.units)


def _place(graph: Graph, plan: EventPlan, lanes: int) -> tuple[Placed, ...]:
    """Potentials of populations lie first, so that the memory of what they have sent needs no more words."""
    order = sorted(plan.units, key=lambda unit: unit.kind is not Kind.POPULATION)
    bounds = _bounds(graph, plan)
    ends = np.cumsum([words_of(unit.sums, lanes) for unit in order]).tolist()
    found, beside, maps, results = {}, ends[-1], 0, 0
    for unit, end in zip(order, ends, strict=True):
        size, is_readout = words_of(unit.shape, lanes), unit.kind is Kind.READOUT
        kept = unit.keeps is not Kept.NOTHING
        found[unit.name] = Placed(
            unit=unit,
            potentials=end - words_of(unit.sums, lanes),
            beside=beside if kept else None,
            target=results if is_readout else maps,
            potential=bounds[unit.name],
        )
        beside += size if kept else 0
        results += size if is_readout else 0
        maps += 0 if is_readout else size
    return tuple(found[unit.name] for unit in plan.units)


def _bounds(graph: Graph, plan: EventPlan) -> dict[str, Interval]:
    """What potentials, sums and currents hold, from the width certificate."""
    widths = certify_widths(graph)
    steps = graph.timing.steps if isinstance(graph.timing, Rate) else 0
    found = {}
    for unit in plan.units:
        if unit.kind is Kind.POOL:
            found[unit.name] = _sums(unit, steps)
            continue
        width, flat = widths[unit.name], unit.firing.bias.reshape(unit.shape[0], -1)
        zero = np.zeros(unit.shape[0], dtype=np.int64)
        bias = Interval(np.minimum(flat.min(axis=1), zero), np.maximum(flat.max(axis=1), zero))
        found[unit.name] = width.membrane.hull(width.drive + bias)
    return found


def _sums(unit: Unit, steps: int) -> Interval:
    """What the running sums of a pool's source can be."""
    lo, hi = (-steps if unit.firing.lo < 0 else 0, steps) if steps else (unit.firing.lo, unit.firing.hi)
    return Interval(np.array([lo]), np.array([hi]))


def _add_passes(builder: Builder, placed: tuple[Placed, ...], inputs: Mapping[str, int], steps: int) -> None:
    sources = {**inputs, **{item.unit.name: item.target for item in placed}}
    firings = [place_firing(builder, item.unit) for item in placed]
    for item, firing in zip(placed, firings, strict=True):
        add_load(builder, item, firing, sources)
    loop = len(builder.descriptors)
    for item, firing in zip(placed, firings, strict=True):
        add_step(builder, item, firing, sources)
    builder.append("", Descriptor(op=Op.END, potentials=loop, target=steps))


def _widths(
    graph: Graph, builder: Builder, plan: EventPlan, placed: tuple[Placed, ...], inputs: Mapping[str, int]
) -> EventWidths:
    lanes = builder.lanes
    populations = [item for item in placed if item.unit.kind is Kind.POPULATION]
    ranges = {name: (graph.levels(name).lo, graph.levels(name).hi) for name in inputs}
    theta = max(int(item.unit.firing.theta.max()) for item in placed).bit_length()
    low = min(int(item.potential.low.min()) for item in placed)
    high = max(int(item.potential.high.max()) for item in placed)
    signed = builder.stbif or any(item.unit.firing.lo < 0 for item in placed)
    sent = [(item.unit.firing.lo, item.unit.firing.hi) for item in populations]
    adds = [add for item in placed for add in item.unit.adds]
    mixed = any(d.op is Op.ADD and d.weight_bits != plan.weight_bits for d in builder.descriptors)
    last = _end(placed, lanes)
    return EventWidths(
        lanes=lanes,
        weight=plan.weight_bits,
        level=max(interval_bits(*limits) for limits in ranges.values()),
        signed_spikes=int(signed),
        payload=max([2, *(_payload_bits(add, ranges) for add in adds)]),
        potential=max(interval_bits(low, high), theta + 1),
        theta=theta,
        sent=max([1, *(interval_bits(*limits) for limits in sent)]),
        sum=max([2, *(item.potential.bits for item in placed if item.unit.kind is Kind.POOL)]),
        stbif=int(builder.stbif),
        mixed_weights=int(mixed),
        leaky=int(any(d.decay_u or d.decay_v for d in builder.descriptors)),
        potential_address=address_bits(last),
        map_address=address_bits(_map_words(placed, lanes)),
        input_address=address_bits(_input_words(plan, inputs, lanes)),
        number=address_bits(max(builder.weight_words << (3 if mixed else 0), builder.neuron_words)),
        row_window_address=address_bits(len(builder.rows.windows)),
        column_window_address=address_bits(len(builder.columns.windows)),
        row_tap_address=address_bits(len(builder.rows.taps)),
        column_tap_address=address_bits(len(builder.columns.taps)),
        row_count=max(1, max(count for _, count, _ in builder.rows.windows).bit_length()),
        column_count=max(1, max(count for _, count, _ in builder.columns.windows).bit_length()),
        pass_address=max(5, address_bits(len(builder.descriptors) * DESCRIPTOR_WORDS)),
        potential_words=last,
        sent_words=max([1, *(item.potentials + words_of(item.unit.sums, lanes) for item in populations)]),
        map_words=max(1, _map_words(placed, lanes)),
        input_words=_input_words(plan, inputs, lanes),
        weight_words=max(1, builder.weight_words),
        neuron_words=builder.neuron_words,
    )


def _end(placed: tuple[Placed, ...], lanes: int) -> int:
    """Words of all potentials."""
    own = (item.potentials + words_of(item.unit.sums, lanes) for item in placed)
    beside = (item.beside + words_of(item.unit.shape, lanes) for item in placed if item.beside is not None)
    return max([*own, *beside])


def _map_words(placed: tuple[Placed, ...], lanes: int) -> int:
    senders = (item for item in placed if item.unit.kind is not Kind.READOUT)
    return max((item.target + words_of(item.unit.shape, lanes) for item in senders), default=0)


def _input_words(plan: EventPlan, inputs: Mapping[str, int], lanes: int) -> int:
    return max(place + words_of(plan.views.shapes[name], lanes) for name, place in inputs.items())


def _payload_bits(add: Add, ranges: Mapping[str, tuple[int, int]]) -> int:
    """Bits of what a weight is multiplied with."""
    lo, hi = ranges.get(add.scatter.map, (-1, 1))
    return interval_bits(lo * add.gain, hi * add.gain)


def address_bits(words: int) -> int:
    """Bits that count so many words; one at least."""
    return max(1, (words - 1).bit_length())


def _memories(builder: Builder, widths: EventWidths) -> dict[str, Memory]:
    fields = memory_fields(widths)
    records: dict[str, list[tuple[int, ...]]] = {
        "row_windows": list(builder.rows.windows),
        "col_windows": list(builder.columns.windows),
        "row_taps": list(builder.rows.taps) or [(0, 0)],
        "col_taps": list(builder.columns.taps) or [(0, 0)],
        "passes": [(word,) for item in builder.descriptors for word in item.encode()],
    }
    found = record_memories(fields, records)
    found |= lane_memories(fields, builder.lanes, builder.weights, builder.neurons)
    return found
