"""Graphs as PyTorch, Keras (tf2onnx), the TFLite converters and skl2onnx write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import Net, assert_agrees, assert_close, run_onnx, verdict_of

from snncc.driver import compile_model
from snncc.frontend.check import check
from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.options import CompileOptions
from snncc.simulate import simulate
from snncc.verify import verify
from snncc_ir.nodes import Conv, Dense, Input, Population, Reshape, Transpose
from snncc_ir.semantics import evaluate
from snncc_ir.types import Levels

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
FIRST, LAST = (1, 3, 1, 1), (1, 1, 1, 3)


def torch_normalise(net: Net) -> str:
    """(x / 255 - mean) / std."""
    scaled = net.node("Div", "x", np.float32(255))
    return net.node("Div", net.node("Sub", scaled, MEAN.reshape(FIRST)), STD.reshape(FIRST))


def batch_normalise(net: Net) -> str:
    """BatchNormalization of raw pixels."""
    ones = np.ones(3)
    return net.node("BatchNormalization", "x", ones, 0 * ones, 255 * MEAN, np.square(255 * STD), epsilon=0.0)


def keras_rescale(net: Net) -> str:
    """Keras: Rescaling, Normalization, then tf2onnx's Transpose to channels first."""
    scaled = net.node("Add", net.node("Mul", "x", np.float32(1 / 127.5)), np.float32(-1))
    centred = net.node("Sub", scaled, MEAN.reshape(LAST))
    return net.node("Transpose", net.node("Mul", centred, 1 / STD.reshape(LAST)), perm=[0, 3, 1, 2])


def turned_first(net: Net) -> str:
    """The Transpose first, then the constants."""
    turned = net.node("Transpose", "x", perm=[0, 3, 1, 2])
    return net.node("Mul", net.node("Sub", turned, 255 * MEAN.reshape(FIRST)), 1 / (255 * STD.reshape(FIRST)))


def padded_later(net: Net) -> str:
    """A Pad node between the normalisation and the convolution."""
    return net.node("Pad", torch_normalise(net), np.array([0, 0, 2, 0, 0, 0, 1, 1]))


NORMALISATIONS: list[tuple[Callable[[Net], str], tuple[int, ...]]] = [
    (torch_normalise, (3, 8, 6)), (batch_normalise, (3, 8, 6)), (padded_later, (3, 8, 6)),
    (keras_rescale, (8, 6, 3)), (turned_first, (8, 6, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("normalise", "shape"), NORMALISATIONS)
def test_input_normalisation_folds_with_exact_borders(
    tmp_path: Path, normalise: Callable[[Net], str], shape: tuple[int, ...]
) -> None:
    net = Net(*shape)
    first = net.node("Relu", net.conv(normalise(net), 3, 4, pads=[1, 1, 1, 1], strides=[2, 2]))
    size = int(
        np.prod(assert_agrees(net, tmp_path, first).graph.types["relu" + str(len(net.nodes) - 1)].shape)
    )
    last = net.dense(net.node("Flatten", first), size, 3)
    lowered = assert_agrees(net, tmp_path, last)
    assert [type(node) for node in lowered.graph.linears] == [Conv, Dense]
    pixels = np.random.default_rng(0).integers(0, 256, (16, *shape), dtype=np.uint8)
    np.savez(tmp_path / "pixels.npz", images=pixels)
    options = CompileOptions(
        output=tmp_path / "out", target="sim", calibrate=tmp_path / "pixels.npz", level_bits=8
    )
    graph = compile_model(tmp_path / "model.onnx", options).graph
    (node,) = graph.of_type(Input)
    assert node.type == Levels(shape, 0, 255)
    (wanted,) = run_onnx(tmp_path / "model.onnx", pixels.astype(np.float32))
    (got,) = simulate(tmp_path / "out", tmp_path / "pixels.npz").outputs.values()
    assert np.abs(got - wanted).max() < 0.03 * np.abs(wanted).max()


def test_keras_layers_each_between_two_transposes(tmp_path: Path) -> None:
    """TFLite converters leave the layout to every single layer; all of it folds away but at the ends."""
    net = Net(8, 8, 3)

    def layer(op: str, source: str, *inputs: object, **attributes: object) -> str:
        turned = net.node("Transpose", source, perm=[0, 3, 1, 2])
        made = net.node(op, turned, *inputs, **attributes)  # type: ignore[arg-type]
        return net.node("Transpose", made, perm=[0, 2, 3, 1])

    signal = layer("Conv", "x", net.weights(4, 3, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2])
    signal = net.node("Add", signal, np.linspace(-1, 1, 4).reshape(1, 1, 1, 4))
    signal = net.node("Clip", signal, np.float32(0), np.float32(6))
    skip = layer("Conv", signal, net.weights(4, 1, 3, 3), pads=[1, 1, 1, 1], group=4)
    skip = net.node("Mul", skip, np.linspace(0.5, 2, 4).reshape(1, 1, 1, 4))
    signal = net.node("Relu", net.node("Add", skip, signal))
    signal = layer("MaxPool", signal, kernel_shape=[2, 2], strides=[2, 2])
    signal = net.node("Reshape", net.node("ReduceMean", signal, axes=[1, 2]), np.array([-1, 4]))
    last = net.node("Softmax", net.node("Add", net.node("MatMul", signal, net.weights(4, 3)), np.ones(3)))
    net.nodes[-1].name = "softmax"
    path = net.save(tmp_path, last)
    lowered = lower(load(path))
    turns = [node for node in lowered.graph.nodes if isinstance(node, Transpose)]
    assert len(turns) == 1  # of the input
    assert len(list(lowered.graph.of_type(Population))) == 2
    assert verdict_of(lowered, "softmax")[0] == "folded"
    images = net.images(4)
    (wanted,) = run_onnx(path, images)
    values = evaluate(lowered.graph, {lowered.graph.inputs[0].name: images})
    drive = values[lowered.outputs[last]]
    powers = np.exp(drive - drive.max(axis=1, keepdims=True))
    assert_close(powers / powers.sum(axis=1, keepdims=True), wanted)


def test_pytorch_shapes_computed_from_the_input(tmp_path: Path) -> None:
    """x.view(x.size(0), -1), a pixel shuffle and an upsampling by F.interpolate, as torch exports them."""
    net = Net(2, 4, 4, batch=1)
    signal = net.node("Relu", net.conv("x", 2, 8, pads=[1, 1, 1, 1]))
    cells = net.node("Reshape", signal, np.array([1, 2, 2, 2, 4, 4]))
    signal = net.node(
        "Reshape", net.node("Transpose", cells, perm=[0, 1, 4, 2, 5, 3]), np.array([1, 2, 8, 8])
    )
    sizes = net.node("Concat", net.node("Slice", net.node("Shape", signal), np.array([0]), np.array([2])),
                     np.array([16, 16]), axis=0)  # fmt: skip
    signal = net.node("Resize", signal, "", "", sizes, mode="nearest", nearest_mode="floor",
                      coordinate_transformation_mode="asymmetric")  # fmt: skip
    count = net.node("Gather", net.node("Shape", signal), np.array(0), axis=0)
    shape = net.node("Concat", net.node("Unsqueeze", count, np.array([0])), np.array([-1]), axis=0)
    flat = net.node("Reshape", net.node("MaxPool", signal, kernel_shape=[4, 4], strides=[4, 4]), shape)
    assert_agrees(net, tmp_path, net.dense(flat, 32, 3))


def classifier(folder: Path, *, binary: bool = False, names: bool = False, zipmap: bool = True) -> Path:
    """An MLPClassifier with its scaler, as skl2onnx 1.20 writes it."""
    rng = np.random.default_rng(0)
    classes = 1 if binary else 3
    labels = (
        np.array(["a", "b", "c"][: 2 if binary else 3], dtype=object) if names else np.arange(max(classes, 2))
    )
    ml = {"domain": "ai.onnx.ml"}
    node = helper.make_node
    nodes = [
        node(
            "Scaler",
            ["X"],
            ["variable"],
            "Scaler",
            offset=[0.5, -0.5, 0.0, 1.0],
            scale=[2.0, 1.0, 0.5, 1.0],
            **ml,
        ),
        node("Cast", ["variable"], ["cast_input"], "Cast", to=TensorProto.FLOAT),
        node("MatMul", ["cast_input", "coefficient"], ["mul_result"], "MatMul"),
        node("Add", ["mul_result", "intercepts"], ["add_result"], "Add"),
        node("Relu", ["add_result"], ["next_activations"], "Relu"),
        node("MatMul", ["next_activations", "coefficient1"], ["mul_result1"], "MatMul1"),
        node("Add", ["mul_result1", "intercepts1"], ["add_result1"], "Add1"),
    ]
    if binary:
        nodes += [
            node("Sigmoid", ["add_result1"], ["out_activations_result"], "Sigmoid"),
            node("Sub", ["unity", "out_activations_result"], ["negative_class_proba"], "Sub"),
            node(
                "Concat",
                ["negative_class_proba", "out_activations_result"],
                ["probabilities"],
                "Concat",
                axis=1,
            ),
        ]
    else:
        nodes.append(node("Softmax", ["add_result1"], ["probabilities"], "Softmax", axis=-1))
    nodes.append(node("ArgMax", ["probabilities"], ["argmax_output"], "ArgMax", axis=1))
    if zipmap:
        key = (
            {"classlabels_strings": list(labels)}
            if names
            else {"classlabels_int64s": [int(n) for n in labels]}
        )
        nodes.append(node("ZipMap", ["probabilities"], ["output_probability"], "ZipMap", **ml, **key))
    nodes += [
        node("ArrayFeatureExtractor", ["classes", "argmax_output"], ["extracted"], "Extractor", **ml),
        node("Reshape", ["extracted", "shape"], ["label"], "Reshape"),
    ]
    weights = {
        "coefficient": rng.normal(0, 1, (4, 8)), "intercepts": rng.normal(0, 1, (1, 8)),
        "coefficient1": rng.normal(0, 1, (8, classes)), "intercepts1": rng.normal(0, 1, (1, classes)),
        "unity": np.ones(1),
    }  # fmt: skip
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    constants += [numpy_helper.from_array(np.array([-1]), "shape")]
    constants.append(numpy_helper.from_array(labels if names else labels.astype(np.int64), "classes"))
    kind = TensorProto.STRING if names else TensorProto.INT64
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, max(classes, 2)])
    if zipmap:
        output = helper.make_empty_tensor_value_info("output_probability")
    graph = helper.make_graph(
        nodes, "mlp", [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("label", kind, [None]), output], constants,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 1)]
    path = folder / "mlp.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(("names", "zipmap"), [(False, True), (False, False), (True, True)])
def test_scikit_learn_classifiers(tmp_path: Path, binary: bool, names: bool, zipmap: bool) -> None:
    path = classifier(tmp_path, binary=binary, names=names, zipmap=zipmap)
    model = load(path)
    assert check(model).supported
    lowered = lower(model)
    output = "output_probability" if zipmap else "probabilities"
    assert lowered.labels == {"label"}
    assert lowered.outputs["label"] == lowered.outputs[output]
    assert list(lowered.named_outputs) == [output]
    images = np.random.default_rng(1).normal(0, 1, (200, 4)).astype(np.float32)
    np.savez(tmp_path / "images.npz", images=images)
    options = CompileOptions(
        output=tmp_path / "out", target="sim", calibrate=tmp_path / "images.npz", level_bits=8
    )
    compile_model(path, options)
    drives = evaluate(lowered.graph, {"X": images})[lowered.outputs["label"]]
    (labels,) = run_onnx(path, images, ["label"], batch=200)
    known = np.array(["a", "b", "c"]) if names else np.arange(3)
    np.testing.assert_array_equal(known[drives.argmax(axis=1)], labels)
    found = simulate(tmp_path / "out", tmp_path / "images.npz")
    assert list(found.outputs) == [output]
    assert (known[found.evaluation.predictions] == labels).mean() > 0.95
    assert verify(tmp_path / "out").equal


def test_names_of_classes_without_a_choice(tmp_path: Path) -> None:
    net = Net(4)
    picked = net.node("ArrayFeatureExtractor", "x", np.array([1, 2]), domain="ai.onnx.ml", name="pick")
    proto = net.proto(net.dense(picked, 2, 2))
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    onnx.save(proto, tmp_path / "model.onnx")
    assert check(load(tmp_path / "model.onnx")).verdicts[0].reason == (
        "names a class that nothing has chosen before; put it behind ArgMax at the end"
    )


def test_several_outputs_and_drives_in_real_units(tmp_path: Path) -> None:
    """A detector's heads: two outputs of values, no classes; one array per output, by its name."""
    net = Net(2, 6, 6)
    trunk = net.node("Relu", net.conv("x", 2, 4))
    boxes, scores = net.conv(trunk, 4, 3, 1), net.node("Relu", net.conv(trunk, 4, 2, 1))
    flat = net.node("Flatten", boxes)
    path = net.save(tmp_path, flat, scores)
    images = net.images(12)
    np.savez(tmp_path / "images.npz", images=images)
    options = CompileOptions(
        output=tmp_path / "out", target="sim", calibrate=tmp_path / "images.npz", level_bits=8
    )
    compile_model(path, options)
    outputs = simulate(tmp_path / "out", tmp_path / "images.npz").outputs
    assert list(outputs) == [flat, scores]
    for got, wanted in zip(outputs.values(), run_onnx(path, images), strict=True):
        assert np.abs(got.reshape(wanted.shape) - wanted).max() < 0.05 * np.abs(wanted).max()


def test_reshapes_of_one_output_share_its_name(tmp_path: Path) -> None:
    net = Net(4)
    hidden = net.dense("x", 4, 3)
    both = net.node("Softmax", hidden), net.node("LogSoftmax", hidden)
    lowered = lower(net.load(tmp_path, *both))
    assert list(lowered.outputs) == list(both)
    assert len(lowered.graph.outputs) == 1
    assert not list(lowered.graph.of_type(Reshape))
