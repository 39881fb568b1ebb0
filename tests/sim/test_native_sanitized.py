"""The native engine's own tests again, in a build with AddressSanitizer and UndefinedBehaviorSanitizer."""

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
set(SNNCC_SANITIZE ON)
add_subdirectory("{SOURCES}" library)
"""

RUN = """
import sys
from support.native_cases import run_all
run_all(int(sys.argv[1]))
print("done")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sanitised build."""
    if not shutil.which("cmake") or not shutil.which("c++"):
        skip_or_fail("no cmake or no C++ compiler")
    folder = tmp_path_factory.mktemp("sanitized")
    (folder / "CMakeLists.txt").write_text(PROJECT)
    for command in (
        ["cmake", "-S", folder, "-B", folder / "build"],
        ["cmake", "--build", folder / "build", "-j2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return next((folder / "build" / "library").glob("libsnncc_native.*"))


def _runtimes() -> str:
    """The sanitisers' libraries, which must be loaded before Python's own."""
    found = []
    for name in ("libasan.so", "libubsan.so"):
        command = ["c++", f"-print-file-name={name}"]
        found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    return " ".join(found)


@pytest.mark.parametrize("kernels", KERNEL_NAMES)
def test_no_access_is_out_of_bounds_and_nothing_is_undefined(library: Path, kernels: str) -> None:
    environment = dict(
        os.environ,
        LD_PRELOAD=_runtimes(),
        ASAN_OPTIONS="detect_leaks=0",  # Python keeps memory for ever
        SNNCC_NATIVE=kernels,
        SNNCC_NATIVE_LIBRARY=str(library),
        PYTHONPATH=str(Path(__file__).parents[1]),
    )
    command = [sys.executable, "-c", RUN, "30"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-4000:]
