"""Meta-regression: metafor's values, properties, and edge cases."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_values import (
    INFLUENCE,
    ITERATIVE,
    REFERENCE,
    REGRESSIONS,
    methods,
    moderated,
    moderated_studies,
    with_gaps,
)

from lib.stats import (
    TAU2,
    PoolingWarning,
    between_groups,
    influence,
    leave_one_out,
    permutation_test,
    pool,
    regress,
    subgroups_with_common_tau2,
)
from lib.stats.mixed_model import CI

# Reference data and random data have studies without a weight; `test_arguments` is about the warning that names them.
pytestmark = pytest.mark.filterwarnings("ignore::lib.stats.arguments.LeftOutWarning")

FITS = list(REGRESSIONS.drop(INFLUENCE.index).groupby(["set", "moderators", "tau2_method", "ci"], sort=False))


@pytest.mark.parametrize(("fit", "expected"), FITS, ids=["-".join(fit) for fit, _ in FITS])
def test_equals_metafor(fit, expected):
    name, moderators, tau2, ci = fit
    result = vars(regress(*moderated(name, moderators), tau2=tau2, ci=ci))
    tolerance = {"rel": 1e-6 if tau2 in ITERATIVE else 1e-9, "abs": 1e-9}
    compared = 0
    for row in expected.itertuples():
        base, _, number = row.what.rpartition("_")
        if row.what == "r2":
            # Without heterogeneity to explain metafor has a 0, or what its iterations leave of 0; and for "FE" another
            # quantity.
            if np.isnan(result["r2"]):
                assert tau2 == "FE" or pool(*moderated(name, moderators)[:2], tau2=tau2).tau2 == 0
                continue
            value = result["r2"]
        elif base in result and number.isdigit():
            value = result[base][int(number)]
        elif row.what in result:
            value = result[row.what]
        else:
            assert base == "permuted"
            continue
        assert value == pytest.approx(row.value, **tolerance), row.what
        compared += 1
    assert compared >= (8 if ci == "normal" else 7)


@pytest.mark.parametrize("tau2", ["DL", "REML"])
def test_subgroups_with_a_common_tau2_equal_metafor(tau2):
    groups = pd.read_csv(REFERENCE / "bcg_allocation.csv").alloc
    values = pd.read_csv(REFERENCE / "values.csv")
    value = values[(values["set"] == "bcg/logRR") & (values.tau2_method == tau2) & values.what.str.startswith("common")]
    value = value.set_index("what").value
    labels, result = subgroups_with_common_tau2(groups, *moderated("bcg", "1")[:2], tau2=tau2)
    np.testing.assert_allclose(result.estimate, value[[f"common_{label}" for label in labels]], rtol=1e-7)
    np.testing.assert_allclose(result.se, value[[f"common_se_{label}" for label in labels]], rtol=1e-7)
    np.testing.assert_allclose(result.tau2, value["common_tau2"], rtol=1e-7)
    q, df, p = between_groups(result.estimate, result.se**2)
    assert (q, df) == (pytest.approx(value["common_between_q"]), 2)
    assert p == pytest.approx(value["common_between_p"])


def test_equals_statsmodels_without_heterogeneity():
    sm = pytest.importorskip("statsmodels.api")
    y, v, x = moderated("simulated_k40_tau2", "x1+x2")
    theirs = sm.WLS(y.to_numpy(), sm.add_constant(x.to_numpy()), weights=1 / v.to_numpy()).fit()
    ours = regress(y, v, x, tau2="FE", ci="hksj")
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=1e-9)
    np.testing.assert_allclose(ours.se, theirs.bse, rtol=1e-9)
    np.testing.assert_allclose(ours.p, theirs.pvalues, rtol=1e-7)
    assert ours.qm == pytest.approx(theirs.fvalue)


# --- Properties and edge cases -------------------------------------------------------------------------------


@given(moderated_studies, methods, st.floats(0.01, 100), st.floats(-1000, 1000))
def test_units_of_a_moderator_do_not_matter(studies, tau2, unit, origin):
    y, v, x = studies
    one, other = regress(y, v, x, tau2=tau2), regress(y, v, origin + unit * x, tau2=tau2)
    assert other.coefficients[1] * unit == pytest.approx(one.coefficients[1], rel=1e-5, abs=1e-6)
    assert other.tau2 == pytest.approx(one.tau2, rel=1e-4, abs=1e-7)
    assert other.qm == pytest.approx(one.qm, rel=1e-4, abs=1e-6)


@given(moderated_studies, methods)
def test_a_linear_effect_is_recovered(studies, tau2):
    _, v, x = studies
    result = regress(2 + 3 * x, v, x, tau2=tau2)
    np.testing.assert_allclose(result.coefficients, [2, 3], atol=1e-7)
    assert result.tau2 == pytest.approx(0, abs=1e-9)
    assert result.qe == pytest.approx(0, abs=1e-9)


@given(moderated_studies, methods, st.sampled_from(CI))
def test_many_at_once_equal_each_alone(studies, tau2, ci):
    y, v, x = studies
    if min(len(np.unique(np.delete(x, j))) for j in range(len(x))) < 2:
        return
    together = regress(*leave_one_out(y, v), x, tau2=tau2, ci=ci)
    for j in range(len(y)):
        alone = regress(*(np.delete(a, j) for a in studies), tau2=tau2, ci=ci)
        np.testing.assert_allclose(together.coefficients[:, j], alone.coefficients, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(together.se[:, j], alone.se, rtol=1e-5, atol=1e-7)
        assert together.k[j] == alone.k == len(y) - 1


@pytest.mark.parametrize("x", [[1, 1, 1, 1], [[1, 2], [2, 4], [3, 6], [4, 8]], [1, np.nan, np.nan, np.nan]])
def test_an_uninformative_moderator_warns(x):
    with pytest.warns(PoolingWarning, match="too few studies, or moderators"):
        result = regress([0.1, 0.4, 0.2, 0.9], [0.1, 0.2, 0.1, 0.3], x)
    assert np.isnan(result.coefficients).all()
    assert np.isnan([result.tau2, result.qm, result.qe]).all()


@pytest.mark.parametrize("tau2", TAU2)
def test_subgroups_of_many_analyses_equal_each_alone(tau2):
    y, v, x = with_gaps(2)
    # The last analysis has no study of the last group.
    y[x == x.max(), -1] = np.nan
    with pytest.warns(PoolingWarning, match="no study"):
        labels, many = subgroups_with_common_tau2(x, y, v, tau2=tau2)
    for j in range(y.shape[1]):
        here = ~np.isnan(y[:, j] + v[:, j])
        groups, alone = subgroups_with_common_tau2(x[here], y[here, j], v[here, j], tau2=tau2)
        at = np.searchsorted(labels, groups)
        for name in ("k", "estimate", "se", "tau2", "q"):
            values = getattr(many, name).reshape(len(labels), -1)
            np.testing.assert_allclose(values[at, j], getattr(alone, name), rtol=1e-7, atol=1e-9, err_msg=name)
    q, df, p = between_groups(many.estimate.reshape(len(labels), -1), many.se.reshape(len(labels), -1) ** 2)
    assert df.tolist() == [2, 2, 2, 2, 2, 1]
    alone = between_groups(many.estimate[:: y.shape[1]], many.se[:: y.shape[1]] ** 2)
    assert (q[0], p[0]) == (pytest.approx(alone[0]), pytest.approx(alone[2]))


def test_an_absent_group_does_not_change_the_maximum_of_the_likelihood():
    # The restricted likelihood has a maximum at tau² = 0 and a higher one near 3.
    y, v, groups = (
        np.array([0.066, 0.863, 0.085, 4.306, -0.008]),
        np.array([1.4e-4, 73, 0.146, 1.09, 0.083]),
        np.zeros(5),
    )
    alone = subgroups_with_common_tau2(groups, y, v, tau2="REML")[1].tau2
    absent = np.r_[y, np.nan], np.r_[v, np.nan], np.r_[groups, 1]
    with pytest.warns(PoolingWarning, match="no study"):
        _, both = subgroups_with_common_tau2(absent[2], *absent[:2], tau2="REML")
    assert both.tau2 == pytest.approx(alone[0])
    assert alone[0] == pytest.approx(pool(y, v, tau2="REML").tau2)
    assert alone[0] > 2


@pytest.mark.parametrize("x", [[1.0, 2.0], [[1, 2], [3, 5]], [[1, 2, 3], [3, 5, 1]]])
def test_fewer_studies_than_coefficients_are_no_fit(x):
    y, v = [0.3, 0.7][: len(x)], [0.1, 0.2][: len(x)]
    if np.ndim(x) == 1:
        y, v, x = y[:1], v[:1], x[:1]
    with pytest.warns(PoolingWarning, match="too few studies"):
        result = regress(y, v, x)
    assert np.isnan([*result.coefficients, result.tau2, result.qe, result.qe_p, result.qm_p]).all()
    assert np.isnan(influence(y, v, x).cook).all()


def test_absent_studies_and_moderators():
    y, v, x = (np.array(a) for a in moderated("simulated_k9_tau2", "x1"))
    y[2], v[3], x[5] = np.nan, 0, np.nan
    result = regress(y, v, x)
    keep = [0, 1, 4, 6, 7, 8]
    np.testing.assert_allclose(result.coefficients, regress(y[keep], v[keep], x[keep]).coefficients)
    assert result.k == 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regress([1, 2, 3], [1, 1, 1], [1, 2]), "moderators must have shape"),
        (lambda: regress([1, 2, 3], [1, 1, 1], [1, 2, np.inf]), "moderators must be finite"),
        (lambda: regress([1, 2, 3], [1, 1, -1], [1, 2, 4]), "not negative"),
        (lambda: regress([1, 2, 3], [1, 1, 1], [1, 2, 4], tau2="XX"), "tau2 must be one of"),
        (lambda: permutation_test([[1, 2]], [[1, 1]], [1, 2]), "moderators must have shape"),
        (lambda: subgroups_with_common_tau2([0, 1], [1, 2], [1, -1]), "not negative"),
        (lambda: influence([1, 2, 3], [1, 1, 1], tau2="XX"), "tau2 must be one of"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
