"""Pooling of effect sizes by inverse variance under a random-effects model.

Belongs here: the choice of estimator and confidence interval, and the pooling itself. Every function works on
one analysis, arrays of shape (k,), or on m of them at once, arrays of shape (k, m); a study that an analysis lacks is
NaN there. Does not belong here: effect sizes (`effect_sizes`), pooling from counts (`pooling_counts`), estimators of
tau² (`tau2`), and which studies an analysis has (`rearrange`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lib.stats.arguments import Effects, PoolingWarning, effects, to_numbers
from lib.stats.arrays import Booleans, Floats, column_slices
from lib.stats.checks import left_out, refuse_level, refuse_unknown, warn_left_out, without_weight
from lib.stats.intervals import normal_quantile, t_quantiles
from lib.stats.mean_model import Scratch, common_mean
from lib.stats.pooled_result import Pooled, pooled_result
from lib.stats.tau2 import TAU2, between_study_variance

CI = ("normal", "hksj", "mkh")
"""Confidence intervals: normal; Hartung-Knapp-Sidik-Jonkman, with Student's t on k - 1 degrees of freedom; and
modified Knapp-Hartung, the same with a variance that is never smaller than that of the normal interval and, for two
studies, with 2 degrees of freedom instead of 1."""

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
        The result. With one study it is the effect of that study, with a normal interval whatever ``ci`` is, and with
        tau² = 0. With none, estimate, standard error and intervals are NaN. With equal effects Q = tau² = I² = 0, and
        the Hartung-Knapp interval has no width. If ``tau2`` is a number, tau² is that number in all cases.

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
    effect_data = effects(y, v, names)
    lacking = without_weight(effect_data.y, effect_data.v) if effect_data.single else []
    return pool_effects(effect_data, lacking, tau2=tau2, ci=ci, level=level)


def pool_effects(
    effect_data: Effects,
    lacking: Sequence[tuple[Booleans | np.bool_, str]],
    *,
    tau2: str | ArrayLike,
    ci: str = "normal",
    level: float = 0.95,
) -> Pooled[Any, Any]:
    """Pool effects as `pool` does, and warn of studies that are left out.

    Parameters
    ----------
    effect_data : Effects
        The effects.
    lacking : sequence of (ndarray of bool, str)
        Studies of a single analysis that are left out, with the reason.
    tau2, ci, level
        As in `pool`.
    """
    y, v, single, names, analyses = effect_data
    fixed_tau2 = None if isinstance(tau2, str) else _known_tau2(tau2, y.shape[1])
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
        model, dropped[:, columns] = common_mean(y[:, columns], v[:, columns], names, out=centred)
        k[columns], q[columns] = model.k, model.q_fixed
        t2[columns] = between_study_variance(model, method) if fixed_tau2 is None else fixed_tau2[columns]
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
        reason = f"; left out: {left_out(names, lacking)}" if lacking and len(y) else ""
        warnings.warn(f"no study to pool: the result is NaN{reason}", PoolingWarning, stacklevel=3)
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
    values = to_numbers("tau2", tau2)
    if values.shape not in ((), (1,), (m,)):
        raise ValueError(f"tau2 must be one number or one for each of {m} analyses, not of shape {values.shape}")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"a tau2 that is given must be finite and not negative, not {tau2!r}")
    return np.broadcast_to(values, (m,))
