"""The permutation test of a meta-regression."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np

from lib.stats.arrays import column_slices, refuse_unknown, refuse_values, studies_by_analysis
from lib.stats.mixed_model import CI, NO_FIT, design_matrix, fit_mixed, wald_statistics
from lib.stats.tau2 import TAU2, PoolingWarning


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
    refuse_unknown("tau2", tau2, TAU2)
    refuse_unknown("ci", ci, CI)
    refuse_values(y, v)
    design, m = design_matrix(y, moderators), y.shape[1]
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
        warnings.warn(NO_FIT, PoolingWarning, stacklevel=2)
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
        _, _, statistic, qm = wald_statistics(fit_mixed(y, v, arranged, tau2), ci)
        return np.vstack([np.abs(statistic[1:]), qm])

    # Equal statistics may differ by rounding, and by what iterations leave.
    observed = statistics(y, v, design[:, :, None]) * (1 - 1e-7)
    as_large = np.zeros(observed.shape[::-1])
    for some in column_slices(design.size, len(orders) * y.shape[1]):
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
