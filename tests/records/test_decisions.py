"""The state of records, what awaits whom, and the agreement of reviewers. All records here are made up."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from lib.evidence.screening import NOT_RECORDED, standing
from lib.records.decisions import DECISIONS, STATES, agreement, awaiting_second, kappa, states

COLUMNS = ["record", "stage", "reviewer", "role", "decision", "reason", "note", "date"]


def records(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"record": list(names), "title": [f"Made-up trial {name}" for name in names]})


def duplicates(*pairs: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["record", "same_as", "relation"], dtype=str)


def decisions(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    """Rows of record, stage, reviewer (in capitals: a resolution) and decision."""
    full = [
        (record, stage, name, "resolution" if name.isupper() else "reviewer", what, "", f"{name} says", f"2026-11-0{i}")
        for i, (record, stage, name, what) in enumerate(rows, start=1)
    ]
    return pd.DataFrame(full, columns=COLUMNS, dtype=str)


ALL = decisions(
    ("one", "title_abstract", "Ann", "include"),
    ("two", "title_abstract", "Ann", "include"),
    ("two", "title_abstract", "Ben", "exclude"),
    ("three", "title_abstract", "Ann", "exclude"),
    ("three", "title_abstract", "Ben", "exclude"),
    ("four", "title_abstract", "Ann", "unsure"),
    ("four", "title_abstract", "Ben", "exclude"),
    ("four", "title_abstract", "CLEO", "include"),
)


def test_each_record_has_its_state_at_each_stage_that_it_is_due():
    table = states(records("one", "two", "three", "four", "five", "six"), duplicates(("six", "one", "duplicate")), ALL)
    found = {(row.record, row.stage): (row.state, row.decision) for row in table.itertuples()}
    assert found == {
        ("one", "title_abstract"): ("awaits_second", "include"),
        ("two", "title_abstract"): ("conflict", "conflict"),
        ("three", "title_abstract"): ("decided", "exclude"),
        ("four", "title_abstract"): ("resolved", "include"),
        ("five", "title_abstract"): ("awaits_first", ""),
        ("one", "full_text"): ("awaits_first", ""),
        ("four", "full_text"): ("awaits_first", ""),
    }
    assert set(table.state) == set(STATES)


def test_another_report_of_a_study_is_screened_and_a_duplicate_is_not():
    pairs = duplicates(("two", "one", "same_study"), ("three", "one", "separate"), ("four", "one", "duplicate"))
    table = states(records("one", "two", "three", "four"), pairs, decisions())
    assert list(table.record) == ["one", "two", "three"]


def test_a_resolution_stands_and_its_note_is_the_reason():
    row = standing(ALL).set_index("record").loc["four"]
    assert (row.decision, row.note, row.reviewers, bool(row.resolved)) == ("include", "CLEO says", 2, True)
    assert standing(ALL).set_index("record").loc["three"].note == "Ann says Ben says"


def test_a_second_reviewer_is_awaited_by_name_and_without_the_decision():
    waiting = awaiting_second(records("one", "two", "three", "four"), duplicates(), ALL)
    assert waiting.to_dict("records") == [
        {"record": "one", "stage": "title_abstract", "reviewer": "Ann", "date": "2026-11-01"}
    ]


def test_no_decision_at_all_is_no_error():
    table = states(records("one"), duplicates(), decisions())
    assert list(table.state) == ["awaits_first"]
    assert agreement(decisions()).empty and awaiting_second(records("one"), duplicates(), decisions()).empty


# --- Agreement --------------------------------------------------------------------------------------------


def test_kappa_is_that_of_the_published_example():
    """Table 1 of Cohen, Psychol Bull 1968;70:213-220, doi:10.1037/h0026256: 200 subjects, kappa 0.492."""
    assert kappa([[88, 14, 18], [10, 40, 10], [2, 6, 12]]) == pytest.approx(0.492, abs=0.0005)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_an_independent_computation(seed):
    counts = np.random.default_rng(seed).integers(0, 50, (3, 3))
    assert kappa(counts) == pytest.approx(cohens_kappa(counts, return_results=False), abs=1e-12)


def test_kappa_at_its_limits():
    assert kappa([[5, 0], [0, 5]]) == 1
    assert kappa([[0, 5], [5, 0]]) == -1
    assert kappa([[25, 25], [25, 25]]) == 0
    assert np.isnan(kappa([[7, 0], [0, 0]])) and np.isnan(kappa([[0, 0], [0, 0]]))


def test_agreement_is_that_of_the_reviewers_before_any_resolution():
    table = agreement(ALL)
    (row,) = table.itertuples()
    assert (row.stage, row.first, row.second) == ("title_abstract", "Ann", "Ben")
    assert (row.records, row.agreed) == (3, 1)
    assert row.raw == pytest.approx(1 / 3)
    # By hand: each of include, unsure and exclude once by Ann; exclude three times by Ben.
    assert row.kappa == pytest.approx((1 / 3 - 1 / 3) / (1 - 1 / 3))


def test_agreement_is_by_pair_and_leaves_out_reviewers_who_were_not_recorded():
    rows = [(f"r{i}", "title_abstract", name, "include") for i in range(4) for name in ("Ann", "Ben", "Dan")]
    rows += [(f"r{i}", "title_abstract", NOT_RECORDED, "exclude") for i in range(4)]
    table = agreement(decisions(*rows))
    assert list(zip(table["first"], table["second"], strict=True)) == [("Ann", "Ben"), ("Ann", "Dan"), ("Ben", "Dan")]
    assert (table.raw == 1).all() and table.kappa.isna().all()


def test_the_state_of_ten_thousand_records_agrees_with_a_count_by_hand():
    chance = np.random.default_rng(1)
    names = [f"r{i}" for i in range(10_000)]
    picks = chance.choice(DECISIONS, (len(names), 2))
    number = chance.integers(0, 3, len(names))
    rows = [
        (record, "title_abstract", ("Ann", "Ben")[k], "reviewer", picks[i, k], "", "", "2026-11-26")
        for i, record in enumerate(names)
        for k in range(number[i])
    ]
    table = states(records(*names), duplicates(), pd.DataFrame(rows, columns=COLUMNS))
    first = table[table.stage == "title_abstract"].state.value_counts()
    two = number == 2
    assert first["awaits_first"] == (number == 0).sum() and first["awaits_second"] == (number == 1).sum()
    assert first["decided"] == (two & (picks[:, 0] == picks[:, 1])).sum()
    assert first["conflict"] == (two & (picks[:, 0] != picks[:, 1])).sum()
