"""Display results as a table of text, as an HTML table for notebooks, and as a data frame.

Belongs here: the mixin of all result classes, and the format of numbers. Does not belong here: which numbers a result
shows, which its class determines.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 40
"""Largest number of rows that a table shows; ``to_frame()`` has all rows."""


class Shown(NamedTuple):
    """The content of the table that shows a result.

    Attributes
    ----------
    heading : str
        One line about the result.
    rows : sequence of sequence of str
        Cells of each row; the first cell is the name of the row.
    header : sequence of str
        Headings of the columns, the first of them for the names of the rows; empty for a list of names and values.
    notes : sequence of str
        Lines below the table.
    """

    heading: str
    rows: Sequence[Sequence[str]]
    header: Sequence[str] = ()
    notes: Sequence[str] = ()


class Displayed:
    """Mixin for results that are shown as a table. Each result class defines ``_shown`` and ``to_frame``."""

    def _shown(self, most: int) -> Shown:
        """Return the content of the table, with at most ``most`` rows."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a data frame, not rounded."""
        raise NotImplementedError

    def summary(self) -> str:
        """Return the result as a table of text, its numbers rounded to four digits."""
        heading, rows, header, notes = self._shown(MOST_ROWS)
        lines = [list(header), *rows] if header else [*rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([heading, *(f"  {line}" for line in text), *(f"  {note}" for note in notes)])

    def __repr__(self) -> str:
        """Return the summary."""
        return self.summary()

    def _repr_html_(self) -> str:
        """Return the result as an HTML table, which notebooks display."""
        heading, rows, header, notes = self._shown(MOST_ROWS)
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
        body = "".join(
            f'<tr><th scope="row" style="text-align: left">{html.escape(name)}</th>'
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for name, *cells in rows
        )
        span = max((len(row) for row in rows), default=1)
        foot = "".join(
            f'<tr><td colspan="{span}" style="text-align: left">{html.escape(note)}</td></tr>' for note in notes
        )
        return (
            f"<table><caption>{html.escape(heading)}</caption>"
            + (f"<thead><tr>{head}</tr></thead>" if head else "")
            + f"<tbody>{body}</tbody>"
            + (f"<tfoot>{foot}</tfoot>" if foot else "")
            + "</table>"
        )


def number(value: Any) -> str:
    """Format a number with four significant digits and a real minus sign.

    Examples
    --------
    >>> number(-0.123456), number(float("nan"))
    ('−0.1235', 'not available')
    """
    return "not available" if np.isnan(value) else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def interval(low: Any, high: Any) -> str:
    """Format an interval as text.

    Examples
    --------
    >>> interval(-1, 2.5)
    '−1 to 2.5'
    """
    return "not available" if np.isnan(low) or np.isnan(high) else f"{number(low)} to {number(high)}"


def p_value(value: Any) -> str:
    """Format a p-value with three decimals.

    Examples
    --------
    >>> p_value(0.00002), p_value(0.0421)
    ('< 0.001', '0.042')
    """
    return "not available" if np.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def p_equals(value: Any) -> str:
    """Format a p-value for a sentence, with its sign of equality or inequality.

    Examples
    --------
    >>> p_equals(0.00002), p_equals(0.0421)
    ('p < 0.001', 'p = 0.042')
    """
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}" if not np.isnan(value) else f"p {text}"


def percent(level: float) -> str:
    """Format a confidence level as a percentage.

    Examples
    --------
    >>> percent(0.95)
    '95%'
    """
    return f"{100 * level:g}%"


def counted(k: Any, one: str = "study", many: str = "studies") -> str:
    """Format a number of things with their noun in the singular or the plural.

    Examples
    --------
    >>> counted(1), counted(1200)
    ('1 study', '1,200 studies')
    """
    return f"{k:,} {one if k == 1 else many}"


def listed(names: Sequence[Any], k: int) -> list[Any]:
    """Return the names of k things, or the numbers from 0 if they have no names."""
    return list(names) if len(names) else list(range(k))


def rest(shown: int, whole: int) -> list[str]:
    """Return a note on the number of rows that a table does not show; empty if it shows all."""
    return [f"and {whole - shown:,} more: to_frame() has all"] if whole > shown else []


def frame(rows: str, names: Sequence[Any], columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return a data frame with a row for each name.

    Parameters
    ----------
    rows : str
        Name of the index: what the rows are, such as "study".
    names : sequence
        Names of the rows; if there are none, they are numbered from 0.
    columns : mapping of str to array_like
        A number for one row, or an array of one dimension.

    Examples
    --------
    >>> frame("study", ["Synthetic A", "Synthetic B"], {"weight": [0.25, 0.75]})
                 weight
    study
    Synthetic A    0.25
    Synthetic B    0.75
    """
    # Imported here: arrays need no pandas, and its import takes a large part of a second.
    import pandas as pd

    values = {name: np.atleast_1d(value) for name, value in columns.items()}
    k = len(next(iter(values.values())))
    return pd.DataFrame(values, index=pd.Index(listed(names, k), name=rows))


def crossed_frame(
    analyses: Sequence[Any], rows: str, names: Sequence[Any], columns: Mapping[str, Any], *, single: bool
) -> pd.DataFrame:
    """Return a data frame with a row for each name, or for many analyses a row for each analysis and name.

    Parameters
    ----------
    analyses, names : sequence
        Names of the analyses and of the rows; if there are none, they are numbered from 0.
    rows : str
        What the rows are.
    columns : mapping of str to ndarray, shape (k,) or (k, m)
        The numbers.
    single : bool
        Whether it is one analysis.

    Examples
    --------
    >>> crossed_frame(["first", "second"], "study", [], {"hat": np.array([[0.5, 0.4], [0.5, 0.6]])}, single=False)
                    hat
    analysis study
    first    0      0.5
             1      0.5
    second   0      0.4
             1      0.6
    """
    import pandas as pd

    if single:
        return frame(rows, names, columns)
    k, m = next(iter(columns.values())).shape
    index = pd.MultiIndex.from_product([listed(analyses, m), listed(names, k)], names=["analysis", rows])
    return pd.DataFrame({name: value.T.ravel() for name, value in columns.items()}, index=index)
