"""Load an edition of the evidence from the data folder.

Belongs here: reading, checking and converting all tables, and which editions there are. Does not belong here: the
selection of an edition's rows (`selection`), and what an edition gives (`edition`).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd

from lib.caching.shared_results import ask
from lib.evidence.checking import read_some_tables, read_tables_with_warnings
from lib.evidence.column_types import convert, period_end
from lib.evidence.edition import Evidence
from lib.evidence.screening import with_screening
from lib.evidence.selection import date_of_edition, known_by, known_dates
from lib.stats.display import counted

LOADED: set[tuple[str, str]] = set()
"""Data folders and dates of the editions that this process has loaded."""
_ESTIMATES = ("estimate", "ci_low", "ci_high")


def load(folder: str | Path, as_of: str | dt.date | None = None) -> Evidence:
    """Read and check the data folder, and return the edition of a date.

    The edition of the original search holds the original review alone. A later edition also holds every record that
    was published or entered here by ``as_of``, with its study, arms, counts and remarks, and with the decisions that
    were made by ``as_of``. A record that was entered after ``as_of`` comes with all its decisions. A date known only to
    the year or month counts as the last day of that period. Later reviews are included by their year, or by the last
    entry if the year is unknown.

    Parameters
    ----------
    folder : str or Path
        The data folder.
    as_of : str or datetime.date, optional
        Date of the edition, as text YYYY-MM-DD. By default that of the newest record or search, so that the same data
        give the same edition on any day.

    Returns
    -------
    Evidence
        The edition.

    Raises
    ------
    DataError
        If the tables have faults (all are listed), or if there is no edition of that date.
    """
    edition = (str(Path(folder).resolve()), str(as_of or ""))
    LOADED.add(edition)
    return ask(edition) or _load(folder, as_of, edition)


def _load(folder: str | Path, as_of: str | dt.date | None, edition: tuple[str, str]) -> Evidence:
    texts, references, warnings = read_tables_with_warnings(folder)
    tables = _convert_tables(texts)
    date = date_of_edition(as_of, *known_dates(tables))
    parts = {**known_by(tables, date), "references": references}
    return Evidence(parts, edition=edition, warnings=tuple(warnings))


def earlier_editions(folder: str | Path) -> list[str]:
    """Return the dates of the editions before the newest, without checking the data.

    Parameters
    ----------
    folder : str or Path
        The data folder.

    Returns
    -------
    list of str
        Dates of ``editions.csv`` other than that of the newest record or search, as they are written there.

    Raises
    ------
    DataError
        If a table from which the dates come cannot be read.
    ValueError
        If a date in it has a wrong form.

    Examples
    --------
    >>> earlier_editions("data")[0]
    '2018-08-06'
    """
    tables = read_some_tables(folder, ("searches", "records", "retractions", "editions"))
    _, newest = known_dates(tables)
    return [date for date in tables["editions"].date if period_end(date) < newest]


def warnings_in_words(evidence: Evidence) -> str:
    """Return the number of warnings about the data in a line of text; empty if there are none."""
    number = len(evidence.warnings)
    if not number:
        return ""
    pronoun = "it" if number == 1 else "them"
    return f"{counted(number, 'warning', 'warnings')} about the data: `make check` lists {pronoun}."


def _convert_tables(texts: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Convert the text of all tables.

    Add the number of their decimals to the published rates, and the spreadsheet row to the judgements of certainty.
    """
    dictionary = texts["dictionary"]
    tables = {
        name: convert(text, dictionary.loc[dictionary.table == name, ["column", "type"]].itertuples(index=False))
        for name, text in texts.items()
    }
    for name in _ESTIMATES:
        decimals = texts["published_rates"][name].str.partition(".")[2].str.len()
        tables["published_rates"][f"{name}_decimals"] = decimals.to_numpy()
    tables["certainty"]["row"] = texts["certainty"].index.to_numpy()
    return with_screening(tables)
