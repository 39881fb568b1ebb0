"""`--pick`: what it reads, every message, and the point that it chooses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.sweep.frontier import frontier, usual_costs
from snncc.sweep.grid import Setting
from snncc.sweep.pick import Pick, choose, parse_pick
from snncc.sweep.points import Figures, Quantity, Row, value_of
from snncc_ir.errors import SnnccError

NAMES = (
    "accuracy, loss, steps, spikes, synops, energy, time, cores, chips, luts, brams, multipliers, cycles, "
    "levels, weights, lanes"
)
HINT = 'write conditions and one goal, as in "loss<=0.5, min energy"'


def row(loss: float, energy: float | None = None, cores: int | None = None, bits: int = 4) -> Row:
    setting = Setting(
        target="lava",
        chip="loihi2",
        level_bits=bits,
        weight_bits=8,
        code="radix",
        rate_steps=None,
        lanes=None,
    )
    figures = Figures(
        accuracy=(98 - loss) / 100, loss=loss, steps=4, spikes=1.0, synops=2.0, energy=energy, cores=cores
    )
    return Row(setting=setting, figures=figures)


REFUSED = Row(setting=row(0.0).setting, figures=None, reason="does not fit")

small = st.integers(0, 4).map(float)
rows = st.lists(
    st.builds(row, small, st.none() | small, st.none() | st.integers(1, 3)) | st.just(REFUSED), max_size=8
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"--pick: cannot read ''; {HINT}"),
        ("loss<=0.5", f"--pick: names no goal, it takes one; {HINT}"),
        ("min energy, max accuracy", f"--pick: names 2 goals, it takes one; {HINT}"),
        ("loss<<1, min energy", f"--pick: cannot read 'loss<<1'; {HINT}"),
        ("loss<=1 min energy", f"--pick: cannot read 'loss<=1 min energy'; {HINT}"),
        ("loss<=nan, min energy", f"--pick: cannot read 'loss<=nan'; {HINT}"),
        ("loss<=1,, min energy", f"--pick: cannot read ''; {HINT}"),
        ("min power", f"--pick: nothing is called 'power'; there are {NAMES}"),
        ("watts<1, min energy", f"--pick: nothing is called 'watts'; there are {NAMES}"),
        ("loss<=1e999, min energy", "--pick: 1e999 is too large a number; give a smaller one"),
    ],
)
def test_every_mistake_is_one_message(text: str, message: str) -> None:
    with pytest.raises(SnnccError) as error:
        parse_pick(text)
    assert str(error.value) == message


def test_a_pick_prints_as_it_is_read() -> None:
    text = "loss<=0.5, accuracy>=97.5, cores<3, levels=4, min energy"
    assert str(parse_pick(text)) == text
    assert parse_pick(" loss <= .5 ,accuracy>= 97.5,cores<3,levels=4,  min  energy ") == parse_pick(text)


@given(
    rows, st.sampled_from(["loss<=1", "cores<3", "energy>1", "loss<=1, cores<=2", "levels=4"]), st.booleans()
)
def test_the_winner_keeps_all_conditions_and_none_is_better(found: list[Row], text: str, most: bool) -> None:
    pick = parse_pick(f"{text}, {'max' if most else 'min'} energy")
    choice = choose(pick, found)
    fitting = [r for r in found if _fits(pick, r)]
    if fitting:
        assert choice.fits
        assert choice.row in fitting
        best = (max if most else min)(value_of(r, Quantity.ENERGY) or 0.0 for r in fitting)
        assert value_of(choice.row, Quantity.ENERGY) == best
    else:
        assert not choice.fits
        assert bool(choice.misses) == (choice.row is not None)


def _fits(pick: Pick, found: Row) -> bool:
    return value_of(found, pick.goal) is not None and all(each.holds(found) for each in pick.conditions)


def test_where_none_fits_the_nearest_is_named() -> None:
    points = [row(3.0, 1.0), row(1.5, 9.0), row(2.0, 5.0), REFUSED]
    choice = choose(parse_pick("loss<=1, min energy"), points)
    assert (choice.row, choice.misses) == (points[1], ("loss 1.50 is not loss<=1",))
    assert choose(parse_pick("luts<1, min energy"), points).row is None


def test_of_equal_points_the_one_of_least_loss_wins_then_the_first() -> None:
    points = [row(2.0, 1.0), row(1.0, 1.0, bits=3), row(1.0, 1.0, bits=2)]
    assert choose(parse_pick("min energy"), points).row == points[1]


COSTS = [(), (Quantity.ENERGY,), (Quantity.ENERGY, Quantity.CORES)]


@given(rows, st.sampled_from(COSTS))
def test_the_frontier_is_what_no_point_beats(found: list[Row], costs: tuple[Quantity, ...]) -> None:
    compared = (Quantity.LOSS, *costs)
    values = [tuple(value_of(r, quantity) for quantity in compared) for r in found]
    known = [v for v in values if None not in v]
    expected = tuple(
        None not in v and not any(all(a <= b for a, b in zip(w, v, strict=True)) and w != v for w in known)
        for v in values
    )
    assert frontier(found, costs) == expected


def test_costs_that_all_points_have_are_weighed() -> None:
    assert usual_costs([row(1.0, 2.0, 3), REFUSED]) == (Quantity.ENERGY, Quantity.CORES)
    assert usual_costs([row(1.0, 2.0, 3), row(1.0, 2.0)]) == (Quantity.ENERGY,)
    assert usual_costs([row(1.0)]) == (Quantity.STEPS, Quantity.SYNOPS)
    assert usual_costs([REFUSED]) == (Quantity.STEPS, Quantity.SYNOPS)
