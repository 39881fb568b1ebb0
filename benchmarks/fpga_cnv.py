"""CNV W1A1 on binary lanes: cycles, estimate, and all executions of a few images compared word by word.

The network was trained on round((2 x / 255 - 1) 128) / 128 of a pixel x. Twice: on pixels 0..255 as they are,
with their normalisation to -1..1 in the first layer's biases; and on that grid itself, levels -128..128.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.options import CompileOptions, PixelScaling
from snncc.sim.evaluate import evaluate_images
from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.estimate import estimate
from snncc_backends.fpga.hls.emit import hls_files
from snncc_backends.fpga.hls.simulate import build_csim, run_csim
from snncc_backends.fpga.rtl import run_verilog
from snncc_backends.fpga.simulator.count import CycleCounter
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.compiler import find_compiler
from snncc_backends.tools.found import need
from snncc_backends.tools.verilator import find_verilator
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.progress import silent
from snncc_ir.semantics import evaluate

CYCLES = {32: 48_000, 64: 24_000}
"""Cycles of an image at most, by lanes."""

IMAGES = 3
"""Images that are run in the Verilog and in the kernel."""

CLOCK = 100e6
FINN = "FINN's CNV W1A1 at 100 MHz, as published: 2,417 images/s, 20,607 LUTs (AMD, 6 inputs)"

Images = dict[str, np.ndarray]


def cnv(data: Path) -> bool:
    """True where no count is too high and all executions are equal."""
    kept = _network(data, "pixels", *pixel_network(data))
    kept &= _network(data, "the grid", *grid_network(data))
    print(f"beside {FINN}")
    return kept


def pixel_network(data: Path) -> tuple[Graph, np.ndarray]:
    """The network on pixels, and images for it."""
    half = (0.5, 0.5, 0.5)
    graph = _compiled(data, data / "cifar10.npz", PixelScaling(scale=255.0, mean=half, std=half))
    found = dataset.load(data / "cifar10.npz")
    return graph, dataset.fit(found.images, format_of(graph.inputs[0]).levels.shape, found.path)


def grid_network(data: Path) -> tuple[Graph, np.ndarray]:
    """The network on its own grid, and images for it."""
    pixels = dataset.load(data / "cifar10.npz").images.transpose(0, 3, 1, 2).astype(np.float64)
    reals = (np.rint((2 * pixels / 255 - 1) * 128) / 128).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "grid.npz", images=reals)
        return _compiled(data, Path(folder) / "grid.npz", PixelScaling()), reals


def _network(data: Path, what: str, graph: Graph, images: np.ndarray) -> bool:
    form, labels = format_of(graph.inputs[0]), dataset.load(data / "cifar10.npz").labels
    accuracy = evaluate_images(graph, form, images, "levels", silent).accuracy(labels)
    print(f"CNV W1A1 on {what}, {len(images)} images: accuracy {accuracy:.2%}")
    batch = {graph.inputs[0].name: form.to_levels(images[:IMAGES]).astype(np.int64)}
    kept = [_lanes(graph, batch, lanes, most) for lanes, most in CYCLES.items()]
    return all(kept)


def _compiled(data: Path, calibrate: Path, pixels: PixelScaling) -> Graph:
    with tempfile.TemporaryDirectory() as folder:
        out, lanes = Path(folder) / "a.snncc", min(CYCLES)
        options = CompileOptions(output=out, target="fpga", lanes=lanes, calibrate=calibrate, pixels=pixels)
        compile_model(data / "models" / "cnv_w1a1_cifar10.onnx", options)
        return artefact.read(out).graph


def _lanes(graph: Graph, batch: Images, lanes: int, most: int) -> bool:
    tables = build_tables(graph, lanes)
    counted = CycleCounter(tables).count(evaluate(graph, batch)).cycles
    cycles, luts = int(counted.max()), estimate(tables).luts
    verdict = "kept" if cycles <= most else "MISSED"
    print(f"  P = {lanes}: {cycles:,} cycles an image, at most {most:,}: {verdict}")
    print(f"    {CLOCK / cycles:,.0f} images/s at 100 MHz; estimate {luts:,} LUTs (ECP5, 4 inputs)")
    difference = _difference(graph, tables, batch, counted)
    print(f"    {IMAGES} images in reference, simulator, kernel and Verilog: {difference or 'all equal'}")
    return cycles <= most and not difference


def _difference(graph: Graph, tables: Tables, batch: Images, counted: np.ndarray) -> str:
    """The first difference in words; empty where every level, word and cycle is equal."""
    run, expected = Simulator(tables).run(batch, trace=True), evaluate(graph, batch)
    for name, values in run.values.items():
        if not np.array_equal(values.reshape(expected[name].shape), expected[name]):
            return f"the simulator's {name} is not the reference's"
    if not np.array_equal(run.cycles, counted):
        return "the closed form counts other cycles"
    compiler = need(find_compiler())
    with tempfile.TemporaryDirectory() as name:
        program = build_csim(compiler, hls_files(graph, tables, batch), Path(name))
        words = run_csim(program, graph, tables, batch)
    for image, trace in enumerate(run.traces):
        same = np.array_equal(words.levels[image], trace.levels[:, 1:])
        if not (same and np.array_equal(words.results[image], trace.results[:, 1:])):
            return f"the kernel writes other words for image {image}"
    with tempfile.TemporaryDirectory() as name:
        found = run_verilog(need(find_verilator()), compiler, tables, batch, Path(name))
    return first_difference(found, run.traces, run.cycles)
