"""A network's outputs in real units, saved as arrays."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.folder import replace_file
from snncc_ir.errors import SnnccError
from snncc_ir.store import write_arrays


def check_writable(path: Path) -> None:
    """Refuse a file that outputs cannot go to, before anything runs."""
    if path.suffix not in (".npy", ".npz") or not path.parent.is_dir() or path.is_dir():
        raise SnnccError("must name an .npy or .npz file in an existing folder", where=f"--outputs {path}")


def save(path: Path, outputs: Mapping[str, NDArray[Any]]) -> None:
    """One array as .npy, or any number by name as .npz."""
    if path.suffix == ".npy" and len(outputs) != 1:
        raise SnnccError(
            f"cannot hold the {len(outputs)} outputs {', '.join(outputs)}",
            where=f"--outputs {path}",
            hint="give a file that ends in .npz",
        )
    try:
        replace_file(path, _array_file(path.suffix, outputs))
    except OSError as error:
        raise SnnccError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            hint="check the rights and the space there",
        ) from error


def _array_file(suffix: str, outputs: Mapping[str, NDArray[Any]]) -> bytes:
    if suffix == ".npz":
        return write_arrays(outputs)
    buffer = io.BytesIO()
    (values,) = outputs.values()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()
