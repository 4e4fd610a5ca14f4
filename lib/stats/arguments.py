"""Bring arguments to arrays of one shape, with the names of studies and analyses.

Belongs here: the conversion to numbers, shapes and their errors, names, and the classes of warnings. Does not belong
here: which values and options are refused (`checks`), any formula of meta-analysis, and array types (`arrays`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lib.stats.arrays import Floats

Names: TypeAlias = tuple[Any, ...]
"""Names of studies, analyses or moderators, in order; empty if none were given: they are then numbered from 0."""


class PoolingWarning(UserWarning):
    """A result needs attention: there was nothing to pool, no estimate exists, or an iteration did not converge."""


class LeftOutWarning(PoolingWarning):
    """A study of a single analysis was left out; the message names it."""


class Studies(NamedTuple):
    """The columns of studies as arrays of one shape, with names.

    Attributes
    ----------
    columns : list of ndarray
        The columns, with the same shape.
    names, analyses : tuple
        Names of the studies and of the analyses.
    """

    columns: list[Floats]
    names: Names
    analyses: Names


class Effects(NamedTuple):
    """Effects and variances of studies, shape (k, m), with names.

    Attributes
    ----------
    y, v : ndarray, shape (k, m)
        Effect sizes and sampling variances; m = 1 for one analysis.
    single : bool
        Whether they were one analysis, of shape (k,).
    names, analyses : tuple
        Names of the studies and of the analyses.
    """

    y: Floats
    v: Floats
    single: bool
    names: Names
    analyses: Names


def to_numbers(argument: str, values: ArrayLike) -> Floats:
    """Return an argument as an array of floats.

    Parameters
    ----------
    argument : str
        Its name, for the message.
    values : array_like
        Numbers; missing values of pandas become NaN.

    Raises
    ------
    ValueError
        If a value is not a number.

    Examples
    --------
    >>> to_numbers("events", [3, "eight"])
    Traceback (most recent call last):
    ValueError: events must be numbers, not 'eight'
    """
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        if hasattr(values, "to_numpy"):
            values = values.to_numpy(dtype=object, na_value=np.nan)
        return np.array(_as_numbers(argument, values), dtype=float)


def _as_numbers(argument: str, values: Any) -> Any:
    """Return nested lists of floats of equal length; raise a ValueError that names a value that is not a number."""
    if isinstance(values, Iterable) and not isinstance(values, str):
        inner = [_as_numbers(argument, value) for value in values]
        if len({np.shape(value) for value in inner}) > 1:
            raise ValueError(f"{argument} must have as many numbers in each row as in the others")
        return inner
    try:
        return float(values)
    except (TypeError, ValueError):
        raise ValueError(f"{argument} must be numbers, not {values!r}") from None


def one_shape(names: Sequence[Any] | None = None, /, **columns: ArrayLike) -> Studies:
    """Return columns of studies as arrays of one shape, with the names of studies and analyses.

    Parameters
    ----------
    names : sequence, optional
        Names of the studies; by default the index of the first pandas object among the columns.
    **columns : array_like
        Columns by the name of their argument. They must have the same shape, except that one number can be given for
        all studies, and one column (k, 1) for all m analyses.

    Raises
    ------
    ValueError
        If shapes differ, the indexes of pandas objects differ, or there is not one name for each study.

    Examples
    --------
    >>> one_shape(events=[3, 8, 12], n=20).columns[1]
    array([20., 20., 20.])
    >>> one_shape(events=[3, 8, 12], n=[20, 18])
    Traceback (most recent call last):
    ValueError: events has 3 studies and n has 2: give a number for each study in both
    """
    arrays = [to_numbers(argument, column) for argument, column in columns.items()]
    own_names, analyses = _labels(columns)
    shape = arrays[0].shape
    if any(array.shape != shape for array in arrays):
        largest = max(range(len(arrays)), key=lambda i: (arrays[i].ndim, arrays[i].size))
        for argument, array in zip(columns, arrays, strict=True):
            _refuse_other_shape(list(columns)[largest], arrays[largest].shape, argument, array.shape)
        arrays = list(np.broadcast_arrays(*arrays))
        shape = arrays[0].shape
    return Studies(arrays, _checked_names(names, shape[0] if shape else 1) or own_names, analyses)


def effects(y: ArrayLike, v: ArrayLike, names: Sequence[Any] | None = None, **others: ArrayLike | None) -> Effects:
    """Bring the effects and variances of one analysis or many to two dimensions.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, for one analysis or for m.
    names : sequence, optional
        Names of the studies; by default the index of a pandas object.
    **others : array_like
        Other arguments with a row for each study: the index of a pandas object must be the same.

    Raises
    ------
    ValueError
        If the shapes differ or have another number of dimensions, the indexes of pandas objects differ, or there is not
        one name for each study.

    Examples
    --------
    >>> effects([0.1, 0.5], [0.02, 0.03]).y
    array([[0.1],
           [0.5]])
    """
    columns = {"y": y, "v": v}
    effect, variance = (to_numbers(argument, column) for argument, column in columns.items())
    own_names, analyses = _labels(columns)
    own_names = _labels(columns | others)[0] if others else own_names
    if effect.shape != variance.shape or effect.ndim not in (1, 2):
        raise ValueError(f"y and v must both have shape (k,) or (k, m), not {effect.shape} and {variance.shape}")
    names = _checked_names(names, len(effect)) or own_names
    if effect.ndim == 1:
        return Effects(effect[:, None], variance[:, None], True, names, analyses)
    return Effects(effect, variance, False, names, analyses)


def _refuse_other_shape(largest: str, shape: tuple[int, ...], argument: str, other: tuple[int, ...]) -> None:
    """Raise ValueError unless an argument of another shape can serve the studies and analyses of the largest one."""
    if other in ((), shape):
        return
    if len(other) < len(shape):
        raise ValueError(
            f"{largest} has shape {shape} and {argument} {other}: give {argument} the shape {shape}, or one column of"
            f" shape ({shape[0]}, 1), as {argument}[:, None], if it is the same in all analyses"
        )
    if other[0] != shape[0]:
        raise ValueError(
            f"{largest} has {shape[0]} studies and {argument} has {other[0]}: give a number for each study in both"
        )
    if any(size not in (1, whole) for size, whole in zip(other, shape, strict=True)):
        raise ValueError(f"{largest} has shape {shape} and {argument} {other}: give both the same number of analyses")


def _labels(columns: Mapping[str, ArrayLike | None]) -> tuple[Names, Names]:
    """Return names of studies and analyses from the index and the columns of pandas objects."""
    first, index = "", None
    analyses: Names = ()
    for argument, column in columns.items():
        # Lists have an attribute ``index``, too, but it is a method.
        own = getattr(column, "index", None)
        if own is None or callable(own):
            continue
        if index is None:
            first, index = argument, own
        elif not index.equals(own):
            raise ValueError(
                f"{first} and {argument} have different indexes, so that their rows may be of different studies: put"
                " them into one table, or pass arrays in the same order"
            )
        analyses = analyses or tuple(getattr(column, "columns", ()))
    return (() if index is None else tuple(index)), analyses


def index_names(**columns: ArrayLike | None) -> Names:
    """Return the index of pandas objects, which must be the same, as names; empty for other objects."""
    return _labels(columns)[0]


def _checked_names(names: Sequence[Any] | None, number: int, things: str = "studies") -> Names:
    """Convert given names to a tuple; raise ValueError unless there is one for each study, analysis or moderator."""
    if names is None:
        return ()
    if isinstance(names, str) or len(names) != number:
        actual = repr(names) if isinstance(names, str) else len(names)
        raise ValueError(f"names must have an entry for each of {number} {things}, not {actual}")
    return tuple(names)


def moderator_labels(moderators: Any, names: Sequence[Any] | None, number: int) -> Names:
    """Return the names of moderators: those given, those of a pandas object, or "moderator 1" and so on."""
    own_labels = getattr(moderators, "columns", None)
    if own_labels is None and not callable(getattr(moderators, "name", print)):
        own_labels = [moderators.name] if moderators.name is not None else None
    labels = _checked_names(names, number, "moderators")
    return labels or tuple(own_labels if own_labels is not None else (f"moderator {j + 1}" for j in range(number)))


def study(position: int, names: Names) -> str:
    """Return how a message refers to a study.

    Examples
    --------
    >>> study(1, ("Synthetic A", "Synthetic B")), study(1, ())
    ("study 'Synthetic B'", 'the study with index 1')
    """
    name = names[position] if names else position
    return f"study {name!r}" if isinstance(name, str) else f"the study with index {name}"
