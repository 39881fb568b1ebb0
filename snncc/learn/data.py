"""Labelled spike trains, checked against a network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.learn.engine import check_labels, check_trains
from snncc.learn.network import Network
from snncc.learn.trains import Trains
from snncc_ir.errors import DataError

MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Spike trains and the class of each image, `labels[images]`."""

    trains: Trains
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.trains)

    @property
    def digest(self) -> str:
        """Of everything in it."""
        found = hashlib.sha256(f"{self.trains.starts.shape} {self.trains.inputs}".encode())
        for array in (self.trains.starts, self.trains.places, self.labels.astype(np.int64)):
            found.update(array.tobytes())
        return found.hexdigest()


def check(data: Labelled, network: Network, *, to_learn: bool) -> None:
    """Raise DataError unless `data` fits the network and, to learn from it, has images of every class."""
    check_trains(network, data.trains)
    check_labels(data.labels, len(data), network.readout.classes)
    if not len(data):
        raise DataError("has no images", where="data")
    found = np.bincount(data.labels.astype(np.int64), minlength=network.readout.classes)
    empty = np.flatnonzero(found == 0)
    if to_learn and len(empty):
        names = ", ".join(map(str, empty[:MOST_NAMED])) + (", ..." if len(empty) > MOST_NAMED else "")
        raise DataError(
            f"no image of class {names}",
            where="data",
            hint=f"give images of all {network.readout.classes} classes, or a readout of fewer",
        )
