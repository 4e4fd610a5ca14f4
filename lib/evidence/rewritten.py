"""Guess how a value was written before a spreadsheet or a word processor changed it.

Belongs here: the forms that such programs give to numbers, dates, percentages, codes and identifiers. Does not belong
here: which form is the right one (`column_types`). A guess is only ever part of a message; no value is changed.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from lib.evidence.characters import visible

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YES_NO = {"true": "yes", "false": "no", "1": "yes", "0": "no", "y": "yes", "n": "no"}
_FIRST_DAY = dt.date(1899, 12, 30)
"""Day 0 of the dates of spreadsheets, which are stored as numbers of days."""
_LOST_DIGITS = re.compile(r"-?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+")


def remedy(text: str, has_form: Callable[[str], bool], codes: Iterable[str]) -> str:
    """Return what to write in place of a value of wrong form.

    Parameters
    ----------
    text : str
        The value.
    has_form : callable
        Returns whether a text has the right form.
    codes : iterable of str
        Codes that are allowed, if the value is a code.

    Returns
    -------
    str
        The end of a message; empty if there is no suggestion.

    Examples
    --------
    >>> import re
    >>> remedy("1,5", lambda text: bool(re.fullmatch("[0-9]+(.[0-9]+)?", text)), [])
    "; a spreadsheet may have rewritten it: write '1.5'"
    >>> remedy("montherapy", {"monotherapy", "comparator"}.__contains__, ["monotherapy", "comparator"])
    "; did you mean 'monotherapy'?"
    """
    if _LOST_DIGITS.fullmatch(text):
        return "; a spreadsheet may have shortened it: enter it again from its source, with all its digits"
    changed = list(dict.fromkeys(guess for guess in _before_a_spreadsheet(text) if guess != text and has_form(guess)))
    if changed:
        return f"; a spreadsheet may have rewritten it: write {' or '.join(map(repr, changed[:2]))}"
    meant = next((guess for guess in _meant(visible(text)) if guess != text and has_form(guess)), "")
    by_fold = {code.casefold(): code for code in codes}
    nearest = difflib.get_close_matches(visible(text).casefold(), by_fold, n=1, cutoff=0.7)
    meant = meant or (by_fold[nearest[0]] if nearest else "")
    return f"; did you mean {meant!r}?" if meant else ""


def _before_a_spreadsheet(text: str) -> Iterator[str]:
    """Yield what a text may have been before a spreadsheet or a word processor changed it, the likeliest first."""
    plain = visible(text)
    yield plain
    yield _YES_NO.get(plain.lower(), plain)
    plain = plain.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")
    yield plain
    if re.fullmatch(r"-?[0-9]+,[0-9]+", plain):
        yield plain.replace(",", ".")
    if re.fullmatch(r"[0-9]{1,3}([ ,'’][0-9]{3})+", plain):
        yield re.sub("[^0-9]", "", plain)
    if match := re.fullmatch(r"(-?[0-9]+)[.,]0*", plain):
        yield match[1]
    if re.fullmatch(r"-?\.[0-9]+", plain):
        yield plain.replace(".", "0.")
    if match := re.fullmatch(r"\+([0-9.]+)|0+([0-9][0-9.]*)", plain):
        yield match[1] or match[2]
    yield from _percentages(plain)
    yield from _dates(plain)


def _percentages(text: str) -> Iterator[str]:
    match = re.fullmatch(r"([0-9]*)[.,]?([0-9]*?)0* ?(%?)", text)
    if not match or not (match[1] or match[2]):
        return
    whole, decimals, sign = match[1].lstrip("0") or "0", match[2], match[3]
    number = f"{whole}.{decimals}" if decimals else whole
    if sign:
        yield from (number, f"{number}%")
    elif "." in text or "," in text:
        # A spreadsheet stores a cell that is formatted as a percentage divided by 100.
        yield f"{(Decimal(number) * 100).normalize():f}%"
    yield f"{number}%"


def _dates(text: str) -> Iterator[str]:
    """Yield the dates that a text may mean as YYYY-MM-DD and YYYY-MM, and the range of numbers that became a date."""
    day, month, year = 0, 0, ""
    if match := re.fullmatch(r"([0-9]{4})[-/.]([0-9]{1,2})(?:[-/.]([0-9]{1,2}))?(?:[ T][0-9:.]+Z?)?", text):
        year, month, day = match[1], int(match[2]), int(match[3] or 0)
    elif match := re.fullmatch(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})(?: [0-9:.]+)?", text):
        first, second, year = int(match[1]), int(match[2]), match[3]
        # If day and month can be exchanged, both dates are possible.
        yield from _iso(year, second, first)
        day, month = second, first
    elif match := re.fullmatch(r"(?:([0-9]{1,2})[- ])?([A-Za-z]{3})[a-z]*\.?[- ]([0-9]{4}|[0-9]{2})", text):
        day, month = int(match[1] or 0), _month(match[2])
        year = match[3] if len(match[3]) == 4 else f"20{match[3]}"
    elif match := re.fullmatch(r"([0-9]{4}) ([A-Za-z]{3})[a-z]*", text):
        year, month = match[1], _month(match[2])
    elif match := re.fullmatch(r"([0-9]{1,2})-([A-Za-z]{3})", text):
        if _month(match[2]):
            yield from (f"{int(match[1])}-{_month(match[2])}", f"{_month(match[2])}-{int(match[1])}")
    elif re.fullmatch(r"[34567][0-9]{4}", text):
        date = _FIRST_DAY + dt.timedelta(days=int(text))
        day, month, year = date.day, date.month, str(date.year)
    yield from _iso(year, month, day)


def _iso(year: str, month: int, day: int) -> Iterator[str]:
    if not year or not 1 <= month <= 12:
        return
    if day > 1:
        yield f"{year}-{month:02}-{day:02}"
    else:
        # A spreadsheet turns a month into its first day, so both are possible.
        yield from (f"{year}-{month:02}", f"{year}-{month:02}-01")


def _month(name: str) -> int:
    return _MONTHS.index(name.lower()) + 1 if name.lower() in _MONTHS else 0


def _meant(text: str) -> Iterator[str]:
    """Yield other ways of writing an identifier or a key."""
    prefix = r"(https?://)?((dx\.)?doi\.org/|(www\.)?pubmed\.ncbi\.nlm\.nih\.gov/|(doi|pmid)[: ])\s*"
    identifier = re.sub(prefix, "", text, count=1, flags=re.IGNORECASE).rstrip("/.,; ")
    yield from (f"doi:{identifier}", f"pmid:{identifier}", identifier)
    yield text.lower()
    yield re.sub(r"[\s-]+", "_", text.lower())
    yield text.replace("\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}")
