"""The links of a chain: which word of which map comes when, and where the core behind it puts the word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from snncc_backends.fpga.chain.cut import Stage
from snncc_backends.fpga.planning.maps import LevelMap, image_shape, pixel_levels
from snncc_backends.fpga.planning.views import Storage
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.simulator.runner import PassRunner
from snncc_backends.fpga.tables.memory import Field, Memory, memory
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.graph import Graph
from snncc_ir.tensors import Ints, interval_bits


@dataclass(frozen=True, kw_only=True)
class Words:
    """Words in the order in which they cross a link: word `place[i]` of map `maps[number[i]]`.

    Words of a map count row by row.
    """

    maps: tuple[str, ...]
    number: Ints
    place: Ints

    def __len__(self) -> int:
        return len(self.place)

    def those_of(self, names: Iterable[str]) -> Ints:
        """Which words belong to the maps `names`."""
        wanted = set(names)
        return np.array([name in wanted for name in self.maps], dtype=bool)[self.number]

    def kept(self, names: Iterable[str]) -> Words:
        """The words of the maps `names` alone, in the same order."""
        chosen = self.those_of(names)
        return Words(maps=self.maps, number=self.number[chosen], place=self.place[chosen])


@dataclass(frozen=True, kw_only=True)
class Format:
    """Bits of a level in a word, two's complement where `signed`."""

    bits: int
    signed: bool


@dataclass(frozen=True, kw_only=True)
class Link:
    """A double buffer of words, and the core behind it.

    Word i goes to `table` bank and address where it is kept, and over the next link where it is forwarded.
    """

    words: Words
    format: Format
    table: Memory


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Words that a core writes for each image: `counts[i]` in a row, which leave the core where `sent[i]`."""

    counts: tuple[int, ...]
    sent: tuple[int, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """What a word of the table holds."""
        return (Field("count", max(1, *(count.bit_length() for count in self.counts))), Field("sent", 1))

    @property
    def table(self) -> Memory:
        """The memory that a core's sender reads."""
        return memory("runs", self.fields, {"count": np.array(self.counts), "sent": np.array(self.sent)})


def format_of_maps(graph: Graph, names: Sequence[str]) -> Format:
    """The narrowest format that holds the levels of maps."""
    levels = [graph.levels(name) for name in names]
    signed = any(item.lo < 0 for item in levels)
    bits = max(interval_bits(item.lo, item.hi) for item in levels) - (0 if signed else 1)
    return Format(bits=max(1, bits), signed=signed)


def input_words(graph: Graph, storage: Storage, names: tuple[str, ...]) -> Words:
    """The words of the inputs as they enter the chain: map after map, row by row."""
    counts = [map_of(graph, storage, name).words for name in names]
    return Words(
        maps=names,
        number=np.repeat(np.arange(len(names)), counts),
        place=np.concatenate([np.arange(count) for count in counts]),
    )


def map_of(graph: Graph, storage: Storage, name: str) -> LevelMap:
    """A map as it is on its way: all rows one after another."""
    levels = graph.levels(name)
    axes = storage.axes.get(name, ())
    shape = image_shape(tuple(levels.shape[axis] for axis in axes) if axes else levels.shape)
    pixel = pixel_levels(shape[0], packed=name in storage.packed)
    return LevelMap(name=name, shape=shape, lo=levels.lo, hi=levels.hi, banks=1, pixel=pixel, axes=axes)


def leaving_words(arriving: Words, stage: Stage, simulator: Simulator) -> Words:
    """The words that leave a core: those that are carried past it, then those of its own in their order."""
    carried = arriving.kept(stage.leaving)
    maps = tuple(dict.fromkeys((*arriving.maps, *stage.leaving)))
    numbers, places = [carried.number], [carried.place]
    for runner in simulator.passes:
        if runner.name in stage.leaving:
            written = _written(runner, simulator.tables)
            numbers.append(np.full(len(written), maps.index(runner.name)))
            places.append(written)
    return Words(maps=maps, number=np.concatenate(numbers), place=np.concatenate(places))


def runs_of(stage: Stage, simulator: Simulator) -> Runs | None:
    """The runs of a core; None where nothing that it writes leaves it."""
    joined: list[list[int]] = []
    for runner in simulator.passes:
        if runner.is_readout:
            continue
        count, sent = len(runner.writes.order), int(runner.name in stage.leaving)
        if joined and joined[-1][1] == sent:
            joined[-1][0] += count
        else:
            joined.append([count, sent])
    if not any(sent for _, sent in joined):
        return None
    return Runs(counts=tuple(count for count, _ in joined), sent=tuple(sent for _, sent in joined))


def _written(runner: PassRunner, tables: Tables) -> Ints:
    """The words of a map in the order in which a pass writes them."""
    depth = tables.widths.map_words
    places = row_places(tables.maps[runner.name], depth)
    order = np.argsort(places)
    keys = runner.writes.banks * depth + runner.writes.addresses
    return np.asarray(order[np.searchsorted(places, keys, sorter=order)])


def row_places(level_map: LevelMap, depth: int) -> Ints:
    """bank * depth + address of every word of a map, row by row."""
    rows = range(level_map.shape[1])
    starts = np.array([level_map.bank(row) * depth + level_map.address(row) for row in rows])
    return np.asarray((starts[:, None] + np.arange(level_map.pitch)).reshape(-1))


def link_table(words: Words, stage: Stage, tables: Tables) -> Memory:
    """Where the core of a stage puts each word that arrives, and whether the word goes on."""
    widths = tables.widths
    banks, addresses = np.zeros(len(words), dtype=np.int64), np.zeros(len(words), dtype=np.int64)
    for name in stage.stored:
        chosen = words.those_of((name,))
        places = row_places(tables.maps[name], widths.map_words)[words.place[chosen]]
        banks[chosen], addresses[chosen] = np.divmod(places, widths.map_words)
    fields = (
        Field("keep", 1),
        Field("forward", 1),
        Field("bank", widths.bank_bits),
        Field("address", widths.map_address),
    )
    columns = {
        "keep": words.those_of(stage.stored),
        "forward": words.those_of(stage.leaving),
        "bank": banks,
        "address": addresses,
    }
    return memory("arrivals", fields, columns)
