"""What the user sees: messages, tables, progress. Standard output carries results, nothing else."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from snncc.schemas import schema_name
from snncc_ir import progress
from snncc_ir.errors import SnnccError

PATIENCE = 1.0
"""Seconds of work before a progress bar appears."""

WIDE = 200
"""Columns of a table that goes to a file or a pipe."""


def _is_terminal(stream: TextIO | None) -> bool:
    """Python has no stream where the command was started with it closed (`>&-`)."""
    return stream is not None and stream.isatty()


errors = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
results = Console(
    markup=False, highlight=False, soft_wrap=True, width=None if _is_terminal(sys.stdout) else WIDE
)


@contextmanager
def _standard_output() -> Iterator[None]:
    """A result that cannot be written, for want of space say, is the user's problem."""
    try:
        yield
    except BrokenPipeError:  # the reader has enough: typer ends quietly
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again at its exit
        raise SnnccError(f"cannot be written ({error.strerror})", where="standard output") from error


def printable(text: str) -> str:
    """`text` without control characters: names from a model must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def say(text: str) -> None:
    """A line of the result."""
    with _standard_output():
        results.print(printable(text))


def warn(text: str) -> None:
    """A line beside the result."""
    errors.print(f"snncc: warning: {printable(text)}", style="yellow")


def fail(text: str) -> None:
    """The one message of a failed command."""
    errors.print(f"snncc: error: {printable(text)}", style="red")


def print_json(command: str, value: dict[str, Any]) -> None:
    """The answer of a command (docs/json.md) on standard output."""
    print_text(json.dumps({"schema": schema_name(command), **value}) + "\n")


def print_text(text: str) -> None:
    """`text` as it is on standard output; nowhere if that is closed."""
    if sys.stdout is not None:
        with _standard_output():
            sys.stdout.write(text)
            sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> None:
    """A plain table; cells are shown as they are, long ones are folded."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    with _standard_output():
        results.print(table, soft_wrap=False)


class Stages:
    """Progress bars by stage; a stage that is done within a second shows none."""

    def __init__(self, bars: Progress) -> None:
        """Show bars in `bars`."""
        self._bars = bars

    def __call__(self, stage: str) -> progress.Progress:
        """The reporter of a new stage."""
        start = time.monotonic()
        task: TaskID | None = None

        def report(done: int, total: int) -> None:
            nonlocal task
            if task is None and time.monotonic() - start > PATIENCE and done < total:
                task = self._bars.add_task(stage, total=total)
            if task is not None:
                self._bars.update(task, completed=done, total=total, visible=done < total)

        return report


@contextmanager
def stages() -> Iterator[Stages]:
    """Progress bars on standard error while the block runs; nothing where that is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        yield Stages(bars)
