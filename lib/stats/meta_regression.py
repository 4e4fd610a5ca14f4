"""Meta-regression: effects that differ with what is known of their studies, and what single studies do to a result.

Knows the mixed-effects model with a few moderators, its permutation test, subgroups with a common tau², influence
diagnostics and the coordinates of a Baujat plot. Effects and variances have shape (k,) for one analysis or (k, m) for m
at once, NaN for an absent study, as in `pooling`. It cannot tell a moderator's effect from whatever goes with it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from lib.stats.arrays import column_slices, refuse_level, refuse_unknown, refuse_values, studies_by_analysis
from lib.stats.mixed_model import CI, NO_FIT, ModeratedMean, centred_effects, design_matrix, fit_mixed, wald_statistics
from lib.stats.pooled_result import Pooled
from lib.stats.pooling import pool
from lib.stats.rearrange import by_group
from lib.stats.tau2 import TAU2, PoolingWarning, between_study_variance


@dataclass(frozen=True)
class Regression:
    """A meta-regression, or m of them; c coefficients, the intercept first.

    For one analysis attributes said to be of shape (m,) are numbers, and those of shape (c, m) have shape (c,).

    Attributes
    ----------
    k : int, shape (m,)
        Number of studies.
    coefficients, se, ci_low, ci_high, statistic, p : ndarray, shape (c, m)
        Coefficients per unit of the moderator, with standard errors, intervals, and their z (with "hksj" t) and
        two-sided p-value.
    covariance : ndarray, shape (c, c, m)
        Of the coefficients.
    tau2 : float, shape (m,)
        Residual between-study variance.
    r2 : float, shape (m,)
        Share of tau² that the moderators account for, max(0, 1 - tau² / tau² without them); NaN where the latter is 0.
        With few studies it is a very rough number.
    qe, qe_df, qe_p : shape (m,)
        Residual heterogeneity: Q, degrees of freedom, p-value.
    qm, qm_df, qm_p : shape (m,)
        Test of all moderators: chi-square on qm_df, with "hksj" F on qm_df and k - c.
    """

    k: int
    coefficients: np.ndarray
    se: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    statistic: np.ndarray
    p: np.ndarray
    covariance: np.ndarray
    tau2: float
    r2: float
    qe: float
    qe_df: int
    qe_p: float
    qm: float
    qm_df: int
    qm_p: float


def regress(y, v, moderators, *, tau2: str = "REML", ci: str = "normal", level: float = 0.95) -> Regression:
    """Regress effects on moderators of the studies under a mixed-effects model.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        As in `pooling.pool`; a study with v = 0 is left out.
    moderators : array_like, shape (k,), (k, c) or (k, c, m)
        One or a few numbers of each study (0 and 1 for a yes or no), the same for all analyses or their own. A study
        with NaN in one is absent.
    tau2, level
        As in `pooling.pool`.
    ci : {"normal", "hksj"}
        As in `pooling.pool`; "hksj" is the Knapp-Hartung adjustment (2003, doi:10.1002/sim.1482), unmodified.

    Returns
    -------
    Regression
        The result. Where studies are fewer than coefficients, or a moderator is the same for all or follows from the
        others, it is NaN and a `PoolingWarning` says so. With as many as coefficients "hksj" has no degree of
        freedom, and the intervals are NaN.

    Raises
    ------
    ValueError
        If shapes do not fit, a variance is negative or infinite, an effect or moderator is infinite, or an option is
        unknown.
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_unknown("tau2", tau2, TAU2)
    refuse_unknown("ci", ci, CI)
    refuse_level(level)
    fit = fit_mixed(y, v, design_matrix(y, moderators), tau2)
    c, df = len(fit.coefficients), np.maximum(fit.k - len(fit.coefficients), 0)
    bad = np.isnan(fit.coefficients[0])
    if bad.any():
        warnings.warn(NO_FIT, PoolingWarning, stacklevel=2)
    covariance, se, statistic, qm = wald_statistics(fit, ci)
    if ci == "hksj":
        some = np.where(df > 0, df, np.nan)
        quantile, p = stats.t.ppf((1 + level) / 2, some), 2 * special.stdtr(some, -np.abs(statistic))
        qm_p = stats.f.sf(qm, c - 1, some)
    else:
        quantile, p = special.ndtri((1 + level) / 2), 2 * special.ndtr(-np.abs(statistic))
        qm_p = special.chdtrc(c - 1, qm)
    used = np.isfinite(fit.model.v)
    without = pool(np.where(used, y, np.nan), np.where(used, v, np.nan), tau2=tau2).tau2 if used.any() else fit.t2
    r2 = np.where(without > 0, np.maximum(1 - fit.t2 / np.where(without > 0, without, 1.0), 0.0), np.nan)
    results = {
        "k": fit.k,
        "coefficients": fit.coefficients,
        "se": se,
        "ci_low": fit.coefficients - quantile * se,
        "ci_high": fit.coefficients + quantile * se,
        "statistic": statistic,
        "p": p,
        "covariance": covariance,
        "tau2": fit.t2,
        "r2": r2,
        "qe": np.where(bad, np.nan, fit.model.q_fixed),
        "qe_df": df,
        "qe_p": np.where(bad, np.nan, np.where(df > 0, special.chdtrc(np.maximum(df, 1), fit.model.q_fixed), 1.0)),
        "qm": qm,
        "qm_df": np.full(fit.k.shape, c - 1),
        "qm_p": qm_p,
    }
    if single:
        results = {name: value[..., 0] if value.ndim > 1 else value[0].item() for name, value in results.items()}
    return Regression(**results)


def subgroups_with_common_tau2(
    groups, y, v, *, tau2: str = "DL", ci: str = "normal", level: float = 0.95
) -> tuple[np.ndarray, Pooled]:
    """Pool each group of studies with a tau² that is the same for all, estimated within the groups.

    With few studies to a group its own tau² is nearly unknown. ``pool(*by_group(groups, y, v)[1:])`` gives each its
    own; `pooling.between_groups` tests the difference for both.

    Parameters
    ----------
    groups : array_like, shape (k,)
        Group of each study.
    y, v : array_like, shape (k,) or (k, m)
        As in `pooling.pool`.
    tau2, ci, level
        As in `pooling.pool`.

    Returns
    -------
    labels : ndarray, shape (g,)
        The groups, sorted.
    pooled : Pooled
        Their results, shape (g,), or (g m,) in the order of `pooling.by_group`.

    Raises
    ------
    ValueError
        As `pooling.pool`.
    """
    labels, *columns = by_group(groups, y, v)
    y, v, _ = studies_by_analysis(y, v)
    refuse_unknown("tau2", tau2, TAU2)
    refuse_unknown("ci", ci, CI)
    refuse_level(level)
    refuse_values(y, v)
    members = np.asarray(groups) == labels[:, None]
    t2 = np.empty(y.shape[1])
    for some in column_slices(members.size, y.shape[1]):
        used = ~(np.isnan(y[:, some]) | np.isnan(v[:, some])) & (v[:, some] != 0)
        design = members[:, :, None] & used
        basis = design / np.sqrt(np.maximum(design.sum(axis=1, keepdims=True), 1))
        centred, variances, k, _ = centred_effects(y[:, some], v[:, some], used)
        t2[some] = between_study_variance(ModeratedMean(centred, variances, k, basis), tau2)
    return labels, pool(*columns, tau2=np.tile(t2, len(labels)), ci=ci, level=level)
