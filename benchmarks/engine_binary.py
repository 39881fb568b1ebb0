"""One-bit weights on levels 0 and 1 in the native engine: how fast, and where bits are faster than bytes.

    python benchmarks/engine_binary.py layers DATA      the layers of cnv_w1a1, and their share of the peak
    python benchmarks/engine_binary.py shapes           layers of 16 x 16 positions

`layers` takes the difference of the network up to a layer and up to the one before. The peak is measured in
the same run: exclusive or, count and sum on registers. `shapes` prints how many times as long the same layer
takes with 8-bit weights of the same signs, which are multiplied as bytes; conversions from and to bytes,
copies in and out and the counting of spikes are included, as in a network of this one layer. From 16 inputs
on the engine takes the bits. Batch 64, one thread, least processor times of rounds in turn.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from engine import PEAK_ROUNDS, TRAINED, compiled, interleaved, products

from snncc import dataset
from snncc.sim.native.levels import NativeEngine
from snncc.sim.native.library import native
from snncc_ir.costs import Counter
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Conv, Input, MaxPool, Population, Readout
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels

INPUTS, OUTPUTS, KERNELS = (3, 8, 16, 32, 64, 128, 256), (8, 16, 32, 64, 256), (3, 1)
SIZE, BATCH, ROUNDS = 16, 64, 7


def layer(inputs: int, outputs: int, kernel: int, bits: int) -> Graph:
    """One layer whose weights have the same signs at any number of bits."""
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 1], (outputs, inputs, kernel, kernel))
    values = signs if bits == 1 else signs * rng.integers(2, 128, signs.shape)
    pad = (kernel // 2, kernel // 2)
    ones, zeros = Tensor.integer([1] * outputs), Tensor.integer([0] * outputs)
    nodes = (
        Input(name="x", type=Levels((inputs, SIZE, SIZE), 0, 1)),
        Conv(name="c", source="x", weight=Tensor.integer(values, bits), padding=(pad, pad)),
        Population(
            name="p", drives=("c",), neuron=Staircase(theta=ones, bias=Bias(values=zeros), lo=0, hi=1)
        ),
    )
    return Graph(name="layer", nodes=nodes, outputs=("p",))


def ratio(inputs: int, outputs: int, kernel: int) -> float:
    """Time with 8 bits over time with one."""
    x = np.random.default_rng(1).integers(0, 2, (BATCH, inputs, SIZE, SIZE)).astype(np.uint8)
    graphs = [layer(inputs, outputs, kernel, bits) for bits in (8, 1)]
    engines = [NativeEngine(graph, workers=1, counter=Counter(graph)) for graph in graphs]
    eight, one = interleaved([partial(engine.run_counted, {"x": x}) for engine in engines], ROUNDS)
    return min(eight) / min(one)


def shapes() -> None:
    """Print a table for each kernel size."""
    for kernel in KERNELS:
        print(f"{kernel} x {kernel}, inputs by outputs" + "".join(f"{outputs:8}" for outputs in OUTPUTS))
        for inputs in INPUTS:
            found = "".join(f"{ratio(inputs, outputs, kernel):8.2f}" for outputs in OUTPUTS)
            print(f"{inputs:24}{found}", flush=True)


def bit_peak() -> float:
    """Products of bits per second in registers; 0 where the kernels have no such loop."""
    found = native()
    peak = found.library.snncc_bit_peak
    peak.argtypes, peak.restype = (ctypes.c_char_p, ctypes.c_int64), ctypes.c_uint64
    best = 0.0
    for _ in range(ROUNDS):
        start = time.process_time()
        made = peak(found.kernels.encode(), PEAK_ROUNDS // 10)
        best = max(best, made / (time.process_time() - start))
    return best


def heads(graph: Graph) -> list[Graph]:
    """The network up to each population, pool and readout."""
    ends = [i for i, node in enumerate(graph.nodes) if isinstance(node, Population | MaxPool | Readout)]
    return [replace(graph, nodes=graph.nodes[: i + 1], outputs=(graph.nodes[i].name,)) for i in ends]


def layers(data: Path) -> None:
    """Print the time of every layer of the binary network."""
    (net,) = (net for net in TRAINED if net.binary)
    reals = np.ascontiguousarray(net.reals(dataset.load(data / net.data).images[:BATCH]), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        graph = compiled(data, net, Path(folder) / "a.snncc", reals)
    (node,) = graph.inputs
    x = np.random.default_rng(0).integers(node.type.lo, node.type.hi + 1, (BATCH, *node.type.shape))
    found = heads(graph)
    engines = [NativeEngine(head, workers=1, counter=Counter(head)) for head in found]
    times = interleaved([partial(engine.run_counted, {node.name: x}) for engine in engines], 8 * ROUNDS)
    report(found, [min(one) / BATCH for one in times], bit_peak())


def report(found: Sequence[Graph], seconds: Sequence[float], peak: float) -> None:
    """Print what each head takes more than the one before; the first layer reads pixels, not bits."""
    print(f"peak of bits: {peak / 1e9:.0f} Gproducts/s")
    print("layer        shape          Mproducts  us/image  Gproducts/s")
    for index, head in enumerate(found):
        made = products(head) - (products(found[index - 1]) if index else 0)
        spent = seconds[index] - (seconds[index - 1] if index else 0)
        shape = "x".join(map(str, head.types[head.outputs[0]].shape))
        speed = f" {made / spent / 1e9:12.0f}" if made > 1e6 and index else ""
        print(f"{head.outputs[0]:12} {shape:14} {made / 1e6:9.2f} {1e6 * spent:9.2f}{speed}")
    made, spent = products(found[-1]) - products(found[0]), seconds[-1] - seconds[0]
    share = f", {made / spent / peak:.1%} of the peak" if peak else ""
    print(f"behind the first: {1e6 * spent:.1f} us/image, {made / spent / 1e9:.0f} Gproducts/s{share}")


def main() -> int:
    """Print one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("layers", "shapes"))
    parser.add_argument("data", type=Path, nargs="?", default=Path())
    chosen = parser.parse_args()
    layers(chosen.data) if chosen.what == "layers" else shapes()
    return 0


if __name__ == "__main__":
    sys.exit(main())
