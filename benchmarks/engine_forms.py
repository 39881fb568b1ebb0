"""Where one-bit weights on levels 0 and 1 are faster as bits than as bytes: the native engine's rule, shape by shape.

    python benchmarks/engine_forms.py

For layers of 16 x 16 positions, batch 64, one thread: how many times as long the same layer takes with 8-bit weights of
the same signs, which are multiplied as bytes. Conversions from and to bytes, copies in and out and spikes are included,
as in a network of this one layer. From 16 inputs on the engine takes the bits. Least processor times of rounds in turn.
"""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
from engine import interleaved

from snncc.sim.native.levels import NativeEngine
from snncc_ir.costs import Counter
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias, Staircase
from snncc_ir.nodes import Conv, Input, Population
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


def main() -> int:
    """Print a table for each kernel size."""
    for kernel in KERNELS:
        print(f"{kernel} x {kernel}, inputs by outputs" + "".join(f"{outputs:8}" for outputs in OUTPUTS))
        for inputs in INPUTS:
            found = "".join(f"{ratio(inputs, outputs, kernel):8.2f}" for outputs in OUTPUTS)
            print(f"{inputs:24}{found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
