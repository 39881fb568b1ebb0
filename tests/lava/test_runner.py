"""The runner with a stand-in for Lava: whatever the program does, nothing of it is left behind."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lava_networks import images, small

from snncc_backends.lava import backend, interpreter
from snncc_backends.lava.engine import time_limit
from snncc_backends.lava.interpreter import find_interpreter
from snncc_backends.tools import process
from snncc_ir.codes import Code
from snncc_ir.errors import DataError, TargetError, ToolError
from snncc_ir.machine import Machine
from snncc_ir.progress import silent

LOIHI2: Machine = backend.machines["loihi2"]
SECONDS = "2"
"""How long a program may take: enough to start on a busy machine."""

ENGINE = backend.engines[0]
GRAPH = small(Code.RADIX)

# Answers the question for lava-nc's version; then starts a child of its own that would live for a minute.
STAND_IN = """#!{python}
import os, pathlib, signal, subprocess, sys, time
if "-c" in sys.argv:
    print("0.10.0")
    sys.exit()
options = dict(zip(sys.argv[1:], sys.argv[2:]))
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE)
child.stdout.readline()
pathlib.Path({pids!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
pathlib.Path(options["--progress"]).write_text("3 12\\n")
{body}
"""
CHILD = "import time; print(flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {CHILD}"


class StandIn:
    """A program in place of a Python with Lava."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program, self.pids, self.monkeypatch = folder / "python", folder / "pids", monkeypatch

    def does(self, body: str, child: str = CHILD) -> None:
        text = STAND_IN.format(python=sys.executable, child=child, pids=str(self.pids), body=body)
        self.program.write_text(text)
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)
        self.monkeypatch.setenv(interpreter.VARIABLE, str(self.program))

    def left(self) -> list[int]:
        """Those of the stand-in's processes that still run."""
        return [pid for pid in map(int, self.pids.read_text().split()) if runs(pid)]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.delenv("SNNCC_LAVA_TIMEOUT", raising=False)
    return StandIn(tmp_path, monkeypatch)


def run() -> None:
    ENGINE.run(GRAPH, LOIHI2, images(GRAPH, 2), silent)


def test_a_late_program_is_stopped(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.does("time.sleep(60)")
    monkeypatch.setenv("SNNCC_LAVA_TIMEOUT", SECONDS)
    message = (
        f"the Lava program took longer than {SECONDS} seconds; "
        "run fewer images, or set SNNCC_LAVA_TIMEOUT to more seconds"
    )
    with pytest.raises(ToolError, match=f"^{re.escape(message)}$"):
        run()
    assert stand_in.left() == []


def test_a_program_that_ignores_termination_is_killed(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.does("signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)", STUBBORN)
    monkeypatch.setenv("SNNCC_LAVA_TIMEOUT", SECONDS)
    monkeypatch.setattr(process, "GRACE", 0.3)
    with pytest.raises(ToolError, match="took longer than"):
        run()
    assert stand_in.left() == []


def test_a_stopped_program_is_stopped_for_good(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.does("os.kill(os.getpid(), signal.SIGSTOP)")
    monkeypatch.setenv("SNNCC_LAVA_TIMEOUT", SECONDS)
    with pytest.raises(ToolError, match="took longer than"):
        run()
    assert stand_in.left() == []


def test_the_traceback_is_shown(stand_in: StandIn) -> None:
    stand_in.does("print('a warning', file=sys.stderr)\nraise ValueError('boom')")
    with pytest.raises(ToolError) as caught:
        run()
    message = str(caught.value)
    assert message.startswith(
        "the Lava program ended with status 1\na warning\nTraceback (most recent call last)"
    )
    assert message.endswith("ValueError: boom")
    assert stand_in.left() == []


def test_only_the_end_of_a_long_error_is_shown(stand_in: StandIn) -> None:
    stand_in.does("print('line\\n' * 1000, 'last', file=sys.stderr)\nsys.exit(5)")
    with pytest.raises(ToolError) as caught:
        run()
    lines = str(caught.value).splitlines()
    assert lines[0] == "the Lava program ended with status 5"
    assert (len(lines), lines[-1]) == (1 + process.TAIL_LINES, " last")


def test_a_program_without_result(stand_in: StandIn) -> None:
    stand_in.does("pass")
    with pytest.raises(ToolError, match=r"(?s)^the Lava program wrote no result \(.*\)\nit printed nothing$"):
        run()
    assert stand_in.left() == []


def test_interruption_leaves_no_process(stand_in: StandIn) -> None:
    stand_in.does("time.sleep(60)")

    def interrupt() -> None:
        while not stand_in.pids.exists() or not stand_in.pids.read_text():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run()
    thread.join()
    assert stand_in.left() == []


def test_progress_is_passed_on(stand_in: StandIn) -> None:
    stand_in.does("time.sleep(0.5)\nsys.exit(1)")
    seen: list[tuple[int, int]] = []
    with pytest.raises(ToolError):
        ENGINE.run(GRAPH, LOIHI2, images(GRAPH, 2), lambda done, total: seen.append((done, total)))
    assert seen == [(3, 12)]


def test_the_environment_is_clean(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    stand_in.does(
        "sys.exit(' '.join(n for n in os.environ if n.startswith('PYTHON')) or 'clean ' + sys.argv[1])"
    )
    with pytest.raises(ToolError, match=r"\nclean -I$"):
        run()


def test_temporary_files_go_with_the_working_folder(stand_in: StandIn) -> None:
    where = stand_in.pids.with_name("where")
    stand_in.does(
        "import tempfile\n"
        f"pathlib.Path({str(where)!r}).write_text(tempfile.mkdtemp('pymp'))\n"
        "sys.exit(tempfile.gettempdir() == os.getcwd())"
    )
    with pytest.raises(ToolError, match="ended with status 1"):
        run()
    assert not Path(where.read_text()).exists()


def test_the_working_folder_is_removed(stand_in: StandIn) -> None:
    where = stand_in.pids.with_name("where")
    stand_in.does(f"pathlib.Path({str(where)!r}).write_text(os.getcwd())\nsys.exit(1)")
    with pytest.raises(ToolError):
        run()
    assert where.read_text()
    assert not Path(where.read_text()).exists()


# --- before it is run ---------------------------------------------------------------------------------------


def test_a_named_interpreter_without_lava(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "python"
    monkeypatch.setenv(interpreter.VARIABLE, str(named))
    message = (
        f"SNNCC_LAVA_PYTHON={named} is no Python that has lava-nc; run `make setup` in a checkout of snncc, "
        "or install lava-nc==0.10.0 with Python 3.10 and set SNNCC_LAVA_PYTHON to that interpreter"
    )
    assert ENGINE.missing() == message
    with pytest.raises(ToolError, match=f"^{re.escape(message)}$"):
        run()


def test_the_environment_of_make_setup_is_found(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.does("pass")
    monkeypatch.delenv(interpreter.VARIABLE)
    monkeypatch.setattr(interpreter, "_this_has_lava", lambda: False)
    monkeypatch.setattr(interpreter, "__file__", str(tmp_path / "package" / "interpreter.py"))
    python = tmp_path / ".venv-lava" / "bin" / "python"
    python.parent.mkdir(parents=True)
    stand_in.program.rename(python)
    assert find_interpreter().python == str(python)


def test_an_environment_in_the_working_directory_is_never_run(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.does("pass")
    planted = tmp_path / "downloaded" / ".venv-lava" / "bin" / "python"
    planted.parent.mkdir(parents=True)
    stand_in.program.rename(planted)
    monkeypatch.delenv(interpreter.VARIABLE)
    monkeypatch.chdir(tmp_path / "downloaded")
    assert planted not in list(interpreter._environments())


def test_no_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)
    monkeypatch.setattr(interpreter, "_this_has_lava", lambda: False)
    monkeypatch.setattr(interpreter, "_environments", lambda: iter(()))
    missing = ENGINE.missing()
    assert missing is not None
    assert missing.startswith("no Python with lava-nc was found; run `make setup`")


def test_input_is_checked_first(stand_in: StandIn) -> None:
    stand_in.does("pass")
    with pytest.raises(DataError, match=r"^pixels: levels outside 0\.\.15$"):
        ENGINE.run(GRAPH, LOIHI2, {"pixels": np.full((1, 1, 8, 8), 16)}, silent)
    with pytest.raises(DataError, match=r"^small: no images to run$"):
        ENGINE.run(GRAPH, LOIHI2, {"pixels": np.zeros((0, 1, 8, 8), int)}, silent)
    with pytest.raises(TargetError):
        ENGINE.run(GRAPH, replace(LOIHI2, codes=frozenset()), images(GRAPH, 1), silent)
    assert not stand_in.pids.exists()


def test_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNNCC_LAVA_TIMEOUT", raising=False)
    assert 120 < time_limit(GRAPH, 10) < time_limit(GRAPH, 1000)
    monkeypatch.setenv("SNNCC_LAVA_TIMEOUT", "2.5")
    assert time_limit(GRAPH, 10) == 2.5
    monkeypatch.setenv("SNNCC_LAVA_TIMEOUT", "soon")
    with pytest.raises(ToolError, match=r"^SNNCC_LAVA_TIMEOUT=soon is no number of seconds$"):
        time_limit(GRAPH, 10)
