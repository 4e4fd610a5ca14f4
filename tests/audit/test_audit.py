"""The audit: each rule finds what it must, holds where it must, and nothing that it finds is typed in."""

import ast
import re
from collections import Counter

import pandas as pd
import pytest

from conftest import ROOT
from lib.audit import RULES, VERDICTS, Review, apply, audit
from lib.evidence import check, load
from lib.report.chapters import audit_findings


@pytest.fixture(scope="module")
def evidence(ev):
    return ev


@pytest.fixture(scope="module")
def found(evidence):
    return audit(evidence)


def of(found, rule, verdict="contradicted", *words):
    """Findings of a rule with a verdict whose text has all the words."""
    rows = [f for f in found if (f.rule, f.verdict) == (rule, verdict)]
    return [f for f in rows if all(word in f"{f.place} {f.claim} {f.published} {f.detail}" for word in words)]


def change(table, to, **where):
    """A change of a table: columns set in the rows that have the values named."""
    return table, to, where


def changed(evidence, *changes):
    """The evidence with changes; that a data folder may hold them too is a test of its own."""
    edited = {}
    for table, to, where in changes:
        frame = edited.get(table, getattr(evidence, table))
        rows = pd.concat([frame[column] == value for column, value in where.items()], axis=1).all(axis=1)
        assert rows.any(), where
        edited[table] = frame.assign(**{column: frame[column].mask(rows, value) for column, value in to.items()})
    return evidence.with_tables(**edited)


def contradicted(evidence, rule, *words):
    """What one rule contradicts in the review as the evidence has it."""
    return of(apply(rule, Review(evidence)), rule, "contradicted", *words)


# --- The whole --------------------------------------------------------------------------------------------


def test_every_rule_finds_something_and_every_finding_is_complete(found):
    assert {f.rule for f in found} == set(RULES)
    for f in found:
        assert f.verdict in VERDICTS
        assert f.place and f.claim and f.published and f.sources, f
        assert f.detail or f.verdict == "holds", f
        assert (f.verdict == "contradicted") >= bool(f.reconciling), f
        assert "nan" not in " ".join([f.published, f.reconciling, f.detail]).split(), f


def test_a_claim_has_one_finding_of_a_rule(found):
    keys = Counter((f.rule, f.place, f.claim, f.published) for f in found)
    assert [key for key, n in keys.items() if n > 1] == []


def test_the_edition_of_the_original_search_is_audited_alike(found):
    assert audit(load(ROOT / "data", "2018-08-06")) == found


def test_no_study_reference_or_printed_number_is_typed_into_the_modules(evidence):
    modules = [path.read_text(encoding="utf-8") for path in (ROOT / "lib" / "audit").glob("*.py")]
    constants = [
        node.value for module in modules for node in ast.walk(ast.parse(module)) if isinstance(node, ast.Constant)
    ]
    numbers = {n for n in constants if isinstance(n, int | float) and not isinstance(n, bool)}
    published = {
        *evidence.studies.review_ref.dropna(),
        *evidence.mechanism.review_ref,
        *evidence.published_rates.estimate,
    }
    assert numbers & published <= {0}
    text = " ".join(t for t in constants if isinstance(t, str))
    names = {*evidence.studies.study, *evidence.mechanism.study, *evidence.references.entries}
    assert [name for name in names if name in text] == []
    labels = {label.split()[0] for label in evidence.studies.label}
    assert [label for label in labels if re.search(rf"\b{label}\b", text)] == []


# --- The two examples of what it finds --------------------------------------------------------------------


def test_the_interval_that_is_off_its_estimate_is_found_with_what_would_centre_it(found):
    finding = of(found, "centre", "contradicted", "face and neck", "≥25%", "monotherapy")[0]
    assert finding.reconciling == "62.6 as lower end"
    assert {"abstract", "results, in the text", "Table 3"} == set(finding.place.split("; "))


def test_the_reference_that_stands_in_the_place_of_another_is_found(found):
    outside = of(found, "lists of a row", "contradicted", "children", "25 (Kanwar 2004)")
    assert len(outside) == 2
    left_out = of(found, "none left out", "contradicted", "children", "25 (Kanwar 2004)")
    assert "28" in left_out[0].reconciling


def test_a_reading_by_arithmetic_is_called_so_and_a_report_is_named(found):
    for f in found:
        if "its own report" in f.detail.lower() and f.rule in ("own report", "stops", "eligibility"):
            assert len(f.sources) > 1, f


# --- A planted contradiction is found by the right rule ---------------------------------------------------

NUMBERS, RATES = "published_numbers", "published_rates"
PLANTED = {
    "centre": (change(RATES, {"ci_high": 49.1}, claim="table3-monotherapy-total-ge50"), "total"),
    "rate of no study": (change(RATES, {"estimate": 0.5}, claim="table3-monotherapy-hands_feet-ge75"), "0.50"),
    "same claim": (change(RATES, {"estimate": 18.7}, claim="key_points-monotherapy-total-ge75"), "18.7"),
    "studies listed": (change(RATES, {"studies": 22}, claim="results-monotherapy-total-ge25"), "22 studies"),
    "lists of a row": (
        change(RATES, {"refs": "7, 25, 32, 35, 40"}, claim="results-monotherapy-children-ge25"),
        "40 (Du",
    ),
    "lists within lists": (change(NUMBERS, {"refs": "7, 8, 55"}, quantity="adverse_event_studies_counting"), "55"),
    "part and whole": (change(RATES, {"patients": 400}, claim="results-monotherapy-face_neck-ge75"), "400 of 392"),
    "difference": (change(RATES, {"patients": 250}, claim="results-monotherapy-face_neck-ge25"), "250 patients"),
    "sum of arms": (change(RATES, {"patients": 691}, claim="results-monotherapy-total-ge50"), "at least moderate"),
    "those who completed": (change(RATES, {"patients": 92}, claim="results-monotherapy-hands_feet-ge25"), "92"),
    "totals": (change(NUMBERS, {"value": 1409}, quantity="efficacy_patients"), "1409"),
    "flow": (change("flow", {"n": 9}, step="excluded_small"), "Studies included"),
    "whole numbers": (change(NUMBERS, {"value": 9.9}, quantity="burning_percent"), "9.9%"),
    "duration": (change(NUMBERS, {"value": 1}, quantity="shortest_duration_months"), "1 month"),
    "studies counted": (change("studies", {"review_ref": 71}, study="cavalie2015"), "71"),
    "one study": (change(NUMBERS, {"value": 21}, quantity="maintenance_tacrolimus_patients"), "21 patients"),
    "design": (change("studies", {"design": "SA", "note": "as published"}, study="lepe2003"), "Lepe"),
    "eligibility": (change("report_facts", {"field": "refractory", "value": "yes"}, study="xu2009"), "Xu"),
    "definition of an outcome": (change("studies", {"population": "adult"}, study="kanwar2007"), "28 ("),
    "none left out": (change("studies", {"population": "children"}, study="du2013"), "Du"),
    "own report": (change("arms", {"enrolled": 24}, study="sendur2006"), "24"),
    "title": (change("studies", {"blinding": "OL"}, study="ho2011"), "Ho"),
    "denominator": (change("arms", {"completed": 18}, study="sendur2006"), "18 completed"),
    "stops": (change("adverse_events", {"kind": "stopped for side effects"}, study="xu2009"), "Xu"),
    "events": (change(NUMBERS, {"value": 8}, quantity="burning_events"), "burning"),
}


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_contradiction_is_found_by_its_rule(rule, found, evidence):
    plant, word = PLANTED[rule]
    new = contradicted(changed(evidence, plant), rule, word)
    assert [f for f in new if f not in found], rule


def test_every_rule_that_can_contradict_has_a_planted_one():
    # Two studies that look alike may be two studies all the same: that rule never contradicts.
    assert set(RULES) - set(PLANTED) == {"one cohort once"}


def test_studies_that_look_like_one_are_shown_and_no_verdict_is_given(found, evidence):
    assert len(of(found, "one cohort once", "unchecked")) == 1
    apart = changed(evidence, change("arms", {"enrolled": 30}, study="soriano2002"))
    assert of(apply("one cohort once", Review(apart)), "one cohort once", "unchecked") == []


CHILDREN = {"place": "table3", "population": "children"}
FACE = {"regimen": "monotherapy", "site": "face_neck", "threshold": "ge25"}
TACROLIMUS = "results-maintenance_tacrolimus_depigmented_percent"
TRUNK = {"claim": "results-monotherapy-trunk_extremities-ge75"}
MENDED = {
    "centre": (change(RATES, {"ci_low": 62.6}, **FACE), "TCI monotherapy, face"),
    "rate of no study": (change(RATES, {"estimate": 3.5}, estimate=1.71), "hands and feet"),
    "studies listed": (change(RATES, {"studies": 7}, **TRUNK), "trunk"),
    "lists of a row": (change(RATES, {"refs": "7, 25, 32, 35, 41, 44"}, **CHILDREN), "children"),
    "lists within lists": (change(RATES, {"refs": "7, 25, 32, 35, 41"}, **CHILDREN), "children"),
    "part and whole": (change(RATES, {"patients": 165}, **TRUNK), "trunk"),
    "difference": (change(RATES, {"patients": 42}, patients=48), "hands and feet"),
    "sum of arms": (change(RATES, {"patients": 443}, patients=433), "TCI plus phototherapy"),
    "those who completed": (change(RATES, {"patients": 155}, patients=161), "TCI plus phototherapy"),
    "whole numbers": (change(NUMBERS, {"value": 10.5}, claim=TACROLIMUS), "tacrolimus"),
    "duration": (change(NUMBERS, {"value": 12}, quantity="longest_duration_months"), "longest"),
    "eligibility": (change("report_facts", {"value": "no"}, field="refractory"), "Fai"),
    "definition of an outcome": (change("studies", {"assessment": "individual;total"}, study="ho2011"), "Ho"),
    "none left out": (change(RATES, {"refs": "7, 25, 32, 35, 41, 44"}, **CHILDREN), "children"),
    "own report": (change("arms", {"completed": 19}, study="kathuria2012"), "Kathuria", "completed, tacrolimus"),
    "denominator": (change("studies", {"assessment": "individual;total"}, study="passeron2004"), "Passeron"),
    "stops": (change(NUMBERS, {"value": 1}, quantity="discontinuation_studies"), "side effects"),
}


@pytest.mark.parametrize("rule", MENDED)
def test_a_contradiction_that_is_mended_is_gone(rule, found, evidence):
    mend, *words = MENDED[rule]
    assert of(found, rule, "contradicted", *words)
    assert contradicted(changed(evidence, mend), rule, *words) == []


@pytest.mark.parametrize("changes", [PLANTED, MENDED], ids=["planted", "mended"])
def test_what_is_planted_or_mended_is_something_that_the_data_may_hold(changes, data, edit):
    # The data may hold no flow that does not add up. The audit states that it adds up.
    for (table, to, where), *_ in (change for rule, change in changes.items() if rule != "flow"):

        def apply_to(rows, to=to, where=where):
            head = rows[0]
            hits = [row for row in rows[1:] if all(row[head.index(c)] == str(v) for c, v in where.items())]
            assert hits, where
            for row in hits:
                for c, v in to.items():
                    row[head.index(c)] = str(v)

        edit(table, apply_to)
    assert check(data) == []


def test_every_number_of_the_review_is_within_reach_of_a_rule(found, evidence):
    """Whatever number is misprinted is seen, but for the few that nothing bounds from above."""
    known = {(f.rule, f.claim, f.published) for f in found if f.verdict == "contradicted"}
    numbers = {
        row.quantity: change(NUMBERS, {"value": row.value + 70}, claim=row.claim)
        for row in evidence.published_numbers.drop_duplicates("quantity", keep="last").itertuples()
    }

    misprinted = {quantity: Review(changed(evidence, one)) for quantity, one in numbers.items()}

    def seen(rule, review):
        return any((rule, f.claim, f.published) not in known for f in of(apply(rule, review), rule))

    # Each rule is applied once, with all numbers misprinted that no rule before it has seen; one by one only if that
    # shows any of them. Rules that take long come last, when few numbers are left.
    slow = ("same claim", "difference", "sum of arms", "definition of an outcome", "own report", "centre", "design")
    missed = list(numbers)
    for rule in sorted(RULES, key=slow.__contains__):
        if seen(rule, Review(changed(evidence, *(numbers[quantity] for quantity in missed)))):
            missed = [quantity for quantity in missed if not seen(rule, misprinted[quantity])]
    # Patches may meet a higher minimum; more studies with stops may be unavailable; the others stand alone.
    assert set(missed) == {
        "minimum_per_arm",
        "discontinuation_studies",
        "safety_studies",
        "phototherapy_alone_ge25_percent",
        "prevalence_low",
        "prevalence_high",
        "maintenance_entry_repigmentation",
    }


def test_an_interval_cut_at_zero_is_not_judged(found, evidence):
    assert len(of(found, "centre", "unchecked", "hands and feet")) == 1
    whole = changed(evidence, change(RATES, {"ci_low": 1.5}, population="all", site="hands_feet", threshold="ge50"))
    assert len(contradicted(whole, "centre", "hands and feet")) == 1


def test_a_rate_is_not_called_too_low_where_patches_can_have_been_counted(found, evidence):
    assert len(of(found, "rate of no study", "unchecked", "trunk", "patches")) == 1
    # The row is the most that a study can have, in whatever unit.
    small = changed(evidence, change(RATES, {"patients": 40}, site="trunk_extremities", place="table3"))
    assert len(contradicted(small, "rate of no study", "TCI monotherapy, trunk")) == 1


def test_a_percentage_may_be_of_those_who_completed_but_not_of_lesions(found, evidence):
    completed = changed(evidence, change(NUMBERS, {"value": 13.3}, claim=TACROLIMUS))
    assert contradicted(completed, "whole numbers", "tacrolimus") == []
    placebo = of(found, "whole numbers", "contradicted", "placebo", "6/15 = 40.0%")
    assert "lesions" in placebo[0].reconciling
    assert len(placebo[0].sources) > 1


def test_a_duration_may_be_that_of_monotherapy_alone(evidence):
    alone = changed(evidence, change(NUMBERS, {"value": 5.25}, quantity="median_duration_months"))
    assert contradicted(alone, "duration", "median") == []


def test_what_is_entered_of_a_report_is_not_held_against_its_title_as_well(found, evidence):
    assert of(found, "own report", "contradicted", "Dayal 2016: population")
    assert contradicted(evidence, "title", "Dayal") == []
    unseen = changed(evidence, change("report_facts", {"field": "site"}, study="dayal2016", field="population"))
    assert contradicted(unseen, "title", "Dayal")


def test_a_matter_of_wording_is_not_called_a_contradiction(found):
    for words in (("comparator",), ("concentration",), ("not determined",)):
        assert of(found, "own report", "unchecked", *words)
        assert not of(found, "own report", "contradicted", *words)


def test_the_design_in_a_second_report_is_compared_with_table_2(found, evidence):
    """Farajzadeh 2013: open label by Table 2, double-blind by both of its reports."""
    assert of(found, "own report", "contradicted", "Farajzadeh 2013: blinding", "OL", "double-blind")
    mended = changed(evidence, change("studies", {"blinding": "DB"}, study="farajzadeh2013"))
    assert contradicted(mended, "own report", "Farajzadeh 2013: blinding") == []


def test_reports_that_disagree_with_each_other_contradict_nothing(found):
    assert of(found, "own report", "unchecked", "Farajzadeh 2013: randomised", "The reports differ")


def test_an_inferred_fact_contradicts_nothing_and_a_stated_one_does(found, evidence):
    """The registry record of Silpa-Archa 2016 is very probably, not certainly, of that trial."""
    assert of(found, "own report", "unchecked", "Silpa-Archa 2016: randomised", "inferred")
    stated = changed(evidence, change("report_facts", {"inferred": ""}, study="silpaarcha2016"))
    assert contradicted(stated, "own report", "Silpa-Archa 2016: randomised")


# --- The tables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_table_of_findings_has_each_of_them_once(verdict, found):
    rows = [f for f in found if f.verdict == verdict]
    table = audit_findings.findings(found, verdict)
    assert list(table.frame["Claim"]) == [f.claim for f in rows]
    assert list(table.frame["detail"]) == [f.detail for f in rows]
    assert table._repr_html_().count('<tr class="group">') == len({f.rule for f in rows})


def test_the_table_of_rules_adds_up(found):
    frame = audit_findings.rules(found).frame
    assert list(frame["Rule"]) == [rule.statement for rule in RULES.values()]
    assert frame.iloc[:, 1:].to_numpy().sum() == len(found)
    assert frame["Contradicted"].sum() == len(of_verdict(found, "contradicted"))


def of_verdict(found, verdict):
    return [f for f in found if f.verdict == verdict]
