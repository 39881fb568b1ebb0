"""Finished builds in the user's cache folder, each under the digest of all that it was made from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "SNNCC_CACHE"
"""Environment variable that names another folder; empty: nothing is kept."""

LIMIT = 512 * 2**20
"""Bytes that the cache may take."""


def digest(*parts: str | bytes) -> str:
    """The key of what is made from `parts`, in which no two lists of parts agree."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


def cache_folder() -> Path | None:
    """SNNCC_CACHE, else XDG_CACHE_HOME/snncc, else ~/.cache/snncc; None where nothing may be kept."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME")
    with contextlib.suppress(RuntimeError):  # no home
        return (Path(base) if base else Path.home() / ".cache") / "snncc"
    return None


@dataclass(frozen=True)
class BuildCache:
    """Files by key. Several processes may use it at once: a file appears whole, and is copied out.

    The least recently used files go where the sum of sizes passes `limit` bytes. Where the folder
    cannot be written, nothing is kept and nothing fails.
    """

    folder: Path | None
    limit: int = LIMIT

    def fetch(self, key: str, target: Path) -> bool:
        """Copy the file of a key to `target`; False where there is none, or a damaged one."""
        if self.folder is None:
            return False
        for kept in self.folder.glob(f"{key}-*"):
            with contextlib.suppress(OSError):
                shutil.copy(kept, target)
                if kept.name == _kept_name(key, target):
                    os.utime(kept)
                    return True
                kept.unlink()
        return False

    def store(self, key: str, source: Path) -> None:
        """Keep a copy of a file under a key."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _temporary(self.folder) as copy:
                shutil.copy(source, copy)
                copy.replace(self.folder / _kept_name(key, copy))
            self._shrink()

    def _shrink(self) -> None:
        kept = sorted((_age_and_size(file) for file in self.folder.iterdir()) if self.folder else ())
        excess = sum(size for _, size, _ in kept) - self.limit
        for _, size, file in kept:
            if excess <= 0:
                break
            file.unlink(missing_ok=True)
            excess -= size


def build_cache() -> BuildCache:
    """The user's cache of builds."""
    folder = cache_folder()
    return BuildCache(folder / "builds" if folder else None)


def cached(key: str, target: Path, make: Callable[[], None]) -> None:
    """Have `target`, out of the user's cache or by `make`, which writes it."""
    cache = build_cache()
    if not cache.fetch(key, target):
        make()
        cache.store(key, target)


def _kept_name(key: str, file: Path) -> str:
    return f"{key}-{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"


def _age_and_size(file: Path) -> tuple[float, int, Path]:
    try:
        status = file.stat()
    except FileNotFoundError:  # another process has removed it
        return 0.0, 0, file
    return status.st_mtime, status.st_size, file


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=folder, prefix="new-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
