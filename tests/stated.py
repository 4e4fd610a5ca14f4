"""What pages and figures state of the registered results, and whether it is true."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Mapping

from bs4 import BeautifulSoup

from lib.report.wording import fixed, percent

PARTS = {"": ("estimate", "ci_low", "ci_high"), "interval": ("ci_low", "ci_high"), "prediction": ("pi_low", "pi_high")}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SIDE = re.compile(r"(\d+)(?: (more|fewer))?")
_ONE = r"\d[\d.]*%?(?: more| fewer)?"
# A result with its interval, as a sentence or a cell gives it; and an interval alone.
_RESULT = re.compile(rf"{_ONE} \((?:95% CI )?{_ONE}(?: to |–){_ONE}\)")
_INTERVAL = re.compile(rf"{_ONE}(?: to |–){_ONE}")
_ROW = re.compile(r"([^;]*): (\d[\d.]*(?: \(\d[\d.]*–\d[\d.]*\))?);")


@functools.lru_cache(maxsize=64)
def soup_of(page: str) -> BeautifulSoup:
    """Parse a page, once for all tests of a process, which change nothing of it."""
    return BeautifulSoup(page, "html.parser")


def faults(pages: Mapping[str, str], results: Mapping[str, Mapping]) -> list[str]:
    """Compare every number that carries a key with the registered result, and with the same number elsewhere.

    Parameters
    ----------
    pages : mapping of str to str
        Name -> HTML.
    results : mapping
        The results of ``results.json``.

    Returns
    -------
    list of str
        What is wrong: an unknown key, a number that is not the registered one at the precision shown, a text without
        a number, a result with two texts of the same precision; a figure whose text alternative lacks a result that it
        lists.
    """
    found, seen = [], defaultdict(set)
    for page, text in pages.items():
        soup = soup_of(text)
        for tag in soup.select("[data-result]"):
            key, part = tag["data-result"], tag.get("data-part", "")
            if key not in results:
                found.append(f"{page}: {key} is not in results.json")
                continue
            names, entry, shown = PARTS[part], results[key], tag.get_text().replace("95% CI", "")
            if entry["scale"] == "difference":
                numbers = _signed(shown, entry)
            else:
                numbers = _NUMBER.findall(shown)
            if not numbers or len(numbers) > len(names):
                found.append(f"{page}: {key} states {tag.get_text()!r}")
            for name, number in zip(names, numbers, strict=False):
                decimals, value = len(number.partition(".")[2]), entry[name]
                seen[key, name, decimals].add(number)
                if value is None or not _is_stated(number, entry["scale"], value, decimals):
                    found.append(f"{page}: {key} states {number} for {name}, which is {value}")
        for figure in soup.select("[data-results]"):
            found += _faults_of_figure(page, figure, results)
    found += [
        f"{key}: {name} is stated as {' and '.join(sorted(v))}" for (key, name, _), v in seen.items() if len(v) > 1
    ]
    return found


def expected(scale: str, value: float, decimals: int) -> str:
    """Return a registered number as a page writes it."""
    return percent(value, decimals, "") if scale == "rate" else fixed(value, decimals)


def _is_stated(number: str, scale: str, value: float, decimals: int) -> bool:
    if scale == "difference":
        # Halves may be rounded up or down.
        return abs(float(number) - 100 * value) <= 0.5 + 1e-9
    return number == expected(scale, value, decimals)


def _signed(text: str, entry: Mapping) -> list[str]:
    """Return the numbers of "25 fewer (10 to 50 fewer)" as signed ones, the ends from the lower to the higher."""
    (first, of_first), *ends = _SIDE.findall(text)
    of_last = ends[-1][1] if ends else ""
    signed = [f"{'-' * (side == 'fewer')}{number}" for number, side in [(n, side or of_last) for n, side in ends]]
    return [f"{'-' * (of_first == 'fewer')}{first}", *sorted(signed, key=float)]


def figure_text(entry: Mapping) -> str:
    """Return a registered result as the text alternative of a figure gives it: ``18.2 (13.5–22.9)``."""

    def write(value: float) -> str:
        decimals = 1 if entry["scale"] == "rate" or 10 <= value < 100 else 2 if value < 10 else 0
        return expected(entry["scale"], value, decimals)

    values = [entry[name] for name in PARTS[""]]
    ends = "" if values[1] is None else f" ({write(values[1])}–{write(values[2])})"
    return f"{write(values[0])}{ends}"


def text_alternative(figure) -> str | None:
    """Return the text alternative of a figure of a page; None if it is a table."""
    plot = figure.select_one(".review-plot")
    return None if plot is None else plot["aria-label"]


def _faults_of_figure(page: str, figure, results: Mapping[str, Mapping]) -> list[str]:
    found, alt = [], text_alternative(figure)
    rows = [text for _, text in _ROW.findall(alt)]
    for key in figure["data-results"].split():
        if key not in results:
            found.append(f"{page}: {key} of a figure is not in results.json")
        elif figure_text(results[key]) not in rows:
            found.append(f"{page}: a figure lists {key}, but its text lacks {figure_text(results[key])}")
    return found


def rows_without_key(text: str, results: Mapping[str, Mapping]) -> list[str]:
    """Return the labels of the rows of figures whose numbers are not those of a result that the figure lists."""
    labels = []
    for figure in soup_of(text).select("article figure"):
        if text_alternative(figure) is None:
            continue
        shown = {figure_text(results[key]) for key in figure.get("data-results", "").split()}
        labels += [
            label.rpartition(": ")[2].strip()
            for label, row in _ROW.findall(text_alternative(figure))
            if row not in shown
        ]
    return labels


def without_key(text: str, *selectors: str, intervals: bool = False) -> list[str]:
    """Return the results with an interval on a page that carry no key, in the parts that the selectors name.

    With ``intervals``, also intervals that stand alone.
    """
    page = BeautifulSoup(text, "html.parser").find("article")
    for tag in page.select("[data-result]"):
        # What stands on both sides of it must not read as one.
        tag.replace_with(" · ")
    shown = [tag for selector in selectors for tag in page.select(selector)]
    pattern = _INTERVAL if intervals else _RESULT
    return [match for tag in shown for match in pattern.findall(re.sub(r"\s+", " ", tag.get_text(" ")))]
