"""Derive the standard error from a published estimate and its interval, and check whether the numbers agree.

Belongs here: the arithmetic of one estimate with its interval under rounding, for rates pooled on the raw scale.
Does not belong here: the studies behind a rate, and what the rate implies together with them (`rates`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.published.count_model import Z95


@dataclass(frozen=True)
class Reading:
    """What a published estimate with its interval implies.

    Attributes
    ----------
    kind : {"centred", "cut", "off centre", "no interval"}
        Whether the estimate is the middle of the interval, allowing for rounding. "cut": a limit of the interval was
        cut at 0% or 100%, so that its middle is not known.
    se, se_low, se_high : float
        Standard error of the estimate, and its range given the rounding of the published numbers; NaN without an
        interval. If off centre, these follow from the reconciled numbers.
    wrong : {"", "estimate", "ci_low", "ci_high"}
        If off centre, the published number whose change reconciles the three.
    reconciled : float
        The value that reconciles them, as a proportion; NaN if none is needed.
    """

    kind: str
    se: float = np.nan
    se_low: float = np.nan
    se_high: float = np.nan
    wrong: str = ""
    reconciled: float = np.nan


def read_interval(numbers, decimals) -> Reading:
    """Derive the standard error from a published estimate and 95% interval that were pooled on the raw scale.

    Parameters
    ----------
    numbers : sequence of float
        Estimate and both ends of the interval, as proportions; NaN if not published.
    decimals : sequence of int
        Number of decimals of each, as published in percent.

    Returns
    -------
    Reading
        If the estimate is off centre, the number taken to be wrong is the one whose correction changes the fewest
        published digits. If this is true of several, it is a limit of the interval rather than the estimate, and then
        the one with the smaller change.

    Examples
    --------
    >>> read_interval((0.385, 0.282, 0.488), (1, 1, 1)).kind
    'centred'
    >>> read_interval((0.731, 0.326, 0.835), (1, 1, 1)).wrong
    'ci_low'
    """
    published, half = np.array(numbers, dtype=float), half_units(decimals)
    if np.isnan(published).any():
        return Reading("no interval")
    estimate, low, high = published
    # A limit published as 0% or 100% may have been cut there, so that only the other limit determines the interval.
    open_low, open_high = low - half[1] <= 0, high + half[2] >= 1
    kind = "cut" if open_low or open_high else "centred"
    bounds = _se_bounds(published, half, open_low, open_high)
    if bounds[0] <= bounds[1] + 1e-12:
        reach = (high - low) / 2 if kind == "centred" else high - estimate if open_low else estimate - low
        return Reading(kind, float(np.clip(reach / Z95, *bounds)), *bounds)
    return _reconcile(published, half, decimals)


def half_units(decimals) -> np.ndarray:
    """Return half a unit of the last digit of numbers published in percent, as proportions."""
    return 0.5 * 10.0 ** -(np.array(decimals) + 2.0)


def digits_changed(old: str, new: str) -> int:
    """Count the digits in which two numbers, published with the same number of decimals, differ."""
    width = max(len(old), len(new))
    return sum(a != b for a, b in zip(old.rjust(width), new.rjust(width), strict=True))


def _se_bounds(published, half, open_low: bool, open_high: bool) -> tuple[float, float]:
    """Return the smallest and largest standard error for which the rounded numbers agree.

    If there is none, the first is larger than the second.
    """
    (estimate, low, high), (d, d_low, d_high) = published, half
    least, largest = [0.0], [np.inf]
    if not open_high:
        least.append((high - d_high - estimate - d) / Z95)
        largest.append((high + d_high - estimate + d) / Z95)
    if not open_low:
        least.append((estimate - d - low - d_low) / Z95)
        largest.append((estimate + d - low + d_low) / Z95)
    if not (open_low or open_high):
        least.append((high - low - d_low - d_high) / (2 * Z95))
        largest.append((high - low + d_low + d_high) / (2 * Z95))
    elif open_low:
        least.append((estimate - d - low - d_low) / Z95)
    else:
        least.append((high - d_high - estimate - d) / Z95)
    return float(max(least)), float(min(largest))


def _reconcile(published, half, decimals) -> Reading:
    """Return the reading in which one number is changed, so that the estimate is the middle of its interval."""
    estimate, low, high = published
    middles = {"ci_low": 2 * estimate - high, "ci_high": 2 * estimate - low, "estimate": (low + high) / 2}
    best = None
    for order, (name, middle) in enumerate(middles.items()):
        at = ("estimate", "ci_low", "ci_high").index(name)
        unit = 2 * half[at]
        for steps in range(-3, 4):
            value = round(middle / unit + steps) * unit
            tried = published.copy()
            tried[at] = value
            bounds = _se_bounds(tried, half, False, False)
            if not 0 < value < 1 or bounds[0] > bounds[1] + 1e-12:
                continue
            changed = digits_changed(*(f"{100 * v:.{decimals[at]}f}" for v in (published[at], value)))
            key = (changed, order == 2, abs(value - middle), order)
            if best is None or key < best[0]:
                best = (key, name, value, tried, bounds)
    if best is None:
        return Reading("off centre")
    _, name, value, tried, bounds = best
    middle = (tried[2] - tried[1]) / (2 * Z95)
    return Reading("off centre", float(np.clip(middle, *bounds)), *bounds, name, float(value))
