"""tables.h: the tables as C++ arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snncc_backends.fpga.tables.memory import Memory
from snncc_backends.fpga.tables.program import PassProgram
from snncc_backends.fpga.tables.tables import PARAMETERS, Tables

HEAD = """// The tables of docs/fpga.md as C++ arrays; the same numbers as the *.mem files.
#pragma once
#include <cstdint>

namespace snncc {

"""

STRUCTS = {
    "row_windows": "RowWindow",
    "row_visits": "RowVisit",
    "col_windows": "ColWindow",
    "col_words": "ColWord",
    "out_rows": "OutRow",
}


def tables_header(tables: Tables) -> bytes:
    """Parameters and arrays in namespace `snncc`."""
    lines = [HEAD]
    lines += [
        f"constexpr int {name} = {getattr(tables.widths, field)};\n" for name, field in PARAMETERS.items()
    ]
    lines += [f"constexpr int PASSES = {len(tables.passes)};\n\n"]
    for name, struct in STRUCTS.items():
        lines += _records(tables.memories[name], struct)
    lines += _passes(tables.memories["passes"])
    lines += _weights(tables.memories["weights"])
    lines += _bits(tables)
    lines += _neurons(tables.memories["neurons"])
    lines += _breaks(tables)
    return "".join([*lines, "}  // namespace snncc\n"]).encode()


def _records(memory: Memory, struct: str) -> Iterator[str]:
    members = " ".join(
        f"std::{'int32_t' if field.signed else 'uint32_t'} {field.name};" for field in memory.fields
    )
    yield f"struct {struct} {{ {members} }};\n"
    columns = [_kept(memory, field.name)[:, 0].tolist() for field in memory.fields]
    yield f"constexpr {struct} {memory.name}[{memory.words}] = {{\n"
    yield from (f"{{{', '.join(map(str, row))}}},\n" for row in zip(*columns, strict=True))
    yield "};\n\n"


def _kept(memory: Memory, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """A field as it is read back: wrapped fields have their low bits only."""
    field = next(field for field in memory.fields if field.name == name)
    return field.decode(field.encode(memory.values[name]))


def _passes(memory: Memory) -> Iterator[str]:
    words = memory.values["word"].reshape(-1, 16).tolist()
    yield "constexpr std::uint32_t passes[PASSES][16] = {\n"
    yield from (f"{{{', '.join(f'{word}u' for word in row)}}},\n" for row in words)
    yield "};\n\n"


def _weights(memory: Memory) -> Iterator[str]:
    """The slots as they are packed: the lanes of a word, then the next word."""
    yield "constexpr std::uint8_t weights[WEIGHT_WORDS][P] = {\n"
    yield from (f"{{{','.join(map(str, row))}}},\n" for row in memory.values["slot"].tolist())
    yield "};\n\n"


def _bits(tables: Tables) -> Iterator[str]:
    """The weights of the binary lanes, 64 a word."""
    if not tables.widths.binary:
        yield "constexpr std::uint64_t bit_weights[1][1] = {{0}};\n\n"
        return
    memory = tables.memories["bit_weights"]
    words = memory.values["byte"].astype(np.uint8).view("<u8")
    yield "constexpr std::uint64_t bit_weights[BIT_WORDS][P] = {\n"
    yield from (f"{{{','.join(f'{word}u' for word in row)}}},\n" for row in words.tolist())
    yield "};\n\n"


def _neurons(memory: Memory) -> Iterator[str]:
    yield "struct Neuron { std::uint32_t theta; std::int32_t bias; };\n"
    yield "constexpr Neuron neurons[NEURON_WORDS][P / 8] = {\n"
    thetas, biases = memory.values["theta"].tolist(), memory.values["bias"].tolist()
    for theta, bias in zip(thetas, biases, strict=True):
        groups = ",".join(f"{{{t}u,{b}}}" for t, b in zip(theta, bias, strict=True))
        yield f"{{{groups}}},\n"
    yield "};\n\n"


def _breaks(tables: Tables) -> Iterator[str]:
    """`breaks[group][row * 2**STEPS + q]`, the correction of q, and the row of every neuron word."""
    widths = tables.widths
    if not widths.table_rows:
        yield "constexpr std::uint32_t table_rows[1] = {0};\nconstexpr std::int32_t breaks[1][1] = {{0}};\n\n"
        return
    rows = tables.memories["table_rows"].values["row"][:, 0].tolist()
    yield f"constexpr std::uint32_t table_rows[NEURON_WORDS] = {{{','.join(map(str, rows))}}};\n"
    found = PassProgram(tables.memories, widths, 0).breaks.reshape(widths.groups, -1)
    yield f"constexpr std::int32_t breaks[P / 8][{found.shape[1]}] = {{\n"
    yield from (f"{{{','.join(map(str, group))}}},\n" for group in found.tolist())
    yield "};\n\n"
