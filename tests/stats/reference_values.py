"""metafor's reference values, and data that several tests of statistics share."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from lib.stats import TAU2

REFERENCE = Path(__file__).parents[1] / "reference"
STUDIES = pd.read_csv(REFERENCE / "studies.csv")
VALUES = pd.read_csv(REFERENCE / "values.csv")
ITERATIVE = ("PM", "EB", "REML", "ML")


def close(method, value):
    """Compare closed forms up to rounding, and iterations up to the tolerance of both programs."""
    # Near 0 a relative difference has no meaning; on the scale of these effects 1e-9 is negligible.
    return pytest.approx(value, rel=1e-7 if method in ITERATIVE else 1e-11, abs=1e-9)


some_studies = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.001, 2)), min_size=2, max_size=12).map(
    lambda rows: tuple(np.array(rows).T)
)
moderated_studies = (
    st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 2), st.integers(-9, 9)), min_size=5, max_size=10)
    .map(lambda rows: tuple(np.array(rows).T))
    .filter(lambda data: len(np.unique(data[2])) > 2)
)
methods = st.sampled_from(TAU2)
MODERATED = pd.read_csv(REFERENCE / "moderators.csv")
REGRESSIONS = pd.read_csv(REFERENCE / "regression.csv")


def moderated(name, moderators):
    studies = MODERATED[MODERATED["set"] == name]
    x = {"1": None, "x1": studies.x1, "x1+x2": studies[["x1", "x2"]]}[moderators]
    return studies.yi, studies.vi, x


def with_gaps(seed, k=8, m=6):
    """Return m analyses of k studies with a moderator, in some of which a study is absent or has no variance."""
    rng = np.random.default_rng(seed)
    v, x = rng.uniform(0.1, 1, (k, m)), rng.integers(0, 3, k).astype(float)
    y = rng.normal(size=(k, m)) + 0.3 * x[:, None]
    y[0, 1], v[3, 2], v[4, 4] = np.nan, np.nan, 0
    return y, v, x


INFLUENCE_CODES = {
    "hat": "hat",
    "rstudent": "residual",
    "dffits": "dffits",
    "cook.d": "cook",
    "cov.r": "covariance_ratio",
}
INFLUENCE_CODES |= {"tau2.del": "tau2", "QE.del": "q", "baujat_x": "baujat_x", "baujat_y": "baujat_y"}
INFLUENCE = REGRESSIONS[REGRESSIONS.what.str.replace(r"_\d+$", "", regex=True).isin(INFLUENCE_CODES)]
