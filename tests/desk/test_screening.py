"""Two reviewers screen records without seeing each other, disagree, resolve, and take back what they decided."""

import random
import re

import pandas as pd
import pytest

from desk_client import REASON, add_rows, decision, made_up, rows_of, running_desk, waiting_file
from lib.desk.highlighting import parts
from lib.desk.ranking import Vocabulary
from lib.desk.screening import screening
from lib.evidence import check
from lib.records.decisions import states

ADA, BEN, CAT = "Ada Example", "Ben Sample", "Cat Third"
ONE, TWO = "other.madeup1", "other.madeup2"
PLACE = {"record": ONE, "stage": "title_abstract"}


@pytest.fixture
def desk(data):
    add_rows(data, "records", [made_up(1), made_up(2)])
    with running_desk(data) as desk:
        yield desk


def shown(visitor, path="/screen") -> str:
    """Return the record that a page asks about."""
    found = re.search(r'name="record" value="([^"]*)">\n<input type="hidden" name="stage"', visitor.get(path).body)
    return found[1] if found else ""


def test_the_newest_records_come_first_and_each_once(desk):
    ada = desk.visitor(ADA)
    first = shown(ada)
    assert first in (ONE, TWO)
    assert ada.post("/decide", record=first, stage="title_abstract", choice="include").status == 303
    assert {first, shown(ada)} == {ONE, TWO}


def test_a_decision_is_a_row_with_its_reviewer_reason_and_note(desk):
    before = (desk.data / "decisions.csv").read_bytes()
    desk.visitor(ADA).post("/decide", choice="exclude:design", note="A retrospective series.", **PLACE)
    desk.saved()
    (row,) = rows_of(desk.data, "decisions", record=ONE)
    today = desk.workspace.today
    values = ["title_abstract", ADA, "reviewer", "exclude", "design", "A retrospective series.", today]
    assert list(row.values()) == [ONE, *values]
    # Lines are only added, so that a diff shows nothing else.
    assert (desk.data / "decisions.csv").read_bytes().startswith(before)
    assert check(desk.data) == []


@pytest.mark.parametrize("choice", ["exclude", "exclude:", "exclude:made_up", "", "made_up"])
def test_an_exclusion_needs_its_reason(desk, choice):
    answer = desk.visitor(ADA).post("/decide", choice=choice, **PLACE)
    assert answer.status == 409 and ("reason" in answer.text)
    assert not waiting_file(desk.data)


def test_nobody_decides_without_a_name(desk):
    answer = desk.visitor().post("/decide", choice="include", **PLACE)
    assert answer.status == 409 and "Say who you are" in answer.text
    assert not waiting_file(desk.data)


def test_reviewers_are_blind_until_both_have_decided(desk):
    ada, ben = desk.visitor(ADA), desk.visitor(BEN)
    path = f"/screen?record={ONE}"
    before = ben.get(path).text
    lists = [ben.get(address).text for address in ("/", "/full-texts")]
    ada.post("/decide", choice="include", record=TWO, stage="title_abstract")
    ada.post("/decide", choice="exclude:design", note="Ada saw a secret.", **PLACE)
    desk.saved()
    assert [ben.get(address).text for address in ("/", "/full-texts")] == lists
    # Not a word of the page differs, so that nothing gives away that the other has decided.
    assert ben.get(path).text == before
    for address in ("/", "/screen", "/conflicts", "/full-texts", path):
        assert "Ada saw a secret" not in ben.get(address).text
    assert "Ada saw a secret" in ada.get(path).text
    ben.post("/decide", choice="include", note="Ben agrees not.", **PLACE)
    for visitor in (ada, ben):
        page = visitor.get(path).text
        assert "Ada saw a secret" in page and "Ben agrees not" in page


def test_a_reviewer_decides_once_and_a_third_not_at_all(desk):
    ada = desk.visitor(ADA)
    assert ada.post("/decide", choice="include", **PLACE).status == 303
    again = ada.post("/decide", choice="exclude:design", **PLACE)
    assert again.status == 409 and "decided meanwhile" in again.text
    desk.visitor(BEN).post("/decide", choice="include", **PLACE)
    assert desk.visitor(CAT).post("/decide", choice="exclude:design", **PLACE).status == 409
    desk.saved()
    assert [row["decision"] for row in rows_of(desk.data, "decisions", record=ONE)] == ["include", "include"]


@pytest.mark.parametrize("who", [CAT, ADA], ids=["a third person", "consensus"])
def test_a_disagreement_is_resolved_in_a_row_of_its_own(desk, who):
    ada, ben, third = desk.visitor(ADA), desk.visitor(BEN), desk.visitor(who)
    assert "no disagreement" in third.get("/conflicts").text
    ada.post("/decide", choice="exclude:design", **PLACE)
    ben.post("/decide", choice="include", **PLACE)
    assert ONE not in ben.get("/full-texts").text
    page = third.get("/conflicts").text
    assert "Made-up trial 1" in page and ADA in page and BEN in page
    refused = third.post("/resolve", choice="include", note="", **PLACE)
    assert refused.status == 409 and "how the disagreement was resolved" in refused.text
    assert third.post("/resolve", choice="include", note="It is prospective.", **PLACE).status == 303
    desk.saved()
    rows = rows_of(desk.data, "decisions", record=ONE)
    assert [(row["reviewer"], row["role"], row["decision"]) for row in rows] == [
        (ADA, "reviewer", "exclude"),
        (BEN, "reviewer", "include"),
        (who, "resolution", "include"),
    ]
    assert ONE in ben.get("/full-texts").text
    assert check(desk.data) == []
    assert third.post("/undo", role="resolution", **PLACE).status == 303
    assert "Made-up trial 1" in third.get("/conflicts").text


def test_two_unsure_reviewers_do_not_agree_on_anything(desk):
    for name in (ADA, BEN):
        desk.visitor(name).post("/decide", choice="unsure", **PLACE)
    assert "Made-up trial 1" in desk.visitor(CAT).get("/conflicts").text


def test_a_decision_is_taken_back_before_and_after_it_is_saved(desk):
    ada = desk.visitor(ADA)
    before = (desk.data / "decisions.csv").read_bytes()
    for wait in (False, True):
        ada.post("/decide", choice="include", **PLACE)
        if wait:
            desk.saved()
            assert rows_of(desk.data, "decisions", record=ONE)
        assert "Take back" in ada.get("/screen").text
        assert ada.post("/undo", **PLACE).status == 303
        assert shown(ada, f"/screen?record={ONE}") == ONE
        desk.saved()
    assert (desk.data / "decisions.csv").read_bytes() == before


def test_only_the_own_decision_is_taken_back_and_not_what_others_built_upon(desk):
    add_rows(desk.data, "decisions", [decision(TWO, ADA), decision(TWO, BEN), decision(TWO, ADA, stage="full_text")])
    ada, cat = desk.visitor(ADA), desk.visitor(CAT)
    place = {"record": TWO, "stage": "title_abstract"}
    assert cat.post("/undo", **place).status == 409
    answer = ada.post("/undo", **place)
    assert answer.status == 409 and "full text was decided upon since" in answer.text
    assert not waiting_file(desk.data)


def test_the_full_text_needs_a_reason_in_words(desk):
    add_rows(desk.data, "decisions", [decision(ONE, ADA), decision(ONE, BEN)])
    ada = desk.visitor(ADA)
    assert "https://doi.org/10.5555/madeup.1" in ada.get("/full-texts").body
    place = {"record": ONE, "stage": "full_text"}
    assert "reason in a sentence" in ada.post("/decide", choice="include", **place).text
    assert ada.post("/decide", choice="include", note=REASON, **place).status == 303
    assert "awaits a second reviewer" in ada.get("/full-texts").text
    desk.saved()
    assert check(desk.data) == []


def test_a_record_that_is_not_included_has_no_full_text_to_decide_upon(desk):
    answer = desk.visitor(ADA).post("/decide", record=ONE, stage="full_text", choice="include", note=REASON)
    assert answer.status == 409 and not waiting_file(desk.data)


def test_what_cannot_be_saved_is_said_and_nothing_else_is_lost(desk):
    ada = desk.visitor(ADA)
    ada.get("/screen")
    desk.workspace.outbox.add("decisions", decision("other.madeup9", ADA))
    ada.post("/decide", choice="include", **PLACE)
    desk.saved()
    assert [row["record"] for row in rows_of(desk.data, "decisions", reviewer=ADA)] == [ONE]
    assert "other.madeup9" in ada.get("/").text and "was not saved" in ada.get("/").text
    ada.post("/problems")
    assert "was not saved" not in ada.get("/").text


def test_decisions_that_wait_survive_the_end_of_the_desk(data):
    add_rows(data, "records", [made_up(1)])
    with running_desk(data) as desk:
        # A worker that never comes to save, as if the process were killed.
        desk.workspace.outbox._save = lambda batch: None
        desk.visitor(ADA).post("/decide", choice="include", **PLACE)
    assert not rows_of(data, "decisions", record=ONE) and waiting_file(data)
    with running_desk(data) as desk:
        assert desk.workspace.outbox.wait(60)
    assert rows_of(data, "decisions", record=ONE) and not waiting_file(data)


def test_a_change_by_another_program_is_seen_at_once(desk):
    ada = desk.visitor(ADA)
    assert shown(ada, f"/screen?record={ONE}") == ONE
    add_rows(desk.data, "decisions", [decision(ONE, ADA), decision(ONE, BEN)])
    assert shown(ada, f"/screen?record={ONE}") == ""
    answer = ada.post("/decide", choice="exclude:design", **PLACE)
    assert answer.status == 409 and f"{BEN}: include" in answer.text


def test_duplicates_are_not_screened(desk):
    row = {
        "record": TWO,
        "same_as": ONE,
        "relation": "duplicate",
        "decided_by": ADA,
        "why": "Made up.",
        "date": "2026-11-26",
    }
    add_rows(desk.data, "duplicates", [row])
    assert desk.visitor(ADA).get(f"/screen?record={TWO}").status == 409


def awaiting(reviewer, records, duplicates, decisions) -> pd.DataFrame:
    """Return the records that fewer than two reviewers decided on, and not this one, from whole tables."""
    table = states(records, duplicates, decisions)
    own = decisions[(decisions.reviewer == reviewer) & (decisions.role == "reviewer")]
    places, decided = (pd.MultiIndex.from_frame(frame[["record", "stage"]]) for frame in (table, own))
    return table[table.state.isin(["awaits_first", "awaits_second"]) & ~places.isin(decided)]


def test_the_lists_are_those_of_the_records_room(data):
    add_rows(data, "records", [made_up(n) for n in range(1, 41)])
    what = ("include", "exclude", "unsure")
    chance = random.Random(17)
    rows = [
        decision(f"other.madeup{n}", name, chance.choice(what))
        for n in range(1, 41)
        for name in chance.sample([ADA, BEN], chance.randrange(3))
    ]
    add_rows(data, "decisions", rows)
    with running_desk(data) as desk:
        now = screening(desk.workspace)
        tables = [desk.workspace.table(name) for name in ("records", "duplicates", "decisions")]
        table, own = states(*tables), awaiting(ADA, *tables)
        made = {f"other.madeup{n}" for n in range(1, 41)}
        stage = "title_abstract"
        expected = set(own.record[own.stage == stage]) & made
        assert set(now.awaits(stage, ADA)) & made == expected and expected
        conflicts = set(table.record[(table.stage == stage) & (table.state == "conflict")])
        unsure = set(table.record[(table.stage == stage) & (table.state == "decided") & (table.decision == "unsure")])
        assert set(now.conflicts(stage)) & made == (conflicts | unsure) & made
        assert "Ada Example and Ben Sample agree on" in desk.visitor(ADA).get("/").text


# --- Ranking and marks ------------------------------------------------------------------------------------


def test_the_ranking_is_offered_from_50_decisions_on_and_says_how_little_it_means(data):
    records = [made_up(n, title=f"Made-up {'trial of ointment' if n % 2 else 'study of mice'} {n}") for n in range(70)]
    add_rows(data, "records", records)
    # Decisions of the real data count as well; here they are taken away.
    path = data / "decisions.csv"
    path.write_text(path.read_text(encoding="utf-8").splitlines(keepends=True)[0], encoding="utf-8")
    rows = [decision(f"other.madeup{n}", name, ("exclude", "include")[n % 2]) for n in range(60) for name in (BEN, CAT)]
    with running_desk(data) as desk:
        ada = desk.visitor(ADA)
        add_rows(data, "decisions", rows[:20])
        assert "is offered from 50 decided records on" in ada.get("/screen").text
        add_rows(data, "decisions", rows[20:])
        page = ada.get("/screen?order=ranked").text
        assert "Below about 200 decided records, as here with 60, a ranking means little." in page
        assert "mice −" in page or "mice -" in page
        assert int(shown(ada, "/screen?order=ranked").removeprefix("other.madeup")) % 2 == 1


def test_weights_shrink_to_nothing_with_few_records():
    texts = {"a.1": "ointment", "a.2": "mice", "a.3": "ointment", **{f"b.{n}": "ointment" for n in range(40)}}
    words = Vocabulary(texts)
    few = words.rank(["a.1"], ["a.2"]).weights["ointment"]
    many = words.rank([f"b.{n}" for n in range(40)], ["a.2"] * 40).weights["ointment"]
    assert 0 < few < 0.2 < many


def test_marked_parts_are_the_text():
    text = "Leukoderma: a RANDOMISED trial of FK506 (≥75% repigmentation) <b>"
    found = parts(text)
    assert "".join(part for part, _ in found) == text
    assert {(part, group) for part, group in found if group} == {
        ("Leukoderma", "population"),
        ("RANDOMISED", "design"),
        ("trial", "design"),
        ("FK506", "treatment"),
        ("≥75%", "outcome"),
        ("repigmentation", "outcome"),
    }
