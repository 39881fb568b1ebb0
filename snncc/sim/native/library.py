"""The native library: where it is, what it is asked for, and why it may be missing."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_float, c_int, c_int8, c_int32, c_int64, c_uint8, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import snncc.sim.native as package
from snncc_ir.errors import SnnccError

Array = NDArray[Any]

KERNELS = "SNNCC_NATIVE"
"""Environment variable: `avx512`, `avx2`, `baseline` or `off` instead of the best that the processor has."""

LIBRARY = "SNNCC_NATIVE_LIBRARY"
"""Environment variable: another build of the library, for example one with sanitizers."""

INTERFACE = 6
"""The C interface that this module speaks; a library built from other sources is refused."""

NAMES = ("libsnncc_native.so", "libsnncc_native.dylib", "snncc_native.dll")


class Geometry(ctypes.Structure):
    """A value's channels, rows, columns and halo, and the code of level 0."""

    _fields_ = (
        *((name, c_int32) for name in ("channels", "height", "width", "top", "bottom", "left", "right")),
        ("zero", c_uint8),
    )


class ConvShape(ctypes.Structure):
    """What a convolution is apart from its weights; `span` is the greatest code of its source."""

    _fields_ = tuple(
        (name, c_int32)
        for name in [
            "outputs",
            "fan_in",
            "kernel_height",
            "kernel_width",
            "stride_height",
            "stride_width",
            "pad_top",
            "pad_left",
            "dilation_height",
            "dilation_width",
            "groups",
            "span",
        ]
    )


class PoolShape(ctypes.Structure):
    """The windows of a pool."""

    _fields_ = tuple(
        (name, c_int32)
        for name in ["kernel_height", "kernel_width", "stride_height", "stride_width", "pad_top", "pad_left"]
    )


class Wide(ctypes.Structure):
    """A value's buffer, and the one of its codes' high bytes (-1: they have 8 bits)."""

    _fields_ = (("low", c_int32), ("high", c_int32))


SIGNATURES: dict[str, tuple[Any, ...]] = {
    "buffer": (c_void_p, POINTER(Geometry)),
    "input": (c_void_p, c_int32),
    "export": (c_void_p, c_int32),
    "probe": (c_void_p, c_int32, c_int32, POINTER(c_int64), c_int32),
    "copy": (c_void_p, POINTER(Wide), POINTER(Wide), POINTER(c_int32), c_int64, c_int32),
    "max_pool": (c_void_p, POINTER(Wide), POINTER(Wide), POINTER(PoolShape)),
    "begin_layer": (c_void_p, c_int32, c_int32, c_int32, c_int32, c_int32),
    "conv": (c_void_p, c_int32, POINTER(ConvShape), POINTER(c_int8), c_int32),
    "scale": (c_void_p, c_int32, POINTER(c_int32), c_int32),
    "sum_pool": (c_void_p, c_int32, POINTER(PoolShape), POINTER(c_int32), POINTER(c_int32), c_int32),
    "end_stairs": (
        *(c_void_p, POINTER(Wide), POINTER(c_int64), POINTER(c_int64), c_int32, POINTER(c_int32), c_int32),
    ),
    "end_table": (
        *(c_void_p, POINTER(Wide), POINTER(c_int64), c_int32, POINTER(c_int32), c_int32),
        *(POINTER(c_float), POINTER(c_float)),
    ),
    "end_readout": (c_void_p, POINTER(c_int64), c_int32, POINTER(c_int32)),
    "lasting": (c_void_p, c_int32),
    "stream_input": (c_void_p, c_int32),
    "stream_pool": (c_void_p, c_int32, c_int32, POINTER(PoolShape)),
    "end_rate": (
        *(c_void_p, c_int32, POINTER(c_int64), POINTER(c_int64), c_int32, POINTER(c_int32), c_int32, c_int32),
    ),
    "end_leaky": (
        *(c_void_p, c_int32, POINTER(c_int64), c_int32, POINTER(c_int32)),
        *(c_int32, c_int32, c_int64),
    ),
    "end_stbif": (
        *(c_void_p, c_int32, POINTER(c_int64), POINTER(c_int64), c_int32, POINTER(c_int32), c_int32, c_int32),
    ),
    "end_stbif_table": (*(c_void_p, c_int32, POINTER(c_int64), c_int32, POINTER(c_int32), c_int32, c_int32),),
    "end_stream_readout": (c_void_p, POINTER(c_int64), c_int32, POINTER(c_int32), c_int32, c_int32),
    "run_stream": (
        *(c_void_p, POINTER(c_void_p), POINTER(c_int64), POINTER(c_void_p), POINTER(c_int64)),
        *(c_int64, c_int64, c_int32, POINTER(c_int64), c_int32),
    ),
    "run": (
        *(c_void_p, POINTER(c_void_p), POINTER(c_int64), POINTER(c_void_p), POINTER(c_int64)),
        *(c_int64, c_int32),
    ),
}


class NativeError(SnnccError):
    """The native engine cannot do this; the portable one can."""


@dataclass(frozen=True)
class Native:
    """The loaded library and the kernels that were chosen."""

    library: ctypes.CDLL
    kernels: str


@cache
def load(path: str, wanted: str) -> Native:
    """The library `path` with the kernels `wanted` ("": the best that this processor has)."""
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise NativeError(f"the native library cannot be loaded: {error}") from None
    _check_interface(library)
    for name, arguments in SIGNATURES.items():
        getattr(library, f"snncc_{name}").argtypes = arguments
        getattr(library, f"snncc_{name}").restype = c_int
    library.snncc_new.argtypes, library.snncc_new.restype = (c_char_p, c_int32), c_void_p
    library.snncc_free.argtypes, library.snncc_free.restype = (c_void_p,), None
    library.snncc_kernels.argtypes, library.snncc_kernels.restype = (c_char_p,), c_char_p
    library.snncc_message.argtypes, library.snncc_message.restype = (), c_char_p
    kernels = library.snncc_kernels(wanted.encode()).decode()
    if not kernels:
        raise NativeError(
            f"the native engine has no kernels {wanted!r} here", where=KERNELS, hint="leave it unset"
        )
    return Native(library, kernels)


def _check_interface(library: ctypes.CDLL) -> None:
    found = library.snncc_interface() if hasattr(library, "snncc_interface") else 1
    if found != INTERFACE:
        raise NativeError(
            f"the native library was built from other sources: interface {found}, not {INTERFACE}",
            hint="install snncc again (make setup)",
        )


def native() -> Native:
    """The library, or NativeError with the reason why there is none."""
    wanted = os.environ.get(KERNELS, "")
    if wanted == "off":
        raise NativeError(f"the native engine is switched off by {KERNELS}=off")
    return load(_path(), wanted)


def _path() -> str:
    named = os.environ.get(LIBRARY)
    if named:
        return named
    for folder in package.__path__:  # an editable install has two: the sources, and what was built
        for name in NAMES:
            if (Path(folder) / name).is_file():
                return str(Path(folder) / name)
    raise NativeError(
        "the native engine was not built", hint="install a C++ compiler, then snncc again (make setup)"
    )


def missing() -> str:
    """Why the native engine cannot run here; empty where it can."""
    try:
        native()
    except NativeError as error:
        return error.what
    return ""


def threads() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


Span = tuple[int, int]
"""Where something lies in memory: its address and its bytes."""


class Program:
    """A program of the library; its methods are the C functions, checked."""

    def __init__(self, maps: int) -> None:
        """An empty program that runs `maps` maps at a time."""
        self.native = native()
        self._library = self.native.library
        self._handle = self._library.snncc_new(self.native.kernels.encode(), maps)
        if not self._handle:
            raise NativeError(self._message())

    def __del__(self) -> None:
        """Give the program's memory back."""
        if getattr(self, "_handle", None):
            self._library.snncc_free(self._handle)

    def __call__(self, function: str, *arguments: Any) -> int:
        """Call `snncc_<function>`; arrays go as pointers, structures by reference."""
        found = getattr(self._library, f"snncc_{function}")
        wanted = SIGNATURES[function][1:]
        values = [_pointer(value, kind) for value, kind in zip(arguments, wanted, strict=True)]
        result = int(found(self._handle, *values))
        if result < 0:
            raise NativeError(self._message())
        return result

    def run(self, inputs: Sequence[Span], outputs: Sequence[Span], count: int, workers: int) -> None:
        """Run `count` maps; inputs and outputs are one for each slot."""
        given = (*_columns(inputs), *_columns(outputs))
        if self._library.snncc_run(self._handle, *given, count, workers) < 0:
            raise NativeError(self._message())

    def run_stream(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        steps: int,
        workers: int,
        *,
        until_silent: bool,
    ) -> Array:
        """Run every image through `steps` steps, or until nothing happens any more: steps taken, or -1."""
        taken = np.zeros(len(inputs[0]), np.int64)
        given = (_addresses(inputs), _sizes(inputs), _addresses(outputs), _sizes(outputs))
        self("run_stream", *given, len(taken), steps, int(until_silent), taken, workers)
        return taken

    def _message(self) -> str:
        return str(self._library.snncc_message().decode())


def span(array: Array) -> Span:
    """A contiguous array's memory."""
    return int(array.__array_interface__["data"][0]), array.nbytes


def _columns(spans: Sequence[Span]) -> tuple[Any, Any]:
    count = len(spans)
    return (c_void_p * count)(*(at for at, _ in spans)), (c_int64 * count)(*(size for _, size in spans))


def _pointer(value: Any, kind: Any) -> Any:
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous or value.dtype != np.dtype(kind._type_):
            raise TypeError(f"an array of {value.dtype} for {kind.__name__}")
        return value.ctypes.data_as(kind)
    return ctypes.byref(value) if isinstance(value, ctypes.Structure) else value


def _addresses(arrays: Sequence[Array]) -> Any:
    return (c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def _sizes(arrays: Sequence[Array]) -> Any:
    return (c_int64 * len(arrays))(*(array.nbytes for array in arrays))
