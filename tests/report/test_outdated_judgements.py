"""Judgements of certainty that are outdated, and how a build and the page name them."""

import html

import pandas as pd
import pytest

from lib.engine.build import Built, summary
from lib.evidence import compare, load, question
from lib.report.chapters import certainty, outdated_judgements, summary_of_findings
from lib.report.notices import notices


def in_certainty(outcome, domain, column, value):
    """Return a change of a cell of certainty.csv, for the fixture ``edit``."""

    def change(rows):
        at = rows[0].index
        (row,) = (row for row in rows[1:] if (row[at("outcome")], row[at("domain")]) == (outcome, domain))
        row[at(column)] = value

    return change


def row_of(data, outcome, domain):
    """Return the spreadsheet row of a judgement."""
    frame = pd.read_csv(data / "certainty.csv")
    (index,) = frame.index[(frame.outcome == outcome) & (frame.domain == domain)]
    return index + 2


def test_the_judgements_of_this_edition_agree_with_its_numbers(ev):
    assert outdated_judgements.judgement_faults(ev) == []
    assert outdated_judgements.note(ev) == ""


def test_the_facts_of_a_judgement_are_codes_with_a_meaning(ev):
    codes = ev.meaning("certainty_fact")
    found = set()
    for row in ev.outcomes[ev.outcomes.kind == "comparison"].itertuples():
        facts = certainty.facts_by_domain(compare(question(ev, row.question).at(row.threshold)))
        assert set(facts) < set(ev.meaning("certainty_domain"))
        found |= {code for codes_of_domain in facts.values() for code in codes_of_domain}
    assert {"one_trial", "includes_no_effect", "few_responders"} <= found <= set(codes)


@pytest.mark.parametrize(
    ("domain", "value", "now"),
    [
        (
            "imprecision",
            "excludes_no_effect;few_responders",
            "the interval includes no effect, fewer than 300 responders",
        ),
        ("imprecision", "includes_no_effect;enough_responders", "the interval includes no effect, fewer than 300"),
        ("imprecision", "includes_no_effect", "the interval includes no effect, fewer than 300 responders"),
        ("imprecision", "", "the interval includes no effect, fewer than 300 responders"),
        ("inconsistency", "trials_agree", "one trial informs the effect"),
        ("indirectness", "one_trial", "none of these facts"),
    ],
)
def test_a_judgement_that_rests_on_other_facts_is_named_with_its_row(data, edit, domain, value, now):
    edit("certainty", in_certainty("steroid_ge75", domain, "rests_on", value))
    (fault,) = outdated_judgements.judgement_faults(load(data))
    row = row_of(data, "steroid_ge75", domain)
    assert (fault.file, fault.row, fault.column, fault.value) == ("certainty.csv", row, "rests_on", value)
    assert now in fault.rule and "steroid_ge75" in fault.rule


def test_the_row_is_that_of_the_file_with_its_blank_lines(data):
    path = data / "certainty.csv"
    header, rest = path.read_text(encoding="utf-8").split("\n", 1)
    path.write_text(f"{header}\n\n\n{rest}".replace("one_trial", "trials_differ", 1), encoding="utf-8")
    (fault,) = outdated_judgements.judgement_faults(load(data))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[fault.row - 1].startswith("vehicle_ge75,inconsistency,") and "trials_differ" in lines[fault.row - 1]


def test_the_order_of_the_facts_does_not_matter(data, edit):
    edit("certainty", in_certainty("steroid_ge75", "imprecision", "rests_on", "few_responders; includes_no_effect"))
    assert outdated_judgements.judgement_faults(load(data)) == []


def test_counts_that_change_the_numbers_overtake_the_judgement(data, edit):
    """The counts of one trial come to differ from those of the others, and the judgement does not change."""

    def differing(rows):
        at = rows[0].index
        for row in rows[1:]:
            if row[at("study")] == "bilal2014" and row[at("threshold")] == "ge75":
                row[at("events")] = "1" if row[at("arm")].startswith("placebo") else "27"

    edit("responses", differing)
    ev = load(data)
    now = compare(question(ev, "added_to_phototherapy").at("ge75")).risk_ratio
    faults = {fault.row: fault.rule for fault in outdated_judgements.judgement_faults(ev)}
    domains = {"inconsistency", "imprecision"} if now.ci_low > 1 else {"inconsistency"}
    assert now.i2 > 0.5
    assert set(faults) == {row_of(data, "added_to_phototherapy_ge75", domain) for domain in domains}
    assert "I² is above 50%" in faults[row_of(data, "added_to_phototherapy_ge75", "inconsistency")]
    codes = "trials_differ"
    edit("certainty", in_certainty("added_to_phototherapy_ge75", "inconsistency", "rests_on", codes))
    assert row_of(data, "added_to_phototherapy_ge75", "inconsistency") not in {
        fault.row for fault in outdated_judgements.judgement_faults(load(data))
    }


def test_an_earlier_edition_is_not_held_against_the_judgements_of_the_newest(data, edit):
    edit("certainty", in_certainty("steroid_ge75", "inconsistency", "rests_on", "trials_agree"))
    assert outdated_judgements.judgement_faults(load(data, "2018-08-06")) == []


def test_the_page_and_the_terminal_name_file_row_and_column(data, edit, tmp_path):
    edit("certainty", in_certainty("vehicle_ge75", "imprecision", "rests_on", "excludes_no_effect;few_responders"))
    ev = load(data)
    row = row_of(data, "vehicle_ge75", "imprecision")
    place = f"certainty.csv, row {row}, column rests_on: 'excludes_no_effect;few_responders'"
    note = html.unescape(outdated_judgements.note(ev))
    assert note.startswith("**1 judgement below no longer agrees with the numbers:**") and place in note
    assert notices(ev) == outdated_judgements.notices(ev), "there are no warnings about the data"
    shown = summary(Built(tmp_path, [], [], notices=notices(ev)))
    assert shown.startswith("Nothing changed.")
    assert "Needs action, although it did not stop the build:\n- " + place in shown
    assert "Needs action" not in summary(Built(tmp_path, ["book/a"], ["a.html"]))
    # The levels are those entered, until someone changes them.
    asked = [question(ev, key) for key in ev.questions.question]
    assert len(summary_of_findings.judgements(ev, asked).frame)
