"""From `network.json` and `tensors.npz` to connected Lava processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from network.processes import (
    DriveReadout,
    LevelGate,
    LevelPopulation,
    LevelSource,
    with_inputs,
)
from numerics.linear import make_map
from numerics.pool import PoolGate
from numerics.receive import Accumulator, Pick, Receiver
from numerics.record import Recorder
from numerics.send import Firing, Sender, StaircaseSender, TableSender
from numerics.strand import GRADED, Clock, Ints, Strand
from numpy.typing import NDArray

FORMAT = 1
"""Version of `network.json`."""

Array = NDArray[Any]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Description:
    """What `network.json` and `tensors.npz` hold."""

    network: Record
    tensors: Mapping[str, Array]

    @property
    def cells(self) -> Sequence[Record]:
        """Sources, populations, gates and readouts; each one after those that it listens to."""
        return self.network["cells"]

    @property
    def inputs(self) -> list[Record]:
        """The sources."""
        return [cell for cell in self.cells if cell["kind"] == "source"]

    def steps(self, images: int) -> int:
        """Time steps until the last output of `images` images is known."""
        return (images + self.network["latency"] - 1) * self.network["window"]


def load(folder: Path) -> Description:
    """Read the description; raises OSError or ValueError where it is damaged."""
    network = json.loads((folder / "network.json").read_text(encoding="utf-8"))
    if network.get("format") != FORMAT:
        raise ValueError(f"network.json has format {network.get('format')!r}, not {FORMAT}")
    with np.load(folder / "tensors.npz", allow_pickle=False) as archive:
        return Description(network, {name: archive[name] for name in archive.files})


def unit_of(cell: Record) -> str:
    """The population, pool or readout that a cell is, or is a slice of."""
    return str(cell.get("unit", cell["name"]))


def build(
    description: Description, inputs: Mapping[str, Array], records: Path, trains: bool, progress: Any = None
) -> dict[str, AbstractProcess]:
    """Connected processes by cell name, for images `inputs[name][I, ...]`.

    Readouts, and trains if asked for, are recorded as `records/KIND.NAME.npy`; `progress.value` is kept
    at the time step reached.
    """
    builder = _Builder(description, inputs, records, trains)
    processes: dict[str, AbstractProcess] = {}
    for cell in description.cells:
        process = builder.process(cell, progress)
        processes[cell["name"]] = process
        progress = None  # the first cell alone reports it
        for number, source in enumerate(cell.get("ports", ())):
            processes[source].s_out.connect(getattr(process, f"s_in_{number}"))
    return processes


class _Builder:
    """Makes one process per cell."""

    def __init__(
        self, description: Description, inputs: Mapping[str, Array], records: Path, trains: bool
    ) -> None:
        self._tensors, self._inputs = description.tensors, inputs
        self._records, self._trains = records, trains
        self._outputs = set(description.network["outputs"])
        self._clock = Clock(description.network["window"])
        self._images = len(next(iter(inputs.values())))
        self._shapes = {cell["name"]: tuple(cell["shape"]) for cell in description.cells}

    def process(self, cell: Record, progress: Any) -> AbstractProcess:
        """The process of a cell, not connected yet."""
        if cell["kind"] == "source":
            return self._source(cell, progress)
        kind, arguments = {
            "population": (LevelPopulation, self._population),
            "gate": (LevelGate, self._gate),
            "readout": (DriveReadout, self._readout),
        }[cell["kind"]]
        sources = [self._shapes[name] for name in cell["ports"]]
        process = with_inputs(kind, len(sources))
        return process(name=cell["name"], clock=self._clock, sources=sources, **arguments(cell))

    def _source(self, cell: Record, progress: Any) -> AbstractProcess:
        strand, shape = Strand(**cell["strand"]), self._shapes[cell["name"]]
        # Threshold 1 and no bias: a source sends its level as it is.
        sender = StaircaseSender(strand, shape, np.ones(shape[0], np.int32), np.zeros(1, np.int32))
        return LevelSource(
            name=cell["name"],
            clock=self._clock,
            levels=self._inputs[cell["name"]].astype(np.int32),
            firing=Firing(strand, sender, self._train_recorder(cell, strand)),
            progress=progress,
        )

    def _population(self, cell: Record) -> dict[str, Any]:
        strand = Strand(**cell["strand"])
        firing = Firing(strand, self._sender(cell, strand), self._train_recorder(cell, strand))
        return {"receiver": self._receiver(cell), "firing": firing}

    def _gate(self, cell: Record) -> dict[str, Any]:
        pick = self._pick(cell["pick"], cell["source"])
        return {"pick": pick, "gate": PoolGate(cell["strand"]["code"], tuple(cell["source"]), cell)}

    def _readout(self, cell: Record) -> dict[str, Any]:
        path, shape = self._records / f"output.{unit_of(cell)}.npy", self._shapes[cell["name"]]
        whole = (self._images, 1, *cell.get("whole", shape))
        recorder = Recorder(path, whole, cell["slot"], "<i4", cell.get("box"))
        bias = self._bias(cell["bias"], shape)
        return {"receiver": self._receiver(cell), "bias": bias, "recorder": recorder}

    def _train_recorder(self, cell: Record, strand: Strand) -> Recorder | None:
        if not self._trains and unit_of(cell) not in self._outputs:
            return None
        narrow = strand.code != GRADED or strand.top < 128
        path = self._records / f"train.{unit_of(cell)}.npy"
        shape = (self._images, strand.window, *cell.get("whole", cell["shape"]))
        return Recorder(path, shape, strand.slot, "i1" if narrow else "<i4", cell.get("box"))

    def _sender(self, cell: Record, strand: Strand) -> Sender:
        neuron, shape = cell["neuron"], self._shapes[cell["name"]]
        if neuron["kind"] == "table":
            return TableSender(strand, shape, self._table(neuron, shape))
        theta = self._tensors[neuron["theta"]].astype(np.int32)
        half = (theta // 2).reshape(-1, *(1,) * (len(shape) - 1))
        return StaircaseSender(strand, shape, theta, self._bias(neuron["bias"], shape) + half)

    def _table(self, record: Record, shape: Sequence[int]) -> Ints:
        """Breakpoints per channel, or per channel and border class; levels on the last axis."""
        values = self._tensors[record["breakpoints"]].astype(np.int64)
        if record["rows"]:
            return values[:, np.array(record["rows"])][:, :, np.array(record["columns"])]
        return values.reshape(len(values), *(1,) * (len(shape) - 1), -1)

    def _bias(self, record: Record, shape: Sequence[int]) -> Ints:
        """One bias per channel, or per channel and border class of the position."""
        values = self._tensors[record["values"]].astype(np.int32)
        if record["rows"]:
            return values[:, np.array(record["rows"])][:, :, np.array(record["columns"])]
        return values.reshape(-1, *(1,) * (len(shape) - 1))

    def _receiver(self, cell: Record) -> Receiver:
        shape = self._shapes[cell["name"]]
        accumulators = [self._accumulator(record, shape) for record in cell["accumulators"]]
        return Receiver(accumulators, shape, self._clock.window)

    def _accumulator(self, record: Record, shape: tuple[int, ...]) -> Accumulator:
        strand = Strand(**record["strand"])
        peak = strand.top if strand.code == GRADED else 1
        synapses = make_map(record["map"], self._tensors, peak)
        pick = self._pick(record["pick"], record["map"]["source"])
        return Accumulator(pick, synapses, strand, shape, record["delay"])

    def _pick(self, record: Record, shape: Sequence[int]) -> Pick:
        index = None if record["index"] is None else self._tensors[record["index"]].astype(np.intp)
        return Pick(tuple(record["ports"]), index, tuple(shape))
