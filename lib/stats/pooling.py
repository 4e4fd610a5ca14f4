"""Meta-analysis on arrays: effect sizes and sampling variances in, a pooled result out.

Pooled effects, proportions and comparisons with their intervals, the interval of the between-study variance,
subgroups, and the rearrangement of the studies of one analysis into many (leave-one-out, cumulative, by group). Every
function works on one analysis, arrays of shape (k,), or on m of them at once, arrays of shape (k, m); a study
that an analysis lacks is NaN there. Nothing specific to vitiligo, files or figures belongs here.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from lib.stats.arrays import column_slices, refuse_level, refuse_unknown, studies_by_analysis
from lib.stats.effect_sizes import TRANSFORMS as SCALES
from lib.stats.effect_sizes import proportions, refuse_impossible_counts, to_proportion, two_groups
from lib.stats.intervals import difference_interval, prediction_interval, t_quantiles
from lib.stats.logistic import random_intercept_logistic
from lib.stats.mean_model import Scratch, common_mean
from lib.stats.tau2 import TAU2, PoolingWarning, between_study_variance

CI = ("normal", "hksj", "mkh")
"""Confidence intervals: normal; Hartung-Knapp-Sidik-Jonkman, with Student's t on k - 1 degrees of freedom; and
modified Knapp-Hartung, the same with a variance that is never smaller than that of the normal interval and, for two
studies, with the quantile of three."""

LOGISTIC_CI = ("normal", "t")
"""Confidence intervals of the logistic model: normal, or Student's t on k - 1 degrees of freedom."""

LOGISTIC_TAU2 = ("ML", "FE")
"""Between-study variance of the logistic model: maximum likelihood, or none."""

TRANSFORMS = (*SCALES, "glmm")
"""How proportions are pooled: on a scale, or by the random-intercept logistic model."""

ENOUGH_TO_PREDICT = 10
"""Studies below which a between-study variance estimated as 0 does not show that studies agree."""

# Degrees of freedom of the modified Knapp-Hartung interval of two studies.
_LEAST_DF = 2
# For the models of `pool`, none of which is used after the next is made.
_CENTRED = Scratch()
_ON_EFFECT_SCALE = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")


@dataclass(frozen=True)
class Pooled:
    """A pooled result, or m of them.

    For one analysis every attribute but ``weights`` and ``dropped`` is a number; for m it is an array of
    shape (m,). ``estimate`` and the intervals are on the scale of the effect (a proportion, say), ``se`` and
    ``tau2`` on that of the analysis (its logit, say).

    Attributes
    ----------
    k : int
        Number of studies pooled.
    estimate : float
        Pooled effect; NaN where k = 0.
    se : float
        Its standard error.
    ci_low, ci_high : float
        Confidence interval. A raw proportion's may leave 0 to 1.
    pi_low, pi_high : float
        Prediction interval of the true effect of another study; NaN where k < 3. See also ``predicts``.
    tau2 : float
        Between-study variance.
    i2 : float
        I² = max(0, (Q - df) / Q), a proportion (Higgins and Thompson 2002, doi:10.1002/sim.1186).
    h2 : float
        H² = max(1, Q / df); 1 where k < 2.
    q, q_df, q_p : float
        Cochran's Q, its degrees of freedom k - 1 and the p-value of its chi-square test.
    weights : ndarray, shape (k,) or (k, m)
        Share of each study in the estimate, summing to 1; 0 for one that was left out.
    dropped : ndarray of bool, shape (k,) or (k, m)
        Studies present but left out: their sampling variance is 0, which inverse-variance weights cannot hold, or they
        carry no information on a ratio (`pool_ratios`).
    """

    k: int
    estimate: float
    se: float
    ci_low: float
    ci_high: float
    pi_low: float
    pi_high: float
    tau2: float
    i2: float
    h2: float
    q: float
    q_df: int
    q_p: float
    weights: np.ndarray
    dropped: np.ndarray

    @property
    def predicts(self) -> bool:
        """Whether the prediction interval shows more than the confidence interval does; of shape (m,) for many.

        Not with fewer than 3 studies, which have none, and not where fewer than `ENOUGH_TO_PREDICT` studies give
        tau² = 0: so few often do when studies differ.
        """
        return (self.k > 2) & ((self.tau2 > 0) | (self.k >= ENOUGH_TO_PREDICT))


def pool(y, v, *, tau2: str | float = "DL", ci: str = "normal", level: float = 0.95) -> Pooled:
    """Pool effect sizes by inverse variance under a random-effects model.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances. A study with NaN in either is absent from that analysis. One with
        v = 0 is left out and marked in ``dropped``.
    tau2 : {"DL", "PM", "REML", "ML", "EB", "SJ", "HE", "FE"}
        Estimator of the between-study variance (`heterogeneity.between_study_variance`); "FE" is the common-effect
        model, tau² = 0. A number, or one for each analysis, is taken for tau² as it is.
    ci : {"normal", "hksj", "mkh"}
        Normal interval; that of Hartung and Knapp (2001, doi:10.1002/sim.1009), unmodified; or the modified one, whose
        variance factor is never below 1 (Röver, Knapp & Friede 2015, doi:10.1186/s12874-015-0091-1), with one
        exception: two studies have the quantile of three, Student's t on 2 degrees of freedom, as that on 1 gives
        intervals of no use (`interval_coverage`).
    level : float
        Confidence level of both intervals, between 0 and 1.

    Returns
    -------
    Pooled
        The result. With one study it is that study's own, with a normal interval and tau² = 0, whatever ``ci`` is.
        With none, estimate, standard error and intervals are NaN and a `PoolingWarning` says so. With
        equal effects Q = tau² = I² = 0, and the Hartung-Knapp interval has no width.

    Raises
    ------
    ValueError
        If the shapes differ, a variance is negative, infinite, or above 0 and below 1e-140, an effect is infinite, or
        an option is none of those above.

    Notes
    -----
    The prediction interval is that of `prediction_interval`, whatever the confidence interval. I² and H² come from Q,
    whatever the estimator of tau²; metafor's come from tau², which is the same for DerSimonian-Laird alone. Of several
    maxima of a likelihood the highest is taken; metafor ends at the one that its iterations meet.
    """
    y, v, single = studies_by_analysis(y, v)
    given = None if isinstance(tau2, str) else np.broadcast_to(np.asarray(tau2, dtype=float), y.shape[1:])
    if given is None:
        refuse_unknown("tau2", tau2, TAU2)
    refuse_unknown("ci", ci, CI)
    refuse_level(level)
    if given is not None and not (np.isfinite(given) & (given >= 0)).all():
        raise ValueError(f"a tau2 that is given must be finite and not negative, not {tau2!r}")
    k_all, m = y.shape
    k = np.empty(m, dtype=int)
    estimate, total, scatter, t2, q = np.empty((5, m))
    weights, dropped = np.empty((k_all, m)), np.zeros((k_all, m), dtype=bool)
    for some in column_slices(k_all, m):
        centred = _CENTRED.arrays(1, (k_all, some.stop - some.start))[0]
        model, dropped[:, some] = common_mean(y[:, some], v[:, some], out=centred)
        k[some], q[some] = model.k, model.q_fixed
        t2[some] = between_study_variance(model, tau2) if given is None else given[some]
        weight, total[some] = model.weights(t2[some], weights[:, some])
        mean = model.mean(weight, total[some])
        estimate[some] = model.centre + mean
        if ci != "normal":
            scatter[some] = np.einsum("ij,ij->j", weight, (model.y - mean) ** 2)
        weight *= 1 / total[some]

    df = np.maximum(k - 1, 0)
    se = np.sqrt(1 / total)
    quantile = special.ndtri((1 + level) / 2)
    if ci != "normal":
        factor = scatter / np.maximum(df, 1)
        if ci == "mkh":
            factor = np.maximum(factor, 1.0)
        se = np.where(df > 0, np.sqrt(factor / total), se)
        quantile = t_quantiles(np.where(df > 0, np.maximum(df, _LEAST_DF), 0) if ci == "mkh" else df, level)
    nothing = k == 0
    if nothing.any():
        warnings.warn("no study to pool: the result is NaN", PoolingWarning, stacklevel=2)
        estimate[nothing] = se[nothing] = np.nan
    return _pooled(k, estimate, se, quantile, level, t2, q, weights, dropped, single)


def _pooled(k, estimate, se, quantile, level, t2, q, weights, dropped, single: bool) -> Pooled:
    """Put a result together from its estimate, standard error, tau² and Q."""
    df = np.maximum(k - 1, 0)
    reach = quantile * se
    pi_low, pi_high = prediction_interval(estimate, se, t2, k, level=level)
    # I² is 1 - 1 / H².
    h2 = np.maximum(np.divide(q, df, out=np.ones_like(q), where=df > 0), 1.0)
    results = {
        "k": k,
        "estimate": estimate,
        "se": se,
        "ci_low": estimate - reach,
        "ci_high": estimate + reach,
        "pi_low": pi_low,
        "pi_high": pi_high,
        "tau2": t2,
        "i2": (h2 - 1) / h2,
        "h2": h2,
        "q": q,
        "q_df": df,
        "q_p": _chi2_tail(q, df),
    }
    if single:
        results = {name: value[0].item() for name, value in results.items()}
        weights, dropped = weights[:, 0], dropped[:, 0]
    return Pooled(**results, weights=weights, dropped=dropped)


def _chi2_tail(q: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Return the upper tail of chi-square, 1 where there is no degree of freedom.

    With one moderate number of degrees of freedom throughout, the rule for many analyses at once, it is a finite sum
    of positive terms, at a fraction of the cost of the incomplete gamma function.
    """
    if not q.size or df[0] == 0 or df[0] > 100 or (df != df[0]).any() or q.max() > 1000:
        return np.where(df > 0, special.chdtrc(np.maximum(df, 1), q), 1.0)
    half, df = q / 2, int(df[0])
    # 1 + x / l + x² / (l (l + 1)) + ..., from its last term.
    terms = np.cumprod([1.0, *(1 / np.arange(1 + df % 2 / 2, df / 2))])
    total = np.full_like(half, terms[-1])
    for term in terms[-2::-1]:
        total *= half
        total += term
    total *= np.exp(-half)
    if df % 2 == 0:
        return total
    root = np.sqrt(half)
    tail = special.erfc(root)
    return tail + total * root * (2 / np.sqrt(np.pi)) if df > 1 else tail


def pool_proportions(
    events, n, *, transform: str = "raw", tau2: str | None = None, ci: str = "normal", level: float = 0.95
) -> Pooled:
    """Pool proportions under a random-effects model.

    With the defaults this is the method of the 2019 review: raw proportions, Wald variance,
    DerSimonian-Laird.

    Parameters
    ----------
    events, n : array_like, shape (k,) or (k, m)
        Number with the event, and number observed; NaN in either: the study is absent from that analysis.
    transform : {"raw", "logit", "arcsine", "double-arcsine", "glmm"}
        Scale on which they are pooled by inverse variance (`effects.proportions`), and from which the result is taken
        back (`effects.to_proportion`): from the double arcsine with the harmonic mean of the pooled studies' n, which
        can mislead where these differ much. Or "glmm": the random-intercept logistic model by maximum likelihood
        (`glmm.random_intercept_logistic`), on the logit scale.
    tau2 : str, optional
        As in `pool`; by default "DL". With "glmm": "ML", its default and only estimator, or "FE" (tau² = 0).
    ci : str
        As in `pool`. With "glmm": "normal", or "t", which takes the quantile of Student's t with k - 1 degrees of
        freedom on the same standard error (metafor's ``test="t"``).
    level : float
        As in `pool`.

    Returns
    -------
    Pooled
        Estimate and intervals as proportions; ``se`` and ``tau2`` on the scale of the analysis. On the raw
        scale a study at 0% or 100% has variance 0 and is left out: ``dropped`` marks it. With "glmm" Q is the
        likelihood ratio of the saturated to the common-effect model, the weights are shares in what is known of the
        mean logit, and where all studies are at 0% or 100% the estimate is NaN and a `PoolingWarning` says so.

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, n is 0, or an option is unknown or not one of the
        transform.

    Warns
    -----
    PoolingWarning
        Where there is no study to pool; where the logistic model has no estimate or no standard error, which are then
        NaN; and where the back-transformation of the double arcsine gives exactly 0 or 1 though not all studies are at
        0% or all at 100%.
    """
    refuse_unknown("transform", transform, TRANSFORMS)
    if transform == "glmm":
        return _pool_logistic(events, n, "ML" if tau2 is None else tau2, ci, level)
    y, v = proportions(events, n, transform=transform)
    pooled = pool(y, v, tau2="DL" if tau2 is None else tau2, ci=ci, level=level)
    if transform == "raw":
        return pooled
    size = None
    if transform == "double-arcsine":
        size = pooled.k / np.where(np.isnan(y), 0.0, 1 / (np.asarray(n, dtype=float) + 0 * y)).sum(axis=0)
    carried = _carried(pooled, lambda value: to_proportion(value, transform=transform, n=size))
    if transform == "double-arcsine":
        _warn_of_edges(carried.estimate, events + 0 * y, n + 0 * y)
    return carried


def _warn_of_edges(estimate, events: np.ndarray, n: np.ndarray) -> None:
    """Warn where a pooled proportion came back from the double arcsine as 0 or 1 while the studies' are not all so."""
    edge = np.where(np.asarray(estimate) == 0, 0.0, n)
    at_edge = (np.asarray(estimate) == 0) | (np.asarray(estimate) == 1)
    wrong = at_edge & ((events != edge) & ~np.isnan(events)).any(axis=0)
    if wrong.any():
        message = (
            f"the back-transformation of the double arcsine gives exactly 0 or 1 in {int(wrong.sum())} analyses whose"
            " studies are not all at 0% or 100%: the harmonic mean of very different n is too small; use another scale"
        )
        warnings.warn(message, PoolingWarning, stacklevel=3)


def _pool_logistic(events, n, tau2: str, ci: str, level: float) -> Pooled:
    events, n = np.broadcast_arrays(np.asarray(events, dtype=float), np.asarray(n, dtype=float))
    refuse_impossible_counts(events, n)
    events, n, single = studies_by_analysis(events, n)
    refuse_unknown("tau2 of the logistic model", tau2, LOGISTIC_TAU2)
    refuse_unknown("ci", ci, LOGISTIC_CI)
    refuse_level(level)
    absent = np.isnan(events) | np.isnan(n)
    x, n, k = np.where(absent, 0.0, events), np.where(absent, 0.0, n), (~absent).sum(axis=0)
    fit = random_intercept_logistic(x, n, common=tau2 == "FE")
    total = np.where(k > 0, n.sum(axis=0), 1.0)
    p, own = x.sum(axis=0) / total, np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    q = 2 * (special.xlogy(x, own) + special.xlogy(n - x, 1 - own)).sum(axis=0)
    q -= 2 * (special.xlogy(x.sum(axis=0), p) + special.xlogy((n - x).sum(axis=0), 1 - p))
    known = fit.information.sum(axis=0)
    weights = np.divide(fit.information, known, out=np.zeros_like(x), where=known > 0)
    quantile = t_quantiles(np.maximum(k - 1, 0), level) if ci == "t" else special.ndtri((1 + level) / 2)
    q = np.where(k > 1, np.maximum(q, 0.0), 0.0)
    pooled = _pooled(k, fit.mean, fit.se, quantile, level, fit.tau2, q, weights, np.zeros(x.shape, dtype=bool), single)
    return _carried(pooled, special.expit)


def pool_ratios(
    events1,
    n1,
    events2,
    n2,
    *,
    measure: str = "RR",
    tau2: str = "DL",
    ci: str = "normal",
    level: float = 0.95,
) -> Pooled:
    """Pool comparisons of two independent groups, the first with the second, by inverse variance.

    Parameters
    ----------
    events1, n1, events2, n2 : array_like, shape (k,) or (k, m)
        Number with the event and number observed in each group; NaN: the study is absent from that analysis.
    measure : {"RR", "OR", "RD"}
        Risk ratio, odds ratio or risk difference (`effects.two_groups`, with its treatment of empty cells).
    tau2, ci, level
        As in `pool`.

    Returns
    -------
    Pooled
        Estimate and intervals as ratios (RD: as a difference); ``se`` and ``tau2`` on the scale of the analysis, the
        logarithm (RD: the difference). A study that carries no information on a ratio, with no event in either group
        or with nothing but events in both, is left out of it and marked in ``dropped``; a difference leaves out none.
        The confidence interval of a single study's difference is that of `difference_interval`.

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, n is 0, or an option is unknown.

    Notes
    -----
    Paired designs (the same patients, matched pairs, two sites of a patient) go through `effects.matched_pairs`, or,
    where only the two margins are known, through `effects.two_groups`, whose notes say what independence would do.
    """
    counts = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (events1, n1, events2, n2)))
    y, v = two_groups(*counts, measure=measure)
    pooled = pool(y, v, tau2=tau2, ci=ci, level=level)
    if measure != "RD":
        present = ~np.isnan(counts).any(axis=0)
        return replace(_carried(pooled, np.exp), dropped=present & np.isnan(y))
    alone = np.asarray(pooled.k) == 1
    for name, end in zip(("ci_low", "ci_high"), difference_interval(*counts, level=level), strict=True):
        # With one study this is the sum of one number.
        of_one = np.where(pooled.weights > 0, end, 0.0).sum(axis=0)
        value = np.where(alone, of_one, getattr(pooled, name))
        pooled = replace(pooled, **{name: value if y.ndim > 1 else value.item()})
    return pooled


def _carried(pooled: Pooled, back) -> Pooled:
    """Return a result with its estimate and intervals on another scale."""
    carried = {name: back(getattr(pooled, name)) for name in _ON_EFFECT_SCALE}
    if isinstance(pooled.k, int):
        carried = {name: float(value) for name, value in carried.items()}
    return replace(pooled, **carried)
