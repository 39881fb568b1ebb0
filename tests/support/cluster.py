"""A Dask scheduler and workers as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

START = 60.0


def until(done: Callable[[], object], seconds: float = START) -> None:
    """Wait for something to become true."""
    limit = time.monotonic() + seconds
    while not done():
        if time.monotonic() > limit:
            raise TimeoutError("a process of the cluster did not do its part")
        time.sleep(0.02)


class LocalCluster:
    """A scheduler on this machine, and the workers that `work` starts for it."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        self.folder, self.processes = folder, []
        file = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._start("dask_scheduler", *options, path=path)
        until(lambda: self.scheduler.poll() is not None or (file.exists() and file.read_text()))
        self.address: str = json.loads(file.read_text())["address"]

    def _start(self, module: str, *options: str, path: Path | None = None) -> subprocess.Popen[bytes]:
        """`path` is where Python looks for packages first."""
        environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
        with (self.folder / f"log{len(self.processes)}").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *options],
                cwd=self.folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def work(self, path: Path | None = None) -> subprocess.Popen[bytes]:
        """A worker of one thread, once the scheduler knows it."""
        log = self.folder / f"log{len(self.processes)}"
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder)]
        process = self._start("dask_worker", self.address, *options, path=path)
        until(lambda: process.poll() is not None or b"Registered to:" in log.read_bytes())
        return process

    def stop(self) -> None:
        """End all of it."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
