"""Many analyses out of one: leave-one-out, cumulative, by group, and the test between groups."""

from __future__ import annotations

import numpy as np

from lib.stats.pooling import pool


def leave_one_out(*columns) -> tuple[np.ndarray, ...]:
    """Repeat analyses, each time without one of the studies: ``pool(*leave_one_out(y, v))``.

    Parameters
    ----------
    *columns : array_like, shape (k,) or (k, m)
        What is to be repeated.

    Returns
    -------
    tuple of ndarray, shape (k, k) or (k, k m)
        Analysis j m + i is analysis i without study j: ``result.reshape(k, m)`` has a row a study.
    """
    k = len(columns[0])
    return _masked(np.eye(k, dtype=bool), columns)


def cumulative(*columns) -> tuple[np.ndarray, ...]:
    """Repeat analyses, each time with one study more, in the order given.

    Parameters
    ----------
    *columns : array_like, shape (k,) or (k, m)
        What is to be repeated.

    Returns
    -------
    tuple of ndarray, shape (k, k) or (k, k m)
        Analysis j m + i is analysis i with studies 0 to j.
    """
    k = len(columns[0])
    return _masked(np.tril(np.ones((k, k), dtype=bool), -1), columns)


def by_group(groups, *columns) -> tuple[np.ndarray, ...]:
    """Split analyses by the groups of their studies.

    Parameters
    ----------
    groups : array_like, shape (k,)
        Group of each study.
    *columns : array_like, shape (k,) or (k, m)
        What is to be split.

    Returns
    -------
    labels : ndarray, shape (g,)
        The groups, sorted.
    *columns : ndarray, shape (k, g) or (k, g m)
        The columns, NaN for the studies of other groups: analysis j m + i is of group j in analysis i.
    """
    labels, of = np.unique(np.asarray(groups), return_inverse=True)
    return (labels, *_masked(of[:, None] != np.arange(len(labels)), columns))


def _masked(absent: np.ndarray, columns) -> tuple[np.ndarray, ...]:
    """Repeat columns (k,) or (k, m) for each column of ``absent``, with NaN where that is true."""
    k, times = absent.shape
    columns = (np.asarray(column, dtype=float) for column in columns)
    columns = (column if column.ndim == 2 else column[:, None] for column in columns)
    return tuple(np.where(absent[:, :, None], np.nan, c[:, None]).reshape(k, times * c.shape[1]) for c in columns)


def between_groups(estimates, variances) -> tuple[float, int, float]:
    """Test whether subgroups differ.

    Parameters
    ----------
    estimates, variances : array_like, shape (g,) or (g, m)
        Pooled effect of each group and its squared standard error, on the scale of the analysis; NaN for a group that
        is absent.

    Returns
    -------
    q, df, p : float, int, float
        Cochran's Q between the groups, its degrees of freedom and p-value (Borenstein et al. 2009,
        doi:10.1002/9780470743386, chapter 19, a tau² to each group); of shape (m,) for many. With fewer than two
        groups: 0, 0, 1.
    """
    between = pool(estimates, variances, tau2="FE")
    return between.q, between.q_df, between.q_p
