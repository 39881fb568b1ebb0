"""A network of integrate-and-fire neurons in PyTorch, its layers and neurons made by a framework.

`network.json` lists the nodes; drives are in units of the threshold, so neurons fire at 1 and subtract 1.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from serve import Prepared
from torch import Tensor, nn

torch.set_grad_enabled(False)


class Framework(ABC):
    """Makes layers and neurons; torch.nn's own layers unless it has others."""

    conv: Callable[..., nn.Module] = nn.Conv2d
    dense: Callable[..., nn.Module] = nn.Linear
    pool: Callable[..., nn.Module] = nn.MaxPool2d
    ways: tuple[str, ...] = ("steps",)
    """`steps` runs one step at a time, `at once` all of them layer by layer."""

    @abstractmethod
    def neurons(self, batch: int) -> Callable[[Tensor], Tensor]:
        """A population without a state; it takes drives and gives spikes."""

    def settle(self, net: Network, way: str) -> None:  # noqa: B027 (most have one mode)
        """Bring the modules into the mode of `way`."""

    @abstractmethod
    def reset(self, net: Network) -> None:
        """Back to the first step."""

    def repeated(self, images: Tensor, steps: int) -> Tensor:
        """The same images in every step, as the layers of `at once` take them."""
        return images.unsqueeze(0).repeat(steps, *[1] * images.dim())

    def summed(self, drives: Tensor, batch: int) -> Tensor:
        """The drives of `at once`, added over the steps."""
        return drives.unflatten(0, (-1, batch)).sum(0) if drives.shape[0] != batch else drives


class Network(nn.Module):
    """The nodes in their order; `forward` takes them through one step, or through all at once."""

    def __init__(self, folder: Path, framework: Framework, batch: int) -> None:
        super().__init__()
        self.nodes = json.loads((folder / "network.json").read_text())
        with np.load(folder / "weights.npz") as arrays:
            self.arrays = {name: torch.tensor(arrays[name]) for name in arrays.files}
        self.parts = nn.ModuleDict()
        self.populations: dict[str, Any] = {}
        self.lead = 1
        for node in self.nodes:
            self._make(node, framework, batch)
        self.parts.update({n: p for n, p in self.populations.items() if isinstance(p, nn.Module)})
        self.eval()

    def _make(self, node: dict[str, Any], framework: Framework, batch: int) -> None:
        name = node["name"]
        match node["op"]:
            case "conv":
                weight, bias = self.arrays[f"{name}.w"], self.arrays.get(f"{name}.b")
                made = framework.conv(
                    weight.shape[1] * node["groups"], weight.shape[0], tuple(weight.shape[2:]),
                    stride=tuple(node["stride"]), padding=tuple(node["padding"]),
                    dilation=tuple(node["dilation"]), groups=node["groups"], bias=bias is not None,
                )  # fmt: skip
            case "dense":
                weight, bias = self.arrays[f"{name}.w"], self.arrays.get(f"{name}.b")
                made = framework.dense(weight.shape[1], weight.shape[0], bias=bias is not None)
            case "pool":
                self.parts[name] = framework.pool(
                    tuple(node["kernel"]), tuple(node["stride"]), tuple(node["padding"])
                )
                return
            case "population":
                self.populations[name] = framework.neurons(batch)
                return
            case _:
                return
        made.weight.data = weight
        if bias is not None:
            made.bias.data = bias
        self.parts[name] = made

    def forward(self, images: Tensor) -> Tensor:
        """The readout's drives for images, with whatever axes of time the framework puts in front."""
        values = {}
        self.lead = images.dim() - 3
        for node in self.nodes:
            values[node["name"]] = self._value(node, values, images)
        return values[self.nodes[-1]["name"]]

    def _value(self, node: dict[str, Any], values: dict[str, Tensor], images: Tensor) -> Tensor:
        name, sources = node["name"], [values[source] for source in node["sources"]]
        match node["op"]:
            case "input":
                return images
            case "population":
                return self.populations[name](self._drive(node, sources))
            case "readout":
                return self._drive(node, sources)
            case "scale":
                return sources[0] * self.arrays[f"{name}.w"]
            case "reshape":
                return sources[0].flatten(self.lead)
            case "slice":
                places = tuple(slice(*axis) for axis in node["places"])
                return sources[0][(..., *places)]
            case "pad":
                return nn.functional.pad(sources[0], node["amounts"])
            case _:
                return self.parts[name](sources[0])

    def _drive(self, node: dict[str, Any], sources: list[Tensor]) -> Tensor:
        drive = sum(sources[1:], sources[0])
        bias = self.arrays.get(f"{node['name']}.b")
        return drive if bias is None else drive + bias


def prepared(framework: Framework, folder: Path, batch: int, threads: int, steps: int) -> Prepared:
    """All ways of a framework to run a network."""
    torch.set_num_threads(threads)
    net = Network(folder, framework, batch)
    with np.load(folder / "images.npz") as arrays:
        images = torch.tensor(
            np.resize(arrays["levels"], (batch, *arrays["levels"].shape[1:])).astype(np.float32)
        )

    def one_by_one() -> Tensor:
        framework.settle(net, "steps")
        framework.reset(net)
        total = net(images)
        for _ in range(steps - 1):
            total = total + net(images)
        return total

    def at_once() -> Tensor:
        framework.settle(net, "at once")
        framework.reset(net)
        return framework.summed(net(framework.repeated(images, steps)), batch)

    ways = {"steps": one_by_one, "at once": at_once}
    return Prepared({way: ways[way] for way in framework.ways}, lambda: None)
