"""Learning networks of the native library: what is declared to it, and what it is asked for."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_float, c_int, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snncc.sim.native.library import Native, NativeError, native

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class Shape(ctypes.Structure):
    """A convolution, channels last; a dense layer is one whose kernel is the whole map."""

    _fields_ = tuple(
        (name, c_int32)
        for name in [
            "channels",
            "height",
            "width",
            "outputs",
            "output_height",
            "output_width",
            "kernel_height",
            "kernel_width",
            "stride_height",
            "stride_width",
            "pad_top",
            "pad_left",
        ]
    )


class Neurons(ctypes.Structure):
    """What all neurons of a layer have in common."""

    _fields_ = (
        *((name, c_float) for name in ("decay", "gain", "threshold", "band", "slope", "factor")),
        ("to_zero", c_int32),
    )


class _Potentials(ctypes.Structure):
    _fields_ = tuple((name, c_void_p) for name in ("biases", "thresholds", "starts"))


class Penalty(ctypes.Structure):
    """On the spikes of a layer; see `src/learn/network.h`."""

    _fields_ = tuple((name, c_float) for name in ("upper", "most", "lower", "least"))


class _Batch(ctypes.Structure):
    _fields_ = (
        ("weights", POINTER(c_void_p)),
        ("gradients", POINTER(c_void_p)),
        ("starts", c_void_p),
        ("places", c_void_p),
        ("image_count", c_int64),
        ("place_count", c_int64),
        ("chosen", c_void_p),
        ("labels", c_void_p),
        ("size", c_int64),
        ("scores", c_void_p),
        ("losses", c_void_p),
        ("counts", c_void_p),
        ("levels", c_void_p),
        ("potentials", POINTER(_Potentials)),
        ("bias_gradients", POINTER(c_void_p)),
        ("penalty", POINTER(Penalty)),
    )


class AdamStep(ctypes.Structure):
    """Numbers of one step of Adam; the shares are 1 - decay^n."""

    _fields_ = tuple(
        (name, c_float)
        for name in ("rate", "first_decay", "second_decay", "first_share", "second_share", "least")
    )


SIGNATURES: dict[str, tuple[Any, ...]] = {
    "snncc_learner_layer": (c_void_p, POINTER(Shape), POINTER(Neurons), c_int32),
    "snncc_learner_run": (c_void_p, POINTER(_Batch), c_int32),
    "snncc_adam": (c_char_p, *[c_void_p] * 4, c_int64, POINTER(AdamStep)),
}


@cache
def _declared(found: Native) -> Native:
    for name, arguments in SIGNATURES.items():
        getattr(found.library, name).argtypes = arguments
        getattr(found.library, name).restype = c_int
    found.library.snncc_learner_new.argtypes = (c_char_p, c_int32, c_int32, c_int32)
    found.library.snncc_learner_new.restype = c_void_p
    found.library.snncc_learner_free.argtypes = (c_void_p,)
    found.library.snncc_learner_free.restype = None
    return found


def _checked(found: Native, result: int) -> None:
    if result < 0:
        raise NativeError(_message(found))


def _message(found: Native) -> str:
    return str(found.library.snncc_message().decode())


@dataclass(frozen=True, kw_only=True)
class Potentials:
    """Of a layer of the code `rate`: `biases[positions, outputs]`, `thresholds[outputs]`, `starts[outputs]`.

    Potentials begin at `starts`. A readout has biases alone.
    """

    biases: Floats
    thresholds: Floats | None
    starts: Floats | None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The images `chosen` of `trains`, or the `levels[batch, inputs]` of a network of the code `rate`."""

    chosen: Integers
    labels: NDArray[np.int32] | None
    trains: tuple[Integers, NDArray[np.int32]] | None
    levels: Floats | None = None
    penalty: Penalty | None = None


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Weights of all layers, and their gradients if these are wanted; for the code `rate` also of biases."""

    weights: Sequence[Floats]
    gradients: Sequence[Floats] | None
    potentials: Sequence[Potentials] = ()
    bias_gradients: Sequence[Floats] | None = None


COUNTS = 3
"""Of every layer: spikes, active neurons, potentials beyond which float32 has not all integers."""


class Learner:
    """A network of the library; see `src/learn/network.h`."""

    def __init__(self, steps: int, inputs: int, *, rates: bool = False) -> None:
        """A network without layers, for `steps` steps of `inputs` inputs; `rates`: of the code `rate`."""
        self._native = _declared(native())
        self._counts = 0
        self._handle = self._native.library.snncc_learner_new(
            self._native.kernels.encode(), steps, inputs, int(rates)
        )
        if not self._handle:
            raise NativeError(_message(self._native))

    def __del__(self) -> None:
        """Give the network's memory back."""
        if getattr(self, "_handle", None):
            self._native.library.snncc_learner_free(self._handle)

    def add(self, shape: Shape, neurons: Neurons, readout: int) -> None:
        """Add a layer; `readout`: 0 for spiking neurons, 1 for the greatest potential, 2 for their sum.

        3 is the readout of the code `rate`: the sum of what it receives.
        """
        added = self._native.library.snncc_learner_layer(
            self._handle, ctypes.byref(shape), ctypes.byref(neurons), readout
        )
        _checked(self._native, added)
        self._counts += 1

    def run(
        self, parameters: Parameters, batch: Batch, scores: Floats, workers: int
    ) -> tuple[NDArray[np.float64], Integers]:
        """Losses `[batch]`, and the counts `[layers, COUNTS]`, of a batch.

        Arrays are contiguous and have the sizes that were declared; the caller sees to that. `scores` and, if
        given, gradients are written.
        """
        losses = np.zeros(len(batch.chosen), np.float64)
        counts = np.zeros((self._counts, COUNTS), np.int64)
        starts, places = batch.trains or (None, None)
        plain = _Batch(
            _pointers(parameters.weights),
            _optional(parameters.gradients),
            _address(starts),
            _address(places),
            0 if starts is None else len(starts),
            0 if places is None else len(places),
            batch.chosen.ctypes.data,
            _address(batch.labels),
            len(batch.chosen),
            scores.ctypes.data,
            losses.ctypes.data,
            counts.ctypes.data,
            _address(batch.levels),
            _plain(parameters.potentials),
            _optional(parameters.bias_gradients),
            None if batch.penalty is None else ctypes.pointer(batch.penalty),
        )
        _checked(
            self._native,
            self._native.library.snncc_learner_run(self._handle, ctypes.byref(plain), workers),
        )
        return losses, counts


def adam(weights: Floats, first: Floats, second: Floats, gradient: Floats, step: AdamStep) -> None:
    """One step of Adam on contiguous arrays of one size; all but `gradient` are changed."""
    found = _declared(native())
    arrays = (array.ctypes.data for array in (weights, first, second, gradient))
    done = found.library.snncc_adam(found.kernels.encode(), *arrays, weights.size, ctypes.byref(step))
    _checked(found, done)


def _pointers(arrays: Sequence[Floats]) -> ctypes.Array[c_void_p]:
    return (c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def _optional(arrays: Sequence[Floats] | None) -> ctypes.Array[c_void_p] | None:
    return None if arrays is None else _pointers(arrays)


def _address(array: NDArray[Any] | None) -> int | None:
    return None if array is None else array.ctypes.data


def _plain(potentials: Sequence[Potentials]) -> ctypes.Array[_Potentials] | None:
    if not potentials:
        return None
    rows = (_Potentials(*map(_address, (x.biases, x.thresholds, x.starts))) for x in potentials)
    return (_Potentials * len(potentials))(*rows)
