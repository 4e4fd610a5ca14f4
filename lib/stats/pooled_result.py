"""The result of pooling one analysis or many: its numbers, its heterogeneity statistics, and its display.

Belongs here: everything computed from an estimate, its standard error, tau² and Q. Does not belong here: how these are
estimated (`pooling`, `logistic`).
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Self

import numpy as np
from scipy import special

from lib.stats.arrays import Booleans, Count, Floats, Integers, Number
from lib.stats.intervals import prediction_interval

ENOUGH_TO_PREDICT = 10
"""Smallest number of studies with which a between-study variance estimated as 0 suggests that studies agree."""

_ON_EFFECT_SCALE = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")


@dataclass(frozen=True, eq=False)
class Pooled(Generic[Number, Count]):
    """A pooled result of one analysis, or of m.

    For one analysis every attribute but ``weights`` and ``dropped`` is a number; for m it is an array of shape (m,).
    ``estimate`` and the intervals are on the scale of the effect (a proportion, for example), ``se`` and ``tau2`` on
    that of the analysis (its logit, for example). A notebook displays the result as a table.

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

    @property
    def predicts(self) -> Any:
        """Whether the prediction interval is informative: a bool, of shape (m,) for many analyses.

        It is not with fewer than 3 studies, which have no such interval, or if fewer than `ENOUGH_TO_PREDICT` studies
        give tau² = 0: so few often do although their true effects differ.
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
        values = {name: back(getattr(self, name)) for name in _ON_EFFECT_SCALE}
        if isinstance(self.k, int):
            values = {name: float(value) for name, value in values.items()}
        return replace(self, **values)

    def summary(self) -> str:
        """Return the result as a table of text.

        Returns
        -------
        str
            For one analysis, a line for each number. For many, the number of analyses and the shape of the attributes.

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
        heading, rows = self._table()
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([heading, *(f"  {name.ljust(width)}  {value}" for name, value in rows)])

    def _repr_html_(self) -> str:
        """Return the result as an HTML table, which notebooks display."""
        heading, rows = self._table()
        if not rows:
            return f"<p>{html.escape(heading)}</p>"
        cells = "".join(
            f'<tr><th scope="row" style="text-align: left">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
            for name, value in rows
        )
        return f"<table><caption>{html.escape(heading)}</caption><tbody>{cells}</tbody></table>"

    def _table(self) -> tuple[str, list[tuple[str, str]]]:
        """Return a heading, and for one analysis the rows of a table."""
        if not isinstance(self.k, int):
            studies, analyses = self.weights.shape
            return (
                f"Pooled results of {analyses} analyses of up to {studies} studies: each attribute has shape"
                f" ({analyses},), weights and dropped ({studies}, {analyses})"
            ), []
        level = f"{100 * self.level:g}%"
        prediction = _interval(self.pi_low, self.pi_high) if self.predicts else "too few studies"
        rows = [
            ("Estimate", _text(self.estimate)),
            (f"{level} confidence interval", _interval(self.ci_low, self.ci_high)),
            (f"{level} prediction interval", prediction),
            ("Standard error (scale of the analysis)", _text(self.se)),
            ("tau² (scale of the analysis)", _text(self.tau2)),
            ("I²", f"{100 * self.i2:.0f}%"),
            ("H²", _text(self.h2)),
            ("Q", f"{_text(self.q)} on {self.q_df} df, p {'< 0.001' if self.q_p < 0.001 else f'= {self.q_p:.3f}'}"),
        ]
        if self.dropped.any():
            rows.append(("Studies left out", f"{int(self.dropped.sum())}"))
        return f"Pooled result of {self.k} {'study' if self.k == 1 else 'studies'}", rows


def _text(value: Any) -> str:
    return "not available" if np.isnan(value) else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def _interval(low: Any, high: Any) -> str:
    return "not available" if np.isnan(low) else f"{_text(low)} to {_text(high)}"


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
    return Pooled(**results, weights=weights, dropped=dropped, level=level)


def _chi2_tail(q: Floats, df: Integers) -> Floats:
    """Return the upper tail of chi-square; 1 without a degree of freedom.

    Analyses computed together mostly have the same, moderate number of degrees of freedom. The tail is then a finite
    sum of positive terms, which is much faster to compute than the incomplete gamma function.
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
