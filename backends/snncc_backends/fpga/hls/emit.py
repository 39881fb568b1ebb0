"""The files of the HLS kernel: fixed C++, and headers that hold all that varies."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from snncc_backends.fpga.hls.arrays import tables_header
from snncc_backends.fpga.hls.header import golden_header, ports_header
from snncc_backends.fpga.hls.places import output_places
from snncc_backends.fpga.tables.tables import Tables
from snncc_ir.graph import Graph
from snncc_ir.semantics import evaluate
from snncc_ir.tensors import Ints

FIXED = ("kernel.h", "kernel.cpp", "csim.cpp", "build_prj.tcl")


def hls_files(graph: Graph, tables: Tables, golden: Mapping[str, Ints]) -> dict[str, bytes]:
    """The kernel, its tables, and a C simulation that checks itself on `golden[name][N, *shape]`."""
    folder = files("snncc_backends.fpga.hls") / "templates"
    fixed = {name: folder.joinpath(name).read_bytes() for name in FIXED}
    outputs = output_places(graph, tables)
    values = evaluate(graph, golden)
    wanted = np.concatenate([values[name].reshape(len(values[name]), -1) for name in outputs], axis=1)
    return {
        **fixed,
        "ports.h": ports_header(graph, tables, outputs),
        "tables.h": tables_header(tables),
        "golden.h": golden_header(flat_images(graph, tables, golden), wanted),
    }


def flat_images(graph: Graph, tables: Tables, images: Mapping[str, Ints]) -> Ints:
    """`[N, levels]`: the inputs of every image one after another, as the kernel takes them."""
    return np.concatenate(
        [
            tables.maps[node.name].stored(images[node.name]).reshape(len(images[node.name]), -1)
            for node in graph.inputs
        ],
        axis=1,
    )
