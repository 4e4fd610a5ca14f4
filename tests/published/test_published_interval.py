"""A published estimate with its interval: its standard error, and misprints."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lib.published.published_interval import read_interval

Z = stats.norm.ppf(0.975)


@given(
    estimate=st.floats(0.15, 0.85),
    se=st.floats(0.005, 0.06),
    decimals=st.tuples(*[st.integers(1, 2)] * 3),
)
def test_the_standard_error_lies_in_the_range_that_rounding_leaves(estimate, se, decimals):
    numbers = [estimate, estimate - Z * se, estimate + Z * se]
    published = [round(number, d + 2) for number, d in zip(numbers, decimals, strict=True)]
    reading = read_interval(published, decimals)
    assert reading.kind == "centred"
    assert reading.se_low - 1e-9 <= se <= reading.se_high + 1e-9
    assert reading.se_low <= reading.se <= reading.se_high
    # Both ends of the interval, rounded, tell it to within a unit of their last digit over 2 x 1.96.
    assert reading.se_high - reading.se_low <= 2 * 0.001 / (2 * Z) + 1e-9


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ((0.181, 0.132, 0.231), "centred"),
        ((0.182, 0.132, 0.231), "centred"),
        ((0.183, 0.132, 0.231), "off centre"),
        ((0.460, 0.400, 0.523), "off centre"),
        ((0.0171, 0.0, 0.046), "cut"),
        ((0.98, 0.95, 1.0), "cut"),
        ((0.0, np.nan, np.nan), "no interval"),
    ],
)
def test_an_interval_is_read_for_what_it_is(numbers, kind):
    assert read_interval(numbers, (1, 1, 1)).kind == kind


def test_a_misprint_is_reconciled_by_the_fewest_digits():
    reading = read_interval((0.731, 0.326, 0.835), (1, 1, 1))
    assert (reading.wrong, round(reading.reconciled, 3)) == ("ci_low", 0.626)
    # The error then follows from the end that is not misprinted.
    assert abs(reading.se - (0.835 - 0.731) / Z) < 0.001


@given(estimate=st.floats(0.2, 0.8), se=st.floats(0.01, 0.05), digit=st.integers(1, 9))
def test_a_changed_digit_of_an_end_is_noticed_and_mended(estimate, se, digit):
    low, high = round(estimate - Z * se, 3), round(estimate + Z * se, 3)
    tens = int(low * 10) % 10
    if digit == tens:
        return
    misprinted = round(low + (digit - tens) / 10, 3)
    if not 0.001 < misprinted < estimate:
        return
    reading = read_interval((round(estimate, 3), misprinted, high), (1, 1, 1))
    assert reading.kind == "off centre"
    assert reading.wrong
    numbers = dict(zip(("estimate", "ci_low", "ci_high"), (round(estimate, 3), misprinted, high), strict=True))
    mended = {**numbers, reading.wrong: reading.reconciled}
    assert read_interval(list(mended.values()), (1, 1, 1)).kind == "centred"


def test_an_end_that_is_cut_leaves_the_error_to_the_other():
    reading = read_interval((0.0171, 0.0, 0.046), (2, 2, 1))
    assert abs(reading.se - (0.046 - 0.0171) / Z) < 1e-9
    assert reading.se_low < reading.se < reading.se_high
