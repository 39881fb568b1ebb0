"""Writing a folder or a file in one step: either all of it is there afterwards, or none."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from snncc_ir.errors import ArtefactError

if sys.platform != "win32":
    import fcntl

AT_FDCWD = -100
RENAME_EXCHANGE = 2
"""Linux: swap two paths in one step (renameat2)."""


def replace_folder(path: Path, content: Mapping[str, bytes], check: Callable[[], None]) -> None:
    """Write `content` (relative path to bytes) as the folder `path`, exchanging it with what was there.

    The files are written to a temporary folder beside `path`, under a lock; `check` runs once the lock is
    held. Raises ArtefactError where the disk is full or the place is not writable.
    """
    path = path.absolute()
    try:
        with _made(path.parent), _locked(path):
            _recover(path)
            check()
            with _temporary(path) as fresh:
                _write_all(fresh, content)
                _exchange(fresh, path)
    except OSError as error:
        raise ArtefactError(
            f"cannot be written ({error.strerror or error})", where=str(path), hint="nothing was changed"
        ) from error


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` as the file `path` in one step; raises OSError and leaves what was there."""
    path = path.resolve()  # a link stays, what it points to is replaced
    descriptor, name = tempfile.mkstemp(prefix=".snncc-", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.chmod(0o666 & ~_umask())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """`folder` exists while the block runs; if that fails, those of its parents that were made go again."""
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # another writer uses it by now, or it was never made
            for place in new:
                if place.exists():
                    place.rmdir()
        raise


def _prefix(path: Path) -> str:
    return f".{path.name}.snncc-"


def _leftovers(path: Path, kind: str) -> Iterator[Path]:
    return path.parent.glob(f"{glob.escape(_prefix(path))}{kind}-*")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one writer per destination at a time; the lock goes with the process."""
    lock = path.parent / f"{_prefix(path)}lock"
    with contextlib.ExitStack() as stack:
        handle = stack.enter_context(lock.open("w"))
        if sys.platform != "win32":
            fcntl.flock(handle, fcntl.LOCK_EX)
            while not _is_still(lock, handle.fileno()):  # its last holder has removed it meanwhile
                handle = stack.enter_context(lock.open("w"))
                fcntl.flock(handle, fcntl.LOCK_EX)
        stack.callback(lock.unlink, missing_ok=True)
        yield


def _is_still(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _recover(path: Path) -> None:
    """Put back the folder of a writer that died between its two renames; drop half-written ones."""
    for leftover in _leftovers(path, "old"):
        if path.exists():
            shutil.rmtree(leftover)
        else:
            leftover.rename(path)
    for leftover in _leftovers(path, "new"):
        shutil.rmtree(leftover)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"{_prefix(path)}new-", dir=path.parent))
    try:
        folder.chmod(0o777 & ~_umask())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_all(folder: Path, content: Mapping[str, bytes]) -> None:
    for name, data in content.items():
        file = folder / PurePosixPath(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())


def _exchange(fresh: Path, path: Path) -> None:
    """Make `fresh` the folder `path`; what was there ends up in `fresh`, to be deleted."""
    if not path.exists():
        fresh.rename(path)
    elif not _swap(fresh, path):
        old = path.parent / f"{_prefix(path)}old-{os.getpid()}"
        path.rename(old)
        fresh.rename(path)
        shutil.rmtree(old)


def _swap(a: Path, b: Path) -> bool:
    """Exchange two folders in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None, use_errno=True)
    rename = getattr(library, "renameat2", None)
    if rename is None:
        return False
    return bool(rename(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE) == 0)
