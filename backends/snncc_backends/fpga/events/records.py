"""The records of the event core's passes: windows, taps, weights, neurons and descriptors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from snncc_backends.fpga.events.descriptors import Descriptor, Op, When
from snncc_backends.fpga.events.plan import Add, Image, Kept, Kind, Unit
from snncc_backends.fpga.events.scatter import Scatter, Taps
from snncc_backends.fpga.events.tables import Placed
from snncc_backends.fpga.planning.maps import ceil_div
from snncc_backends.fpga.tables.packing import pack_table, slot_shift
from snncc_ir.codes import Reset
from snncc_ir.tensors import Ints

TapList = tuple[tuple[int, int], ...]
"""(offset of potentials, weight number) of every tap of a window."""

SHORT = 64
"""Weights of so few numbers are not packed: lanes that never unpack are smaller and quicker."""

Window = tuple[TapList, int]
"""Taps and border class of one row or column."""


@dataclass
class Axis:
    """Windows and taps of one axis, equal runs kept once; the first windows have no taps, and border 0."""

    plain: int
    windows: list[tuple[int, int, int]] = field(default_factory=list)
    taps: list[tuple[int, int]] = field(default_factory=list)
    tap_runs: dict[TapList, int] = field(default_factory=dict)
    window_runs: dict[tuple[Window, ...], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.windows = [(0, 0, 0)] * self.plain

    def add(self, windows: Iterable[Window]) -> int:
        """Where the windows lie."""
        key = tuple(windows)
        if not any(taps or border for taps, border in key) and len(key) <= self.plain:
            return 0
        if key not in self.window_runs:
            self.window_runs[key] = len(self.windows)
            self.windows += [(self._taps(taps), len(taps), border) for taps, border in key]
        return self.window_runs[key]

    def _taps(self, taps: TapList) -> int:
        if taps and taps not in self.tap_runs:
            self.tap_runs[taps] = len(self.taps)
            self.taps += taps
        return self.tap_runs.get(taps, 0)


@dataclass(frozen=True, kw_only=True)
class FiringAt:
    """Where the neurons of a unit and the windows with their border classes lie; the borders themselves."""

    table: int = 0
    rows: int = 0
    columns: int = 0
    row_borders: tuple[int, ...] = ()
    column_borders: tuple[int, ...] = ()


NO_FIRING = FiringAt()


@dataclass
class Builder:
    """The records found so far."""

    lanes: int
    slot: int
    stbif: bool
    reset: Reset
    rows: Axis
    columns: Axis
    weights: list[Ints] = field(default_factory=list)
    weight_words: int = 0
    neurons: list[Ints] = field(default_factory=list)
    neuron_words: int = 0
    descriptors: list[Descriptor] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def append(self, name: str, descriptor: Descriptor) -> None:
        """Add a pass of a unit."""
        self.names.append(name)
        self.descriptors.append(descriptor)

    def words(self, channels: int) -> int:
        """Words of a pixel."""
        return ceil_div(channels, self.lanes)

    def add_weights(self, words: Ints) -> int:
        """Add words; where they begin."""
        self.weights.append(words)
        self.weight_words += len(words)
        return self.weight_words - len(words)

    def add_neurons(self, words: Ints) -> int:
        """Add words; where they begin."""
        self.neurons.append(words)
        self.neuron_words += len(words)
        return self.neuron_words - len(words)


def add_load(builder: Builder, placed: Placed, firing: FiringAt, sources: Mapping[str, int]) -> None:
    """What the memories of a unit hold before the first step."""
    unit = placed.unit
    if unit.kind is Kind.POOL:
        builder.append(unit.name, _visit(builder, Op.LOAD, unit.sums, close=placed.potentials))
    else:
        half = unit.kind is Kind.POPULATION and not (builder.stbif or unit.firing.leaks)
        load = _visit(builder, Op.LOAD, unit.shape, close=placed.potentials, firing=firing)
        builder.append(unit.name, replace(load, half=half, bias=builder.stbif))
    if placed.beside is not None:
        load = _visit(builder, Op.LOAD, unit.shape, close=placed.beside, firing=firing)
        builder.append(unit.name, replace(load, bias=unit.keeps is Kept.CURRENT))
    if unit.keeps is Kept.CURRENT:
        _add_all(builder, placed, sources, from_input=True)


def add_step(builder: Builder, placed: Placed, firing: FiringAt, sources: Mapping[str, int]) -> None:
    """The passes of a unit in every step."""
    unit = placed.unit
    _add_all(builder, placed, sources, from_input=False)
    if unit.keeps is not Kept.CURRENT:
        _add_all(builder, placed, sources, from_input=True)
    builder.append(
        unit.name, _pool(builder, placed) if unit.kind is Kind.POOL else _fire(builder, placed, firing)
    )


def _add_all(builder: Builder, placed: Placed, sources: Mapping[str, int], *, from_input: bool) -> None:
    for add in placed.unit.adds:
        if add.from_input == from_input:
            builder.append(placed.unit.name, _scatter(builder, placed, add, sources[add.scatter.map]))


def _fire(builder: Builder, placed: Placed, firing: FiringAt) -> Descriptor:
    """A step of every neuron; a tap brings the current of the input, which holds the bias, or u."""
    unit = placed.unit
    fires = unit.kind is Kind.POPULATION
    found = replace(
        _visit(builder, Op.FIRE if fires else Op.READ, unit.shape, close=placed.potentials, firing=firing),
        target=placed.target,
        bias=not builder.stbif,
        zero=fires and builder.reset is Reset.ZERO,
        signed=unit.firing.lo < 0,
        lo=unit.firing.lo,
        hi=unit.firing.hi,
        decay_v=unit.firing.decay_v,
    )
    if placed.beside is None:
        return found
    words, leaks = builder.words(unit.shape[0]), unit.keeps is Kept.U
    rows = firing.row_borders if leaks else (0,) * unit.shape[1]
    columns = firing.column_borders if leaks else (0,) * unit.shape[2]
    return replace(
        found,
        bias=leaks,
        current=True,
        own=True,
        potentials=placed.beside,
        decay_u=unit.firing.decay_u,
        row_windows=builder.rows.add(_singles(rows, unit.shape[2] * words)),
        column_windows=builder.columns.add(_singles(columns, words)),
    )


def _singles(borders: tuple[int, ...], pitch: int) -> list[Window]:
    """One tap each, with the neurons of its word, whose bias is added to what the tap reads."""
    return [(((place * pitch, border),), border) for place, border in enumerate(borders)]


def _visit(builder: Builder, op: Op, shape: Image, *, close: int, firing: FiringAt = NO_FIRING) -> Descriptor:
    """A pass over all words of an image."""
    return Descriptor(
        op=op,
        words=builder.words(shape[0]),
        rows=shape[1],
        columns=shape[2],
        row_windows=firing.rows,
        column_windows=firing.columns,
        table=firing.table,
        close=close,
    )


def _pool(builder: Builder, placed: Placed) -> Descriptor:
    """Each tap of a window is a word of sums; then comes what was sent."""
    unit = placed.unit
    words = builder.words(unit.shape[0])
    rows = [_gathered(places, unit.sums[2] * words) for places in unit.window_rows]
    columns = [_gathered(places, words) for places in unit.window_columns]
    return replace(
        _visit(builder, Op.POOL, unit.shape, close=placed.beside or 0),
        own=True,
        row_windows=builder.rows.add(rows),
        column_windows=builder.columns.add(columns),
        target=placed.target,
        potentials=placed.potentials,
    )


def _gathered(places: Ints, pitch: int) -> Window:
    return tuple((place * pitch, 0) for place in np.unique(places).tolist()), 0


def _scatter(builder: Builder, placed: Placed, add: Add, source: int) -> Descriptor:
    scatter, lanes, sums = add.scatter, builder.lanes, placed.unit.sums
    base = placed.potentials
    if placed.beside is not None and (add.from_input or placed.unit.keeps is Kept.U):
        base = placed.beside
    target_words = builder.words(sums[0])
    shift = None if add.from_input else scatter.own_words(lanes)
    first, end = scatter.first // lanes, ceil_div(scatter.first + scatter.weight.shape[2], lanes)
    if shift is not None:
        first, end = max(first, shift), min(end, shift + target_words)
    words = end - first
    numbers = words * (lanes if shift is None else 1)
    table = _shared(scatter, numbers) if shift is None else _own(scatter, lanes, first - shift, words)
    bits = scatter.slot_bits(lanes) if len(table) > SHORT else builder.slot
    pack = slot_shift(builder.slot, bits)
    packed = pack_table(table, lanes, bits, builder.slot)
    blocks = 1 if shift is not None else target_words
    rows = _windows(scatter.rows, sums[2] * target_words, scatter.weight.shape[1] * numbers)
    return Descriptor(
        op=Op.ADD,
        when=_when(builder, placed.unit, add),
        from_input=add.from_input,
        own=shift is not None,
        weight_bits=bits,
        rows=scatter.shape[1],
        columns=scatter.shape[2],
        words=words,
        skip=builder.words(scatter.shape[0]) - words,
        row_windows=builder.rows.add(rows),
        column_windows=builder.columns.add(_windows(scatter.columns, target_words, numbers)),
        target=source + first,
        potentials=base + (0 if shift is None else first - shift),
        table=builder.add_weights(packed) << pack,
        step=len(packed) // blocks << pack,
        blocks=blocks,
        gain=add.gain,
    )


def _when(builder: Builder, unit: Unit, add: Add) -> When:
    """Under `stbif` the input is sent once and arrives a step later, as all spikes do."""
    if not builder.stbif or unit.kind is Kind.POOL:
        return When.ALWAYS
    return When.STEP_ONE if add.from_input else When.NOT_STEP_ZERO


def _windows(taps: Taps, pitch: int, numbers: int) -> list[Window]:
    return [(tuple((target * pitch, kernel * numbers) for target, kernel in run), 0) for run in taps]


def _shared(scatter: Scatter, numbers: int) -> Ints:
    """`[kernel row * kernel column * channel, O]`, channels filled up to whole words."""
    rows, columns, channels, outputs = scatter.weight.shape
    table = np.zeros((rows, columns, numbers, outputs), dtype=np.int64)
    table[:, :, :channels] = scatter.weight
    return table.reshape(-1, outputs)


def _own(scatter: Scatter, lanes: int, first: int, words: int) -> Ints:
    """`[kernel row * kernel column * word, lane]`: the one weight of every output from word `first` on."""
    whole = scatter.weight.sum(axis=2)[:, :, first * lanes : (first + words) * lanes]
    table = np.zeros((*whole.shape[:2], words * lanes), dtype=np.int64)
    table[:, :, : whole.shape[2]] = whole
    return table.reshape(-1, lanes)


def place_firing(builder: Builder, unit: Unit) -> FiringAt:
    """The neurons of a unit, a word for every border class and word of channels."""
    firing, lanes = unit.firing, builder.lanes
    words = builder.words(unit.shape[0])
    classes = firing.bias.shape[1:]
    values = np.zeros((2, *classes, words * lanes), dtype=np.int64)
    values[0] = 1
    values[0, :, :, : unit.shape[0]] = firing.theta
    values[1, :, :, : unit.shape[0]] = np.moveaxis(firing.bias, 0, -1)
    table = builder.add_neurons(np.moveaxis(values.reshape(2, -1, lanes), 0, 2))
    rows = tuple(int(number) * classes[1] * words for number in firing.rows)
    columns = tuple(int(number) * words for number in firing.columns)
    return FiringAt(
        table=table,
        rows=builder.rows.add([((), border) for border in rows]),
        columns=builder.columns.add([((), border) for border in columns]),
        row_borders=rows,
        column_borders=columns,
    )
