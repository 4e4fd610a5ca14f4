"""The permutation test of a meta-regression.

Belongs here: the permutations of moderators among studies, and the share of them with statistics as large as observed.
Does not belong here: the statistics (`mixed_model`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from numpy.typing import ArrayLike

from lib.stats.arguments import Names, PoolingWarning, effects, moderator_labels
from lib.stats.arrays import Booleans, Count, Floats, Integers, Number, column_slices
from lib.stats.checks import refuse_unknown, refuse_values
from lib.stats.display import Displayed, Shown, crossed_frame, p_value
from lib.stats.mixed_model import CI, NO_FIT, design_matrix, fit_mixed, wald_statistics, warn_unfitted, weighable
from lib.stats.tau2 import TAU2

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Permuted(Displayed, Generic[Number, Count]):
    """The result of a permutation test. Shapes are for m analyses; for one analysis the last dimension is missing.

    Attributes
    ----------
    p : ndarray, shape (c - 1, m)
        p-value of each coefficient except the intercept.
    qm_p : float, shape (m,)
        p-value of all moderators together.
    number : int, shape (m,)
        Number of arrangements.
    exact : bool, shape (m,)
        Whether these are all different arrangements; otherwise they are a random sample.
    names, analyses : tuple
        Names of the moderators and of the analyses.
    """

    p: Floats
    qm_p: Number
    number: Count
    exact: bool | Booleans
    names: Names
    analyses: Names = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the p-values as a data frame: a row for each moderator and one for all together, in each analysis."""
        p = np.concatenate([self.p, np.atleast_1d(self.qm_p)[None] if self.p.ndim > 1 else np.atleast_1d(self.qm_p)])
        names = (*self.names, _ALL)
        return crossed_frame(self.analyses, "moderator", names, {"p": p}, single=self.p.ndim == 1)

    def _shown(self, most: int) -> Shown:
        if self.p.ndim > 1:
            rows = [("Analyses", f"{self.p.shape[1]:,}"), ("Moderators", ", ".join(map(str, self.names)))]
            return Shown("Permutation tests", rows, notes=["to_frame() has a row for each moderator and analysis"])
        rows = [(str(name), p_value(p)) for name, p in zip((*self.names, _ALL), (*self.p, self.qm_p), strict=True)]
        kind = "all" if self.exact else "a random sample of"
        return Shown(f"Permutation test, {kind} {self.number:,} arrangements", rows, ("Moderator", "p"))


_ALL = "all moderators"


def permutation_test(
    y: ArrayLike,
    v: ArrayLike,
    moderators: ArrayLike,
    *,
    tau2: str = "REML",
    ci: str = "normal",
    at_most: int = 5000,
    names: Sequence[Any] | None = None,
    moderator_names: Sequence[Any] | None = None,
) -> Permuted[Any, Any]:
    """Test moderators by permuting them among studies, without assuming a distribution of the statistic.

    With few studies the usual p-values of a meta-regression are too small (Higgins and Thompson 2004,
    doi:10.1002/sim.1752).

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    moderators : array_like, shape (k,), (k, c) or (k, c, m)
        As in `regress`. The moderators of a study move together.
    tau2, ci : str
        As in `regress`. They determine the statistics that are compared.
    at_most : int
        If there are at most this many different arrangements, all are compared; otherwise a random sample of this many,
        which is the same at each call.
    names, moderator_names : sequence, optional
        As in `regress`.

    Returns
    -------
    Permuted
        Share of arrangements with statistics at least as large as those observed. The observed arrangement is added to
        a random sample. NaN if there is no fit.

    Raises
    ------
    ValueError
        As in `regress`.

    Warns
    -----
    PoolingWarning
        If there is no fit.
    LeftOutWarning
        As in `regress`.

    Examples
    --------
    >>> result = permutation_test([0.1, 0.3, 0.6, 0.8, 1.3], [0.02, 0.03, 0.03, 0.05, 0.04], [3, 3, 6, 6, 12])
    >>> print(f"p = {result.p[0]:.3f} of {result.number} arrangements, all: {result.exact}")
    p = 0.033 of 30 arrangements, all: True
    """
    y, v, single, study_names, analyses = effects(y, v, names, moderators=moderators)
    refuse_unknown("tau2", tau2, TAU2)
    refuse_unknown("ci", ci, CI)
    refuse_values(y, v, study_names)
    if at_most < 1:
        raise ValueError(f"at_most must be at least 1, not {at_most!r}")
    design, m = design_matrix(y, moderators, study_names), y.shape[1]
    labels = moderator_labels(moderators, moderator_names, len(design) - 1)
    if single:
        warn_unfitted(y, v, design, study_names)
    used = weighable(y, v, design)
    # Analyses with the same studies and moderators (infinite here for an absent study) share their arrangements.
    x = np.where(used, design[1:], np.inf)
    group = np.unique(x.reshape(-1, m), axis=1, return_inverse=True)[1].reshape(m)
    p, number, exact = np.empty((len(design), m)), np.empty(m, dtype=int), np.empty(m, dtype=bool)
    for j in range(group.max(initial=-1) + 1):
        columns = (group == j).nonzero()[0]
        present = used[:, columns[0]]
        moderators_here = x[:, present, columns[0]]
        orders, exact[columns] = _orders(moderators_here, at_most)
        cells = np.ix_(present, columns)
        p[:, columns] = _share_as_large(y[cells], v[cells], moderators_here, orders, tau2, ci, exact[columns[0]])
        number[columns] = len(orders)
    if np.isnan(p).any():
        warnings.warn(NO_FIT, PoolingWarning, stacklevel=2)
    if single:
        return Permuted(p[:-1, 0], p[-1, 0].item(), number[0].item(), exact[0].item(), labels)
    return Permuted(p[:-1], p[-1], number, exact, labels, analyses)


def _orders(x: Floats, at_most: int) -> tuple[Integers, bool]:
    """Return orders of studies with moderators (c, k), one per row, and whether these are all distinct orders."""
    _, kind, counts = np.unique(x, axis=1, return_inverse=True, return_counts=True)
    k = x.shape[1]
    number = math.factorial(k) // math.prod(math.factorial(int(count)) for count in counts)
    if number > at_most:
        # With a fixed seed the same data give the same p-values.
        rng = np.random.default_rng(0)
        return np.array([rng.permutation(k) for _ in range(at_most)]), False
    first = np.array([(kind.ravel() == j).argmax() for j in range(len(counts))], dtype=int)
    return first[np.array(list(_arrangements(tuple(counts))), dtype=int).reshape(number, k)], True


def _share_as_large(y: Floats, v: Floats, x: Floats, orders: Integers, tau2: str, ci: str, exact: bool) -> Floats:
    """Return the share of orders of moderators (c, k) with statistics at least as large as those of analyses (k, m).

    There is one row for each moderator, and a last row for all moderators together.
    """
    design = np.vstack([np.ones(len(y)), x])

    def statistics(y: Floats, v: Floats, arranged: Floats) -> Floats:
        _, _, statistic, qm = wald_statistics(fit_mixed(y, v, arranged, tau2), ci)
        return np.vstack([np.abs(statistic[1:]), qm])

    # Equal statistics may differ slightly because of rounding and the tolerance of iterations.
    observed = statistics(y, v, design[:, :, None]) * (1 - 1e-7)
    as_large = np.zeros(observed.shape[::-1])
    for part in column_slices(design.size, len(orders) * y.shape[1]):
        order, analysis = np.divmod(np.arange(part.start, part.stop), y.shape[1])
        arranged = statistics(y[:, analysis], v[:, analysis], np.swapaxes(design[:, orders[order]], 1, 2))
        np.add.at(as_large, analysis, (arranged >= observed[:, analysis]).T)
    extra = 0 if exact else 1
    return np.where(np.isnan(observed), np.nan, (as_large.T + extra) / (len(orders) + extra))


def _arrangements(counts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield all different orders of counts[0] zeros, counts[1] ones, and so on, in lexicographic order."""
    order = [j for j, count in enumerate(counts) for _ in range(count)]
    while True:
        yield tuple(order)
        rise = next((i for i in reversed(range(len(order) - 1)) if order[i] < order[i + 1]), None)
        if rise is None:
            return
        larger = next(i for i in reversed(range(len(order))) if order[i] > order[rise])
        order[rise], order[larger] = order[larger], order[rise]
        order[rise + 1 :] = reversed(order[rise + 1 :])
