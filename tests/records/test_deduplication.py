"""De-duplication: what rules merge is a duplicate, what they may not merge is left to a person, in any order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from library import article, library

from lib.records.deduplication import DUPLICATE, ERRATUM, SAME_STUDY, changes, propose

BASE = article(random.Random(7), 7)


def row(key: str, **values: str) -> dict[str, str]:
    return {**BASE, "record": key, **values}


def merged(found) -> dict[str, str]:
    """The group of each record that is in one, by union of the proposals."""
    group: dict[str, str] = {}
    for pair in found.decided:
        if pair.relation == DUPLICATE:
            assert pair.record not in group, "a record joins one group"
            group[pair.record] = group[pair.same_as] = pair.same_as
    return group


def pairs_of(found) -> set[frozenset[str]]:
    members: dict[str, set[str]] = {}
    for key, main in merged(found).items():
        members.setdefault(main, set()).add(key)
    return {frozenset((a, b)) for keys in members.values() for a in keys for b in keys if a < b}


def test_no_merge_is_wrong_in_a_library_with_known_duplicates():
    made = library(4000, seed=2026)
    found = propose(made.rows)
    true, pairs = made.true_pairs(), pairs_of(found)
    wrong = [tuple(sorted(pair)) for pair in pairs - true]
    assert not wrong
    recall = len(pairs & true) / len(true)
    shown = pairs | {frozenset((p.record, p.same_as)) for p in found.maybes}
    print(f"\n{len(made.rows)} records, {len(true)} true pairs: precision 1, recall {recall:.3f}")
    assert recall > 0.9
    # What is not merged is shown to a person, if only by the main record of its group.
    group = merged(found)
    mains = {frozenset(group.get(key, key) for key in pair) for pair in shown}
    missed = [pair for pair in true - pairs if frozenset(group.get(key, key) for key in pair) not in mains]
    assert len(missed) <= 0.01 * len(true)
    linked = {
        frozenset((made.report[p.record], made.report[p.same_as])) for p in found.decided if p.relation == SAME_STUDY
    }
    assert made.linked <= linked
    # A rule links only reports of one study: the number before "trap" is that of the study.
    assert all(len({report.split()[0] for report in pair}) == 1 for pair in linked)


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(seed, chance):
    made = library(60, seed)
    rows = list(made.rows)
    first = propose(rows)
    assert not pairs_of(first) - made.true_pairs()
    chance.shuffle(rows)
    assert propose(rows) == first


@given(st.integers(0, 10**6))
def test_what_is_decided_is_not_proposed_again(seed):
    made = library(60, seed)
    first = propose(made.rows)
    decided = [{"record": p.record, "same_as": p.same_as, "relation": p.relation} for p in first.decided]
    second = propose(made.rows, decided)
    assert not second.decided and second.maybes == first.maybes
    answered = [{"record": p.record, "same_as": p.same_as, "relation": "separate"} for p in first.maybes]
    assert not propose(made.rows, [*decided, *answered]).maybes


NO_ID = {"doi": "", "pmid": ""}


@pytest.mark.parametrize(
    "values, why",
    [
        ({"doi": ""}, "same PubMed number"),
        ({"pmid": "", "title": f"<b>{BASE['title'].upper()}</b>."}, "same DOI and title"),
        (NO_ID, "same title, first author, volume and page"),
        (NO_ID | {"title": BASE["title"].replace("ointment", "ointmnt")}, "almost the same title; same first author"),
        (NO_ID | {"kind": "review"}, "same title, first author, volume and page"),
        (NO_ID | {"volume": ""}, "same title, first author, year, journal, and volume"),
    ],
)
def test_the_same_report_is_merged(values, why):
    (pair,) = propose([row("b.1", **values), row("a.1")]).decided
    assert (pair.record, pair.same_as, pair.relation) == ("b.1", "a.1", DUPLICATE)
    assert pair.why.startswith(why)


@pytest.mark.parametrize(
    "values",
    [
        *({"kind": kind} for kind in ("erratum", "retraction_notice", "congress_abstract", "registry_record")),
        *(NO_ID | {"kind": kind} for kind in ("erratum", "retraction_notice", "congress_abstract")),
        {"title": f"Erratum: {BASE['title']}"},
        {"title": f"Retraction notice: {BASE['title']}"},
        {"title": f"Author reply: {BASE['title']}", "pmid": ""},
        NO_ID | {"pages": "1000-1010"},
        NO_ID | {"volume": "1"},
        {"pmid": "1"},
        {"doi": "10.5555/other", "pmid": ""},
        NO_ID | {"authors": "Somebody E"},
        NO_ID | {"volume": "", "pages": ""},
    ],
)
def test_what_a_machine_must_not_merge_is_asked(values):
    found = propose([row("a.1"), row("b.1", **values)])
    assert not [pair for pair in found.decided if pair.relation == DUPLICATE]
    assert len(found.maybes) == 1


@pytest.mark.parametrize("key", ["0.1", "b.1"])
def test_an_erratum_is_asked_as_one_whichever_record_comes_first(key):
    found = propose([row("a.1"), row(key, title=f"Erratum: {BASE['title']}", **NO_ID)])
    assert [(p.record, p.same_as, p.relation) for p in found.maybes] == [(key, "a.1", ERRATUM)]
    # Another kind of notice is no erratum, nor are two errata those of each other.
    for kinds in (("retraction_notice", "article"), ("erratum", "retraction_notice"), ("erratum", "erratum")):
        rows = [row(f"{k}.1", kind=kind, **NO_ID) for k, kind in zip("ab", kinds, strict=True)]
        assert [p.relation for p in propose(rows).maybes] in ([SAME_STUDY], [DUPLICATE])


@pytest.mark.parametrize(
    "one, other", [("Part I", "Part II"), ("part 1", "part 2"), ("I", "II"), ("at 3 months", "at 6 months")]
)
def test_parts_are_neither_merged_nor_asked(one, other):
    for ids in ({}, NO_ID):
        rows = [row("a.1", title=f"{BASE['title']}: {one}"), row("b.1", title=f"{BASE['title']}: {other}", **ids)]
        assert not propose(rows).decided


@pytest.mark.parametrize("kind", ["erratum", "retraction_notice", "congress_abstract", "preprint"])
def test_special_kinds_are_merged_only_as_the_same_entry(kind):
    assert not propose([row("a.1", kind=kind, **NO_ID), row("b.1", kind=kind, **NO_ID)]).decided
    assert not propose([row("a.1", kind=kind, pmid=""), row("b.1", kind=kind, pmid="")]).decided
    assert propose([row("a.1", kind=kind), row("b.1", kind=kind)]).decided
    # The same database is searched again, and the window overlaps.
    again = [row("a-2026-01-02.1", kind=kind, pmid=""), row("a-2026-01-09.4", kind=kind, pmid="")]
    assert propose(again).decided and not propose([again[0], row("b-2026-01-09.4", kind=kind, pmid="")]).decided


def test_preprint_registry_record_and_article_are_linked_as_one_study():
    rows = [
        row("a.1", registry="NCT00000001"),
        row("b.1", kind="preprint", doi="10.1101/1", pmid="", journal="medRxiv", volume="", pages=""),
        {"record": "c.1", "kind": "registry_record", "title": "Another made-up title", "registry": "NCT00000001"},
        row("d.1", registry=""),
    ]
    found = {(p.record, p.same_as): p.relation for p in propose(rows).decided}
    assert found == {("d.1", "a.1"): DUPLICATE, ("b.1", "a.1"): SAME_STUDY, ("c.1", "a.1"): SAME_STUDY}


def test_a_person_comes_first():
    rows = [row("a.1"), row("b.1"), row("c.1", **NO_ID, kind="congress_abstract")]
    person = [{"record": "b.1", "same_as": "a.1", "relation": "separate"}]
    assert not propose(rows, person).decided
    person = [{"record": "c.1", "same_as": "a.1", "relation": "duplicate"}]
    found = propose(rows, person)
    # The congress abstract is in the group by a person's decision; a rule adds nothing to such a group.
    assert not found.decided and [p.record for p in found.maybes] == ["b.1"]


def test_main_records_stay_those_that_were_screened():
    rows = [row("a.1"), row("b.1"), row("c.1"), row("d.1")]
    found = propose(rows, [], {"c.1"})
    assert {(p.record, p.same_as) for p in found.decided} == {("a.1", "c.1"), ("b.1", "c.1"), ("d.1", "c.1")}
    both = propose(rows[:2], [], {"a.1", "b.1"})
    assert not both.decided and "both were screened" in both.maybes[0].why
    # Two groups that are joined get one main record, in the rows that are there, too.
    known = [{"record": r, "same_as": s, "relation": DUPLICATE} for r, s in (("b.1", "a.1"), ("d.1", "c.1"))]
    joined = propose(rows, known, {"c.1"})
    assert [(p.record, p.same_as) for p in joined.decided] == [("a.1", "c.1")]
    assert joined.moved == [("b.1", "a.1", "c.1")]
    moved, added = changes(joined)
    assert moved.key == {"record": "b.1", "same_as": "a.1"} and moved.values == {"same_as": "c.1"}
    assert added.values and added.values["decided_by"] == "rule"


def test_a_merge_that_contradicts_another_is_asked():
    rows = [row("a.1", doi=""), row("b.1", pmid=""), row("c.1", doi="10.5555/other")]
    found = propose(rows)
    # Both b and c are like a, and their DOIs differ: only the stronger reason counts.
    assert [(p.record, p.same_as) for p in found.decided] == [("c.1", "a.1")]
    assert any("the DOIs differ" in p.why for p in found.maybes)
