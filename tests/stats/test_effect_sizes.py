"""Effect sizes: metafor's escalc values, the back-transformation, and properties that hold for any counts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.stats import effect_sizes, matched_pairs, proportions, to_proportion, two_groups

REFERENCE = Path(__file__).parents[1] / "reference"
STUDIES = pd.read_csv(REFERENCE / "studies.csv")
GROUPS = pd.read_csv(REFERENCE / "groups.csv")
PAIRS = pd.read_csv(REFERENCE / "pairs.csv")
EXACT = {"rtol": 1e-12, "atol": 1e-14}
counts = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize("name", [n for n in STUDIES["set"].unique() if n.split("/")[1] in effect_sizes.TRANSFORMS])
def test_proportions_equal_escalc(name):
    studies = STUDIES[STUDIES["set"] == name]
    y, v = proportions(studies.events, studies.n, transform=name.split("/")[1])
    np.testing.assert_allclose(y, studies.y, **EXACT)
    np.testing.assert_allclose(v, studies.v, **EXACT)


@pytest.mark.parametrize("name", GROUPS["set"].unique())
def test_comparisons_equal_escalc(name):
    counts, studies = GROUPS[GROUPS["set"] == name].drop(columns="set"), STUDIES[STUDIES["set"] == name]
    y, v = two_groups(*counts.to_numpy().T, measure=name.split("/")[1])
    np.testing.assert_allclose(y, studies.y, **EXACT)
    np.testing.assert_allclose(v, studies.v, **EXACT)


@pytest.mark.parametrize(("ours", "theirs"), [("RR", "MPRR"), ("OR", "MPORC"), ("RD", "MPRD")])
def test_pairs_equal_escalc(ours, theirs):
    pairs = PAIRS[PAIRS.measure == theirs]
    y, v = matched_pairs(pairs.a, pairs.b, pairs.c, pairs.d, measure=ours)
    np.testing.assert_allclose(y, pairs.y, **EXACT)
    np.testing.assert_allclose(v, pairs.v, **EXACT)


def test_margins_with_a_correlation_equal_escalc():
    pairs = PAIRS[PAIRS.measure == "MPORM"]
    n = pairs.a + pairs.b + pairs.c + pairs.d
    y, v = two_groups(pairs.a + pairs.b, n, pairs.a + pairs.c, n, measure="OR", correlation=0.4)
    np.testing.assert_allclose(y, pairs.y, **EXACT)
    np.testing.assert_allclose(v, pairs.v, **EXACT)


@given(st.lists(st.integers(1, 60), min_size=4, max_size=4), st.sampled_from(["RR", "RD"]))
def test_margins_with_the_true_correlation_are_the_pairs(cells, measure):
    a, b, c, d = cells
    n, first, second = sum(cells), a + b, a + c
    phi = (a * d - b * c) / np.sqrt(first * (n - first) * second * (n - second))
    y, v = two_groups(first, n, second, n, measure=measure, correlation=phi)
    expected = matched_pairs(a, b, c, d, measure=measure)
    assert (y, v) == (pytest.approx(expected[0]), pytest.approx(expected[1]))
    independent = two_groups(first, n, second, n, measure=measure)[1]
    assert independent >= v if phi >= 0 else independent <= v


@given(counts, st.sampled_from(effect_sizes.TRANSFORMS))
def test_back_transformation_returns_the_proportion(study, transform):
    events, n = study
    y, _ = proportions(events, n, transform=transform)
    added = 0.5 if transform == "logit" and events in (0, n) else 0
    assert to_proportion(y, transform=transform, n=n) == pytest.approx((events + added) / (n + 2 * added), abs=1e-7)


@given(counts, counts, st.sampled_from(effect_sizes.MEASURES))
def test_exchanging_the_groups_changes_the_sign(one, other, measure):
    y, v = two_groups(*one, *other, measure=measure)
    back = two_groups(*other, *one, measure=measure)
    assert (back[0], back[1]) == (pytest.approx(-y, abs=1e-12, nan_ok=True), pytest.approx(v, nan_ok=True))
    one_outcome = one[0] == other[0] == 0 or (one[0] == one[1] and other[0] == other[1])
    if one_outcome and measure != "RD":
        assert np.isnan([y, v]).all()
    else:
        assert v > 0


@given(counts, counts)
def test_the_risk_difference_is_that_of_the_proportions(one, other):
    y, v = two_groups(*one, *other, measure="RD")
    assert y == pytest.approx(one[0] / one[1] - other[0] / other[1], abs=1e-15)
    p, q = one[0] / one[1], other[0] / other[1]
    if 0 < p < 1 and 0 < q < 1:
        assert v == pytest.approx(p * (1 - p) / one[1] + q * (1 - q) / other[1])


def test_a_group_at_0_or_100_percent_has_the_variance_with_one_event_and_one_non_event_added():
    _, v = two_groups([0, 1, 0, 10], [31, 31, 10, 10], [0, 0, 10, 10], [32, 32, 10, 10], measure="RD")
    edge = {n: (1 / (n + 2)) * (1 - 1 / (n + 2)) / (n + 2) for n in (10, 31, 32)}
    np.testing.assert_allclose(v, [edge[31] + edge[32], 30 / 31**3 + edge[32], 2 * edge[10], 2 * edge[10]])
    # A trial with an event in one arm does not weigh more than one without.
    assert v[0] < v[1]


def test_pairs_without_information_on_a_ratio_have_no_ratio_but_a_difference():
    cells = [[0, 9, 5, 0], [0, 0, 0, 4], [0, 0, 0, 0], [9, 0, 7, 0]]
    for measure, expected in (("RR", [True, True, False, False]), ("OR", [True, True, True, False])):
        y, v = matched_pairs(*cells, measure=measure)
        assert np.isnan(y).tolist() == np.isnan(v).tolist() == expected
    y, v = matched_pairs(*cells, measure="RD")
    assert y.tolist() == [0, 0, 0, 1]
    assert (v > 0).all()


def test_arcsines_out_of_range_become_0_and_1():
    for transform in ("arcsine", "double-arcsine"):
        assert to_proportion([-0.2, 1.7], transform=transform, n=12).tolist() == [0, 1]
        assert np.isnan(to_proportion(np.nan, transform=transform, n=12))


@pytest.mark.parametrize("transform", effect_sizes.TRANSFORMS)
def test_an_absent_study_stays_absent(transform):
    y, v = proportions([3, np.nan, 4], [10, 10, np.nan], transform=transform)
    assert np.isnan(y).tolist() == np.isnan(v).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: two_groups([3], [2], [1], [2]), "events1 <= n1"),
        (lambda: two_groups([1], [2], [-1], [2]), "0 <= events2"),
        (lambda: two_groups([1], [2], [1], [2], measure="HR"), "measure must be one of RR, OR, RD, not 'HR'"),
        (lambda: two_groups([1], [2], [1], [2], correlation=1.0), "correlation must lie"),
        (lambda: matched_pairs(1, 2, -1, 3), "counts >= 0"),
        (lambda: matched_pairs(0, 0, 0, 0), "at least one patient"),
        (lambda: matched_pairs(1, 2, 1, 3, measure="HR"), "measure must be one of"),
        (lambda: to_proportion(0.3, transform="XX"), "transform must be one of"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
