"""Runs netx files in Lava by lava-dl's reader, the way docs/lava.md says; needs Lava and lava-dl, not snncc.

Reads names of folders from standard input, one a line. Each holds `network.net` and `images.npy[I, *shape]`.
To `found.npz` go `trains{l}[I, T, *shape]`, the spikes of every layer, and `drives[I, *shape]`, the sum of
the last layer's potentials; to standard output a line "done". With a file `resets` netx resets the layers,
and the first image alone is run.
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
        steps, start = int(file["simulation/tSample"][()]), file["snncc"].attrs["start"]
    resets = (folder / "resets").exists()
    found = resetting(folder, images[0], steps) if resets else started(folder, images, steps, start)
    np.savez(folder / "found.npz", **found)


def started(folder: Path, images: Any, steps: int, start: Any) -> dict[str, Any]:
    """Images one after the other, every layer set to its start when its turn comes."""
    net = NETWORK(net_config=str(folder / "network.net"))
    each = steps + len(net.layers) - 1
    sinks = [recorded(layer, 1 + each * len(images)) for layer in net.layers]
    try:
        net.run(condition=RunSteps(num_steps=1), run_cfg=configuration())
        drives = np.stack([run(net, image, steps, start) for image in images])
        starts = [1 + image * each for image in range(len(images))]
        return {"drives": drives, **trains_of(sinks, starts, steps)}
    finally:
        net.stop()


def resetting(folder: Path, image: Any, steps: int) -> dict[str, Any]:
    """One image with netx's own resets."""
    net = NETWORK(net_config=str(folder / "network.net"), reset_interval=steps)
    sinks = [recorded(layer, steps + len(net.layers)) for layer in net.layers]
    net.in_layer.neuron.bias_mant.init = pixels(net, image)
    try:
        net.run(condition=RunSteps(num_steps=steps + len(net.layers)), run_cfg=configuration())
        return trains_of(sinks, [0], steps)
    finally:
        net.stop()


def configuration() -> Any:
    return Loihi1SimCfg(select_tag="fixed_pt", select_sub_proc_model=True)


def trains_of(sinks: list[Any], starts: list[int], steps: int) -> dict[str, Any]:
    """Spikes of every layer in the steps of each image; a layer is a step behind the one before it."""
    found = {}
    for number, sink in enumerate(sinks):
        spikes = np.moveaxis(sink.data.get(), -1, 0)
        trains = np.stack([spikes[start + number : start + number + steps] for start in starts])
        found[f"trains{number}"] = trains.transpose(0, 1, *range(trains.ndim - 1, 1, -1))
    return found


def pixels(net: Any, image: Any) -> Any:
    """An image as the biases of the first layer, whose axes netx turns round: W, H, C."""
    return (net.in_layer.transform["weight"] * image + net.in_layer.transform["bias"]).transpose()


def recorded(layer: Any, steps: int) -> Any:
    """A process that keeps a layer's spikes."""
    sink = RingBuffer(shape=layer.shape, buffer=steps)
    layer.neuron.s_out.connect(sink.a_in)
    return sink


def run(net: Any, image: Any, steps: int, start: Any) -> Any:
    """The sum of the last layer's potentials over an image."""
    net.in_layer.neuron.bias_mant.set(pixels(net, image))
    depth, drives = len(net.layers), 0
    for step in range(steps + depth - 1):
        if step < depth:
            neuron = net.layers[step].neuron
            neuron.u.set(np.zeros(neuron.u.shape, int))
            neuron.v.set(np.full(neuron.v.shape, start[step] << 6))
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
