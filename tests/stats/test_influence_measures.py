"""Influence diagnostics: metafor's values, and results without each study."""

import numpy as np
import pytest
from hypothesis import given
from reference_values import INFLUENCE, INFLUENCE_CODES, methods, moderated, moderated_studies

from lib.stats import influence, leave_one_out, pool


@pytest.mark.parametrize(
    ("fit", "expected"),
    list(INFLUENCE.groupby(["set", "moderators", "tau2_method"], sort=False)),
    ids=lambda x: "-".join(x) if isinstance(x, tuple) else "",
)
def test_influence_equals_metafor(fit, expected):
    name, moderators, tau2 = fit
    y, v, x = moderated(name, moderators)
    result = influence(y, v, x, tau2=tau2)
    # With as many studies left as coefficients there is a fit, and it is exact; metafor gives none.
    expected = expected[expected.value.notna()]
    assert len(expected) >= len(y)
    for row in expected.itertuples():
        base, _, number = row.what.rpartition("_")
        value = getattr(result, INFLUENCE_CODES[base])[int(number) - 1]
        assert value == pytest.approx(row.value, rel=1e-6 if tau2 == "REML" else 1e-8, abs=1e-8), row.what


@given(moderated_studies, methods)
def test_influence_is_the_difference_from_leaving_a_study_out(studies, tau2):
    y, v, _ = studies
    whole, without = pool(y, v, tau2=tau2), pool(*leave_one_out(y, v), tau2=tau2)
    result = influence(y, v, tau2=tau2)
    np.testing.assert_allclose(result.hat, whole.weights, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(result.tau2, without.tau2, rtol=1e-4, atol=1e-7)
    shift = (whole.estimate - without.estimate) ** 2
    np.testing.assert_allclose(result.cook, shift / whole.se**2, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(result.baujat_y, shift / without.se**2, rtol=1e-3, atol=1e-7)
    if tau2 == "FE":
        assert result.baujat_x.sum() == pytest.approx(whole.q)


def test_influence_of_many_analyses():
    y, v, _ = moderated("bcg", "1")
    many = influence(*leave_one_out(y, v))
    assert np.isnan(np.diag(many.hat)).all()
    alone = influence(np.delete(y.to_numpy(), 3), np.delete(v.to_numpy(), 3))
    of_many = many.to_frame().loc["without " + str(y.index[3])].drop(y.index[3])
    np.testing.assert_allclose(of_many, alone.to_frame(), rtol=1e-6, atol=1e-10)
