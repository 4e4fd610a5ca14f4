"""Rearrange one analysis into many: leave-one-out, cumulative, by group, and the test between groups.

Belongs here: the selection of studies for each analysis. Does not belong here: how they are pooled (`pooling`), and the
diagnostics that compare an analysis with those that lack a study (`influence_measures`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lib.stats.arrays import Booleans, Floats
from lib.stats.pooling import pool


def leave_one_out(*columns: ArrayLike) -> tuple[Floats, ...]:
    """Repeat analyses, leaving out one study each time.

    Parameters
    ----------
    *columns : array_like, shape (k,) or (k, m)
        The numbers of the studies, such as effects and variances, or events and numbers observed.

    Returns
    -------
    tuple of ndarray, shape (k, k) or (k, k m)
        The columns, NaN for the study that is left out. Analysis j m + i is analysis i without study j, so that
        ``result.reshape(k, m)`` has a row for each study.

    Examples
    --------
    >>> from lib.stats import pool_proportions
    >>> pool_proportions(*leave_one_out([3, 8, 12], [20, 18, 30])).estimate.round(2)
    array([0.42, 0.27, 0.28])
    """
    k = np.shape(columns[0])[0]
    return _masked(np.eye(k, dtype=bool), columns)


def cumulative(*columns: ArrayLike) -> tuple[Floats, ...]:
    """Repeat analyses, adding one study each time, in the order given.

    Parameters
    ----------
    *columns : array_like, shape (k,) or (k, m)
        The numbers of the studies, such as effects and variances, or events and numbers observed.

    Returns
    -------
    tuple of ndarray, shape (k, k) or (k, k m)
        The columns, NaN for later studies. Analysis j m + i is analysis i with studies 0 to j.

    Examples
    --------
    >>> from lib.stats import pool_proportions
    >>> pool_proportions(*cumulative([3, 8, 12], [20, 18, 30])).estimate.round(2)
    array([0.15, 0.28, 0.32])
    """
    k = np.shape(columns[0])[0]
    return _masked(np.tril(np.ones((k, k), dtype=bool), -1), columns)


def by_group(groups: ArrayLike, *columns: ArrayLike) -> tuple[NDArray[Any], *tuple[Floats, ...]]:
    """Split analyses by the groups of their studies.

    Parameters
    ----------
    groups : array_like, shape (k,)
        Group of each study.
    *columns : array_like, shape (k,) or (k, m)
        The numbers of the studies, such as effects and variances, or events and numbers observed.

    Returns
    -------
    labels : ndarray, shape (g,)
        The groups, sorted.
    *columns : ndarray, shape (k, g) or (k, g m)
        The columns, NaN for the studies of other groups: analysis j m + i is of group j in analysis i.

    Examples
    --------
    >>> from lib.stats import pool_proportions
    >>> labels, events, n = by_group(["adults", "children", "adults"], [3, 8, 12], [20, 18, 30])
    >>> dict(zip(labels.tolist(), pool_proportions(events, n).k.tolist(), strict=True))
    {'adults': 2, 'children': 1}
    """
    labels, group = np.unique(np.asarray(groups), return_inverse=True)
    return (labels, *_masked(group[:, None] != np.arange(len(labels)), columns))


def _masked(absent: Booleans, columns: tuple[ArrayLike, ...]) -> tuple[Floats, ...]:
    """Repeat columns (k,) or (k, m) for each column of ``absent``, with NaN where it is true."""
    k, times = absent.shape
    arrays = (np.asarray(column, dtype=float) for column in columns)
    arrays = (x if x.ndim == 2 else x[:, None] for x in arrays)
    return tuple(np.where(absent[:, :, None], np.nan, x[:, None]).reshape(k, times * x.shape[1]) for x in arrays)


def between_groups(estimates: ArrayLike, variances: ArrayLike) -> tuple[Any, Any, Any]:
    """Test whether the pooled effects of subgroups differ.

    Parameters
    ----------
    estimates, variances : array_like, shape (g,) or (g, m)
        Pooled effect of each group and its squared standard error, on the scale of the analysis; NaN for a group that
        is absent.

    Returns
    -------
    q, df, p : float, int, float
        Cochran's Q between the groups, its degrees of freedom and p-value (Borenstein et al. 2009,
        doi:10.1002/9780470743386, chapter 19, a tau² for each group); of shape (m,) for many. With fewer than two
        groups: 0, 0, 1.

    Raises
    ------
    ValueError
        As in `pool`.

    Examples
    --------
    >>> q, df, p = between_groups([0.2, 0.6], [0.01, 0.03])
    >>> print(f"Q {q:.1f} on {df} degree of freedom, p = {p:.3f}")
    Q 4.0 on 1 degree of freedom, p = 0.046
    """
    between = pool(estimates, variances, tau2="FE")
    return between.q, between.q_df, between.q_p
