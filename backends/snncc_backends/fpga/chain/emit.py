"""The emitted files of a chain: every core's tables and kernel in a folder, the Verilog, what it must do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from snncc_backends.fpga.chain.board import board_files
from snncc_backends.fpga.chain.estimate import chain_estimate, chain_memories
from snncc_backends.fpga.chain.links import Words
from snncc_backends.fpga.chain.refusals import checked_chain
from snncc_backends.fpga.chain.run import ChainRun, run_chain
from snncc_backends.fpga.chain.tables import Chain, ChainCore
from snncc_backends.fpga.chain.verilog import chain_files, folder_of
from snncc_backends.fpga.emit import FOLDER, map_entry, parameters, pass_entry, trace_digest
from snncc_backends.fpga.hls.emit import hls_files
from snncc_ir.graph import Graph
from snncc_ir.machine import Machine
from snncc_ir.nodes import Readout
from snncc_ir.tensors import Ints

FORMAT = "snncc-fpga-chain/1"


def emit_chain_files(graph: Graph, machine: Machine, golden: Mapping[str, Ints]) -> dict[str, bytes]:
    """The files of a phased integer graph on a machine's cores, by path relative to the artefact."""
    chain = checked_chain(graph, machine)
    run = run_chain(chain, golden, trace=True)
    content = {**chain_files(chain), **board_files(chain), **_kernels(chain, {**golden, **run.values})}
    manifest = json.dumps(_manifest(machine, chain, run, content), indent=1, allow_nan=False)
    found = {**content, "manifest.json": manifest.encode() + b"\n"}
    return {f"{FOLDER}/{name}": data for name, data in found.items()}


def _kernels(chain: Chain, values: Mapping[str, Ints]) -> dict[str, bytes]:
    """The HLS kernel of every core with its golden images, in the core's folder."""
    return {
        f"{folder_of(number)}/{name}": data
        for number, core in enumerate(chain.cores)
        for name, data in hls_files(
            core.stage.graph, core.tables, {name: values[name] for name in core.stage.stored}
        ).items()
    }


def _manifest(machine: Machine, chain: Chain, run: ChainRun, content: Mapping[str, bytes]) -> dict[str, Any]:
    cores = [_core(chain, run, number) for number in range(len(chain.cores))]
    return {
        "format": FORMAT,
        "core": "chain",
        "network": chain.graph.name,
        "chip": machine.name,
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(content.items())
        },
        "block_memories": chain_memories(chain),
        "estimate": asdict(chain_estimate(chain)),
        "inputs": [node.name for node in chain.graph.inputs],
        "arriving": _stream(chain.cores[0].link.words),
        "leaving": _stream(chain.leaving),
        "cores": cores,
        "outputs": {name: _output(chain, name) for name in chain.graph.outputs},
        "expected": {
            "intervals": run.times.intervals.tolist(),
            "latency": run.spans.alone.tolist(),
            "starts": run.times.starts.tolist(),
        },
    }


def _core(chain: Chain, run: ChainRun, number: int) -> dict[str, Any]:
    core, spent = chain.cores[number], run.pass_cycles[number].mean(axis=0)
    tables = core.tables
    return {
        "folder": folder_of(number),
        "lanes": tables.widths.lanes,
        "parameters": parameters(tables),
        "memories": {name: {"words": m.words, "bits": m.bits} for name, m in core.memories.items()},
        "link": {"words": len(core.link.words), **asdict(core.link.format)},
        "inputs": [node.name for node in core.stage.graph.inputs],
        "maps": {name: map_entry(tables, name) for name in tables.maps},
        "passes": [pass_entry(item, float(mean)) for item, mean in zip(tables.passes, spent, strict=True)],
        "expected": {
            "cycles": run.spans.work[:, number].tolist(),
            "trace_sha256": trace_digest(run.traces[number]),
        },
    }


def _stream(words: Words) -> list[dict[str, Any]]:
    """Runs of words that cross a link one after another: from word `first` of a map on, `count` of them."""
    breaks = np.flatnonzero((np.diff(words.number) != 0) | (np.diff(words.place) != 1)) + 1
    places = [0, *breaks.tolist(), len(words)] if len(words) else []
    return [
        {"map": words.maps[words.number[a]], "first": int(words.place[a]), "count": b - a}
        for a, b in pairwise(places)
    ]


def _output(chain: Chain, name: str) -> dict[str, Any]:
    """Which core gives an output, and its words there; levels leave behind the last core."""
    if not isinstance(chain.graph.by_name[name], Readout):
        return {"leaving": True}
    for number, core in enumerate(chain.cores):
        place = _results(core, name)
        if place is not None:
            return {"core": number, **place}
    raise ValueError(f"no core computes {name}")


def _results(core: ChainCore, name: str) -> dict[str, Any] | None:
    first = 0
    for item in core.tables.passes:
        task = item.split.task
        if task.name == name:
            return {"results": first, "shape": list(task.shape), "rows": item.split.slots}
        first += item.results
    return None


def chain_figures(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Cycles between the golden images, latency, each core's share of the time, and the estimate."""
    interval = float(np.mean(manifest["expected"]["intervals"]))
    clock = manifest["estimate"]["fmax_mhz"]
    return {
        "chain": [_core_figures(core, interval) for core in manifest["cores"]],
        "cycles": round(interval, 1),
        "latency": round(float(np.mean(manifest["expected"]["latency"])), 1),
        "images_per_second": round(clock * 1e6 / interval, 1),
        **manifest["estimate"],
    }


def _core_figures(core: Mapping[str, Any], interval: float) -> dict[str, Any]:
    cycles = float(np.mean(core["expected"]["cycles"]))
    return {
        "lanes": core["lanes"],
        "computes": [item["name"] for item in core["passes"]],
        "cycles": round(cycles, 1),
        "works": round(cycles / interval, 4),
    }
