"""Meta-regression: effects that depend on moderators, the known characteristics of their studies.

Belongs here: the regression and its coefficients, and subgroups with a common tau². Effects and variances have shape
(k,) for one analysis or (k, m) for m at once, NaN for an absent study. Does not belong here: the model itself
(`mixed_model`), its permutation test (`permutation`) and influence diagnostics (`influence_measures`). No such analysis
can separate the effect of a moderator from the effects of whatever is associated with it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from lib.stats.arguments import Effects, Names, PoolingWarning, effects, moderator_labels
from lib.stats.arrays import Count, Floats, Number, column_slices, usable
from lib.stats.checks import refuse_level, refuse_unknown, refuse_values, warn_left_out, without_weight
from lib.stats.display import Displayed, Shown, counted, crossed_frame, interval, number, p_equals, p_value, percent
from lib.stats.intervals import normal_quantile
from lib.stats.mixed_model import (
    CI,
    NO_FIT,
    ModeratedMean,
    centred_effects,
    design_matrix,
    fit_mixed,
    wald_statistics,
    warn_unfitted,
)
from lib.stats.pooled_result import Pooled
from lib.stats.pooling import pool_effects
from lib.stats.rearrange import by_group
from lib.stats.tau2 import TAU2, between_study_variance

if TYPE_CHECKING:
    import pandas as pd

_OF_COEFFICIENTS = ("coefficients", "se", "ci_low", "ci_high", "statistic", "p")


@dataclass(frozen=True, eq=False, repr=False)
class Regression(Displayed, Generic[Number, Count]):
    """A meta-regression of one analysis, or of m; c coefficients, the intercept first.

    For one analysis the attributes of shape (m,) are numbers, and the others lack their last dimension.

    Attributes
    ----------
    k : int, shape (m,)
        Number of studies.
    coefficients, se, ci_low, ci_high, statistic, p : ndarray, shape (c, m)
        Coefficients per unit of the moderator, with standard errors, intervals, and their z (with "hksj" t) and
        two-sided p-value.
    covariance : ndarray, shape (c, c, m)
        Covariance of the coefficients.
    tau2 : float, shape (m,)
        Residual between-study variance.
    r2 : float, shape (m,)
        Share of tau² that the moderators account for, max(0, 1 - tau² / tau² without them); NaN if the latter is 0.
        With few studies it is very imprecise.
    qe, qe_df, qe_p : shape (m,)
        Residual heterogeneity: Q, degrees of freedom, p-value.
    qm, qm_df, qm_p : shape (m,)
        Test of all moderators: chi-square on qm_df, with "hksj" F on qm_df and k - c.
    ci : str
        "normal" or "hksj".
    level : float
        Confidence level.
    names, analyses : tuple
        Names of the coefficients, "intercept" first, and of the analyses.
    """

    k: Count
    coefficients: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    statistic: Floats
    p: Floats
    covariance: Floats
    tau2: Number
    r2: Number
    qe: Number
    qe_df: Count
    qe_p: Number
    qm: Number
    qm_df: Count
    qm_p: Number
    ci: str
    level: float
    names: Names
    analyses: Names = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the coefficients as a data frame with a row for each, and for many analyses for each in each of them.

        Examples
        --------
        >>> y, v, months = [0.1, 0.3, 0.6, 0.8, 1.3], [0.02, 0.03, 0.03, 0.05, 0.04], [3, 3, 6, 6, 12]
        >>> regress(y, v, months, moderator_names=["months"]).to_frame()[["coefficients", "p"]].round(3)
                     coefficients      p
        coefficient
        intercept          -0.167  0.286
        months              0.127  0.000
        """
        numbers = {name: getattr(self, name) for name in _OF_COEFFICIENTS}
        return crossed_frame(self.analyses, "coefficient", self.names, numbers, single=self.coefficients.ndim == 1)

    def _shown(self, most: int) -> Shown:
        if self.coefficients.ndim > 1:
            m = self.coefficients.shape[1]
            rows: list[Sequence[str]] = [("Analyses", f"{m:,}"), ("Coefficients", ", ".join(map(str, self.names)))]
            return Shown("Meta-regressions", rows, notes=["to_frame() has a row for each coefficient and analysis"])
        statistic, test = ("z", "chi²") if self.ci == "normal" else ("t", "F")
        columns = (getattr(self, name) for name in _OF_COEFFICIENTS)
        rows = [
            [str(name), number(value), number(se), interval(low, high), number(at), p_value(p)]
            for name, value, se, low, high, at, p in zip(self.names, *columns, strict=True)
        ]
        r2 = "not available" if np.isnan(self.r2) else f"{100 * self.r2:.0f}%"
        notes = (
            f"Residual tau² {number(self.tau2)}; R² {r2}",
            f"Residual heterogeneity: Q {number(self.qe)} on {self.qe_df} df, {p_equals(self.qe_p)}",
            f"All moderators: {test} {number(self.qm)} on {self.qm_df}"
            f"{f' and {self.qe_df}' if test == 'F' else ''} df, {p_equals(self.qm_p)}",
        )
        header = ("Coefficient", "Estimate", "Standard error", f"{percent(self.level)} CI", statistic, "p")
        return Shown(f"Meta-regression of {counted(self.k)}", rows, header, notes)


def regress(
    y: ArrayLike,
    v: ArrayLike,
    moderators: ArrayLike,
    *,
    tau2: str = "REML",
    ci: str = "normal",
    level: float = 0.95,
    names: Sequence[Any] | None = None,
    moderator_names: Sequence[Any] | None = None,
) -> Regression[Any, Any]:
    """Regress effects on moderators of the studies under a mixed-effects model.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`; a study with v = 0 is left out.
    moderators : array_like, shape (k,), (k, c) or (k, c, m)
        One or a few numbers for each study (0 and 1 for no and yes), the same for all analyses or one set for each. A
        study with NaN in one is absent.
    tau2 : str
        Estimator of the residual between-study variance, one of `TAU2`.
    ci : {"normal", "hksj"}
        Normal intervals, or the Knapp-Hartung adjustment (2003, doi:10.1002/sim.1482), unmodified.
    level : float
        Confidence level, between 0 and 1.
    names : sequence, optional
        Names of the studies, for messages; by default the index of a pandas object.
    moderator_names : sequence, optional
        Names of the moderators; by default those of a data frame's columns or of a series.

    Returns
    -------
    Regression
        The result. It is NaN if there are fewer studies than coefficients, or if the moderators are collinear with
        each other or with the intercept. With as many studies as coefficients "hksj" has no degree of freedom, and
        the intervals are NaN.

    Raises
    ------
    ValueError
        If shapes do not fit, a variance is negative or infinite, an effect or moderator is infinite, or an option is
        unknown.

    Warns
    -----
    PoolingWarning
        If the result is NaN or the estimator of tau² did not converge.
    LeftOutWarning
        If a single analysis, of shape (k,), has a study with v = 0 or NaN in effect, variance or a moderator: the
        message names it.

    Examples
    --------
    Effects that rise with the months of treatment:

    >>> result = regress([0.1, 0.3, 0.6, 0.8, 1.3], [0.02, 0.03, 0.03, 0.05, 0.04], [3, 3, 6, 6, 12])
    >>> print(f"{result.coefficients[1]:.2f} per month ({result.ci_low[1]:.2f} to {result.ci_high[1]:.2f})")
    0.13 per month (0.08 to 0.18)
    """
    y, v, single, study_names, analyses = effects(y, v, names, moderators=moderators)
    refuse_unknown("tau2", tau2, TAU2)
    refuse_unknown("ci", ci, CI)
    refuse_level(level)
    refuse_values(y, v, study_names)
    design = design_matrix(y, moderators, study_names)
    coefficient_names = ("intercept", *moderator_labels(moderators, moderator_names, len(design) - 1))
    if single:
        warn_unfitted(y, v, design, study_names)
    fit = fit_mixed(y, v, design, tau2)
    c, df = len(fit.coefficients), np.maximum(fit.k - len(fit.coefficients), 0)
    bad = np.isnan(fit.coefficients[0])
    if bad.any():
        warnings.warn(NO_FIT, PoolingWarning, stacklevel=2)
    covariance, se, statistic, qm = wald_statistics(fit, ci)
    if ci == "hksj":
        t_df = np.where(df > 0, df, np.nan)
        quantile, p = stats.t.ppf((1 + level) / 2, t_df), 2 * special.stdtr(t_df, -np.abs(statistic))
        qm_p = stats.f.sf(qm, c - 1, t_df)
    else:
        quantile, p = normal_quantile(level), 2 * special.ndtr(-np.abs(statistic))
        qm_p = special.chdtrc(c - 1, qm)
    used = np.isfinite(fit.model.v)
    present = Effects(np.where(used, y, np.nan), np.where(used, v, np.nan), False, study_names, ())
    tau2_without = pool_effects(present, [], tau2=tau2).tau2 if used.any() else fit.t2
    r2 = np.where(tau2_without > 0, np.maximum(1 - fit.t2 / np.where(tau2_without > 0, tau2_without, 1.0), 0.0), np.nan)
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
    return Regression(**results, ci=ci, level=level, names=coefficient_names, analyses=analyses)


def subgroups_with_common_tau2(
    groups: ArrayLike, y: ArrayLike, v: ArrayLike, *, tau2: str = "DL", names: Sequence[Any] | None = None
) -> tuple[NDArray[Any], Pooled[Any, Any]]:
    """Pool each group of studies with a tau² that is the same for all, estimated within the groups.

    The tau² of a group of few studies is very imprecise. ``pool(*by_group(groups, y, v)[1:])`` estimates one for
    each group; `between_groups` tests the difference in both cases.

    Parameters
    ----------
    groups : array_like, shape (k,)
        Group of each study.
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    tau2 : str
        Estimator of the common between-study variance, one of `TAU2`.
    names : sequence, optional
        Names of the studies, as in `pool`.

    Returns
    -------
    labels : ndarray, shape (g,)
        The groups, sorted.
    pooled : Pooled
        Their results, with normal 95% intervals, of shape (g,), or (g m,) in the order of `by_group`.

    Raises
    ------
    ValueError
        As in `pool` and `by_group`.

    Warns
    -----
    LeftOutWarning
        As in `pool`.

    Examples
    --------
    >>> labels, result = subgroups_with_common_tau2(list("aabb"), [0.1, 0.5, 0.9, 0.8], [0.02, 0.03, 0.05, 0.04])
    >>> dict(zip(labels.tolist(), result.estimate.round(2).tolist(), strict=True))
    {'a': 0.28, 'b': 0.85}
    """
    y, v, single, study_names, analyses = effects(y, v, names, groups=groups)
    refuse_unknown("tau2", tau2, TAU2)
    refuse_values(y, v, study_names)
    labels, *by_analysis = by_group(np.asarray(groups), y, v)
    if single:
        warn_left_out(study_names, without_weight(y, v))
    members = np.asarray(groups) == labels[:, None]
    t2 = np.empty(y.shape[1])
    for columns in column_slices(members.size, y.shape[1]):
        used = usable(y[:, columns], v[:, columns])
        design = members[:, :, None] & used
        basis = design / np.sqrt(np.maximum(design.sum(axis=1, keepdims=True), 1))
        centred, variances, k, _ = centred_effects(y[:, columns], v[:, columns], used)
        t2[columns] = between_study_variance(ModeratedMean(centred, variances, k, basis), tau2)
    effect_data = effects(*by_analysis)._replace(names=study_names, analyses=tuple(labels.tolist()) if single else ())
    return labels, pool_effects(effect_data, [], tau2=np.tile(t2, len(labels)))
