"""Write numbers, names and results for the book's sentences and table cells.

Belongs here: the form of percentages, ratios, counts, dates and p-values, the form of a registered result with its key,
and the headline sentences of a rate. Does not belong here: the kinds of text that carry keys and links
(`lib.report.marked_text`), sentences of a single chapter (`lib.report.chapters`), tables, and any computation.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from lib.evidence import GROUP_NAMES, REGIMEN_NAMES, THRESHOLD_NAMES, THRESHOLDS_IN_WORDS, Outcome
from lib.report.entries import Entry, current_rate, of_rate, rate_key
from lib.report.marked_text import Stated, in_sentence

if TYPE_CHECKING:
    from lib.published import Updated
    from lib.stats import Pooled


NOTHING = "–"
"""Text of a table cell without a value."""


def percent(value: float, digits: int = 0, sign: str = "%") -> str:
    """Return a proportion as a percentage within 0 to 100, halves rounded up.

    Parameters
    ----------
    value : float
        Proportion.
    digits : int
        Decimals.
    sign : str
        Text that follows the number.

    Examples
    --------
    >>> percent(0.385), percent(0.0171, 1), percent(0.5, sign="")
    ('39%', '1.7%', '50')
    """
    return fixed(100 * min(max(float(value), 0.0), 1.0), digits) + sign


def fixed(value: float, digits: int) -> str:
    """Return a number with the given number of decimals, halves rounded up.

    Examples
    --------
    >>> fixed(1.175, 2), fixed(2.0, 0)
    ('1.18', '2')
    """
    # Round to nine decimals first, because the computed value of 47/40 may be slightly below 1.175.
    return str(Decimal(repr(round(float(value), 9))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def span(estimate: float, low: float, high: float, digits: int = 1) -> str:
    """Return a rate with its interval in percent; a part that is NaN is left out.

    Examples
    --------
    >>> span(0.181, 0.132, 0.231)
    '18.1 (13.2–23.1)'
    """
    interval = "" if low != low else f"{percent(low, digits, '')}–{percent(high, digits, '')}"
    if estimate != estimate:
        return interval
    return percent(estimate, digits, "") + (f" ({interval})" if interval else "")


def with_minus(number: str) -> str:
    """Return the text of a number with a minus sign in place of its hyphen.

    Examples
    --------
    >>> with_minus(f"{-0.48:.2f}")
    '−0.48'
    """
    return number.replace("-", "−")


def ratio_number(value: float) -> str:
    """Return a ratio with two decimals, fewer from 10 on.

    Examples
    --------
    >>> ratio_number(1.9), ratio_number(14.62), ratio_number(372.4)
    ('1.90', '14.6', '372')
    """
    return fixed(value, 2 if value < 10 else 1 if value < 100 else 0)


def ratio_text(estimate: float, low: float, high: float) -> str:
    """Return a ratio with its interval, ``"1.90 (1.37–2.62)"``; a dash if there is none."""
    if estimate != estimate:
        return NOTHING
    return f"{ratio_number(estimate)} ({ratio_number(low)}–{ratio_number(high)})"


def count(n: float, noun: str, plural: str = "") -> str:
    """Return a number of things with their noun in the singular or the plural.

    Examples
    --------
    >>> count(1, "trial"), count(2, "study", "studies")
    ('1 trial', '2 studies')
    """
    return f"{n:g} {noun if n == 1 else plural or noun + 's'}"


def listed(parts: Sequence[str]) -> str:
    """Join parts of a sentence with commas and a final "and".

    Examples
    --------
    >>> listed(["age", "sex", "site"])
    'age, sex and site'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def sentence_case(text: str) -> str:
    """Return a text with its first letter capitalised and the rest unchanged."""
    return text[:1].upper() + text[1:]


def within_sentence(text: str) -> str:
    """Return a text with its first letter in lower case and the rest unchanged."""
    return text[:1].lower() + text[1:]


def date_text(day: dt.date) -> str:
    """Return a date for a sentence: ``6 August 2018``."""
    return f"{day.day} {day:%B %Y}"


def p_value(p: float) -> str:
    """Return a p-value for a sentence.

    Examples
    --------
    >>> p_value(0.0004), p_value(0.0312), p_value(0.4567)
    ('<0.001', '0.031', '0.46')
    """
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def rate(result: Entry | Outcome | Updated) -> str:
    """Return a rate with its interval for a sentence: ``18.1% (95% CI 13.2% to 23.1%)``."""
    return _with_interval(result, functools.partial(percent, digits=1))


def ratio(result: Entry | Pooled) -> str:
    """Return a ratio with its interval for a sentence: ``1.90 (95% CI 1.37 to 2.62)``."""
    return _with_interval(result, ratio_number)


def _with_interval(result: Entry | Outcome | Pooled | Updated, write: Callable[[float], str]) -> str:
    text = write(result.estimate)
    if result.ci_low == result.ci_low:
        text += f" (95% CI {write(result.ci_low)} to {write(result.ci_high)})"
    return text


def outcome_name(outcome: Outcome) -> str:
    """Return the name of an outcome: ``TCI monotherapy, children, ≥75%``."""
    group = "" if outcome.group == "total" else f", {GROUP_NAMES[outcome.group].lower()}"
    return f"{REGIMEN_NAMES[outcome.regimen]}{group}, {THRESHOLD_NAMES[outcome.threshold]}"


def row_name(regimen: str, group: str) -> str:
    """Return the name of a row of Table 3: ``TCI monotherapy, children``."""
    return f"{REGIMEN_NAMES[regimen]}, {GROUP_NAMES[group].lower()}"


def coverage(outcome: Outcome) -> str:
    """Describe how many of the review's studies have available counts: ``3 of 19 studies, 56 of 520 participants``."""
    patients = f" of {outcome.patients:g} participants" if outcome.patients == outcome.patients else " participants"
    text = f"{outcome.available_studies} of {outcome.studies:g} studies, {outcome.available_patients}{patients}"
    unlisted = outcome.available.study[~outcome.available.listed].nunique()
    return f"{text}, and {count(unlisted, 'study', 'studies')} not on the review's list" if unlisted else text


def stated(entry: Entry) -> str:
    """Return a result for a sentence, with its key: ``18.1% (95% CI 13.2% to 23.1%)`` in Markdown."""
    return in_sentence(rate(entry) if entry.is_rate else ratio(entry), entry.key)


def rounded(entry: Entry, digits: int = 0) -> str:
    """Return the rate of a result without its interval for a sentence, with its key: ``18%`` in Markdown."""
    return in_sentence(percent(entry.estimate, digits), entry.key)


def predicted(entry: Entry) -> str:
    """Return the prediction interval of a rate for a sentence, with its key: ``3% to 73%`` in Markdown."""
    return in_sentence(f"{percent(entry.pi_low)} to {percent(entry.pi_high)}", entry.key, "prediction")


def in_cell(entry: Entry | None, mark: str = "") -> str:
    """Return a rate or a ratio with its interval for a cell of a table, with its key: ``18.1 (13.2–23.1)``.

    The footnote sign ``mark`` is added at the end. The text is empty for None.
    """
    write = ratio_text if entry and entry.scale == "ratio" else span
    return Stated(write(entry.estimate, entry.ci_low, entry.ci_high) + mark, entry.key) if entry else ""


def prediction_in_cell(entry: Entry | None) -> str:
    """Return the prediction interval of a rate for a cell of a table, with its key; empty if there is none."""
    text = span(math.nan, entry.pi_low, entry.pi_high) if entry else ""
    return Stated(text, entry.key, "prediction") if entry and text else ""


WITH_REGIMEN = {
    "monotherapy": "With a topical calcineurin inhibitor alone",
    "phototherapy": "With a topical calcineurin inhibitor and phototherapy",
}
"""Beginning of a sentence on the patients of a regimen."""

_PEOPLE = {
    "total": "patients (or patches)",
    "children": "children",
    "face_neck": "patients (or patches) treated on the face and neck",
    "trunk_extremities": "patients (or patches) treated on the trunk and extremities",
    "hands_feet": "patients (or patches) treated on the hands and feet",
}


def headline(entries: Mapping[str, Entry], outcome: Outcome) -> str:
    """Return the headline sentences of a rate, in Markdown.

    Parameters
    ----------
    entries : mapping of str to Entry
        As `registry.results` returns them.
    outcome : Outcome
        The rate.

    Returns
    -------
    str
        The current rate in bold; its origin (published or updated, and by which method); the result of the recommended
        method, with its studies; and the number of studies with available responder counts. Terms are linked to the
        glossary.
    """
    main, published = current_rate(entries, outcome), entries[rate_key(outcome, "published")]
    response = f"{THRESHOLDS_IN_WORDS[outcome.threshold]} repigmentation"
    first = f"**{WITH_REGIMEN[outcome.regimen]}, {stated(main)} of {_PEOPLE[outcome.group]} achieved {response}.**"
    return f"{first} {_origin(main, published, outcome)} {_recommended(entries, outcome)}"


def _origin(main: Entry, published: Entry, outcome: Outcome) -> str:
    """Explain whether the rate in a headline is published or updated, and by which method."""
    without = "" if published.ci_low == published.ci_low else ", without an interval"
    if main is published:
        return f"This is the rate as published by the 2019 review{without}; no new study reports this outcome."
    new = count(outcome.new.study.nunique(), "new study", "new studies")
    return (
        f"The 2019 review published {stated(published)}{without}. The current rate combines it with {new}, in keeping"
        " with the review's method of pooling."
    )


def _recommended(entries: Mapping[str, Entry], outcome: Outcome) -> str:
    """State the result of the recommended method, and how many studies have available counts."""
    n_listed, n_new = outcome.available_studies, outcome.new.study.nunique()
    n_unlisted = outcome.available.study.nunique() - n_listed
    k = n_listed + n_unlisted + n_new
    studies = f"{n_listed or 'none'} of the {outcome.studies:g} original studies"
    if n_unlisted:
        studies += f", {n_unlisted} more that the review does not list for this rate"
    if n_new:
        studies += f" and {count(n_new, 'new study', 'new studies')}"
    imputed, available = (of_rate(entries, outcome, kind) for kind in ("recommended", "recommended.available"))
    method = "[logistic model](glossary.md#logistic-model) that this book [recommends](methods-compared.ipynb)"
    counts = "[available responder counts](glossary.md#available-responder-counts)"
    if imputed:
        few = "one study has" if k == 1 else f"{k} studies have"
        with_counts = f"Only {few}" if k else "None of them has"
        only_available = (
            f"Based only on the {k} studies with {counts} ({studies}), it gives {stated(available)}."
            if available
            else f"{with_counts} {counts} ({studies})."
        )
        return (
            f"The {method} gives {stated(imputed)} for all {imputed.k:g} studies; counts that are not available are"
            f" [imputed](glossary.md#imputed-counts) from the published results. {only_available}"
        )
    if available:
        return f"The {method} gives {stated(available)}, based only on the {k} studies with {counts} ({studies})."
    no_result = {
        0: f"None of these studies has {counts}, so there is no result",
        1: f"Only one study has {counts} ({studies}), too few for a result",
    }.get(k, f"There are {counts} for {k} studies ({studies}), but there is no result")
    return f"{no_result} by the {method}."
