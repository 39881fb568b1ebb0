"""Linear maps as synapse lists, as a chip holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Array = NDArray[Any]
Record = Mapping[str, Any]

SILENT = -1
"""The number of padding and of neurons that are not there."""


def matrices(record: Record, tensors: Mapping[str, Array], numbers: Array, size: int) -> list[csr_matrix]:
    """Weights `[drive, neurons]` of a projection whose source has the neurons `numbers[*shape]` of `size`.

    A neuron that has several synapses to one target, through upsampling, has one in each matrix: sums would
    not fit a weight.
    """
    drives, sources, weights = (x.ravel() for x in np.broadcast_arrays(*_lists(record, tensors, numbers)))
    kept = (sources != SILENT) & (weights != 0)
    drives, sources, weights = drives[kept], sources[kept], weights[kept]
    shape = (1 + int(_targets(record, numbers.shape, tensors).max()), size)
    return [
        csr_matrix((weights[rank].astype(np.int32), (drives[rank], sources[rank])), shape=shape)
        for rank in _ranks(drives, sources)
    ]


def _ranks(drives: Array, sources: Array) -> Iterator[Array]:
    """The first synapses of all pairs, their second ones, ..."""
    order = np.lexsort((sources, drives))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(drives[order]) != 0) | (np.diff(sources[order]) != 0)
    places = np.arange(len(order))
    rank = places - np.maximum.accumulate(np.where(new, places, 0))
    for number in range(1 + int(rank.max(initial=0))):
        yield order[rank == number]


def _lists(record: Record, tensors: Mapping[str, Array], numbers: Array) -> tuple[Array, Array, Array]:
    """Target, neuron and weight of every synapse, as arrays that broadcast."""
    weight = tensors[record["weight"]].astype(np.int64)
    targets = _targets(record, numbers.shape, tensors)
    match record["kind"]:
        case "dense":
            return targets[:, None], numbers[None], weight
        case "scale":
            return targets, numbers, weight.reshape(-1, *(1,) * (numbers.ndim - 1))
        case "conv":
            _, fan_in, *kernel = weight.shape
            seen = _taps(numbers, record, kernel, record["dilation"])
            seen = seen.reshape(record["groups"], 1, fan_in, *seen.shape[1:])
            split = targets.reshape(record["groups"], -1, 1, 1, 1, *targets.shape[1:])
            return split, seen, weight.reshape(record["groups"], -1, *weight.shape[1:], 1, 1)
        case "sum_pool":
            seen = _taps(numbers, record, record["kernel"], (1, 1))
            factors = tensors[record["factors"]].astype(np.int64)
            return targets[:, None, None], seen, weight[:, None, None, None, None] * factors
        case kind:
            raise ValueError(f"network.json names an unknown linear map {kind!r}")


def _targets(record: Record, source: Sequence[int], tensors: Mapping[str, Array]) -> Array:
    """The numbers of the drives, in the drive's shape."""
    weight = tensors[record["weight"]]
    match record["kind"]:
        case "dense":
            shape: tuple[int, ...] = (len(weight),)
        case "scale":
            shape = tuple(source)
        case "conv":
            shape = (len(weight), *_sides(source, record, weight.shape[2:], record["dilation"]))
        case _:
            shape = (len(weight), *_sides(source, record, record["kernel"], (1, 1)))
    return np.arange(int(np.prod(shape))).reshape(shape)


def _sides(
    source: Sequence[int], record: Record, kernel: Sequence[int], dilation: Sequence[int]
) -> list[int]:
    return [
        (size + sum(pads) - spread * (taps - 1) - 1) // stride + 1
        for size, pads, taps, spread, stride in zip(
            source[1:], record["padding"], kernel, dilation, record["stride"], strict=True
        )
    ]


def _taps(numbers: Array, record: Record, kernel: Sequence[int], dilation: Sequence[int]) -> Array:
    """What each kernel position meets, `[C, KH, KW, H', W']`."""
    padded = np.pad(numbers, [(0, 0), *record["padding"]], constant_values=SILENT)
    spread = [step * (taps - 1) + 1 for step, taps in zip(dilation, kernel, strict=True)]
    windows = sliding_window_view(padded, spread, axis=(1, 2))
    (down, right), (dy, dx) = record["stride"], dilation
    return np.moveaxis(windows[:, ::down, ::right, ::dy, ::dx], (3, 4), (1, 2))
