"""How a command ends: one message for a user's mistake or an interruption, a traceback for a bug."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec

import typer

from snncc.console import fail
from snncc_ir.errors import SnnccError

INTERRUPTED = 130
STOPPED = "interrupted; earlier results are as they were"

P = ParamSpec("P")


def guarded(body: Callable[P, None]) -> Callable[P, None]:
    """`body`, whose SnnccError, or OSError of a file, becomes one message and exit 1.

    Everything else is a bug and keeps its traceback.
    """

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            body(*args, **kwargs)
        except SnnccError as error:
            fail(str(error))
            raise typer.Exit(1) from None
        except KeyboardInterrupt as stop:  # Python's own says nothing
            fail(str(stop) or STOPPED)
            raise typer.Exit(INTERRUPTED) from None
        except ImportError as error:
            if not _is_interrupt(error):
                raise
            fail(STOPPED)
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if error.filename is None or isinstance(error, BrokenPipeError):
                raise  # typer ends quietly where the reader of a pipe has gone
            fail(f"{error.filename}: {error.strerror or error}")
            raise typer.Exit(1) from None

    return run


def _is_interrupt(error: BaseException | None) -> bool:
    """True where Ctrl-C fell into the start of a compiled module, which makes an ImportError of it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def end_on_signals() -> None:
    """Let SIGTERM and a closed terminal end a command as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _terminate)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it
        signal.signal(signal.SIGHUP, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
