"""Running a tool that was found: its time limit, its folder, its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from snncc_backends.tools.found import Tool
from snncc_backends.tools.process import Job, run_job, seconds_from

TIMEOUT_VARIABLE = "SNNCC_TOOL_TIMEOUT"
"""Environment variable: seconds that one run of a compiler or hardware tool may take."""


def run_tool(tool: Tool, folder: Path, *arguments: str, seconds: float) -> Job:
    """Run a tool in `folder`; raises ToolError with the end of what it printed where it fails or is late."""
    job = Job(
        name=tool.name,
        command=(*tool.command, *arguments),
        folder=folder,
        timeout=seconds_from(TIMEOUT_VARIABLE, seconds),
        if_late=f"set {TIMEOUT_VARIABLE} to more seconds",
        environment=tool.environment,
    )
    run_job(job)
    return job


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their path relative to `folder`."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
