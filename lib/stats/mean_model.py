"""The model that the estimators of tau² ask about the data: studies around one common mean.

Belongs here: what an estimating equation needs to know of the studies at a given tau². Does not belong here: the
equations (`tau2`) and a mean that depends on moderators (`mixed_model`).
"""

from __future__ import annotations

import threading

import numpy as np

from lib.stats.arrays import LEAST_VARIANCE, refuse_values

# Share of the weight that all studies but one have, below which differences with that one lose digits.
_DOMINATED = 1e-6


class _Scratch(threading.local):
    """Memory to compute in, of each thread: fresh memory from the system costs more than the sums."""

    def __init__(self):
        self.memory = np.empty(0)

    def arrays(self, number: int, shape: tuple[int, int]) -> np.ndarray:
        size = number * shape[0] * shape[1]
        if self.memory.size < size:
            self.memory = np.empty(size)
        return self.memory[:size].reshape(number, *shape)


_ANSWERS, _CENTRED = _Scratch(), _Scratch()


class Mean:
    """Studies around one mean: what the estimators need to know of the data at a given tau².

    Made by `Mean.centred`. Every answer is an array of shape (m,) unless said otherwise.

    Attributes
    ----------
    y, v : ndarray, shape (k, m)
        Effects less their common-effect mean ``centre``, and variances, infinite for an absent study.
    k, df : ndarray of int
        Number of studies, and that less 1 (not below 0).
    q_fixed, trace : ndarray
        Q with weights 1 / v, and the slope of its expectation in tau².
    """

    @classmethod
    def centred(cls, y: np.ndarray, v: np.ndarray, k: np.ndarray) -> Mean:
        """Return the model of m analyses, which lasts until the next is made.

        Parameters
        ----------
        y, v : ndarray, shape (k, m)
            Effect sizes and sampling variances; an absent study has v = infinity and any finite y.
        k : ndarray of int, shape (m,)
            Number of studies present.
        """
        self = cls(y, v, k)
        weight, total = self.weights(0.0)
        self.centre = self.mean(weight, total)
        # Around this mean the sums below lose no digits, wherever the effects lie,
        self.y = np.subtract(y, self.centre, out=_CENTRED.arrays(1, y.shape)[0])
        self.trace = _trace(weight, total)
        alone = (self.trace < _DOMINATED * total).nonzero()[0]
        if alone.size:
            # unless one study has all the weight: the difference between it and the mean is lost to rounding.
            self.centre[alone] = y[weight[:, alone].argmax(axis=0), alone]
            self.y[:, alone] = y[:, alone] - self.centre[alone]
        if self.absent:
            self.y[np.isinf(v)] = 0.0
        # The Q of one study is 0; computed, it would be what rounding leaves of 0.
        weight *= self.y
        self.q_fixed = (self.q(0.0)[0] if alone.size else _dot(weight, self.y)) * (k > 1)
        return self

    def __init__(self, y, v, k):
        self.y, self.v, self.k, self.df = y, v, k, np.maximum(k - 1, 0)
        self.absent = bool((k < len(v)).any())
        self._weight, self._residual = _ANSWERS.arrays(2, v.shape)

    def take(self, columns: np.ndarray) -> Mean:
        """Return the model of some of the analyses."""
        part = Mean(self.y[:, columns], self.v[:, columns], self.k[columns])
        part.centre, part.trace, part.q_fixed = self.centre[columns], self.trace[columns], self.q_fixed[columns]
        return part

    def weights(self, t2, out: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return weights 1 / (v + tau²), of shape (k, m), and their sums; the sum over no study is given as 1.

        Unless they are put ``out`` the weights are overwritten by the next answer.
        """
        weight = np.add(self.v, t2, out=self._weight if out is None else out)
        np.divide(1.0, weight, out=weight)
        total = np.add.reduce(weight)
        total[self.k == 0] = 1.0
        return weight, total

    def mean(self, weight: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the centred effects."""
        return _dot(weight, self.y) / total

    def _fit(self, t2):
        weight, total = self.weights(t2)
        return weight, total, np.subtract(self.y, self.mean(weight, total), out=self._residual)

    def q(self, t2) -> tuple[np.ndarray, np.ndarray]:
        """Return the generalised Q and its slope (positive; Q falls) at tau²."""
        weight, _, residual = self._fit(t2)
        weight *= residual
        return _dot(weight, residual), _dot(weight, weight)

    def score(self, t2, restricted: bool) -> np.ndarray:
        """Return twice the slope of the (restricted) log likelihood in tau²."""
        weight, total, residual = self._fit(t2)
        expected = _trace(weight, total) if restricted else total
        weight *= residual
        return _dot(weight, weight) - expected

    def log_likelihood(self, t2, restricted: bool) -> np.ndarray:
        """Return twice the (restricted) log likelihood at tau², up to a constant."""
        weight, total, residual = self._fit(t2)
        value = np.log(weight, out=np.zeros_like(weight), where=weight > 0).sum(axis=0)
        value -= _dot(weight * residual, residual)
        return value - np.log(total) if restricted else value

    def unweighted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the residual sum of squares without weights, what sampling adds to it, and the sum around a mean."""
        count = np.maximum(self.k, 1)
        squares = _dot(self.y, self.y) - np.add.reduce(self.y) ** 2 / count
        return squares, np.sum(self.v, axis=0, where=np.isfinite(self.v)) * self.df / count, squares

    def bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the smallest and the largest variance, and a bound of the sum of squares around the mean."""
        v = np.where(np.isinf(self.v), 0.0, self.v) if self.absent else self.v
        return np.minimum.reduce(self.v), np.maximum.reduce(v), _dot(self.y, self.y)


def common_mean(y: np.ndarray, v: np.ndarray) -> tuple[Mean, np.ndarray | bool]:
    """Return the model of a block of analyses, and which of its studies were dropped."""
    # Two passes tell the common case, in which nothing is absent; a mean is not finite if an effect is not.
    if v.size and v.min() >= LEAST_VARIANCE and v.max() < np.inf:
        with np.errstate(invalid="ignore"):
            model = Mean.centred(y, v, np.full(v.shape[1], len(v)))
        if np.isfinite(model.centre).all():
            return model, False
    refuse_values(y, v)
    present = ~(np.isnan(y) | np.isnan(v))
    used = present & (v > 0)
    return Mean.centred(np.where(used, y, 0.0), np.where(used, v, np.inf), used.sum(axis=0)), present & ~used


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->j", a, b)


def _trace(weight: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the sum of the weights less that of their squares over it, to full precision."""
    trace = total - _dot(weight, weight) / total
    lost = (trace < _DOMINATED * total).nonzero()[0]
    if lost.size:
        rest = weight[:, lost]
        largest = rest.max(axis=0)
        rest[rest.argmax(axis=0), np.arange(lost.size)] = 0.0
        others = rest.sum(axis=0)
        trace[lost] = (2 * largest * others + others**2 - _dot(rest, rest)) / total[lost]
    return trace
