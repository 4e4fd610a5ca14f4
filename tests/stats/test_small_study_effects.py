"""Small-study effects: metafor's values, properties, and edge cases."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from lib.stats import begg, egger, leave_one_out, peters, regress, too_few, trim_and_fill

# Reference data and random data have studies without a weight; `test_arguments` is about the warning that names them.
pytestmark = pytest.mark.filterwarnings("ignore::lib.stats.arguments.LeftOutWarning")

REFERENCE = Path(__file__).parents[1] / "reference"
STUDIES = pd.read_csv(REFERENCE / "studies.csv")
TOTALS = pd.read_csv(REFERENCE / "totals.csv")
VALUES = pd.read_csv(REFERENCE / "asymmetry.csv")
TESTS = list(VALUES.groupby(["set", "test"], sort=False))


@pytest.mark.parametrize(("case", "expected"), TESTS, ids=["-".join(case) for case, _ in TESTS])
def test_equals_metafor(case, expected):
    name, test = case
    studies = STUDIES[STUDIES["set"] == name]
    y, v = studies.y.to_numpy(), studies.v.to_numpy()
    kind, *options = test.split("_")
    value = expected.set_index("what").value
    if kind == "trimfill":
        (method,) = options
        result = trim_and_fill(y, v, tau2=method)
        assert (result.missing, result.right) == (value["k0"], bool(value["right"]))
        # What is put in depends on a mean that trimfill iterates to metafor's own tolerance.
        tolerance = 1e-5 if method == "REML" else 1e-9
        for what in ("estimate", "se", "tau2"):
            assert getattr(result.pooled, what) == pytest.approx(value[what], rel=tolerance, abs=1e-9), what
        return
    if kind == "egger":
        result = egger(y, v)
    elif kind == "peters":
        counts = TOTALS[TOTALS["set"] == name]
        result = peters(y, counts.e, counts.n)
    else:
        result = begg(y, v)
    for what in value.index:
        assert getattr(result, what) == pytest.approx(value[what], rel=1e-6, abs=1e-9, nan_ok=True), what


def peters_of(y, v):
    """Test effects by counts that have about these variances."""
    events = np.ceil(2 / v)
    return peters(y, events, 2 * events)


@pytest.mark.parametrize("test", [egger, peters_of, begg])
def test_many_at_once_equal_each_alone(test):
    studies = STUDIES[STUDIES["set"] == "bcg/logRR"]
    y, v = studies.y.to_numpy(), studies.v.to_numpy()
    together = test(*leave_one_out(y, v))
    for j in range(len(y)):
        alone = test(np.delete(y, j), np.delete(v, j))
        np.testing.assert_allclose(together.to_frame().iloc[j].astype(float), alone.to_frame().iloc[0].astype(float))


def test_trim_and_fill_of_many_equals_each_alone():
    studies = STUDIES[STUDIES["set"] == "hackshaw1998/logOR"]
    y, v = studies.y.to_numpy(), studies.v.to_numpy()
    together = trim_and_fill(*leave_one_out(y, v))
    assert len(set(together.missing)) > 1
    for j in range(len(y)):
        alone = trim_and_fill(np.delete(y, j), np.delete(v, j))
        assert (together.missing[j], together.right[j]) == (alone.missing, alone.right)
        assert together.pooled.estimate[j] == pytest.approx(alone.pooled.estimate)
        np.testing.assert_allclose(together.y[: len(y), j], np.where(np.arange(len(y)) == j, np.nan, y))


def test_too_few_studies_are_flagged():
    y, v = np.linspace(0, 1, 9) ** 2, np.linspace(0.1, 0.4, 9)
    assert egger(y, v).too_few and begg(y, v).too_few
    assert not egger([*y, 0.7], [*v, 0.2]).too_few
    assert "9 studies" in too_few(9) and "1 study," in too_few(1)
    assert too_few(10) == ""


@pytest.mark.parametrize("data", [([0.1, 0.2], [0.1, 0.2]), ([0.1, 0.4, 0.5, 0.9], [0.2] * 4)])
def test_without_a_slope_there_is_no_test(data):
    result = egger(*data)
    assert result.k == len(data[0])
    assert np.isnan([result.statistic, result.p]).all()


some_studies = st.lists(
    st.tuples(st.floats(-3, 3), st.integers(2, 300)),
    min_size=4,
    max_size=12,
    unique_by=(lambda r: r[0], lambda r: r[1]),
).map(lambda rows: (np.array(rows)[:, 0], np.array(rows)[:, 1] / 100))


@given(some_studies)
def test_mirroring_a_funnel_changes_the_sign_of_the_statistic(studies):
    y, v = studies
    for test in (egger, begg):
        one, other = test(y, v), test(-y, v)
        assert other.statistic == pytest.approx(-one.statistic, rel=1e-6, abs=1e-9)
        assert other.p == pytest.approx(one.p, rel=1e-6)


@given(some_studies)
def test_mirroring_a_funnel_mirrors_the_studies_added(studies):
    y, v = studies
    # Without a slope neither side is the emptier.
    assume(abs(regress(y, v, np.sqrt(v), tau2="DL").statistic[1]) > 1e-6)
    one, other = trim_and_fill(y, v), trim_and_fill(-y, v)
    assert (other.missing, other.right) == (one.missing, not one.right)
    assert other.pooled.estimate == pytest.approx(-one.pooled.estimate, abs=1e-9)


@given(some_studies)
def test_only_mirror_images_of_studies_are_added(studies):
    y, v = studies
    result = trim_and_fill(y, v)
    put_in = ~np.isnan(result.y[len(y) :])
    assert put_in.sum() == result.missing < len(y)
    assert result.pooled.k == len(y) + result.missing
    np.testing.assert_array_equal(result.y[: len(y)], y)
    # A mirror image has the variance of its original.
    assert set(result.v[len(y) :][put_in]) <= set(v)


@given(some_studies)
def test_exact_ranks_equal_scipy(studies):
    y, v = studies
    result = begg(y, v)
    mean = (y / v).sum() / (1 / v).sum()
    expected = stats.kendalltau((y - mean) / np.sqrt(v - 1 / (1 / v).sum()), v, method="exact")
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: egger([1, 2], [1]), "shape"),
        (lambda: peters([0.1], [3], [2]), "events <= n"),
        (lambda: trim_and_fill([1, 2, 3], [1, 1, 1], tau2="XX"), "tau2 must be one of"),
        (lambda: begg([1, 2], [1, -1]), "not negative"),
        (lambda: trim_and_fill([1, 2], [1, 1]), "at least 3 studies in each analysis, not 2"),
        (lambda: trim_and_fill([], []), "at least 3 studies in each analysis, not 0"),
        (lambda: trim_and_fill([1, 2, 3], [1, 0, 1]), "at least 3 studies in each analysis, not 2"),
        (lambda: trim_and_fill(*leave_one_out([1, 2, 3], [1, 2, 3])), "at least 3 studies in each analysis, not 2"),
        (lambda: egger([1, 2, 3], [5e-324, 1, 2]), "variances must be 0 or at least 1e-140"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
