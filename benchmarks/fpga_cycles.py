"""Clock cycles of the level core, and how fast they are found.

    python benchmarks/fpga_cycles.py lenet DATA     LeNet-5 shape, random weights, at P = 8, 32 and 64
    python benchmarks/fpga_cycles.py resnet DATA    trained ResNet-8 at P = 64, with its accuracy
    python benchmarks/fpga_cycles.py cnv DATA       CNV W1A1 on binary lanes at P = 32 and 64
    python benchmarks/fpga_cycles.py speed DATA     the cycle simulator against Verilator, ResNet-8, batch 64
    python benchmarks/fpga_cycles.py chain DATA     one core against cores in a row of as many LUTs, ResNet-8

- lenet: 4-bit input and levels, 24 digits, random weights. One bias per layer is set so that the layer's map
  has its share of non-zero levels; two kernels of the first layer fire on blank paper, without which its
  share is out of reach. Shares off by more than 0.02, or more cycles than promised, exit 1.
- resnet: 4-bit levels, 8-bit input, all images; more than 125,000 cycles an image exit 1.
- cnv: more than 48,000 or 24,000 cycles an image, or a word that one execution of three images has and
  another has not, exit 1.
- speed: from pixels to the cycles of every image (levels by the fast engine, then the closed form) at least
  100 times as fast as the Verilog in Verilator, and with the trace kept, every written word with its cycle,
  20 times. One thread each, in turn, medians; start-up and builds are left out; the cycles must be equal.
- chain: images per second by cycles of 64 images and the estimated clock, LUTs by estimate, no device's
  limits. Cores are chosen on the first 8 images; the network's outputs must be those of the fast engine.

DATA holds mnist.npz, cifar10.npz, models/resnet8_cifar10_fp32.onnx and models/cnv_w1a1_cifar10.onnx.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # Verilator has one thread; read when numpy is imported

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from fpga_cnv import cnv

from snncc import artefact, dataset
from snncc.driver import compile_model
from snncc.options import CompileOptions
from snncc.sim.evaluate import evaluate_images
from snncc.sim.levels import LevelEngine
from snncc_backends.chips import load_machine
from snncc_backends.fpga.bench import first_difference
from snncc_backends.fpga.chain.balance import Survey
from snncc_backends.fpga.chain.estimate import chain_estimate
from snncc_backends.fpga.chain.run import run_chain
from snncc_backends.fpga.chain.tables import build_chain
from snncc_backends.fpga.estimate import estimate
from snncc_backends.fpga.rtl import build_simulation, simulate
from snncc_backends.fpga.simulator.count import CycleCounter
from snncc_backends.fpga.simulator.cycles import Simulator
from snncc_backends.fpga.tables.assemble import build_tables
from snncc_backends.fpga.tables.tables import Tables
from snncc_backends.tools.compiler import find_compiler
from snncc_backends.tools.found import need
from snncc_backends.tools.verilator import find_verilator
from snncc_ir.encoding import format_of
from snncc_ir.graph import Graph
from snncc_ir.hardware import Resources
from snncc_ir.linear import drive, wire
from snncc_ir.machine import Goal
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import AnyNode, Conv, Dense, Input, MaxPool, Population, Readout, Reshape
from snncc_ir.progress import silent
from snncc_ir.semantics import fire
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Phased
from snncc_ir.types import Levels

LENET_IMAGES = 24
LENET_CYCLES = {8: 31_300, 32: 9_000, 64: 5_700}
LENET_SHARES = (0.17, 0.47, 0.44, 0.40, 0.44)
"""Non-zero share of the input and of the map of every hidden layer."""
LENET_BLANK = 2
"""Kernels of the first layer that fire on blank paper."""
SHARE_OFF = 0.02
TOP = 15
REACHED = 0.995
"""Share of the non-zero drives that stay below the top level."""

RESNET_LANES, RESNET_CYCLES = 64, 125_000
BATCH, ROUNDS = 64, 5
CHAIN_LANES, CHOSEN = (16, 32, 64, 128, 256), 8
COUNT_FASTER, TRACE_FASTER = 100, 20

Array = np.ndarray


class LeNet:
    """6 and 16 kernels of 5 x 5, each with a 2 x 2 pool, then 120, 84 and 10 neurons, fitted to images."""

    def __init__(self, images: Array) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[AnyNode] = [Input(name="x", type=Levels((1, 28, 28), 0, TOP))]
        self.maps = {"x": images}
        self.last = "x"
        self.conv(6, 2, LENET_SHARES[1], blank=LENET_BLANK)
        self.conv(16, 0, LENET_SHARES[2], blank=0)
        self.wire(Reshape(name="flat", source=self.last, shape=(400,)))
        self.dense(120, LENET_SHARES[3])
        self.dense(84, LENET_SHARES[4])
        self.nodes.append(self.dense_node("logits", 10))
        bias = Bias(values=Tensor.integer(np.zeros(10, dtype=np.int64)))
        self.nodes.append(Readout(name="y", drives=("logits",), bias=bias))
        self.graph = Graph(name="lenet", nodes=tuple(self.nodes), outputs=("y",), timing=Phased())

    @property
    def shares(self) -> list[float]:
        """Non-zero share of every map that the core holds."""
        held = [name for name in self.maps if name == "x" or name.startswith(("pool", "fc"))]
        return [float((self.maps[name] != 0).mean()) for name in held]

    def weights(self, *shape: int) -> Tensor:
        return Tensor.integer(self.rng.integers(-127, 128, shape), 8)

    def wire(self, node: Reshape | MaxPool) -> None:
        self.nodes.append(node)
        self.maps[node.name] = wire(node, self.maps[node.source])
        self.last = node.name

    def conv(self, channels: int, margin: int, share: float, *, blank: int) -> None:
        number = len(self.nodes)
        node = Conv(
            name=f"k{number}",
            source=self.last,
            weight=self.weights(channels, self.maps[self.last].shape[1], 5, 5),
            stride=(1, 1),
            padding=((margin, margin), (margin, margin)),
            dilation=(1, 1),
            groups=1,
        )
        u = drive(node, self.maps[self.last])
        pooled = u.reshape(*u.shape[:2], u.shape[2] // 2, 2, u.shape[3] // 2, 2).max(axis=(3, 5))
        self.population(node, f"conv{number}", u, pooled, share, blank)
        pool = MaxPool(
            name=f"pool{number}",
            source=self.last,
            kernel=(2, 2),
            stride=(2, 2),
            padding=((0, 0), (0, 0)),
        )
        self.wire(pool)

    def dense_node(self, name: str, size: int) -> Dense:
        return Dense(name=name, source=self.last, weight=self.weights(size, self.maps[self.last].shape[1]))

    def dense(self, size: int, share: float) -> None:
        node = self.dense_node(f"d{len(self.nodes)}", size)
        u = drive(node, self.maps[self.last])
        self.population(node, f"fc{len(self.nodes)}", u, u, share)

    def population(
        self, node: Conv | Dense, name: str, u: Array, held: Array, share: float, blank: int = 0
    ) -> None:
        """Neurons whose levels are non-zero in `share` of the held map; one bias and threshold for all.

        The first `blank` channels have a bias that makes them fire without any drive.
        """
        channels = u.shape[1]
        others = held[:, blank:]
        taken = float((held[:, :blank] >= 0).sum()) / held[:, :1].size
        share = (share * channels - taken) / (channels - blank)
        zero = int(np.ceil(np.quantile(others, 1 - share)))
        if (others > zero).mean() < share <= (others >= zero).mean():  # ties: a blank background
            zero += 1
        theta = max(1, int((np.quantile(others[others >= zero], REACHED) - zero) / TOP))
        bias = np.full(channels, theta - theta // 2 - zero)
        bias[:blank] = theta - theta // 2
        neuron = Staircase(
            theta=Tensor.integer(np.full(channels, theta)),
            bias=Bias(values=Tensor.integer(bias)),
            lo=0,
            hi=TOP,
        )
        self.nodes += [node, Population(name=name, drives=(node.name,), neuron=neuron)]
        self.maps[name] = fire(neuron, u)
        self.last = name


def lenet(data: Path) -> bool:
    """Cycles of the LeNet-5 shape."""
    pixels = dataset.load(data / "mnist.npz").images[:LENET_IMAGES]
    net = LeNet((pixels[:, None].astype(np.int64) * TOP + 127) // 255)
    shares = net.shares
    print(f"LeNet-5 shape, {LENET_IMAGES} images; non-zero share per map: {_listed(shares)}")
    kept = all(abs(a - b) <= SHARE_OFF for a, b in zip(shares, LENET_SHARES, strict=True))
    print(f"  wanted {_listed(LENET_SHARES)}, +-{SHARE_OFF}: {_verdict(kept)}")
    for lanes, most in LENET_CYCLES.items():
        tables = build_tables(net.graph, lanes)
        cycles = float(CycleCounter(tables).count(net.maps).cycles.mean())
        kept &= _row(f"P = {lanes}", cycles, most)
    return kept


def _listed(shares: tuple[float, ...] | list[float]) -> str:
    return " ".join(f"{share:.3f}" for share in shares)


def _verdict(kept: bool) -> str:
    return "kept" if kept else "MISSED"


def _row(name: str, cycles: float, most: int) -> bool:
    print(f"  {name:7} {cycles:10,.0f} cycles an image, at most {most:7,}: {_verdict(cycles <= most)}")
    return cycles <= most


def compiled(data: Path) -> tuple[Graph, Array, Array]:
    """ResNet-8 with 4-bit levels for P lanes, the images of DATA as input levels, and their labels."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "a.snncc"
        options = CompileOptions(
            output=out, target="fpga", lanes=RESNET_LANES, calibrate=data / "cifar10.npz", level_bits=4
        )
        compile_model(data / "models" / "resnet8_cifar10_fp32.onnx", options)
        graph = artefact.read(out).graph
    found = dataset.load(data / "cifar10.npz")
    form = format_of(graph.inputs[0])
    return graph, dataset.fit(found.images, form.levels.shape, found.path), found.labels


def counter(graph: Graph, tables: Tables) -> Callable[[Array], Array]:
    """From images to their cycles."""
    (node,) = graph.inputs
    engine = LevelEngine(graph, tuple(name for name in tables.maps if name != node.name), threads=1)
    count = CycleCounter(tables)
    return lambda levels: count.count({node.name: levels, **engine.run({node.name: levels})}).cycles


def resnet(data: Path) -> bool:
    """Cycles and accuracy of the trained network."""
    graph, images, labels = compiled(data)
    form = format_of(graph.inputs[0])
    levels = form.to_levels(images)
    run = counter(graph, build_tables(graph, RESNET_LANES))
    cycles = np.concatenate([run(levels[i : i + BATCH]) for i in range(0, len(levels), BATCH)])
    accuracy = evaluate_images(graph, form, images, None, silent).accuracy(labels)
    print(f"ResNet-8, 4-bit levels, 8-bit input, {len(images)} images: accuracy {accuracy:.2%}")
    return _row(f"P = {RESNET_LANES}", float(cycles.mean()), RESNET_CYCLES)


def speed(data: Path) -> bool:
    """The simulator's speed beside Verilator's."""
    graph, images, _ = compiled(data)
    levels = format_of(graph.inputs[0]).to_levels(images[:BATCH])
    tables = build_tables(graph, RESNET_LANES)
    count, simulator = counter(graph, tables), Simulator(tables)
    batch = {graph.inputs[0].name: levels.astype(np.int64)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_simulation(need(find_verilator()), need(find_compiler()), tables, folder)
        expected, found = simulator.run(batch, trace=True), simulate(tables, batch, folder)
        difference = first_difference(found, expected.traces, expected.cycles)
        same = not difference and np.array_equal(count(levels), found.cycles)
        print(f"ResNet-8, P = {RESNET_LANES}, {BATCH} images: {difference or 'every word and cycle equal'}")
        times = _medians(
            lambda: simulate(tables, batch, folder),
            lambda: count(levels),
            lambda: simulator.run(batch, trace=True),
        )
    print(f"  {'Verilator':20} {times[0]:8.3f} s, {found.cycles.sum() / times[0] / 1e6:.2f} Mcycles/s")
    counted = _ratio("count only", times[0], times[1], COUNT_FASTER)
    traced = _ratio("with the trace", times[0], times[2], TRACE_FASTER)
    return same and counted and traced


def _medians(*runs: Callable[[], object]) -> list[float]:
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for run, record in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            record.append(time.perf_counter() - start)
    return [statistics.median(record) for record in times]


def _ratio(name: str, slow: float, fast: float, least: int) -> bool:
    kept = slow >= least * fast
    print(f"  {name:20} {fast:8.3f} s, {slow / fast:.0f} times as fast, at least {least}: {_verdict(kept)}")
    return kept


def chain(data: Path) -> bool:
    """One core of P lanes, and the best chain that takes no more LUTs than it."""
    graph, images, _ = compiled(data)
    (node,) = graph.inputs
    batch = {node.name: format_of(node).to_levels(images[:BATCH]).astype(np.int64)}
    wanted = LevelEngine(graph, ()).run(batch)
    chosen = {name: x[:CHOSEN] for name, x in batch.items()}
    survey = Survey(graph, replace(load_machine("ecp5-85k"), fabric=None), chosen, CHAIN_LANES[-1])
    start = time.perf_counter()
    survey.build(silent)
    built, same = time.perf_counter() - start, True
    print(f"ResNet-8, {BATCH} images; {len(survey.options)} cores built in {built:.1f} s")
    for lanes in CHAIN_LANES:
        tables = build_tables(graph, lanes)
        expected, cycles = estimate(tables), Simulator(tables).run(batch).cycles.mean()
        print(_line("one core", (lanes,), expected, float(cycles)))
        found = build_chain(graph, survey.choose(Goal(luts=expected.luts)).parts)
        run = run_chain(found, batch)
        same &= all(np.array_equal(run.values[name], wanted[name]) for name in graph.outputs)
        used = tuple(core.tables.widths.lanes for core in found.cores)
        print(_line("chain", used, chain_estimate(found), float(run.times.intervals.mean())))
    print(f"  outputs of all chains: {'equal' if same else 'DIFFERENT'}")
    return same


def _line(name: str, lanes: tuple[int, ...], expected: Resources, cycles: float) -> str:
    rate = (expected.fmax_mhz or 0.0) * 1e6 / cycles
    listed = "+".join(map(str, lanes))
    return f"  {name:8} {listed:26} {expected.luts:7,} LUTs {cycles:9,.0f} cycles {rate:8,.0f} images/s"


RUNS = {"lenet": lenet, "resnet": resnet, "cnv": cnv, "chain": chain, "speed": speed}


def main() -> int:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=RUNS)
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    return 0 if RUNS[given.what](given.data) else 1


if __name__ == "__main__":
    sys.exit(main())
