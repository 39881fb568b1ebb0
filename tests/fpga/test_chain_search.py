"""The search for a chain is exact: it finds what trying all chains finds."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from snncc_backends.fpga.chain.search import Choice, Needs, Option, fewest_luts, most_images

PASSES = 4
SMALL = st.integers(1, 9)


@st.composite
def options(draw: st.DrawFn) -> list[Option]:
    """Some ways to run each run of passes; more lanes have a slower clock."""
    found = []
    for first in range(PASSES):
        for end in range(first + 1, PASSES + 1):
            for lanes in draw(st.sets(st.sampled_from((8, 16, 32)))):
                needs = Needs(luts=draw(SMALL), blocks=draw(SMALL), multipliers=lanes)
                found.append(
                    Option(
                        first=first,
                        end=end,
                        lanes=lanes,
                        needs=needs,
                        interval=float(draw(SMALL)),
                        clock=120.0 - lanes,
                    )
                )
    return found


def all_choices(given: list[Option], place: int = 0) -> Iterator[Choice]:
    """Every chain of options."""
    if place == PASSES:
        yield Choice((), Needs(luts=0, blocks=0, multipliers=0))
        return
    for option in given:
        if option.first == place:
            for rest in all_choices(given, option.end):
                yield Choice((option, *rest.options), option.needs + rest.needs)


LIMITS = st.builds(Needs, luts=st.integers(3, 30), blocks=st.integers(3, 30), multipliers=st.integers(8, 100))


@settings(max_examples=300, deadline=None)
@given(options(), LIMITS, st.floats(5e6, 1e8))
def test_the_fewest_luts(ways: list[Option], limits: Needs, rate: float) -> None:
    fitting = [choice for choice in all_choices(ways) if choice.needs.within(limits)]
    reaching = [choice.needs.luts for choice in fitting if choice.images_per_second >= rate]
    found = fewest_luts(ways, PASSES, limits, rate)
    assert (None if found is None else found.needs.luts) == min(reaching, default=None)
    assert found is None or (found.needs.within(limits) and found.images_per_second >= rate)


@settings(max_examples=300, deadline=None)
@given(options(), LIMITS)
def test_the_most_images_per_second(ways: list[Option], limits: Needs) -> None:
    fitting = [choice.images_per_second for choice in all_choices(ways) if choice.needs.within(limits)]
    found = most_images(ways, PASSES, limits)
    assert (None if found is None else found.images_per_second) == max(fitting, default=None)
    assert found is None or found.needs.within(limits)
