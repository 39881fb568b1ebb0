"""Shards of a data set: what a worker needs to know to evaluate one, and the evaluation."""

from __future__ import annotations

import functools
import hashlib
import socket
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc import __version__, artefact
from snncc.artefact import Artefact
from snncc.samples import load_images
from snncc.sim.evaluate import evaluate_images
from snncc.sim.parts import to_bytes
from snncc_ir import extras
from snncc_ir.encoding import format_of
from snncc_ir.errors import SnnccError
from snncc_ir.progress import silent

Array = NDArray[Any]

NAME_DIGITS = 16


def require_cluster(where: str) -> None:
    """Raise ToolError unless Dask is installed, which is an extra."""
    extras.require("distributed", install='pip install "distributed>=2024.1"', where=where)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What decides the result of a shard: digests of the network and of the images, engine and version."""

    network: str
    images: str
    engine: str | None
    version: str = __version__


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The images first..last-1 of a data set, for a network; both are looked up under their paths."""

    artefact: Path
    data: Path
    first: int
    last: int
    work: Work

    @property
    def name(self) -> str:
        """A file name that another network, other images or another version would change."""
        key = hashlib.sha256(repr(astuple(self.work)).encode()).hexdigest()
        return f"{self.first:08}-{self.last:08}-{key[:NAME_DIGITS]}.shard"

    def __str__(self) -> str:
        return f"images {self.first} to {self.last - 1}"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Why a worker did not evaluate a shard: the parts of an SnnccError, which cannot travel itself."""

    what: str
    where: str
    hint: str

    def error(self) -> SnnccError:
        """The error."""
        return SnnccError(self.what, where=self.where, hint=self.hint)


def refused(error: SnnccError, where: str = "") -> Refused:
    """An error as it travels, with the place of the worker before its own."""
    return Refused(
        what=error.what, where=": ".join(part for part in (where, error.where) if part), hint=error.hint
    )


def shards(found: Artefact, data: Path, images: Array, engine: str | None, size: int) -> Iterator[Shard]:
    """The shards of the images `[N, *shape]` of `data`, `size` images each."""
    for first in range(0, len(images), size):
        last = min(first + size, len(images))
        work = Work(network=found.digest, images=digest_of(images[first:last]), engine=engine)
        yield Shard(artefact=found.path.resolve(), data=data.resolve(), first=first, last=last, work=work)


def digest_of(images: Array) -> str:
    """The sha256 of an array: its type, its shape and its values."""
    found = hashlib.sha256(f"{images.dtype.str} {images.shape}".encode())
    found.update(np.ascontiguousarray(images).tobytes())
    return found.hexdigest()


def run_shard(shard: Shard) -> bytes | Refused:
    """Evaluate a shard on a worker, which may be any machine that sees the files under the same paths."""
    try:
        network, images = _agreed(shard)
        form = format_of(network.graph.inputs[0])
        return to_bytes(evaluate_images(network.graph, form, images, shard.work.engine, silent))
    except SnnccError as error:
        return refused(error, f"worker on {socket.gethostname()}")


def _agreed(shard: Shard) -> tuple[Artefact, Array]:
    """The network and the shard's images, once more from their files if those kept are no longer the same."""
    for _ in range(2):
        network, images = _load(shard.artefact, shard.data)
        part = images[shard.first : shard.last]
        found = Work(network=network.digest, images=digest_of(part), engine=shard.work.engine)
        if found == shard.work:
            return network, part
        _load.cache_clear()
    raise SnnccError(_difference(found, shard), hint="give all workers the same files and the same snncc")


def _difference(found: Work, shard: Shard) -> str:
    if found.version != shard.work.version:
        return f"runs snncc {found.version}, asked by snncc {shard.work.version}"
    other = shard.artefact if found.network != shard.work.network else shard.data
    return f"finds something else under {other} than who asked"


@functools.lru_cache(maxsize=1)
def _load(path: Path, data: Path) -> tuple[Artefact, Array]:
    network = artefact.read(path)
    return network, load_images(network, data, None)[0]
