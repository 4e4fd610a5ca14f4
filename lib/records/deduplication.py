"""Propose which records are the same report, and which report the same study.

Belongs here: which pairs of records are compared, what is decided by a rule, and what a person has to decide. Does not
belong here: how two records are compared (`comparing`), and writing (`saving`).

Rules are strict: what they merge is the same report beyond doubt, and everything else that is similar is a question for
a person. A person's decision in ``duplicates.csv`` always comes first.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from rapidfuzz import fuzz

from lib.records.comparing import (
    IDENTIFIERS,
    SPECIAL,
    Item,
    conflicts,
    differ_in_spelling,
    item,
    place_conflicts,
    same_journal,
    similarity,
)
from lib.records.saving import Change

RULE = "rule"
"""What ``decided_by`` says of a decision that no person made."""
DUPLICATE, SAME_STUDY, ERRATUM = "duplicate", "same_study", "erratum"
_ALIKE = 88.0
"""Similarity of titles from which a pair is shown to a person."""
_ALIKE_ON_SAME_PAGE = 60.0
"""The same for records with the same volume, first page and first author."""
_LARGEST_BLOCK = 150
"""Number of records with a common feature from which only neighbours in a sorted order are compared."""
_NEIGHBOURS = 12
_RARE_WORDS = 4
_RARE = 40
"""A word of a title is rare if at most so many records have it."""


@dataclass(frozen=True, order=True, slots=True)
class Proposal:
    """A pair of records and what they are to each other.

    Attributes
    ----------
    record, same_as : str
        Keys of the records. ``same_as`` is the record that stays the main one, or that an erratum corrects.
    relation : str
        "duplicate", "same_study" or "erratum".
    why : str
        The reason, in words.
    """

    record: str
    same_as: str
    relation: str
    why: str


@dataclass(frozen=True, slots=True)
class Proposals:
    """What the rules decide, and what a person has to decide.

    Attributes
    ----------
    decided : list of Proposal
        Pairs that a rule decides and that are not in ``duplicates.csv`` yet.
    maybes : list of Proposal
        Pairs that may be the same report or study.
    moved : list of (str, str, str)
        Rows of ``duplicates.csv`` whose main record became a duplicate itself: record, old and new main record.
    pairs : int
        Number of pairs that were compared.
    """

    decided: list[Proposal]
    maybes: list[Proposal]
    moved: list[tuple[str, str, str]]
    pairs: int


def propose(
    records: Iterable[Mapping[str, str]],
    duplicates: Iterable[Mapping[str, str]] = (),
    screened: Collection[str] = (),
) -> Proposals:
    """Compare records with each other; the result does not depend on their order.

    Parameters
    ----------
    records : iterable of mapping of str to str
        The rows of ``records.csv``.
    duplicates : iterable of mapping of str to str
        The rows of ``duplicates.csv``: what is decided already.
    screened : collection of str
        Records with decisions or of studies: they stay the main ones, and two of them are never merged by a rule.

    Returns
    -------
    Proposals

    Examples
    --------
    >>> title = "Made-up trial of an ointment twice weekly"
    >>> first = {"record": "a.1", "title": title, "pmid": "1", "kind": "article"}
    >>> notice = {"record": "a.2", "title": f"Erratum: {title}", "kind": "erratum"}
    >>> found = propose([first, notice, {**first, "record": "b.1"}])
    >>> [(pair.record, pair.same_as, pair.relation, pair.why) for pair in found.decided]
    [('b.1', 'a.1', 'duplicate', 'same PubMed number')]
    >>> [(pair.record, pair.same_as, pair.relation) for pair in found.maybes]
    [('a.2', 'a.1', 'erratum')]
    """
    items = sorted(map(item, records), key=lambda one: one.sort_key)
    groups = _Groups(items, list(duplicates), screened)
    pairs = _pairs(items)
    merges: list[tuple[int, Item, Item, str]] = []
    studies: list[tuple[Item, Item, str]] = []
    maybes: list[tuple[Item, Item, str, str]] = []
    for first, second in sorted(pairs):
        one, other = items[first], items[second]
        strength, why = _duplicate_rule(one, other)
        if strength:
            merges.append((strength, one, other, why))
        elif why := _same_study(one, other):
            studies.append((one, other, why))
        else:
            relation, why = _possible_relation(one, other)
            if relation:
                maybes.append((one, other, relation, why))
    # Strong reasons first: what they join can forbid what weaker ones propose.
    for _, one, other, why in sorted(merges, key=lambda merge: (merge[0], merge[1].sort_key, merge[2].sort_key)):
        if against := groups.join(one, other, why):
            maybes.append((one, other, DUPLICATE, f"{why}, but {against}"))
    for one, other, why in studies:
        groups.link(one, other, why)
    return Proposals(groups.decided(), groups.undecided(maybes), groups.moved(), len(pairs))


def changes(proposals: Proposals) -> list[Change]:
    """Return the rows that the rules' decisions add to ``duplicates.csv``, and those whose main record changes."""
    today = dt.date.today().isoformat()
    moved = [
        Change("duplicates", {"record": record, "same_as": old}, {"same_as": new})
        for record, old, new in proposals.moved
    ]
    return moved + [
        Change(
            "duplicates",
            values={
                "record": pair.record,
                "same_as": pair.same_as,
                "relation": pair.relation,
                "decided_by": RULE,
                "why": pair.why,
                "date": today,
            },
        )
        for pair in proposals.decided
    ]


def _duplicate_rule(one: Item, other: Item) -> tuple[int, str]:
    """Return the strength of the rule by which two records are the same report (1: strongest; 0: none), and why."""
    if conflicts(one, other):
        return 0, ""
    alike = similarity(one, other) if one.title and other.title else 100.0
    same_pmid, same_doi = bool(one.pmid) and one.pmid == other.pmid, bool(one.doi) and one.doi == other.doi
    if one.kind in SPECIAL:
        # Searches overlap: the same entry of PubMed, of a register or of any other database is found again. Anything
        # less is a question for a person.
        same_number = one.kind == "registry_record" and bool(one.registry) and one.registry == other.registry
        again = same_doi and one.source == other.source and one.title == other.title and one.surname == other.surname
        is_same_entry = (same_pmid or same_number) and alike >= 95 or again
        return (1, "same entry of the same kind") if is_same_entry else (0, "")
    if same_pmid and alike >= 85:
        return 1, "same PubMed number"
    apart = place_conflicts(one, other)
    if same_doi and alike >= 90 and not {"the first authors differ", "the years differ"} & set(apart):
        return 2, "same DOI and title"
    if apart or not (one.surname and other.surname and one.year and other.year):
        return 0, ""
    same_page = bool(one.volume and one.page) and (one.volume, one.page) == (other.volume, other.page)
    is_distinctive, same_names = _is_distinctive(one), one.surname == other.surname
    if one.title == other.title and same_page and (same_names or is_distinctive):
        return 3, "same title, first author, volume and page"
    if one.title == other.title and is_distinctive and same_names and one.year == other.year:
        # A congress abstract can have all this in common with the article, but not its volume or page.
        same_place = bool(one.volume) and one.volume == other.volume or bool(one.page) and one.page == other.page
        if same_place and same_journal(one.journal, other.journal):
            return 4, "same title, first author, year, journal, and volume or page"
    if same_page and is_distinctive and same_names and differ_in_spelling(one.title, other.title):
        return 5, "almost the same title; same first author, volume and page"
    return 0, ""


def _is_distinctive(one: Item) -> bool:
    """Return whether a title is long enough that hardly two reports share it, as they could share "Vitiligo"."""
    return len(one.title.split()) >= 5 and len(one.title) >= 30


def _same_study(one: Item, other: Item) -> str:
    """Return why two records are different reports of one study; empty if no rule says so."""
    kinds = {one.kind, other.kind}
    if "registry_record" in kinds and one.registry and one.registry == other.registry:
        if kinds & {"article", "preprint", "congress_abstract", "unknown", "thesis"}:
            return f"same registry number {one.registry}"
        return ""
    if kinds in ({"preprint", "article"}, {"preprint", "unknown"}) and one.title and one.marks == other.marks:
        years = abs(one.year - other.year) if one.year and other.year else 9
        if one.surname and one.surname == other.surname and years <= 3 and len(one.title.split()) >= 5:
            if similarity(one, other) >= 95 and not (
                one.registry and other.registry and one.registry != other.registry
            ):
                return "preprint and article with the same title and first author"
    return ""


def _possible_relation(one: Item, other: Item) -> tuple[str, str]:
    """Return the relation that two records may have, and why; empty if they are not similar."""
    kinds = {one.kind, other.kind}
    ids = [
        words
        for name, words in IDENTIFIERS.items()
        if getattr(one, name) and getattr(one, name) == getattr(other, name)
    ]
    if one.title and other.title:
        alike = similarity(one, other)
        # The title of a notice contains that of the report that it is about.
        if kinds & {"erratum", "retraction_notice", "comment"} and len(kinds) > 1 and alike < _ALIKE:
            alike = fuzz.partial_ratio(one.title, other.title) if min(len(one.title), len(other.title)) >= 25 else 0
    else:
        alike = 0.0
    same_page = bool(one.volume and one.page) and (one.volume, one.page) == (other.volume, other.page)
    least = _ALIKE_ON_SAME_PAGE if same_page else _ALIKE
    if not ids and (alike < least or _is_series(one, other)):
        return "", ""
    against = [*conflicts(one, other), *place_conflicts(one, other)]
    if not ids and against and not (_is_distinctive(one) and _is_distinctive(other)):
        return "", ""
    if not ids and "the first authors differ" in against and alike < 97:
        return "", ""
    if not ids and "the years differ" in against and kinds.isdisjoint(SPECIAL) and alike < 97:
        return "", ""
    relation = SAME_STUDY if len(kinds) > 1 and kinds & SPECIAL or ids == ["registry number"] else DUPLICATE
    if len(kinds) > 1 and kinds & SPECIAL == {"erratum"}:
        relation = ERRATUM
    why = f"same {' and '.join(ids)}" if ids else f"titles alike ({alike:.0f} of 100)"
    return relation, f"{why}{'; but ' if against else ''}{'; '.join(against)}"


def _is_series(one: Item, other: Item) -> bool:
    """Return whether two titles differ only in numbers or parts, as those of a series do."""
    differ = set(one.marks) ^ set(other.marks)
    return one.title != other.title and bool(differ) and all(mark.isdecimal() or len(mark) <= 5 for mark in differ)


def _pairs(items: Sequence[Item]) -> set[tuple[int, int]]:
    """Return the indices of pairs that have a feature in common; others need not be compared."""
    pairs: set[tuple[int, int]] = set()
    for block in _blocks(items):
        if len(block) <= _LARGEST_BLOCK:
            pairs.update(combinations(block, 2))
            continue
        # Neighbours in these orders are those that are alike in more than the common feature.
        for order in (
            lambda at: (items[at].title, items[at].sort_key),
            lambda at: (items[at].year, items[at].volume, items[at].page, items[at].sort_key),
            lambda at: (items[at].surname, items[at].year, items[at].title, items[at].sort_key),
        ):
            ordered = sorted(block, key=order)
            for place, at in enumerate(ordered):
                pairs.update((min(at, b), max(at, b)) for b in ordered[place + 1 : place + 1 + _NEIGHBOURS])
    return pairs


def _blocks(items: Sequence[Item]) -> Iterator[list[int]]:
    """Yield the indices of records with a common feature, in ascending order."""
    frequency = Counter(word for one in items for word in set(one.title.split()))
    blocks: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for at, one in enumerate(items):
        for feature in dict.fromkeys(_features(one, frequency)):
            blocks[feature].append(at)
    yield from (block for block in blocks.values() if len(block) > 1)


def _features(one: Item, frequency: Mapping[str, int]) -> Iterator[tuple[object, ...]]:
    for name in ("pmid", "doi", "registry", "title"):
        if value := getattr(one, name):
            yield name, value
    letters = one.title.replace(" ", "")
    if len(letters) >= 12:
        yield "start", letters[:12]
        yield "end", letters[-12:]
    if one.surname and one.year:
        # Dates of printing and of first publication may lie in two years.
        yield "author", one.surname, one.year
        yield "author", one.surname, one.year + 1
    if one.volume and one.page:
        yield "page", one.volume, one.page, one.year
    rare = sorted((frequency[word], word) for word in set(one.title.split()) if len(word) > 3)
    for count, word in rare[:_RARE_WORDS]:
        if 1 < count <= _RARE:
            yield "word", word


class _Groups:
    """Records that are the same report, joined step by step.

    Parameters
    ----------
    items : sequence of Item
        All records, in their order.
    duplicates : sequence of mapping of str to str
        What is decided already.
    screened : collection of str
        Records with decisions or of studies.
    """

    def __init__(self, items: Sequence[Item], duplicates: Sequence[Mapping[str, str]], screened: Collection[str]):
        self._screened = set(screened)
        self._items = {one.key: one for one in items}
        self._main = {one.key: one.key for one in items}
        self._members = {one.key: [one.key] for one in items}
        self._new: list[Proposal] = []
        self._known = {frozenset((row["record"], row["same_as"])): row["relation"] for row in duplicates}
        self._rows = [(row["record"], row["same_as"]) for row in duplicates if row["relation"] == DUPLICATE]
        # What a person called separate, or two reports of one study, is not merged by a rule.
        self._apart = {pair for pair, relation in self._known.items() if relation != DUPLICATE}
        for record, same_as in sorted(self._rows):
            if {record, same_as} <= self._main.keys():
                self._unite(same_as, record)
        self._linked = {self._mains(pair) for pair, relation in self._known.items() if relation != DUPLICATE}

    def _mains(self, pair: frozenset[str]) -> frozenset[str]:
        """Return the main records of the groups of a pair; a single one if it is the same group."""
        return frozenset(self._main.get(key, key) for key in pair)

    def _unite(self, stays: str, joins: str) -> None:
        """Put the group of the second record into that of the first."""
        stays, joins = self._main[stays], self._main[joins]
        if stays != joins:
            for key in self._members.pop(joins):
                self._main[key] = stays
                self._members[stays].append(key)

    def join(self, one: Item, other: Item, why: str) -> str:
        """Join the groups of two records; return what forbids it, in words, if anything does."""
        first, second = self._main[one.key], self._main[other.key]
        if first == second:
            return ""
        for a in self._members[first]:
            for b in self._members[second]:
                if frozenset((a, b)) in self._apart:
                    return "it was decided otherwise" if {a, b} == {one.key, other.key} else f"{a} and {b} are separate"
                if against := conflicts(self._items[a], self._items[b]):
                    return f"of {a} and {b}, {against[0]}"
        if {first, second} <= self._screened:
            return "both were screened: say which one is kept"
        # A record that was screened stays the main one; else the main record of a group; else the first in order.
        stays, joins = sorted(
            (first, second),
            key=lambda key: (key not in self._screened, len(self._members[key]) == 1, self._items[key].sort_key),
        )
        self._new.append(Proposal(joins, stays, DUPLICATE, why))
        self._unite(stays, joins)
        return ""

    def link(self, one: Item, other: Item, why: str) -> None:
        """Note that two records report one study; only the main records of groups are linked."""
        pair = self._mains(frozenset((one.key, other.key)))
        if len(pair) == 2 and pair not in self._linked:
            self._linked.add(pair)
            same_as, record = sorted(pair, key=lambda key: self._items[key].sort_key)
            self._new.append(Proposal(record, same_as, SAME_STUDY, why))

    def moved(self) -> list[tuple[str, str, str]]:
        """Return the present rows whose main record is a duplicate now: record, old and new main record."""
        rows = sorted(pair for pair in self._rows if pair[0] in self._main and pair[1] in self._main)
        return [(record, old, self._main[old]) for record, old in rows if self._main[old] != old]

    def decided(self) -> list[Proposal]:
        """Return what rules decided, in the order of the records."""
        # A record whose group joined another one later has the main record of that.
        new = [replace(pair, same_as=self._main[pair.same_as]) for pair in self._new]
        return sorted(new, key=lambda pair: (self._items[pair.record].sort_key, self._items[pair.same_as].sort_key))

    def undecided(self, maybes: Iterable[tuple[Item, Item, str, str]]) -> list[Proposal]:
        """Return the questions for a person: one for each two groups that nothing is decided about."""
        questions: dict[frozenset[str], Proposal] = {}
        for one, other, relation, why in sorted(maybes, key=lambda maybe: (maybe[0].sort_key, maybe[1].sort_key)):
            pair = self._mains(frozenset((one.key, other.key)))
            if len(pair) == 2 and pair not in self._linked and frozenset((one.key, other.key)) not in self._known:
                same_as, record = sorted(pair, key=lambda key: self._items[key].sort_key)
                if relation == ERRATUM:
                    erratum, report = (one, other) if one.kind == "erratum" else (other, one)
                    record, same_as = self._main[erratum.key], self._main[report.key]
                questions.setdefault(pair, Proposal(record, same_as, relation, why))
        return list(questions.values())
