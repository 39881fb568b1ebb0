"""A sweep as a table, as CSV, as plain data and as the command line of a point."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from snncc.options import CompileOptions
from snncc.sweep.grid import Setting, Study
from snncc.sweep.pick import Choice
from snncc.sweep.points import HEADS, Figures, Quantity, Row, value_of, written
from snncc.sweep.run import Sweep

OPTION_HEADS = {
    "chip": "chip",
    "lanes": "lanes",
    "level_bits": "levels",
    "weight_bits": "weights",
    "code": "code",
    "rate_steps": "T",
}
"""Column heads of the options of a point; T are the steps of a rate code."""


def table(found: Sweep) -> tuple[list[str], list[list[str]]]:
    """Options and figures of every point; `*` marks the frontier. Columns without an entry are left out."""
    options = [
        name for name in OPTION_HEADS if any(getattr(row.setting, name) is not None for row in found.rows)
    ]
    figures = [item for item in HEADS if any(_tells(row, item) for row in found.rows)]
    numbers = {reason: f"({number})" for number, reason in enumerate(reasons(found), start=1)}
    heads = [*(OPTION_HEADS[name] for name in options), *(HEADS[item] for item in figures), "frontier"]
    rows = [
        [
            *(_option(getattr(row.setting, name)) for name in options),
            *(written(item, value_of(row, item)) for item in figures),
            "*" if best else "",
            *([numbers.get(row.reason, "")] if numbers else []),
        ]
        for row, best in zip(found.rows, found.frontier, strict=True)
    ]
    return [*heads, *(["why not"] if numbers else [])], rows


def reasons(found: Sweep) -> tuple[str, ...]:
    """Why points cannot be, each once, in the order in which the table's last column numbers them."""
    return tuple(dict.fromkeys(row.reason for row in found.rows if row.reason))


def _tells(row: Row, quantity: Quantity) -> bool:
    """Whether a figure is worth a column; that all fit on one chip is not."""
    value = value_of(row, quantity)
    return value is not None and (quantity is not Quantity.CHIPS or value > 1)


def _option(value: str | int | None) -> str:
    return "-" if value is None else str(value)


def notes(found: Sweep) -> Iterator[str]:
    """What stands below the table: the reasons, the headline and the winner."""
    yield from (f"({number}) {reason}" for number, reason in enumerate(reasons(found), start=1))
    yield _headline(found)
    yield from _picked(found)


def _headline(found: Sweep) -> str:
    """What the figures are of, and what the frontier weighs."""
    accuracy = "" if found.float_accuracy is None else f", float accuracy {found.float_accuracy:.2%}"
    possible = sum(row.figures is not None for row in found.rows)
    costs = ", ".join(cost.value for cost in found.against)
    return (
        f"{possible} of {len(found.rows)} points on {found.images} images{accuracy}; "
        f"{sum(found.frontier)} on the frontier of loss against {costs}"
    )


def _picked(found: Sweep) -> Iterator[str]:
    """The winner of `--pick` and its command, or what comes nearest."""
    choice = found.choice
    if choice is None:
        return
    if choice.row is None:
        yield f"no point has all the figures that {str(found.pick)!r} speaks of"
        return
    point = f"{choice.row.setting}: {_said(choice.row)}"
    if choice.fits:
        yield f"picked by {str(found.pick)!r}: {point}"
    else:
        yield f"no point fits {str(found.pick)!r}; the nearest, where {' and '.join(choice.misses)}: {point}"
    yield command(found.study, choice.row.setting)


def _said(row: Row) -> str:
    values = ((item, value_of(row, item)) for item in HEADS)
    return ", ".join(f"{HEADS[item]} {written(item, value)}" for item, value in values if value is not None)


def csv_text(found: Sweep) -> str:
    """One line for every point with all options and figures; energy in microjoules, time in microseconds."""
    names = [*(item.name for item in fields(Setting)), *(item.name for item in fields(Figures))]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*names, "frontier", "reason"], lineterminator="\n", restval="")
    writer.writeheader()
    for row, best in zip(found.rows, found.frontier, strict=True):
        figures = {} if row.figures is None else asdict(row.figures)
        writer.writerow({**asdict(row.setting), **figures, "frontier": int(best), "reason": row.reason})
    return text.getvalue()


def as_plain(found: Sweep) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "model": str(found.study.model),
        "data": str(found.study.data),
        "images": found.images,
        "float_accuracy": found.float_accuracy,
        "against": [cost.value for cost in found.against],
        "points": [
            {
                **asdict(row.setting),
                "figures": None if row.figures is None else asdict(row.figures),
                "reason": row.reason,
                "frontier": best,
                "command": command(found.study, row.setting),
            }
            for row, best in zip(found.rows, found.frontier, strict=True)
        ],
        "pick": None if found.choice is None else _plain_choice(found, found.choice),
    }


def _plain_choice(found: Sweep, choice: Choice) -> dict[str, Any]:
    return {
        "expression": str(found.pick),
        "fits": choice.fits,
        "point": None if choice.row is None else found.rows.index(choice.row),
        "misses": list(choice.misses),
        "command": None if choice.row is None else command(found.study, choice.row.setting),
    }


def command(study: Study, setting: Setting) -> str:
    """The command line that compiles a point, for a shell."""
    plain = CompileOptions(output=study.model, target=setting.target)
    options: list[tuple[str, object]] = [
        ("--target", setting.target),
        ("--chip", setting.chip),
        ("--lanes", setting.lanes),
        ("--level-bits", setting.level_bits),
        ("--weight-bits", setting.weight_bits),
        ("--code", setting.code),
        ("--steps", setting.rate_steps),
        ("--input-bits", study.input_bits),
        ("--calibrate", study.calibrate),
    ]
    for name in ("scale", "mean", "std"):
        given = getattr(study.pixels, name)
        if given != getattr(plain.pixels, name):
            numbers = given if isinstance(given, tuple) else (given,)
            options.append((f"--{name}", ",".join(map(_exactly, numbers))))
    words = [str(word) for flag, value in options if value is not None for word in (flag, value)]
    return shlex.join(["snncc", "compile", str(study.model), *words])


def _exactly(number: float) -> str:
    return str(int(number)) if number.is_integer() else repr(number)
