"""Look up whether anything that the review cites was retracted, or has an expression of concern.

Belongs here: what Crossref and PubMed state about the references, and the rows of ``retractions.csv``. Does not belong
here: the decision about a retracted study, which a person makes in that table, and the rule that one is made
(`lib.evidence.rules.retractions`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from lib.evidence.checking import read_some_tables
from lib.evidence.references import read_references
from lib.evidence.rules.retractions import awaits_decision
from lib.records.saving import Change, save
from lib.records.searching.answers import doi_from, list_of, objects, pmid_from, read_json, read_xml, words
from lib.records.searching.client import Client, Request, SearchError
from lib.records.searching.search import Setting

DOIS, PMIDS = 20, 100
"""Identifiers in one request."""
_KIND_BY_UPDATE = {
    "retraction": "retraction",
    "retraction_and_replacement": "retraction",
    "partial_retraction": "partial_retraction",
    "withdrawal": "withdrawal",
    "removal": "withdrawal",
    "expression_of_concern": "expression_of_concern",
}
"""Kind of notice by the type of an update in Crossref; corrections are not looked for."""
_KIND_BY_CORRECTION = {
    "RetractionIn": "retraction",
    "RetractedandRepublishedIn": "retraction",
    "PartialRetractionIn": "partial_retraction",
    "ExpressionOfConcernIn": "expression_of_concern",
}
"""Kind of notice by what PubMed calls its relation to the article."""


@dataclass(frozen=True)
class Notice:
    """A notice about a reference.

    Attributes
    ----------
    reference : str
        Key of the reference in ``references.bib``.
    kind : str
        A code: retraction, partial_retraction, withdrawal or expression_of_concern.
    notice : str
        The notice as ``doi:`` or ``pmid:`` with its number; that of the article where no notice is named.
    """

    reference: str
    kind: str
    notice: str


@dataclass(frozen=True)
class Identifiers:
    """The DOI and PubMed number of each reference that has one, by its key."""

    doi: Mapping[str, str]
    pmid: Mapping[str, str]


def identifiers(folder: Path) -> Identifiers:
    """Return the identifiers of all references of a data folder, and of the records of included studies."""
    references, _, faults = read_references(folder / "references.bib")
    if not references.entries:
        raise SearchError(f"{folder}: {faults[0]}" if faults else f"{folder}: references.bib has no entries.")
    doi: dict[str, str] = {}
    pmid: dict[str, str] = {}
    for key, entry in references.entries.items():
        doi[key] = doi_from(entry.fields.get("doi", ""))
        pmid[key] = pmid_from(entry.fields.get("pmid", ""))
    tables = read_some_tables(folder, ("records", "candidates"))
    candidates = tables["candidates"].merge(tables["records"], on="record", suffixes=("", "_of_record"))
    for candidate in candidates.itertuples():
        key = candidate.study
        if key in references.entries:
            doi[key] = doi[key] or doi_from(candidate.doi)
            pmid[key] = pmid[key] or pmid_from(candidate.pmid)
    return Identifiers({k: v for k, v in doi.items() if v}, {k: v for k, v in pmid.items() if v})


@dataclass(frozen=True)
class LookedUp:
    """What Crossref and PubMed state.

    Attributes
    ----------
    notices : list of Notice
        One for each reference and kind, in the order of the references; that of Crossref where both have one.
    unknown : list of str
        Identifiers that the databases do not know: of these articles nothing was learnt.
    """

    notices: list[Notice]
    unknown: list[str]


def look_up(
    folder: Path, references: Identifiers, setting: Setting, say: Callable[[str], None] = lambda message: None
) -> LookedUp:
    """Ask Crossref and PubMed about all references.

    Parameters
    ----------
    folder : Path
        The data folder, where raw answers are kept.
    references : Identifiers
        What to ask about.
    setting : Setting
        How the databases are reached.
    say : callable
        Takes a message about a request that has to wait.

    Returns
    -------
    LookedUp
        The notices, and the identifiers that are not known.

    Raises
    ------
    SearchError
        If a part could not be asked; then nothing is known.
    """
    crossref, pubmed = setting.source("crossref"), setting.source("pubmed")
    with setting.client(crossref, folder, say) as client:
        answers = [_ask_crossref(client, crossref.address, batch) for batch in _batches(references.doi, DOIS)]
    with setting.client(pubmed, folder, say) as client:
        answers += [_ask_pubmed(client, pubmed.address, batch) for batch in _batches(references.pmid, PMIDS)]
    notices: dict[tuple[str, str], Notice] = {}
    for notice in (notice for answer in answers for notice in answer.notices):
        notices.setdefault((notice.reference, notice.kind), notice)
    order = {key: at for at, key in enumerate(dict.fromkeys([*references.doi, *references.pmid]))}
    in_order = sorted(notices.values(), key=lambda notice: (order[notice.reference], notice.kind))
    return LookedUp(in_order, [name for answer in answers for name in answer.unknown])


def _batches(identifier_by_key: Mapping[str, str], size: int) -> Iterator[dict[str, list[str]]]:
    """Yield the keys of references by identifier, some identifiers at a time: two references can share one."""
    keys: dict[str, list[str]] = {}
    for key, identifier in identifier_by_key.items():
        keys.setdefault(identifier, []).append(key)
    items = list(keys.items())
    for at in range(0, len(items), size):
        yield dict(items[at : at + size])


def _ask_crossref(client: Client, address: str, batch: dict[str, list[str]]) -> LookedUp:
    """Return what Crossref states about a batch of DOIs."""
    # A comma in a DOI would begin another filter.
    filters = [f"doi:{doi}" for doi in batch if "," not in doi]
    items: list[Any] = []
    if filters:
        request = Request(f"{address}/works", {"filter": ",".join(filters), "rows": str(DOIS)})
        items, _ = client.ask(request, lambda content: list_of(read_json(content, "message"), "items"))
    notices, missing = [], dict.fromkeys(batch)
    for item in objects(items):
        doi = doi_from(item.get("DOI"))
        missing.pop(doi, None)
        for update in objects(item.get("updated-by")):
            kind = _KIND_BY_UPDATE.get(re.sub("[ -]+", "_", words(update.get("type")).casefold()), "")
            if kind:
                notice = f"doi:{doi_from(update.get('DOI')) or doi}"
                notices += [Notice(key, kind, notice) for key in batch.get(doi, ())]
    return LookedUp(notices, [f"doi:{doi}" for doi in missing])


def _ask_pubmed(client: Client, address: str, batch: dict[str, list[str]]) -> LookedUp:
    """Return what PubMed states about a batch of its numbers."""
    parameters = {"db": "pubmed", "id": ",".join(batch), "retmode": "xml", "tool": "living-review"}
    request = Request(f"{address}/efetch.fcgi", parameters)
    root, _ = client.ask(request, lambda content: read_xml(content, "PubmedArticleSet"))
    notices, missing = [], dict.fromkeys(batch)
    for citation in root.iter("MedlineCitation"):
        pmid = pmid_from(citation.findtext("PMID") or "")
        missing.pop(pmid, None)
        for kind, notice in dict(_stated(citation, pmid)).items():
            notices += [Notice(key, kind, f"pmid:{notice}") for key in batch.get(pmid, ())]
    return LookedUp(notices, [f"pmid:{pmid}" for pmid in missing])


def _stated(citation: Element, pmid: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the PubMed number of each notice about an article; a better known one comes later."""
    if any(words(e.text).casefold() == "retracted publication" for e in citation.iter("PublicationType")):
        yield "retraction", pmid
    for element in citation.findall("CommentsCorrectionsList/CommentsCorrections"):
        if kind := _KIND_BY_CORRECTION.get(element.get("RefType", "")):
            yield kind, pmid_from(element.findtext("PMID") or "") or pmid


def changes(rows: Iterable[Mapping[str, str]], notices: Iterable[Notice], today: str) -> list[Change]:
    """Return the rows to add: notices of which the table has none yet. Rows with decisions stay as they are.

    Examples
    --------
    >>> notice = Notice("a2024", "retraction", "doi:10.5555/made-up.1")
    >>> [change.values["found"] for change in changes([], [notice], "2026-11-26")]
    ['2026-11-26']
    >>> changes([{"reference": "a2024", "kind": "retraction"}], [notice], "2026-11-26")
    []
    """
    present = {(row["reference"], row["kind"]) for row in rows}
    return [
        Change(
            "retractions",
            values={"reference": new.reference, "notice": new.notice, "kind": new.kind, "found": today},
        )
        for new in notices
        if (new.reference, new.kind) not in present
    ]


def watch(
    folder: Path,
    *,
    dry_run: bool = False,
    setting: Setting | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Look up all references, and add new notices to ``retractions.csv``.

    Parameters
    ----------
    folder : Path
        The data folder.
    dry_run : bool
        Whether nothing is to be written.
    setting : Setting, optional
        How the databases are reached.
    say : callable
        Takes a message.

    Returns
    -------
    int
        Number of new notices.

    Raises
    ------
    SearchError
        If a database could not be asked; nothing was written.
    lib.records.saving.SaveError
        If the rows cannot be written.
    """
    setting = setting or Setting.usual()
    references = identifiers(folder)
    answers = look_up(folder, references, setting, say)
    present = read_some_tables(folder, ("retractions",))["retractions"].to_dict("records")
    new = changes(present, answers.notices, f"{setting.today}")
    numbers = [len(set(part.values())) for part in (references.doi, references.pmid)]
    say(
        f"Asked Crossref about {numbers[0]} DOIs and PubMed about {numbers[1]} numbers: "
        f"{len(answers.notices)} notices, {len(new)} of them new."
    )
    if answers.unknown:
        say(f"Not in the database, so nothing is known of: {', '.join(answers.unknown)}.")
    for change in new:
        assert change.values is not None
        say(f"{change.values['reference']}: {change.values['kind'].replace('_', ' ')}, {change.values['notice']}")
    if new and not dry_run:
        # The rule that demands a decision is the point of the new row.
        save(folder, new, accept=awaits_decision)
        say("Added to retractions.csv. Enter a decision and its reason there: make check fails until then.")
    return len(new)
