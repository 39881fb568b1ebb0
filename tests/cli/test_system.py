"""Signals, streams and files that the system refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from snncc import cli, guard
from support.command import Snncc, compiled


def test_a_path_that_the_system_refuses_is_one_message(snncc: Snncc) -> None:
    name = "x" * 300
    result = snncc("show", name)
    assert (result.code, result.out, result.err) == (1, "", f"snncc: error: {name}: File name too long\n")


@pytest.mark.parametrize(
    ("failure", "stop"),
    [(OSError(5, "Input/output error"), OSError), (BrokenPipeError(32, "Broken pipe", "pipe"), SystemExit)],
)
def test_other_system_errors_are_left_to_python(
    monkeypatch: pytest.MonkeyPatch, failure: OSError, stop: type[BaseException]
) -> None:
    def fails() -> None:
        raise failure

    monkeypatch.setattr("snncc.targets.list_targets", fails)
    with pytest.raises(stop):
        cli.app(["targets"])


def start(redirect: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run snncc in a shell that redirects its streams."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = ["sh", "-c", f'exec "$0" -m snncc.cli "$@" {redirect}', sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )


@pytest.mark.parametrize("redirect", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("arguments", [["targets"], ["targets", "--json"]])
def test_a_closed_stream_is_no_error(redirect: str, arguments: list[str]) -> None:
    done = start(redirect, *arguments)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
@pytest.mark.parametrize("arguments", [["targets"], ["targets", "--json"]])
def test_results_that_cannot_be_written_are_one_message(arguments: list[str]) -> None:
    done = start("> /dev/full", *arguments)
    message = "snncc: error: standard output: cannot be written (No space left on device)\n"
    assert (done.returncode, done.stderr) == (1, message)


@pytest.mark.parametrize(("before", "after"), [(signal.SIG_IGN, signal.SIG_IGN), (signal.SIG_DFL, "ours")])
def test_nohup_is_respected(monkeypatch: pytest.MonkeyPatch, before: signal.Handlers, after: object) -> None:
    monkeypatch.setattr(sys, "argv", ["snncc", "--version"])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, before)
    try:
        with pytest.raises(SystemExit):
            cli.main()
        assert signal.getsignal(signal.SIGHUP) == (guard._terminate if after == "ours" else after)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


STALLED = """
import sys, time
import snncc.driver, snncc.folder

def stall(*arguments, **options):
    print("stalled", flush=True)
    time.sleep(60)

{place} = stall
from snncc import cli
cli.main()
"""


@pytest.mark.parametrize("place", ["snncc.samples.calibrate", "snncc.folder.os.fsync"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_compile_leaves_the_earlier_artefact(
    snncc: Snncc, tmp_path: Path, place: str, number: signal.Signals
) -> None:
    compiled(snncc)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    arguments = ["compile", "model.onnx", "--target", "lava", "--calibrate", "other.npz", "--force"]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    child = subprocess.Popen(
        [sys.executable, "-c", STALLED.format(place=place), *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "stalled\n"
    child.send_signal(number)
    _, err = child.communicate(timeout=120)
    assert (child.returncode, err) == (130, "snncc: error: interrupted; earlier results are as they were\n")
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_an_interrupt_while_a_compiled_module_starts_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], link: str
) -> None:
    def fails() -> None:
        error = ImportError("initialization failed")
        setattr(error, link, KeyboardInterrupt())
        raise error

    monkeypatch.setattr("snncc.targets.list_targets", fails)
    with pytest.raises(SystemExit) as stop:
        cli.app(["targets"])
    assert stop.value.code == 130
    assert capfd.readouterr().err == "snncc: error: interrupted; earlier results are as they were\n"


def test_a_module_that_is_missing_is_left_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise ImportError("no such module") from ValueError("for a reason")

    monkeypatch.setattr("snncc.targets.list_targets", fails)
    with pytest.raises(ImportError, match="no such module"):
        cli.app(["targets"])


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snncc", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "snncc")
