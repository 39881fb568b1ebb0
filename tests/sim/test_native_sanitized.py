"""The native engine's own tests again, in builds with sanitizers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from snncc.sim import native
from support.native import KERNEL_NAMES
from support.tools import skip_or_fail

pytestmark = pytest.mark.slow

SOURCES = next(Path(folder) / "src" for folder in native.__path__ if (Path(folder) / "src").is_dir())

PROJECT = f"""
cmake_minimum_required(VERSION 3.15...4.0)
project(sanitized LANGUAGES CXX)
set(CMAKE_BUILD_TYPE Release)
add_subdirectory("{SOURCES}" library)
"""

CASES = ("support.native_cases", "support.learning", "support.rate_learning")
"""Each in a process of its own; learning needs nothing but the library."""

RUN = """
import importlib, sys
importlib.import_module(sys.argv[1]).run_all(int(sys.argv[2]))
print("done")
"""


def _build(folder: Path, sanitizers: str) -> Path:
    """A sanitised build."""
    if not shutil.which("cmake") or not shutil.which("c++"):
        skip_or_fail("no cmake or no C++ compiler")
    (folder / "CMakeLists.txt").write_text(PROJECT)
    for command in (
        ["cmake", "-S", folder, "-B", folder / "build", f"-DSNNCC_SANITIZE={sanitizers}"],
        ["cmake", "--build", folder / "build", "-j2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return next((folder / "build" / "library").glob("libsnncc_native.*"))


@pytest.fixture(scope="module")
def memory_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With AddressSanitizer and UndefinedBehaviorSanitizer."""
    return _build(tmp_path_factory.mktemp("memory"), "address,undefined")


@pytest.fixture(scope="module")
def thread_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With ThreadSanitizer."""
    return _build(tmp_path_factory.mktemp("threads"), "thread")


def _run(library: Path, kernels: str, runtimes: tuple[str, ...], **options: str) -> None:
    """Run the cases; the sanitisers' libraries must be loaded before Python's own."""
    found = []
    for name in runtimes:
        command = ["c++", f"-print-file-name={name}"]
        found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    environment = dict(
        os.environ,
        LD_PRELOAD=" ".join(found),
        SNNCC_NATIVE=kernels,
        SNNCC_NATIVE_LIBRARY=str(library),
        PYTHONPATH=str(Path(__file__).parents[1]),
        **options,
    )
    for cases in CASES:
        command = [sys.executable, "-c", RUN, cases, "30"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-4000:]


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
def test_no_access_is_out_of_bounds_and_nothing_is_undefined(memory_build: Path, kernels: str) -> None:
    # Python keeps memory for ever.
    _run(memory_build, kernels, ("libasan.so", "libubsan.so"), ASAN_OPTIONS="detect_leaks=0")


def test_threads_do_not_race(thread_build: Path) -> None:
    _run(thread_build, "", ("libtsan.so",), OPENBLAS_NUM_THREADS="1")
