"""Absolute effects of comparisons within trials: shares with and without the treatment, and number needed to treat.

Belongs here: what follows from a pooled comparison and the risk in its control arms. Does not belong here: the pooling
(`lib.evidence.comparisons`), and effects in words (`lib.report.chapters.comparison_effects`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lib.evidence import Comparison
from lib.stats import Pooled


@dataclass(frozen=True)
class Absolute:
    """The absolute effect of a comparison, as proportions within 0 and 1.

    Attributes
    ----------
    without : float
        Baseline risk: the share of responders in all control arms together.
    estimate, ci_low, ci_high : float
        Share of responders with the treatment, and its 95% confidence interval.
    from_ratio : bool
        Whether the share and its interval are the baseline risk times the risk ratio. If the baseline risk is 0 or
        there is no risk ratio, they are the baseline risk plus the trials' risk difference.
    """

    without: float
    estimate: float
    ci_low: float
    ci_high: float
    from_ratio: bool

    @property
    def difference(self) -> tuple[float, float, float]:
        """Responders with the treatment less those without: estimate and 95% confidence interval."""
        return self.estimate - self.without, self.ci_low - self.without, self.ci_high - self.without


def absolute(compared: Comparison) -> Absolute:
    """Apply the relative effect of a comparison to the risk in its control arms (Guyatt et al. 2013).

    The summary of findings has one effect in each row, the risk ratio, and its absolute effect follows from it
    (doi:10.1016/j.jclinepi.2012.01.012).
    """
    without = _baseline(compared)
    from_ratio = without > 0 and math.isfinite(compared.risk_ratio.estimate)
    if from_ratio:
        values = [without * value for value in estimate_with_interval(compared.risk_ratio)]
    else:
        values = [without + value for value in estimate_with_interval(compared.risk_difference)]
    estimate, low, high = (min(max(value, 0.0), 1.0) for value in values)
    return Absolute(without, estimate, low, high, from_ratio)


def possible_difference(compared: Comparison) -> tuple[float, float, float]:
    """Return the trials' risk difference and its interval, limited to values possible with the baseline risk."""
    without = _baseline(compared)
    estimate, low, high = (
        min(max(value, 0.0 - without), 1 - without) for value in estimate_with_interval(compared.risk_difference)
    )
    return estimate, low, high


def needed_to_treat(compared: Comparison) -> tuple[int, int, int] | None:
    """Return the number of patients, or patches, to be treated for one more to respond (Cook & Sackett 1995).

    It is the reciprocal of the risk difference, rounded up as is usual (doi:10.1136/bmj.310.6977.452).

    Returns
    -------
    tuple of int, or None
        The number and its 95% confidence interval; None if the interval of the difference or of the ratio includes no
        effect, because the number then has no finite interval.
    """
    estimate, low, high = estimate_with_interval(compared.risk_difference)
    if not (low > 0 and compared.risk_ratio.ci_low > 1):
        return None
    # Round to six decimals first, because the computed reciprocal of 1/10 may be slightly above 10.
    needed, least, most = (math.ceil(round(1 / value, 6)) for value in (estimate, high, low))
    return needed, least, most


def estimate_with_interval(pooled: Pooled) -> tuple[float, float, float]:
    """Return the estimate of one analysis and the ends of its 95% confidence interval."""
    return pooled.estimate, pooled.ci_low, pooled.ci_high


def _baseline(compared: Comparison) -> float:
    return float(compared.rows.control_events.sum() / compared.rows.control_n.sum())
