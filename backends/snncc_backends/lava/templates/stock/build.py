"""From `network.json` and `tensors.npz` to Lava's own processes, for one image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.lif.process import LIF
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from numpy.typing import NDArray
from probe.processes import Count, SpikeProbe, SumProbe
from scipy.sparse import csr_matrix
from synapses import SILENT, matrices

FORMAT = 1
"""Version of `network.json`."""

SHIFT = 6
"""Lava's LIF takes a synaptic sum and a threshold times 2^6."""

Array = NDArray[Any]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Description:
    """What `network.json` and `tensors.npz` hold."""

    network: Record
    tensors: Mapping[str, Array]

    def of_kind(self, kind: str) -> list[Record]:
        """The cells of a kind: source, population or readout."""
        return [cell for cell in self.network["cells"] if cell["kind"] == kind]

    @property
    def inputs(self) -> list[Record]:
        """The sources: images whose pixels are biases."""
        return self.of_kind("source")

    @property
    def steps_per_image(self) -> int:
        """Time steps of one image, the way through the network included."""
        return self.network["steps"] + max(cell["depth"] for cell in self.network["cells"])

    def steps(self, images: int) -> int:
        """Time steps of all images."""
        return images * self.steps_per_image


def load(folder: Path) -> Description:
    """Read the description; raises OSError or ValueError where it is damaged."""
    network = json.loads((folder / "network.json").read_text(encoding="utf-8"))
    if network.get("format") != FORMAT:
        raise ValueError(f"network.json has format {network.get('format')!r}, not {FORMAT}")
    with np.load(folder / "tensors.npz", allow_pickle=False) as archive:
        return Description(network, {name: archive[name] for name in archive.files})


@dataclass(frozen=True)
class Built:
    """The neurons of every population, and mantissa and exponent of their biases."""

    neurons: Mapping[str, AbstractProcess]
    biases: Mapping[str, tuple[Array, Array]]


def build(
    description: Description,
    levels: Mapping[str, Array],
    image: int,
    records: Path,
    names: set[str],
    count: Count,
) -> Built:
    """Connected processes for the levels of one image; populations `names` are recorded.

    Neurons that a spike reaches after d steps wait for it without a bias: whoever runs the network gives
    them theirs before step d.
    """
    tensors, steps = description.tensors, description.network["steps"]
    neurons, biases = {}, {}
    for cell in description.of_kind("population"):
        biases[cell["name"]] = bias_of(cell, tensors, levels)
        neurons[cell["name"]] = _population(cell, biases[cell["name"]])
    for cell in description.of_kind("population"):
        for synapses in _connected(cell, description, neurons):
            synapses.a_out.connect(neurons[cell["name"]].a_in)
        if cell["name"] in names:
            path, size = records / f"train.{cell['name']}.npy", int(np.prod(cell["shape"]))
            probe = SpikeProbe(
                name=f"{cell['name']}.probe",
                neurons=size,
                path=path,
                image=image,
                start=cell["depth"],
                count=count,
            )
            neurons[cell["name"]].s_out.connect(probe.s_in)
    for cell in description.of_kind("readout"):
        path, bias = records / f"output.{cell['name']}.npy", spread(cell, tensors)
        probe = SumProbe(
            name=cell["name"],
            bias=bias,
            path=path,
            image=image,
            start=cell["depth"],
            steps=steps,
            count=count,
        )
        for synapses in _connected(cell, description, neurons):
            synapses.a_out.connect(probe.s_in)
    return Built(neurons, biases)


def spread(cell: Record, tensors: Mapping[str, Array]) -> Array:
    """The bias of every neuron of a cell: one per channel, or per channel and border class."""
    record, shape = cell["bias"], cell["shape"]
    values = tensors[record["values"]].astype(np.int64)
    if record["rows"]:
        return values[:, np.array(record["rows"])][:, :, np.array(record["columns"])].ravel()
    return np.broadcast_to(values.reshape(-1, *(1,) * (len(shape) - 1)), shape).ravel()


def bias_of(cell: Record, tensors: Mapping[str, Array], levels: Mapping[str, Array]) -> tuple[Array, Array]:
    """Mantissa and exponent of every bias, the pixels of an input's neurons included."""
    bias = spread(cell, tensors)
    for pixels in cell["pixels"]:
        weight = tensors[pixels["weight"]].astype(np.int64).reshape(-1, *(1,) * (len(cell["shape"]) - 1))
        bias = bias + (levels[pixels["source"]] * weight).ravel()
    wide = (bias < -4096) | (bias > 4095)
    return np.where(wide, bias >> 1, bias), np.where(wide, SHIFT + 1, SHIFT)


def _population(cell: Record, bias: tuple[Array, Array]) -> AbstractProcess:
    shape, (mantissa, exponent) = (int(np.prod(cell["shape"])),), bias
    mantissa = mantissa if cell["depth"] == 0 else np.zeros_like(mantissa)
    return LIF(
        name=cell["name"],
        shape=shape,
        v=cell["v"] << SHIFT,
        du=cell["du"],
        dv=cell["dv"],
        bias_mant=mantissa,
        bias_exp=exponent,
        vth=cell["vth"],
    )


def _connected(
    cell: Record, description: Description, neurons: Mapping[str, AbstractProcess]
) -> Iterator[Any]:
    """The connection processes into a cell, connected to their neurons."""
    sizes = {each["name"]: int(np.prod(each["shape"])) for each in description.of_kind("population")}
    for record in cell["synapses"]:
        for name, numbers in _origins(record, description.tensors, sizes):
            for weights in matrices(record["map"], description.tensors, numbers, sizes[name]):
                process = _synapses(weights, record["delay"])
                neurons[name].s_out.connect(process.s_in)
                yield process


def _origins(
    record: Record, tensors: Mapping[str, Array], sizes: Mapping[str, int]
) -> Iterator[tuple[str, Array]]:
    """Each population that a projection reads, with the numbers of its neurons in the shape of the source."""
    names: Sequence[str] = record["names"]
    total = sum(sizes[name] for name in names)
    index = np.arange(total) if record["index"] is None else tensors[record["index"]].astype(np.int64)
    first = 0
    for name in names:
        inside = (index >= first) & (index < first + sizes[name])
        yield name, np.where(inside, index - first, SILENT).reshape(record["map"]["source"])
        first += sizes[name]


def _synapses(weights: Any, delay: int) -> AbstractProcess:
    """A connection that carries the weights as they are.

    Weights of both signs are even on the chip, so they are stored doubled, and the exponent halves the sum.
    With message bits Lava multiplies by the spike instead of selecting by it: for spikes of 1 the same sums,
    sooner.
    """
    stored = {
        "weights": 2 * weights,
        "weight_exp": -1,
        "num_weight_bits": 8,
        "sign_mode": SignMode.MIXED,
        "num_message_bits": 8,
    }
    if not delay:
        return Sparse(**stored)
    # One number for all would be spread over the synapses that there are not, with a warning in each step.
    delays = csr_matrix((np.full(weights.nnz, delay, int), weights.indices, weights.indptr), weights.shape)
    return DelaySparse(delays=delays, max_delay=delay, **stored)
