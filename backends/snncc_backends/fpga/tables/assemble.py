"""From a graph to tables: maps and passes are placed, every record is made, every width is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from snncc_backends.fpga.planning.bits import find_binary, lane_level, level_bits
from snncc_backends.fpga.planning.breaks import Breaks, find_breaks
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.planning.plan import Plan, make_plan
from snncc_backends.fpga.planning.split import best_split, binary_split, lay_out, place
from snncc_backends.fpga.planning.views import Storage
from snncc_backends.fpga.tables.memory import Memory, lane_memories, memory, record_memories
from snncc_backends.fpga.tables.records import Builder, add_pass
from snncc_backends.fpga.tables.tables import PassTable, Tables, Widths, memory_fields, stage_name
from snncc_ir.certificates import Interval, certify_widths
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.tensors import interval_bits
from snncc_ir.types import Levels


def build_tables(
    graph: Graph,
    lanes: int,
    at_least: Widths | None = None,
    storage: Storage | None = None,
    multipliers: int | None = None,
) -> Tables:
    """The tables of a phased integer graph for `lanes` lanes; fields are as wide as `at_least` or more.

    Inputs are stored as `storage` says, by default as `storage_of`. Where there are more lanes than
    `multipliers` (None: no limit), they add shifted weights instead.
    """
    plan = make_plan(graph, at_least.weight if at_least else 1, storage)
    groups = lanes // WORD
    inputs = {node.name: _range(graph.levels(node.name)) for node in graph.inputs}
    hidden = {task.name: (task.lo, task.hi) for task in plan.passes}
    kept = _kept(graph, plan)
    binary = find_binary(plan, {**inputs, **hidden}, kept, allowed=at_least is None or at_least.binary > 0)
    maps = place(lay_out(plan, groups, inputs, hidden, binary.packed), plan, kept)
    builder = Builder(groups=groups, maps=maps)
    bounds = _bounds(graph, plan)
    slot = plan.weight_bits
    passes = []
    for number, task in enumerate(plan.passes):
        on_bits = task.name in binary.passes
        split = binary_split(task, maps) if on_bits else best_split(task, maps, groups)
        last = number + 1 == len(plan.passes)
        passes.append(add_pass(builder, split, bounds[task.computes], slot, last))
    widths = _widths(builder, plan, lanes, passes)
    if multipliers is not None and multipliers < lanes:
        widths = replace(widths, shift_add=widths.multipliers)
    if at_least is not None:
        widths = widths.at_least(at_least)
    breaks = find_breaks(builder.corrections, widths.fire_steps, always=widths.table_rows > 0)
    if len(breaks.table):
        widths = widths.with_breaks(len(breaks.table), breaks.bits)
    return Tables(
        widths=widths,
        memories=_memories(builder, breaks, widths),
        maps=maps,
        passes=tuple(passes),
        fused=plan.fused,
    )


def tables_on(graph: Graph, machine: Machine) -> Tables:
    """The tables of a graph for the lanes and the device of `machine`."""
    fabric = machine.fabric
    multipliers = None if fabric is None else int(fabric.multipliers.value)
    return build_tables(graph, machine.lanes, multipliers=multipliers)


def _kept(graph: Graph, plan: Plan) -> tuple[str, ...]:
    """The maps that outputs are made of."""
    outputs = [name for name in graph.outputs if name in plan.views.elements]
    return tuple(source for name in outputs for source, _, _ in plan.views.places(name))


def _range(levels: Levels) -> tuple[int, int]:
    return levels.lo, levels.hi


def _bounds(graph: Graph, plan: Plan) -> dict[str, Interval]:
    """The interval of U of every pass, from the width certificate; a pool's is its levels'."""
    found = {name: width.drive for name, width in certify_widths(graph).items()}
    for task in plan.passes:
        if task.computes not in found:
            ones = np.ones(task.shape[0], dtype=np.int64)
            found[task.computes] = Interval(ones * task.lo, ones * task.hi)
    return found


def _widths(builder: Builder, plan: Plan, lanes: int, passes: list[PassTable]) -> Widths:
    thetas = [int(item.split.task.neurons.theta.max()) for item in passes]
    steps = max(item.split.task.neurons.top.bit_length() for item in passes)
    lows = [int(item.potential.low.min()) for item in passes]
    highs = [int(item.potential.high.max()) for item in passes]
    highs += [theta << max(steps - 1, 0) for theta in thetas]
    signed = any(level_map.lo < 0 for level_map in builder.maps.values())
    ranges = [(m.lo, m.hi) for m in builder.maps.values()]
    level = level_bits(ranges)
    depth = max(m.base + m.words for m in builder.maps.values())
    numbers = builder.weight_words << 3  # eight weights at most share a slot
    offsets = [0, *(record[4] for record in builder.row_visits), *(record[1] for record in builder.col_words)]
    binary = any(item.split.binary for item in passes)
    multiplied = {item.weight_bits for item in passes if not item.split.binary}
    mixed = bool(multiplied) and multiplied != {plan.weight_bits}
    return Widths(
        lanes=lanes,
        weight=plan.weight_bits,
        level=lane_level(level, signed=signed) if binary else level,
        signed_levels=int(signed),
        potential=interval_bits(min(lows), max(highs)),
        theta=max(thetas).bit_length(),
        fire_steps=max(1, steps),
        map_address=_address_bits(depth),
        weight_address=max(
            _address_bits(numbers if mixed else builder.weight_words),
            _address_bits(builder.bit_words),
            interval_bits(min(offsets), max(offsets)) - 1,
        ),
        neuron_address=_address_bits(builder.neuron_words),
        row_visit_address=_address_bits(len(builder.row_visits)),
        row_count=max(record[1] for record in builder.row_windows).bit_length(),
        column_word_address=_address_bits(len(builder.col_words)),
        column_count=max(record[1] for record in builder.col_windows).bit_length(),
        row_window_address=_address_bits(len(builder.row_windows)),
        column_window_address=_address_bits(len(builder.col_windows)),
        out_row_address=_address_bits(max(1, len(builder.out_rows))),
        pass_address=max(5, _address_bits(len(builder.descriptors) * 16)),
        mixed_weights=int(mixed),
        map_words=depth,
        weight_words=max(1, builder.weight_words),
        neuron_words=builder.neuron_words,
        binary=int(binary),
        multipliers=int(bool(multiplied)),
        bit_words=max(1, builder.bit_words),
    )


def _address_bits(words: int) -> int:
    return max(1, (words - 1).bit_length())


def _memories(builder: Builder, breaks: Breaks, widths: Widths) -> dict[str, Memory]:
    fields = memory_fields(widths)
    records: dict[str, Sequence[tuple[int, ...]]] = {
        "row_windows": builder.row_windows,
        "row_visits": builder.row_visits,
        "col_windows": builder.col_windows,
        "col_words": builder.col_words,
        "out_rows": builder.out_rows or [(0, 0, 0)],
        "passes": [(word,) for descriptor in builder.descriptors for word in descriptor],
    }
    found = record_memories(fields, records)
    found |= lane_memories(fields, widths.lanes, builder.weights, builder.neurons)
    if widths.binary:
        empty = np.zeros((1, 8 * widths.lanes), dtype=np.int64)
        bits = np.concatenate(builder.bits or [empty])
        found["bit_weights"] = Memory("bit_weights", fields["bit_weights"], {"byte": bits})
    if widths.table_rows:
        found["table_rows"] = memory("table_rows", fields["table_rows"], {"row": breaks.rows})
        for stage in range(widths.fire_steps):
            for group in range(widths.groups):
                name = stage_name(stage, group)
                found[name] = memory(name, fields[name], {"correction": breaks.stage(stage, group)})
    return found
