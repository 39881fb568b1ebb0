"""Commands on the pages that no test runs as they stand there, each with the reason."""

from __future__ import annotations

IN_CI = ".ci/run runs it"
PLACEHOLDERS = "its words in capitals stand for files and numbers of the reader"
CIFAR = "needs CIFAR-10 networks and images, which are not in the repository"
CLUSTER = "needs a cluster; tests/cli/test_cluster.py runs one of its own"
SHELL = "writes into the reader's home folder; tests/cli/test_completion.py runs its script in the shells"
HOURS = "places and routes with the tools for minutes; tests/tools does so for small designs"

NOT_RUN = {
    "make setup": IN_CI,
    "make demo": IN_CI,
    "make test": IN_CI,
    "make check": IN_CI,
    "make docs": IN_CI,
    "make test ARGS=-k quantize": "runs tests inside of a test",
    "make format": "changes the source files",
    "make peers": "installs gigabytes of other frameworks",
    "make fpga-synth": HOURS,
    "snncc --install-completion": SHELL,
    "snncc --show-completion": SHELL,
    "snncc simulate model.snncc --data images.npz --scheduler tcp://host:8786": CLUSTER,
    "snncc build digits.snncc --stage routed --device ecp5-45k -o hardware": HOURS,
    "snncc build chain.snncc --stage routed": HOURS,
    "snncc compile model.onnx --target fpga --lanes P": PLACEHOLDERS,
    "snncc explain resnet8.snncc --data cifar10.npz --model resnet8_cifar10_fp32.onnx": CIFAR,
    "snncc compile resnet20_cifar10.onnx --target lava --calibrate cifar10.npz --scale 255 "
    "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 -o r20.snncc": CIFAR,
    "snncc report r20.snncc --data cifar10.npz --no-verify": CIFAR,
}
"""By the words of the command, separated by single blanks."""
