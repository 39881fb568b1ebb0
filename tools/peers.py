"""Make the environments of the peers that `make bench` compares with: `.peers/NAME`, one for each, pinned.

They share nothing with `.venv`. PyTorch is pinned last, since a peer would else bring its newest. An
environment whose stamp does not name these versions is made again; the interpreter is the one that runs this.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".peers"
STAMP = "snncc-peer"
TORCH = "torch==2.13.0"

PEERS: dict[str, tuple[str, ...]] = {
    "spikingjelly": ("spikingjelly==2.0.0", TORCH),
    "sinabs": ("sinabs==3.1.3", TORCH),
    "snntorch": ("snntorch==1.0.0", TORCH),
    "norse": ("norse==1.1.0", TORCH),
    "torch": ("numpy==2.2.6", TORCH),
    "onnxruntime": ("onnxruntime==1.31.1", "numpy==2.2.6"),
}
"""What each environment holds."""


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment."""
    return FOLDER / name / "bin" / "python"


def missing() -> list[str]:
    """The peers whose environments are not there in these versions."""
    return [name for name, wanted in PEERS.items() if not _is_made(name, wanted)]


def _is_made(name: str, wanted: tuple[str, ...]) -> bool:
    stamp = FOLDER / name / STAMP
    return stamp.is_file() and stamp.read_text() == "\n".join(wanted) and python_of(name).exists()


def make(name: str) -> None:
    """Make one environment in place of what is there; raises CalledProcessError where pip fails."""
    folder, wanted = FOLDER / name, PEERS[name]
    print(f"peers: making {name}: {', '.join(wanted)}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python_of(name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if TORCH in wanted:  # alone first: the CPU build satisfies the ranges of the others
        subprocess.run([*pip, TORCH], check=True)
    subprocess.run([*pip, *wanted], check=True)
    (folder / STAMP).write_text("\n".join(wanted))


def main() -> int:
    """Make what is missing."""
    try:
        for name in missing():
            make(name)
    except subprocess.CalledProcessError as error:
        print(f"peers: this command failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
