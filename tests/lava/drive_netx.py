"""Runs netx files in Lava by lava-dl's reader, the way docs/lava.md says; needs Lava and lava-dl, not snncc.

Reads names of folders from standard input, one a line. Each holds `network.net` and `images.npy[I, *shape]`.
To `found.npz` go `trains{l}[I, T, *shape]`, the spikes of every layer, and `drives[I, *shape]`, the sum of
the last layer's potentials; to standard output a line "done".
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi1SimCfg
from lava.proc.io.sink import RingBuffer

TRAINER = ("torch", "lava.lib.dl.slayer", "lava.lib.dl.slayer.neuron", "lava.lib.dl.slayer.neuron.rf")
"""What netx imports for training and for resonators, which needs torch; no file here has any of it."""


def reader() -> Any:
    """netx's class `Network`, without torch."""
    modules = {name: types.ModuleType(name) for name in TRAINER}
    modules["torch"].tensor = np.ndarray
    modules["lava.lib.dl.slayer.neuron.rf"].neuron_params = None
    sys.modules.update(modules)
    from lava.lib.dl.netx.hdf5 import Network

    return Network


NETWORK = reader()


def drive(folder: Path) -> None:
    """Run every image through one network."""
    images = np.load(folder / "images.npy")
    with h5py.File(folder / "network.net") as file:
        steps = int(file["simulation/tSample"][()])
    net = NETWORK(net_config=str(folder / "network.net"))
    each = steps + len(net.layers) - 1
    sinks = [recorded(layer, 1 + each * len(images)) for layer in net.layers]
    configuration = Loihi1SimCfg(select_tag="fixed_pt", select_sub_proc_model=True)
    try:
        net.run(condition=RunSteps(num_steps=1), run_cfg=configuration)
        found: dict[str, Any] = {"drives": np.stack([run(net, image, steps) for image in images])}
        for number, sink in enumerate(sinks):
            spikes = np.moveaxis(sink.data.get(), -1, 0)
            starts = [1 + image * each + number for image in range(len(images))]
            trains = np.stack([spikes[start : start + steps] for start in starts])
            found[f"trains{number}"] = trains.transpose(0, 1, *range(trains.ndim - 1, 1, -1))
    finally:
        net.stop()
    np.savez(folder / "found.npz", **found)


def recorded(layer: Any, steps: int) -> Any:
    """A process that keeps a layer's spikes."""
    sink = RingBuffer(shape=layer.shape, buffer=steps)
    layer.neuron.s_out.connect(sink.a_in)
    return sink


def run(net: Any, image: Any, steps: int) -> Any:
    """The sum of the last layer's potentials over an image."""
    pixels = net.in_layer.transform["weight"] * image + net.in_layer.transform["bias"]
    net.in_layer.neuron.bias_mant.set(pixels.transpose())
    depth, drives = len(net.layers), 0
    for step in range(steps + depth - 1):
        if step < depth:
            neuron = net.layers[step].neuron
            half = (int(neuron.vth.init) + 1) // 2
            neuron.v.set(np.full(neuron.v.shape, half << 6))
        net.run(condition=RunSteps(num_steps=1))
        if step >= depth - 1:
            drives = drives + (net.out_layer.neuron.v.get().astype(np.int64) >> 6).transpose()
    return drives


def main() -> None:
    """Serve."""
    for line in sys.stdin:
        drive(Path(line.strip()))
        print("done", flush=True)


main()
