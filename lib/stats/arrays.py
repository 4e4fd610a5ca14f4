"""Checks and layout of the arrays that the other modules of this room share.

Belongs here: the shape that one analysis and many analyses are brought to, the values and options that every analysis
refuses, and the slices in which many analyses are taken. Does not belong here: any formula.
"""

from __future__ import annotations

import numpy as np

# Analyses are taken in blocks whose arrays of studies stay in the processor's cache; the memory needed beyond input
# and weights is that of a block.
_BLOCK = 80_000
# Sums of squared weights of smaller variances leave the range of floating-point numbers.
LEAST_VARIANCE = 1e-140


def studies_by_analysis(y, v) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return effects and variances as (k, m), and whether they were one analysis; ValueError for other shapes."""
    y, v = np.asarray(y, dtype=float), np.asarray(v, dtype=float)
    if y.shape != v.shape or y.ndim not in (1, 2):
        raise ValueError(f"y and v must both have shape (k,) or (k, m), not {y.shape} and {v.shape}")
    return (y[:, None], v[:, None], True) if y.ndim == 1 else (y, v, False)


def refuse_values(y: np.ndarray, v: np.ndarray) -> None:
    """Raise ValueError for an effect or variance that no analysis can use; NaN stands for one that is absent."""
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


def column_slices(k: int, m: int):
    """Yield slices of m analyses of k numbers each, few enough to stay in the processor's cache."""
    step = max(_BLOCK // max(k, 1), 1)
    yield from (slice(begin, min(begin + step, m)) for begin in range(0, m, step))
