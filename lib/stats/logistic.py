"""The random-intercept logistic model of proportions, for many analyses at once.

Belongs here: the binomial-normal likelihood, in which a study at 0% or 100% needs no correction, and its
maximisation. Does not belong here: the intervals and the pooled result (`pool_proportions`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.polynomial.hermite import hermgauss
from scipy import special

from lib.stats.arguments import PoolingWarning
from lib.stats.arrays import Booleans, Floats, column_slices
from lib.stats.checks import refuse_impossible_counts
from lib.stats.display import Displayed, Shown, frame, listed, number, rest

if TYPE_CHECKING:
    import pandas as pd

# The log likelihood of m analyses, its slopes (2, m), its information (3, m), and the information by study (k, m).
Likelihood: TypeAlias = tuple[Floats, Floats, Floats, Floats]

# Numbers of nodes of the adaptive quadrature, with the tolerance of the steps: the first steps use few nodes, the last
# many.
_STAGES = ((7, 1e-4), (61, 1e-9))
_RULES = {nodes: tuple(zip(*hermgauss(nodes), strict=True)) for nodes, _ in _STAGES}
_LAST = _STAGES[-1][0]
# Size of one slice of many analyses, in numbers; each analysis needs several arrays of moments.
_SLICE_SIZE = 10_000
_MAX_STEPS = 100
# Limit of the search for the mode of a study, whose bracket is at least halved every two steps: far fewer suffice. It
# is not that of the climb, because away from the mode the weights of the quadrature overflow.
_MAX_MODE_STEPS = 100
# Smaller values of tau are set to 0.
_LEAST_TAU = 1e-4
# From this tau on, the integrand of a study at 0% or 100% is so far from normal that the adaptive quadrature is
# unreliable, and the dense one is used.
_SPREAD_OUT = 2.5
# Settings of the dense quadrature: range of u in standard deviations, largest step of u and of the logit, and how many
# numbers are in memory at once.
_RANGE, _STEP, _LOGIT_STEP, _DENSE_BLOCK = 9.0, 0.4, 0.25, 1_000_000
# If a study has at least this much information about its own logit, its integrand is so nearly normal that adaptive
# quadrature is exact, and the dense one would need very many nodes.
_NEARLY_NORMAL = 30.0
# Grid of means and taus at which the search with the dense quadrature can begin.
_GRID = [(tau * z, tau) for tau in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0) for z in (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)]


@dataclass(frozen=True, eq=False, repr=False)
class LogisticFit(Displayed):
    """A maximum of the likelihood for each of m analyses, on the logit scale.

    Attributes
    ----------
    mean, se, tau2 : ndarray, shape (m,)
        Mean logit; its standard error, from the observed information, which allows for tau² being estimated; and tau².
    information : ndarray, shape (k, m)
        Information of each study on the mean at that tau², in units of 1 / logit².
    """

    mean: Floats
    se: Floats
    tau2: Floats
    information: Floats

    def to_frame(self) -> pd.DataFrame:
        """Return mean, standard error and tau² as a data frame with a row for each analysis."""
        return frame("analysis", [], {"mean": self.mean, "se": self.se, "tau2": self.tau2})

    def _shown(self, most: int) -> Shown:
        k, m = self.information.shape
        columns = [listed([], m), self.mean, self.se, self.tau2]
        rows = [[str(name), *map(number, numbers)] for name, *numbers in zip(*columns, strict=True)][:most]
        header = ("Analysis", "Mean logit", "Standard error", "tau²")
        return Shown(f"Logistic model of {k} studies in {m} analyses", rows, header, rest(len(rows), m))


def random_intercept_logistic(events: Floats, n: Floats, *, common: bool = False) -> LogisticFit:
    """Fit logit(p) = mean + tau u to proportions by maximum likelihood, u standard normal for each study.

    Parameters
    ----------
    events, n : ndarray, shape (k, m)
        Number with the event and number observed; a study with n = 0 is absent from that analysis.
    common : bool
        Fit the model with tau² = 0.

    Returns
    -------
    LogisticFit
        The maximum; NaN if there is none because every study is at 0% or 100%.

    Raises
    ------
    ValueError
        If the arrays do not both have shape (k, m), or counts are impossible.

    Warns
    -----
    PoolingWarning
        If there is no maximum, the search for it did not converge, or the information about the mean is not positive;
        the estimate, or the standard error, is then NaN.

    Notes
    -----
    The integrals over u are computed by adaptive Gauss-Hermite quadrature, with the nodes of each study around its mode
    (Liu and Pierce 1994, doi:10.1093/biomet/81.3.624). Newton steps in mean and tau use the derivatives of the marginal
    likelihood after Louis (1982, doi:10.1111/j.2517-6161.1982.tb01203.x), and are halved until the likelihood rises.
    The model without tau² is chosen if its likelihood is as high.

    Near separation, where most studies are at 0% or 100% and tau is large, the integrands are far from normal, and the
    adaptive quadrature has its maximum elsewhere. Such an analysis is fitted again from several starts with a dense
    trapezoidal rule over u, whose error falls exponentially with its step (Trefethen and Weideman 2014,
    doi:10.1137/130932132).

    Examples
    --------
    >>> fit = random_intercept_logistic(np.array([[3.0], [8.0], [0.0]]), np.array([[20.0], [18.0], [14.0]]))
    >>> print(f"mean logit {fit.mean[0]:.2f}, standard error {fit.se[0]:.2f}, tau² {fit.tau2[0]:.2f}")
    mean logit -1.80, standard error 0.96, tau² 1.67
    """
    if events.ndim != 2 or events.shape != n.shape:
        raise ValueError(f"events and n must both have shape (k, m), not {events.shape} and {n.shape}")
    refuse_impossible_counts(np.where(n == 0, np.nan, events), np.where(n == 0, np.nan, n))
    x, (k, m) = events, events.shape
    mean, se, tau, information = np.empty(m), np.empty(m), np.zeros(m), np.zeros((k, m))
    for part in column_slices(k, m, size=_SLICE_SIZE):
        mean[part], tau[part] = _fit(x[:, part], n[:, part], common)
        at = np.where(np.isnan(mean[part]), 0.0, mean[part])
        second = np.zeros((3, at.size))
        for columns, likelihood in ((tau[part] <= _SPREAD_OUT, _LAST_LIKELIHOOD), (tau[part] > _SPREAD_OUT, _dense)):
            if columns.any():
                _, _, second[:, columns], information[:, part][:, columns] = likelihood(
                    x[:, part][:, columns], n[:, part][:, columns], at[columns], tau[part][columns]
                )
        a, b, c = second
        # At tau = 0 the mean and tau are orthogonal.
        alone = a - np.divide(b * b, c, out=np.zeros_like(a), where=(tau[part] > 0) & (c != 0))
        positive = (alone > 0) & ((tau[part] == 0) | (c > 0))
        se[part] = np.sqrt(np.divide(1, alone, out=np.full_like(a, np.nan), where=positive & ~np.isnan(mean[part])))
    # If the search did not converge, `_fit` has warned of it, and tau is NaN too.
    if (np.isnan(mean) & ~np.isnan(tau)).any():
        message = "no study, or every one at 0% or 100%: the logistic model has no estimate"
        warnings.warn(message, PoolingWarning, stacklevel=3)
    if np.isnan(se[~np.isnan(mean)]).any():
        message = "studies so far apart that the logistic model has no standard error"
        warnings.warn(message, PoolingWarning, stacklevel=3)
    return LogisticFit(mean, se, tau**2, information)


def _fit(x: Floats, n: Floats, common: bool) -> tuple[Floats, Floats]:
    """Return the mean and tau of each analysis."""
    events, total = x.sum(axis=0), n.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = special.logit(events / total)
    inside = ((x > 0) & (x < n)).any(axis=0)
    if common:
        return np.where((events > 0) & (events < total), pooled, np.nan), np.zeros_like(pooled)
    mean, tau = np.where(inside, pooled, np.nan), np.zeros_like(pooled)
    several = (inside & ((n > 0).sum(axis=0) > 1)).nonzero()[0]
    if not several.size:
        return mean, tau
    x, n = x[:, several], n[:, several]
    start = np.array([pooled[several], _spread(x, n)])
    for nodes, tolerance in _STAGES:
        steps = _MAX_STEPS if nodes == _LAST else 10
        start, height, unfinished = _climb(x, n, start, partial(_adaptive, nodes=nodes), tolerance, steps)
    spread_out = (start[1] > _SPREAD_OUT) | unfinished
    if spread_out.any():
        refitted = _fit_spread_out(x[:, spread_out], n[:, spread_out], start[:, spread_out])
        start[:, spread_out], height[spread_out], unfinished[spread_out] = refitted
    # With tau = 0 any number of nodes is exact.
    height_at_0 = _adaptive(x, n, pooled[several], np.zeros(several.size), _STAGES[0][0])[0]
    none = (start[1] < _LEAST_TAU) | (height <= height_at_0)
    # Towards a maximum at tau = 0 the steps become ever shorter without end; this does not count as a failed search.
    lost = unfinished & ~none
    if lost.any():
        message = f"the search for the maximum of the logistic model did not end in {int(lost.sum())} analyses"
        warnings.warn(message, PoolingWarning, stacklevel=5)
    mean[several], tau[several] = np.where(none, pooled[several], start[0]), np.where(none, 0.0, start[1])
    mean[several[lost]], tau[several[lost]] = np.nan, np.nan
    return mean, tau


def _fit_spread_out(x: Floats, n: Floats, start: Floats) -> tuple[Floats, Floats, Booleans]:
    """Find the maximum of analyses near separation, from ``start`` and from the highest point of a grid.

    Returns mean and tau, shape (2, m), the log likelihood there, and which analyses have not converged.
    """
    m = x.shape[1]
    heights = [_dense(x, n, np.full(m, mean), np.full(m, tau))[0] for mean, tau in _GRID]
    other = np.array(_GRID)[np.argmax(heights, axis=0)].T
    both = _climb(
        np.tile(x, 2), np.tile(n, 2), np.concatenate([start, other], axis=1), _dense, _STAGES[-1][1], _MAX_STEPS
    )
    best = np.argmax(both[1].reshape(2, m), axis=0) * m + np.arange(m)
    return both[0][:, best], both[1][best], both[2][best]


def _climb(
    x: Floats, n: Floats, start: Floats, likelihood: Callable[..., Likelihood], tolerance: float, steps: int
) -> tuple[Floats, Floats, Booleans]:
    """Climb to the maximum of a likelihood near mean and tau, shape (2, m).

    Returns it, the log likelihood there, and which analyses have not converged.
    """
    height, slope, hessian, _ = likelihood(x, n, *start)
    step = _newton(slope, hessian)
    gain = (slope * step).sum(axis=0)
    maximum, at, rest, highest = start.copy(), start, np.arange(start.shape[1]), height.copy()
    for _ in range(steps):
        tried = at + step
        tried[1] = np.abs(tried[1])
        new, slope, hessian, _ = likelihood(x, n, *tried)
        better = new >= height - 1e-12 * np.abs(height)
        # If a step with hardly any expected gain does not raise the likelihood, the limit of the quadrature's accuracy
        # is reached.
        moving = (np.abs(step).max(axis=0) > tolerance * (1 + np.abs(at).max(axis=0))) & (better | (gain > 1e-6))
        at, height = np.where(better, tried, at), np.where(better, new, height)
        newton = _newton(slope, hessian)
        step, gain = np.where(better, newton, step / 2), np.where(better, (slope * newton).sum(axis=0), gain / 2)
        maximum[:, rest], highest[rest] = at, height
        if not moving.any():
            return maximum, highest, np.zeros(highest.size, dtype=bool)
        if 2 * moving.sum() < moving.size:
            left = moving.nonzero()[0]
            rest, x, n, at, height = rest[left], x[:, left], n[:, left], at[:, left], height[left]
            step, gain = step[:, left], gain[left]
    unfinished = np.zeros(highest.size, dtype=bool)
    unfinished[rest] = moving if len(moving) == len(rest) else True
    return maximum, highest, unfinished


def _spread(x: Floats, n: Floats) -> Floats:
    """Return the tau at which the search begins, by the method of moments."""
    present = n > 0
    y, v = np.log((x + 0.5) / (n - x + 0.5)), 1 / (x + 0.5) + 1 / (n - x + 0.5)
    spread: Floats = np.sqrt(
        np.clip(np.var(y, axis=0, ddof=1, where=present) - np.mean(v, axis=0, where=present), 0.05, 9)
    )
    return spread


def _newton(slope: Floats, hessian: Floats) -> Floats:
    """Return the Newton step, or an uphill step if the information is not positive definite."""
    a, b, c = hessian
    determinant = a * c - b * b
    convex = (determinant > 0) & (c > 0)
    b, determinant = np.where(convex, b, 0.0), np.where(convex, determinant, a * np.abs(c) + 1e-300)
    c = np.where(convex, c, np.abs(c))
    step = np.array([c * slope[0] - b * slope[1], a * slope[1] - b * slope[0]]) / determinant
    # A Newton step is valid only near its origin: limit its length.
    limited: Floats = step / np.maximum(np.abs(step).max(axis=0), 1)
    return limited


def _adaptive(x: Floats, n: Floats, mean: Floats, tau: Floats, nodes: int) -> Likelihood:
    """Return the log likelihood (up to a constant) and its derivatives, by adaptive quadrature.

    The slopes are those in mean and tau; the information is the negative second derivatives (mean-mean, mean-tau,
    tau-tau).
    """
    return _from_moments(*_adaptive_moments(x, n, mean, tau, nodes))


def _adaptive_moments(x: Floats, n: Floats, mean: Floats, tau: Floats, nodes: int) -> tuple[Floats, Floats]:
    """Return the moments of each study, and the logarithm of their unit, by adaptive quadrature."""
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
    return sums, top + np.log(width)


_LAST_LIKELIHOOD = partial(_adaptive, nodes=_LAST)


def _dense(x: Floats, n: Floats, mean: Floats, tau: Floats) -> Likelihood:
    """Return the same quantities as `_adaptive`, by the trapezoidal rule over u for the studies that need it."""
    k, m = x.shape
    own_information = np.divide(x * (n - x), n, out=np.zeros_like(x), where=n > 0)
    peaked = np.where(own_information < _NEARLY_NORMAL, own_information, 0.0).max(axis=0)
    # A normal peak needs a step of 0.8 of its standard deviation.
    steps = np.minimum(_LOGIT_STEP, 0.8 / np.sqrt(np.maximum(peaked, 1.0))) / np.maximum(tau, 1e-9)
    steps = np.minimum(_STEP, steps)
    number = np.ceil(2 * _RANGE / steps).astype(int) + 1
    sums, scale = _adaptive_moments(x, n, mean, tau, _LAST)
    begin = 0
    while begin < m:
        part = slice(begin, begin + max(int(_DENSE_BLOCK // (number[begin:].max() * k)), 1))
        begin = part.stop
        u = np.linspace(-_RANGE, _RANGE, int(number[part].max()))[:, None, None]
        log_density, p = _log_density(x[:, part], n[:, part], mean[part] + tau[part] * u, u)
        top = log_density.max(axis=0)
        weight, residual = np.exp(log_density - top), x[:, part] - n[:, part] * p
        curvature = n[:, part] * p * (1 - p)
        powers = (np.ones_like(u), u, u * u)
        dense = [weight.sum(axis=0)]
        dense += [(weight * residual * power).sum(axis=0) for power in powers[:2]]
        dense += [(weight * curvature * power).sum(axis=0) for power in powers]
        dense += [(weight * residual**2 * power).sum(axis=0) for power in powers]
        # In the unit of the adaptive quadrature, whose integral is sqrt(2) times that of its moments.
        unit = top + np.log((u[1] - u[0]).item() / np.sqrt(2))
        far_from_normal = own_information[:, part] < _NEARLY_NORMAL
        sums[:, :, part] = np.where(far_from_normal, np.array(dense), sums[:, :, part])
        scale[:, part] = np.where(far_from_normal, unit, scale[:, part])
    return _from_moments(sums, scale)


def _from_moments(sums: Floats, scale: Floats) -> Likelihood:
    """Return likelihood, slopes and information from the moments of each study and the logarithm of their unit."""
    total = sums[0]
    sums[1:] /= total
    _, g, gu, c, cu, cuu, gg, ggu, gguu = sums
    height: Floats = (scale + np.log(total)).sum(axis=0)
    information: Floats = c - gg + g * g
    second = np.array([information, cu - ggu + g * gu, cuu - gguu + gu * gu]).sum(axis=1)
    return height, np.array([g.sum(axis=0), gu.sum(axis=0)]), second, information


def _log_density(x: Floats, n: Floats, logit: Floats, u: Floats) -> tuple[Floats, Floats]:
    """Return the log density of x and u (up to a constant), and p."""
    small = np.exp(-np.abs(logit))
    log_density = x * logit - n * (np.maximum(logit, 0) + np.log1p(small)) - u * u / 2
    return log_density, np.where(logit >= 0, 1.0, small) / (1 + small)


def _mode(x: Floats, n: Floats, mean: Floats, tau: Floats) -> Floats:
    """Approximate the u at which the density is highest, by Newton steps within a bracket.

    An approximation suffices to place the nodes. For a study at 0% while the mean is high, Newton steps would oscillate
    without end; a step that is not half as long as the last but one is therefore replaced by a bisection.
    """
    slope = tau * (x - n * special.expit(mean))
    # The slope in u falls from this value at 0 to 0 at the mode, and it falls faster than u rises.
    low, high = np.minimum(slope, 0.0), np.maximum(slope, 0.0)
    u, last_but_one = np.zeros_like(x), high - low
    last = last_but_one
    for _ in range(_MAX_MODE_STEPS):
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
