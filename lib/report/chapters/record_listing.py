"""The lists of records to which the boxes of the flow diagram lead, and a sentence on the agreement of reviewers.

Belongs here: the lists on the page *Search results*. Does not belong here: which rows are in which box
(`lib.records.flow`), and the diagram (`lib.report.figures.flow`).

The section of a box that is the sum of others contains their sections, so that its id leads to exactly its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lib.evidence import Evidence
from lib.evidence.screening import NOT_RECORDED, STAGES
from lib.records import decisions
from lib.records.flow import Column, flow
from lib.report.citations import citation
from lib.report.marked_text import study_link
from lib.report.tables.names import label_by_key, rows_by, with_labels
from lib.report.tables.records import (
    NO_GROUP,
    UNDECIDED,
    column_heading,
    flow_anchor,
    in_order,
    record_anchor,
    search_names,
)
from lib.report.tables.table import cell_html
from lib.report.text_safety import Html, for_html, template
from lib.report.wording import count, sentence_case, within_sentence

MOST = 300
"""Largest number of records of one list; all of them are in the CSV files."""
_PARTS = {
    "identified": ("duplicates", "unique"),
    "unique": ("awaiting_screening", "screened"),
    "screened": ("excluded", "sought"),
    "sought": ("awaiting_full_text", "assessed"),
    "assessed": ("excluded_full_text", "awaiting_classification", "included"),
}
"""Names of the boxes whose sections are within the section of a box."""
_TITLES = {
    "identified": "Records identified",
    "duplicates": "Duplicates removed",
    "refused": "Entries that could not be read",
    "unique": "Records without duplicates",
    "awaiting_screening": "Records awaiting screening",
    "screened": "Records screened",
    "excluded": "Records excluded on title and abstract",
    "sought": "Reports sought for retrieval",
    "awaiting_full_text": "Reports awaiting full text",
    "assessed": "Reports assessed for eligibility",
    "excluded_full_text": "Reports excluded on full text",
    "awaiting_classification": "Reports awaiting classification",
    "included": "Reports of studies included",
}
_BY_REASON = ("excluded", "excluded_full_text")
_RELATIONS = {
    "duplicate": "The same report as",
    "same_study": "Another report of",
    "separate": "Not the same as",
    "erratum": "Erratum of",
}
_STYLE = """\
<style>
.review-lists{font-size:.88em}
.review-lists h3,.review-lists h4{margin:.9rem 0 .2rem;font-size:1.05em}
.review-lists h4{font-weight:400;font-style:italic;font-size:1em}
.review-lists section{scroll-margin-top:5rem}
.review-lists section section{border-left:1px solid #8a8a8a;padding-left:.7rem}
.review-lists li{scroll-margin-top:5rem;margin:.15rem 0;overflow-wrap:anywhere}
.review-lists :target{border-left:4px solid var(--pst-color-primary,#1f6fb2);padding-left:.6rem}
.review-lists summary{cursor:pointer;margin-top:1rem}
@media (max-width:700px){.review-lists section section{padding-left:.35rem}.review-lists ul{padding-left:1.1rem}}
</style>"""


class RecordListing:
    """The records of each computed column of the flow, as a page shows them: in full for the last column, else by name.

    Examples
    --------
    >>> from lib import evidence
    >>> RecordListing(evidence.load("data", "2018-08-06"))
    lists of records: 0
    """

    def __init__(self, evidence: Evidence):
        self._evidence = evidence
        self._columns = [column for column in flow(evidence) if column.is_computed]

    def __repr__(self) -> str:
        return f"lists of records: {len(self._columns)}"

    def _repr_html_(self) -> str:
        if not self._columns:
            return "<p>None in this edition.</p>"
        *before, last = self._columns
        parts = [_STYLE, '<div class="review-lists">', _Lists(self._evidence, last, in_full=True).html()]
        for column in reversed(before):
            lists = _Lists(self._evidence, column, in_full=False)
            parts.append(f"<details><summary>{for_html(column_heading(column))}</summary>{lists.html()}</details>")
        return "".join([*parts, "</div>"])


class _Lists:
    """The lists of one column of the flow."""

    def __init__(self, evidence: Evidence, column: Column, in_full: bool):
        self.column, self.in_full = column, in_full
        self.evidence = evidence
        self.searches = search_names(evidence)
        self.meaning = {name: evidence.meaning(name) for name in ("exclusion", "stage", "screening_decision")}
        self.record_by_key = {row.record: row for row in evidence.records.itertuples()}
        self.study_by_record = dict(zip(evidence.candidates.record, evidence.candidates.study, strict=True))
        self.labels = label_by_key(evidence)
        if in_full:
            # Only lists in full show them.
            decision_rows, relation_rows = evidence.decisions, evidence.duplicates
            self.decisions = rows_by(decision_rows.assign(note=with_labels(evidence, decision_rows.note)), "record")
            self.relations = rows_by(relation_rows.assign(why=with_labels(evidence, relation_rows.why)), "record")

    def html(self) -> str:
        """Return all lists."""
        return f"{self._section('refused')}{self._section('identified')}{self._by_search()}"

    def _section(self, name: str) -> str:
        box = self.column.boxes[name]
        if not box.n:
            return ""
        if name in _PARTS:
            content = "".join(map(self._section, _PARTS[name]))
        else:
            content = self._refused() if name == "refused" else self._list(name)
        title = f"{for_html(_TITLES[name])} (n&nbsp;=&nbsp;{box.n})"
        return f'<section id="{self._id(name)}"><h3>{title}</h3>{content}</section>'

    def _id(self, name: str, group: str = "") -> str:
        return for_html(flow_anchor(self.column, name, group))

    def _list(self, name: str) -> str:
        """Return the records of a box, in groups if it has any."""
        box = self.column.boxes[name]
        words = self.meaning["exclusion"] if name in _BY_REASON else UNDECIDED
        groups = in_order(box.groups, words) if name in _BY_REASON else box.groups
        parts, remaining = [], MOST
        for code, keys in (groups or {"": box.keys}).items():
            heading = ""
            if groups:
                title = words.get(code, code)
                heading = f'<h4 id="{self._id(name, code or NO_GROUP)}">{for_html(title)} ({len(keys)})</h4>'
            items = map(self._entry, keys[: max(remaining, 0)])
            remaining -= len(keys)
            parts.append(f"{heading}<ul>{''.join(items)}</ul>")
        if remaining < 0:
            parts.append(f"<p>{-remaining} more are in records.csv and decisions.csv.</p>")
        return "".join(parts)

    def _entry(self, key: str) -> str:
        if not self.in_full:
            return f"<li>{self._name(key)}</li>"
        row, study = self.record_by_key[key], self.study_by_record.get(key, "")
        name = study_link(self.labels[study], study)._repr_html_() if study else ""
        text = citation(self.evidence, study) if study else _citation(row)
        sources = [f"{kind}:{value}" for kind, value in (("doi", row.doi), ("pmid", row.pmid)) if value]
        facts = "".join(f"{fact.rstrip('.')}. " for fact in self._facts(key, row)).rstrip()
        links = [Html(cell_html(source)) for source in sources]
        return _ENTRY.render(id=record_anchor(key), name=Html(name), text=text, links=links, facts=facts)

    def _facts(self, key: str, row: Any) -> Iterator[str]:
        yield f"Found by: {within_sentence(self.searches[row.search])}" if row.search else "Identified without a search"
        for relation in self.relations.get((key,), ()):
            study = self.study_by_record.get(relation.same_as, "")
            name = self.labels.get(study, relation.same_as)
            yield f"{_RELATIONS[relation.relation]} {name} ({_reviewer(relation.decided_by)}): {relation.why}"
        for decision in sorted(self.decisions.get((key,), ()), key=lambda row: STAGES.index(row.stage)):
            stage = sentence_case(self.meaning["stage"][decision.stage])
            reason = f", {within_sentence(self.meaning['exclusion'][decision.reason])}" if decision.reason else ""
            note = f". {decision.note}" if decision.note else ""
            resolved = "resolved: " if decision.role == "resolution" else ""
            words = self.meaning["screening_decision"][decision.decision]
            yield f"{stage}: {resolved}{words}{reason} ({_reviewer(decision.reviewer)}, {decision.date}){note}"

    def _refused(self) -> str:
        """Return the entries of exported files that could not be read."""
        rows = self.evidence.refused[self.evidence.refused.search.isin(self.evidence.searches.search)][:MOST]
        items = (
            f"<li>{for_html(self.searches[row.search])}, entry {row.position:g}, line {row.line:g}:"
            f" {for_html(row.reason)}</li>"
            for row in rows.itertuples()
        )
        return f"<ul>{''.join(items)}</ul>"

    def _by_search(self) -> str:
        """Return the records of each search, by name."""
        parts = []
        for name in ("databases", "other_methods"):
            for search, keys in self.column.boxes[name].groups.items():
                title = f"{self.searches[search]} (n = {len(keys)})"
                names = map(self._name, keys[:MOST])
                more = f"; {len(keys) - MOST} more are in records.csv" if len(keys) > MOST else ""
                parts.append(
                    f'<section id="{self._id(name, search or NO_GROUP)}"><h3>{for_html(title)}</h3>'
                    f"<p>{'; '.join(names)}{more}.</p></section>"
                )
        return "".join(parts)

    def _name(self, key: str) -> str:
        """Return the name of a record, which leads to its place in the list of the last column."""
        study = self.study_by_record.get(key, "")
        name = self.labels.get(study) or self.record_by_key[key].title or key
        return f'<a href="#{for_html(record_anchor(key))}">{for_html(name)}</a>'


_ENTRY = template(
    '<li id="{{ id }}">{% if name %}<b>{{ name }}</b>. {% endif %}{{ text }}{% for link in links %} {{ link }}'
    "{% endfor %}<br><small>{{ facts }}</small></li>"
)


def _reviewer(name: str) -> str:
    return "reviewer not recorded" if name == NOT_RECORDED else name


def _citation(row: Any) -> str:
    """Return the citation of a record that belongs to no study; a field that is not known is left out."""
    journal = " ".join(filter(None, [row.journal, row.published[:4]]))
    issue = f"({row.issue})" if row.issue else ""
    place = ":".join(filter(None, [f"{row.volume}{issue}", row.pages]))
    parts = [row.authors.replace("; ", ", "), row.title, f"{journal};{place}" if place else journal, row.registry]
    return " ".join(f"{part.rstrip('.')}." for part in parts if part) or "Citation not available."


def agreement(evidence: Evidence) -> str:
    """State in Markdown how far reviewers agree, and how many decisions await a second reviewer or a resolution."""
    state = decisions.states(evidence.records, evidence.duplicates, evidence.decisions)
    number = state.state.value_counts()
    pairs = decisions.agreement(evidence.decisions)
    meaning = evidence.meaning("stage")
    parts = [
        f"On {meaning[row.stage]}, two reviewers decided on {count(row.records, 'record')} and agreed on {row.agreed}"
        f" ({100 * row.raw:.0f}%; {_kappa(row.kappa)})."
        for row in pairs.itertuples()
    ]
    if pairs.empty:
        parts.append(
            "No record has the decisions of two reviewers by name, so the agreement of reviewers cannot be stated."
        )
    single, conflicts = (int(number.get(name, 0)) for name in (decisions.AWAITS_SECOND, decisions.CONFLICTING))
    parts.append(
        f"A second reviewer is awaited for {count(single, 'decision')}; {count(conflicts, 'disagreement')} of reviewers"
        f" {'is' if conflicts == 1 else 'are'} not resolved."
    )
    unnamed = int((evidence.decisions.reviewer == NOT_RECORDED).sum())
    if unnamed:
        parts.append(f"Who decided was not recorded for {count(unnamed, 'decision')}.")
    return " ".join(parts)


def _kappa(value: float) -> str:
    return "Cohen's kappa not defined" if value != value else f"Cohen's kappa {value:.2f}"
