"""The between-study variance, tau², estimated for many analyses at once.

Belongs here: the equations of eight estimators, and the iterations that solve them for each analysis. Does not belong
here: the sums over the data that the equations need (`mean_model`), effect sizes, and the intervals of an estimate.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from lib.stats.arguments import PoolingWarning
from lib.stats.arrays import Floats
from lib.stats.mean_model import MeanModel

TAU2 = ("DL", "PM", "REML", "ML", "EB", "SJ", "HE", "FE")
"""Estimators of tau²: DerSimonian-Laird, Paule-Mandel, restricted maximum likelihood, maximum likelihood, empirical
Bayes (Morris), Sidik-Jonkman, Hedges, and none (the common-effect, or fixed-effect, model)."""

# Convergence is superlinear: the slowest analyses of the tests take some 20 steps. Only an analysis that cannot
# converge reaches the limit, and a warning reports it.
_MAX_STEPS = 100
_TOLERANCE = 1e-11
# Relative step at which the search for a likelihood's maximum ends: the next step would be about this to the power 1.6.
_LAST_STEP = 1e-8
# Points per decade of tau² at which the slope of a likelihood is evaluated. Each of its terms changes over about a
# decade.
_GRID_PER_DECADE = 4


def between_study_variance(model: MeanModel, method: str) -> Floats:
    """Estimate tau² of m analyses.

    Parameters
    ----------
    model : MeanModel
        The studies around one common mean (`common_mean`) or around a mean with moderators.
    method : str
        One of `TAU2`.

    Returns
    -------
    ndarray, shape (m,)
        tau²; 0 for an analysis without a degree of freedom.

    Warns
    -----
    PoolingWarning
        If an iteration did not converge.

    Notes
    -----
    DL: DerSimonian and Laird (1986, doi:10.1016/0197-2456(86)90046-2). PM: Paule and Mandel (1982,
    doi:10.6028/jres.087.022), the tau² with Q(tau²) = df. EB: Morris (1983, doi:10.1080/01621459.1983.10477920); its
    equation is that of PM. HE: the method of moments without weights (Hedges and Olkin). SJ: Sidik and Jonkman (2005,
    doi:10.1111/j.1467-9876.2005.00496.x), never 0 unless all effects are equal. ML, REML: the tau² with the highest
    (restricted) likelihood (Viechtbauer 2005, doi:10.3102/10769986030003261).

    Examples
    --------
    >>> from lib.stats.mean_model import common_mean
    >>> model, _ = common_mean(np.array([[0.1], [0.5], [0.9]]), np.array([[0.02], [0.03], [0.05]]), ())
    >>> for method in ("DL", "REML"):
    ...     print(method, between_study_variance(model, method).round(4))
    DL [0.121]
    REML [0.1243]
    """
    t2 = np.zeros(model.k.shape)
    several = model.df > 0
    if method == "FE" or not several.any():
        return t2
    if not several.all():
        columns = several.nonzero()[0]
        t2[columns] = between_study_variance(model.take(columns), method)
        return t2
    if method == "DL":
        return np.maximum(model.q_fixed - model.df, 0.0) / model.trace
    if method in ("PM", "EB"):
        return tau2_at(model, model.df)
    if method in ("ML", "REML"):
        return _likelihood_maximum(model, method == "REML")
    squares, from_sampling, around_mean = model.unweighted()
    if method == "HE":
        return np.maximum(squares - from_sampling, 0.0) / model.df
    start = around_mean / model.k
    return np.where(start > 0, start * model.q(start)[0] / model.df, 0.0)


def tau2_at(model: MeanModel, target: ArrayLike) -> Floats:
    """Return the tau² at which the generalised Q equals a target, or 0 if Q is already below it at tau² = 0.

    Parameters
    ----------
    model : MeanModel
        The studies.
    target : array_like, shape (m,)
        Values of Q, positive.

    Returns
    -------
    ndarray, shape (m,)
        tau².

    Warns
    -----
    PoolingWarning
        If the iteration did not converge.

    Notes
    -----
    Q is a sum of terms c² / (λ + tau²), where λ are the variances after the fitted effects are projected out. So 1 / Q
    rises and is concave: a Newton step on it ends below the root. Further steps rise towards the root without passing
    it, and few are needed however much the variances differ.

    Examples
    --------
    The estimate of Paule and Mandel is the tau² at which Q equals its degrees of freedom.

    >>> from lib.stats.mean_model import common_mean
    >>> model, _ = common_mean(np.array([[0.1], [0.5], [0.9]]), np.array([[0.02], [0.03], [0.05]]), ())
    >>> tau2_at(model, 2.0).round(4)
    array([0.1255])
    """
    targets = np.broadcast_to(np.asarray(target, dtype=float), model.k.shape)
    t2: Floats = np.maximum(model.q_fixed - targets, 0.0) / model.trace
    rest, current = np.arange(len(t2)), t2
    for _ in range(_MAX_STEPS):
        q, slope = model.q(current)
        excess = q / targets - 1
        active = (np.abs(excess) > _TOLERANCE) & ((excess > 0) | (current > 0))
        current = np.maximum(current + excess * np.divide(q, slope, out=np.zeros_like(q), where=slope > 0), 0.0)
        t2[rest] = current
        if not active.any():
            return t2
        if 2 * active.sum() < len(rest):
            left = active.nonzero()[0]
            rest, current, targets, model = rest[left], current[left], targets[left], model.take(left)
    warnings.warn(f"tau² did not converge in {int(active.sum())} analyses", PoolingWarning, stacklevel=4)
    return t2


def _likelihood_maximum(model: MeanModel, restricted: bool) -> Floats:
    """Return the tau² with the highest (restricted) likelihood.

    A likelihood can have several maxima. Its slope is positive where R > 1, with R the ratio of Σ c² / (λ + tau²)² to
    Σ 1 / (λ + tau²), and R falls once the largest of the λ + tau² is below twice the smallest. Therefore, above
    max v - 2 min v there is at most one maximum, and there is none above the sum of squares. Below, the slope is
    evaluated on a grid. Each interval in which it changes from positive to negative contains a maximum, and 0 is
    another if the slope is negative there. Their heights are compared only if there are several. A maximum and a
    minimum between two neighbouring points of the grid are missed.
    """
    least, widest, most = model.bounds()
    end = np.minimum(np.maximum(widest - 2 * least, 0.0), most)
    decades = np.log10(1 + end / least)
    steps = max(int(np.ceil(_GRID_PER_DECADE * decades.max())), 1)
    # Steps between points of the grid have equal ratios of ``least`` + tau².
    grid = np.vstack([*(least * np.expm1(np.log(10) * decades * j / steps) for j in range(steps + 1)), most])
    slope = np.vstack([*(model.score(t2, restricted) for t2 in grid[:-1]), np.full_like(end, -np.inf)])
    slope[0, most == 0] = 0.0
    has_maximum = (slope[:-1] > 0) & (slope[1:] <= 0)
    has_maximum[0] |= slope[0] <= 0
    column, interval = has_maximum.T.nonzero()
    one_each = len(column) == len(end)
    part = model if one_each else model.take(column)
    root = _turning_point(part, restricted, *((g[j, column]) for j in (interval, interval + 1) for g in (grid, slope)))
    if one_each:
        return root
    # Select one maximum for each analysis: the highest, and the first of equal ones.
    height = part.log_likelihood(root, restricted)
    order = np.lexsort((root, -height, column))
    return root[order[np.unique(column[order], return_index=True)[1]]]


def _turning_point(
    model: MeanModel, restricted: bool, a: Floats, slope_a: Floats, b: Floats, slope_b: Floats
) -> Floats:
    """Return the tau² between two others at which the slope of the likelihood is 0 (Anderson-Björck regula falsi).

    Parameters
    ----------
    model : MeanModel
        The studies.
    restricted : bool
        Whether it is the restricted likelihood.
    a, slope_a, b, slope_b : ndarray, shape (m,)
        The two tau², a < b, and the slopes there. A slope of -infinity at b means that it is not known. If the slope at
        a is not positive, the result is a.
    """
    # The slope times (tau² + s)², s a typical variance, is nearly a straight line, and is -df (tau² + s) far above.
    s = model.k / np.add.reduce(1 / model.v)
    fa = slope_a * (a + s) ** 2
    fb = np.where(np.isinf(slope_b), -model.df * (b + s), slope_b * (b + s) ** 2)
    # An analysis that has converged has fb = 0, and its tau² no longer changes.
    b, fb = np.where(slope_a <= 0, a, b), np.where(slope_a <= 0, 0.0, fb)
    root, rest = b.copy(), np.arange(len(b))
    for _ in range(_MAX_STEPS):
        c = b - np.divide(fb * (b - a), fb - fa, out=np.zeros_like(b), where=fb != 0)
        # Rounding may put a new point on an end.
        c = np.where(((c - a) * (c - b) < 0) | (fb == 0), c, (a + b) / 2)
        root[rest] = c
        converged = (np.abs(c - b) <= _LAST_STEP * c) | (np.abs(c - a) <= _LAST_STEP * c)
        if converged.all():
            return root
        if 2 * np.count_nonzero(converged) > len(rest):
            left = (~converged).nonzero()[0]
            rest, model, converged = rest[left], model.take(left), converged[left]
            a, fa, b, fb, c, s = (x[left] for x in (a, fa, b, fb, c, s))
        fc = np.where(converged, 0.0, model.score(c, restricted) * (c + s) ** 2)
        across = fc * fb < 0
        damping = 1 - np.divide(fc, fb, out=np.zeros_like(fc), where=fb != 0)
        a, fa = np.where(across, b, a), np.where(across, fb, fa * np.where(damping > 0, damping, 0.5))
        b, fb = c, fc
    warnings.warn(f"tau² did not converge in {np.count_nonzero(~converged)} analyses", PoolingWarning, stacklevel=6)
    return root
