"""The mixed-effects model with moderators: its design, its fit, and the statistics of its coefficients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lib.stats.arrays import refuse_values
from lib.stats.tau2 import between_study_variance

# A moderator is one of those before it, to rounding, if less than this share of it is its own.
_COLLINEAR = 1e-10
CI = ("normal", "hksj")
"""Confidence intervals of coefficients: normal, or after Knapp and Hartung."""
NO_FIT = "too few studies, or moderators that follow from each other"


class ModeratedMean:
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
        """Return the model of some of the analyses."""
        basis = self.basis if self.basis.shape[2] == 1 else self.basis[:, :, columns]
        return ModeratedMean(self.y[:, columns], self.v[:, columns], self.k[columns], basis)

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
        """Return the generalised Q and its slope."""
        weight, _, _, residual = self.fit(t2)
        return (weight * residual**2).sum(axis=0), ((weight * residual) ** 2).sum(axis=0)

    def score(self, t2, restricted):
        """Return twice the slope of the (restricted) log likelihood."""
        weight, inverse, _, residual = self.fit(t2)
        expected = self._trace(weight, inverse) if restricted else weight.sum(axis=0)
        return ((weight * residual) ** 2).sum(axis=0) - expected

    def log_likelihood(self, t2, restricted):
        """Return twice the (restricted) log likelihood, up to a constant."""
        weight, inverse, _, residual = self.fit(t2)
        value = np.log(weight, out=np.zeros_like(weight), where=weight > 0).sum(axis=0)
        value -= (weight * residual**2).sum(axis=0)
        return value + np.linalg.slogdet(inverse)[1] if restricted else value

    def unweighted(self):
        """Return sums of squares without weights."""
        present = np.isfinite(self.v)
        y = np.where(present, self.y, 0.0)
        residual = y - (self.basis * (self.basis * y).sum(axis=1)[:, None]).sum(axis=0)
        own = 1 - (self.basis**2).sum(axis=0)
        around_mean = (y**2).sum(axis=0) - y.sum(axis=0) ** 2 / np.maximum(self.k, 1)
        return (residual**2).sum(axis=0), np.sum(self.v * own, axis=0, where=present), around_mean

    def bounds(self):
        """Return the smallest and largest variance, and a bound of the sum of squares."""
        return self.v.min(axis=0), np.where(np.isinf(self.v), 0.0, self.v).max(axis=0), self.unweighted()[0]


class MixedFit(NamedTuple):
    """A fitted model, coefficients (c, m) and their covariance (m, c, c) in the units of the design (c, k, m)."""

    model: ModeratedMean
    design: np.ndarray
    k: np.ndarray
    t2: np.ndarray
    weight: np.ndarray
    residual: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray


def centred_effects(y, v, used):
    """Return effects less their mean (0 if absent), variances (infinite if absent), their numbers, and the mean."""
    k = used.sum(axis=0)
    y = np.where(used, y, 0.0)
    mean = y.sum(axis=0) / np.maximum(k, 1)
    return np.where(used, y - mean, 0.0), np.where(used, v, np.inf), k, mean


def fit_mixed(y, v, design, method: str) -> MixedFit:
    """Fit m analyses of shape (k, m) with a design of shape (c, k, m) or (c, k, 1), NaN for what is absent."""
    refuse_values(y, v)
    used = ~(np.isnan(y) | np.isnan(v) | np.isnan(design).any(axis=0)) & (v != 0)
    y, v, k, centre = centred_effects(y, v, used)
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
    model = ModeratedMean(y, v, k, np.moveaxis(basis, (0, 1, 2), (2, 1, 0)))
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
    return MixedFit(model, design, k, t2, weight, residual, coefficients, covariance)


def wald_statistics(fit: MixedFit, ci: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
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


def design_matrix(y: np.ndarray, moderators) -> np.ndarray:
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
