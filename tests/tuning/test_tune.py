"""Tuning from end to end: what it gains, what it keeps, and where it stops."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from snncc import artefact
from snncc.driver import compile_model
from snncc.explain import advice, explain, notes
from snncc.options import CompileOptions, PixelScaling
from snncc.sim.stairs import Cause
from snncc.simulate import simulate
from snncc.tuning.course import Course
from snncc.tuning.history import State, begun
from snncc.tuning.material import Material, divided
from snncc.tuning.recipe import Recipe
from snncc.tuning.tune import TuneOptions, tune
from snncc.tunings import Figures
from snncc.verify import verify
from snncc_ir.aims import Aim, Surrogate
from snncc_ir.encoding import format_of
from snncc_ir.errors import ArtefactError, SnnccError
from snncc_ir.graph import Graph
from snncc_ir.progress import Progress, silent
from snncc_ir.tensors import Reals
from support.native import needs_native
from support.trained import IMAGES, pixels, save, write_data, write_residual

SCALED = PixelScaling(scale=255.0)


@pytest.fixture
def narrow(tmp_path: Path) -> Path:
    """A residual network with 1-bit levels, which lose much, and images of classes that it can tell apart."""
    model = write_residual(tmp_path / "model.onnx")
    images = pixels(200, seed=7)
    data = write_data(tmp_path / "plain.npz", images)
    options = CompileOptions(
        output=tmp_path / "narrow", target="sim", calibrate=data, pixels=SCALED, level_bits=1
    )
    compile_model(model, options)
    fine = replace(options, output=tmp_path / "fine", level_bits=8)
    compile_model(model, fine)
    (scores,) = simulate(fine.output, data).outputs.values()
    write_data(tmp_path / "train.npz", images, labels=(scores - scores.mean(axis=0)).argmax(axis=1))
    return tmp_path


def options(folder: Path, **changes: object) -> TuneOptions:
    """How to tune with the images of `folder`; `changes` are to the options or to the recipe in them."""
    recipe = Recipe(epochs=8, batch=16, rate=0.02, patience=8)
    ours = {name: changes.pop(name) for name in list(changes) if hasattr(recipe, name)}
    given = TuneOptions(data=folder / "train.npz", output=folder / "tuned", recipe=replace(recipe, **ours))
    return replace(given, **changes)


def test_labels_are_learned(narrow: Path) -> None:
    found = tune(narrow / "narrow", options(narrow))
    assert found.gain.aim is Aim.LABELS
    assert (found.gain.images, found.gain.held_out) == (180, 20)
    assert found.gain.after.loss < found.gain.before.loss
    assert found.epochs[found.gain.best].held_out == found.gain.after
    # what is written is what was judged
    data = divided_held(narrow)
    run = simulate(narrow / "tuned", data)
    assert run.accuracy == found.gain.after.share
    assert verify(narrow / "tuned").equal


def divided_held(folder: Path) -> Path:
    """The held-out images of `train.npz`, as a file."""
    with np.load(folder / "train.npz") as stored:
        images, labels = stored["images"], stored["labels"]
    form = format_of(artefact.read(folder / "narrow").graph.inputs[0])
    _, held = divided(Material(images=images, labels=labels, form=form), 0, "")
    return write_data(folder / "held.npz", held.images, labels=held.labels)


def test_networks_that_settle_learn_their_levels(narrow: Path) -> None:
    plain = CompileOptions(
        output=narrow / "settles", target="sim", calibrate=narrow / "plain.npz", pixels=SCALED, level_bits=1
    )
    compile_model(narrow / "model.onnx", replace(plain, code="stbif"))
    found = tune(narrow / "settles", options(narrow))
    assert found.gain == tune(narrow / "narrow", options(narrow, force=True)).gain
    assert verify(narrow / "tuned").equal


def test_steps_learn_as_they_came(narrow: Path) -> None:
    """Comparisons have thresholds of 1, between which no gradient would find anything."""
    rng = np.random.default_rng(3)
    weights = {"w1": rng.normal(0, 0.1, (40, 128)), "w2": rng.normal(0, 0.3, (5, 40)), "zero": np.zeros(1)}
    nodes = [
        onnx.helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        onnx.helper.make_node("Gemm", ["f", "w1"], ["a"], "first", transB=1),
        onnx.helper.make_node("GreaterOrEqual", ["a", "zero"], ["g"], "step"),
        onnx.helper.make_node("Cast", ["g"], ["s"], "number", to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Gemm", ["s", "w2"], ["y"], "second", transB=1),
    ]
    save(narrow / "steps.onnx", nodes, weights, ["N", *IMAGES], ["N", 5])
    plain = CompileOptions(output=narrow / "steps", target="sim", calibrate=narrow / "plain.npz")
    compile_model(narrow / "steps.onnx", replace(plain, pixels=SCALED))
    assert artefact.read(narrow / "steps").graph.populations[0].neuron.theta.range == (1, 1)
    found = tune(narrow / "steps", options(narrow))
    assert found.gain.after.loss < found.gain.before.loss
    assert verify(narrow / "tuned").equal


@needs_native
def test_rate_networks_learn_on_their_spikes(narrow: Path) -> None:
    rng = np.random.default_rng(3)
    weights = {"w1": rng.normal(0, 0.1, (30, 128)), "w2": rng.normal(0, 0.3, (5, 30))}
    nodes = [
        onnx.helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        onnx.helper.make_node("Gemm", ["f", "w1"], ["a"], "first", transB=1),
        onnx.helper.make_node("Relu", ["a"], ["s"], "relu"),
        onnx.helper.make_node("Gemm", ["s", "w2"], ["y"], "second", transB=1),
    ]
    save(narrow / "chain.onnx", nodes, weights, ["N", *IMAGES], ["N", 5])
    plain = CompileOptions(output=narrow / "rate", target="sim", calibrate=narrow / "plain.npz", code="rate")
    compile_model(narrow / "chain.onnx", replace(plain, pixels=SCALED, steps=8))
    found = tune(narrow / "rate", options(narrow))
    assert found.gain.after.loss < found.gain.before.loss
    assert verify(narrow / "tuned").equal
    with pytest.raises(SnnccError) as caught:
        tune(narrow / "rate", options(narrow, aim=Aim.FLOAT, model=narrow / "chain.onnx", force=True))
    assert str(caught.value) == (
        "--aim float: a network of the code rate learns from labels alone; give images with labels, or "
        "compile it with another code"
    )
    with pytest.raises(SnnccError) as caught:
        tune(narrow / "rate", options(narrow, surrogate=Surrogate.SINGLE_STEP, force=True))
    assert str(caught.value) == (
        "--surrogate single_step: is for levels 0 and 1; a network of the code rate has a surrogate of its "
        "own; leave it out"
    )


@pytest.mark.parametrize("surrogate", Surrogate)
def test_both_surrogates_teach_levels_0_and_1(narrow: Path, surrogate: Surrogate) -> None:
    found = tune(narrow / "narrow", options(narrow, surrogate=surrogate))
    assert found.gain.after.loss < found.gain.before.loss
    assert artefact.read(narrow / "tuned").manifest["tuned"][0]["surrogate"] == surrogate.value


@needs_native
def test_rate_networks_that_are_no_chain_are_refused(narrow: Path) -> None:
    plain = CompileOptions(output=narrow / "rate", target="sim", calibrate=narrow / "plain.npz", code="rate")
    compile_model(narrow / "model.onnx", replace(plain, pixels=SCALED, steps=8))
    with pytest.raises(SnnccError) as caught:
        tune(narrow / "rate", options(narrow))
    assert "pool1" in str(caught.value)


@pytest.mark.parametrize("aim", [Aim.FLOAT, Aim.BOTH])
def test_the_float_network_is_learned(narrow: Path, aim: Aim) -> None:
    found = tune(narrow / "narrow", options(narrow, aim=aim))
    assert found.gain.after.loss < found.gain.before.loss


def test_a_softmax_at_the_end_is_no_matter(tmp_path: Path) -> None:
    """At 8 bits the network is nearly the float one; probabilities taken for scores would be far away."""
    plain = onnx.load(write_residual(tmp_path / "plain.onnx"))
    plain.graph.node.append(onnx.helper.make_node("Softmax", ["y"], ["p"], "softmax"))
    plain.graph.output[0].name = "p"
    onnx.save(plain, tmp_path / "model.onnx")
    data = write_data(tmp_path / "d.npz", pixels(60))
    fine = CompileOptions(output=tmp_path / "fine", target="sim", calibrate=data, pixels=SCALED, level_bits=8)
    compile_model(tmp_path / "model.onnx", fine)
    found = tune(tmp_path / "fine", options(tmp_path, data=data, epochs=1, rate=1e-6))
    assert 0 < found.gain.before.loss < 1e-3


def test_without_labels_the_float_network_is_the_aim(narrow: Path) -> None:
    found = tune(narrow / "narrow", options(narrow, data=narrow / "plain.npz", epochs=1))
    assert found.gain.aim is Aim.FLOAT


def test_the_manifest_tells_the_history(narrow: Path) -> None:
    first = tune(narrow / "narrow", options(narrow, epochs=2))
    second = tune(narrow / "tuned", options(narrow, epochs=1, output=narrow / "again"))
    manifest = artefact.read(narrow / "again").manifest
    one, two = manifest["tuned"]
    assert one["from"] == artefact.read(narrow / "narrow").digest
    assert two["from"] == artefact.read(narrow / "tuned").digest
    assert [entry["before"]["loss"] for entry in (one, two)] == [
        first.gain.before.loss,
        second.gain.before.loss,
    ]
    assert len(one["epochs"]) == 2
    assert manifest["pipeline"] == artefact.read(narrow / "narrow").manifest["pipeline"]
    assert any("200 of 200 images were calibrated or tuned on" in text for text in seen(narrow))


def seen(folder: Path) -> tuple[str, ...]:
    return simulate(folder / "again", folder / "train.npz").warnings


def test_explain_says_what_was_gained(narrow: Path) -> None:
    tuned = tune(narrow / "narrow", options(narrow, epochs=2))
    found = explain(narrow / "tuned", narrow / "train.npz", model_path=narrow / "model.onnx", limit=20)
    assert found.worst.cause is not Cause.WEIGHTS or "they have learned" in advice(found)
    assert notes(found) == [
        f"tuned on 180 images: {tuned.gain}",
        "weights are compared with the float network's, from which tuning moves them",
    ]


def test_a_damaged_history_is_refused(narrow: Path) -> None:
    tune(narrow / "narrow", options(narrow, epochs=1))
    manifest = narrow / "tuned" / "manifest.json"
    for entry in (3, [3], [{}], [{"aim": "spin"}]):
        plain = json.loads(manifest.read_text())
        plain["tuned"] = entry
        manifest.write_text(json.dumps(plain))
        found = explain(narrow / "tuned", narrow / "train.npz", model_path=narrow / "model.onnx", limit=2)
        with pytest.raises(ArtefactError) as caught:
            notes(found)
        assert str(caught.value) == (
            f"{manifest}: is damaged: its entry tuned is no list of tunings; compile the model again"
        )


class Interrupt:
    """A watch that interrupts after so many updates."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, stage: str) -> Progress:
        return self.progress if stage == "tune" else silent

    def progress(self, done: int, total: int) -> None:
        if done == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [5, 12, 30])
def test_an_interrupted_tuning_goes_on_to_the_same_bytes(narrow: Path, after: int) -> None:
    whole = options(narrow, epochs=4, changes=())
    tune(narrow / "narrow", whole)
    parts = replace(whole, output=narrow / "parts")
    kept = narrow / "parts.tuning"
    with pytest.raises(KeyboardInterrupt) as stop:
        tune(narrow / "narrow", replace(parts, watch=Interrupt(after)))
    done = (after - 1) // 12
    assert str(stop.value) == (
        f"interrupted; {done} of 4 epochs are kept in {kept}: the same command goes on from there"
    )
    assert not (narrow / "parts").exists()
    tune(narrow / "narrow", parts)
    assert not kept.exists()
    for file in sorted(path for path in (narrow / "tuned").rglob("*") if path.is_file()):
        assert file.read_bytes() == (narrow / "parts" / file.relative_to(narrow / "tuned")).read_bytes(), file


def test_what_is_kept_of_another_tuning_is_refused(narrow: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune(narrow / "narrow", options(narrow, watch=Interrupt(30)))
    with pytest.raises(ArtefactError) as caught:
        tune(narrow / "narrow", options(narrow, rate=0.01))
    assert str(caught.value) == (
        f"{narrow / 'tuned.tuning'}: is of a tuning of another network, or with other data, options or "
        "version; remove it to start again"
    )


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(40)])
def test_a_damaged_state_is_refused(narrow: Path, content: bytes) -> None:
    (narrow / "tuned.tuning").write_bytes(content)
    with pytest.raises(ArtefactError) as caught:
        tune(narrow / "narrow", options(narrow))
    assert str(narrow / "tuned.tuning") in str(caught.value)


class Slope:
    """A learner of one variable whose loss is what the test says."""

    rates = np.ones(1)

    def __init__(self, loss: float = 1.0, gradient: float = 1.0) -> None:
        self.loss, self.slope = loss, gradient

    def start(self) -> Reals:
        return np.zeros(1)

    def graph(self, vector: Reals) -> Graph:
        return vector  # type: ignore[return-value]

    def gradient(self, vector: Reals, levels: object, labels: object) -> tuple[float, Reals]:
        return self.loss, np.array([self.slope])


def course(narrow: Path, learner: Slope, losses: list[float], refuse: tuple[int, ...] = ()) -> Course:
    """A course over 40 images whose epochs have these held-out losses; some are refused."""
    form = format_of(artefact.read(narrow / "narrow").graph.inputs[0])
    judged, asked = iter(losses), iter(range(1000))
    return Course(
        learner=learner,
        recipe=Recipe(epochs=len(losses) + len(refuse), batch=20, rate=0.1, patience=2),
        material=Material(images=pixels(40), labels=np.arange(40) % 5, form=form),
        classes=5,
        judge=lambda graph: Figures(loss=next(judged), share=0.5),
        refusals=lambda graph: ("too wide", "too deep") if next(asked) in refuse else (),
        before=Figures(loss=1.0, share=0.5),
    )


def run(found: Course) -> State:
    state = begun(np.zeros(1))
    found.run(state, lambda state: None, silent)
    return state


def test_it_stops_when_the_held_out_loss_stops_falling(narrow: Path) -> None:
    state = run(course(narrow, Slope(), [0.9, 0.8, 0.85, 0.81, 0.1]))
    assert len(state.history) == 4
    assert state.best_epoch == 1
    assert state.best != state.vector


def test_what_the_target_refuses_is_taken_back(narrow: Path) -> None:
    kept: list[float] = []
    found = course(narrow, Slope(), [0.9, 0.8], refuse=(1,))
    state = begun(np.zeros(1))
    found.run(state, lambda state: kept.append(float(state.vector[0])), silent)
    assert [epoch.refused for epoch in state.history] == [None, "too wide; too deep", None]
    assert kept[0] == kept[1] != kept[2]
    assert state.slower == 2
    assert state.best_epoch == 2


@pytest.mark.parametrize(
    ("learner", "message"),
    [
        (Slope(loss=math.nan), "the loss or its gradient is no longer a number"),
        (Slope(gradient=math.inf), "the loss or its gradient is no longer a number"),
        (Slope(loss=200.0), "the loss has grown to 200, above 161"),
    ],
)
def test_a_loss_that_explodes_is_one_message(narrow: Path, learner: Slope, message: str) -> None:
    with pytest.raises(SnnccError) as caught:
        run(course(narrow, learner, [0.5]))
    assert str(caught.value) == f"tune: {message}; tune with a lower --rate than 0.1"


def test_the_division_is_that_of_the_seed(narrow: Path) -> None:
    form = format_of(artefact.read(narrow / "narrow").graph.inputs[0])
    whole = Material(images=pixels(100), labels=np.arange(100), form=form)
    (learned, held), (same, _), (other, _) = (divided(whole, seed, "") for seed in (0, 0, 1))
    assert sorted([*learned.labels, *held.labels]) == list(range(100))
    assert len(held) == 10
    assert (learned.labels == same.labels).all()
    assert (learned.labels != other.labels).any()
