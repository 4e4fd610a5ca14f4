"""Pooling of effect sizes, proportions and comparisons under a random-effects model.

Belongs here: the choice of scale, estimator and confidence interval, and the pooling itself. Every function works on
one analysis, arrays of shape (k,), or on m of them at once, arrays of shape (k, m); a study that an analysis lacks is
NaN there. Does not belong here: effect sizes (`effect_sizes`), estimators of tau² (`tau2`), and which studies an
analysis has (`rearrange`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lib.stats.arguments import (
    MISSING,
    Effects,
    PoolingWarning,
    Studies,
    effects,
    left_out,
    one_shape,
    refuse_impossible_counts,
    refuse_level,
    refuse_unknown,
    to_numbers,
    warn_left_out,
    without_weight,
)
from lib.stats.arrays import Booleans, Floats, column_slices
from lib.stats.effect_sizes import TRANSFORMS as SCALES
from lib.stats.effect_sizes import group_effects, proportion_effects, to_proportion
from lib.stats.intervals import difference_interval, normal_quantile, t_quantiles
from lib.stats.logistic import random_intercept_logistic
from lib.stats.mean_model import Scratch, common_mean
from lib.stats.pooled_result import Pooled, pooled_result
from lib.stats.tau2 import TAU2, between_study_variance

CI = ("normal", "hksj", "mkh")
"""Confidence intervals: normal; Hartung-Knapp-Sidik-Jonkman, with Student's t on k - 1 degrees of freedom; and
modified Knapp-Hartung, the same with a variance that is never smaller than that of the normal interval and, for two
studies, with 2 degrees of freedom instead of 1."""

LOGISTIC_CI = ("normal", "t")
"""Confidence intervals of the logistic model: normal, or Student's t on k - 1 degrees of freedom."""

LOGISTIC_TAU2 = ("ML", "FE")
"""Between-study variance of the logistic model: maximum likelihood, or none."""

TRANSFORMS = (*SCALES, "glmm")
"""How proportions are pooled: on a scale, or by the random-intercept logistic model."""

_NO_VARIANCE = "at 0% or 100% a raw proportion has no variance; another transform keeps it"
_NO_INFORMATION = "no events in either group, or only events: it carries no information on a ratio"

# Degrees of freedom of the modified Knapp-Hartung interval of two studies.
_LEAST_DF = 2
# Reused buffer: `pool` never uses a model after it has made the next one.
_CENTRED = Scratch()


def pool(
    y: ArrayLike,
    v: ArrayLike,
    *,
    tau2: str | ArrayLike = "DL",
    ci: str = "normal",
    level: float = 0.95,
    names: Sequence[Any] | None = None,
) -> Pooled[Any, Any]:
    """Pool effect sizes by inverse variance under a random-effects model.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances. A study with NaN in either is absent from that analysis. One with
        v = 0 is left out and marked in ``dropped``. The index of a pandas object names the studies, the columns of a
        data frame name the analyses.
    tau2 : {"DL", "PM", "REML", "ML", "EB", "SJ", "HE", "FE"}
        Estimator of the between-study variance (`between_study_variance`); "FE" is the common-effect model, tau² = 0.
        A number, or one for each analysis, is used as tau² without estimation.
    ci : {"normal", "hksj", "mkh"}
        Normal interval; that of Hartung and Knapp (2001, doi:10.1002/sim.1009), unmodified; or the modified one, whose
        variance factor is at least 1 (Röver, Knapp & Friede 2015, doi:10.1186/s12874-015-0091-1). With two studies it
        uses Student's t on 2 degrees of freedom instead of 1, which would give intervals too wide to be useful
        (`lib.simulations.interval_coverage`).
    level : float
        Confidence level of both intervals, between 0 and 1.
    names : sequence, optional
        Names of the studies, for the result and for messages.

    Returns
    -------
    Pooled
        The result. With one study it is the effect of that study, with a normal interval and tau² = 0, whatever ``ci``
        is. With none, estimate, standard error and intervals are NaN. With equal effects Q = tau² = I² = 0, and the
        Hartung-Knapp interval has no width.

    Raises
    ------
    ValueError
        If the shapes differ, a variance is negative, infinite, or above 0 and below 1e-140, an effect is infinite, or
        an option is not one of those above.

    Warns
    -----
    PoolingWarning
        If there is no study to pool, or the estimator of tau² did not converge.
    LeftOutWarning
        If a single analysis, of shape (k,), has a study with v = 0 or NaN: the message names it. Many analyses at once
        have NaN for the studies that they lack, and ``dropped`` alone marks those with v = 0.

    Notes
    -----
    The prediction interval is that of `prediction_interval`, whatever the confidence interval. I² and H² are computed
    from Q, whatever the estimator of tau²; metafor computes them from tau², and the two agree only for
    DerSimonian-Laird. If the likelihood has several maxima, the highest one found is used; metafor returns the one to
    which its iterations converge.

    Examples
    --------
    Three log risk ratios and their sampling variances, by restricted maximum likelihood:

    >>> result = pool([0.1, 0.5, 0.9], [0.02, 0.03, 0.05], tau2="REML", ci="mkh")
    >>> print(f"{result.estimate:.2f} ({result.ci_low:.2f} to {result.ci_high:.2f}), tau² {result.tau2:.2f}")
    0.48 (-0.51 to 1.46), tau² 0.12

    Two analyses at once, one in each column; the second lacks the last study:

    >>> pool([[0.1, 0.2], [0.5, 0.4], [0.9, np.nan]], [[0.02, 0.02], [0.03, 0.03], [0.05, np.nan]]).k
    array([3, 2])
    """
    given = effects(y, v, names)
    return pool_effects(given, without_weight(given.y, given.v) if given.single else [], tau2=tau2, ci=ci, level=level)


def pool_effects(
    given: Effects,
    lacking: Sequence[tuple[Booleans | np.bool_, str]],
    *,
    tau2: str | ArrayLike = "DL",
    ci: str = "normal",
    level: float = 0.95,
) -> Pooled[Any, Any]:
    """Pool effects as `pool` does, and warn of studies that are left out.

    Parameters
    ----------
    given : Effects
        The effects.
    lacking : sequence of (ndarray of bool, str)
        Studies of a single analysis that are left out, with the reason.
    tau2, ci, level
        As in `pool`.
    """
    y, v, single, names, analyses = given
    known = None if isinstance(tau2, str) else _known_tau2(tau2, y.shape[1])
    method = tau2 if isinstance(tau2, str) else "FE"
    refuse_unknown("tau2", method, TAU2)
    refuse_unknown("ci", ci, CI)
    refuse_level(level)
    k_all, m = y.shape
    k = np.empty(m, dtype=int)
    estimate, total, scatter, t2, q = np.empty((5, m))
    weights, dropped = np.empty((k_all, m)), np.zeros((k_all, m), dtype=bool)
    for columns in column_slices(k_all, m):
        centred = _CENTRED.arrays(1, (k_all, columns.stop - columns.start))[0]
        model, dropped[:, columns] = common_mean(y[:, columns], v[:, columns], out=centred, names=names)
        k[columns], q[columns] = model.k, model.q_fixed
        t2[columns] = between_study_variance(model, method) if known is None else known[columns]
        weight, total[columns] = model.weights(t2[columns], weights[:, columns])
        mean = model.mean(weight, total[columns])
        estimate[columns] = model.centre + mean
        if ci != "normal":
            scatter[columns] = np.einsum("ij,ij->j", weight, (model.y - mean) ** 2)
        weight *= 1 / total[columns]

    df = np.maximum(k - 1, 0)
    se = np.sqrt(1 / total)
    quantile: Floats | float = normal_quantile(level)
    if ci != "normal":
        factor = scatter / np.maximum(df, 1)
        if ci == "mkh":
            factor = np.maximum(factor, 1.0)
        se = np.where(df > 0, np.sqrt(factor / total), se)
        t_df = np.where(df > 0, np.maximum(df, _LEAST_DF), 0) if ci == "mkh" else df
        quantile = t_quantiles(t_df, level, normal_quantile(level))
    no_study = k == 0
    if no_study.any():
        why = f"; left out: {left_out(names, lacking)}" if lacking and len(y) else ""
        warnings.warn(f"no study to pool: the result is NaN{why}", PoolingWarning, stacklevel=3)
        estimate[no_study] = se[no_study] = np.nan
    elif lacking:
        warn_left_out(names, lacking, stacklevel=4)
    return pooled_result(
        k,
        estimate,
        se,
        t2,
        q,
        quantile=quantile,
        level=level,
        weights=weights,
        dropped=dropped,
        single=single,
        names=names,
        analyses=analyses,
    )


def _known_tau2(tau2: ArrayLike, m: int) -> Floats:
    """Return the tau² that a caller has given, for each of m analyses."""
    known = to_numbers("tau2", tau2)
    if known.shape not in ((), (1,), (m,)):
        raise ValueError(f"tau2 must be one number or one for each of {m} analyses, not of shape {known.shape}")
    if not (np.isfinite(known) & (known >= 0)).all():
        raise ValueError(f"a tau2 that is given must be finite and not negative, not {tau2!r}")
    return np.broadcast_to(known, (m,))


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
    given = effects(y, v)._replace(names=studies.names, analyses=studies.analyses)
    lacking = without_weight(given.y, given.v, _NO_VARIANCE) if given.single else []
    pooled = pool_effects(given, lacking, tau2="DL" if tau2 is None else tau2, ci=ci, level=level)
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
    p, own = x.sum(axis=0) / total, np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    q = 2 * (special.xlogy(x, own) + special.xlogy(n - x, 1 - own)).sum(axis=0)
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
    given = effects(y, v)._replace(names=study_names, analyses=analyses)
    missing = np.isnan(np.asarray(counts)).any(axis=0)
    uninformative: Booleans = ~missing & np.isnan(y)
    lacking = [(uninformative, _NO_INFORMATION), (missing, MISSING)] if given.single else []
    pooled = pool_effects(given, lacking, tau2=tau2, ci=ci, level=level)
    if measure != "RD":
        return replace(pooled.back_transformed(np.exp), dropped=uninformative)
    alone = np.asarray(pooled.k) == 1
    for name, limits in zip(("ci_low", "ci_high"), difference_interval(*counts, level=level), strict=True):
        # This is used only for analyses of one study. Only that study has a weight, so that the sum is its own limit.
        own = np.where(pooled.weights > 0, limits, 0.0).sum(axis=0)
        value = np.where(alone, own, getattr(pooled, name))
        pooled = replace(pooled, **{name: value if y.ndim > 1 else value.item()})
    return pooled
