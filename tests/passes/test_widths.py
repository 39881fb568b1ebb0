"""The frontier of level widths."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from snncc.passes.widths import LEVEL_BITS, Widths, filled, frontier, mean_bits

errors_of_one = st.lists(st.floats(0, 10), min_size=8, max_size=8).map(
    lambda found: dict(zip(LEVEL_BITS, sorted(found, reverse=True), strict=True))
)
tables = st.lists(st.tuples(errors_of_one, st.integers(1, 1000)), min_size=1, max_size=3)


@given(tables)
def test_it_leads_from_eight_bits_to_one_and_every_step_narrows(table: list) -> None:
    errors = {f"p{i}": found for i, (found, _) in enumerate(table)}
    neurons = {f"p{i}": size for i, (_, size) in enumerate(table)}
    found = frontier(errors, neurons)
    assert set(found[0].bits.values()) == {8}
    assert set(found[-1].bits.values()) == {1}
    assert [widths.mean for widths in found] == sorted((widths.mean for widths in found), reverse=True)
    assert all(widths.mean == mean_bits(widths.bits, neurons) for widths in found)


@given(tables)
def test_no_other_setting_is_both_narrower_and_better(table: list) -> None:
    errors = {f"p{i}": found for i, (found, _) in enumerate(table)}
    neurons = {f"p{i}": size for i, (_, size) in enumerate(table)}
    every = [
        dict(zip(errors, bits, strict=True)) for bits in itertools.product(LEVEL_BITS, repeat=len(errors))
    ]
    cost = {tuple(bits.values()): mean_bits(bits, neurons) for bits in every}
    loss = {tuple(bits.values()): sum(errors[n][b] for n, b in bits.items()) for bits in every}
    for widths in frontier(errors, neurons)[1:-1]:
        own = tuple(widths.bits.values())
        assert not [bits for bits in cost if cost[bits] < cost[own] - 1e-9 and loss[bits] < loss[own] - 1e-9]


def test_the_population_that_hurts_least_is_narrowed_first() -> None:
    flat = dict.fromkeys(LEVEL_BITS, 0.001)
    steep = {bits: 4.0 ** (8 - bits) for bits in LEVEL_BITS}
    second = frontier({"a": steep, "b": flat}, {"a": 10, "b": 10})[1]
    assert second.bits == {"a": 8, "b": 1}


def test_noise_does_not_make_fewer_bits_better() -> None:
    noisy = {1: 5.0, 2: 3.0, 3: 1.0, 4: 2.0, 5: 0.5, 6: 0.4, 7: 0.3, 8: 0.2}
    assert all(widths.bits["a"] != 4 for widths in frontier({"a": noisy}, {"a": 1}))


@given(tables, st.floats(1, 8))
def test_what_is_left_of_the_mean_is_filled(table: list, most: float) -> None:
    errors = {f"p{i}": found for i, (found, _) in enumerate(table)}
    neurons = {f"p{i}": size for i, (_, size) in enumerate(table)}
    found = filled(Widths(dict.fromkeys(errors, 1), 1.0), errors, neurons, most)
    assert found.mean == mean_bits(found.bits, neurons) <= most + 1e-6
    for name, bits in found.bits.items():
        wider = {**found.bits, name: bits + 1}
        helps = bits < 8 and errors[name][bits + 1] < errors[name][bits]
        assert not helps or mean_bits(wider, neurons) > most


def test_it_is_filled_where_a_bit_saves_most_per_neuron() -> None:
    errors = {name: {bits: size * 4.0**-bits for bits in LEVEL_BITS} for name, size in (("a", 9), ("b", 80))}
    found = filled(Widths({"a": 2, "b": 2}, 2.0), errors, {"a": 10, "b": 100}, 2.2)
    assert found.bits == {"a": 4, "b": 2}
