"""From an ONNX file to a verified spiking network: a first session, on committed files alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
MODEL = "examples/digits/digits.onnx"
DATA = "examples/digits/digits.npz"
OUT = "build/digits.snncc"
LAVA_DIGITS = 20


def run(*arguments: str) -> None:
    """Show and run one snncc command; stop where it fails."""
    print(f"\n$ snncc {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "snncc.cli", *arguments], check=True, cwd=ROOT)


def float_accuracy() -> float:
    """Accuracy of the trained network itself, in ONNX Runtime."""
    with np.load(ROOT / DATA) as data:
        images, labels = data["images"], data["labels"]
    session = onnxruntime.InferenceSession(str(ROOT / MODEL), providers=["CPUExecutionProvider"])
    (node,) = session.get_inputs()
    scores = session.run(None, {node.name: (images[:, None] / 255).astype(np.float32)})[0]
    return float((scores.reshape(len(images), -1).argmax(axis=1) == labels).mean())


def lava_is_here() -> bool:
    """True where some interpreter has Lava."""
    listing = subprocess.run(
        [sys.executable, "-m", "snncc.cli", "targets", "--json"], check=True, stdout=subprocess.PIPE
    )
    engines = [target["engines"] for target in json.loads(listing.stdout)["targets"]]
    return any("lava" in found and found["lava"] is None for found in engines)


def main() -> int:
    """Check, compile, simulate, verify, and run some digits as Lava processes."""
    run("check", MODEL)
    run("compile", MODEL, "--target", "lava", "--calibrate", DATA, "--scale", "255", "-o", OUT, "--force")
    run("simulate", OUT, "--data", DATA)
    print(f"the float network, in ONNX Runtime: accuracy {float_accuracy():.2%}", flush=True)
    run("verify", OUT)
    if lava_is_here():
        run("simulate", OUT, "--data", DATA, "--engine", "lava", "--limit", str(LAVA_DIGITS))
    else:
        print("\nno Lava here, so its processes were not run: `snncc targets` says what to install")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    except KeyboardInterrupt:
        sys.exit(130)
