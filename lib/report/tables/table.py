"""The common form of all tables: caption, escaped cells, headings of groups, and a note below.

Belongs here: the appearance of tables, and the escaping of text from the data in them. Does not belong here: the
content of any table.
"""

from __future__ import annotations

import collections
import itertools
import re
import urllib.parse
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from lib.report.marked_text import PageLink, Phrase, Stated
from lib.report.text_safety import for_html
from lib.report.wording import NOTHING

_STYLE = (
    "<style>"
    "table.review.review{border-collapse:collapse;width:100%;margin:0;table-layout:auto}"
    "table.review.review caption{caption-side:top;text-align:left;font-weight:600;color:inherit;padding:.25rem 0}"
    "table.review.review thead tr{border-top:2px solid;border-bottom:1px solid}"
    "table.review.review tbody{border-bottom:2px solid}"
    "table.review.review tbody tr{background:none}"
    "table.review.review th,table.review.review td{text-align:left;vertical-align:top;padding:.3rem .5rem;border:0}"
    "table.review.review .numeric{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".review-scroll{max-height:80vh;overflow:auto}"
    "</style>"
)
"""Style of tables for JupyterLab, where the book's style sheet (``book/_static/review.css``) does not apply: alignment
and lines, in the colours of the theme. In the book the more specific rules of the style sheet prevail."""
_LONG = 400
"""Largest number of rows of a table that does not scroll within its page, so that readers reach the text after it."""

_NUMBERS = re.compile(r"[<>≥≤]?[\d.,%/()–−+‡† -]*\d(?:[\d.,%/()–−+‡† -]|\bto\b|\bv\b)*")
_ONE_LINE = 24
"""Largest number of characters of a name or of numbers within which no line break is allowed."""
MANY = 8
"""Smallest number of rows, in a table or in one of its groups, for which sorting is offered."""


def grouped(
    rows: Iterable[tuple[str, dict[Any, Any]]], heading: str, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the frame of a table whose rows are in groups.

    Parameters
    ----------
    rows : iterable of (str, dict)
        Group and cells of each row; rows of a group are adjacent. Keys that are tuples give a header of two rows.
    heading : str
        Name of the index, which holds the groups.
    columns : sequence of str, optional
        Columns, needed if the table may have no rows.
    """
    rows = list(rows)
    index = pd.Index([group for group, _ in rows], name=heading)
    frame = pd.DataFrame([cells for _, cells in rows], index=index, columns=columns, dtype=object)
    if any(isinstance(column, tuple) for column in frame.columns):
        frame.columns = pd.MultiIndex.from_tuples(frame.columns)
    return frame


class Table:
    """A table as a page shows it: caption, escaped cells, and a note below.

    Columns that are empty in all rows are left out, except the first one.

    Parameters
    ----------
    frame : DataFrame
        Cells: text, numbers, or results with their key (`marked_text.Stated`, `marked_text.Phrase`). If the index has a
        name, it holds the headings of groups of rows (`grouped`).
    caption, note : str
        Plain text.
    numeric : iterable of column labels
        Columns aligned to the right.
    folded : bool
        Whether readers see only the caption until they open the table.
    detail : label of a column
        Column that is shown as a separate line below each row that has one, over the whole width; empty if there is
        none.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        caption: str,
        note: str = "",
        numeric: Iterable[Any] = (),
        folded: bool = False,
        detail: Any = "",
    ):
        self.frame, self.caption, self.note = frame, caption, note
        self.numeric, self.folded, self.detail = tuple(numeric), folded, detail

    def _repr_html_(self) -> str:
        shown = _without_empty_columns(self.frame.drop(columns=self.detail or []))
        groups = list(self.frame.index) if self.frame.index.name is not None else []
        details = list(self.frame[self.detail]) if self.detail else []
        numeric = [column in self.numeric for column in shown.columns]
        rows = [
            "<tr>\n" + "".join(map(_cell, values, numeric)) + "    </tr>\n"
            for values in shown.itertuples(index=False, name=None)
        ]
        sortable = " data-sortable" if _is_sortable(groups or [""] * len(rows)) else ""
        caption = for_html(self.caption)
        note = f'<p class="review-note">{for_html(self.note)}</p>' if self.note else ""
        scrolls = f' review-scroll" role="region" tabindex="0" aria-label="{caption}' if len(rows) > _LONG else ""
        text = (
            f'{_STYLE}<div class="review-table{scrolls}"><table class="review"{sortable}>\n'
            f"  <caption>{caption}</caption>\n  <thead>\n{_head(shown.columns, numeric)}  </thead>\n"
            f"  <tbody>\n{_body(rows, groups, details, shown.shape[1])}</tbody>\n</table>\n</div>{note}"
        )
        if not self.folded:
            return text
        return f'<details class="review-folded"><summary>{caption}</summary>{text}</details>'

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.frame.to_string(max_rows=_LONG)}"


def _without_empty_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out columns that are empty in all rows, except the first column, which names the rows."""
    is_shown = [
        number == 0 or not len(frame) or any(cell_html(value) != NOTHING for value in frame.iloc[:, number])
        for number in range(frame.shape[1])
    ]
    return frame.loc[:, is_shown]


def _is_sortable(groups: Sequence[str]) -> bool:
    """Return whether readers can sort a table: whether it, or one of its groups, has at least `MANY` rows."""
    return max(collections.Counter(groups).values(), default=0) >= MANY


def _class_of(value: Any) -> str:
    """Return the class of a cell that may not be broken: numbers, interval, date, short linked name; else empty."""
    if len(str(value)) > _ONE_LINE:
        return ""
    return "name" if isinstance(value, PageLink) else "number" if _NUMBERS.fullmatch(str(value)) else ""


def _head(columns: pd.Index, numeric: Sequence[bool]) -> str:
    """Return the rows of a table's head; above the last row, a heading spans the adjacent columns that share it."""
    rows = []
    for level in range(columns.nlevels if len(columns) else 0):
        is_last, cells, number = level == columns.nlevels - 1, [], 0
        names = columns.get_level_values(level)
        for _, same in itertools.groupby(range(len(names)) if is_last else names):
            span = len([*same])
            kind = f"col_heading level{level} col{number}" + " numeric" * (is_last and numeric[number])
            width = f'colspan="{span}"' if span > 1 else ""
            cells.append(f'      <th class="{kind}" {width}>{for_html(str(names[number]))}</th>\n')
            number += span
        rows.append(f"    <tr>\n{''.join(cells)}    </tr>\n")
    return "".join(rows)


def _cell(value: Any, is_numeric: bool) -> str:
    kind = "numeric" if is_numeric else _class_of(value)
    return f'      <td class="{kind}">{cell_html(value)}</td>\n' if kind else f"      <td>{cell_html(value)}</td>\n"


def _body(rows: Sequence[str], groups: Sequence[str], details: Sequence[Any], width: int) -> str:
    """Put a heading row before the first row of each group, and the detail of each row below it."""
    parts = ["    " if rows else "  "]
    for i, row in enumerate(rows):
        if groups and (i == 0 or groups[i] != groups[i - 1]):
            name = for_html(str(groups[i]))
            parts.append(f'<tr class="group"><th colspan="{width}" scope="colgroup"><div>{name}</div></th></tr>\n')
        parts += [row, "    " if i < len(rows) - 1 else "  "]
        if details and cell_html(details[i]) != NOTHING:
            parts.append(f'<tr class="detail"><td colspan="{width}"><div>{cell_html(details[i])}</div></td></tr>\n')
    return "".join(parts)


def cell_html(value: Any) -> str:
    """Return the HTML of a cell: text is escaped, and a source becomes a link."""
    if value is None or value != value or value == "":
        return NOTHING
    if isinstance(value, Stated | Phrase | PageLink):
        return value._repr_html_()
    if isinstance(value, float):
        return f"{value:g}"
    text, address = link_of(str(value)) or (_REVIEW.sub("2019 review", str(value)), "")
    text = for_html(text)
    return f'<a href="{for_html(address)}">{text}</a>' if address else text


def link_of(source: str) -> tuple[str, str] | None:
    """Return the text and the address of the link to a source; None if the source has no address.

    Examples
    --------
    >>> link_of("doi:10.1001/archderm.139.5.581")
    ('DOI', 'https://doi.org/10.1001/archderm.139.5.581')
    """
    for pattern, address, text in _LINKS:
        if match := re.fullmatch(pattern, source):
            return text or match[2], address + urllib.parse.quote(match[1], safe="/:?&=%+.-_~()")
    return None


_REVIEW = re.compile(r"^lee2019(?=, )")
"""The key of the 2019 review at the beginning of a source, as in ``lee2019, Table 2``."""

_LINKS = (
    (r"doi:(10\.\S+)", "https://doi.org/", "DOI"),
    (r"pmid:(\d+)", "https://pubmed.ncbi.nlm.nih.gov/", "PubMed"),
    (r"(https?://([^/\s]+)\S*)", "", ""),
)
"""Sources that become links: pattern, prefix of the address before the pattern's first group, and link text (empty for
the host)."""
