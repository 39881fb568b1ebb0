"""The full text of every message about a model that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import Net

from snncc.frontend.load import load
from snncc.frontend.lower import lower
from snncc.frontend.runtime import newest_ir_version, newest_opset
from snncc_ir.errors import ModelError
from snncc_ir.types import MAX_ELEMENTS

EXPORT = "export or copy it again"
DAMAGED = "the file is damaged; export it again"


def refused(path: Path, message: str) -> None:
    """Loading and lowering `path` fails with exactly this message, PATH being the path."""
    expected = re.escape(message.replace("PATH", str(path)))
    with pytest.raises(ModelError, match=f"^{expected}$"):
        lower(load(path))


def dense_net() -> Net:
    """A network of one dense layer."""
    net = Net(4)
    net.dense("x", 4, 3)
    return net


def edited(folder: Path, edit: Callable[[onnx.ModelProto], None]) -> Path:
    """The dense network, changed and saved."""
    proto = dense_net().proto("t0")
    edit(proto)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "no.onnx", "PATH: no such file; check the path")


def test_folder(tmp_path: Path) -> None:
    refused(tmp_path, "PATH: is a folder; name the .onnx file in it")


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    refused(path, "PATH: is empty; export the model again")


@pytest.mark.parametrize("content", [b"no model at all", b"\x08\x08", bytes(1000), b"\x89PNG\r\n"])
def test_not_a_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.onnx"
    path.write_bytes(content)
    refused(path, f"PATH: is not an ONNX model, or is truncated; {EXPORT}")


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    whole = dense_net().save(tmp_path, "t0").read_bytes()
    path = tmp_path / "part.onnx"
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            load(path)


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dense_net().save(tmp_path, "t0")

    def fail(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", fail)
    refused(path, "PATH: cannot be read: Permission denied; check its permissions")


def test_no_nodes(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: proto.graph.ClearField("node"))
    refused(path, "PATH: has no nodes; export the network itself")


def test_old_opset(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: setattr(proto.opset_import[0], "version", 7))
    refused(
        path, "PATH: opset 7 is older than 8, the oldest supported; convert it with onnx.version_converter"
    )


def test_new_opset(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: setattr(proto.opset_import[0], "version", 999))
    newest = newest_opset()
    refused(
        path,
        f"PATH: opset 999 is newer than {newest}, the newest that the installed ONNX Runtime runs; "
        f"export with opset_version={newest}, or update onnxruntime",
    )


def test_new_file_format(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: setattr(proto, "ir_version", 99))
    newest = newest_ir_version()
    refused(
        path,
        f"PATH: IR version 99 is newer than {newest}, the newest that the installed ONNX Runtime reads; "
        f"set ir_version to {newest} when saving, or update onnxruntime",
    )


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = dense_net().save(tmp_path, "t0")
    path.write_bytes(path.read_bytes().replace(b"Gemm", b"G\xffmm"))
    refused(path, f"PATH: holds names that are no text; {DAMAGED}")


def test_no_opset(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: setattr(proto.opset_import[0], "domain", "else"))
    refused(path, "PATH: states no opset of ONNX's own operators; export it again")


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_weights_that_are_no_numbers(tmp_path: Path, value: float, kind: str) -> None:
    net = dense_net()
    weights = np.ones((4, 4), dtype=np.float32)
    weights[2, 1] = value
    net.node("Gemm", "t0", weights, name="last")
    refused(net.save(tmp_path, "t1"), f"c2: weights hold {kind}; the training diverged; export other weights")


def test_absurd_size(tmp_path: Path) -> None:
    def edit(proto: onnx.ModelProto) -> None:
        proto.graph.initializer[0].dims[:] = [2**20, 2**20]

    refused(
        edited(tmp_path, edit),
        f"c0: tensor of shape 1048576x1048576 has more than {MAX_ELEMENTS} elements; "
        "no network that fits a chip is that large; export it again",
    )


def test_negative_size(tmp_path: Path) -> None:
    def edit(proto: onnx.ModelProto) -> None:
        proto.graph.initializer[0].dims[:] = [-3, 4]

    refused(edited(tmp_path, edit), f"c0: tensor has a negative size; {DAMAGED}")


def test_size_that_does_not_match(tmp_path: Path) -> None:
    def edit(proto: onnx.ModelProto) -> None:
        proto.graph.initializer[0].dims[:] = [3, 400]

    refused(
        edited(tmp_path, edit), f"c0: tensor of shape 3x400 needs 4800 bytes, the file holds 48; {DAMAGED}"
    )


def test_typed_values_that_do_not_match(tmp_path: Path) -> None:
    def edit(proto: onnx.ModelProto) -> None:
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.float_data.extend([1.0] * 11)

    refused(edited(tmp_path, edit), f"c0: tensor of shape 3x4 needs 12 values, the file holds 11; {DAMAGED}")


def test_unknown_element_type(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: setattr(proto.graph.initializer[0], "data_type", 77))
    refused(path, "c0: tensor has the unknown element type 77")


def test_sparse_weights(tmp_path: Path) -> None:
    def edit(proto: onnx.ModelProto) -> None:
        sparse = proto.graph.sparse_initializer.add()
        sparse.values.CopyFrom(helper.make_tensor("thin", TensorProto.FLOAT, [1], [1.0]))
        sparse.dims[:] = [2**40]

    refused(edited(tmp_path, edit), "thin: sparse tensors are not supported; export dense weights")


def test_absurd_constant_of_shape(tmp_path: Path) -> None:
    net = Net(4)
    huge = net.node("ConstantOfShape", np.array([2**40, 2**20]), name="huge")
    net.node("Add", "x", huge, name="sum")
    refused(
        net.save(tmp_path, "t1"),
        "PATH: 1 of 2 nodes cannot be compiled:\n"
        f"  huge (ConstantOfShape): would make a constant of {2**60} elements; at most 67108864 are allowed",
    )


@pytest.mark.parametrize(
    ("op", "inputs", "count"),
    [
        ("Expand", (np.ones(1), np.array([2**30])), 2**30),
        ("Tile", (np.ones(2), np.array([2**30])), 2**31),
        ("Range", (np.float32(0), np.float32(1e30), np.float32(1)), 2**26 + 1),
        ("Add", (np.ones((2**14, 1)), np.ones((1, 2**13))), 2**27),
        ("MatMul", (np.ones((2**14, 1)), np.ones((1, 2**13))), 2**27),
        ("Gather", (np.ones((2, 2**14)), np.zeros(2**13, dtype=np.int64)), 2**28),
    ],
)
def test_absurd_constants(tmp_path: Path, op: str, inputs: tuple[np.ndarray, ...], count: int) -> None:
    net = Net(4)
    net.node("Mul", "x", net.node(op, *inputs, name="huge"))
    refused(
        net.save(tmp_path, "t1"),
        "PATH: 1 of 2 nodes cannot be compiled:\n"
        f"  huge ({op}): would make a constant of {count} elements; at most 67108864 are allowed",
    )


def test_absurd_padding(tmp_path: Path) -> None:
    net = Net(1, 4, 4)
    net.node("Conv", "x", net.weights(1, 1, 3, 3), pads=[2**40, 0, 0, 0], name="conv")
    with pytest.raises(ModelError, match=r"conv \(Conv\): shape .* has more than \d+ elements$"):
        lower(net.load(tmp_path, "t0"))


@pytest.mark.parametrize("inputs", [[], ["x", "more"]])
def test_number_of_inputs(tmp_path: Path, inputs: list[str]) -> None:
    def edit(proto: onnx.ModelProto) -> None:
        if not inputs:
            proto.graph.initializer.add(
                name="x", data_type=TensorProto.FLOAT, dims=[1, 4], float_data=[1.0] * 4
            )
        else:
            proto.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))

    names = ", ".join(inputs) or "none"
    refused(
        edited(tmp_path, edit),
        f"PATH: has {len(inputs)} inputs ({names}); just one image input is supported; "
        "export a network with one input",
    )


def test_dynamic_height(tmp_path: Path) -> None:
    def edit(proto: onnx.ModelProto) -> None:
        shape = proto.graph.input[0].type.tensor_type.shape
        shape.dim.add().dim_param = "height"
        shape.dim.add().dim_param = "width"

    refused(
        edited(tmp_path, edit),
        "x: the input has a dynamic shape, 4x?x? per image; export with fixed channels, height and width, or "
        "fix them with `python -m onnxruntime.tools.make_dynamic_shape_fixed`",
    )


def test_input_without_axes(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: proto.graph.input[0].type.tensor_type.shape.ClearField("dim"))
    refused(path, "x: the input has no axis beside the batch; export a network of images")


def test_text_input(tmp_path: Path) -> None:
    path = edited(
        tmp_path,
        lambda proto: setattr(proto.graph.input[0].type.tensor_type, "elem_type", TensorProto.STRING),
    )
    refused(path, "x: the input is not of real numbers or bytes; export a network of images")


def test_value_that_nothing_gives(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: proto.graph.node[0].input.append("ghost"))
    refused(path, f"gemm0: reads 'ghost', which nothing before it gives; {DAMAGED}")


def test_value_given_twice(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: proto.graph.node.append(proto.graph.node[0]))
    refused(path, f"gemm0: gives 't0' a second time; {DAMAGED}")


def test_output_that_nothing_gives(tmp_path: Path) -> None:
    path = edited(tmp_path, lambda proto: setattr(proto.graph.output[0], "name", "ghost"))
    refused(path, f"PATH: nothing gives the output 'ghost'; {DAMAGED}")


def test_node_against_its_schema(tmp_path: Path) -> None:
    path = edited(
        tmp_path, lambda proto: proto.graph.node[0].attribute.append(helper.make_attribute("odd", 1))
    )
    with pytest.raises(ModelError, match=r"^gemm0: breaks a rule of Gemm: Unrecognized attribute: odd"):
        load(path)


def test_output_of_the_input(tmp_path: Path) -> None:
    net = Net(4)
    net.node("Identity", "x", name="same")
    refused(
        net.save(tmp_path, "t0"),
        "PATH: 1 of 1 nodes cannot be compiled:\n  same (Identity): an output passes the input on; remove it",
    )


def test_all_rejected_nodes_are_listed_up_to_twenty(tmp_path: Path) -> None:
    net = Net(4)
    last = "x"
    for index in range(22):
        last = net.node("Tanh", last, name=f"tanh{index}")
    reason = (
        "rises, but not in a straight line, which the levels of a sum do not follow; "
        "replace it by Relu, LeakyRelu or Clip and fine-tune"
    )
    listed = "".join(f"\n  tanh{index} (Tanh): {reason}" for index in range(20))
    refused(net.save(tmp_path, last), f"PATH: 22 of 22 nodes cannot be compiled:{listed}\n  and 2 more")


# External data.


def external(folder: Path, location: str, *, offset: int = 0, length: int | None = None) -> Path:
    """The dense network with its weights in another file."""

    def edit(proto: onnx.ModelProto) -> None:
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entries = {"location": location, "offset": str(offset)}
        if length is not None:
            entries["length"] = str(length)
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)

    return edited(folder, edit)


def test_external_data(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(8) + np.ones(12, dtype=np.float32).tobytes() + bytes(8))
    model = load(external(tmp_path, "weights.bin", offset=8, length=48))
    assert (model.constants["c0"] == 1).all()
    assert list(model.external) == ["weights.bin"]


def test_external_data_is_missing(tmp_path: Path) -> None:
    refused(
        external(tmp_path, "weights.bin"),
        "c0: external data 'weights.bin' is missing; copy it beside the model, or export with the weights "
        "inside the file",
    )


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../weights.bin", "a/../../b", "", "C:\\weights", "..\\w", "\\\\host\\w"]
)
def test_external_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    refused(
        external(tmp_path, location),
        f"c0: external data {location!r} lies outside the model's folder; "
        "external data must be named relative to the model, without '..'",
    )


@pytest.mark.parametrize("link", ["file", "folder"])
def test_external_data_behind_a_link(tmp_path: Path, link: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "weights.bin").write_bytes(bytes(48))
    if link == "file":
        (inside / "weights.bin").symlink_to(outside / "weights.bin")
    else:
        (inside / "linked").symlink_to(outside)
    location = "weights.bin" if link == "file" else "linked/weights.bin"
    refused(
        external(inside, location),
        f"c0: external data {location!r} is a link out of the model's folder; "
        "copy the file itself into the folder",
    )


def test_external_data_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").mkdir()
    refused(external(tmp_path, "weights.bin"), "c0: external data 'weights.bin' is no file")


@pytest.mark.parametrize(
    ("offset", "length", "found"), [(0, None, 40), (4, 48, 48), (0, 12, 12), (100, None, -60)]
)
def test_external_data_of_the_wrong_size(tmp_path: Path, offset: int, length: int | None, found: int) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(40))
    refused(
        external(tmp_path, "weights.bin", offset=offset, length=length),
        f"c0: tensor needs 48 bytes, but its external data are {found} bytes from {offset} of the 40 in "
        "'weights.bin'; model and data do not belong together, or one is damaged",
    )


@pytest.mark.parametrize("offset", [-1, 2**70])
def test_external_data_with_an_odd_offset(tmp_path: Path, offset: int) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(48))
    with pytest.raises(ModelError, match=r"^c0: "):
        load(external(tmp_path, "weights.bin", offset=offset, length=48))
