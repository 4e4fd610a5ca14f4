"""Show the results of an analyst's own analysis, as the chapter *Your own analysis* describes.

Belongs here: figures for a selection of studies (`Evidence.counts`) and its pooled result. Does not belong here: the
selection, and pooling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lib.report.figures import Listing, Picture, show, studies_plot
from lib.report.wording import count, listed, percent
from lib.stats import proportion_interval

if TYPE_CHECKING:
    from lib.stats import Pooled


def forest(studies: pd.DataFrame, result: Pooled, *, caption: str = "") -> Picture | Listing:
    """Plot the proportions of studies and their pooled result.

    Parameters
    ----------
    studies : DataFrame
        One row for each study, with its ``events`` and ``n``, such as `Evidence.counts` returns. The index holds the
        names of the studies; if it only numbers the rows, the column ``label`` or ``study`` does.
    result : Pooled
        Their pooled proportion, as `stats.pool_proportions` returns it for ``studies.events`` and ``studies.n``. This
        function draws the result and does not pool.
    caption : str
        Caption; by default the pooled result in words, and the names of the studies that have no weight in it.

    Returns
    -------
    Picture or Listing
        Squares with the score interval (Wilson 1927, doi:10.1080/01621459.1927.10502953), larger with the weight of a
        study, and a diamond for the pooled result. A notebook displays it, and ``save("forest.svg")`` writes it to a
        file. With more than 150 rows it is a table that scrolls.

    Raises
    ------
    ValueError
        If the result is not one pooled proportion of these studies, or a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from lib import report
    >>> from lib.stats import pool_proportions
    >>> studies = pd.DataFrame({"events": [3, 8, 12], "n": [20, 18, 30]}, index=["Made up A", "Made up B", "Made up C"])
    >>> result = pool_proportions(studies.events, studies.n, transform="logit", tau2="REML", ci="hksj")
    >>> report.forest(studies, result).caption
    '3 studies, pooled: 33.7% (95% CI 7.2% to 76.8%); 95% prediction interval 0.0% to 100.0%.'
    """
    _refuse_other_studies(studies, result)
    low, high = proportion_interval(studies.events, studies.n, level=result.level)
    rows = studies[["events", "n"]].assign(label=_names(studies), ci_low=low, ci_high=high)
    return show(studies_plot, rows, result, caption=caption or _caption(studies, result))


def _caption(studies: pd.DataFrame, result: Pooled) -> str:
    level = f"{100 * result.level:g}%"
    text = f"{count(result.k, 'study', 'studies')}, pooled: {percent(result.estimate, 1)}"
    if result.ci_low == result.ci_low:
        text += f" ({level} CI {percent(result.ci_low, 1)} to {percent(result.ci_high, 1)})"
    if result.predicts:
        text += f"; {level} prediction interval {percent(result.pi_low, 1)} to {percent(result.pi_high, 1)}"
    names = [name for name, dropped in zip(_names(studies), result.dropped, strict=True) if dropped]
    return f"{text}." + (f" At 0% or 100%, and so without a weight on this scale: {listed(names)}." if names else "")


def _names(studies: pd.DataFrame) -> list[str]:
    """Return the names of studies: the index, or a column if the index only numbers the rows."""
    if isinstance(studies.index, pd.RangeIndex) or studies.index.dtype.kind in "iu":
        column = next((name for name in ("label", "study") if name in studies), None)
        return [f"Study {i + 1}" for i in range(len(studies))] if column is None else [*map(str, studies[column])]
    return [*map(str, studies.index)]


def _refuse_other_studies(studies: pd.DataFrame, result: Pooled) -> None:
    """Raise ValueError unless a result is one pooled proportion of the studies."""
    missing = [name for name in ("events", "n") if name not in studies]
    if missing:
        raise ValueError(f"the studies need the columns events and n: there is no {' and no '.join(missing)}")
    if result.weights.ndim > 1:
        raise ValueError(f"the result holds {result.weights.shape[1]} analyses: a forest plot shows one")
    if len(result.weights) != len(studies):
        raise ValueError(
            f"the result is of {len(result.weights)} studies and there are {len(studies)}: pool these studies with"
            " pool_proportions(studies.events, studies.n)"
        )
    if result.estimate < 0 or result.estimate > 1:
        raise ValueError(
            f"the pooled result, {result.estimate:g}, is not a proportion: pool with pool_proportions, or convert it"
            " with result.back_transformed"
        )
