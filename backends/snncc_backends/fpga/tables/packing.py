"""The wide memories: the weights and neurons of a pass as the lanes read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.planning.bits import BitKernel
from snncc_backends.fpga.planning.kernels import Kernel
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.planning.split import Split
from snncc_ir.tensors import Ints


@dataclass(frozen=True)
class Borders:
    """The border class of every (row tile, window row) and of every (column, window column)."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    slots: tuple[tuple[int, ...], ...]
    """Classes of the slots' rows of every row class."""
    singles: tuple[int, ...]
    """Bias class of every column class."""


def find_borders(split: Split) -> Borders:
    """The border classes of a pass."""
    task, classes = split.task, split.task.neurons.rows
    slots: dict[tuple[int, ...], int] = {}
    rows = []
    for tile in task.tile_rows(split.slots, split.merge):
        for computed in tile:
            found = classes[computed].tolist()
            key = tuple(found + found[-1:] * (split.slots - len(found)))
            rows.append(slots.setdefault(key, len(slots)))
    singles: dict[int, int] = {}
    columns = [
        singles.setdefault(int(task.neurons.columns[x]), len(singles))
        for x in task.window_columns.reshape(-1)
    ]
    return Borders(tuple(rows), tuple(columns), tuple(slots), tuple(singles))


def pack_weights(split: Split, groups: int, wbits: int, slot: int) -> Ints:
    """Words `[blocks * words, P]` of all weights of a pass, `slot` bits per lane."""
    table = np.concatenate([kernel.weights() for kernel in split.kernels if isinstance(kernel, Kernel)])
    span = split.group_words(groups) * WORD
    return np.tile(pack_table(table, span, wbits, slot), (1, split.slots))


def pack_bits(split: Split, groups: int) -> Ints:
    """Words `[blocks * words, P * 8]` of bytes: 64 weights for every binary lane, the lowest first."""
    table = np.concatenate(
        [kernel.weight_bits() for kernel in split.kernels if isinstance(kernel, BitKernel)]
    )
    lanes, blocks = groups * WORD, split.blocks(groups)
    padded = np.zeros((*table.shape[:2], blocks * lanes), dtype=np.uint8)
    padded[:, :, : table.shape[2]] = table
    found = np.packbits(padded, axis=1, bitorder="little").reshape(len(table), -1, blocks, lanes)
    return np.asarray(found.transpose(2, 0, 3, 1).reshape(blocks * len(table), -1), dtype=np.int64)


def pack_table(table: Ints, span: int, wbits: int, slot: int) -> Ints:
    """Words `[blocks * words, span]` of the weights `table[number, output]`, block of outputs after block."""
    blocks = -(-table.shape[1] // span)
    padded = np.zeros((len(table), blocks * span), dtype=np.int64)
    padded[:, : table.shape[1]] = table
    shared = 1 << slot_shift(slot, wbits)
    words = -(-len(table) // shared)
    codes = (padded + 1) // 2 if wbits == 1 else padded & ((1 << wbits) - 1)
    whole = np.zeros((words * shared, blocks * span), dtype=np.int64)
    whole[: len(codes)] = codes
    packed = (whole.reshape(words, shared, -1) << (np.arange(shared) * wbits)[:, None]).sum(axis=1)
    return np.asarray(packed.reshape(words, blocks, span).transpose(1, 0, 2).reshape(-1, span))


def unpack_words(slots: Ints, numbers: Ints, wbits: int, slot: int) -> Ints:
    """The weights `[*numbers, span]` of the given numbers; those outside `slots[words, span]` are 0."""
    pack = slot_shift(slot, wbits)
    word = numbers >> pack
    found = np.where((word < len(slots))[..., None], slots[np.minimum(word, len(slots) - 1)], 0)
    field = found >> ((numbers & ((1 << pack) - 1)) * wbits)[..., None] & ((1 << wbits) - 1)
    return np.asarray(2 * field - 1 if wbits == 1 else field - (field >> (wbits - 1) << wbits))


def slot_shift(slot: int, wbits: int) -> int:
    """log2 of the weights of `wbits` bits that share a slot."""
    return (slot // wbits).bit_length() - 1


def pack_neurons(split: Split, groups: int, borders: Borders) -> Ints:
    """Words `[block * row class * column class * lane, groups, 2]` of thresholds and biases."""
    neurons = split.task.neurons
    bias = _by_group(split, groups, borders, neurons.bias, fill=0)
    theta = _by_group(split, groups, borders, _like(neurons.theta, neurons.bias), fill=1)
    return np.stack([theta, bias], axis=2)


def pack_corrections(split: Split, groups: int, borders: Borders) -> Ints:
    """Words `[block * row class * column class * lane, groups, levels - 1]` of the corrections."""
    neurons = split.task.neurons
    top = 0 if neurons.corrections is None else neurons.top
    parts = [
        _by_group(split, groups, borders, neurons.corrections[..., level], fill=0)
        for level in range(top)
        if neurons.corrections is not None
    ]
    words = len(_by_group(split, groups, borders, neurons.bias, fill=0))
    return np.stack(parts, axis=2) if parts else np.zeros((words, groups, 0), dtype=np.int64)


def _like(values: Ints, spread: Ints) -> Ints:
    return np.broadcast_to(values[:, None, None], spread.shape)


def _by_group(split: Split, groups: int, borders: Borders, values: Ints, *, fill: int) -> Ints:
    """Values `[O, R, S]` as words `[block * row class * column class * lane, groups]`."""
    per_group, blocks, rows = split.group_words(groups), split.blocks(groups), np.array(borders.slots)
    spread = values[:, rows][..., list(borders.singles)]
    padded = np.full((blocks * per_group * WORD, *spread.shape[1:]), fill, dtype=np.int64)
    padded[: len(spread)] = spread
    shaped = padded.reshape(blocks, per_group, WORD, len(rows), split.slots, -1)
    return shaped.transpose(0, 3, 5, 2, 4, 1).reshape(-1, groups)
