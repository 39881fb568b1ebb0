"""What a learning network is: layers of spiking neurons, a readout, and the surrogate gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from snncc_ir.errors import SnnccError

Map = tuple[int, int, int]
"""Height, width, channels: values are channels last."""

Pair = tuple[int, int]

MOST_STEPS = 65535


class Reset(Enum):
    """What a spike does to the potential of its neuron."""

    SUBTRACT = "subtract"
    ZERO = "zero"


class Score(Enum):
    """What the readout makes of its potentials over time; DRIVE is the sum of all that it receives."""

    MAXIMUM = "maximum"
    SUM = "sum"
    DRIVE = "drive"


class Form(Enum):
    """How a network runs: TRAINS as published, RATE as the code `rate` of the IR (ir/SPEC.md, section 7).

    In RATE all layers have biases, a spike arrives in the step in which it is sent, potentials begin at half
    a threshold (at 0 where they leak), and a neuron fires at its threshold.
    """

    TRAINS = "trains"
    RATE = "rate"


def _require(holds: bool, what: str, where: str) -> None:
    if not holds:
        raise SnnccError(what, where=where)


def _check_decay(decay: float, where: str) -> None:
    _require(0 < decay <= 1, f"decay must be above 0 and at most 1, not {decay}", where)


def _check_gain(gain: float, where: str) -> None:
    _require(0 < gain < math.inf, f"gain must be positive, not {gain}", where)


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """V[t+1] = decay V[t] + gain sum_i W_i S_i[t] - threshold S[t], S[t] = [V[t] > threshold], V[0] = 0.

    With reset ZERO it is V[t+1] = decay V[t] (1 - S[t]) + gain sum_i W_i S_i[t]. `decay` 1 is the
    integrate-and-fire neuron, below 1 the leaky one: exp(-1 / tau) for a time constant of tau steps.
    """

    decay: float
    threshold: float = 1.0
    gain: float = 1.0
    reset: Reset = Reset.SUBTRACT

    def __post_init__(self) -> None:
        _check_decay(self.decay, "neuron")
        _check_gain(self.gain, "neuron")
        _require(0 < self.threshold < math.inf, f"threshold must be positive, not {self.threshold}", "neuron")


@dataclass(frozen=True, kw_only=True)
class Dense:
    """All-to-all, weights `[inputs, outputs]`; of a map the inputs are its values, channels last."""

    outputs: int
    neuron: Neuron

    def __post_init__(self) -> None:
        _require(self.outputs > 0, f"outputs must be positive, not {self.outputs}", "dense layer")


@dataclass(frozen=True, kw_only=True)
class Conv:
    """Convolution, weights `[KH, KW, C, outputs]`; `padding` is top, left, bottom, right."""

    outputs: int
    kernel: Pair
    neuron: Neuron
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        _require(self.outputs > 0, f"outputs must be positive, not {self.outputs}", "convolution")
        for name, pair in (("kernel", self.kernel), ("stride", self.stride)):
            _require(min(pair) > 0, f"{name} must be positive, not {pair}", "convolution")
        _require(min(self.padding) >= 0, f"padding must not be negative, as {self.padding} is", "convolution")


Layer = Dense | Conv


@dataclass(frozen=True, kw_only=True)
class Readout:
    """U[t+1] = decay U[t] + gain sum_i W_i S_i[t] of every class, never firing, and its score over time.

    With score DRIVE it is U[t] = U[t-1] + sum_i W_i S_i[t] + b; the loss is of gain / steps times the last U.
    """

    classes: int
    decay: float
    gain: float = 1.0
    score: Score = Score.MAXIMUM

    def __post_init__(self) -> None:
        _require(self.classes > 1, f"classes must be at least 2, not {self.classes}", "readout")
        _check_decay(self.decay, "readout")
        _check_gain(self.gain, "readout")


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """dS/dV = 1 / (slope |V - threshold| + 1)^2 where |V - threshold| < band, else 0.

    `band` is B_th of Perez-Nieves and Goodman 2021; math.inf gives the dense gradient.
    """

    band: float = 0.2
    slope: float = 100.0

    def __post_init__(self) -> None:
        _require(self.band > 0, f"band must be positive, not {self.band}", "surrogate")
        _require(0 <= self.slope < math.inf, f"slope must not be negative, as {self.slope} is", "surrogate")


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """On the spikes N_j of an image, for every layer of n neurons, beside the cross-entropy.

    upper max(0, sum_j N_j / n - most) + lower / n sum_j max(0, least - N_j)^2, as in the authors' program for
    Perez-Nieves and Goodman 2021, which has these numbers for Fashion-MNIST.
    """

    upper: float = 0.06
    most: float = 1.0
    lower: float = 100.0
    least: float = 0.001

    def __post_init__(self) -> None:
        for name in ("upper", "most", "lower", "least"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, f"{name} must not be negative, as {value} is", "penalty")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A layer with the map that it reads and the one that it gives."""

    layer: Layer | Readout
    reads: Map
    gives: Map

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Of the layer's weights."""
        if isinstance(self.layer, Conv):
            return (*self.layer.kernel, self.reads[2], self.layer.outputs)
        return (math.prod(self.reads), self.gives[2])

    @property
    def positions(self) -> int:
        """Of the map that it gives."""
        return self.gives[0] * self.gives[1]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Layers one after the other, from what the map `inputs` sends in `steps` steps to scores."""

    inputs: Map
    steps: int
    layers: tuple[Layer, ...]
    readout: Readout
    surrogate: Surrogate = Surrogate()
    form: Form = Form.TRAINS

    def __post_init__(self) -> None:
        _require(min(self.inputs) > 0, f"inputs must be positive, not {self.inputs}", "network")
        least = 1 if self.form is Form.RATE else 2
        _require(
            least <= self.steps <= MOST_STEPS,
            f"steps must be {least} to {MOST_STEPS}, not {self.steps}",
            "network",
        )
        _check_score(self.readout, self.form)
        for stage in self.stages:
            _require(
                min(stage.gives) > 0,
                f"kernel {_kernel(stage)} is larger than its map {stage.reads}",
                "network",
            )

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The layers, the readout last."""
        shapes = list(self._shapes())
        layers = (*self.layers, self.readout)
        return tuple(
            Stage(layer=x, reads=a, gives=b) for x, (a, b) in zip(layers, pairwise(shapes), strict=True)
        )

    @property
    def parameter_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of what is learnt: the weights of every stage, in form RATE each before its biases."""
        biased = self.form is Form.RATE
        return tuple(
            shape
            for stage in self.stages
            for shape in ((stage.weight_shape, (stage.gives[2],)) if biased else (stage.weight_shape,))
        )

    def _shapes(self) -> Iterator[Map]:
        shape = self.inputs
        yield shape
        for layer in self.layers:
            shape = _output(layer, shape)
            yield shape
        yield (1, 1, self.readout.classes)


def _check_score(readout: Readout, form: Form) -> None:
    if form is Form.RATE:
        _require(readout.score is Score.DRIVE, "form RATE needs the score DRIVE", "readout")
        _require(readout.decay == 1, f"decay must be 1 in form RATE, not {readout.decay}", "readout")
    else:
        _require(readout.score is not Score.DRIVE, "the score DRIVE needs form RATE", "readout")


def _output(layer: Layer, shape: Map) -> Map:
    if isinstance(layer, Dense):
        return (1, 1, layer.outputs)
    top, left, bottom, right = layer.padding
    height = (shape[0] + top + bottom - layer.kernel[0]) // layer.stride[0] + 1
    width = (shape[1] + left + right - layer.kernel[1]) // layer.stride[1] + 1
    return (height, width, layer.outputs)


def _kernel(stage: Stage) -> Pair:
    return stage.layer.kernel if isinstance(stage.layer, Conv) else (1, 1)
