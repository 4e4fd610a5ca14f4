"""Array types, checks and layout that the other modules of this room share.

Belongs here: the common shape of one analysis and many, the values and options that every analysis refuses, and the
slices in which many analyses are computed. Does not belong here: any formula of meta-analysis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int_]
Booleans: TypeAlias = NDArray[np.bool_]

# A result of one analysis has numbers, a result of many has arrays of shape (m,). Which of them a function returns
# depends on the shape of its arguments, which types do not express: such functions return, say, ``Pooled[Any, Any]``.
Number = TypeVar("Number", bound=float | Floats)
Count = TypeVar("Count", bound=int | Integers)

LEAST_VARIANCE = 1e-140
"""Smallest sampling variance above 0: the sums of squared weights of smaller ones exceed floating-point numbers."""

# Size of one slice of many analyses, in numbers. The arrays of a slice stay in the processor's cache, and only one
# slice needs memory besides input and result.
_SLICE_SIZE = 80_000


def studies_by_analysis(y: ArrayLike, v: ArrayLike) -> tuple[Floats, Floats, bool]:
    """Bring the effects and variances of one analysis or many to two dimensions.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Two numbers of each study, for one analysis or for m.

    Returns
    -------
    y, v : ndarray, shape (k, m)
        The same numbers; m = 1 for one analysis.
    single : bool
        Whether they were one analysis, of shape (k,).

    Raises
    ------
    ValueError
        If the shapes differ or have another number of dimensions.
    """
    y, v = np.asarray(y, dtype=float), np.asarray(v, dtype=float)
    if y.shape != v.shape or y.ndim not in (1, 2):
        raise ValueError(f"y and v must both have shape (k,) or (k, m), not {y.shape} and {v.shape}")
    return (y[:, None], v[:, None], True) if y.ndim == 1 else (y, v, False)


def usable(y: Floats, v: Floats) -> Booleans:
    """Return whether each study has an effect and a variance above 0, without which it has no weight."""
    present: Booleans = ~(np.isnan(y) | np.isnan(v))
    weighable: Booleans = present & (v != 0)
    return weighable


def refuse_values(y: Floats, v: Floats) -> None:
    """Raise ValueError for an effect or a variance that no analysis can use; NaN stands for an absent study."""
    if np.isinf(y).any() or np.isinf(v).any() or (v < 0).any():
        raise ValueError("effects must be finite and sampling variances finite and not negative")
    if ((v > 0) & (v < LEAST_VARIANCE)).any():
        raise ValueError(f"sampling variances must be 0 or at least {LEAST_VARIANCE}, or weights overflow")


def refuse_unknown(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless the option called ``name`` has one of the values that are allowed."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")


def refuse_level(level: float) -> None:
    """Raise ValueError unless a confidence level lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level!r}")


def column_slices(k: int, m: int, *, size: int | None = None) -> Iterator[slice]:
    """Yield slices of m analyses of k numbers each, small enough to stay in the processor's cache.

    Parameters
    ----------
    k, m : int
        Numbers of an analysis, and analyses.
    size : int, optional
        Numbers in one slice, by default 80,000. A slice has at least one analysis.
    """
    step = max((size or _SLICE_SIZE) // max(k, 1), 1)
    yield from (slice(begin, min(begin + step, m)) for begin in range(0, m, step))
