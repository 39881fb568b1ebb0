"""Data sets on a Dask cluster: the integers of the local run, shards that stay, workers that die."""

from __future__ import annotations

import importlib.util
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what distributed imports
    from snncc import artefact, cluster, shards
from snncc.cluster import Cluster
from snncc.samples import load_images
from snncc.shards import Refused, run_shard
from snncc_ir.errors import SnnccError
from snncc_ir.progress import silent
from support.cluster import LocalCluster, until
from support.command import Result, Snncc

IMAGES = 40
SIZE = 7
SHARDS = 6


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A scheduler with two workers."""
    found = LocalCluster(tmp_path_factory.mktemp("dask"))
    try:
        found.work()
        found.work()
        yield found
    finally:
        found.stop()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[LocalCluster]:
    """A scheduler without workers."""
    folder = tmp_path / "alone"
    folder.mkdir()
    found = LocalCluster(folder)
    try:
        yield found
    finally:
        found.stop()


def make(snncc: Snncc, *options: str) -> None:
    """An artefact `a`."""
    command = ("compile", "model.onnx", "--target", "sim", "--calibrate", "other.npz", "--scale", "255")
    assert snncc(*command, "-o", "a", *options).code == 0


SIMULATE = ("simulate", "a", "--data", "data.npz", "--json")


def spread(snncc: Snncc, address: str, *options: str) -> Result:
    """The simulation on a cluster."""
    return snncc(*SIMULATE, "--scheduler", address, "--shard-images", str(SIZE), *options)


def without_time(result: Result) -> dict:
    assert result.code == 0, result.err
    return {key: value for key, value in result.json.items() if key != "seconds"}


def error(result: Result) -> str:
    """The one message of a command that failed."""
    assert (result.code, result.out) == (1, "")
    return result.err.removeprefix("snncc: error: ").removesuffix("\n")


@pytest.mark.parametrize(
    ("compiled", "options"),
    [
        ([], []),
        ([], ["--engine", "levels"]),
        (["--code", "ttfs"], ["--engine", "reference"]),
        (["--code", "rate", "--steps", "12"], ["--every-step", "--exit-margin", "0.3"]),
        (["--code", "rate", "--steps", "12"], ["--engine", "spikes", "--limit", "30"]),
        (["--code", "stbif"], ["--every-step"]),
    ],
)
def test_all_figures_are_those_of_the_local_run(
    snncc: Snncc, dask: LocalCluster, compiled: list[str], options: list[str]
) -> None:
    make(snncc, *compiled)
    local = snncc(*SIMULATE, *options, "--outputs", "local.npy")
    distributed = spread(snncc, dask.address, *options, "--outputs", "distributed.npy")
    assert without_time(distributed) == without_time(local)
    assert Path("local.npy").read_bytes() == Path("distributed.npy").read_bytes()


def test_only_missing_shards_run_again(snncc: Snncc, dask: LocalCluster) -> None:
    make(snncc)
    first = without_time(spread(snncc, dask.address, "--shards", "kept"))
    files = sorted(Path("kept").iterdir())
    assert len(files) == SHARDS
    for file in files[1:3]:
        file.unlink()
    before = {file: file.stat().st_mtime_ns for file in Path("kept").iterdir()}
    again = spread(snncc, dask.address, "--shards", "kept")
    assert without_time(again) == first
    assert again.err == "snncc: warning: 4 of 6 shards were in kept already\n"
    assert sorted(Path("kept").iterdir()) == files
    assert {file: file.stat().st_mtime_ns for file in before} == before
    offline = spread(snncc, "tcp://127.0.0.1:1", "--shards", "kept")
    assert without_time(offline) == first


def test_other_images_engines_and_networks_have_other_shards(snncc: Snncc, dask: LocalCluster) -> None:
    make(snncc)
    spread(snncc, dask.address)
    shards_then = set(Path("a.shards").iterdir())
    data = dict(np.load("data.npz"))
    data["images"][10] = 255 - data["images"][10]
    np.savez("data.npz", **data)
    changed = spread(snncc, dask.address)
    assert without_time(changed) == without_time(snncc(*SIMULATE))
    assert len(set(Path("a.shards").iterdir()) - shards_then) == 1
    spread(snncc, dask.address, "--engine", "reference")
    make(snncc, "--code", "count", "--force")
    assert without_time(spread(snncc, dask.address)) == without_time(snncc(*SIMULATE))
    assert len(set(Path("a.shards").iterdir())) == SHARDS + 1 + SHARDS + SHARDS


def test_a_worker_that_dies_costs_only_its_shard(snncc: Snncc, alone: LocalCluster) -> None:
    make(snncc)
    local = without_time(snncc(*SIMULATE, "--engine", "reference"))
    alone.work()
    victim = alone.work()
    victim.send_signal(signal.SIGSTOP)  # it is given a shard that it never finishes
    folder = Path("a.shards").absolute()

    def kill() -> None:
        try:
            until(lambda: len(list(folder.glob("*.shard"))) >= SHARDS // 2)
        finally:
            victim.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    distributed = spread(snncc, alone.address, "--engine", "reference")
    killer.join()
    assert victim.wait() == -signal.SIGKILL
    assert without_time(distributed) == local


@pytest.mark.parametrize("whole", [False, True], ids=["worker", "scheduler"])
def test_a_cluster_that_ends_leaves_its_shards(
    snncc: Snncc, alone: LocalCluster, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    make(snncc)
    worker = alone.work()
    write = cluster._write

    def write_and_end(file: Path, result: bytes) -> None:
        write(file, result)
        (alone.scheduler if whole else worker).kill()

    monkeypatch.setattr(cluster, "_write", write_and_end)
    what = "the scheduler has gone" if whole else "has no workers any more"
    assert error(spread(snncc, alone.address)) == (
        f"--scheduler {alone.address}: {what}; what is finished is kept: run the same again later"
    )
    assert list(Path("a.shards").glob("*.shard"))


def test_a_scheduler_that_cannot_be_used(
    snncc: Snncc, alone: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT", 1.0)
    make(snncc)
    silent_one = socket.create_server(("127.0.0.1", 0))
    hint = "start one with `dask scheduler`, or look at address and network"
    for address in ("tcp://127.0.0.1:1", f"tcp://127.0.0.1:{silent_one.getsockname()[1]}"):
        message = f"--scheduler {address}: no Dask scheduler answers within 1 seconds; {hint}"
        assert error(spread(snncc, address)) == message
    silent_one.close()
    assert error(spread(snncc, "http:/host")).startswith("--scheduler http:/host: is no address (")
    assert error(spread(snncc, alone.address)) == (
        f"--scheduler {alone.address}: has no workers; start one with `dask worker {alone.address}`"
    )


def test_a_scheduler_of_another_version(snncc: Snncc, tmp_path: Path) -> None:
    make(snncc)
    older = tmp_path / "older" / "snncc-0.0.1.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: snncc\nVersion: 0.0.1\n")
    found = LocalCluster(tmp_path, older.parent)
    try:
        found.work()
        assert error(spread(snncc, found.address)) == (
            f"--scheduler {found.address}: the scheduler has snncc 0.0.1, this is 0.1.0; "
            "install the same version everywhere"
        )
    finally:
        found.stop()


def test_what_cannot_go_to_a_cluster(snncc: Snncc, monkeypatch: pytest.MonkeyPatch) -> None:
    make(snncc)
    anywhere = "tcp://127.0.0.1:1"
    message = "--shards kept: goes with --scheduler alone; leave it out"
    assert error(snncc(*SIMULATE, "--shards", "kept")) == message
    assert error(spread(snncc, anywhere, "--engine", "lava")) == (
        "--scheduler: engine lava does not run there; there are native, levels, spikes, reference"
    )
    assert error(snncc("simulate", "none", "--data", "data.npz", "--scheduler", anywhere)) == (
        "none: no such artefact; give the folder that `snncc compile` wrote"
    )
    Path("file").touch()
    assert error(spread(snncc, anywhere, "--shards", "file")) == (
        "--shards file: cannot be made (File exists)"
    )
    assert "no Dask scheduler answers" in error(spread(snncc, anywhere, "--shards", "kept"))
    assert not Path("kept").exists()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert error(spread(snncc, anywhere)) == (
        "--scheduler: needs the Python package distributed, which is not installed; "
        'pip install "distributed>=2024.1"'
    )


def test_a_damaged_shard_is_named(snncc: Snncc, dask: LocalCluster) -> None:
    make(snncc)
    spread(snncc, dask.address)
    file = sorted(Path("a.shards").iterdir())[2]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    for damaged in (bytes(data), bytes(data[:9]), b""):
        file.write_bytes(damaged)
        assert error(spread(snncc, dask.address)) == (
            f"{file}: is damaged; delete it, and it is computed again"
        )


def test_a_worker_says_why_it_refuses(snncc: Snncc, dask: LocalCluster, tmp_path: Path) -> None:
    make(snncc)
    make(snncc, "-o", "b", "--level-bits", "2")
    found, data = artefact.read(Path("a")), Path("data.npz")
    images, _ = load_images(found, data, None)
    there = Cluster(address=dask.address, folder=tmp_path / "kept", size=SIZE)
    at = f"worker on {socket.gethostname()}: "
    same = "; give all workers the same files and the same snncc"

    def refused(path: Path, of: Path) -> str:
        with pytest.raises(SnnccError) as caught:
            there.evaluate(replace(found, path=path), of, images, None, silent)
        return str(caught.value).removeprefix(at)

    gone, other = tmp_path / "gone", tmp_path / "b"
    assert refused(gone, data) == f"{gone}: no such artefact; give the folder that `snncc compile` wrote"
    assert refused(Path("a"), gone) == f"{gone}: no such file or folder; check the path"
    assert refused(other, data) == f"finds something else under {other} than who asked{same}"
    np.savez("data.npz", images=255 - images)
    assert (
        refused(Path("a"), data) == f"finds something else under {tmp_path / 'data.npz'} than who asked{same}"
    )
    (shard, *_) = shards.shards(found, data, 255 - images, "native", SIZE)
    old = run_shard(replace(shard, work=replace(shard.work, version="0.0.1")))
    assert isinstance(old, Refused)
    assert str(old.error()) == f"{at}runs snncc 0.1.0, asked by snncc 0.0.1{same}"


SWEEP = ("sweep", "model.onnx", "--calibrate", "other.npz", "--data", "data.npz", "--scale", "255",
         "--levels", "2,4", "--weights", "8", "--codes", "radix,stbif", "--chips", "any,loihi2")  # fmt: skip


def test_a_sweep_on_a_cluster_prints_what_one_machine_does(snncc: Snncc, dask: LocalCluster) -> None:
    local = snncc(*SWEEP, "--folder", "local")
    distributed = snncc(*SWEEP, "--folder", "remote", "--scheduler", dask.address)
    assert (distributed.code, distributed.out) == (local.code, local.out)
    kept = [{file.name: file.read_bytes() for file in Path(name).iterdir()} for name in ("local", "remote")]
    assert kept[0] == kept[1]
    np.savez("data.npz", images=np.load("data.npz")["images"][:9])  # resolved anew by workers that knew it
    assert snncc(*SWEEP, "--scheduler", dask.address).out == snncc(*SWEEP, "--folder", "local").out
