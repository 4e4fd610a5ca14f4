"""The random-intercept logistic model of proportions, for many analyses at once.

Knows the binomial-normal likelihood, in which a study at 0% or 100% is a study like another, and how to find its
maximum. Knows nothing of inverse variances; `pooling.pool_proportions` makes a pooled result of what it returns.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite import hermgauss
from scipy import special

from lib.heterogeneity import PoolingWarning

# Some steps are taken with few nodes, the last with many. Where studies are at 0% or 100% and tau² is large, the
# integrand is far from normal: of the tests' data with tau² beyond 10, the last number agrees with a dense quadrature
# to 1e-4 and lme4's 25 to 1e-2; with tau² below 5 both agree to 1e-5.
_STAGES = ((7, 1e-4), (61, 1e-9))
_RULES = {nodes: tuple(zip(*hermgauss(nodes), strict=True)) for nodes, _ in _STAGES}
_LAST = _STAGES[-1][0]
_BLOCK = 10_000
_MAX_STEPS = 100
_NONE = 1e-4


class LogisticFit(NamedTuple):
    """A maximum of the likelihood for each of m analyses, on the logit scale.

    Attributes
    ----------
    mean, se, tau2 : ndarray, shape (m,)
        Mean logit, its standard error from the observed information, which accounts for tau² being estimated, and tau².
    information : ndarray, shape (k, m)
        What each study tells of the mean at that tau², in units of 1 / logit².
    """

    mean: np.ndarray
    se: np.ndarray
    tau2: np.ndarray
    information: np.ndarray


def random_intercept_logistic(events, n, *, common: bool = False) -> LogisticFit:
    """Fit logit(p) = mean + tau u to proportions by maximum likelihood, u standard normal for each study.

    Parameters
    ----------
    events, n : ndarray, shape (k, m)
        Number with the event and number observed; n = 0: the study is absent from that analysis.
    common : bool
        Fit the model with tau² = 0.

    Returns
    -------
    LogisticFit
        The maximum; NaN, with a `PoolingWarning`, where there is none: where every study is at 0% or 100%.

    Notes
    -----
    The integrals over u are by adaptive Gauss-Hermite quadrature, the nodes of each study set around its mode (Liu and
    Pierce 1994, doi:10.1093/biomet/81.3.624). Newton's steps go by the derivatives of the marginal likelihood after
    Louis (1982, doi:10.1111/j.2517-6161.1982.tb01203.x), in mean and tau, and are halved until they rise. The model
    without tau² is kept where it is as likely. Where tau² is above some 100, as nearly every study is at 0% or 100%,
    the likelihood is flat and the quadrature leaves errors of some hundredths in the estimated proportion.
    """
    x, (k, m) = events, events.shape
    mean, se, tau, information = np.empty(m), np.empty(m), np.zeros(m), np.empty((k, m))
    step = max(_BLOCK // max(k, 1), 1)
    for some in (slice(begin, min(begin + step, m)) for begin in range(0, m, step)):
        mean[some], tau[some] = _fit(x[:, some], n[:, some], common)
        at = np.where(np.isnan(mean[some]), 0.0, mean[some])
        _, _, (a, b, c), information[:, some] = _likelihood(x[:, some], n[:, some], at, tau[some], _LAST)
        # At tau = 0 the mean and tau are orthogonal.
        alone = a - np.divide(b * b, c, out=np.zeros_like(a), where=(tau[some] > 0) & (c != 0))
        positive = (alone > 0) & ((tau[some] == 0) | (c > 0))
        se[some] = np.sqrt(np.divide(1, alone, out=np.full_like(a, np.nan), where=positive & ~np.isnan(mean[some])))
    if np.isnan(mean).any():
        message = "no study, or every one at 0% or 100%: the logistic model has no estimate"
        warnings.warn(message, PoolingWarning, stacklevel=3)
    if np.isnan(se[~np.isnan(mean)]).any():
        message = "studies so far apart that the logistic model has no standard error"
        warnings.warn(message, PoolingWarning, stacklevel=3)
    return LogisticFit(mean, se, tau**2, information)


def _fit(x: np.ndarray, n: np.ndarray, common: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and tau of each analysis."""
    some, all_ = x.sum(axis=0), n.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = special.logit(some / all_)
    inside = ((x > 0) & (x < n)).any(axis=0)
    if common:
        return np.where((some > 0) & (some < all_), pooled, np.nan), np.zeros_like(pooled)
    mean, tau = np.where(inside, pooled, np.nan), np.zeros_like(pooled)
    several = (inside & ((n > 0).sum(axis=0) > 1)).nonzero()[0]
    if not several.size:
        return mean, tau
    x, n = x[:, several], n[:, several]
    start = np.array([pooled[several], _spread(x, n)])
    for nodes, tolerance in _STAGES:
        start, height, unfinished = _climb(x, n, start, nodes, tolerance)
    # Without tau any number of nodes is exact.
    without = _likelihood(x, n, pooled[several], np.zeros(several.size), _STAGES[0][0])[0]
    none = (start[1] < _NONE) | (height <= without)
    # Towards a maximum at tau = 0 the steps shorten for ever.
    if (unfinished & ~none).any():
        message = f"glmm: no convergence in {int((unfinished & ~none).sum())} analyses"
        warnings.warn(message, PoolingWarning, stacklevel=5)
    mean[several], tau[several] = np.where(none, pooled[several], start[0]), np.where(none, 0.0, start[1])
    return mean, tau


def _climb(x, n, start, nodes: int, tolerance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Climb to the maximum near mean and tau, shape (2, m).

    Returns it, the log likelihood there, and which analyses have not come to an end.
    """
    height, slope, hessian, _ = _likelihood(x, n, *start, nodes)
    step = _newton(slope, hessian)
    gain = (slope * step).sum(axis=0)
    found, at, rest, highest = start.copy(), start, np.arange(start.shape[1]), height.copy()
    for _ in range(_MAX_STEPS if nodes == _LAST else 10):
        tried = at + step
        tried[1] = np.abs(tried[1])
        new, slope, hessian, _ = _likelihood(x, n, *tried, nodes)
        better = new >= height - 1e-12 * np.abs(height)
        # A step that promises next to nothing and does not give it has met the error of the quadrature.
        moved = (np.abs(step).max(axis=0) > tolerance * (1 + np.abs(at).max(axis=0))) & (better | (gain > 1e-6))
        at, height = np.where(better, tried, at), np.where(better, new, height)
        newton = _newton(slope, hessian)
        step, gain = np.where(better, newton, step / 2), np.where(better, (slope * newton).sum(axis=0), gain / 2)
        found[:, rest], highest[rest] = at, height
        if not moved.any():
            return found, highest, np.zeros(highest.size, dtype=bool)
        if 2 * moved.sum() < moved.size:
            keep = moved.nonzero()[0]
            rest, x, n, at, height = rest[keep], x[:, keep], n[:, keep], at[:, keep], height[keep]
            step, gain = step[:, keep], gain[keep]
    unfinished = np.zeros(highest.size, dtype=bool)
    unfinished[rest] = moved if len(moved) == len(rest) else True
    return found, highest, unfinished


def _spread(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return a tau to begin with, by the method of moments."""
    present = n > 0
    y, v = np.log((x + 0.5) / (n - x + 0.5)), 1 / (x + 0.5) + 1 / (n - x + 0.5)
    return np.sqrt(np.clip(np.var(y, axis=0, ddof=1, where=present) - np.mean(v, axis=0, where=present), 0.05, 9))


def _newton(slope, hessian) -> np.ndarray:
    """Return Newton's step, or an uphill one where the information is not positive definite."""
    a, b, c = hessian
    determinant = a * c - b * b
    convex = (determinant > 0) & (c > 0)
    b, determinant = np.where(convex, b, 0.0), np.where(convex, determinant, a * np.abs(c) + 1e-300)
    c = np.where(convex, c, np.abs(c))
    step = np.array([c * slope[0] - b * slope[1], a * slope[1] - b * slope[0]]) / determinant
    # Newton knows the shape of the likelihood nearby only.
    return step / np.maximum(np.abs(step).max(axis=0), 1)


def _likelihood(x, n, mean, tau, nodes: int):
    """Return the log likelihood of m analyses (up to a constant), its slopes, its information, and that by study.

    The slopes are of mean and tau, the information the negative second derivatives (mean twice, both, tau twice).
    """
    mode = _mode(x, n, mean, tau)
    p = special.expit(mean + tau * mode)
    width = 1 / np.sqrt(1 + tau**2 * n * p * (1 - p))
    top = _log_density(x, n, mean + tau * mode, mode)[0]
    # Moments under the posterior of u of the slope g = x - n p in the logit, its square, and n p (1 - p).
    total, g, gu, c, cu, cuu, gg, ggu, gguu = sums = np.zeros((9, *x.shape))
    for node, node_weight in _RULES[nodes]:
        u = mode + np.sqrt(2) * node * width
        log_density, p = _log_density(x, n, mean + tau * u, u)
        weight = np.exp(log_density - top + node**2) * node_weight
        total += weight
        residual, curvature = x - n * p, weight * n * p * (1 - p)
        weight *= residual
        g += weight
        gu += weight * u
        weight *= residual
        gg += weight
        weight *= u
        ggu += weight
        gguu += weight * u
        c += curvature
        curvature *= u
        cu += curvature
        cuu += curvature * u
    sums[1:] /= total
    height = (top + np.log(total * width)).sum(axis=0)
    information = c - gg + g * g
    second = np.array([information, cu - ggu + g * gu, cuu - gguu + gu * gu]).sum(axis=1)
    return height, np.array([g.sum(axis=0), gu.sum(axis=0)]), second, information


def _log_density(x, n, logit, u) -> tuple[np.ndarray, np.ndarray]:
    """Return the log density of x and u (up to a constant), and p."""
    small = np.exp(-np.abs(logit))
    log_density = x * logit - n * (np.maximum(logit, 0) + np.log1p(small)) - u * u / 2
    return log_density, np.where(logit >= 0, 1.0, small) / (1 + small)


def _mode(x, n, mean, tau) -> np.ndarray:
    """Return about the u at which the density is highest, by Newton's steps within a bracket.

    The nodes need no more than a place near it. Of a study at 0% where the mean is high Newton's steps would go to and
    fro for ever: one that is not half as long as the last but one gives way to a halving of the bracket.
    """
    slope = tau * (x - n * special.expit(mean))
    # The slope in u falls, from this at 0 to 0 at the mode, faster than u rises.
    low, high = np.minimum(slope, 0.0), np.maximum(slope, 0.0)
    u, last_but_one = np.zeros_like(x), high - low
    last = last_but_one
    for _ in range(_MAX_STEPS):
        p = special.expit(mean + tau * u)
        slope, curvature = tau * (x - n * p) - u, 1 + tau**2 * n * p * (1 - p)
        low, high = np.where(slope > 0, u, low), np.where(slope < 0, u, high)
        moved = u + slope / curvature
        newton = (moved > low) & (moved < high) & (2 * np.abs(moved - u) < last_but_one)
        moved = np.where(newton | (slope == 0), moved, (low + high) / 2)
        last_but_one, last = last, np.abs(moved - u)
        u = moved
        if (last * curvature**0.5 < 0.01).all():
            return u
    return u
