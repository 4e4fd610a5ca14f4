"""Rearrange one analysis into many: leave-one-out, cumulative, by group, and the test between groups.

Belongs here: the selection of studies for each analysis. Does not belong here: how they are pooled (`pooling`), and the
diagnostics that compare an analysis with those that lack a study (`influence_measures`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lib.stats.arguments import Names, effects, index_names, one_shape
from lib.stats.arrays import Booleans
from lib.stats.display import listed
from lib.stats.pooling import pool_effects


def leave_one_out(*columns: ArrayLike, names: Sequence[Any] | None = None) -> tuple[Any, ...]:
    """Repeat analyses, leaving out one study each time.

    Parameters
    ----------
    *columns : array_like, shape (k,) or (k, m)
        The numbers of the studies, such as effects and variances, or events and numbers observed.
    names : sequence, optional
        Names of the studies; by default the index of a pandas object.

    Returns
    -------
    tuple of ndarray or DataFrame, shape (k, k) or (k, k m)
        The columns, NaN for the study that is left out. Analysis j m + i is analysis i without study j, so that
        ``result.reshape(k, m)`` has a row for each study. If the studies have names, the columns are data frames,
        whose columns name the analyses, and the pooled results show these names.

    Raises
    ------
    ValueError
        If the shapes of the columns differ, or there is not one name for each study.

    Examples
    --------
    >>> from lib.stats import pool_proportions
    >>> pool_proportions(*leave_one_out([3, 8, 12], [20, 18, 30])).estimate.round(2)
    array([0.42, 0.27, 0.28])
    """
    arrays, studies, analyses = _same_shape(columns, names)
    k = len(arrays[0])
    return _masked(np.eye(k, dtype=bool), arrays, studies, [f"without {name}" for name in studies], analyses)


def cumulative(*columns: ArrayLike, names: Sequence[Any] | None = None) -> tuple[Any, ...]:
    """Repeat analyses, adding one study each time, in the order given.

    Parameters
    ----------
    *columns : array_like, shape (k,) or (k, m)
        The numbers of the studies, such as effects and variances, or events and numbers observed.
    names : sequence, optional
        Names of the studies; by default the index of a pandas object.

    Returns
    -------
    tuple of ndarray or DataFrame, shape (k, k) or (k, k m)
        The columns, NaN for later studies. Analysis j m + i is analysis i with studies 0 to j. Data frames as in
        `leave_one_out`.

    Raises
    ------
    ValueError
        As in `leave_one_out`.

    Examples
    --------
    >>> from lib.stats import pool_proportions
    >>> pool_proportions(*cumulative([3, 8, 12], [20, 18, 30])).estimate.round(2)
    array([0.15, 0.28, 0.32])
    """
    arrays, studies, analyses = _same_shape(columns, names)
    k = len(arrays[0])
    later = np.tril(np.ones((k, k), dtype=bool), -1)
    return _masked(later, arrays, studies, [f"+ {name}" for name in studies], analyses)


def by_group(
    groups: ArrayLike, *columns: ArrayLike, names: Sequence[Any] | None = None
) -> tuple[NDArray[Any], *tuple[Any, ...]]:
    """Split analyses by the groups of their studies.

    Parameters
    ----------
    groups : array_like, shape (k,)
        Group of each study.
    *columns : array_like, shape (k,) or (k, m)
        The numbers of the studies, such as effects and variances, or events and numbers observed.
    names : sequence, optional
        Names of the studies; by default the index of a pandas object.

    Returns
    -------
    labels : ndarray, shape (g,)
        The groups, sorted.
    *columns : ndarray or DataFrame, shape (k, g) or (k, g m)
        The columns, NaN for the studies of other groups: analysis j m + i is of group j in analysis i. Data frames as
        in `leave_one_out`.

    Raises
    ------
    ValueError
        As in `leave_one_out`, or if a study has no group.

    Examples
    --------
    >>> from lib.stats import pool_proportions
    >>> labels, events, n = by_group(["adults", "children", "adults"], [3, 8, 12], [20, 18, 30])
    >>> dict(zip(labels.tolist(), pool_proportions(events, n).k.tolist(), strict=True))
    {'adults': 2, 'children': 1}
    """
    arrays, studies, analyses = _same_shape(columns, names, groups)
    labels, group = _groups(groups, len(arrays[0]))
    return labels, *_masked(group[:, None] != np.arange(len(labels)), arrays, studies, labels.tolist(), analyses)


def _groups(groups: ArrayLike, k: int) -> tuple[NDArray[Any], NDArray[np.int_]]:
    """Return the different groups, sorted, and for each study the position of its group among them."""
    group_of_study = np.asarray(groups)
    if group_of_study.shape != (k,):
        raise ValueError(f"groups must have an entry for each of {k} studies, not shape {group_of_study.shape}")
    lacking = [position for position, value in enumerate(group_of_study.tolist()) if value is None or value != value]
    if lacking:
        raise ValueError(f"the study with index {lacking[0]} has no group: give it one, or leave it out")
    labels, group = np.unique(group_of_study, return_inverse=True)
    return labels, group


def _same_shape(
    columns: tuple[ArrayLike, ...], names: Sequence[Any] | None, groups: ArrayLike | None = None
) -> tuple[list[NDArray[np.float64]], Names, Names]:
    """Return columns with shape (k, m), and the names of studies and analyses."""
    if not columns:
        raise ValueError("give at least one column of numbers, such as effects and variances")
    columns_by_name = {f"column {j + 1}": column for j, column in enumerate(columns)}
    arrays, studies, analyses = one_shape(names, **columns_by_name)
    index = index_names(**columns_by_name, groups=groups)
    if arrays[0].ndim not in (1, 2):
        raise ValueError(f"columns must have shape (k,) or (k, m), not {arrays[0].shape}")
    return [x if x.ndim == 2 else x[:, None] for x in arrays], studies or index, analyses


def _masked(
    absent: Booleans,
    columns: list[NDArray[np.float64]],
    studies: Names,
    repeats: Sequence[Any],
    analyses: Names,
) -> tuple[Any, ...]:
    """Repeat columns (k, m) for each column of ``absent``, with NaN where it is true.

    If the studies have names, the results are data frames. Their columns are named after the repeats, and if there is
    more than one analysis, also after the analyses.
    """
    k, times = absent.shape
    m = columns[0].shape[1]
    masked = tuple(np.where(absent[:, :, None], np.nan, x[:, None]).reshape(k, times * m) for x in columns)
    if not studies:
        return masked
    # Imported here: arrays need no pandas, and its import takes a large part of a second.
    import pandas as pd

    if m > 1 or analyses:
        repeats = [f"{analysis}, {repeat}" for repeat in repeats for analysis in listed(analyses, m)]
    return tuple(pd.DataFrame(x, index=list(studies), columns=list(repeats)) for x in masked)


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
    # Do not warn of a group that is absent.
    between = pool_effects(effects(estimates, variances), [], tau2="FE")
    return between.q, between.q_df, between.q_p
