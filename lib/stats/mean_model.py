"""The model of studies around one common mean: the quantities that estimators of tau² need.

Belongs here: the interface between estimators and data (`MeanModel`), and its implementation for one common mean
(`Mean`). Does not belong here: the equations of the estimators (`tau2`), and a mean that depends on moderators
(`mixed_model`).
"""

from __future__ import annotations

import threading
from typing import Protocol, Self

import numpy as np

from lib.stats.arguments import Names
from lib.stats.arrays import LEAST_VARIANCE, Booleans, Floats, Integers, usable
from lib.stats.checks import refuse_values

# If all studies but one together have less than this share of the weight, differences from that one lose digits.
_DOMINATED = 1e-6


class MeanModel(Protocol):
    """Studies around a mean, as the estimators of tau² see them.

    Arrays have shape (m,), a number for each analysis, unless stated otherwise.

    Attributes
    ----------
    v : ndarray, shape (k, m)
        Sampling variances, infinite for an absent study.
    k, df : ndarray of int
        Number of studies, and degrees of freedom of the residuals (not below 0).
    q_fixed, trace : ndarray
        Q with weights 1 / v, and the slope of its expectation in tau².
    """

    v: Floats
    k: Integers
    df: Integers
    q_fixed: Floats
    trace: Floats

    def take(self, columns: Integers) -> Self:
        """Return the model of some of the analyses."""

    def q(self, t2: Floats) -> tuple[Floats, Floats]:
        """Return the generalised Q at tau², and its slope with the sign changed: Q falls, so it is positive."""

    def score(self, t2: Floats, restricted: bool) -> Floats:
        """Return twice the slope of the (restricted) log likelihood in tau²."""

    def log_likelihood(self, t2: Floats, restricted: bool) -> Floats:
        """Return twice the (restricted) log likelihood at tau², up to a constant."""

    def unweighted(self) -> tuple[Floats, Floats, Floats]:
        """Return three sums without weights.

        They are the residual sum of squares, the part of it that sampling error is expected to add, and the sum of
        squares around a single mean.
        """

    def bounds(self) -> tuple[Floats, Floats, Floats]:
        """Return the smallest and the largest variance, and an upper bound of the residual sum of squares."""


class Scratch(threading.local):
    """Memory that each thread reuses, because allocating new memory would take longer than computing the sums."""

    def __init__(self) -> None:
        self.memory: Floats = np.empty(0)

    def arrays(self, number: int, shape: tuple[int, ...]) -> Floats:
        """Return arrays of shape (k, m); the next call reuses their memory."""
        size = number * shape[0] * shape[1]
        if self.memory.size < size:
            self.memory = np.empty(size)
        return self.memory[:size].reshape(number, *shape)


_SCRATCH = Scratch()


class Mean:
    """Studies around one common mean, a `MeanModel`. Construct it with `Mean.centred`.

    Attributes
    ----------
    y : ndarray, shape (k, m)
        Effects less ``centre``.
    centre : ndarray, shape (m,)
        The common-effect mean.
    absent : bool
        Whether any analysis lacks a study.
    """

    centre: Floats
    q_fixed: Floats
    trace: Floats

    def __init__(self, y: Floats, v: Floats, k: Integers) -> None:
        self.y, self.v, self.k, self.df = y, v, k, np.maximum(k - 1, 0)
        self.absent = bool((k < len(v)).any())

    @classmethod
    def centred(cls, y: Floats, v: Floats, k: Integers, *, out: Floats | None = None) -> Self:
        """Return the model of m analyses.

        Parameters
        ----------
        y, v : ndarray, shape (k, m)
            Effect sizes and sampling variances; an absent study has v = infinity and any finite y.
        k : ndarray of int, shape (m,)
            Number of studies present.
        out : ndarray, shape (k, m), optional
            Memory for the centred effects, for callers that make one model after another. The model is valid only
            until that memory is used again.
        """
        self = cls(y, v, k)
        weight, total = self.weights(0.0, _SCRATCH.arrays(1, v.shape)[0])
        self.centre = self.mean(weight, total)
        # Centre the effects on this mean, so that the sums below lose no digits, wherever the effects lie.
        self.y = np.subtract(y, self.centre, out=out)
        self.trace = _trace(weight, total)
        alone = (self.trace < _DOMINATED * total).nonzero()[0]
        if alone.size:
            # If one study has all the weight, its difference from the mean is lost to rounding: centre on that study.
            self.centre[alone] = y[weight[:, alone].argmax(axis=0), alone]
            self.y[:, alone] = y[:, alone] - self.centre[alone]
        if self.absent:
            self.y[np.isinf(v)] = 0.0
        weight *= self.y
        # The Q of one study is 0 by definition; computing it would leave a rounding error.
        self.q_fixed = (self.q(0.0)[0] if alone.size else _dot(weight, self.y)) * (k > 1)
        return self

    def take(self, columns: Integers) -> Self:
        """Return the model of some of the analyses."""
        part = type(self)(self.y[:, columns], self.v[:, columns], self.k[columns])
        part.centre, part.trace, part.q_fixed = self.centre[columns], self.trace[columns], self.q_fixed[columns]
        return part

    def weights(self, t2: Floats | float, out: Floats | None = None) -> tuple[Floats, Floats]:
        """Return weights 1 / (v + tau²), of shape (k, m), and their sums; the sum over no study is given as 1."""
        weight = np.add(self.v, t2, out=out)
        np.divide(1.0, weight, out=weight)
        total: Floats = np.add.reduce(weight)
        total[self.k == 0] = 1.0
        return weight, total

    def mean(self, weight: Floats, total: Floats) -> Floats:
        """Return the weighted mean of the centred effects."""
        return _dot(weight, self.y) / total

    def _fit(self, t2: Floats | float) -> tuple[Floats, Floats, Floats]:
        """Return weights, their sums, and residuals; weights and residuals are overwritten by the next fit."""
        weight, residual = _SCRATCH.arrays(2, self.v.shape)
        _, total = self.weights(t2, weight)
        return weight, total, np.subtract(self.y, self.mean(weight, total), out=residual)

    def q(self, t2: Floats | float) -> tuple[Floats, Floats]:
        """Return the generalised Q at tau², and its slope with the sign changed."""
        weight, _, residual = self._fit(t2)
        weight *= residual
        return _dot(weight, residual), _dot(weight, weight)

    def score(self, t2: Floats, restricted: bool) -> Floats:
        """Return twice the slope of the (restricted) log likelihood in tau²."""
        weight, total, residual = self._fit(t2)
        expected = _trace(weight, total) if restricted else total
        weight *= residual
        return _dot(weight, weight) - expected

    def log_likelihood(self, t2: Floats, restricted: bool) -> Floats:
        """Return twice the (restricted) log likelihood at tau², up to a constant."""
        weight, total, residual = self._fit(t2)
        value: Floats = np.log(weight, out=np.zeros_like(weight), where=weight > 0).sum(axis=0)
        value -= _dot(weight * residual, residual)
        return value - np.log(total) if restricted else value

    def unweighted(self) -> tuple[Floats, Floats, Floats]:
        """Return the residual sum of squares, what sampling error adds to it, and the squares around one mean."""
        count = np.maximum(self.k, 1)
        squares = _dot(self.y, self.y) - np.add.reduce(self.y) ** 2 / count
        return squares, np.sum(self.v, axis=0, where=np.isfinite(self.v)) * self.df / count, squares

    def bounds(self) -> tuple[Floats, Floats, Floats]:
        """Return the smallest and the largest variance, and an upper bound of the residual sum of squares."""
        v = np.where(np.isinf(self.v), 0.0, self.v) if self.absent else self.v
        return np.minimum.reduce(self.v), np.maximum.reduce(v), _dot(self.y, self.y)


def common_mean(y: Floats, v: Floats, names: Names, *, out: Floats | None = None) -> tuple[Mean, Booleans | bool]:
    """Return the model of analyses in the form in which users give them, and which studies it leaves out.

    Parameters
    ----------
    y, v : ndarray, shape (k, m)
        Effect sizes and sampling variances; NaN for an absent study.
    names : tuple
        Names of the studies, for messages.
    out : ndarray, shape (k, m), optional
        As in `Mean.centred`.

    Returns
    -------
    model : Mean
        The studies with a variance above 0 around their mean.
    dropped : ndarray of bool, shape (k, m), or False
        The studies present whose variance is 0, which have no finite weight; False if there are none.

    Raises
    ------
    ValueError
        As in `refuse_values`.
    """
    # Recognise the common case, in which no study is absent, by two passes: if an effect is not finite, neither is the
    # mean.
    if v.size and v.min() >= LEAST_VARIANCE and v.max() < np.inf:
        with np.errstate(invalid="ignore"):
            model = Mean.centred(y, v, np.full(v.shape[1], len(v)), out=out)
        if np.isfinite(model.centre).all():
            return model, False
    refuse_values(y, v, names)
    used = usable(y, v)
    model = Mean.centred(np.where(used, y, 0.0), np.where(used, v, np.inf), used.sum(axis=0), out=out)
    return model, ~(np.isnan(y) | np.isnan(v)) & ~used


def _dot(a: Floats, b: Floats) -> Floats:
    product: Floats = np.einsum("ij,ij->j", a, b)
    return product


def _trace(weight: Floats, total: Floats) -> Floats:
    """Return sum(w) - sum(w²) / sum(w) of the weights w, to full precision."""
    trace = total - _dot(weight, weight) / total
    dominated = (trace < _DOMINATED * total).nonzero()[0]
    if dominated.size:
        rest = weight[:, dominated]
        largest = rest.max(axis=0)
        rest[rest.argmax(axis=0), np.arange(dominated.size)] = 0.0
        others = rest.sum(axis=0)
        trace[dominated] = (2 * largest * others + others**2 - _dot(rest, rest)) / total[dominated]
    return trace
