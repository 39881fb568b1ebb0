"""`ports.h` and `golden.h`: what goes in and out as C++ constants, with no name of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from snncc_backends.fpga.hls.places import Places, result_words
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.graph import Graph
from snncc_ir.tensors import Ints

INPUT_FIELDS = "std::int32_t channels, rows, columns, pixel, step, pitch, base;"
OUTPUT_FIELDS = "bool readout; std::int32_t bank, word, lane;"


def ports_header(graph: Graph, tables: Tables, outputs: Mapping[str, Places]) -> bytes:
    """How long an image and its outputs are, and where inputs and outputs lie."""
    body = [f"constexpr int {name} = {value};" for name, value in _sizes(graph, tables, outputs).items()]
    return _header("SNNCC_PORTS_H", [*body, *_inputs(graph, tables), *_outputs(outputs)])


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


def _sizes(graph: Graph, tables: Tables, outputs: Mapping[str, Places]) -> dict[str, int]:
    return {
        "INPUTS": len(graph.inputs),
        "IMAGE": sum(int(np.prod(graph.levels(node.name).shape)) for node in graph.inputs),
        "OUTPUTS": sum(place.word.size for place in outputs.values()),
        "RESULT_WORDS": result_words(tables),
    }


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
