"""The flow of records adds up, and each number has its rows. All records here are made up."""

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest

from lib.evidence import Evidence
from lib.records.flow import SUMS, Box, FlowError, flow, sums_that_differ

FIRST, SECOND = "pubmed-2026-11-22", "hand-2026-11-25"


@pytest.fixture(scope="module")
def made_up(ev) -> Evidence:
    """Ten records of two searches, one of them identified by other methods, one found by no search."""
    searches = pd.DataFrame(
        {
            "search": ["review-2018-08-06", FIRST, SECOND],
            "date": ["2018-08-06", "2026-11-22", "2026-11-25"],
            "kind": ["database search", "database search", "collection of published abstracts"],
        }
    )
    keys = [*(f"{FIRST}.{i}" for i in range(1, 8)), f"{SECOND}.1", f"{SECOND}.2", "other.kim2026"]
    records = pd.DataFrame(
        {
            "record": keys,
            "search": [FIRST] * 7 + [SECOND] * 2 + [""],
            "title": [f"Made-up trial {key}" for key in keys],
            "entered": ["2026-11-22"] * 7 + ["2026-11-25"] * 3,
        }
    )
    decisions = pd.DataFrame(
        [
            (f"{FIRST}.1", "title_abstract", "include", "", "2026-11-22"),
            (f"{FIRST}.1", "full_text", "include", "", "2026-11-22"),
            (f"{FIRST}.2", "title_abstract", "exclude", "design", "2026-11-22"),
            (f"{FIRST}.3", "title_abstract", "exclude", "outcome", "2026-11-22"),
            (f"{FIRST}.4", "title_abstract", "include", "", "2026-11-22"),
            (f"{FIRST}.4", "full_text", "exclude", "design", "2026-11-24"),
            (f"{FIRST}.5", "title_abstract", "include", "", "2026-11-22"),
            (f"{FIRST}.5", "full_text", "unsure", "", "2026-11-22"),
            (f"{FIRST}.6", "title_abstract", "unsure", "", "2026-11-22"),
            ("other.kim2026", "title_abstract", "include", "", "2026-11-25"),
        ],
        columns=["record", "stage", "decision", "reason", "date"],
    ).assign(reviewer="Ann", role="reviewer", note="")
    duplicates = pd.DataFrame(
        [(f"{SECOND}.1", f"{FIRST}.1", "duplicate", "2026-11-25")], columns=["record", "same_as", "relation", "date"]
    )
    refused = pd.DataFrame({"search": [FIRST], "position": [8.0], "line": [90.0], "reason": ["made up"]})
    candidates = pd.DataFrame({"study": ["made_up"], "record": [f"{FIRST}.1"]})
    return ev.with_tables(
        searches=searches,
        records=records,
        decisions=decisions,
        duplicates=duplicates,
        refused=refused,
        candidates=candidates,
    )


def numbers(boxes) -> dict[str, int]:
    return {name: box.n for name, box in boxes.items()}


def test_the_published_flow_is_that_of_2018_with_its_seven_reasons(ev):
    review = flow(ev)[0]
    assert (review.date, review.is_computed) == (dt.date(2018, 8, 6), False)
    n = numbers(review.boxes)
    assert [n[name] for name in ("identified", "excluded", "assessed", "excluded_full_text", "studies")] == [
        *(250, 148, 102, 46, 56)
    ]
    assert [number for _, _, number in review.published] == [1, 8, 11, 2, 14, 9, 1]
    assert len(set(review.boxes["studies"].keys)) == 56


def test_each_record_is_in_the_boxes_of_its_decisions(made_up):
    last = flow(made_up)[-1]
    assert {name: box.keys for name, box in last.boxes.items() if box.n < 4} == {
        "refused": (f"{FIRST}.8",),
        "other_methods": (f"{SECOND}.1", f"{SECOND}.2", "other.kim2026"),
        "duplicates": (f"{SECOND}.1",),
        "awaiting_screening": (f"{FIRST}.6", f"{FIRST}.7", f"{SECOND}.2"),
        "excluded": (f"{FIRST}.2", f"{FIRST}.3"),
        "awaiting_full_text": ("other.kim2026",),
        "assessed": (f"{FIRST}.1", f"{FIRST}.4", f"{FIRST}.5"),
        "awaiting_classification": (f"{FIRST}.5",),
        "excluded_full_text": (f"{FIRST}.4",),
        "included": (f"{FIRST}.1",),
        "studies": ("made_up",),
    }
    assert last.boxes["excluded"].groups == {"design": (f"{FIRST}.2",), "outcome": (f"{FIRST}.3",)}
    assert last.boxes["awaiting_screening"].groups == {
        "unsure": (f"{FIRST}.6",),
        "": (f"{FIRST}.7", f"{SECOND}.2"),
    }
    assert last.boxes["other_methods"].groups == {SECOND: (f"{SECOND}.1", f"{SECOND}.2"), "": ("other.kim2026",)}


def test_an_edition_before_has_what_was_entered_and_decided_by_its_date(made_up):
    review, before, last = flow(made_up)
    assert (before.version, last.version) == ("1.0.0", "1.1.0")
    n = numbers(before.boxes)
    assert (n["entries"], n["identified"], n["duplicates"], n["screened"]) == (8, 7, 0, 5)
    # The full text was excluded two days after that edition.
    assert before.boxes["awaiting_full_text"].keys == (f"{FIRST}.4",)
    assert n["excluded_full_text"] == 0


def test_the_flow_of_the_original_edition_has_one_column(ev):
    assert len(flow(ev.earlier(dt.date(2018, 8, 6)))) == 1


def test_the_last_column_agrees_with_the_screening_of_its_edition(ev):
    for edition in (ev.earlier(dt.date(2021, 6, 30)), ev.earlier(dt.date(2026, 11, 22)), ev):
        n = numbers(flow(edition)[-1].boxes)
        decided = edition.screening.decision.value_counts()
        assert n["excluded"] + n["excluded_full_text"] == decided["excluded"]
        assert n["studies"] == decided["included"] and n["awaiting_full_text"] == decided["awaiting_full_text"]
        assert n["awaiting_classification"] == decided.get("awaiting_classification", 0)


@pytest.mark.parametrize("name", sorted({name for name, _ in SUMS} | {part for _, parts in SUMS for part in parts}))
def test_a_row_that_is_missing_from_one_box_is_named(made_up, name):
    column = flow(made_up)[-1]
    box = column.boxes[name]
    spoilt = replace(column, boxes={**column.boxes, name: Box(box.n - 1, box.keys[1:])})
    faults = sums_that_differ(spoilt)
    assert faults and all(box.keys[0] in fault for fault in faults)


def test_a_flow_that_does_not_add_up_is_refused(ev, made_up):
    flow_table = ev.flow.assign(n=ev.flow.n.where(ev.flow.step != "assessed", 101))
    with pytest.raises(FlowError, match="identified is 250, and excluded \\+ assessed is 249"):
        flow(ev.with_tables(flow=flow_table))
    twice = pd.concat([made_up.records, made_up.records[:1]])
    with pytest.raises(FlowError, match="2026-11-22: identified is 8, and 7 different rows are entered"):
        flow(made_up.with_tables(records=twice))
    with pytest.raises(FlowError, match="studies is 56, and 55 different rows are entered"):
        flow(ev.with_tables(studies=ev.studies[ev.studies.study != "lepe2003"]))
