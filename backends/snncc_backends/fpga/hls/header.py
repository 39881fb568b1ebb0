"""`tables.h` and `golden.h`: tables and test vectors as C++ constants, with no name of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from snncc_backends.fpga.hls.places import Places, result_words
from snncc_backends.fpga.memory import Field, Memory
from snncc_backends.fpga.tables import Tables
from snncc_ir.graph import Graph
from snncc_ir.tensors import Ints

STRUCTS = {
    "passes": "PassWord",
    "row_windows": "RowWindow",
    "row_visits": "RowVisit",
    "col_windows": "ColWindow",
    "col_words": "ColWord",
    "out_rows": "OutRow",
    "weights": "WeightSlot",
    "neurons": "Neuron",
}
"""The record of every memory."""

INPUT_FIELDS = "std::int32_t channels, rows, columns, pixel, step, pitch, base;"
OUTPUT_FIELDS = "bool readout; std::int32_t bank, word, lane;"


def tables_header(graph: Graph, tables: Tables, outputs: Mapping[str, Places]) -> bytes:
    """All memories, the widths that they are read with, and where inputs and outputs lie."""
    body = [f"constexpr int {name} = {value};" for name, value in _constants(graph, tables, outputs).items()]
    signed = "true" if tables.widths.signed_levels else "false"
    body.append(f"constexpr bool SIGNED_LEVELS = {signed};")
    for memory in tables.memories.values():
        body += _memory(memory)
    body += _inputs(graph, tables)
    body += _outputs(outputs)
    return _header("SNNCC_TABLES_H", body)


def golden_header(images: Ints, outputs: Ints) -> bytes:
    """`images[N, levels]` with the `outputs[N, values]` that they must give."""
    body = [
        f"constexpr int GOLDEN = {len(images)};",
        f"constexpr std::int16_t golden_images[GOLDEN][IMAGE] = {_braces(images)};",
        f"constexpr std::int64_t golden_outputs[GOLDEN][OUTPUTS] = {_braces(outputs)};",
    ]
    return _header("SNNCC_GOLDEN_H", body)


def _header(guard: str, body: Iterable[str]) -> bytes:
    lines = (
        *(f"#ifndef {guard}", f"#define {guard}", "", "#include <cstdint>", "", "namespace snncc {", ""),
        *body,
        *("", "}  // namespace snncc", "", "#endif", ""),
    )
    return "\n".join(lines).encode("ascii")


def _constants(graph: Graph, tables: Tables, outputs: Mapping[str, Places]) -> dict[str, int]:
    widths = tables.widths
    return {
        "LANES": widths.lanes,
        "LEVEL_BITS": widths.level,
        "WEIGHT_BITS": widths.weight,
        "POTENTIAL_BITS": widths.potential,
        "THETA_BITS": widths.theta,
        "FIRE_STEPS": widths.fire_steps,
        "MAP_ADDRESS_BITS": widths.map_address,
        "WEIGHT_ADDRESS_BITS": widths.weight_address,
        "MAP_WORDS": widths.map_words,
        "WEIGHT_WORDS": widths.weight_words,
        "RESULT_WORDS": result_words(tables),
        "PASSES": len(tables.passes),
        "INPUTS": len(graph.inputs),
        "IMAGE": sum(int(np.prod(graph.levels(node.name).shape)) for node in graph.inputs),
        "OUTPUTS": sum(place.word.size for place in outputs.values()),
    }


def _memory(memory: Memory) -> list[str]:
    """The record type and the array of a memory; `[words][repeats]` where a word repeats its fields."""
    struct = STRUCTS[memory.name]
    fields = " ".join(f"{_type(field)} {field.name};" for field in memory.fields)
    values = np.stack([_plain(field, memory.values[field.name]) for field in memory.fields], axis=2)
    is_repeated = memory.name in ("weights", "neurons")
    shape = "".join(f"[{size}]" for size in values.shape[: 2 if is_repeated else 1])
    records = values if is_repeated else values[:, 0]
    return [
        f"struct {struct} {{ {fields} }};",
        f"constexpr {struct} {memory.name}{shape} = {_braces(records)};",
    ]


def _plain(field: Field, values: Ints) -> Ints:
    """What a field holds: wrapping ones their low bits."""
    return field.decode(field.encode(values))


def _type(field: Field) -> str:
    """The C++ type that holds a field; unsigned ones that fit become an int, which mixes with all others."""
    if field.signed:
        bits = next(size for size in (8, 16, 32, 64) if field.bits <= size)
        return f"std::int{bits}_t"
    if field.bits <= 16:
        return "std::uint8_t" if field.bits <= 8 else "std::uint16_t"
    if field.bits < 32:
        return "std::int32_t"
    return "std::uint32_t" if field.bits == 32 else "std::int64_t"


def _inputs(graph: Graph, tables: Tables) -> list[str]:
    maps = [tables.maps[node.name] for node in graph.inputs]
    rows = [[*found.shape, found.pixel, found.step, found.pitch, found.base] for found in maps]
    return [
        f"struct InputMap {{ {INPUT_FIELDS} }};",
        f"constexpr InputMap inputs[INPUTS] = {_braces(np.array(rows))};",
    ]


def _outputs(outputs: Mapping[str, Places]) -> list[str]:
    rows = [
        np.stack([np.full_like(found.word, found.is_readout), found.bank, found.word, found.lane], axis=1)
        for found in outputs.values()
    ]
    return [
        f"struct OutputPlace {{ {OUTPUT_FIELDS} }};",
        f"constexpr OutputPlace outputs[OUTPUTS] = {_braces(np.concatenate(rows))};",
    ]


def _braces(values: Ints) -> str:
    """An array as a C++ initialiser, one line per row."""
    return str(values.tolist()).replace("[", "{").replace("]", "}").replace("}, {", "},\n{")
