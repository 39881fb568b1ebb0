"""Labelled images, checked against a network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.learn.engine import check_labels, check_trains
from snncc.learn.network import Network
from snncc.learn.trains import Constant, Sent
from snncc_ir.errors import DataError

MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What the images send, and the class of each, `labels[images]`."""

    trains: Sent
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.trains)

    @property
    def digest(self) -> str:
        """Of everything in it."""
        text, arrays = _parts(self.trains)
        found = hashlib.sha256(text.encode())
        for array in (*arrays, self.labels.astype(np.int64)):
            found.update(array.tobytes())
        return found.hexdigest()


def _parts(sent: Sent) -> tuple[str, tuple[NDArray[Any], ...]]:
    if isinstance(sent, Constant):
        return f"{sent.levels.shape} {sent.levels.dtype} {sent.pixels}", (sent.levels,)
    return f"{sent.starts.shape} {sent.inputs}", (sent.starts, sent.places)


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
