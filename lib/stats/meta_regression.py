"""Meta-regression: effects that differ with what is known of their studies, and what single studies do to a result.

Knows the mixed-effects model with a few moderators, its permutation test, subgroups with a common tau², influence
diagnostics and the coordinates of a Baujat plot. Effects and variances have shape (k,) for one analysis or (k, m) for m
at once, NaN for an absent study, as in `pooling`. It cannot tell a moderator's effect from whatever goes with it.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from lib.stats.pooling import (
    Pooled,
    blocks,
    by_group,
    leave_one_out,
    pool,
    refuse_options,
    refuse_values,
    studies_by_analysis,
)
from lib.stats.tau2 import PoolingWarning, between_study_variance

CI = ("normal", "hksj")
"""Confidence intervals of coefficients: normal, or after Knapp and Hartung."""

# A moderator is one of those before it, to rounding, if less than this share of it is its own.
_COLLINEAR = 1e-10
_NO_FIT = "too few studies, or moderators that follow from each other"


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


class Influence(NamedTuple):
    """What each study does to an analysis; arrays of the shape of its effects, NaN for an absent study.

    ``hat`` is the diagonal of the hat matrix, ``residual`` the studentised (deleted) residual, ``dffits`` how many
    standard errors the study's fitted value, and ``cook`` how far all of them move without it, ``covariance_ratio`` the
    generalised variance of the coefficients without it over that with it; ``tau2`` and ``q`` are those without it.
    ``baujat_x`` and ``baujat_y`` are its contribution to heterogeneity and its pull on the result (Baujat et al. 2002,
    doi:10.1002/sim.1221; the plot of that paper is of a common-effect model).
    """

    hat: np.ndarray
    residual: np.ndarray
    dffits: np.ndarray
    cook: np.ndarray
    covariance_ratio: np.ndarray
    tau2: np.ndarray
    q: np.ndarray
    baujat_x: np.ndarray
    baujat_y: np.ndarray


class _Moderated:
    """Studies around a linear predictor; answers as `heterogeneity.Mean`.

    ``basis``, shape (c, k, m) or (c, k, 1), spans the design, with orthonormal columns: sums over it are well
    conditioned whatever the units of the moderators. A column of nothing but 0 is of a group that the analysis lacks.
    """

    def __init__(self, y, v, k, basis):
        self.y, self.v, self.k, self.basis = y, v, k, basis
        self.lacking = ~basis.any(axis=1).T
        self.df = np.maximum(k - (~self.lacking).sum(axis=1), 0)
        weight, inverse, _, residual = self.fit(0.0)
        self.trace = self._trace(weight, inverse)
        self.q_fixed = np.where(self.df > 0, (weight * residual**2).sum(axis=0), 0.0)

    def take(self, columns):
        basis = self.basis if self.basis.shape[2] == 1 else self.basis[:, :, columns]
        return _Moderated(self.y[:, columns], self.v[:, columns], self.k[columns], basis)

    def fit(self, t2):
        """Return weights, the inverse of the information (m, c, c), coefficients in the basis (c, m) and residuals."""
        weight = 1 / (self.v + t2)
        # What is lacking stays apart from the rest, and out of the determinant.
        information = self._information(weight) + self.lacking[:, :, None] * np.eye(len(self.basis))
        inverse = np.linalg.pinv(information, hermitian=True)
        coefficients = np.einsum("mij,jm->im", inverse, (self.basis * (weight * self.y)).sum(axis=1))
        return weight, inverse, coefficients, self.y - (self.basis * coefficients[:, None]).sum(axis=0)

    def _information(self, weight):
        return np.einsum("ikm,jkm->mij", self.basis * weight, self.basis)

    def _trace(self, weight, inverse):
        return weight.sum(axis=0) - np.einsum("mij,mji->m", inverse, self._information(weight**2))

    def q(self, t2):
        weight, _, _, residual = self.fit(t2)
        return (weight * residual**2).sum(axis=0), ((weight * residual) ** 2).sum(axis=0)

    def score(self, t2, restricted):
        weight, inverse, _, residual = self.fit(t2)
        expected = self._trace(weight, inverse) if restricted else weight.sum(axis=0)
        return ((weight * residual) ** 2).sum(axis=0) - expected

    def log_likelihood(self, t2, restricted):
        weight, inverse, _, residual = self.fit(t2)
        value = np.log(weight, out=np.zeros_like(weight), where=weight > 0).sum(axis=0)
        value -= (weight * residual**2).sum(axis=0)
        return value + np.linalg.slogdet(inverse)[1] if restricted else value

    def unweighted(self):
        present = np.isfinite(self.v)
        y = np.where(present, self.y, 0.0)
        residual = y - (self.basis * (self.basis * y).sum(axis=1)[:, None]).sum(axis=0)
        own = 1 - (self.basis**2).sum(axis=0)
        around_mean = (y**2).sum(axis=0) - y.sum(axis=0) ** 2 / np.maximum(self.k, 1)
        return (residual**2).sum(axis=0), np.sum(self.v * own, axis=0, where=present), around_mean

    def bounds(self):
        return self.v.min(axis=0), np.where(np.isinf(self.v), 0.0, self.v).max(axis=0), self.unweighted()[0]


class _Fit(NamedTuple):
    """A fitted model, coefficients (c, m) and their covariance (m, c, c) in the units of the design (c, k, m)."""

    model: _Moderated
    design: np.ndarray
    k: np.ndarray
    t2: np.ndarray
    weight: np.ndarray
    residual: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray


def _centred(y, v, used):
    """Return effects less their mean (0 if absent), variances (infinite if absent), their numbers, and the mean."""
    k = used.sum(axis=0)
    y = np.where(used, y, 0.0)
    mean = y.sum(axis=0) / np.maximum(k, 1)
    return np.where(used, y - mean, 0.0), np.where(used, v, np.inf), k, mean


def _fit(y, v, design, method: str) -> _Fit:
    """Fit m analyses of shape (k, m) with a design of shape (c, k, m) or (c, k, 1), NaN for what is absent."""
    refuse_values(y, v)
    used = ~(np.isnan(y) | np.isnan(v) | np.isnan(design).any(axis=0)) & (v != 0)
    y, v, k, centre = _centred(y, v, used)
    if not used.all():
        design = np.where(used, design, 0.0)
    # Batches of (k, c) matrices, filled up with absent studies where R would not be square.
    columns = np.pad(np.moveaxis(design, (0, 1), (2, 1)), ((0, 0), (0, max(len(design) - len(y), 0)), (0, 0)))
    size = np.sqrt((columns**2).sum(axis=1))
    basis, r = np.linalg.qr(columns / np.where(size > 0, size, 1.0)[:, None])
    basis = basis[:, : len(y)]
    own = np.abs(np.diagonal(r, axis1=1, axis2=2)).min(axis=1)
    bad = (own < _COLLINEAR) | (k < len(design))
    r[own < _COLLINEAR] = np.eye(len(design))
    model = _Moderated(y, v, k, np.moveaxis(basis, (0, 1, 2), (2, 1, 0)))
    t2 = between_study_variance(model, method)
    weight, inverse, coefficients, residual = model.fit(t2)
    back = np.linalg.inv(r) / np.where(size > 0, size, 1.0)[:, :, None]
    coefficients = np.einsum("mij,jm->im", back, coefficients)
    # The first column is the intercept: what was taken off the effects goes back to it.
    coefficients[0] += centre
    covariance = back @ inverse @ np.swapaxes(back, 1, 2)
    if bad.any():
        bad = np.broadcast_to(bad, k.shape)
        coefficients[:, bad], covariance[bad], t2[bad] = np.nan, np.nan, np.nan
    return _Fit(model, design, k, t2, weight, residual, coefficients, covariance)


def _tests(fit: _Fit, ci: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return covariance (c, c, m), standard errors and statistics (c, m) of a fit, and that of all moderators (m,)."""
    covariance = np.moveaxis(fit.covariance, 0, 2)
    if ci == "hksj":
        df = np.where(fit.model.df > 0, fit.model.df, np.nan)
        covariance = covariance * ((fit.weight * fit.residual**2).sum(axis=0) / df)
    se = np.sqrt(np.diagonal(covariance).T)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = fit.coefficients / se
    slopes, part = fit.coefficients[1:], np.moveaxis(covariance[1:, 1:], 2, 0)
    usable = np.isfinite(part).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(part))) > 0)
    inverse = np.full_like(part, np.nan)
    inverse[usable] = np.linalg.inv(part[usable])
    qm = np.einsum("im,mij,jm->m", slopes, inverse, slopes)
    return covariance, se, statistic, qm / len(slopes) if ci == "hksj" else qm


def _design(y: np.ndarray, moderators) -> np.ndarray:
    """Return an intercept and the moderators as (c, k, m) or (c, k, 1)."""
    x = np.asarray(moderators, dtype=float)
    x = x[:, None, None] if x.ndim == 1 else x[:, :, None] if x.ndim == 2 else x
    if x.ndim != 3 or len(x) != len(y) or x.shape[2] not in (1, y.shape[1]):
        raise ValueError(
            f"moderators must have shape (k,), (k, c) or (k, c, m) with k = {len(y)} and m = {y.shape[1]}, "
            f"not {np.shape(moderators)}"
        )
    if np.isinf(x).any():
        raise ValueError("moderators must be finite")
    return np.concatenate([np.ones((1, len(x), x.shape[2])), np.moveaxis(x, 1, 0)])


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
    refuse_options(tau2, ci, level, among=CI)
    fit = _fit(y, v, _design(y, moderators), tau2)
    c, df = len(fit.coefficients), np.maximum(fit.k - len(fit.coefficients), 0)
    bad = np.isnan(fit.coefficients[0])
    if bad.any():
        warnings.warn(_NO_FIT, PoolingWarning, stacklevel=2)
    covariance, se, statistic, qm = _tests(fit, ci)
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


class Permuted(NamedTuple):
    """Permutation p-values of each coefficient but the intercept, and of all moderators, and their number.

    For m analyses ``p`` has shape (c - 1, m) and the rest (m,); for one ``p`` has shape (c - 1,) and the rest are
    numbers. ``exact`` says whether ``number`` counts all different arrangements or a random sample.
    """

    p: np.ndarray
    qm_p: float
    number: int
    exact: bool


def permutation_test(
    y, v, moderators, *, tau2: str = "REML", ci: str = "normal", at_most: int = 5000, seed: int = 0
) -> Permuted:
    """Test moderators by giving the studies each other's, which needs no distribution of the statistic.

    With few studies the usual p-values of a meta-regression are too small (Higgins and Thompson 2004,
    doi:10.1002/sim.1752).

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        As in `pooling.pool`.
    moderators : array_like, shape (k,), (k, c) or (k, c, m)
        As in `regress`. The moderators of a study move together.
    tau2, ci
        As in `regress`: they decide the statistics that are compared.
    at_most : int
        If there are no more different arrangements than this, all are gone through; else this many random ones.
    seed : int
        Of the random ones.

    Returns
    -------
    Permuted
        Share of arrangements with statistics at least as large as those observed; of a random sample the observed
        arrangement is counted as one. NaN, with a `PoolingWarning`, where there is no fit.

    Raises
    ------
    ValueError
        As `regress`.
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_options(tau2, ci, 0.95, among=CI)
    refuse_values(y, v)
    design, m = _design(y, moderators), y.shape[1]
    used = ~(np.isnan(y) | np.isnan(v) | np.isnan(design).any(axis=0)) & (v != 0)
    # Analyses with the same studies and moderators, here infinite for an absent study, are arranged alike.
    x = np.where(used, design[1:], np.inf)
    alike = np.unique(x.reshape(-1, m), axis=1, return_inverse=True)[1].reshape(m)
    p, number, exact = np.empty((len(design), m)), np.empty(m, dtype=int), np.empty(m, dtype=bool)
    for j in range(alike.max(initial=-1) + 1):
        some = (alike == j).nonzero()[0]
        here = used[:, some[0]]
        orders, exact[some] = _orders(x[:, here, some[0]], at_most, seed)
        rows = np.ix_(here, some)
        p[:, some] = _share_as_large(y[rows], v[rows], x[:, here, some[0]], orders, tau2, ci, exact[some[0]])
        number[some] = len(orders)
    if np.isnan(p).any():
        warnings.warn(_NO_FIT, PoolingWarning, stacklevel=2)
    if single:
        return Permuted(p[:-1, 0], p[-1, 0].item(), number[0].item(), exact[0].item())
    return Permuted(p[:-1], p[-1], number, exact)


def _orders(x: np.ndarray, at_most: int, seed: int) -> tuple[np.ndarray, bool]:
    """Return orders of studies with moderators (c, k), a row each, and whether these are all that differ."""
    _, of, counts = np.unique(x, axis=1, return_inverse=True, return_counts=True)
    k = x.shape[1]
    number = math.factorial(k) // math.prod(math.factorial(int(count)) for count in counts)
    if number > at_most:
        rng = np.random.default_rng(seed)
        return np.array([rng.permutation(k) for _ in range(at_most)]), False
    first = np.array([(of.ravel() == j).argmax() for j in range(len(counts))], dtype=int)
    return first[np.array(list(_arrangements(tuple(counts))), dtype=int).reshape(number, k)], True


def _share_as_large(y, v, x, orders, tau2: str, ci: str, exact: bool) -> np.ndarray:
    """Return the share of orders of moderators (c, k) with statistics as large as those of analyses (k, m).

    One row is of each moderator, the last of all together.
    """
    design = np.vstack([np.ones(len(y)), x])

    def statistics(y, v, arranged):
        _, _, statistic, qm = _tests(_fit(y, v, arranged, tau2), ci)
        return np.vstack([np.abs(statistic[1:]), qm])

    # Equal statistics may differ by rounding, and by what iterations leave.
    observed = statistics(y, v, design[:, :, None]) * (1 - 1e-7)
    as_large = np.zeros(observed.shape[::-1])
    for some in blocks(design.size, len(orders) * y.shape[1]):
        order, analysis = np.divmod(np.arange(some.start, some.stop), y.shape[1])
        found = statistics(y[:, analysis], v[:, analysis], np.swapaxes(design[:, orders[order]], 1, 2))
        np.add.at(as_large, analysis, (found >= observed[:, analysis]).T)
    extra = 0 if exact else 1
    return np.where(np.isnan(observed), np.nan, (as_large.T + extra) / (len(orders) + extra))


def _arrangements(counts: tuple[int, ...]):
    """Yield all different orders of counts[0] zeros, counts[1] ones, and so on, each the next by the alphabet."""
    order = [j for j, count in enumerate(counts) for _ in range(count)]
    while True:
        yield tuple(order)
        falls = next((i for i in reversed(range(len(order) - 1)) if order[i] < order[i + 1]), None)
        if falls is None:
            return
        larger = next(i for i in reversed(range(len(order))) if order[i] > order[falls])
        order[falls], order[larger] = order[larger], order[falls]
        order[falls + 1 :] = reversed(order[falls + 1 :])


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
    refuse_options(tau2, ci, level)
    refuse_values(y, v)
    members = np.asarray(groups) == labels[:, None]
    t2 = np.empty(y.shape[1])
    for some in blocks(members.size, y.shape[1]):
        used = ~(np.isnan(y[:, some]) | np.isnan(v[:, some])) & (v[:, some] != 0)
        design = members[:, :, None] & used
        basis = design / np.sqrt(np.maximum(design.sum(axis=1, keepdims=True), 1))
        centred, variances, k, _ = _centred(y[:, some], v[:, some], used)
        t2[some] = between_study_variance(_Moderated(centred, variances, k, basis), tau2)
    return labels, pool(*columns, tau2=np.tile(t2, len(labels)), ci=ci, level=level)


def influence(y, v, moderators=None, *, tau2: str = "REML") -> Influence:
    """Compare each analysis with those that lack one of its studies.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        As in `pooling.pool`.
    moderators : array_like, shape (k,), (k, c) or (k, c, m), optional
        As in `regress`; without, the analysis is a pooling.
    tau2 : str
        As in `pooling.pool`, estimated anew without the study.

    Returns
    -------
    Influence
        The diagnostics of Viechtbauer and Cheung (2010, doi:10.1002/jrsm.11) with normal standard errors. NaN for a
        study without which there is no fit.

    Raises
    ------
    ValueError
        As `regress`.
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_options(tau2, "normal", 0.95)
    design = _design(y, np.empty((len(y), 0)) if moderators is None else moderators)
    own = design.shape[2] > 1
    results = Influence(*np.empty((len(Influence._fields), *y.shape)))
    for some in blocks(design[:, :, 0].size * len(y), y.shape[1]):
        part = _influence(y[:, some], v[:, some], design[:, :, some] if own else design, tau2)
        for result, value in zip(results, part, strict=True):
            result[:, some] = value
    return Influence(*(value[:, 0] if single else value for value in results))


def _influence(y, v, design, tau2: str) -> list[np.ndarray]:
    """Return what `influence` does, for analyses of shape (k, m) with a design of shape (c, k, m) or (c, k, 1)."""
    k, m = y.shape
    whole = _fit(y, v, design, tau2)
    used = np.isfinite(whole.model.v)
    tiled = design if design.shape[2] == 1 else np.tile(design, (1, 1, k))
    without = _fit(*leave_one_out(np.where(used, y, np.nan), v), tiled, tau2)
    x = np.broadcast_to(design, (len(design), k, m))
    v = np.where(used, v, np.nan)
    coefficients = without.coefficients.reshape(len(design), k, m)
    covariance = without.covariance.reshape(k, m, len(x), len(x))
    t2 = without.t2.reshape(k, m)
    leverage = np.einsum("ikm,mij,jkm->km", x, whole.covariance, x)
    change = whole.coefficients[:, None] - coefficients
    moved = (x * change).sum(axis=0)
    hat = np.where(used, leverage * whole.weight, np.nan)
    deleted = v + t2
    own_error = np.einsum("ikm,kmij,jkm->km", x, covariance, x)
    with np.errstate(invalid="ignore", divide="ignore"):
        information = np.linalg.inv(whole.covariance)
        results = Influence(
            hat=hat,
            residual=(y - (x * coefficients).sum(axis=0)) / np.sqrt(deleted + own_error),
            dffits=moved / np.sqrt(hat * deleted),
            cook=np.einsum("ikm,mij,jkm->km", change, information, change),
            covariance_ratio=np.linalg.det(covariance) / np.linalg.det(whole.covariance),
            tau2=t2,
            q=without.model.q_fixed.reshape(k, m),
            baujat_x=whole.residual**2 * whole.weight,
            baujat_y=moved**2 / own_error,
        )
    return [np.where(used & ~np.isnan(t2), value, np.nan) for value in results]
