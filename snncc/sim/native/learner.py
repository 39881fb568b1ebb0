"""Learning networks of the native library: what is declared to it, and what it is asked for."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_float, c_int, c_int32, c_int64, c_void_p
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
        *((name, c_float) for name in ("decay", "gain", "threshold", "band", "slope")),
        ("to_zero", c_int32),
    )


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
    found.library.snncc_learner_new.argtypes = (c_char_p, c_int32, c_int32)
    found.library.snncc_learner_new.restype = c_void_p
    found.library.snncc_learner_free.argtypes = (c_void_p,)
    found.library.snncc_learner_free.restype = None
    return found


def _checked(found: Native, result: int) -> None:
    if result < 0:
        raise NativeError(_message(found))


def _message(found: Native) -> str:
    return str(found.library.snncc_message().decode())


class Learner:
    """A network of the library; see `src/learn/network.h`."""

    def __init__(self, steps: int, inputs: int) -> None:
        """A network without layers, for trains of `steps` steps of `inputs` inputs."""
        self._native = _declared(native())
        self._counts = 0
        self._handle = self._native.library.snncc_learner_new(self._native.kernels.encode(), steps, inputs)
        if not self._handle:
            raise NativeError(_message(self._native))

    def __del__(self) -> None:
        """Give the network's memory back."""
        if getattr(self, "_handle", None):
            self._native.library.snncc_learner_free(self._handle)

    def add(self, shape: Shape, neurons: Neurons, readout: int) -> None:
        """Add a layer; `readout`: 0 for spiking neurons, 1 for the greatest potential, 2 for their sum."""
        added = self._native.library.snncc_learner_layer(
            self._handle, ctypes.byref(shape), ctypes.byref(neurons), readout
        )
        _checked(self._native, added)
        self._counts += 1

    def run(
        self,
        weights: Sequence[Floats],
        gradients: Sequence[Floats] | None,
        trains: tuple[Integers, NDArray[np.int32]],
        chosen: Integers,
        labels: NDArray[np.int32] | None,
        scores: Floats,
        workers: int,
    ) -> tuple[NDArray[np.float64], Integers]:
        """Losses `[batch]`, and spikes and active neurons `[layers, 2]`, of the images `chosen` of `trains`.

        Arrays are contiguous and have the sizes that were declared; the caller sees to that. `scores` and, if
        given, `gradients` are written.
        """
        losses = np.zeros(len(chosen), np.float64)
        counts = np.zeros((self._counts, 2), np.int64)
        starts, places = trains
        batch = _Batch(
            _pointers(weights),
            None if gradients is None else _pointers(gradients),
            starts.ctypes.data,
            places.ctypes.data,
            len(starts),
            len(places),
            chosen.ctypes.data,
            None if labels is None else labels.ctypes.data,
            len(chosen),
            scores.ctypes.data,
            losses.ctypes.data,
            counts.ctypes.data,
        )
        _checked(
            self._native,
            self._native.library.snncc_learner_run(self._handle, ctypes.byref(batch), workers),
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
