"""Rearranged analyses: metafor's values, and each analysis as it is alone."""

import numpy as np
import pandas as pd
import pytest
from reference_values import REFERENCE, STUDIES, VALUES

from lib.stats import between_groups, by_group, cumulative, leave_one_out, pool


@pytest.mark.parametrize("arrange", [leave_one_out, cumulative])
@pytest.mark.parametrize("name", VALUES[VALUES.what == "leave1out_1"]["set"].unique())
def test_rearranged_analyses_equal_metafor(arrange, name):
    prefix = {"leave_one_out": "leave1out_", "cumulative": "cumul_"}[arrange.__name__]
    expected = VALUES[(VALUES["set"] == name) & VALUES.what.str.startswith(prefix)].value.to_numpy()
    studies = STUDIES[(STUDIES["set"] == name) & (STUDIES.v > 0)]
    result = pool(*arrange(studies.y, studies.v))
    np.testing.assert_allclose(result.estimate, expected, rtol=1e-9)


@pytest.mark.parametrize("arrange", [leave_one_out, cumulative, lambda *a: by_group([0, 1, 1, 0, 2], *a)[1:]])
def test_many_analyses_are_rearranged_as_each_alone(arrange):
    rng = np.random.default_rng(3)
    y, v = rng.normal(size=(5, 4)), rng.uniform(0.1, 1, (5, 4))
    y[2, 1] = np.nan
    together = arrange(y, v)
    for i in range(4):
        for many, one in zip(together, arrange(y[:, i], v[:, i]), strict=True):
            np.testing.assert_array_equal(many.reshape(5, -1, 4)[:, :, i], one)


def test_subgroups_equal_metafor():
    groups = pd.read_csv(REFERENCE / "bcg_allocation.csv").alloc.to_numpy()
    studies = STUDIES[STUDIES["set"] == "bcg/logRR"]
    value = VALUES[(VALUES["set"] == "bcg/logRR") & (VALUES.tau2_method == "DL")].set_index("what").value
    labels, y, v = by_group(groups, studies.y, studies.v)
    result = pool(y, v)
    np.testing.assert_allclose(result.estimate, [value[f"group_{label}"] for label in labels], rtol=1e-9)
    q, df, p = between_groups(result.estimate, result.se**2)
    assert (q, df, p) == (pytest.approx(value["between_q"]), 2, pytest.approx(value["between_p"]))
