"""Array types and layout that the other modules of this room share.

Belongs here: the types of arrays, which studies of an array are usable, and the slices in which many analyses are
computed. Does not belong here: any formula of meta-analysis, and checks of arguments (`arguments`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int_]
Booleans: TypeAlias = NDArray[np.bool_]

# A result of one analysis has numbers, a result of many has arrays of shape (m,). Which of them a function returns
# depends on the shape of its arguments, which types do not express: such functions return, say, ``Pooled[Any, Any]``.
Number = TypeVar("Number", bound=float | Floats)
Count = TypeVar("Count", bound=int | Integers)

LEAST_VARIANCE = 1e-140
"""Smallest allowed sampling variance above 0: for smaller ones, sums of squared weights would overflow."""

# Size of one slice of many analyses, in numbers. The arrays of a slice stay in the processor's cache, and only one
# slice needs memory besides input and result.
_SLICE_SIZE = 80_000


def usable(y: Floats, v: Floats) -> Booleans:
    """Return whether each study has an effect and a variance above 0, and therefore a weight."""
    present: Booleans = ~(np.isnan(y) | np.isnan(v))
    weighable: Booleans = present & (v != 0)
    return weighable


def column_slices(k: int, m: int, *, size: int | None = None) -> Iterator[slice]:
    """Yield slices of m analyses of k numbers each, small enough to stay in the processor's cache.

    Parameters
    ----------
    k, m : int
        Number of values in an analysis, and number of analyses.
    size : int, optional
        Number of values in one slice, by default 80,000. A slice has at least one analysis.
    """
    step = max((size or _SLICE_SIZE) // max(k, 1), 1)
    yield from (slice(begin, min(begin + step, m)) for begin in range(0, m, step))
