"""The result of pooling one analysis or many: its numbers, its heterogeneity statistics, and its display.

Belongs here: everything computed from an estimate, its standard error, tau² and Q. Does not belong here: how these are
estimated (`pooling`, `logistic`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Self

import numpy as np
from scipy import special

from lib.stats.arguments import Names
from lib.stats.arrays import Booleans, Count, Floats, Integers, Number
from lib.stats.display import Displayed, Shown, counted, frame, interval, listed, number, p_equals, percent, rest
from lib.stats.intervals import prediction_interval

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_TO_PREDICT = 10
"""Smallest number of studies with which a between-study variance estimated as 0 suggests that studies agree."""

ESTIMATE_AND_LIMITS = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
"""Names of the numbers on the scale of the effect: the estimate and the ends of both intervals."""

_COLUMNS = ("k", *ESTIMATE_AND_LIMITS, "se", "tau2", "i2", "h2", "q", "q_df", "q_p")
_TOO_FEW = "too few studies"


@dataclass(frozen=True, eq=False, repr=False)
class Pooled(Displayed, Generic[Number, Count]):
    """A pooled result of one analysis, or of m.

    For one analysis every attribute but ``weights`` and ``dropped`` is a number; for m it is an array of shape (m,).
    ``estimate`` and the intervals are on the scale of the effect (a proportion, for example), ``se`` and ``tau2`` on
    that of the analysis (its logit, for example). A notebook displays the result as a table, and ``to_frame()`` gives
    the numbers.

    Attributes
    ----------
    k : int
        Number of studies pooled.
    estimate : float
        Pooled effect; NaN if k = 0.
    se : float
        Its standard error.
    ci_low, ci_high : float
        Confidence interval. A raw proportion's may extend below 0 or above 1.
    pi_low, pi_high : float
        Prediction interval of the true effect of another study; NaN if k < 3. See also ``predicts``.
    tau2 : float
        Between-study variance.
    i2 : float
        I² = max(0, (Q - df) / Q), a proportion (Higgins and Thompson 2002, doi:10.1002/sim.1186).
    h2 : float
        H² = max(1, Q / df); 1 if k < 2.
    q, q_df, q_p : float
        Cochran's Q, its degrees of freedom k - 1 and the p-value of its chi-square test.
    weights : ndarray, shape (k,) or (k, m)
        Share of each study in the estimate, summing to 1; 0 for a study that was left out.
    dropped : ndarray of bool, shape (k,) or (k, m)
        Studies present but left out: their sampling variance is 0, so that they have no finite inverse-variance weight,
        or they carry no information on a ratio (`pool_ratios`).
    level : float
        Confidence level of both intervals.
    names, analyses : tuple
        Names of the studies, and of the m analyses; empty if they have none.
    """

    k: Count
    estimate: Number
    se: Number
    ci_low: Number
    ci_high: Number
    pi_low: Number
    pi_high: Number
    tau2: Number
    i2: Number
    h2: Number
    q: Number
    q_df: Count
    q_p: Number
    weights: Floats
    dropped: Booleans
    level: float
    names: Names = ()
    analyses: Names = ()

    @property
    def predicts(self) -> Any:
        """Whether the prediction interval is informative: a bool, of shape (m,) for many analyses.

        It is not informative with fewer than 3 studies, for which it does not exist, or if fewer than
        `ENOUGH_TO_PREDICT` studies give tau² = 0: so few studies often do although their true effects differ.
        """
        return (self.k > 2) & ((self.tau2 > 0) | (self.k >= ENOUGH_TO_PREDICT))

    def back_transformed(self, back: Callable[[Any], Any]) -> Self:
        """Return the result with its estimate and intervals on another scale.

        Parameters
        ----------
        back : callable
            Increasing function of a number or an array, from the scale of the analysis to that of the effect.

        Returns
        -------
        Pooled
            The same result; ``se`` and ``tau2`` stay on the scale of the analysis.

        Examples
        --------
        >>> import numpy as np
        >>> from lib.stats import pool
        >>> log_ratio = pool([0.1, 0.5, 0.9], [0.02, 0.03, 0.05])
        >>> print(f"{log_ratio.back_transformed(np.exp).estimate:.2f}")
        1.61
        """
        values = {name: back(getattr(self, name)) for name in ESTIMATE_AND_LIMITS}
        if isinstance(self.k, int):
            values = {name: float(value) for name, value in values.items()}
        return replace(self, **values)

    def to_frame(self) -> pd.DataFrame:
        """Return the result as a data frame with a row for each analysis.

        Returns
        -------
        DataFrame
            Columns as the attributes, not rounded; ``left_out`` is the number of studies marked in ``dropped``. The
            index has the names of the analyses, or their numbers from 0.

        Examples
        --------
        >>> from lib.stats import leave_one_out, pool
        >>> without = pool(*leave_one_out([0.1, 0.5, 0.9], [0.02, 0.03, 0.05], names=["A", "B", "C"]))
        >>> without.to_frame()[["k", "estimate"]].round(2)
                   k  estimate
        analysis
        without A  2      0.68
        without B  2      0.48
        without C  2      0.29
        """
        columns = {name: getattr(self, name) for name in _COLUMNS}
        return frame("analysis", self.analyses, columns | {"left_out": self.dropped.sum(axis=0)})

    def summary(self) -> str:
        """Return the result as a table of text.

        Returns
        -------
        str
            For one analysis, a line for each number. For many, a line for each analysis, at most 40 of them.

        Examples
        --------
        >>> from lib.stats import pool
        >>> print(pool([0.1, 0.5, 0.9], [0.02, 0.03, 0.05]).summary())
        Pooled result of 3 studies
          Estimate                                0.4746
          95% confidence interval                 0.03143 to 0.9177
          95% prediction interval                 −4.797 to 5.746
          Standard error (scale of the analysis)  0.2261
          tau² (scale of the analysis)            0.121
          I²                                      80%
          H²                                      4.903
          Q                                       9.806 on 2 df, p = 0.007
        """
        return super().summary()

    def _shown(self, most: int) -> Shown:
        if isinstance(self.k, int):
            return self._one_shown()
        studies, analyses = self.weights.shape
        level = percent(self.level)
        header = ["Analysis", "Studies", "Estimate", f"{level} CI", f"{level} PI", "tau²", "I²"]
        rows = []
        names, predicts = listed(self.analyses, analyses), np.asarray(self.predicts)
        some = min(analyses, most)
        for j in range(some):
            k, estimate, low, high, pi_low, pi_high, t2, i2 = (
                np.asarray(getattr(self, name))[j]
                for name in ("k", "estimate", "ci_low", "ci_high", "pi_low", "pi_high", "tau2", "i2")
            )
            prediction = interval(pi_low, pi_high) if predicts[j] else _TOO_FEW
            rows.append(
                [
                    str(names[j]),
                    f"{k}",
                    number(estimate),
                    interval(low, high),
                    prediction,
                    number(t2),
                    f"{100 * i2:.0f}%",
                ]
            )
        left_out = self.dropped.sum(axis=0)
        if left_out.any():
            header.append("Left out")
            rows = [[*row, f"{left}"] for row, left in zip(rows, left_out[:some].tolist(), strict=True)]
        heading = f"Pooled results of {counted(analyses, 'analysis', 'analyses')} of up to {counted(studies)}"
        return Shown(heading, rows, header, rest(some, analyses))

    def _one_shown(self) -> Shown:
        """Return a row for each number of one analysis."""
        level = percent(self.level)
        rows = [
            ("Estimate", number(self.estimate)),
            (f"{level} confidence interval", interval(self.ci_low, self.ci_high)),
            (f"{level} prediction interval", interval(self.pi_low, self.pi_high) if self.predicts else _TOO_FEW),
            ("Standard error (scale of the analysis)", number(self.se)),
            ("tau² (scale of the analysis)", number(self.tau2)),
            ("I²", f"{100 * self.i2:.0f}%"),
            ("H²", number(self.h2)),
            ("Q", f"{number(self.q)} on {self.q_df} df, {p_equals(self.q_p)}"),
        ]
        # Studies without a name are listed by their index.
        names = [name if isinstance(name, str) else f"index {name}" for name in listed(self.names, len(self.weights))]
        for label, which in (("Left out", self.dropped), ("Missing", ~self.dropped & (self.weights == 0))):
            if which.any() and self.k:
                rows.append((label, ", ".join(names[i] for i in np.flatnonzero(which))))
        return Shown(f"Pooled result of {counted(self.k)}", rows)


def pooled_result(
    k: Integers,
    estimate: Floats,
    se: Floats,
    t2: Floats,
    q: Floats,
    *,
    quantile: Floats | float,
    level: float,
    weights: Floats,
    dropped: Booleans,
    single: bool,
    names: Names,
    analyses: Names,
) -> Pooled[Any, Any]:
    """Return the result of m analyses from their estimates, standard errors, tau² and Q.

    Parameters
    ----------
    k, estimate, se, t2, q : ndarray, shape (m,)
        Numbers of studies, pooled effects, standard errors, between-study variances, and Cochran's Q.
    quantile : float or ndarray, shape (m,)
        Half the width of the confidence interval in standard errors.
    level : float
        Confidence level, for the prediction interval.
    weights, dropped : ndarray, shape (k, m)
        As in `Pooled`.
    single : bool
        Whether the result is that of one analysis, m = 1, with numbers in place of arrays.
    names, analyses : tuple
        As in `Pooled`.
    """
    df = np.maximum(k - 1, 0)
    reach = quantile * se
    pi_low, pi_high = prediction_interval(estimate, se, t2, k, level=level)
    h2 = np.maximum(np.divide(q, df, out=np.ones_like(q), where=df > 0), 1.0)
    results = {
        "k": k,
        "estimate": estimate,
        "se": se,
        "ci_low": estimate - reach,
        "ci_high": estimate + reach,
        "pi_low": pi_low,
        "pi_high": pi_high,
        "tau2": t2,
        "i2": (h2 - 1) / h2,
        "h2": h2,
        "q": q,
        "q_df": df,
        "q_p": _chi2_tail(q, df),
    }
    if single:
        results = {name: value[0].item() for name, value in results.items()}
        weights, dropped = weights[:, 0], dropped[:, 0]
    return Pooled(**results, weights=weights, dropped=dropped, level=level, names=names, analyses=analyses)


def _chi2_tail(q: Floats, df: Integers) -> Floats:
    """Return the upper tail probability of chi-square; 1 where there is no degree of freedom.

    Analyses that are computed together usually have the same, moderate number of degrees of freedom. The tail is then a
    finite sum of positive terms, which is much faster to compute than the incomplete gamma function.
    """
    if not q.size or df[0] == 0 or df[0] > 100 or (df != df[0]).any() or q.max() > 1000:
        return np.where(df > 0, special.chdtrc(np.maximum(df, 1), q), 1.0)
    half, number = q / 2, int(df[0])
    # Sum 1 + x / l + x² / (l (l + 1)) + ..., starting with the last term.
    terms = np.cumprod([1.0, *(1 / np.arange(1 + number % 2 / 2, number / 2))])
    total = np.full_like(half, terms[-1])
    for term in terms[-2::-1]:
        total *= half
        total += term
    total *= np.exp(-half)
    if number % 2 == 0:
        return total
    root = np.sqrt(half)
    tail: Floats = special.erfc(root)
    return tail + total * root * (2 / np.sqrt(np.pi)) if number > 1 else tail
