"""Pipelines as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snncc.passes.balance import Balance
from snncc.passes.cheapest_codes import CheapestCodes
from snncc.passes.choose_code import ChooseCode
from snncc.passes.correct_bias import CorrectBias
from snncc.passes.pipeline import Pipeline, parse
from snncc.passes.quantize import Quantize
from snncc.passes.tune_thresholds import TuneThresholds
from snncc_ir.errors import SnnccError

passes = st.one_of(
    st.builds(
        Balance,
        method=st.sampled_from(["auto", "max", "mse", "kl", "percentile:99.9"]),
        level_bits=st.integers(1, 8),
        scope=st.sampled_from(["channel", "population"]),
        widths=st.sampled_from(["", "conv1:3", "conv1:3/a_2:8"]),
    ),
    st.builds(
        Quantize,
        weight_bits=st.sampled_from([2, 3, 4, 5, 6, 8]),
        level_bits=st.integers(0, 8),
        rounding=st.sampled_from(["nearest", "gptq"]),
    ),
    st.just(CorrectBias()),
    st.builds(
        TuneThresholds,
        steps=st.integers(1, 5000),
        rate=st.floats(1e-6, 1.0),
        loss=st.sampled_from(["auto", "kl", "mse"]),
        temperature=st.floats(0.5, 8.0),
        augment=st.sampled_from(["auto", "none", "flip", "crop+mixup"]),
        weight_bits=st.sampled_from([2, 3, 4, 5, 6, 8]),
        seed=st.integers(0, 99),
    ),
    st.builds(
        CheapestCodes,
        goal=st.sampled_from(["energy", "time", "cores"]),
    ),
    st.builds(
        ChooseCode,
        code=st.sampled_from(["radix", "count", "ttfs", "graded", "rate", "stbif"]),
        steps=st.integers(1, 999),
        reset=st.sampled_from(["subtract", "zero"]),
    ),
)


@given(st.lists(passes, max_size=5))
def test_a_pipeline_is_its_text(steps: list) -> None:
    pipeline = Pipeline(tuple(steps))
    assert parse(str(pipeline)) == pipeline


def test_defaults_fill_what_is_left_out() -> None:
    text = str(parse(" balance ; quantize{ level_bits = 6 } ;"))
    assert text == (
        "balance{method=auto,level_bits=4,scope=channel};quantize{weight_bits=8,level_bits=6,rounding=nearest}"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "prune",
            "--passes: no pass is called 'prune'; "
            "there are equalize, binarise, balance, mix_levels, tune_thresholds, spike_input, quantize, "
            "quantize_lif, "
            "correct_bias, choose_code, cheapest_codes",
        ),
        ("balance{a=1}", "--passes: balance has no option 'a'; it has method, level_bits, scope, widths"),
        ("correct_bias{a=1}", "--passes: correct_bias has no option 'a'; it has none"),
        ("quantize{weight_bits=x}", "--passes: quantize{weight_bits} must be a whole number, not 'x'"),
        ("quantize{rounding=up}", "quantize: rounding 'up' is none of nearest, gptq, refit"),
        ("quantize{weight_bits=7}", "quantize: weight_bits must be one of 2, 3, 4, 5, 6, 8, not 7"),
        ("balance{", "--passes: cannot read 'balance{'; write name{option=value,option=value}"),
        (
            "choose_code{code=morse}",
            "choose_code: 'morse' is none of graded, radix, count, ttfs, rate, stbif",
        ),
        ("choose_code{steps=0}", "choose_code: steps must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(SnnccError) as caught:
        parse(text)
    assert str(caught.value) == message
