"""Spike trains: of times, of spikes, of images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from snncc.learn import trains
from snncc.learn.trains import Trains, from_spikes, from_times, latencies

Array = Any


def dense(found: Trains) -> Array:
    """Zeros and ones `[images, steps, inputs]`."""
    spikes = np.zeros((len(found), found.steps, found.inputs), int)
    for n in range(len(found)):
        for t in range(found.steps):
            spikes[n, t, found.places[found.starts[n, t] : found.starts[n, t + 1]]] += 1
    return spikes


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9), st.integers(2, 12), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_spikes_survive(images: int, steps: int, inputs: int, seed: int) -> None:
    spikes = np.random.default_rng(seed).random((images, steps, inputs)) < 0.3
    found = from_spikes(spikes)
    assert (found.inputs, found.steps, len(found)) == (inputs, steps, images)
    np.testing.assert_array_equal(dense(found), spikes)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(2, 12), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_times_are_where_the_spikes_are(images: int, steps: int, inputs: int, seed: int) -> None:
    times = np.random.default_rng(seed).integers(0, 2 * steps, (images, inputs))
    expected = np.arange(steps)[None, :, None] == times[:, None, :]
    np.testing.assert_array_equal(dense(from_times(times, steps)), expected)


def test_many_images_are_encoded_in_parts() -> None:
    times = np.random.default_rng(0).integers(0, 7, (2 * trains.PART + 3, 4))
    expected = np.arange(5)[None, :, None] == times[:, None, :]
    np.testing.assert_array_equal(dense(from_times(times, 5)), expected)


def test_latencies_are_when_a_leaky_neuron_would_fire() -> None:
    images = np.array([[0, 51, 52, 128, 255]], np.uint8)  # 51 / 255 is the least, which is never reached
    found = dense(latencies(images, 100))[0]
    times = [np.flatnonzero(found[:, i]).tolist() for i in range(5)]
    exact = [int(20 * math.log(x / (x - 0.2))) for x in (52 / 255, 128 / 255, 1.0)]
    assert times == [[], [], *([t] for t in exact)]
    np.testing.assert_array_equal(dense(latencies(images / 255, 100))[0], found)


def test_dark_pixels_come_too_late() -> None:
    assert len(latencies(np.full((2, 3, 3), 52, np.uint8), 20).places) == 0
