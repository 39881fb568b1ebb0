"""The search for level widths of single populations."""

from __future__ import annotations

from pathlib import Path

from snncc.passes.widths import mean_bits
from snncc.width_search import WidthSearch
from snncc_ir.progress import no_watch
from support.compiled import PLAIN, run


def test_exchanges_lower_the_error_and_keep_the_mean(tmp_path: Path) -> None:
    real, _, context = run(tmp_path, "balance{level_bits=3};quantize", PLAIN)
    search = WidthSearch(real, context)
    names = list(search.neurons)
    lopsided = {name: 5 if index == 0 else 2 for index, name in enumerate(names)}
    most = mean_bits(lopsided, search.neurons)
    found = search.refined(lopsided, most)
    assert found.mean == mean_bits(found.bits, search.neurons) <= most
    assert search.error(found.bits) < search.error(lopsided)
    assert search.refined(found.bits, found.mean) == found


def test_settings_run_from_eight_bits_to_one(tmp_path: Path) -> None:
    real, _, context = run(tmp_path, "balance{level_bits=3};quantize", PLAIN)
    settings = WidthSearch(real, context).settings(no_watch)
    assert set(settings[0].bits.values()) == {8}
    assert set(settings[-1].bits.values()) == {1}
    means = [setting.mean for setting in settings]
    assert means == sorted(means, reverse=True)
