"""Trim-and-fill: the studies that would make a funnel symmetric, and the pooled result with them.

Belongs here: the method for one analysis, (k,), or for m at once, (k, m), NaN for an absent study. Does not belong
here: tests of a funnel's asymmetry (`small_study_effects`), and the funnel plot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from numpy.typing import ArrayLike

from lib.stats.arguments import Effects, effects
from lib.stats.arrays import Booleans, Count, Floats, Integers, Number, usable
from lib.stats.checks import refuse_unknown, refuse_values, warn_left_out, without_weight
from lib.stats.display import Displayed, Shown, counted, interval, listed, number, percent, rest
from lib.stats.pooled_result import Pooled
from lib.stats.pooling import pool, pool_effects
from lib.stats.small_study_effects import regression_test
from lib.stats.tau2 import TAU2

if TYPE_CHECKING:
    import pandas as pd

FEWEST_TO_FILL = 3
"""Smallest number of studies for trim-and-fill: two studies cannot show an asymmetry."""

_MAX_STEPS = 100


@dataclass(frozen=True, eq=False, repr=False)
class TrimFill(Displayed, Generic[Number, Count]):
    """The result of trim-and-fill; numbers for one analysis, arrays of shape (m,) for many.

    Attributes
    ----------
    missing : int
        Number of studies added.
    right : bool
        Whether they were added on the right of the funnel.
    y, v : ndarray, shape (2 k,) or (2 k, m)
        Effects and variances of the studies, followed by those of the added ones; NaN in the remaining places.
    pooled : Pooled
        Pooled result of all of them.
    """

    missing: Count
    right: bool | Booleans
    y: Floats
    v: Floats
    pooled: Pooled[Number, Count]

    def to_frame(self) -> pd.DataFrame:
        """Return the result as a data frame with a row for each analysis: studies added, then those of `Pooled`."""
        frame = self.pooled.to_frame().drop(columns="left_out")
        frame.insert(0, "missing", self.missing)
        frame.insert(1, "right", self.right)
        return frame

    def _shown(self, most: int) -> Shown:
        level = f"{percent(self.pooled.level)} CI"
        if isinstance(self.missing, int):
            rows: list[Sequence[str]] = [
                ("Studies added", f"{self.missing}"),
                ("Side of the funnel", ("right" if self.right else "left") if self.missing else "none"),
                ("Estimate with them", number(self.pooled.estimate)),
                (level, interval(self.pooled.ci_low, self.pooled.ci_high)),
            ]
            return Shown(f"Trim-and-fill of {counted(self.pooled.k - self.missing)}", rows)
        missing, m = self.missing, len(self.missing)
        sides = np.where(missing > 0, np.where(self.right, "right", "left"), "none")
        limits = self.pooled.estimate, self.pooled.ci_low, self.pooled.ci_high
        columns: list[Any] = [listed(self.pooled.analyses, m), missing, sides, *limits]
        rows = [
            [str(name), f"{added}", str(side), number(estimate), interval(low, high)]
            for name, added, side, estimate, low, high in zip(*(column[:most] for column in columns), strict=True)
        ]
        header = ("Analysis", "Studies added", "Side", "Estimate with them", level)
        return Shown(f"Trim-and-fill of {m:,} analyses", rows, header, rest(len(rows), m))


def trim_and_fill(
    y: ArrayLike, v: ArrayLike, *, tau2: str = "DL", names: Sequence[Any] | None = None
) -> TrimFill[Any, Any]:
    """Add the studies that would make a funnel symmetric, and pool all (trim-and-fill).

    The method shows how much a result depends on one assumption about missing studies; it does not identify them. It is
    that of Duval and Tweedie (2000, doi:10.1080/01621459.2000.10473905), with their estimator L0 of the
    number of missing studies, which uses the sum of ranks.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    tau2 : str
        Estimator of the between-study variance, one of `TAU2`, used in every step and for the final result.
    names : sequence, optional
        Names of the studies, for messages; by default the index of a pandas object.

    Returns
    -------
    TrimFill
        The number of studies added; the side on which small studies are lacking, determined by a regression on standard
        errors with the same estimator of tau²; the data with the added studies; and their pooled result.

    Raises
    ------
    ValueError
        If an analysis has fewer than `FEWEST_TO_FILL` studies with a variance above 0; otherwise as in `pool`.

    Warns
    -----
    LeftOutWarning
        As in `pool`.

    Examples
    --------
    >>> result = trim_and_fill([0.2, 0.3, 0.25, 0.9, 1.2, 1.5], [0.01, 0.02, 0.05, 0.2, 0.3, 0.3])
    >>> print(f"{result.missing} studies added, estimate {result.pooled.estimate:.2f}")
    2 studies added, estimate 0.31
    """
    refuse_unknown("tau2", tau2, TAU2)
    effect_data = effects(y, v, names)
    y, v = effect_data.y, effect_data.v
    refuse_values(y, v, effect_data.names)
    used = usable(y, v)
    k: Integers = used.sum(axis=0)
    if (k < FEWEST_TO_FILL).any():
        raise ValueError(f"trim-and-fill needs at least {FEWEST_TO_FILL} studies in each analysis, not {k.min()}")
    if effect_data.single:
        warn_left_out(effect_data.names, without_weight(y, v))
    y, v = np.where(used, y, np.nan), np.where(used, v, np.nan)
    to_right = np.nan_to_num(regression_test(y, v, np.sqrt(v), tau2, "normal")[1]) < 0
    # Change the sign of the effects if studies are missing on the right, so that they are always missing on the left.
    sign = np.where(to_right, -1.0, 1.0)
    order = np.argsort(sign * y, axis=0, kind="stable")
    ranked, variances = sign * np.take_along_axis(y, order, axis=0), np.take_along_axis(v, order, axis=0)
    place = np.arange(len(ranked))[:, None]
    missing = np.zeros(k.shape, dtype=int)
    for _ in range(_MAX_STEPS):
        untrimmed = place < k - missing
        mean = pool(np.where(untrimmed, ranked, np.nan), variances, tau2=tau2).estimate
        previous, missing = missing, _number_missing(ranked - mean, k)
        if (previous == missing).all():
            break
    added = (place >= k - missing) & (place < k)
    # The studies in their original order, then those added.
    filled = np.concatenate([y, np.where(added, 2 * mean - ranked, np.nan) * sign])
    variances = np.concatenate([v, np.where(added, variances, np.nan)])
    pooled = pool_effects(Effects(filled, variances, effect_data.single, (), effect_data.analyses), [], tau2=tau2)
    if effect_data.single:
        return TrimFill(int(missing[0]), bool(to_right[0]), filled[:, 0], variances[:, 0], pooled)
    return TrimFill(missing, to_right, filled, variances, pooled)


def _number_missing(residual: Floats, k: Integers) -> Integers:
    """Return the number of studies missing on the left, from the signed ranks of residuals."""
    rank = np.argsort(np.argsort(np.abs(residual), axis=0, kind="stable"), axis=0, kind="stable") + 1
    number = np.rint((4 * np.where(residual > 0, rank, 0).sum(axis=0) - k * (k + 1)) / (2 * k - 1)).astype(int)
    clipped: Integers = np.clip(number, 0, np.maximum(k - 1, 0))
    return clipped
