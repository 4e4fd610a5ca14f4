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

from lib.heterogeneity import PoolingWarning, between_study_variance
from lib.pooling import Pooled, by_group, pool, refuse_options, refuse_values, studies_by_analysis

# A moderator is one of those before it, to rounding, if less than this share of it is its own.
_COLLINEAR = 1e-10


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
    conditioned whatever the units of the moderators.
    """

    def __init__(self, y, v, k, basis):
        self.y, self.v, self.k, self.basis = y, v, k, basis
        self.df = np.maximum(k - len(basis), 0)
        weight, inverse, _, residual = self.fit(0.0)
        self.trace = self._trace(weight, inverse)
        self.q_fixed = np.where(self.df > 0, (weight * residual**2).sum(axis=0), 0.0)

    def take(self, columns):
        basis = self.basis if self.basis.shape[2] == 1 else self.basis[:, :, columns]
        return _Moderated(self.y[:, columns], self.v[:, columns], self.k[columns], basis)

    def fit(self, t2):
        """Return weights, the inverse of the information (m, c, c), coefficients in the basis (c, m) and residuals."""
        weight = 1 / (self.v + t2)
        inverse = np.linalg.pinv(self._information(weight), hermitian=True)
        coefficients = np.einsum("mij,jm->im", inverse, (self.basis * (weight * self.y)).sum(axis=1))
        return weight, inverse, coefficients, self.y - (self.basis * coefficients[:, None]).sum(axis=0)

    def _information(self, weight):
        weighted = self.basis * weight
        return np.moveaxis(np.array([(weighted * column).sum(axis=1) for column in self.basis]), 2, 0)

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


def _fit(y, v, design, method: str) -> _Fit:
    """Fit m analyses of shape (k, m) with a design of shape (c, k, m) or (c, k, 1), NaN for what is absent."""
    refuse_values(y, v)
    used = ~(np.isnan(y) | np.isnan(v) | np.isnan(design).any(axis=0)) & (v != 0)
    if used.all():
        k = np.full(y.shape[1], len(y))
    else:
        k = used.sum(axis=0)
        y, v, design = np.where(used, y, 0.0), np.where(used, v, np.inf), np.where(used, design, 0.0)
    # Batches of (k, c) matrices; where fewer studies than coefficients are left R is not square, and no fit is one.
    columns = np.moveaxis(design, (0, 1), (2, 1))
    size = np.sqrt((columns**2).sum(axis=1))
    basis, r = np.linalg.qr(columns / np.where(size > 0, size, 1.0)[:, None])
    own = np.abs(np.diagonal(r, axis1=1, axis2=2)).min(axis=1)
    bad = (own < _COLLINEAR) | (k < len(design))
    r[own < _COLLINEAR] = np.eye(len(design))
    centre = np.where(k > 0, np.where(np.isfinite(v), y, 0.0).sum(axis=0) / np.maximum(k, 1), 0.0)
    centred = np.where(np.isfinite(v), y - centre, 0.0)
    model = _Moderated(centred, v, k, np.moveaxis(basis, (0, 1, 2), (2, 1, 0)))
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
    tau2, ci, level
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
    refuse_options(tau2, ci, level)
    fit = _fit(y, v, _design(y, moderators), tau2)
    c, df = len(fit.coefficients), np.maximum(fit.k - len(fit.coefficients), 0)
    bad = np.isnan(fit.coefficients[0])
    if bad.any():
        warnings.warn("too few studies, or moderators that follow from each other", PoolingWarning, stacklevel=2)
    covariance = np.moveaxis(fit.covariance, 0, 2)
    quantile = special.ndtri((1 + level) / 2)
    if ci == "hksj":
        scale = (fit.weight * fit.residual**2).sum(axis=0) / np.where(df > 0, df, np.nan)
        covariance, quantile = covariance * scale, stats.t.ppf((1 + level) / 2, np.where(df > 0, df, np.nan))
    se = np.sqrt(np.diagonal(covariance).T)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = fit.coefficients / se
    slopes, part = fit.coefficients[1:], np.moveaxis(covariance[1:, 1:], 2, 0)
    usable = np.isfinite(part).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(part))) > 0)
    inverse = np.full_like(part, np.nan)
    inverse[usable] = np.linalg.inv(part[usable])
    qm = np.einsum("im,mij,jm->m", slopes, inverse, slopes)
    if ci == "hksj":
        p = 2 * special.stdtr(np.where(df > 0, df, np.nan), -np.abs(statistic))
        qm = qm / (c - 1)
        qm_p = stats.f.sf(qm, c - 1, np.where(df > 0, df, np.nan))
    else:
        p, qm_p = 2 * special.ndtr(-np.abs(statistic)), special.chdtrc(c - 1, qm)
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
        "qe_p": np.where(df > 0, special.chdtrc(np.maximum(df, 1), fit.model.q_fixed), 1.0),
        "qm": qm,
        "qm_df": np.full(fit.k.shape, c - 1),
        "qm_p": qm_p,
    }
    if single:
        results = {name: value[..., 0] if value.ndim > 1 else value[0].item() for name, value in results.items()}
    return Regression(**results)


class Permuted(NamedTuple):
    """Permutation p-values: of each coefficient but the intercept, shape (c - 1,), of all moderators, and their number.

    ``exact`` says whether ``number`` counts all different arrangements or a random sample.
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
    y, v : array_like, shape (k,)
        As in `pooling.pool`.
    moderators : array_like, shape (k,) or (k, c)
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
        arrangement is counted as one.

    Raises
    ------
    ValueError
        As `regress`, and if ``y`` has another shape.
    """
    y, v = np.asarray(y, dtype=float), np.asarray(v, dtype=float)
    if y.ndim != 1:
        raise ValueError(f"y must have shape (k,), not {y.shape}")
    x = _design(y[:, None], moderators)[1:, :, 0].T
    used = ~(np.isnan(y) | np.isnan(v) | np.isnan(x).any(axis=1)) & (v != 0)
    y, v, x = y[used], v[used], x[used]
    _, of, counts = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    number = math.factorial(len(x)) // math.prod(math.factorial(int(count)) for count in counts)
    exact = number <= at_most
    if exact:
        first = np.array([(of == j).argmax() for j in range(len(counts))])
        orders = first[np.array(list(_arrangements(tuple(counts))), dtype=int).reshape(number, len(x))]
    else:
        rng, number = np.random.default_rng(seed), at_most
        orders = np.array([rng.permutation(len(x)) for _ in range(number)])
    arranged = np.moveaxis(x[orders], 0, 2)
    many = (np.broadcast_to(a[:, None], (len(y), number)) for a in (y, v))
    results, observed = regress(*many, arranged, tau2=tau2, ci=ci), regress(y, v, x, tau2=tau2, ci=ci)
    # Equal statistics may differ by rounding, and by what iterations leave.
    coefficients = np.abs(results.statistic[1:]) >= np.abs(observed.statistic[1:, None]) * (1 - 1e-7)
    together = results.qm >= observed.qm * (1 - 1e-7)
    extra = 0 if exact else 1
    p = np.where(np.isnan(observed.statistic[1:]), np.nan, (coefficients.sum(axis=1) + extra) / (number + extra))
    qm_p = np.nan if np.isnan(observed.qm) else float((together.sum() + extra) / (number + extra))
    return Permuted(p, qm_p, number, exact)


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
    y, v : array_like, shape (k,)
        As in `pooling.pool`.
    tau2, ci, level
        As in `pooling.pool`.

    Returns
    -------
    labels : ndarray, shape (g,)
        The groups, sorted.
    pooled : Pooled
        Their results, shape (g,).

    Raises
    ------
    ValueError
        As `pooling.pool`.
    """
    labels, *columns = by_group(groups, y, v)
    y, v, _ = studies_by_analysis(y, v)
    refuse_options(tau2, ci, level)
    design = (np.asarray(groups)[:, None] == labels).T[:, :, None].astype(float)
    model = _fit_groups(y, v, design)
    return labels, pool(*columns, tau2=float(between_study_variance(model, tau2)[0]), ci=ci, level=level)


def _fit_groups(y, v, design) -> _Moderated:
    used = (~(np.isnan(y) | np.isnan(v)) & (v != 0))[:, 0]
    design = design[:, used][design[:, used].any(axis=(1, 2))]
    return _Moderated(y[used], v[used], np.array([used.sum()]), design / np.sqrt(design.sum(axis=1, keepdims=True)))


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
    k, m = y.shape
    whole = _fit(y, v, design, tau2)
    used = np.isfinite(whole.model.v)
    # Analysis j of the k to each of the m lacks study j.
    lacking = np.where(np.eye(k, dtype=bool)[:, :, None], np.nan, np.where(used, y, np.nan)[:, None, :])
    tiled = design if design.shape[2] == 1 else np.tile(design, (1, 1, k))
    without = _fit(lacking.reshape(k, k * m), np.tile(v, (1, k)), tiled, tau2)
    x = np.broadcast_to(design, (len(design), k, m))
    v = np.where(used, v, np.nan)
    coefficients = without.coefficients.reshape(-1, k, m)
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
    results = (np.where(used & ~np.isnan(t2), value, np.nan) for value in results)
    return Influence(*(value[:, 0] if single else value for value in results))
