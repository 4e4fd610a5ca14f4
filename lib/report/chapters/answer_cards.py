"""Cards with the review's main answers, for the first page.

Belongs here: one card for a response rate, with an icon array of 100 people. Does not belong here: the results
(`lib.report.registry`), and the rating of their certainty (`certainty`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lib.evidence import GROUP_NAMES, THRESHOLDS_IN_WORDS, Evidence, Outcome
from lib.report.chapters.certainty import NOT_JUDGED, certainty_of_rate
from lib.report.entries import Entry, current_rate, of_rate
from lib.report.marked_text import in_sentence
from lib.report.text_safety import Html, template
from lib.report.wording import count, date_text, percent

SHOWN = (
    ("monotherapy", "ge75", "total"),
    ("phototherapy", "ge75", "total"),
    ("monotherapy", "ge50", "face_neck"),
    ("monotherapy", "ge50", "children"),
)
"""Regimen, threshold and group of the rates that have a card, in their order."""

_TITLES = {
    "monotherapy": "Calcineurin inhibitor alone",
    "phototherapy": "Calcineurin inhibitor with phototherapy",
}
_PEOPLE = {
    "total": "people",
    "children": "children",
    "face_neck": "people treated on face and neck",
    "trunk_extremities": "people treated on trunk and extremities",
    "hands_feet": "people treated on hands and feet",
}

_CARDS = template(
    """\
<div class="review-cards">
{% for card in cards %}
<section class="review-card">
<h2>{{ card.title }}</h2>
<p class="review-card-answer"><strong>{{ card.share }} of 100</strong> {{ card.people }} had {{ card.response }}.</p>
{{ card.icons }}
<p>The studies are compatible with {{ card.interval }} of 100 (95% confidence interval).
{% if card.recommended %}The method that this book recommends gives {{ card.recommended }} of 100.{% endif %}</p>
<p><a class="review-badge" href="certainty.html#rates-maintenance-and-safety">{{ card.certainty }}</a></p>
<p class="review-card-basis">{{ card.studies }}. <a href="{{ card.page }}">Details</a></p>
</section>
{% endfor %}
</div>
<p class="review-cards-note">Last search of databases: {{ last_search }}. Edition of {{ edition }}.
Some studies counted patches of skin instead of people. <a href="#cite-this-page">Cite this edition</a>.</p>
"""
)


class AnswerCards:
    """Cards of response rates, as the first page shows them.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    entries : mapping of str to Entry
        As `registry.results` returns them.

    Examples
    --------
    >>> from lib import evidence
    >>> from lib.report import registry
    >>> ev = evidence.load("data")
    >>> AnswerCards(ev, registry.results(ev))
    4 answer cards
    """

    def __init__(self, evidence: Evidence, entries: Mapping[str, Entry]):
        self._evidence = evidence
        outcomes = [evidence.outcome(regimen, threshold, group) for regimen, threshold, group in SHOWN]
        self.cards = [_card(evidence, entries, outcome) for outcome in outcomes]

    def __repr__(self) -> str:
        return f"{len(self.cards)} answer cards"

    def _repr_html_(self) -> str:
        return _CARDS.render(
            cards=self.cards,
            last_search=date_text(self._evidence.last_search),
            edition=date_text(self._evidence.as_of),
        )


def _card(evidence: Evidence, entries: Mapping[str, Entry], outcome: Outcome) -> dict[str, Any]:
    """Return what the template shows of one rate."""
    entry, recommended = current_rate(entries, outcome), of_rate(entries, outcome, "recommended")
    k, new = int(outcome.studies), outcome.new.study.nunique()
    available = outcome.available.study.nunique() + new
    return {
        "title": _TITLES[outcome.regimen]
        + ("" if outcome.group == "total" else f": {GROUP_NAMES[outcome.group].lower()}"),
        "share": _keyed(entry, percent(entry.estimate, 0, "")),
        "people": _PEOPLE[outcome.group],
        "response": f"{THRESHOLDS_IN_WORDS[outcome.threshold]} repigmentation",
        "icons": Html(icon_array(round(100 * entry.estimate))),
        "interval": _keyed(entry, _interval(entry), "interval"),
        "recommended": _keyed(recommended, f"{percent(recommended.estimate, 0, '')} ({_interval(recommended)})")
        if recommended
        else "",
        "certainty": _certainty(evidence, outcome),
        "studies": f"{count(k + new, 'study', 'studies')}, of which {available} have available responder counts",
        "page": entry.page.removeprefix("book/"),
    }


def _keyed(entry: Entry, text: str, part: str = "") -> Html:
    return Html(in_sentence(text, entry.key, part))


def _interval(entry: Entry) -> str:
    return f"{percent(entry.ci_low, 0, '')} to {percent(entry.ci_high, 0, '')}"


def _certainty(evidence: Evidence, outcome: Outcome) -> str:
    """Return the certainty of a rate in words."""
    rows = evidence.outcomes
    rows = rows[(rows.kind == "rate") & (rows.regimen == outcome.regimen) & (rows.threshold == outcome.threshold)]
    level = certainty_of_rate(evidence, rows.outcome.iloc[0]) if len(rows) and outcome.group == "total" else NOT_JUDGED
    return "Certainty not rated" if level == NOT_JUDGED else f"{level} certainty"


def icon_array(n: int) -> str:
    """Return 100 dots in ten rows as an SVG picture, the first ``n`` of them filled.

    Parameters
    ----------
    n : int
        Number of filled dots, from 0 to 100.

    Raises
    ------
    ValueError
        If ``n`` is not from 0 to 100.

    Examples
    --------
    >>> icon_array(18).count("h0")
    100
    """
    if not 0 <= n <= 100:
        raise ValueError(f"the number of filled dots must be from 0 to 100, not {n}")

    def dots(places: Sequence[int]) -> str:
        return "".join(f"M{10 * (place % 10) + 5} {10 * (place // 10) + 5}h0" for place in places)

    filled = f'<path class="filled" d="{dots(range(n))}"/>' if n else ""
    empty = f'<path class="empty" d="{dots(range(n, 100))}"/>' if n < 100 else ""
    return (
        f'<svg class="review-icons" role="img" aria-label="{n} of 100 dots are filled" viewBox="0 0 100 100"'
        ' width="160" height="160" fill="none" stroke-width="7.5" stroke-linecap="round">'
        f"{empty}{filled}</svg>"
    )
