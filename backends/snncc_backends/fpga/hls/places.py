"""Where the outputs of a network are found once its last pass has run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.planning.views import find_views
from snncc_backends.fpga.tables.program import Descriptor, read_descriptor
from snncc_backends.fpga.tables.tables import DESCRIPTOR_WORDS, PassTable, Tables
from snncc_ir.graph import Graph
from snncc_ir.nodes import Readout
from snncc_ir.tensors import Ints

ABSENT = -1
"""Bank of a level that is padding, and so 0."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """One output's values, flat: value i is lane `lane[i]` of word `word[i]`, for levels of bank `bank[i]`.

    A readout's words are those of the result memory, and its lanes are groups.
    """

    is_readout: bool
    bank: Ints
    word: Ints
    lane: Ints


def output_places(graph: Graph, tables: Tables) -> dict[str, Places]:
    """The places of every output of the graph, in its order."""
    passes = {task.split.task.name: number for number, task in enumerate(tables.passes)}
    found = {}
    for name in graph.outputs:
        if isinstance(graph.by_name[name], Readout):
            found[name] = result_places(tables, passes[name])
        else:
            found[name] = _level_places(graph, tables, name)
    return found


def result_places(tables: Tables, number: int) -> Places:
    """The words of pass `number`, a readout: docs/fpga.md, section 3."""
    d, task = descriptor(tables, number), tables.passes[number]
    channel, row, column = (axis.reshape(-1) for axis in np.indices(task.split.task.shape))
    block, inner = np.divmod(channel, WORD * d.group_words)
    word_of_block, lane = np.divmod(inner, WORD)
    tile, slot = np.divmod(row, slots_of(tables, task))
    return Places(
        is_readout=True,
        bank=np.zeros_like(channel),
        word=d.out + ((block * d.tiles + tile) * d.columns + column) * WORD + lane,
        lane=slot * d.group_words + word_of_block,
    )


def _level_places(graph: Graph, tables: Tables, name: str) -> Places:
    size = int(np.prod(graph.levels(name).shape))
    bank, word, lane = np.full(size, ABSENT), np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    axes = {level_map.name: level_map.axes for level_map in tables.maps.values() if level_map.axes}
    for source, own, there in find_views(graph, tables.fused, axes).places(name):
        banks, words, lanes = (axis.reshape(-1)[there] for axis in tables.maps[source].places())
        bank[own], word[own], lane[own] = banks, words, lanes
    return Places(is_readout=False, bank=bank, word=word, lane=lane)


def descriptor(tables: Tables, number: int) -> Descriptor:
    """The descriptor of pass `number`."""
    words = tables.memories["passes"].values["word"][:, 0]
    return read_descriptor(words[number * DESCRIPTOR_WORDS : (number + 1) * DESCRIPTOR_WORDS])


def slots_of(tables: Tables, task: PassTable) -> int:
    """Px, the rows of a tile."""
    return tables.widths.groups // task.split.group_words(tables.widths.groups)


def result_words(tables: Tables) -> int:
    """Words of the result memory, one at least."""
    read = [descriptor(tables, number) for number in range(len(tables.passes))]
    return max([1, *(d.out + d.blocks * d.tiles * d.columns * WORD for d in read if d.is_readout)])
