"""A chain in Verilator: images in, back to back; every written word of every core with its cycle out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc_backends.fpga.bench import SECONDS, bench_sources, first_row
from snncc_backends.fpga.chain.run import ChainRun, words_on_link
from snncc_backends.fpga.chain.tables import Chain, ChainCore
from snncc_backends.fpga.chain.verilog import chain_design
from snncc_backends.fpga.planning.maps import WORD
from snncc_backends.fpga.simulator.cycles import Trace
from snncc_backends.tools.found import Tool
from snncc_backends.tools.run import run_tool, write_files
from snncc_backends.tools.verilator import build_model
from snncc_ir.errors import ToolError
from snncc_ir.tensors import Ints

SLACK = 64
"""Cycles that the chain runs beyond the last one in which anything should happen."""


def run_chain_verilog(
    verilator: Tool,
    compiler: Tool,
    chain: Chain,
    images: Mapping[str, Ints],
    cycles: int,
    folder: Path,
    optimisation: str = "-O2",
) -> tuple[Trace, ...]:
    """Every word that each core writes in `cycles` cycles, and last those that leave, as in `written_words`.

    Raises ToolError where a tool fails or the chain breaks an invariant.
    """
    sources = {**bench_sources("chain_bench.cpp"), "parameters.h": _header(chain)}
    design = chain_design(chain, "SNNCC_CHECK")
    build_model(verilator, compiler, design, sources, folder, optimisation=optimisation)
    words = input_stream(chain, images)
    head = np.array([words.shape[0] * words.shape[1], WORD], dtype="<i4").tobytes()
    write_files(folder, {"images.bin": head + np.ascontiguousarray(words, dtype="<i4").tobytes()})
    simulation = Tool(name="the Verilog", command=(str(folder / "simulation"),))
    run_tool(simulation, folder, "images.bin", "trace.bin", str(cycles + SLACK), seconds=SECONDS)
    return _read(chain, (folder / "trace.bin").read_bytes())


def written_words(chain: Chain, run: ChainRun, images: Mapping[str, Ints]) -> tuple[Trace, ...]:
    """Every word that each core writes in a run with its cycle in the chain, and last those that leave it."""
    found = []
    for number, traces in enumerate(run.traces):
        starts = run.times.starts[:, number]
        levels = [_later(trace.levels, start) for trace, start in zip(traces, starts, strict=True)]
        results = [_later(trace.results, start) for trace, start in zip(traces, starts, strict=True)]
        found.append(Trace(levels=np.concatenate(levels), results=np.concatenate(results)))
    return (*found, _leaving(chain, run, images))


def _leaving(chain: Chain, run: ChainRun, images: Mapping[str, Ints]) -> Trace:
    """Rows (cycle, 0, 0, levels) of the words that leave the chain."""
    arriving = input_stream(chain, images)
    for core, traces in zip(chain.cores, run.traces, strict=True):
        carried = arriving[:, core.link.words.those_of(core.stage.leaving)]
        arriving = np.concatenate([carried, _sent(core, traces)[..., 3:]], axis=1)
    last = chain.cores[-1]
    starts = run.times.starts[:, -1:]
    turns = np.flatnonzero(last.link.words.those_of(last.stage.leaving))
    rows = np.zeros((*arriving.shape[:2], 3 + WORD), dtype=np.int32)
    rows[..., 3:] = arriving
    rows[:, : len(turns), 0] = starts - len(last.link.words) + turns
    rows[:, len(turns) :, 0] = _sent(last, run.traces[-1])[..., 0] + starts + 1
    return Trace(levels=rows.reshape(-1, 3 + WORD), results=np.zeros((0, 3), dtype=np.int64))


def _sent(core: ChainCore, traces: Sequence[Trace]) -> NDArray[np.int32]:
    """`[I, words, 11]`: what a core writes of the words that leave it."""
    rows = np.stack([trace.levels for trace in traces])
    if core.runs is None:
        return rows[:, :0]
    return rows[:, np.repeat(core.runs.sent, core.runs.counts).astype(bool)]


def input_stream(chain: Chain, images: Mapping[str, Ints]) -> Ints:
    """`[I, words, 8]`: what the host sends."""
    return words_on_link(chain, chain.cores[0].link.words, images)


def _later(rows: NDArray[Any], start: int) -> NDArray[Any]:
    """The same words `start` cycles later."""
    moved = rows.copy()
    moved[:, 0] += start
    return moved


def _header(chain: Chain) -> bytes:
    """parameters.h."""
    cores = []
    for number, core in enumerate(chain.cores):
        widths = core.tables.widths
        cores.append(
            f"X({number}, {widths.groups}, {widths.level}, {widths.signed_levels}, {widths.potential})"
        )
    lines = [
        f"#define SNNCC_HOST_BITS {chain.cores[0].link.format.bits}",
        f"#define SNNCC_EACH_CORE(X) {' '.join(cores)}",
    ]
    if chain.leaving_format is not None:
        lines.append(f"#define SNNCC_LEAVING_BITS {chain.leaving_format.bits}")
        lines.append(f"#define SNNCC_LEAVING_SIGNED {int(chain.leaving_format.signed)}")
    return "\n".join((*lines, "")).encode("ascii")


def _read(chain: Chain, data: bytes) -> tuple[Trace, ...]:
    values = (*(core.tables.widths.groups for core in chain.cores), 1)
    found, at = [], 0
    try:
        for count in values:
            words, results = np.frombuffer(data, "<i4", 2, at).tolist()
            levels = np.frombuffer(data, "<i4", words * (3 + WORD), at + 8).reshape(words, 3 + WORD)
            at += 8 + levels.nbytes
            rows = np.frombuffer(data, "<i8", results * (2 + count), at).reshape(results, 2 + count)
            at += rows.nbytes
            found.append(Trace(levels=levels, results=rows))
    except ValueError as error:
        raise ToolError(f"the simulation wrote a damaged trace ({error})") from error
    return tuple(found)


def first_chain_difference(found: Sequence[Trace], wanted: Sequence[Trace]) -> str:
    """Where the Verilog departs first from the simulator, in words; empty where they agree."""
    for number, (got, expected) in enumerate(zip(found, wanted, strict=True)):
        difference = first_row(got, expected)
        if difference:
            return f"core {number}, {difference}" if number + 1 < len(wanted) else f"leaving, {difference}"
    return ""
