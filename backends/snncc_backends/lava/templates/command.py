"""What run.py does: check the input, build and run the network, write the output."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from execute import Watch
from numpy.typing import NDArray
from play import load, output_of, play

Array = NDArray[Any]
Record = Mapping[str, Any]
HERE = Path(__file__).resolve().parent


class UserError(Exception):
    """What is wrong with the command or its files."""


def run(options: argparse.Namespace) -> int:
    """Run the command; gives its exit status."""
    try:
        print(_run(options))
    except UserError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> str:
    try:
        description = load(HERE)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"the files beside run.py are damaged: {error}") from error
    inputs = read_inputs(options.input, description.inputs, options.images)
    home = options.output.resolve().parent
    if not home.is_dir():
        raise UserError(f"{options.output}: its folder does not exist")
    images = len(next(iter(inputs.values())))
    steps = description.steps(images)
    with tempfile.TemporaryDirectory(prefix=".snncc-lava-", dir=home) as name:
        scratch = Path(name)
        watch = Watch(steps, multiprocessing.RawValue("l", 0), options.progress, options.with_parent)
        seconds = play(description, inputs, scratch, not options.outputs_only, watch)
        trains = [] if options.outputs_only else sorted(scratch.glob("train.*.npy"))
        write(options.output, outputs_of(description.network, scratch), trains, steps, seconds)
    return f"{images} images, {steps} time steps, {seconds:.2f} s, {steps / seconds:.0f} steps/s"


def read_inputs(path: Path, cells: Sequence[Record], limit: int | None) -> dict[str, Array]:
    """The levels of every input, checked."""
    try:
        loaded = np.load(path, allow_pickle=False)
        several = {name: loaded[name] for name in loaded.files} if hasattr(loaded, "files") else None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: is no array file ({error})") from error
    if several is None and len(cells) > 1:
        names = ", ".join(cell["name"] for cell in cells)
        raise UserError(f"{path}: the network has several inputs; give an .npz file with {names}")
    arrays = {cells[0]["name"]: loaded} if several is None else several
    inputs = {cell["name"]: check_input(path, cell, arrays.get(cell["name"]), limit) for cell in cells}
    if len({len(levels) for levels in inputs.values()}) > 1:
        raise UserError(f"{path}: the inputs have different numbers of images")
    return inputs


def check_input(path: Path, cell: Record, levels: Array | None, limit: int | None) -> Array:
    """The first `limit` images, or UserError where they do not fit the input."""
    where = f"{path}: input {cell['name']}"
    shape, low, high = tuple(cell["shape"]), cell["strand"]["lo"], cell["strand"]["hi"]
    if levels is None:
        raise UserError(f"{where} is missing")
    if levels.dtype.kind not in "iu":
        raise UserError(f"{where} holds {levels.dtype}, not integer levels")
    if levels.ndim != len(shape) + 1 or levels.shape[1:] != shape:
        raise UserError(f"{where} has shape {levels.shape}, not (images, {', '.join(map(str, shape))})")
    levels = levels if limit is None else levels[: max(limit, 0)]
    if len(levels) == 0:
        raise UserError(f"{where} has no images")
    if levels.min() < low or levels.max() > high:
        raise UserError(f"{where} has levels {levels.min()}..{levels.max()}, outside {low}..{high}")
    return levels


def write(
    path: Path, outputs: Mapping[str, Array], trains: Sequence[Path], steps: int, seconds: float
) -> None:
    """Write the outputs and the recorded trains; the file appears under its name once it is whole."""
    whole = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            put(archive, "steps", np.array(steps))
            put(archive, "seconds", np.array(seconds))
            for name, values in outputs.items():
                put(archive, f"output.{name}", values)
            for train in trains:
                archive.write(train, train.name)
        whole.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error})") from error
    finally:
        whole.unlink(missing_ok=True)


def put(archive: zipfile.ZipFile, name: str, values: Array) -> None:
    """Add one array."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, values, allow_pickle=False)


def outputs_of(network: Record, records: Path) -> dict[str, Array]:
    """Every output by name."""
    cells = {cell.get("unit", cell["name"]): cell for cell in network["cells"]}
    return {name: output_of(cells[name], records) for name in network["outputs"]}
