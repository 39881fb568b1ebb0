"""What netx files cannot express, word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from row_networks import one, row
from stock_networks import Maker, everything

from snncc_backends.lava.netx.refusals import find_refusals
from snncc_backends.lava.netx.write import net_file
from snncc_ir.errors import TargetError
from snncc_ir.graph import Graph
from snncc_ir.neurons import Bias
from snncc_ir.tensors import Tensor
from snncc_ir.timing import Rate


def changed(name: str, **fields: object) -> Graph:
    graph = row()
    return graph.with_nodes([replace(graph.by_name[name], **fields)])


def spikes_and_scores() -> Graph:
    return replace(row(), outputs=("scores", "third"))


def dead() -> Graph:
    return one(Tensor.integer([[0, 0]], 8))


HINT = "; compile a network without branches with --target lava --chip loihi1"
REFUSED = {
    "reset": (
        replace(row(), timing=Rate(12)),
        "row: neurons that subtract; the stock LIF neuron resets to zero, choose --reset zero (two "
        "compartments "
        "that subtract are no Lava process)",
    ),
    "everything": (
        everything(),
        "everything: its outputs are scores, verdict; that of a netx file is its last layer alone; "
        "pixels: is read by conv1, flat1; the layers of a netx file stand in one row, so train without "
        "branches; "
        "first: is read by conv2, skip, cut; the layers of a netx file stand in one row, so train without "
        "branches; "
        "second: is read by mean, again; the layers of a netx file stand in one row, so train without "
        "branches; "
        "flat: is read by fc, fc2; the layers of a netx file stand in one row, so train without branches; "
        "second: adds up conv2, skip; a netx layer has one projection, so train without skips; "
        "fourth: adds up conv3, again; a netx layer has one projection, so train without skips; "
        "scores: adds up fc, short; a netx layer has one projection, so train without skips; "
        "skip: multiplies channel by channel; the synapses of netx are conv and dense, so put a "
        "convolution in "
        "its place; "
        "mean: pools by the average, which the reader of lava-dl 0.6.0 does not implement; train with "
        "strided "
        "convolutions in its place; "
        "grown: netx has no repeat; its only wiring is flattening; "
        "cut: netx has no slice; its only wiring is flattening; "
        "joined: netx has no concat; its only wiring is flattening; "
        "conv3: pads ((1, 0), (0, 0)); netx pads both sides of an axis alike, so train with symmetric "
        "padding; "
        "scores: bias -4422; netx gives a bias the exponent 6, so it is -4096..4095; use fewer weight bits",
    ),
    "outputs": (
        spikes_and_scores(),
        "row: its outputs are scores, third; that of a netx file is its last layer alone",
    ),
    "bias": (
        changed("scores", bias=Bias(values=Tensor.integer([1, -5000, 2]))),
        "scores: bias -5000; netx gives a bias the exponent 6, so it is -4096..4095; use fewer weight bits",
    ),
    "sizes": (
        changed("conv2", padding=((0, 0), (150, 150)), stride=(1, 152)),
        "conv2: a kernel, stride, padding, dilation or number of groups is 152; Lava's convolution takes "
        "127 at "
        "most",
    ),
    "zeros": (
        dead(),
        "fc: all its weights are 0, for which the reader of lava-dl 0.6.0 finds no exponent",
    ),
    "negative": (
        one(Tensor.integer([[-64, -3]], 8)),
        "fc: none of its weights is above 0 and the least is -64, which the reader of lava-dl 0.6.0 "
        "shifts out "
        "of the synapse's range; use another --weight-bits",
    ),
}


@pytest.mark.parametrize(("graph", "reason"), REFUSED.values(), ids=REFUSED)
def test_refuses_with_every_reason(graph: Graph, reason: str) -> None:
    with pytest.raises(TargetError) as caught:
        net_file(graph, {})
    assert str(caught.value) == f"{graph.name}: a netx file cannot express this network: {reason}{HINT}"


def test_pixels_of_one_weight_and_one_bias() -> None:
    graph = row()
    weights = graph.with_nodes([replace(graph.by_name["to_bias"], weight=Tensor.integer([1, 2], 8))])
    assert find_refusals(weights) == ("to_bias: multiplies pixels by 1..2, netx all pixels by one number",)
    neurons = Maker(1).neurons("pixels", ("to_bias",), 9, Bias(values=Tensor.integer([0, 3])))
    assert find_refusals(graph.with_nodes([neurons])) == (
        "pixels: the neurons of pixels have biases of their own, netx has one for all",
    )
