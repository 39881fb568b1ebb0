"""The node types of the IR: inputs, linear maps, wiring, populations and readouts."""

from __future__ import annotations

from dataclasses import dataclass

from snncc_ir.codes import Code
from snncc_ir.errors import GraphError
from snncc_ir.fields import sparse
from snncc_ir.neurons import Bias, Neuron
from snncc_ir.tensors import Tensor
from snncc_ir.types import Levels, Real, Shape

Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Node:
    """A named node; `origin` holds the names of the ONNX nodes that it came from."""

    name: str
    origin: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the nodes whose values this node reads, in order."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Input(Node):
    """The network's input. Once it has levels, level n stands for the real value scale * (n - zero).

    `scale` and `zero` broadcast to the input's shape. A phased graph sends the levels by `code`.
    """

    type: Real | Levels
    scale: Tensor | None = None
    zero: Tensor | None = None
    code: Code = Code.GRADED


@dataclass(frozen=True, kw_only=True)
class Unary(Node):
    """A node that reads one value."""

    source: str

    @property
    def sources(self) -> tuple[str, ...]:
        """The one source."""
        return (self.source,)


@dataclass(frozen=True, kw_only=True)
class Linear(Unary):
    """A linear map: levels (or reals) in, drive out."""

    weight: Tensor


@dataclass(frozen=True, kw_only=True)
class Wiring(Node):
    """A rearrangement: levels (or reals) in, the same kind out, without any neuron or delay."""


@dataclass(frozen=True, kw_only=True)
class Conv(Linear):
    """2-D cross-correlation of `C x H x W` with `weight[O, C/groups, KH, KW]`, zero padded.

    `padding` is ((top, bottom), (left, right)).
    """

    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class Dense(Linear):
    """Matrix product of a vector of I values with `weight[O, I]`."""


@dataclass(frozen=True, kw_only=True)
class Scale(Linear):
    """Identity projection: channel c of any shape times `weight[C]`. Skip connections are made of it."""


@dataclass(frozen=True, kw_only=True)
class SumPool(Linear):
    """Average pooling as an integer sum: channel c of U is weight[c] * sum over the taps of n * (l / count).

    `count` is the number of taps inside the image, or all taps where `count_padding`; l is the least
    common multiple of the counts that occur (`linear.pool_divisor`), so U is l times the average.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    count_padding: bool = False


@dataclass(frozen=True, kw_only=True)
class MaxPool(Unary, Wiring):
    """Greatest level of each window; padding takes no part. It needs no neuron and adds no delay."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))


@dataclass(frozen=True, kw_only=True)
class Concat(Wiring):
    """Values joined along `axis` (the batch axis is not counted)."""

    parts: tuple[str, ...]
    axis: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """The joined values."""
        return self.parts


@dataclass(frozen=True, kw_only=True)
class Reshape(Unary, Wiring):
    """The same values in row-major order under another shape."""

    shape: Shape


@dataclass(frozen=True, kw_only=True)
class Transpose(Unary, Wiring):
    """Axes permuted: axis i of the result is axis `axes[i]` of the source."""

    axes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Slice(Unary, Wiring):
    """Per axis the positions start, start + step, ... before stop (step >= 1)."""

    start: tuple[int, ...]
    stop: tuple[int, ...]
    step: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Pad(Unary, Wiring):
    """Level 0 added before and after each axis, and `interior` times between neighbours along it.

    An empty `interior` adds none. Zeros between neighbours make a transposed convolution an ordinary one.
    """

    padding: tuple[Pair, ...]
    interior: tuple[int, ...] = sparse(())


@dataclass(frozen=True, kw_only=True)
class Repeat(Unary, Wiring):
    """Every position of axis i `factors[i]` times in a row: upsampling by the nearest neighbour."""

    factors: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Channels of a population called `whole`, as the network came, in the order in which they are held."""

    whole: str
    channels: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(set(self.channels)) < len(self.channels) or min(self.channels, default=0) < 0:
            raise GraphError("a part's channels must be different numbers >= 0", where=self.whole)


@dataclass(frozen=True, kw_only=True)
class Population(Node):
    """Neurons of one shape: they add the drives they read and give levels (reals before `quantize`).

    `scale[C]` is the real value of one level once there are levels, `unit[C]` that of one unit of drive
    where no threshold tells: with a breakpoint table. `part` says which channels of the network as it came
    these are, where a pass divided a population or changed the order of its channels.
    """

    drives: tuple[str, ...]
    neuron: Neuron
    code: Code = Code.RADIX
    scale: Tensor | None = None
    unit: Tensor | None = sparse(None)
    part: Part | None = sparse(None)

    @property
    def sources(self) -> tuple[str, ...]:
        """The drives that are added."""
        return self.drives


@dataclass(frozen=True, kw_only=True)
class Readout(Node):
    """An output that never fires: y = scale * (sum of drives + b), one scale for all of its values."""

    drives: tuple[str, ...]
    bias: Bias
    scale: float = 1.0

    @property
    def sources(self) -> tuple[str, ...]:
        """The drives that are added."""
        return self.drives


AnyNode = Input | Linear | Wiring | Population | Readout

NODE_TYPES: dict[str, type[AnyNode]] = {
    "input": Input,
    "conv": Conv,
    "dense": Dense,
    "scale": Scale,
    "sum_pool": SumPool,
    "max_pool": MaxPool,
    "concat": Concat,
    "reshape": Reshape,
    "transpose": Transpose,
    "slice": Slice,
    "pad": Pad,
    "repeat": Repeat,
    "population": Population,
    "readout": Readout,
}
"""Operation name in text and JSON of every node type."""

NODE_NAMES = {node_type: name for name, node_type in NODE_TYPES.items()}
