"""The record of each study: all that the data contain about it, and the results in which it is used.

Belongs here: the page *Study records*, to which the names of studies in tables lead (`marked_text.study_link`). Does
not belong here: tables that compare studies (`lib.report.tables`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from lib.evidence import Evidence
from lib.report import registry
from lib.report.chapters.all_results import heading, result_name, words_of_keys
from lib.report.citations import citation, identifiers
from lib.report.marked_text import PageLink, result_address, study_anchor
from lib.report.tables.included import arm_text, enrolled_text, fact_subject
from lib.report.tables.names import arm_name, bound_texts, label_by_key, rows_by
from lib.report.tables.table import cell_html
from lib.report.text_safety import Html, template
from lib.report.wording import percent, sentence_case

_RECORD = template(
    """\
<section class="review-record" id="{{ anchor }}">
<h3><a href="#{{ anchor }}">{{ label }}</a></h3>
{% for notice in notices %}<p class="review-notice" role="note">{{ notice }}</p>{% endfor %}
<p>{{ citation }}{% for link in links %} {{ link }}{% endfor %}</p>
<dl>
{% for term, text in facts %}
<dt>{{ term }}</dt><dd>{{ text }}</dd>
{% endfor %}
</dl>
{% for caption, columns, rows in tables %}
<div class="review-table"><table class="review"><caption>{{ caption }}</caption>
<thead><tr>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>{% for cell in row[:columns | length] %}<td>{{ cell }}</td>{% endfor %}</tr>
{% if row | length > columns | length %}
<tr class="detail"><td colspan="{{ columns | length }}"><div>{{ row[-1] }}</div></td></tr>
{% endif %}
{% endfor %}
</tbody></table></div>
{% endfor %}
{% if results %}
<details class="review-folded"><summary>Results in which the study is used</summary>
{% for heading, links in results %}<p>{{ heading }}. {{ links | join("; ") }}.</p>{% endfor %}</details>
{% endif %}
</section>
"""
)


class Records:
    """The records of some studies, as a page shows them.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    keys : iterable of str
        Keys of studies of ``studies.csv`` or records of ``screening.csv``; their order is that of the page.

    Examples
    --------
    >>> from lib import evidence
    >>> records = Records(evidence.load("data"), ["kanwar2004"])
    >>> 'id="study-kanwar2004"' in records._repr_html_()
    True
    """

    def __init__(self, evidence: Evidence, keys: Iterable[str]):
        self.evidence, self.keys = evidence, list(keys)

    def __repr__(self) -> str:
        return f"records of {len(self.keys)} studies"

    def _repr_html_(self) -> str:
        parts = _Parts(self.evidence)
        return "".join(_RECORD.render(parts.record(key)).replace(">\n<", "><") for key in self.keys)


def in_review(evidence: Evidence) -> Records:
    """Return the records of the clinical studies of the 2019 review, by name."""
    return _by_name(evidence, evidence.studies.study[evidence.studies.edition == "original"])


def since_review(evidence: Evidence) -> Records:
    """Return the records identified since the original search, whatever the decision on them, by name."""
    return _by_name(evidence, evidence.screening.study)


def _by_name(evidence: Evidence, keys: pd.Series) -> Records:
    names = label_by_key(evidence)
    return Records(evidence, sorted(set(keys), key=lambda key: (names[key].casefold(), key)))


_MAIN = re.compile(r"\.(?:published|available|new|updated|recommended|rr)$")
"""Pattern of the ends of the keys of those results that a record lists."""


class _Parts:
    """The tables of an edition, grouped by study, from which the records are made."""

    def __init__(self, evidence: Evidence):
        self.evidence = evidence
        self.names = label_by_key(evidence)
        self.words = words_of_keys(evidence)
        self.meaning = functools.cache(evidence.meaning)
        self.notices = rows_by(evidence.retractions, "reference")
        self.rows = {
            name: rows_by(getattr(evidence, name), "study")
            for name in (
                "studies",
                "screening",
                "arms",
                "responses",
                "reported_without_counts",
                "adverse_events",
                "maintenance",
                "findings",
                "report_facts",
                "concerns",
                "risk_of_bias",
            )
        }
        bounds = evidence.bounds
        self.rows["bounds"] = rows_by(bounds.assign(in_words=bound_texts(evidence, bounds)), "study")
        self.results_by_study: dict[str, list[str]] = {}
        for entry in registry.results(evidence).values():
            # Leave out subgroups, single trials and other measures of the same comparison, which would repeat the list.
            is_main = _MAIN.search(entry.key) or not entry.key.startswith(("rate.", "comparison."))
            for study in dict.fromkeys(entry.studies) if is_main else ():
                self.results_by_study.setdefault(study, []).append(entry.key)

    def record(self, key: str) -> dict[str, Any]:
        """Return what the template of a record shows."""
        return {
            "anchor": study_anchor(key),
            "label": self.names[key],
            "notices": [self._notice(row) for row in self.notices.get((key,), ())],
            "citation": citation(self.evidence, key),
            "links": [Html(cell_html(source)) for source in identifiers(self.evidence, key)],
            "facts": [(term, text) for term, text in self._facts(key) if text],
            "tables": [part for part in self._tables(key) if part[2]],
            "results": self._results(key),
        }

    def _notice(self, row: Any) -> Html:
        """Return the banner of a retraction or of an expression of concern, with what was decided."""
        decision = f"{self._word('retraction_decision', row.decision)}. {row.reason}" if row.decision else "none yet."
        kind = sentence_case(self._word("retraction_kind", row.kind))
        return Html("<strong>{}.</strong> Notice: {}, found on {}. Decision: {}").format(
            kind, Html(cell_html(row.notice)), row.found, decision
        )

    def _result(self, key: str) -> Html:
        """Return the name of a result, which leads to its entry."""
        return Html(PageLink(result_name(key, self.words), result_address(key))._repr_html_())

    def _results(self, study: str) -> list[tuple[str, list[Html]]]:
        """Return the links to the results that use a study, by their heading."""
        groups: dict[str, list[Html]] = {}
        for key in self.results_by_study.get(study, ()):
            kind, subject, *_ = key.split(".")
            groups.setdefault(heading(kind, subject, self.words), []).append(self._result(key))
        return list(groups.items())

    def _rows_of(self, table: str, key: str) -> list[Any]:
        return self.rows[table].get((key,), [])

    def _word(self, code_list: str, code: str) -> str:
        return self.meaning(code_list).get(code, code)

    def _facts(self, key: str) -> Iterator[tuple[str, Any]]:
        for row in self._rows_of("studies", key)[:1]:
            reference = f", reference {row.review_ref:g}" if row.review_ref == row.review_ref else ""
            origin = f"2019 review{reference}" if row.edition == "original" else "identified since the 2019 review"
            yield "Edition", sentence_case(origin)
            yield "Country", row.country
            randomised = {"yes": "randomised", "no": "not randomised"}.get(row.randomised, "")
            design = [self._word("design", row.design), self._word("blinding", row.blinding), randomised]
            yield "Design", sentence_case(", ".join(filter(None, design)))
            subtype = self._codes("subtype", row.subtype)
            population = [self._word("population", row.population), subtype and f"{subtype} vitiligo"]
            yield "Participants", sentence_case(", ".join(filter(None, population)))
            yield "Assessed", sentence_case(self._codes("assessment", row.assessment))
            yield "Treatment", f"{row.duration_months:g} months" if row.duration_months == row.duration_months else ""
            yield "Remark", row.note
        for row in self._rows_of("screening", key):
            yield "Decision", f"{sentence_case(self._word('decision', row.decision))}. {row.reason}"
        for row in self._rows_of("findings", key):
            yield "Main finding", row.finding
        for row in self._rows_of("concerns", key):
            yield "Limitation", row.concern

    def _codes(self, code_list: str, codes: str) -> str:
        return " and ".join(self._word(code_list, code.strip()) for code in codes.split(";") if code)

    def _tables(self, key: str) -> Iterator[tuple[str, list[str], list[list[Any]]]]:
        """Yield caption, columns and rows of every table; a cell beyond the columns is a line below its row."""
        yield (
            "Arms",
            ["Arm", "Role", "Treatment", "Enrolled/completed"],
            [
                [arm_name(row.arm), self._word("role", row.role), arm_text(row), enrolled_text(row)]
                for row in self._rows_of("arms", key)
            ],
        )
        yield (
            "Responder counts",
            ["Arm", "Response", "Counted", "Events/n", "Source"],
            [self._count(row) for row in self._rows_of("responses", key)],
        )
        yield (
            "Results reported without a count",
            ["Arm", "Site", "n", "Source"],
            [
                [row.arm, row.site_detail or self._word("site", row.site), _number(row.n), _source(row), row.reported]
                for row in self._rows_of("reported_without_counts", key)
            ],
        )
        yield (
            "Limits on counts that are not reported",
            ["Arm", "Site", "Response", "Limit", "Source"],
            [
                [
                    row.arm,
                    self._word("site", row.site),
                    sentence_case(self._word("threshold", row.threshold)),
                    row.in_words,
                    _source(row),
                    sentence_case(row.reason),
                ]
                for row in self._rows_of("bounds", key)
            ],
        )
        yield (
            "Loss of pigment during maintenance",
            ["Analysis", "Arm", "Lost pigment/n", "Remark", "Source"],
            [
                [
                    row.analysis,
                    row.arm,
                    f"{_number(row.depigmented) or '?'}/{row.n:g} {row.unit}",
                    row.note,
                    _source(row),
                ]
                for row in self._rows_of("maintenance", key)
            ],
        )
        yield (
            "Adverse events",
            ["Arm", "Event", "Events/n", "Source"],
            [
                [row.arm, sentence_case(row.event), f"{row.events:g}/{row.n:g}", _source(row)]
                for row in self._rows_of("adverse_events", key)
            ],
        )
        yield (
            "Statements of the study's report",
            ["Subject", "Statement", "Origin", "Source"],
            [
                [
                    fact_subject(row),
                    f"{row.value}{f' ({row.note})' if row.note else ''}",
                    "inferred" if row.inferred == "yes" else "reported",
                    _source(row),
                ]
                for row in self._rows_of("report_facts", key)
            ],
        )
        judgements = self._rows_of("risk_of_bias", key)
        # All domains usually have the same source. State it once, which makes the page smaller.
        one_source = len({row.source for row in judgements}) == 1
        yield (
            Html("Risk of bias ({})").format(_source(judgements[0])) if one_source else "Risk of bias",
            ["Domain", "Judgement"] + ["Source"] * (not one_source),
            [
                [
                    sentence_case(self._word(f"{row.tool}_domain", row.domain)),
                    self._word(f"{row.tool}_judgement", row.judgement),
                    *([] if one_source else [_source(row)]),
                    row.support,
                ]
                for row in judgements
            ],
        )

    def _count(self, row: Any) -> list[Any]:
        details = [
            row.site_detail or self._word("site", row.site),
            "" if row.population == "all" else self._word("population", row.population),
            self._word("subtype", row.subtype),
            f"month {row.months:g}" if row.months == row.months else "",
        ]
        use = self._word("poolable", row.poolable)
        reasons = [self._word("why_not", row.why_not), row.remark]
        return [
            arm_name(row.arm),
            sentence_case(self._word("threshold", row.threshold)),
            ", ".join(filter(None, details)),
            f"{row.events:g}/{row.n:g} {row.unit}" + (f" ({percent(row.events / row.n, 1)})" if row.n else ""),
            Html(f"{_source(row)} ({self._word('source_kind', row.source_kind)})"),
            sentence_case(f"{self._word('basis', row.basis)}, {row.confidence} confidence")
            + (f": {row.derivation}" if row.derivation else "")
            + f". {sentence_case(use)}{': ' if any(reasons) else ''}{'; '.join(filter(None, reasons))}.",
        ]


def _number(value: float) -> str:
    return "" if value != value else f"{value:g}"


def _source(row: Any) -> Html:
    return Html(cell_html(row.source))
