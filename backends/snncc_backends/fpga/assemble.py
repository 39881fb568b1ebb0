"""From a plan to tables: addresses for everything, every record of every memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from snncc_backends.fpga.kernels import Kernel, Words
from snncc_backends.fpga.maps import WORD, LevelMap
from snncc_backends.fpga.memory import Memory, memory
from snncc_backends.fpga.plan import Pass, Plan, make_plan
from snncc_backends.fpga.split import Split, best_split, lay_out, place, split_of
from snncc_backends.fpga.tables import PassTable, Tables, Widths, memory_fields
from snncc_backends.fpga.tiles import Visit
from snncc_ir.certificates import Interval, certify_widths
from snncc_ir.graph import Graph
from snncc_ir.nodes import Population, Readout
from snncc_ir.tensors import Ints, interval_bits
from snncc_ir.types import Levels

Rows = dict[str, list[int]]


@dataclass
class _Builder:
    """The records found so far, and where equal ones begin."""

    groups: int
    maps: Mapping[str, LevelMap]
    descriptors: list[list[int]] = field(default_factory=list)
    row_windows: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    row_visits: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    col_windows: list[tuple[int, int, int, int]] = field(default_factory=list)
    col_words: list[tuple[int, int, int]] = field(default_factory=list)
    out_rows: list[tuple[int, int, int]] = field(default_factory=list)
    weights: list[Ints] = field(default_factory=list)
    weight_words: int = 0
    neurons: list[Ints] = field(default_factory=list)
    neuron_words: int = 0
    results: int = 0
    segments: dict[Words, int] = field(default_factory=dict)


def build_tables(graph: Graph, lanes: int, at_least: Widths | None = None) -> Tables:
    """The tables of a phased integer graph for `lanes` lanes, in fields as wide as needed or as `at_least`."""
    plan, groups = make_plan(graph), lanes // WORD
    inputs = {node.name: _range(graph.levels(node.name)) for node in graph.inputs}
    hidden = {task.name: (task.lo, task.hi) for task in plan.passes}
    kept = tuple(
        source
        for name in graph.outputs
        if name in plan.views.elements
        for source, _, _ in plan.views.places(name)
    )
    maps = place(lay_out(plan, groups, inputs, hidden), plan, kept)
    builder = _Builder(groups=groups, maps=maps)
    bounds = _bounds(graph, plan)
    slot = plan.weight_bits
    passes = []
    for number, task in enumerate(plan.passes):
        split = best_split(task, maps, groups)
        last = number + 1 == len(plan.passes)
        passes.append(_add_pass(builder, split, bounds[task.computes], slot, last))
    widths = _widths(builder, plan, lanes, passes)
    if at_least is not None:
        widths = widths.at_least(at_least)
    return Tables(
        widths=widths, memories=_memories(builder, widths), maps=maps, passes=tuple(passes), fused=plan.fused
    )


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


def _add_pass(builder: _Builder, split: Split, drive: Interval, slot: int, last: bool) -> PassTable:
    task, groups = split.task, builder.groups
    wbits = max([1, *(kernel.projection.bits for kernel in split.kernels)])
    pack = (slot // wbits).bit_length() - 1
    numbers = [kernel.size for kernel in split.kernels]
    firsts = [0, *np.cumsum(numbers).tolist()]
    rows_at, columns_at = len(builder.row_windows), len(builder.col_windows)
    borders = _borders(split)
    _add_rows(builder, split, firsts, borders)
    _add_columns(builder, split, borders)
    base, words = _add_weights(builder, split, wbits, slot, pack)
    neuron_base = builder.neuron_words
    step = _add_neurons(builder, split, borders)
    out = builder.results if task.is_readout else len(builder.out_rows)
    _add_results(builder, split)
    map_words = 0 if task.is_readout else builder.maps[task.name].pixel_words
    builder.descriptors.append(
        [
            int(task.is_readout)
            | (split.group_words(groups).bit_length() - 1) << 4
            | len(task.projections) << 8
            | task.window_rows.shape[1] << 16
            | task.window_columns.shape[1] << 24,
            split.blocks(groups) | split.tiles << 16,
            len(task.window_columns) | map_words << 16,
            rows_at,
            columns_at,
            out,
            base << pack,
            words << pack,
            neuron_base,
            step,
            map_words | wbits << 16 | task.neurons.top << 24,
            (task.neurons.lo & 0xFFFF) | int(last) << 16,
            0,
            0,
            0,
            0,
        ]
    )
    spread = task.neurons.bias.reshape(len(task.neurons.theta), -1)
    return PassTable(
        split=split,
        weight_bits=wbits,
        weight_numbers=firsts[-1],
        drive=drive,
        potential=drive + Interval(spread.min(axis=1), spread.max(axis=1)),
    )


@dataclass(frozen=True)
class _Borders:
    """The border class of every (row tile, window row) and of every (column, window column)."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    slots: tuple[tuple[int, ...], ...]
    """Classes of the slots' rows of every row class."""
    singles: tuple[int, ...]
    """Bias class of every column class."""


def _borders(split: Split) -> _Borders:
    task, classes = split.task, split.task.neurons.rows
    slots: dict[tuple[int, ...], int] = {}
    rows = []
    for first in range(0, len(task.window_rows), split.slots):
        block = task.window_rows[first : first + split.slots]
        for window in range(block.shape[1]):
            found = classes[block[:, window]].tolist()
            key = tuple(found + found[-1:] * (split.slots - len(found)))
            rows.append(slots.setdefault(key, len(slots)))
    singles: dict[int, int] = {}
    columns = [
        singles.setdefault(int(task.neurons.columns[x]), len(singles)) for x in task.window_columns.reshape(-1)
    ]
    return _Borders(tuple(rows), tuple(columns), tuple(slots), tuple(singles))


def _add_rows(builder: _Builder, split: Split, firsts: list[int], borders: _Borders) -> None:
    per_class = len(borders.singles) * WORD
    for tile, border in enumerate(borders.rows):
        for kernel, visits, first in zip(split.kernels, split.visits, firsts, strict=False):
            at = len(builder.row_visits)
            builder.row_visits += [_visit_record(visit, kernel, first) for visit in visits[tile]]
            own, shift = int(bool(kernel.own)), int(kernel.projection.shift)
            builder.row_windows.append((at, len(visits[tile]), border * per_class, own, shift))


def _visit_record(visit: Visit, kernel: Kernel, first: int) -> tuple[int, int, int, int, int]:
    weight = first + int(kernel.row_classes[visit.kernel]) * kernel.block
    return visit.address, visit.wrap, visit.bank, visit.banks, weight


def _add_columns(builder: _Builder, split: Split, borders: _Borders) -> None:
    segments = [
        [kernel.segment(int(x)) for x in split.task.window_columns.reshape(-1)] for kernel in split.kernels
    ]
    for part in segments:
        for words in sorted(set(part), key=len, reverse=True):
            _segment_at(builder, words)
    for place, border in enumerate(borders.columns):
        for part in segments:
            words = part[place]
            first, offset = _segment_at(builder, words)
            builder.col_windows.append((first, len(words), offset, border * WORD))


def _segment_at(builder: _Builder, words: Words) -> tuple[int, int]:
    """Where the words lie and what is added to their offsets; a part of a longer segment is found there."""
    relative = _relative(words)
    if relative not in builder.segments:
        builder.segments[relative] = _find_part(builder.segments, relative)
    if builder.segments[relative] < 0:
        builder.segments[relative] = len(builder.col_words)
        builder.col_words += relative
    first = builder.segments[relative]
    return first, words[0][0] - builder.col_words[first][0]


def _relative(words: Words) -> Words:
    return tuple((offset - words[0][0], weight, mask) for offset, weight, mask in words)


def _find_part(known: Mapping[Words, int], words: Words) -> int:
    """Where a known segment contains the words, -1 where none does."""
    for segment, at in known.items():
        for first in range(len(segment) - len(words) + 1):
            same = segment[first][1:] == words[0][1:]
            if same and _relative(segment[first : first + len(words)]) == words:
                return at + first
    return -1


def _add_weights(builder: _Builder, split: Split, wbits: int, slot: int, pack: int) -> tuple[int, int]:
    """First word and words per block of the pass's weights, `slot` bits per lane."""
    groups, task = builder.groups, split.task
    table = np.concatenate([kernel.weights() for kernel in split.kernels])
    span = split.group_words(groups) * WORD
    blocks = split.blocks(groups)
    padded = np.zeros((len(table), blocks * span), dtype=np.int64)
    padded[:, : task.shape[0]] = table
    shared = 1 << pack
    words = -(-len(table) // shared)
    codes = (padded + 1) // 2 if wbits == 1 else padded & ((1 << wbits) - 1)
    whole = np.zeros((words * shared, blocks * span), dtype=np.int64)
    whole[: len(codes)] = codes
    packed = (whole.reshape(words, shared, -1) << (np.arange(shared) * wbits)[:, None]).sum(axis=1)
    lanes = packed.reshape(words, blocks, span).transpose(1, 0, 2)
    lanes = np.tile(lanes, (1, 1, split.slots)).reshape(blocks * words, -1)
    base = builder.weight_words
    builder.weights.append(lanes)
    builder.weight_words += len(lanes)
    return base, words


def _add_neurons(builder: _Builder, split: Split, borders: _Borders) -> int:
    """Adds `[blocks, row classes, column classes, 8]` words of every group's threshold and bias; words per block."""
    groups, neurons = builder.groups, split.task.neurons
    per_group = split.group_words(groups)
    blocks = split.blocks(groups)
    count = blocks * per_group * WORD
    theta = np.ones(count, dtype=np.int64)
    theta[: len(neurons.theta)] = neurons.theta
    rows = np.array(borders.slots)
    bias = np.zeros((count, len(rows), split.slots, len(borders.singles)), dtype=np.int64)
    spread = neurons.bias[:, rows][..., list(borders.singles)]
    bias[: len(spread)] = spread
    bias = bias.reshape(blocks, per_group, WORD, len(rows), split.slots, -1).transpose(0, 3, 5, 2, 4, 1)
    theta = np.broadcast_to(
        theta.reshape(blocks, 1, 1, per_group, WORD, 1).transpose(0, 1, 2, 4, 5, 3), bias.shape
    )
    words = np.stack([theta.reshape(-1, groups), bias.reshape(-1, groups)], axis=2)
    builder.neurons.append(words)
    builder.neuron_words += len(words)
    return len(words) // blocks


def _add_results(builder: _Builder, split: Split) -> None:
    """The rows that a pass writes, or the place of a readout's results."""
    task = split.task
    if task.is_readout:
        builder.results += split.blocks(builder.groups) * split.tiles * len(task.window_columns) * WORD
        return
    target = builder.maps[task.name]
    for row in range(split.tiles * split.slots):
        inside = row < target.shape[1]
        builder.out_rows.append((1, target.bank(row), target.address(row)) if inside else (0, 0, 0))


def _widths(builder: _Builder, plan: Plan, lanes: int, passes: list[PassTable]) -> Widths:
    thetas = [int(item.split.task.neurons.theta.max()) for item in passes]
    steps = max(item.split.task.neurons.top.bit_length() for item in passes)
    lows = [int(item.potential.low.min()) for item in passes]
    highs = [int(item.potential.high.max()) for item in passes]
    highs += [theta << max(steps - 1, 0) for theta in thetas]
    signed = any(level_map.lo < 0 for level_map in builder.maps.values())
    ranges = [(m.lo, m.hi) for m in builder.maps.values()]
    level = max(interval_bits(*limits) for limits in ranges) - (0 if signed else 1)
    depth = max(m.base + m.words for m in builder.maps.values())
    numbers = builder.weight_words << 3  # eight weights at most share a slot
    mixed = {item.weight_bits for item in passes} != {plan.weight_bits}
    return Widths(
        lanes=lanes,
        weight=plan.weight_bits,
        level=level,
        signed_levels=int(signed),
        potential=interval_bits(min(lows), max(highs)),
        theta=max(thetas).bit_length(),
        fire_steps=steps,
        map_address=_address_bits(depth),
        weight_address=_address_bits(numbers if mixed else builder.weight_words),
        neuron_address=_address_bits(builder.neuron_words),
        row_visit_address=_address_bits(len(builder.row_visits)),
        row_count=max(record[1] for record in builder.row_windows).bit_length(),
        column_word_address=_address_bits(len(builder.col_words)),
        column_count=max(record[1] for record in builder.col_windows).bit_length(),
        row_window_address=_address_bits(len(builder.row_windows)),
        column_window_address=_address_bits(len(builder.col_windows)),
        out_row_address=_address_bits(max(1, len(builder.out_rows))),
        pass_address=_address_bits(len(builder.descriptors) * 16),
        mixed_weights=int(mixed),
        map_words=depth,
        weight_words=builder.weight_words,
        neuron_words=builder.neuron_words,
    )


def _address_bits(words: int) -> int:
    return max(1, (words - 1).bit_length())


def _memories(builder: _Builder, widths: Widths) -> dict[str, Memory]:
    fields = memory_fields(widths)
    records = {
        "row_windows": builder.row_windows,
        "row_visits": builder.row_visits,
        "col_windows": builder.col_windows,
        "col_words": builder.col_words,
        "out_rows": builder.out_rows or [(0, 0, 0)],
        "passes": [(word,) for descriptor in builder.descriptors for word in descriptor],
    }
    found = {}
    for name, rows in records.items():
        columns = np.array(rows, dtype=np.int64).T
        named = {item.name: column for item, column in zip(fields[name], columns, strict=True)}
        found[name] = memory(name, fields[name], named)
    weights = np.concatenate(builder.weights)
    neurons = np.concatenate(builder.neurons)
    found["weights"] = Memory("weights", fields["weights"], {"slot": weights})
    found["neurons"] = Memory(
        "neurons", fields["neurons"], {"theta": neurons[:, :, 0], "bias": neurons[:, :, 1]}
    )
    return found
