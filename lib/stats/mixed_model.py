"""The mixed-effects model with moderators: its design, its fit, and the statistics of its coefficients.

Belongs here: the computations that meta-regression, its permutation test and influence diagnostics share. Does not
belong here: how each of them uses a fit (`meta_regression`, `permutation`, `influence_measures`).
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from lib.stats.arguments import Names, study, to_numbers
from lib.stats.arrays import Booleans, Floats, Integers, usable
from lib.stats.checks import MISSING, NO_VARIANCE, refuse_values, warn_left_out
from lib.stats.tau2 import between_study_variance

CI = ("normal", "hksj")
"""Confidence intervals of coefficients: normal, or after Knapp and Hartung."""

NO_FIT = "too few studies, or moderators that are collinear: the result is NaN"

# A moderator counts as collinear with those before it if less than this share of it is orthogonal to them.
_COLLINEAR = 1e-10


class ModeratedMean:
    """Studies around a linear predictor, a `MeanModel`.

    Parameters
    ----------
    y, v : ndarray, shape (k, m)
        Effect sizes and sampling variances; an absent study has v = infinity and y = 0.
    k : ndarray of int, shape (m,)
        Number of studies present.
    basis : ndarray, shape (c, k, m) or (c, k, 1)
        Orthonormal columns that span the design, so that sums over them are well conditioned whatever the units of the
        moderators. A group without studies in an analysis has a column of zeros.
    """

    def __init__(self, y: Floats, v: Floats, k: Integers, basis: Floats) -> None:
        self.y, self.v, self.k, self.basis = y, v, k, basis
        self.lacking: Booleans = np.all(basis == 0, axis=1).T
        self.df: Integers = np.maximum(k - (~self.lacking).sum(axis=1), 0)
        weight, inverse, _, residual = self.fit(0.0)
        self.trace: Floats = self._trace(weight, inverse)
        self.q_fixed: Floats = np.where(self.df > 0, (weight * residual**2).sum(axis=0), 0.0)

    def take(self, columns: Integers) -> Self:
        """Return the model of some of the analyses."""
        basis = self.basis if self.basis.shape[2] == 1 else self.basis[:, :, columns]
        return type(self)(self.y[:, columns], self.v[:, columns], self.k[columns], basis)

    def fit(self, t2: Floats | float) -> tuple[Floats, Floats, Floats, Floats]:
        """Return weights, the inverse of the information (m, c, c), coefficients in the basis (c, m) and residuals."""
        weight = 1 / (self.v + t2)
        # A group without studies must not affect the other groups or the determinant.
        information = self._information(weight) + self.lacking[:, :, None] * np.eye(len(self.basis))
        inverse = np.asarray(np.linalg.pinv(information, hermitian=True), dtype=float)
        coefficients: Floats = np.einsum("mij,jm->im", inverse, (self.basis * (weight * self.y)).sum(axis=1))
        return weight, inverse, coefficients, self.y - (self.basis * coefficients[:, None]).sum(axis=0)

    def _information(self, weight: Floats) -> Floats:
        information: Floats = np.einsum("ikm,jkm->mij", self.basis * weight, self.basis)
        return information

    def _trace(self, weight: Floats, inverse: Floats) -> Floats:
        trace: Floats = weight.sum(axis=0) - np.einsum("mij,mji->m", inverse, self._information(weight**2))
        return trace

    def q(self, t2: Floats | float) -> tuple[Floats, Floats]:
        """Return the generalised Q at tau², and its slope with the sign changed."""
        weight, _, _, residual = self.fit(t2)
        return (weight * residual**2).sum(axis=0), ((weight * residual) ** 2).sum(axis=0)

    def score(self, t2: Floats, restricted: bool) -> Floats:
        """Return twice the slope of the (restricted) log likelihood in tau²."""
        weight, inverse, _, residual = self.fit(t2)
        expected: Floats = self._trace(weight, inverse) if restricted else weight.sum(axis=0)
        squares: Floats = ((weight * residual) ** 2).sum(axis=0)
        return squares - expected

    def log_likelihood(self, t2: Floats, restricted: bool) -> Floats:
        """Return twice the (restricted) log likelihood at tau², up to a constant."""
        weight, inverse, _, residual = self.fit(t2)
        value: Floats = np.log(weight, out=np.zeros_like(weight), where=weight > 0).sum(axis=0)
        value -= (weight * residual**2).sum(axis=0)
        return value + np.linalg.slogdet(inverse)[1] if restricted else value

    def unweighted(self) -> tuple[Floats, Floats, Floats]:
        """Return the residual sum of squares, what sampling error adds to it, and the sum around a single mean."""
        present = np.isfinite(self.v)
        y = np.where(present, self.y, 0.0)
        residual = y - (self.basis * (self.basis * y).sum(axis=1)[:, None]).sum(axis=0)
        own = 1 - (self.basis**2).sum(axis=0)
        around_mean = (y**2).sum(axis=0) - y.sum(axis=0) ** 2 / np.maximum(self.k, 1)
        return (residual**2).sum(axis=0), np.sum(self.v * own, axis=0, where=present), around_mean

    def bounds(self) -> tuple[Floats, Floats, Floats]:
        """Return the smallest and the largest variance, and the residual sum of squares without weights."""
        return self.v.min(axis=0), np.where(np.isinf(self.v), 0.0, self.v).max(axis=0), self.unweighted()[0]


class MixedFit(NamedTuple):
    """A fitted model of m analyses with c coefficients.

    ``coefficients`` (c, m) and their ``covariance`` (m, c, c) are in the units of the design (c, k, m) or (c, k, 1);
    ``weight`` and ``residual`` have shape (k, m), ``k`` and ``t2`` shape (m,).
    """

    model: ModeratedMean
    design: Floats
    k: Integers
    t2: Floats
    weight: Floats
    residual: Floats
    coefficients: Floats
    covariance: Floats


def centred_effects(y: Floats, v: Floats, used: Booleans) -> tuple[Floats, Floats, Integers, Floats]:
    """Return effects less their mean (0 if absent), variances (infinite if absent), their numbers, and the mean."""
    k: Integers = used.sum(axis=0)
    y = np.where(used, y, 0.0)
    mean: Floats = y.sum(axis=0) / np.maximum(k, 1)
    return np.where(used, y - mean, 0.0), np.where(used, v, np.inf), k, mean


def weighable(y: Floats, v: Floats, design: Floats) -> Booleans:
    """Return which studies have an effect, a variance above 0, and all moderators."""
    return usable(y, v) & ~np.isnan(design).any(axis=0)


def warn_unfitted(y: Floats, v: Floats, design: Floats, names: Names) -> None:
    """Warn of the studies (k, 1) that a fit leaves out; the warning points to the user's call."""
    missing, lacking = np.isnan(y) | np.isnan(v), np.isnan(design).any(axis=0)
    reasons = [
        (~missing & (v == 0), NO_VARIANCE),
        (missing, MISSING),
        (~missing & (v != 0) & lacking, "a moderator is missing"),
    ]
    warn_left_out(names, reasons, stacklevel=4)


def fit_mixed(y: Floats, v: Floats, design: Floats, method: str) -> MixedFit:
    """Fit the mixed-effects model to m analyses.

    Parameters
    ----------
    y, v : ndarray, shape (k, m)
        Effect sizes and sampling variances; NaN for an absent study.
    design : ndarray, shape (c, k, m) or (c, k, 1)
        The moderators, the first of them the intercept; a study with NaN in one is absent.
    method : str
        Estimator of tau², one of `TAU2`.

    Returns
    -------
    MixedFit
        The fit; NaN if there are fewer studies than coefficients or the moderators are collinear.

    Raises
    ------
    ValueError
        As in `refuse_values`.
    """
    refuse_values(y, v)
    used = weighable(y, v, design)
    y, v, k, centre = centred_effects(y, v, used)
    if not used.all():
        design = np.where(used, design, 0.0)
    # Batches of (k, c) matrices, padded with absent studies if R would not be square.
    columns = np.pad(np.moveaxis(design, (0, 1), (2, 1)), ((0, 0), (0, max(len(design) - len(y), 0)), (0, 0)))
    size = np.sqrt((columns**2).sum(axis=1))
    basis, r = np.linalg.qr(columns / np.where(size > 0, size, 1.0)[:, None])
    basis = basis[:, : len(y)]
    collinear = np.abs(np.diagonal(r, axis1=1, axis2=2)).min(axis=1) < _COLLINEAR
    bad = collinear | (k < len(design))
    r[collinear] = np.eye(len(design))
    model = ModeratedMean(y, v, k, np.moveaxis(basis, (0, 1, 2), (2, 1, 0)))
    t2 = between_study_variance(model, method)
    weight, inverse, coefficients, residual = model.fit(t2)
    back = np.linalg.inv(r) / np.where(size > 0, size, 1.0)[:, :, None]
    coefficients = np.einsum("mij,jm->im", back, coefficients)
    # The first column is the intercept: add the mean that was subtracted from the effects.
    coefficients[0] += centre
    covariance = back @ inverse @ np.swapaxes(back, 1, 2)
    if bad.any():
        bad = np.broadcast_to(bad, k.shape)
        coefficients[:, bad], covariance[bad], t2[bad] = np.nan, np.nan, np.nan
    return MixedFit(model, design, k, t2, weight, residual, coefficients, covariance)


def wald_statistics(fit: MixedFit, ci: str) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the covariance of coefficients, their standard errors and statistics, and the test of all moderators.

    Parameters
    ----------
    fit : MixedFit
        The model.
    ci : {"normal", "hksj"}
        Whether the covariance has the Knapp-Hartung adjustment.

    Returns
    -------
    covariance : ndarray, shape (c, c, m)
    se, statistic : ndarray, shape (c, m)
    qm : ndarray, shape (m,)
        Chi-square of all moderators; with "hksj" F.
    """
    covariance = np.moveaxis(fit.covariance, 0, 2)
    if ci == "hksj":
        df = np.where(fit.model.df > 0, fit.model.df, np.nan)
        covariance = covariance * ((fit.weight * fit.residual**2).sum(axis=0) / df)
    se = np.sqrt(np.diagonal(covariance).T)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = fit.coefficients / se
    slopes, part = fit.coefficients[1:], np.moveaxis(covariance[1:, 1:], 2, 0)
    invertible = np.isfinite(part).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(part))) > 0)
    inverse = np.full_like(part, np.nan)
    inverse[invertible] = np.linalg.inv(part[invertible])
    qm = np.einsum("im,mij,jm->m", slopes, inverse, slopes)
    return covariance, se, statistic, qm / len(slopes) if ci == "hksj" else qm


def design_matrix(y: Floats, moderators: ArrayLike, names: Names) -> Floats:
    """Return an intercept and the moderators as (c, k, m) or (c, k, 1).

    Parameters
    ----------
    y : ndarray, shape (k, m)
        The effects.
    moderators : array_like, shape (k,), (k, c) or (k, c, m)
        As in `regress`.
    names : tuple
        Names of the studies, for messages.

    Raises
    ------
    ValueError
        If the shape does not fit the effects, or a moderator is infinite or not a number.
    """
    x = to_numbers("moderators", moderators)
    x = x[:, None, None] if x.ndim == 1 else x[:, :, None] if x.ndim == 2 else x
    if x.ndim != 3 or len(x) != len(y) or x.shape[2] not in (1, y.shape[1]):
        raise ValueError(
            f"moderators must have shape (k,), (k, c) or (k, c, m) with k = {len(y)} and m = {y.shape[1]}, "
            f"not {np.shape(moderators)}"
        )
    if np.isinf(x).any():
        position = int(np.isinf(x).any(axis=(1, 2)).argmax())
        raise ValueError(f"{study(position, names)} has an infinite moderator: moderators must be finite")
    return np.concatenate([np.ones((1, len(x), x.shape[2])), np.moveaxis(x, 1, 0)])
