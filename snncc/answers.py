"""What each command prints of its result: a table and lines for people, or one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snncc import code_choice, explain, fit, fit_report, summary
from snncc.build import Build
from snncc.clocked import CORES, ESTIMATED, LAYERS, core_rows, layer_figures, layer_rows, pipeline_figures
from snncc.console import print_json, print_table, say, warn
from snncc.driver import Compiled
from snncc.explain import Explanation
from snncc.export import Exported
from snncc.fit import Fit, counted
from snncc.frontend.check import Report
from snncc.sim.evaluate import Evaluation
from snncc.simulate import Simulation
from snncc.steps import COLUMNS
from snncc.verify import Ladder
from snncc.verify import as_plain as plain_ladder
from snncc_ir.graph import Graph

CERTIFICATE = ("population", "channels", "proved", "tabled", "approximated")


def print_check(report: Report, *, as_json: bool) -> None:
    """The verdict of every node."""
    rows = [
        {"name": v.name, "op": v.op, "verdict": v.verdict.value, "reason": v.reason} for v in report.verdicts
    ]
    if as_json:
        print_json("check", {"nodes": rows, "supported": report.supported})
        return
    print_table(("node", "operator", "verdict", "reason"), [tuple(row.values()) for row in rows])
    rejected = sum(row["verdict"] == "rejected" for row in rows)
    say("every node can be compiled" if report.supported else f"{rejected} of {len(rows)} nodes are rejected")


def print_compiled(compiled: Compiled, *, as_json: bool) -> None:
    """The size of an artefact, and the certificates of what came quantised."""
    for text in compiled.warnings:
        warn(text)
    size = compiled.summary
    if as_json:
        print_json("compile", size)
        return
    if size["requantised"]:
        rows = [tuple(str(row[key]) for key in CERTIFICATE) for row in size["requantised"]]
        print_table(("quantised population", *CERTIFICATE[1:]), rows)
    say(
        f"{size['artefact']}: {counted(size['populations'], 'population')}, "
        f"{counted(size['neurons'], 'neuron')}, {counted(size['weights'], 'weight')} "
        f"for {size['target']} ({size['chip']}) in {size['seconds']:.1f} s"
    )
    if "chain" in size:
        expected = size["balanced"]
        _say_cores(size)
        say(
            f"on {expected['images']} calibration images: an image every {expected['cycles']:,.1f} cycles, "
            f"{expected['images_per_second']:,.0f} images per second"
        )
    elif "lanes" in size:
        kind = "shift-add lanes" if size["shift_add"] else "lanes"
        say(f"{size['cycles']} clock cycles per image with {size['lanes']} {kind}")
    if "multipliers" in size:
        parts = [f"{size[name]:.0f} {what}" for name, what in ESTIMATED.items() if size[name] is not None]
        say(f"estimated: {', '.join(parts)}")
    if compiled.choice is not None:
        print_table(code_choice.COLUMNS, code_choice.rows(compiled.graph))
        say(code_choice.headline(compiled.choice))
    if compiled.fit is not None:
        _print_cores(compiled.fit)
    if "binarised" in size:
        say(f"its levels and one-bit weights lose {size['binarised']['text']} that it was calibrated on")
    if "max_loss" in size:
        chosen = size["max_loss"]
        say(
            f"levels of {chosen['mean_level_bits']:.2f} bits in the mean lose {chosen['text']}, measured on "
            "calibration images that set no threshold"
        )


def _print_cores(found: Fit) -> None:
    if found.planned is not None:
        print_table(*fit_report.cores(found))
    for line in (fit_report.headline(found), *found.notes, *found.changes):
        say(line)


def print_summary(graph: Graph, found: Fit | None, *, as_json: bool) -> None:
    """What can be said of an artefact without the network that it was made of."""
    if as_json:
        plain = {} if found is None else {"fit": fit.as_plain(found)}
        print_json(
            "explain", {"nodes": summary.summary(graph), "timing": summary.timing_note(graph), **plain}
        )
        return
    print_table(summary.COLUMNS, summary.rows(graph))
    say(summary.timing_note(graph))
    if found is not None:
        print_fit(found)


def print_fit(found: Fit) -> None:
    """What a network takes of a chip by core, and what an image costs by unit and by code."""
    if found.planned is not None:
        for table in (fit_report.cores, fit_report.units, fit_report.codes):
            print_table(*table(found))
    for line in (fit_report.headline(found), *fit_report.lines(found)):
        say(line)


def _say_cores(figures: Mapping[str, Any]) -> None:
    print_table(CORES, list(core_rows(figures["chain"])))
    say(
        f"an image every {figures['cycles']:.1f} clock cycles, {figures['latency']:.1f} from end to end; "
        f"{figures['images_per_second']:,.0f} images per second at {figures['fmax_mhz']:.1f} MHz (estimated)"
    )


def _pipeline(evaluation: Evaluation) -> dict[str, Any]:
    """What cores in a row did; empty without them."""
    pipeline, cycles = evaluation.pipeline, evaluation.cycles
    return {} if pipeline is None or cycles is None else pipeline_figures(pipeline, cycles)


def print_simulation(simulation: Simulation, *, as_json: bool) -> None:
    """Accuracy and costs."""
    for text in simulation.warnings:
        warn(text)
    evaluation = simulation.evaluation
    images = evaluation.images
    result = {
        "engine": evaluation.engine,
        "images": images,
        "accuracy": simulation.accuracy,
        "predictions": evaluation.predictions.tolist(),
        "steps": evaluation.steps,
        "spikes_per_image": sum(evaluation.counts.spikes.values()) / images,
        "synops_per_image": sum(evaluation.counts.synops.values()) / images,
        **({} if evaluation.cycles is None else {"cycles_per_image": float(evaluation.cycles.mean())}),
        **_pipeline(evaluation),
        **({} if evaluation.clock_mhz is None else {"fmax_mhz": evaluation.clock_mhz}),
        **({"layers": layer_figures(evaluation.layers)} if evaluation.layers else {}),
        "seconds": round(evaluation.seconds, 4),
        **simulation.steps.as_plain(),
    }
    if as_json:
        print_json("simulate", result)
        return
    accuracy = "no labels" if simulation.accuracy is None else f"accuracy {simulation.accuracy:.2%}"
    say(f"{images} images, engine {evaluation.engine}: {accuracy}")
    say(
        f"{result['spikes_per_image']:.0f} spikes, {result['synops_per_image']:.0f} synaptic operations and "
        f"{evaluation.steps} time steps per image; {evaluation.seconds:.2f} s"
    )
    if evaluation.cycles is not None:
        spent = evaluation.cycles
        say(f"{spent.mean():.1f} clock cycles per image, {spent.min()} to {spent.max()}")
        if evaluation.clock_mhz is not None:
            rate = evaluation.clock_mhz * 1e6 / spent.mean()
            say(f"{rate:,.0f} images per second at {evaluation.clock_mhz:.1f} MHz (estimated)")
        if "chain" in result:
            _say_cores({**result, "cycles": float(spent.mean())})
        if "layers" in result:
            print_table(LAYERS, list(layer_rows(evaluation.layers)))
    if simulation.steps.rows:
        print_table(COLUMNS, simulation.steps.table)
    for line in simulation.steps.lines:
        say(line)


def print_ladder(ladder: Ladder, *, as_json: bool) -> None:
    """The verdict of every engine."""
    plain = plain_ladder(ladder)
    if as_json:
        print_json("verify", plain)
        return
    rows = [tuple(str(cell) for cell in row.values()) for row in plain["engines"]]
    print_table(("engine", "status", "inputs", "detail"), rows)


def print_build(built: Build, *, as_json: bool) -> None:
    """What the tools found, beside the estimate."""
    plain = built.plain
    if as_json:
        print_json("build", plain)
        return
    rows = [
        (name.replace("_", " "), _known(estimated), _known(plain["result"][name]))
        for name, estimated in plain["estimate"].items()
    ]
    print_table(("resource", "estimate", plain["stage"]), rows)
    rate = plain["images_per_second"]
    speed = f", {rate} images per second" if rate else ""
    say(f"{built.folder}: {plain['cycles']:.1f} clock cycles per image{speed}; {built.seconds:.1f} s")


def _known(number: float | None) -> str:
    return "-" if number is None else str(number)


def print_exported(exported: Exported, *, as_json: bool) -> None:
    """What was written, and where."""
    if as_json:
        print_json("export", exported.plain)
        return
    say(
        f"{exported.file}: {counted(exported.nodes, 'node')}, {counted(exported.neurons, 'neuron')}, "
        f"{exported.size:,} bytes"
    )


def print_explanation(found: Explanation, *, as_json: bool) -> None:
    """The loss by population and cause."""
    if as_json:
        print_json("explain", explain.as_plain(found))
        return
    print_table(*explain.table(found))
    for line in (*explain.notes(found), explain.headline(found), explain.advice(found)):
        say(line)
