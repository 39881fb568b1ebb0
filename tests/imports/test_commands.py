"""Quantised and binary networks by the command: no calibration, the certificate, every engine, messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest

from snncc import cli, dataset
from snncc.frontend.check import check
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.passes.base import Context
from snncc.passes.quantize import Quantize
from snncc.sim.drives import Layers
from snncc_ir.graph import Graph
from snncc_ir.nodes import Conv, Dense, Readout
from snncc_ir.semantics import evaluate
from snncc_ir.statistics import Calibration
from snncc_ir.text import print_graph
from support import exact_onnx
from support.named_models import QONNX, Writer, binary, int8_residual

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def snncc(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["snncc", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def integer(folder: Path, model: onnx.ModelProto, mean: float = 0.0) -> tuple[Graph, Graph]:
    """The real and the integer graph of a model on pixels."""
    path = folder / "model.onnx"
    onnx.save(model, path)
    graph = lower(load(path)).graph
    context = Context(
        calibration=Calibration(populations={}, images=0, synthetic=False),
        input_format=dataset.pixel_format(graph.inputs[0].type.shape, 8, 1.0, (mean,), (1.0,)),
        samples=np.zeros((0, 1), dtype=np.int64),
        layers=Layers(),
    )
    return graph, Quantize().apply(graph, context)


@pytest.mark.parametrize(("name", "make"), [("int8_residual", int8_residual), ("binary", binary)])
def test_text(
    name: str, make: Callable[[], onnx.ModelProto], tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    real, whole = integer(tmp_path, make(), 128.0 if name == "int8_residual" else 0.0)
    golden(f"{name}_real.txt", print_graph(real))
    golden(f"{name}_integer.txt", print_graph(whole))


@pytest.mark.parametrize("make", [int8_residual, binary])
def test_outputs_are_those_of_the_exact_evaluation(
    make: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    mean = 128 if make is int8_residual else 0
    _, whole = integer(tmp_path, make(), mean)
    pixels = np.random.default_rng(1).integers(0, 256, (6, 1, 6, 6))
    found = evaluate(whole, {"x": pixels})[whole.outputs[0]]
    values = exact_onnx.evaluate(make(), pixels - mean if mean else exact_onnx.exact(pixels))
    node = whole.by_name[whole.outputs[0]]
    step = node.scale if isinstance(node, Readout) else float(node.scale.data[0])  # type: ignore[union-attr]
    expected = values[make().graph.output[0].name]
    assert [Fraction(step) * int(n) for n in found.reshape(-1)] == expected.reshape(-1).tolist()


def test_binary_networks_keep_one_bit_and_two_levels(tmp_path: Path) -> None:
    _, whole = integer(tmp_path, binary())
    assert {node.weight.bits for node in whole.linears if isinstance(node, Conv | Dense)} == {1}
    assert {(whole.levels(node.name).lo, whole.levels(node.name).hi) for node in whole.populations} == {
        (0, 1)
    }


def test_an_unreachable_zero_is_proved_and_a_reachable_one_kept(tmp_path: Path) -> None:
    for shift, lowest in ((0.25, 0), (0.0, -1)):
        net = Writer(2, 4, 4)
        weight = np.where(net.random.normal(size=(3, 2, 1, 1)) > 0, 1, -1).astype(np.float32)
        value = net.node("Sign", net.node("Conv", "x", weight, np.full(3, shift, np.float32)))
        last = np.ones((2, 3, 1, 1), np.float32)
        _, whole = integer(tmp_path, net.proto(net.node("Conv", value, last)))
        assert whole.levels(whole.populations[0].name).lo == lowest


def test_compile_needs_no_images_and_prints_the_certificate(snncc: Command, tmp_path: Path) -> None:
    onnx.save(int8_residual(), tmp_path / "model.onnx")
    code, out, err = snncc("compile", "model.onnx", "--target", "sim", "--mean", "128")
    assert (code, err) == (0, "")
    assert [line.split()[1:] for line in out.splitlines()[1:6]] == [
        ["3", "0", "3", "0"],
        ["3", "0", "3", "0"],
        ["3", "3", "0", "0"],
        ["3", "0", "3", "0"],
        ["5", "0", "5", "0"],
    ]
    manifest = json.loads((tmp_path / "model.snncc" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["calibration"] == {"digests": [], "images": 0, "kind": "none"}
    assert sum(row["approximated"] for row in manifest["requantised"]) == 0
    code, out, _ = snncc("verify", "model.snncc", "--json")
    statuses = {engine["engine"]: engine["status"] for engine in json.loads(out)["engines"]}
    assert (code, statuses["levels"], statuses["spikes"]) == (0, "equal", "equal")


def test_explain_says_what_is_the_network_itself(snncc: Command, tmp_path: Path) -> None:
    onnx.save(int8_residual(), tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=pixels)
    snncc("compile", "model.onnx", "--target", "sim", "--mean", "128")
    code, out, err = snncc("explain", "model.snncc", "--data", "data.npz", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    populations = [node["name"] for node in found["nodes"] if node["kind"] == "population"]
    assert found["imported"] == populations
    for node in found["nodes"]:
        assert list(node["loss"]) == (["saturation"] if node["name"] in populations else [])
    assert found["worst"]["cause"] == "saturation"
    code, out, _ = snncc("explain", "model.snncc", "--data", "data.npz")
    assert (code, out.splitlines()[-3]) == (
        0,
        "5 of 5 populations came quantised: their weights and the rounding to their levels are the network "
        "itself, and no loss",
    )
    assert out.splitlines()[-1].endswith(
        "is saturation: its levels came with the network: if that was quantised after training, a greater "
        "range may help; if it was trained so, this is no loss"
    )


def test_signed_bytes_are_data_too(snncc: Command, tmp_path: Path) -> None:
    onnx.save(int8_residual(), tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "pixels.npz", images=pixels)
    np.savez(tmp_path / "bytes.npz", images=(pixels.astype(np.int16) - 128).astype(np.int8))
    predictions = []
    for options, data in ((("--mean", "128"), "pixels.npz"), ((), "bytes.npz")):
        assert snncc("compile", "model.onnx", "--target", "sim", "--force", *options)[0] == 0
        code, out, _ = snncc("simulate", "model.snncc", "--data", data, "--json")
        assert code == 0
        predictions.append(json.loads(out)["predictions"])
    assert predictions[0] == predictions[1]


def test_stbif_takes_tables_and_rate_refuses_them(snncc: Command, tmp_path: Path) -> None:
    onnx.save(int8_residual(), tmp_path / "model.onnx")
    images = np.random.default_rng(0).integers(0, 256, (8, 1, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images)
    predictions = []
    for chosen in ("radix", "stbif"):
        options = ("--target", "sim", "--mean", "128", "--code", chosen, "--force")
        assert snncc("compile", "model.onnx", *options)[0] == 0
        predictions.append(
            json.loads(snncc("simulate", "model.snncc", "--data", "data.npz", "--json")[1])["predictions"]
        )
    assert predictions[0] == predictions[1]
    assert snncc("verify", "model.snncc")[0] == 0
    code, out, err = snncc(
        "compile", "model.onnx", "--target", "sim", "--mean", "128", "--code", "rate", "--force"
    )
    assert (code, out) == (1, "")
    assert err.endswith(
        "breakpoint tables need a phased code or stbif; use a phased code such as radix; "
        "LeakyRelu, PRelu and uneven bounds become tables\n"
    )


def test_partly_quantised_networks_are_calibrated_and_say_so(snncc: Command, tmp_path: Path) -> None:
    net = Writer(1, 6, 6)
    weight = net.random.normal(0, 0.3, (3, 1, 3, 3)).astype(np.float32)
    value = net.qdq(net.node("Relu", net.node("Conv", "x", weight)), 0.5, np.uint8(0))
    value = net.node(
        "Relu", net.node("Conv", value, net.random.normal(0, 0.3, (3, 3, 3, 3)).astype(np.float32))
    )
    matrix = net.random.normal(size=(5, 12)).astype(np.float32)
    last = net.node("Gemm", net.node("Flatten", value), matrix, attributes={"transB": 1})
    onnx.save(net.proto(last), tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=pixels)
    code, out, err = snncc("compile", "model.onnx", "--target", "sim", "--calibrate", "data.npz", "--json")
    (row,) = json.loads(out)["requantised"]
    assert (code, row["channels"], row["approximated"]) == (0, 3, 3)
    assert err == (
        f"snncc: warning: {row['population']}: 3 of 3 channels approximate those of the imported network; "
        "weights that came as real numbers, or that read values of several scales, were rounded\n"
    )
    _, _, err = snncc("compile", "model.onnx", "--target", "sim", "--force")
    assert "calibrated on random noise" in err


def test_qonnx_networks_with_float_layers_cannot_be_calibrated(snncc: Command, tmp_path: Path) -> None:
    net = Writer(1, 4, 4)
    weight = net.node(
        "BipolarQuant",
        net.random.normal(size=(2, 1, 3, 3)).astype(np.float32),
        np.float32(1),
        domain=QONNX,
        name="weights",
    )
    onnx.save(net.proto(net.node("Relu", net.node("Conv", "x", weight))), tmp_path / "model.onnx")
    code, out, err = snncc("compile", "model.onnx", "--target", "sim")
    assert (code, out) == (1, "")
    assert err == (
        "snncc: error: weights: is an operator of QONNX, but other layers are not quantised; ONNX Runtime "
        "cannot calibrate them; quantise every activation, or export with QuantizeLinear and "
        "DequantizeLinear\n"
    )


STEP, ZERO = np.float32(0.1), np.uint8(3)
REFUSED: dict[str, Callable[[Writer], str]] = {
    "dequantises with another scale or zero point than its input was quantised with": lambda net: net.node(
        "DequantizeLinear", net.node("QuantizeLinear", "x", STEP, ZERO), STEP, np.uint8(4)
    ),
    "dequantises real values; only quantised ones are expected here": lambda net: net.node(
        "DequantizeLinear", net.node("Relu", "x"), STEP, ZERO
    ),
    "computes with stored integers; put DequantizeLinear before it": lambda net: net.node(
        "Relu", net.node("QuantizeLinear", "x", STEP, ZERO)
    ),
    "its scale is not positive": lambda net: net.node("QuantizeLinear", "x", np.float32(0), ZERO),
    "zero points that differ by channel are supported for weights alone": lambda net: net.node(
        "QuantizeLinear", "x", STEP, np.array([1, 2], np.uint8)
    ),
    "scales that differ by channel are supported for weights alone; use one per tensor": lambda net: net.node(
        "QuantizeLinear", "x", np.full(2, STEP), np.array([1, 2], np.uint8)
    ),
    "its scales and zero points differ in number": lambda net: net.node(
        "Conv",
        "x",
        net.node("DequantizeLinear", np.ones((3, 2, 1, 1), np.int8), STEP, np.zeros(3, np.int8)),
    ),
    "rounding mode 'ODD' is unknown; use ROUND, FLOOR or CEIL": lambda net: quant(net, rounding_mode="ODD"),
    "rounding mode UP with a zero point is not supported; use ROUND": lambda net: quant(
        net, zero=1, rounding_mode="UP"
    ),
    "levels -512..511 have more than 9 bits": lambda net: quant(net, bits=10),
    "its zero point is not one whole number": lambda net: quant(net, zero=0.5),
    "a choice between computed values is no weighted sum; choose between constants, or use Relu": lambda net: (  # noqa: E501
        net.node("Where", net.node("Greater", "x", np.float32(0)), "x", np.float32(0))
    ),
}


def quant(net: Writer, zero: float = 0, bits: int = 4, rounding_mode: str = "ROUND") -> str:
    attributes = {"signed": 1, "narrow": 0, "rounding_mode": rounding_mode}
    return net.node(
        "Quant", "x", STEP, np.float32(zero), np.float32(bits), domain=QONNX, attributes=attributes
    )


@pytest.mark.parametrize("reason", REFUSED)
def test_refusals(reason: str, tmp_path: Path) -> None:
    net = Writer(2, 4, 4)
    onnx.save(net.proto(REFUSED[reason](net)), tmp_path / "model.onnx")
    reasons = [verdict.reason for verdict in check(load(tmp_path / "model.onnx")).verdicts]
    assert reason in reasons
