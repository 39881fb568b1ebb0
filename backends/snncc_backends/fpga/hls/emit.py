"""The files of the HLS kernel: fixed C++, and headers that hold all that varies."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from snncc_backends.fpga.header import tables_header
from snncc_backends.fpga.hls.header import golden_header, ports_header
from snncc_backends.fpga.hls.places import output_places
from snncc_backends.fpga.tables import Tables
from snncc_ir.graph import Graph
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Ints

FIXED = ("kernel.h", "kernel.cpp", "csim.cpp", "build_prj.tcl")
RANDOM_IMAGES = 2


def hls_files(graph: Graph, tables: Tables) -> dict[str, bytes]:
    """The kernel, its tables, and a C simulation that checks itself against the reference."""
    folder = files("snncc_backends.fpga.hls") / "templates"
    fixed = {name: folder.joinpath(name).read_bytes() for name in FIXED}
    outputs = output_places(graph, tables)
    images = golden_images(graph)
    values = evaluate(graph, images)
    wanted = np.concatenate([values[name].reshape(len(values[name]), -1) for name in outputs], axis=1)
    return {
        **fixed,
        "ports.h": ports_header(graph, tables, outputs),
        "tables.h": tables_header(tables),
        "golden.h": golden_header(flat_images(graph, images), wanted),
    }


def golden_images(graph: Graph) -> dict[str, Ints]:
    """Inputs that need no data: the extremes and random levels, always the same."""
    rng = np.random.default_rng(0)
    found = {}
    for node in graph.inputs:
        levels = graph.levels(node.name)
        ends = [np.full((1, *levels.shape), end) for end in (levels.lo, levels.hi)]
        draws = rng.integers(levels.lo, levels.hi + 1, (RANDOM_IMAGES, *levels.shape))
        found[node.name] = np.concatenate([*ends, draws])
    return found


def flat_images(graph: Graph, images: dict[str, Ints]) -> Ints:
    """`[N, levels]`: the inputs of every image one after another, as the kernel takes them."""
    return np.concatenate(
        [images[node.name].reshape(len(images[node.name]), -1) for node in graph.inputs], axis=1
    )
