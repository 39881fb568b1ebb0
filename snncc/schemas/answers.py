"""The objects that commands print with `--json`, one type for each, with units; `schema` names it.

A key of a class that ends in `More` is there where it applies, every other one always.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from snncc.schemas.costs import Cores, Fit, Layer

Verdict = Literal["lowered", "folded", "approximated", "rejected"]
Share = Annotated[float, "0 to 1"]
Name = Annotated[str, "of a node"]
Code = Annotated[str, "how its levels travel as spikes"]


class CheckedNode(TypedDict):
    """A node of a model and what happens to it."""

    name: str
    op: str
    verdict: Verdict
    reason: str


class Check(TypedDict):
    """The verdict of every node of a model."""

    nodes: list[CheckedNode]
    supported: Annotated[bool, "whether no node is rejected"]


class Requantised(TypedDict):
    """How many channels of a population that came quantised are those of the file."""

    population: Name
    channels: int
    proved: int
    tabled: int
    approximated: int
    wrong_pairs: int
    reason: str


class Loss(TypedDict):
    """Points lost against the float network; percent of changed answers where there are no labels."""

    loss: float
    interval: Annotated[list[float], "95 % confidence"]
    images: int
    labelled: bool
    text: str


class BoundLoss(Loss):
    """The loss of the narrowest levels within a bound."""

    bound: float
    mean_level_bits: float
    level_bits: Annotated[dict[str, int], "by population"]


class Price(TypedDict):
    """What an image costs on a chip, estimated."""

    nanojoules: float
    microseconds: float
    compartments: int


class ReferencePrice(Price):
    """The price with one code everywhere."""

    code: Code


class Codes(TypedDict):
    """Codes that were chosen for a chip."""

    goal: Literal["energy", "time", "cores"]
    populations: Annotated[dict[str, str], "code by population"]
    estimate: Price
    reference: ReferencePrice


class Balanced(TypedDict):
    """What cores in a row were balanced on."""

    images: int
    cycles: Annotated[float, "clock cycles between two images"]
    images_per_second: float


class CompileMore(TypedDict, total=False):
    """What a target or an option adds."""

    codes: Codes
    max_loss: BoundLoss
    binarised: Loss
    balanced: Balanced
    cores: int | None
    chips: int | None
    fit: Fit
    lanes: int
    shift_add: Annotated[bool, "whether lanes multiply by shifts and adds"]
    cycles: Annotated[float, "clock cycles of an image, mean over the golden ones"]
    chain: list[Cores]
    latency: Annotated[float, "clock cycles of an image from end to end"]
    images_per_second: float
    luts: int
    flip_flops: int
    brams: int
    multipliers: int
    fmax_mhz: float | None


class Compile(CompileMore):
    """An artefact that was written."""

    artefact: str
    target: str
    chip: str
    pipeline: Annotated[str, "the passes, as --passes reads them"]
    populations: int
    neurons: Annotated[int, "readouts included"]
    weights: int
    requantised: list[Requantised]
    seconds: float


class Step(TypedDict):
    """Means over the images after a time step; costs are those of the steps so far."""

    step: int
    accuracy: Share | None
    spikes_per_image: float
    synops_per_image: float
    certified: Annotated[float | None, "share of images whose answer is certified"]


class Certificate(TypedDict):
    """After how many steps images settled."""

    mean: float
    median: float
    max: int
    bound: int
    equal_to_levels: Annotated[int, "images that settled on the levels of the phased codes"]


class Exit(TypedDict):
    """What stopping each image at a margin gives."""

    margin: float
    steps_per_image: float
    accuracy: Share | None
    spikes_per_image: float
    synops_per_image: float


class SimulateMore(TypedDict, total=False):
    """What an engine with a clock, or an option for steps, adds."""

    cycles_per_image: float
    chain: list[Cores]
    latency: Annotated[float, "clock cycles of an image from end to end"]
    images_per_second: float
    fmax_mhz: float
    layers: list[Layer]
    every_step: list[Step]
    certificate: Certificate
    exit: Exit


class Simulate(SimulateMore):
    """A data set through an artefact."""

    engine: str
    images: int
    accuracy: Annotated[float | None, "0 to 1, null without labels"]
    predictions: list[int]
    steps: Annotated[int, "time steps of an image"]
    spikes_per_image: float
    synops_per_image: float
    seconds: Annotated[float, "of the evaluation alone"]


class Rung(TypedDict):
    """An engine against the reference."""

    engine: str
    status: Literal["equal", "different", "not run"]
    inputs: int
    detail: Annotated[str, "the first difference, or what is missing"]


class Verify(TypedDict):
    """The ladder of executions."""

    engines: list[Rung]
    equal: bool


class Resources(TypedDict):
    """What a design takes of a device."""

    luts: int
    flip_flops: int
    brams: int
    multipliers: int
    fmax_mhz: float | None


class ChainPart(TypedDict):
    """One of several cores in a row."""

    passes: int
    lanes: int


class BuildMore(TypedDict, total=False):
    """With cores in a row."""

    chain: list[ChainPart]


class Build(BuildMore):
    """What synthesis, place and route found, beside the estimate."""

    network: str
    chip: str
    lanes: int
    stage: Literal["synthesis", "routed", "bitstream"]
    estimate: Resources
    result: Resources
    cycles: Annotated[float, "clock cycles of an image"]
    images_per_second: float | None
    folder: str
    seconds: float


class Report(TypedDict):
    """The page that was written."""

    file: str
    bytes: int
    sections: list[str]


class Export(TypedDict):
    """The file that was written."""

    file: str
    format: Literal["nir", "netx"]
    nodes: int
    neurons: int
    bytes: int


class ArtefactSummary(TypedDict):
    """What an artefact was made of."""

    source: str
    target: str
    pipeline: str
    input: str
    calibration: str
    outputs: str
    membrane: str


class ShownNode(TypedDict):
    """A node of the graph."""

    name: Name
    op: str
    value: Annotated[str, "type and shape"]
    width: str
    code: str
    origin: list[str]


class Show(TypedDict):
    """What is in an artefact."""

    summary: ArtefactSummary
    nodes: list[ShownNode]


class Offer(TypedDict):
    """A chip of a target."""

    target: str
    chip: str
    description: str
    codes: list[str]
    engines: Annotated[dict[str, str | None], "null where it runs here, else what is missing"]


class Targets(TypedDict):
    """What can be compiled for."""

    targets: list[Offer]


class Part(TypedDict):
    """Something that snncc uses."""

    name: str
    use: str
    missing: Annotated[str | None, "null where it runs here"]
    detail: str


class Doctor(TypedDict):
    """What can run on this machine."""

    snncc: str
    python: str
    parts: list[Part]
