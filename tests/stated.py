"""What pages state of the registered results, and whether it is true."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from bs4 import BeautifulSoup

from lib.report.wording import percent

PARTS = {"": ("estimate", "ci_low", "ci_high"), "prediction": ("pi_low", "pi_high")}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# A rate or ratio with its interval, as a sentence or a cell gives it.
_RESULT = re.compile(r"\d[\d.]*%? \((?:95% CI )?\d[\d.]*%?(?: to |–)\d[\d.]*%?\)")


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
        a number, a result with two texts of the same precision.
    """
    found, seen = [], defaultdict(set)
    for page, text in pages.items():
        for tag in BeautifulSoup(text, "html.parser").select("[data-result]"):
            key, part = tag["data-result"], tag.get("data-part", "")
            if key not in results:
                found.append(f"{page}: {key} is not in results.json")
                continue
            numbers = _NUMBER.findall(tag.get_text().replace("95% CI", ""))
            if not numbers or len(numbers) > len(PARTS[part]):
                found.append(f"{page}: {key} states {tag.get_text()!r}")
            for name, number in zip(PARTS[part], numbers, strict=False):
                decimals = len(number.partition(".")[2])
                value = results[key][name]
                seen[key, name, decimals].add(number)
                if value is None or number != expected(key, value, decimals):
                    found.append(f"{page}: {key} states {number} for {name}, which is {value}")
    found += [
        f"{key}: {name} is stated as {' and '.join(sorted(v))}" for (key, name, _), v in seen.items() if len(v) > 1
    ]
    return found


def expected(key: str, value: float, decimals: int) -> str:
    """Return a registered number as a page writes it."""
    return f"{value:.{decimals}f}" if key.startswith("comparison.") else percent(value, decimals, "")


def without_key(text: str, *selectors: str) -> list[str]:
    """Return the results with an interval on a page that carry no key, in the parts that the selectors name."""
    page = BeautifulSoup(text, "html.parser").find("article")
    for tag in page.select("[data-result]"):
        # What stands on both sides of it must not read as one.
        tag.replace_with(" · ")
    shown = [tag for selector in selectors for tag in page.select(selector)]
    return [match for tag in shown for match in _RESULT.findall(re.sub(r"\s+", " ", tag.get_text(" ")))]
