"""Pooling of proportions and of comparisons of two groups, from counts.

Belongs here: the choice of the scale, and of the logistic model instead of one, and the back-transformation. Does not
belong here: the pooling of effects on a scale (`pooling`), and effect sizes (`effect_sizes`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lib.stats.arguments import PoolingWarning, Studies, effects, one_shape
from lib.stats.arrays import Booleans, Floats
from lib.stats.checks import (
    MISSING,
    refuse_impossible_counts,
    refuse_level,
    refuse_unknown,
    warn_left_out,
    without_weight,
)
from lib.stats.effect_sizes import TRANSFORMS as SCALES
from lib.stats.effect_sizes import group_effects, proportion_effects, to_proportion
from lib.stats.intervals import difference_interval, normal_quantile, t_quantiles
from lib.stats.logistic import random_intercept_logistic
from lib.stats.pooled_result import Pooled, pooled_result
from lib.stats.pooling import pool_effects

LOGISTIC_CI = ("normal", "t")
"""Confidence intervals of the logistic model: normal, or Student's t on k - 1 degrees of freedom."""

LOGISTIC_TAU2 = ("ML", "FE")
"""Between-study variance of the logistic model: maximum likelihood, or none."""

TRANSFORMS = (*SCALES, "glmm")
"""How proportions are pooled: on a scale, or by the random-intercept logistic model."""

_NO_VARIANCE = "at 0% or 100% a raw proportion has no variance; another transform keeps it"

_NO_INFORMATION = "no events in either group, or only events: it carries no information on a ratio"


def pool_proportions(
    events: ArrayLike,
    n: ArrayLike,
    *,
    transform: str = "raw",
    tau2: str | None = None,
    ci: str = "normal",
    level: float = 0.95,
    names: Sequence[Any] | None = None,
) -> Pooled[Any, Any]:
    """Pool proportions under a random-effects model.

    With the defaults this is the method of the 2019 review: raw proportions, Wald variance,
    DerSimonian-Laird.

    Parameters
    ----------
    events, n : array_like, shape (k,) or (k, m)
        Number with the event, and number observed; a single n applies to all studies. A study with NaN in either is
        absent from that analysis. The index of a pandas object names the studies, the columns of a data frame name the
        analyses.
    transform : {"raw", "logit", "arcsine", "double-arcsine", "glmm"}
        Scale on which proportions are pooled by inverse variance (`proportions`); the result is back-transformed
        (`to_proportion`). The double arcsine uses the harmonic mean of the pooled studies' n, which can mislead if the
        n differ much. "glmm" is the random-intercept logistic model by maximum likelihood
        (`random_intercept_logistic`), on the logit scale.
    tau2 : str, optional
        As in `pool`; by default "DL". With "glmm": "ML", its default and only estimator, or "FE" (tau² = 0).
    ci : str
        As in `pool`. With "glmm": "normal", or "t", which takes the quantile of Student's t with k - 1 degrees of
        freedom on the same standard error (metafor's ``test="t"``).
    level : float
        As in `pool`.
    names : sequence, optional
        Names of the studies, for the result and for messages.

    Returns
    -------
    Pooled
        Estimate and intervals as proportions; ``se`` and ``tau2`` on the scale of the analysis. On the raw
        scale a study at 0% or 100% has variance 0 and is left out: ``dropped`` marks it. With "glmm" Q is the
        likelihood ratio of the saturated to the common-effect model, the weights are shares of the information on the
        mean logit, and the estimate is NaN if all studies are at 0% or all at 100%.

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, infinite or not a whole number, n is 0, the shapes
        differ, or an option is unknown or not available for the transform.

    Warns
    -----
    PoolingWarning
        If there is no study to pool; if the logistic model has no estimate or no standard error, which are then NaN;
        or if the back-transformed double arcsine is exactly 0 or 1 although not every study has that proportion.
    LeftOutWarning
        If a single analysis, of shape (k,), has a study with NaN, or on the raw scale one at 0% or 100%: the message
        names it.

    Examples
    --------
    >>> events, n = [3, 8, 12, 0], [20, 18, 30, 15]
    >>> result = pool_proportions(events, n, transform="logit", tau2="REML")
    >>> print(f"{result.estimate:.2f} ({result.ci_low:.2f} to {result.ci_high:.2f})")
    0.27 (0.12 to 0.50)

    On the raw scale the study without an event has no variance and is left out, with a warning that names it:

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     pool_proportions(events, n, names=["A", "B", "C", "D"]).dropped
    array([False, False, False,  True])
    >>> print(caught[0].message)
    left out of the analysis: study 'D' (at 0% or 100% a raw proportion has no variance; another transform keeps it)
    """
    refuse_unknown("transform", transform, TRANSFORMS)
    studies = one_shape(names, events=events, n=n)
    x, size = studies.columns
    refuse_impossible_counts(x, size, studies.names)
    if transform == "glmm":
        return _pool_logistic(studies, "ML" if tau2 is None else tau2, ci, level)
    y, v = proportion_effects(x, size, transform)
    effect_data = effects(y, v)._replace(names=studies.names, analyses=studies.analyses)
    lacking = without_weight(effect_data.y, effect_data.v, _NO_VARIANCE) if effect_data.single else []
    pooled = pool_effects(effect_data, lacking, tau2="DL" if tau2 is None else tau2, ci=ci, level=level)
    if transform == "raw":
        return pooled
    mean_size: ArrayLike | None = None
    if transform == "double-arcsine":
        mean_size = pooled.k / np.where(np.isnan(y), 0.0, 1 / (size + 0 * y)).sum(axis=0)
    result = pooled.back_transformed(lambda value: to_proportion(value, transform=transform, n=mean_size))
    if transform == "double-arcsine":
        _warn_at_an_end(result.estimate, x + 0 * y, size + 0 * y)
    return result


def _warn_at_an_end(estimate: ArrayLike, events: Floats, n: Floats) -> None:
    """Warn if the back-transformed double arcsine is exactly 0 or 1 although not every study has that proportion."""
    end = np.where(np.asarray(estimate) == 0, 0.0, n)
    at_end = (np.asarray(estimate) == 0) | (np.asarray(estimate) == 1)
    wrong = at_end & ((events != end) & ~np.isnan(events)).any(axis=0)
    if wrong.any():
        message = (
            f"the back-transformation of the double arcsine gives exactly 0 or 1 in {int(wrong.sum())} analyses whose"
            " studies are not all at 0% or 100%: the harmonic mean of very different n is too small; use another scale"
        )
        warnings.warn(message, PoolingWarning, stacklevel=3)


def _pool_logistic(studies: Studies, tau2: str, ci: str, level: float) -> Pooled[Any, Any]:
    """Pool proportions by the logistic model, as `pool_proportions` describes."""
    events, n, single, _, _ = effects(studies.columns[0], studies.columns[1])
    refuse_unknown("tau2 of the logistic model", tau2, LOGISTIC_TAU2)
    refuse_unknown("ci", ci, LOGISTIC_CI)
    refuse_level(level)
    absent = np.isnan(events) | np.isnan(n)
    if single:
        warn_left_out(studies.names, [(absent, MISSING)], stacklevel=4)
    x, n, k = np.where(absent, 0.0, events), np.where(absent, 0.0, n), np.sum(~absent, axis=0)
    fit = random_intercept_logistic(x, n, common=tau2 == "FE")
    total = np.where(k > 0, n.sum(axis=0), 1.0)
    p, proportion = x.sum(axis=0) / total, np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    q = 2 * (special.xlogy(x, proportion) + special.xlogy(n - x, 1 - proportion)).sum(axis=0)
    q -= 2 * (special.xlogy(x.sum(axis=0), p) + special.xlogy((n - x).sum(axis=0), 1 - p))
    information = fit.information.sum(axis=0)
    weights = np.divide(fit.information, information, out=np.zeros_like(x), where=information > 0)
    normal = normal_quantile(level)
    quantile = t_quantiles(np.maximum(k - 1, 0), level, normal) if ci == "t" else normal
    q = np.where(k > 1, np.maximum(q, 0.0), 0.0)
    dropped = np.zeros(x.shape, dtype=bool)
    pooled = pooled_result(
        k,
        fit.mean,
        fit.se,
        fit.tau2,
        q,
        quantile=quantile,
        level=level,
        weights=weights,
        dropped=dropped,
        single=single,
        names=studies.names,
        analyses=studies.analyses,
    )
    return pooled.back_transformed(special.expit)


def pool_ratios(
    events1: ArrayLike,
    n1: ArrayLike,
    events2: ArrayLike,
    n2: ArrayLike,
    *,
    measure: str = "RR",
    tau2: str = "DL",
    ci: str = "normal",
    level: float = 0.95,
    names: Sequence[Any] | None = None,
) -> Pooled[Any, Any]:
    """Pool comparisons of two independent groups, the first with the second, by inverse variance.

    Parameters
    ----------
    events1, n1, events2, n2 : array_like, shape (k,) or (k, m)
        Number with the event and number observed in each group. A study with NaN in one is absent from that analysis.
    measure : {"RR", "OR", "RD"}
        Risk ratio, odds ratio or risk difference (`two_groups`, with its treatment of empty cells).
    tau2, ci, level
        As in `pool`.
    names : sequence, optional
        Names of the studies, for the result and for messages; by default the index of a pandas object.

    Returns
    -------
    Pooled
        Estimate and intervals as ratios (RD: as a difference); ``se`` and ``tau2`` on the scale of the analysis, the
        logarithm (RD: the difference). A study with no events in either group, or with events only, carries no
        information on a ratio: it is left out and marked in ``dropped``. A risk difference keeps every study. The
        confidence interval of a single study's difference is that of `difference_interval`.

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, infinite or not a whole number, n is 0, the shapes
        differ, or an option is unknown.

    Warns
    -----
    PoolingWarning
        As in `pool`.
    LeftOutWarning
        If a single analysis, of shape (k,), has a study with NaN, or without information on a ratio: the message names
        it.

    Notes
    -----
    For paired designs (the same patients, matched pairs, two sites of a patient) compute effects with `matched_pairs`
    and pool them with `pool`. If only the marginal totals are known, use `two_groups`; its notes explain the effect of
    treating paired data as independent.

    Examples
    --------
    >>> result = pool_ratios([12, 8], [31, 20], [5, 6], [32, 25])
    >>> print(f"risk ratio {result.estimate:.2f} ({result.ci_low:.2f} to {result.ci_high:.2f})")
    risk ratio 2.01 (1.07 to 3.80)
    """
    counts, study_names, analyses = one_shape(names, events1=events1, n1=n1, events2=events2, n2=n2)
    y, v = group_effects(counts, study_names, measure)
    effect_data = effects(y, v)._replace(names=study_names, analyses=analyses)
    missing = np.isnan(np.asarray(counts)).any(axis=0)
    uninformative: Booleans = ~missing & np.isnan(y)
    lacking = [(uninformative, _NO_INFORMATION), (missing, MISSING)] if effect_data.single else []
    pooled = pool_effects(effect_data, lacking, tau2=tau2, ci=ci, level=level)
    if measure != "RD":
        return replace(pooled.back_transformed(np.exp), dropped=uninformative)
    alone = np.asarray(pooled.k) == 1
    for name, limits in zip(("ci_low", "ci_high"), difference_interval(*counts, level=level), strict=True):
        # This is used only for analyses of one study. Only that study has a weight, so that the sum is its own limit.
        own_limit = np.where(pooled.weights > 0, limits, 0.0).sum(axis=0)
        value = np.where(alone, own_limit, getattr(pooled, name))
        pooled = replace(pooled, **{name: value if y.ndim > 1 else value.item()})
    return pooled
