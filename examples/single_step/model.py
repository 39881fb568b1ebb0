"""A convolutional network whose hidden neurons fire in the one step they have or not at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import torch
from data import CLASSES, SIZE
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx
from torch.nn.utils import parametrize

THRESHOLD = 1.0
"""The unit of potentials: BatchNorm scales them to it."""

ALPHA, BETA = 4.0, 1.0


class Activation(Enum):
    """What a hidden neuron sends: one spike or none, or its potential where that is positive."""

    STEP = "step"
    RELU = "relu"


class Weights(Enum):
    """What the layers between the first and the last have: real weights, or one bit each."""

    FLOAT = "float"
    BINARY = "binary"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution, padded so that stride 1 keeps the size, BatchNorm, and the activation."""

    channels: int
    kernel: int
    stride: int = 1


LAYERS = (
    Layer(channels=64, kernel=5, stride=2),
    Layer(channels=64, kernel=3, stride=2),
    Layer(channels=64, kernel=3),
)


def surrogate(excess: Tensor) -> Tensor:
    """What stands for the derivative of [x >= 0] (Suetake et al. 2022).

    With x the potential less the threshold, in units of the threshold, and sig the logistic function:
    alpha sig(alpha x) (1 - sig(alpha x)) where x < 0, and beta / (x + 1) where x >= 0.
    """
    chance = torch.sigmoid(ALPHA * excess)
    # In place where it can be: a good part of a training passes here.
    below = torch.addcmul(chance, chance, chance, value=-1).mul_(ALPHA)
    above = excess.clamp(min=0).add_(1).reciprocal_().mul_(BETA)
    return torch.where(excess < 0, below, above)


class Fire(torch.autograd.Function):
    """[x >= 0], whose gradient is the surrogate's."""

    @staticmethod
    def forward(ctx: FunctionCtx, potential: Tensor) -> Tensor:
        """One spike where the potential reached the threshold."""
        ctx.save_for_backward(potential)
        return (potential >= THRESHOLD).to(potential.dtype)

    @staticmethod
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> Tensor:
        """The gradient by the potential, whose unit is the threshold."""
        (potential,) = ctx.saved_tensors
        return surrogate(potential - THRESHOLD).mul_(gradient)


class Step(nn.Module):
    """One step of an integrate-and-fire neuron that starts at rest."""

    def forward(self, potential: Tensor) -> Tensor:
        """Spikes, 0 or 1; once trained, nothing but a comparison."""
        if self.training:
            return Fire.apply(potential)
        return (potential >= THRESHOLD).to(potential.dtype)


class OneBit(nn.Module):
    """alpha sign(W), alpha the mean |W| of an output channel; gradients pass straight through to W."""

    def forward(self, weight: Tensor) -> Tensor:
        """Weights of +-alpha."""
        alpha = weight.detach().abs().mean(dim=(1, 2, 3), keepdim=True)
        signs = torch.where(weight >= 0, 1.0, -1.0)
        return alpha * (signs + (weight - weight.detach()))


def build(activation: Activation, weights: Weights) -> nn.Sequential:
    """The network, from pixels / 255 to one score per class."""
    network = nn.Sequential()
    depth, size = 1, SIZE
    for number, layer in enumerate(LAYERS, start=1):
        convolution = nn.Conv2d(
            depth, layer.channels, layer.kernel, stride=layer.stride, padding=layer.kernel // 2, bias=False
        )
        if weights is Weights.BINARY and number > 1:
            parametrize.register_parametrization(convolution, "weight", OneBit())
        network.add_module(f"conv{number}", convolution)
        network.add_module(f"norm{number}", nn.BatchNorm2d(layer.channels))
        network.add_module(f"fire{number}", Step() if activation is Activation.STEP else nn.ReLU())
        depth, size = layer.channels, math.ceil(size / layer.stride)
    network.add_module("flatten", nn.Flatten())
    network.add_module("readout", nn.Linear(depth * size * size, CLASSES))
    return network


def settled(network: nn.Sequential) -> nn.Sequential:
    """The same network for use: one-bit weights are plain ones from here on."""
    for module in network:
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network.eval()
