"""A person decides about pairs of similar records, and takes a decision back."""

import pytest

from desk_client import add_rows, decision, made_up, rows_of, running_desk, waiting_file
from lib.evidence import check

ADA = "Ada Example"
TITLE = "Made-up trial of tacrolimus ointment against placebo for vitiligo in adults"
ONE, TWO = "other.madeup1", "other.madeup2"
PAIR = {"record": TWO, "same_as": ONE}


@pytest.fixture
def desk(data):
    again = made_up(2, title=TITLE, authors="Example1 A", doi="", volume="", pages="", journal="", published="2024")
    add_rows(data, "records", [made_up(1, title=TITLE, authors="Example1 A"), again])
    with running_desk(data) as desk:
        yield desk


def test_a_pair_is_shown_side_by_side_decided_and_taken_back(desk):
    ada, before = desk.visitor(ADA), (desk.data / "duplicates.csv").read_bytes()
    page = ada.get("/duplicates")
    shown = {page.value("record"), page.value("same_as")}
    assert shown == {ONE, TWO} and page.body.count(TITLE) >= 2 and "10.5555/madeup.1" in page.text
    assert ada.post("/duplicates", relation="duplicate", **PAIR).status == 303
    assert "No pair waits" in ada.get("/duplicates").text or TITLE not in ada.get("/duplicates").text.split("Last")[0]
    # A duplicate is not screened, from this moment on.
    assert ada.get(f"/screen?record={TWO}").status == 409
    desk.saved()
    (row,) = rows_of(desk.data, "duplicates", record=TWO)
    assert (row["same_as"], row["relation"], row["decided_by"]) == (ONE, "duplicate", ADA)
    assert check(desk.data) == []
    assert ada.post("/duplicates", relation="undo", **PAIR).status == 303
    desk.saved()
    assert (desk.data / "duplicates.csv").read_bytes() == before
    assert TITLE in ada.get("/duplicates").text and ada.get(f"/screen?record={TWO}").status == 200


def test_the_record_that_was_screened_is_kept(desk):
    add_rows(desk.data, "decisions", [decision(TWO, ADA)])
    desk.visitor(ADA).post("/duplicates", relation="duplicate", **PAIR)
    (change,) = desk.workspace.outbox.waiting("duplicates") or [
        {"row": rows_of(desk.data, "duplicates", record=ONE)[0]}
    ]
    assert (change["row"]["record"], change["row"]["same_as"]) == (ONE, TWO)


def test_two_screened_records_are_not_merged_over_their_decisions(desk):
    add_rows(desk.data, "decisions", [decision(ONE, ADA), decision(TWO, ADA)])
    answer = desk.visitor(ADA).post("/duplicates", relation="duplicate", **PAIR)
    assert answer.status == 409 and "Both records were screened already" in answer.text
    assert not waiting_file(desk.data)


@pytest.mark.parametrize("number, title", [(0, f"Erratum: {TITLE}"), (3, f"Correction to: {TITLE}")])
def test_an_erratum_is_entered_as_that_of_its_report(desk, number, title):
    erratum = made_up(number, title=title, authors="Example1 A", doi="", published="2025")
    add_rows(desk.data, "records", [erratum])
    ada = desk.visitor(ADA)
    pair = {"record": ONE, "same_as": erratum["record"]}
    assert ada.post("/duplicates", relation="erratum", **pair).status == 303
    desk.saved()
    (row,) = rows_of(desk.data, "duplicates", relation="erratum")
    assert (row["record"], row["same_as"], row["decided_by"]) == (erratum["record"], ONE, ADA)
    assert check(desk.data) == []
    assert ada.get(f"/screen?record={erratum['record']}").status == 200


@pytest.mark.parametrize(
    "fields",
    [
        PAIR | {"relation": "made_up"},
        PAIR | {"relation": "undo"},
        PAIR | {"relation": "erratum"},
        {"record": ONE, "same_as": ONE, "relation": "separate"},
        {"record": "other.nothing", "same_as": ONE, "relation": "separate"},
        {"relation": "separate"},
    ],
)
def test_what_cannot_be_decided_is_refused(desk, fields):
    assert desk.visitor(ADA).post("/duplicates", **fields).status == 409
    assert not waiting_file(desk.data)


def test_a_pair_that_another_person_decided_is_shown_with_that_decision(desk):
    desk.visitor("Ben Sample").post("/duplicates", relation="separate", **PAIR)
    answer = desk.visitor(ADA).post("/duplicates", relation="duplicate", **PAIR)
    assert answer.status == 409 and "Ben Sample: compared, and not the same" in answer.text
    desk.saved()
    assert check(desk.data) == []


def test_what_a_rule_decides_is_entered_as_such(desk):
    same = made_up(3, pmid="99999993")
    add_rows(desk.data, "records", [same, same | {"record": "other.madeup4"}])
    ada = desk.visitor(ADA)
    assert "beyond doubt" in ada.get("/duplicates").text
    assert ada.post("/duplicates/by-rule").status == 303
    assert rows_of(desk.data, "duplicates", decided_by="rule", relation="duplicate")
    assert "beyond doubt" not in ada.get("/duplicates").text
