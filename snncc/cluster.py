"""Evaluating a data set on a Dask cluster, shard by shard; finished shards are kept and not run again."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

from distributed import Client, Future, TimeoutError, wait
from distributed.comm import CommClosedError, get_address_host_port
from distributed.scheduler import KilledWorker
from numpy.typing import NDArray

from snncc.artefact import Artefact
from snncc.folder import replace_file
from snncc.shards import Refused, run_shard, shards
from snncc.sim.evaluate import Evaluation
from snncc.sim.parts import from_bytes, merge
from snncc_ir.errors import SnnccError, ToolError
from snncc_ir.progress import Progress

Array = NDArray[Any]
T = TypeVar("T")
R = TypeVar("R")

CONNECT = 10.0
"""Seconds in which a scheduler must answer."""

PATIENCE = 30.0
"""Seconds without a finished shard after which the cluster is asked whether it still has workers."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Dask cluster by its scheduler's address, the folder of finished shards, and images per shard."""

    address: str
    folder: Path
    size: int

    def evaluate(
        self, found: Artefact, data: Path, images: Array, engine: str | None, progress: Progress
    ) -> Evaluation:
        """What `evaluate_images` gives of the images `[N, *shape]` of the file `data`, to the last digit.

        `seconds` is what this call took. Raises ToolError where the cluster cannot do it, and the
        SnnccError of a worker that refuses a shard.
        """
        start = time.perf_counter()
        wanted = tuple(shards(found, data, images, engine, self.size))
        if self.folder.exists():  # else it is made for the first result
            _make(self.folder)
        files = {shard: self.folder / shard.name for shard in wanted}
        kept = {shard: _read(file) for shard, file in files.items() if file.is_file()}
        missing = [shard for shard in wanted if shard not in kept]
        for shard, result in results(self.address, run_shard, missing):
            _make(self.folder)
            _write(files[shard], result)
            kept[shard] = _read(files[shard])
            progress(sum(part.images for part in kept.values()), len(images))
        whole = merge([kept[shard] for shard in wanted], time.perf_counter() - start)
        if len(missing) == len(wanted):
            return whole
        taken = f"{len(wanted) - len(missing)} of {len(wanted)} shards were in {self.folder} already"
        return replace(whole, note="; ".join(text for text in (whole.note, taken) if text))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SnnccError(f"cannot be made ({error.strerror})", where=f"--shards {folder}") from error


def _read(file: Path) -> Evaluation:
    return from_bytes(file.read_bytes(), str(file))


def _write(file: Path, result: bytes) -> None:
    try:
        replace_file(file, result)
    except OSError as error:
        raise SnnccError(f"cannot be written ({error.strerror or error})", where=str(file)) from error


def results(address: str, run: Callable[[T], R | Refused], tasks: Sequence[T]) -> Iterator[tuple[T, R]]:
    """Every task with what `run` gives of it on a worker, in the order in which they end.

    Nobody is asked for none. Raises ToolError where the cluster cannot do it, and the SnnccError of a worker
    that refuses a task.
    """
    if not tasks:
        return
    with _connected(address) as client:
        _check(client, address)
        pending = dict(zip(client.map(run, tasks, pure=False), tasks, strict=True))
        while pending:
            for future in _ended(client, address, pending):
                result = _result(future, str(pending[future]), address)
                if result is not None:
                    yield pending.pop(future), cast(R, result)


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    """A client while the block runs; what the connection raises becomes one message."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it would log what we raise
    try:
        _greet(address)
        client = Client(address, timeout=CONNECT)
    except ValueError as error:
        hint = "give one such as tcp://host:8786"
        raise ToolError(f"is no address ({error})", where=f"--scheduler {address}", hint=hint) from error
    except OSError as error:
        hint = "start one with `dask scheduler`, or look at address and network"
        what = f"no Dask scheduler answers within {CONNECT:g} seconds"
        raise ToolError(what, where=f"--scheduler {address}", hint=hint) from error
    try:
        with client:
            yield client
    except (CommClosedError, CancelledError) as error:
        raise _stopped(address, "the scheduler has gone") from error


def _greet(address: str) -> None:
    """Raise OSError unless a scheduler speaks, which it does first; a Client would wait for that forever."""
    with socket.create_connection(get_address_host_port(address), CONNECT) as probe:
        if "://" not in address or address.startswith("tcp://"):
            probe.recv(1)


def _stopped(address: str, what: str) -> ToolError:
    return ToolError(
        what, where=f"--scheduler {address}", hint="what is finished is kept: run the same again later"
    )


def _check(client: Client, address: str) -> None:
    """Refuse a cluster without workers, and a scheduler that has another snncc; workers look for themselves.

    A worker that hangs is not waited for: its shards go to others once the scheduler gives it up.
    """
    where = f"--scheduler {address}"
    if not client.scheduler_info()["workers"]:
        raise ToolError("has no workers", where=where, hint=f"start one with `dask worker {address}`")
    found = client.sync(client.scheduler.versions, packages=["snncc"])["packages"]["snncc"]
    if found != version("snncc"):
        what = f"has snncc {found}, this is {version('snncc')}" if found else "has no snncc"
        raise ToolError(f"the scheduler {what}", where=where, hint="install the same version everywhere")


def _ended(client: Client, address: str, pending: Iterable[Future]) -> set[Future]:
    """The futures that are done; after a while none, if there is still somebody to work on them."""
    try:
        return set(wait(list(pending), timeout=PATIENCE, return_when="FIRST_COMPLETED").done)
    except TimeoutError as error:
        if not client.scheduler_info()["workers"]:
            raise _stopped(address, "has no workers any more") from error
        return set()


def _result(future: Future, task: str, address: str) -> object:
    """What a worker gave; None where it died with it, and the shard is to be run again."""
    try:
        result = future.result(timeout=PATIENCE)
    except TimeoutError:
        return None
    except KilledWorker as error:
        raise _stopped(address, f"several workers died of {task}") from error
    if isinstance(result, Refused):
        raise result.error()
    return result
