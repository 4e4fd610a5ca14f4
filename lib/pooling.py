"""Meta-analysis on arrays: effect sizes and sampling variances in, a pooled result out.

Knows the effect sizes of proportions, three estimators of the between-study variance, two intervals, and
how to rearrange the studies of one analysis into many (leave-one-out, cumulative, subgroups). Every
function works on one analysis, arrays of shape (k,), or on m of them at once, arrays of shape (k, m); a study
that an analysis lacks is NaN there. Knows nothing of vitiligo, files or figures.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

TAU2 = ("DL", "PM", "REML", "FE")
"""Between-study variance: DerSimonian-Laird, Paule-Mandel, restricted maximum likelihood, none (fixed)."""

CI = ("normal", "hksj")
"""Intervals: normal, and Hartung-Knapp-Sidik-Jonkman with Student's t on k - 1 degrees of freedom."""

TRANSFORMS = ("raw", "logit")
"""Scales on which proportions are pooled."""

# The slowest data set of the tests takes 34 steps (REML); the cap only bounds one that cannot converge, and
# is reported if it is met.
_MAX_STEPS = 200
_TOLERANCE = 1e-12
_ON_EFFECT_SCALE = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")


class PoolingWarning(UserWarning):
    """A result is not what a reader would take it for: nothing to pool, or an iteration that did not end."""


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
        Prediction interval: where the effect of another study may lie. Equal to the confidence interval
        where tau2 = 0.
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
        Studies present but left out because their sampling variance is 0, as inverse-variance weighting
        cannot hold them.
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


def pool(y, v, *, tau2: str = "DL", ci: str = "normal", level: float = 0.95) -> Pooled:
    """Pool effect sizes by inverse variance under a random-effects model.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances. A study with NaN in either is absent from that analysis. One with
        v = 0 is left out and marked in ``dropped``.
    tau2 : {"DL", "PM", "REML", "FE"}
        Estimator of the between-study variance: DerSimonian and Laird (1986,
        doi:10.1016/0197-2456(86)90046-2), Paule and Mandel (1982, doi:10.6028/jres.087.022), restricted
        maximum likelihood by Fisher scoring (Viechtbauer 2005, doi:10.3102/10769986030003261), or 0.
    ci : {"normal", "hksj"}
        Normal interval, or that of Hartung and Knapp (2001, doi:10.1002/sim.1009), unmodified.
    level : float
        Confidence level of both intervals, between 0 and 1.

    Returns
    -------
    Pooled
        The result. With one study it is that study's own, with a normal interval and tau² = 0 whatever ``ci``
        says. With none, estimate, standard error and intervals are NaN and a `PoolingWarning` says so. With
        equal effects Q = tau² = I² = 0, and the Hartung-Knapp interval has no width.

    Raises
    ------
    ValueError
        If the shapes differ, a variance is negative or infinite, an effect is infinite, or an option is none
        of those above.

    Notes
    -----
    The prediction interval is estimate ± q sqrt(se² + tau²), q the quantile of the confidence interval, as
    R's metafor gives it.
    """
    y, v = np.asarray(y, dtype=float), np.asarray(v, dtype=float)
    if y.shape != v.shape or y.ndim not in (1, 2):
        raise ValueError(f"y and v must both have shape (k,) or (k, m), not {y.shape} and {v.shape}")
    if tau2 not in TAU2:
        raise ValueError(f"tau2 must be one of {', '.join(TAU2)}, not {tau2!r}")
    if ci not in CI:
        raise ValueError(f"ci must be one of {', '.join(CI)}, not {ci!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}")
    if np.isinf(y).any() or np.isinf(v).any() or (v < 0).any():
        raise ValueError("effects must be finite and sampling variances finite and not negative")
    single = y.ndim == 1
    if single:
        y, v = y[:, None], v[:, None]

    present = ~(np.isnan(y) | np.isnan(v))
    dropped = present & (v == 0)
    used = present & ~dropped
    y = np.where(used, y, 0.0)
    precision = np.divide(1.0, v, out=np.zeros_like(y), where=used)
    k = used.sum(axis=0)

    # Every sum below is over weights that are 0 for an absent study; an analysis without any gets weight
    # sums of 1 and is set to NaN at the end.
    t2 = _between_study_variance(y, precision, k, tau2)
    weight = _weights(precision, t2)
    total = np.where(k > 0, weight.sum(axis=0), 1.0)
    estimate = (weight * y).sum(axis=0) / total
    se = np.sqrt(1.0 / total)
    quantile = np.full(k.shape, stats.norm.ppf((1 + level) / 2))
    if ci == "hksj":
        several = k > 1
        df = np.where(several, k - 1, 1)
        scatter = (weight * (y - estimate) ** 2).sum(axis=0) / df
        se = np.where(several, np.sqrt(scatter / total), se)
        quantile = np.where(several, stats.t.ppf((1 + level) / 2, df), quantile)

    # The Q of one study is 0; computed, it would be what rounding leaves of 0.
    q, df = np.where(k > 1, _cochran_q(y, precision), 0.0), np.maximum(k - 1, 0)
    i2 = np.divide(np.maximum(q - df, 0), q, out=np.zeros_like(q), where=q > 0)
    h2 = np.maximum(np.divide(q, df, out=np.ones_like(q), where=df > 0), 1.0)
    nothing = k == 0
    if nothing.any():
        warnings.warn("no study to pool: the result is NaN", PoolingWarning, stacklevel=2)
        estimate, se = np.where(nothing, np.nan, estimate), np.where(nothing, np.nan, se)
    reach = quantile * np.sqrt(se**2 + t2)
    results = {
        "k": k,
        "estimate": estimate,
        "se": se,
        "ci_low": estimate - quantile * se,
        "ci_high": estimate + quantile * se,
        "pi_low": estimate - reach,
        "pi_high": estimate + reach,
        "tau2": t2,
        "i2": i2,
        "h2": h2,
        "q": q,
        "q_df": df,
        "q_p": np.where(df > 0, stats.chi2.sf(q, np.maximum(df, 1)), 1.0),
    }
    weights = weight / total
    if single:
        results = {name: value[0].item() for name, value in results.items()}
        weights, dropped = weights[:, 0], dropped[:, 0]
    return Pooled(**results, weights=weights, dropped=dropped)


def _weights(precision: np.ndarray, t2: np.ndarray) -> np.ndarray:
    """Inverse-variance weights 1 / (v + tau²), from 1 / v so that an absent study stays at 0."""
    return precision / (1.0 + precision * t2)


def _mean(y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    total = weight.sum(axis=0)
    return (weight * y).sum(axis=0) / np.where(total > 0, total, 1.0)


def _cochran_q(y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return (weight * (y - _mean(y, weight)) ** 2).sum(axis=0)


def _between_study_variance(y, precision, k, method: str) -> np.ndarray:
    """Return tau² of each analysis, 0 where fewer than two studies are pooled."""
    several = k > 1
    if method == "FE" or not several.any():
        return np.zeros(k.shape)
    df = np.maximum(k - 1, 1)
    s1, s2 = precision.sum(axis=0), (precision**2).sum(axis=0)
    scale = np.where(several, s1 - s2 / np.where(s1 > 0, s1, 1.0), 1.0)
    start = np.where(several, np.maximum((_cochran_q(y, precision) - df) / scale, 0.0), 0.0)
    if method == "DL":
        return start
    step = _paule_mandel_step if method == "PM" else _reml_step
    # Paule-Mandel's equation is convex and falling in tau²: from 0 Newton's steps rise to the root and
    # never pass it. REML's steps start from DerSimonian-Laird and are halved whenever they turn back, as
    # they can circle the maximum.
    t2 = np.zeros(k.shape) if method == "PM" else start
    active, last, damping = several.copy(), np.zeros(k.shape), np.ones(k.shape)
    for _ in range(_MAX_STEPS):
        change = np.where(active, step(y, precision, t2, df), 0.0)
        damping = np.where(change * last < 0, damping / 2, damping)
        last = change
        moved = np.maximum(t2 + damping * change, 0.0)
        active &= np.abs(moved - t2) > _TOLERANCE * (moved + 1.0 / np.where(s1 > 0, s1, 1.0))
        t2 = moved
        if not active.any():
            return t2
    warnings.warn(f"{method}: tau² did not converge in {int(active.sum())} analyses", PoolingWarning, stacklevel=3)
    return t2


def _paule_mandel_step(y, precision, t2, df) -> np.ndarray:
    weight = _weights(precision, t2)
    residual2 = (y - _mean(y, weight)) ** 2
    slope = (weight**2 * residual2).sum(axis=0)
    excess = (weight * residual2).sum(axis=0) - df
    return np.divide(excess, slope, out=np.zeros_like(excess), where=slope > 0)


def _reml_step(y, precision, t2, df) -> np.ndarray:
    weight = _weights(precision, t2)
    total, total2, total3 = (np.maximum((weight**p).sum(axis=0), 1e-300) for p in (1, 2, 3))
    residual2 = (y - _mean(y, weight)) ** 2
    score = (weight**2 * residual2).sum(axis=0) - (total - total2 / total)
    information = total2 - 2 * total3 / total + (total2 / total) ** 2
    return score / np.maximum(information, 1e-300)


def pool_proportions(
    events, n, *, transform: str = "raw", tau2: str = "DL", ci: str = "normal", level: float = 0.95
) -> Pooled:
    """Pool proportions by inverse variance under a random-effects model.

    With the defaults this is the method of the 2019 review: raw proportions, Wald variance,
    DerSimonian-Laird.

    Parameters
    ----------
    events, n : array_like, shape (k,) or (k, m)
        Number with the event, and number observed; NaN in either: the study is absent from that analysis.
    transform : {"raw", "logit"}
        Scale: p with variance p (1 - p) / n, or log(p / (1 - p)) with variance 1 / events + 1 / (n - events),
        for which 0.5 is added to both counts of a study with 0 or n events, and of no other.
    tau2, ci, level
        As in `pool`.

    Returns
    -------
    Pooled
        Estimate and intervals as proportions; ``se`` and ``tau2`` on the scale of the analysis. On the raw
        scale a study at 0% or 100% has variance 0 and is left out: ``dropped`` marks it.

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, n is 0, or an option is unknown.
    """
    y, v = proportions(events, n, transform=transform)
    pooled = pool(y, v, tau2=tau2, ci=ci, level=level)
    if transform == "raw":
        return pooled
    back = {name: special.expit(getattr(pooled, name)) for name in _ON_EFFECT_SCALE}
    if isinstance(pooled.k, int):
        back = {name: float(value) for name, value in back.items()}
    return replace(pooled, **back)


def proportions(events, n, *, transform: str = "raw") -> tuple[np.ndarray, np.ndarray]:
    """Return effect sizes and sampling variances of proportions; parameters as in `pool_proportions`.

    Returns
    -------
    y, v : ndarray, shape as given
        Effect sizes and variances on the scale of the analysis.
    """
    events, n = np.broadcast_arrays(np.asarray(events, dtype=float), np.asarray(n, dtype=float))
    _refuse_impossible(events, n)
    if transform == "raw":
        p = events / n
        return p, p * (1 - p) / n
    if transform == "logit":
        added = np.where((events == 0) | (events == n), 0.5, 0.0)
        yes, no = events + added, n - events + added
        return np.log(yes / no), 1 / yes + 1 / no
    raise ValueError(f"transform must be one of {', '.join(TRANSFORMS)}, not {transform!r}")


def _refuse_impossible(events: np.ndarray, n: np.ndarray) -> None:
    if (events < 0).any() or (events > n).any() or (n <= 0).any():
        raise ValueError("each study needs 0 <= events <= n and n > 0")


def proportion_interval(events, n, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the score interval of single proportions, which is defined at 0% and 100% too.

    Parameters
    ----------
    events, n : array_like
        Number with the event, and number observed.
    level : float
        Confidence level.

    Returns
    -------
    low, high : ndarray
        The interval (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Raises
    ------
    ValueError
        If there are more events than observed, a count is negative, or n is 0.
    """
    events, n = np.asarray(events, dtype=float), np.asarray(n, dtype=float)
    _refuse_impossible(events, n)
    z2 = stats.norm.ppf((1 + level) / 2) ** 2
    centre = (events + z2 / 2) / (n + z2)
    reach = np.sqrt(z2 * (events * (n - events) / n + z2 / 4)) / (n + z2)
    return np.maximum(centre - reach, 0.0), np.minimum(centre + reach, 1.0)


# --- Many analyses out of one -----------------------------------------------------------------------------


def leave_one_out(*columns) -> tuple[np.ndarray, ...]:
    """Repeat arrays of shape (k,) as (k, k), analysis j lacking study j: ``pool(*leave_one_out(y, v))``."""
    k = len(columns[0])
    return _masked(np.eye(k, dtype=bool), columns)


def cumulative(*columns) -> tuple[np.ndarray, ...]:
    """Repeat arrays of shape (k,) as (k, k), analysis j holding studies 0 to j in the order given."""
    k = len(columns[0])
    return _masked(np.tril(np.ones((k, k), dtype=bool), -1), columns)


def by_group(groups, *columns) -> tuple[np.ndarray, ...]:
    """Split arrays of shape (k,) into (k, g), an analysis for each of the g groups.

    Parameters
    ----------
    groups : array_like, shape (k,)
        Group of each study.
    *columns : array_like, shape (k,)
        What is to be split.

    Returns
    -------
    labels : ndarray, shape (g,)
        The groups, sorted.
    *columns : ndarray, shape (k, g)
        The columns, NaN for the studies of other groups.
    """
    labels, of = np.unique(np.asarray(groups), return_inverse=True)
    return (labels, *_masked(of[:, None] != np.arange(len(labels)), columns))


def _masked(absent: np.ndarray, columns) -> tuple[np.ndarray, ...]:
    return tuple(np.where(absent, np.nan, np.asarray(column, dtype=float)[:, None]) for column in columns)


def between_groups(estimates, variances) -> tuple[float, int, float]:
    """Test whether subgroups differ.

    Parameters
    ----------
    estimates, variances : array_like, shape (g,)
        Pooled effect of each group and its squared standard error, on the scale of the analysis.

    Returns
    -------
    q, df, p : float, int, float
        Cochran's Q between the groups, its degrees of freedom and p-value (Borenstein et al. 2009,
        doi:10.1002/9780470743386, chapter 19, a tau² to each group). With fewer than two groups: 0, 0, 1.
    """
    between = pool(estimates, variances, tau2="FE")
    return between.q, between.q_df, between.q_p
