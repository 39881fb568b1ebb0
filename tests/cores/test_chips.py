"""Chip descriptions: what is in them, and what is said of wrong ones."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

import pytest

import snncc_backends.chips
from snncc_backends.chips import CORE_CHIPS, find_chip, load_machine, machine_from_toml
from snncc_ir.errors import TargetError

TEMPLATE = files(snncc_backends.chips).joinpath("template.toml").read_text(encoding="utf-8")
ENTRY = '[core.input_axons]\nvalue = 2048\nsource = "your source"\nassumed = true\n'


def changed(old: str, new: str) -> str:
    assert TEMPLATE.count(old) == 1
    return TEMPLATE.replace(old, new)


@pytest.mark.parametrize("name", [*CORE_CHIPS, "template"])
def test_every_number_names_its_source(name: str) -> None:
    machine = load_machine(name)
    for table in (machine.core, machine.mesh, machine.events):
        for field in fields(table):
            assert len(getattr(table, field.name).source) > 5


def test_loihi_is_what_the_sources_say() -> None:
    machine = load_machine("loihi1")
    assert machine.core.compartments.value == 1024
    assert machine.core.synapse_words.value * machine.core.word_bits.value == 128 * 1024 * 8
    assert machine.mesh.cores == 128
    assumed = {field.name for field in fields(machine.core) if getattr(machine.core, field.name).assumed}
    assert assumed == {"input_compartments"}


MISTAKES = {
    "missing number": (changed(ENTRY, ""), "my.toml: lacks core.input_axons"),
    "negative": (
        changed(ENTRY, ENTRY.replace("2048", "-1")),
        "my.toml: input_axons must be a whole number from 1 to 2147483647, not -1",
    ),
    "zero": (
        changed(ENTRY, ENTRY.replace("2048", "0")),
        "my.toml: input_axons must be a whole number from 1 to 2147483647, not 0",
    ),
    "fraction": (
        changed(ENTRY, ENTRY.replace("2048", "20.5")),
        "my.toml: input_axons must be a whole number from 1 to 2147483647, not 20.5",
    ),
    "truth": (
        changed(ENTRY, ENTRY.replace("2048", "true")),
        "my.toml: input_axons must be a whole number from 1 to 2147483647, not True",
    ),
    "bare number": (
        changed(ENTRY, "[core]\ninput_axons = 2048\n"),
        "my.toml: input_axons must be a table with value and source",
    ),
    "no source": (
        changed(ENTRY, ENTRY.replace('source = "your source"\n', "")),
        "my.toml: lacks input_axons.source",
    ),
    "empty source": (
        changed(ENTRY, ENTRY.replace("your source", " ")),
        "my.toml: input_axons.source must say where the number comes from",
    ),
    "unknown number": (
        changed(ENTRY, ENTRY + ENTRY.replace("input_axons", "axon_slots")),
        "my.toml: has an unknown entry core.axon_slots",
    ),
    "unknown word": (
        changed(ENTRY, ENTRY + 'note = "?"\n'),
        "my.toml: has an unknown entry input_axons.note",
    ),
    "infinite energy": (
        changed("value = 20.0", "value = inf"),
        "my.toml: synapse_energy must be a number that is not negative, not inf",
    ),
    "unknown code": (
        changed('"stbif"]', '"morse"]'),
        "my.toml: codes: 'morse' is none of graded, radix, count, ttfs, rate, stbif",
    ),
    "vast mesh": (
        changed("[mesh.rows]\nvalue = 4", "[mesh.rows]\nvalue = 5000"),
        "my.toml: mesh has 4 columns of 5000 routers, more than 4096 in all",
    ),
    "control character": (
        changed('name = "mychip"', 'name = "a\\u001b[31m"'),
        "my.toml: name has characters that cannot be printed",
    ),
    "no code": (
        re.sub(r"^codes = .*$", "codes = []", TEMPLATE, flags=re.MULTILINE),
        "my.toml: codes must name one code at least",
    ),
    "core alone": (
        TEMPLATE.split("[mesh.")[0].rsplit("\n#", 1)[0],
        "my.toml: has core alone; core, mesh and events go together",
    ),
    "no TOML": ("= 1", "my.toml: is no TOML (Invalid statement (at line 1, column 1))"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_wrong_description_gives_one_message(case: str) -> None:
    text, message = MISTAKES[case]
    with pytest.raises(TargetError) as caught:
        machine_from_toml(text, "my.toml")
    assert str(caught.value) == message


def test_a_chip_of_another_file(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(TEMPLATE)
    assert find_chip(str(path)).name == "mychip"
    with pytest.raises(TargetError) as caught:
        find_chip("loihi3")
    assert str(caught.value) == (
        "--chip: no chip is called 'loihi3'; there are loihi1, loihi2, or give a description "
        "(.toml, see docs/cores.md)"
    )
    with pytest.raises(TargetError) as caught:
        find_chip(str(tmp_path / "none.toml"))
    assert str(caught.value) == f"{tmp_path / 'none.toml'}: cannot be read (No such file or directory); " + (
        "check the path and its permissions"
    )
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TargetError, match=r"is no text in UTF-8"):
        find_chip(str(path))
    path.write_text((files(snncc_backends.chips) / "any.toml").read_text(encoding="utf-8"))
    with pytest.raises(TargetError) as caught:
        find_chip(str(path))
    assert str(caught.value) == f"{path}: describes no cores; give it the tables core, mesh and events"


def test_a_number_of_thousands_of_digits_gives_one_message() -> None:
    """Some versions of Python refuse to read it."""
    with pytest.raises(TargetError, match=r"^my\.toml: (is no TOML \(Exceeds|input_axons must be a whole)"):
        machine_from_toml(changed(ENTRY, ENTRY.replace("2048", "9" * 5000)), "my.toml")
