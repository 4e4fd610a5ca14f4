"""Every rule holds for the data, and is broken at least once, with the message and the place that a maintainer gets."""

import re

import pandas as pd
import pytest

from bad_inputs import BAD_INPUTS
from changes import Change, Tables, add, drop, in_turn, put, repeat, tables_of
from conftest import ROOT
from lib.evidence.repeated_checks import TablesRead
from lib.evidence.rules import (
    RULES,
    WARNINGS,
    agreement,
    appraisal,
    arms,
    assessments,
    counts,
    identity,
    keys,
    records,
    reporting,
    retractions,
    sources,
    studies,
)
from lib.evidence.rules.base import Rule


@pytest.fixture(scope="module")
def tables() -> Tables:
    """The tables of the data folder as rules get them."""
    return tables_of(ROOT / "data")


SENDUR = {"study": "sendur2006", "threshold": "ge75"}
LEPE_ARM = {"study": "lepe2003", "arm": "tacrolimus"}
BILAL = {"study": "bilal2014", "domain": "overall"}
TAMLER = {"study": "tamler2011", "kind": "at_least"}

# A row of the message is "{row}" where it is the one that was changed.
BROKEN: list[tuple[Rule, Change, str]] = [
    (
        keys.keys_are_unique,
        repeat("responses", "n", "19", **SENDUR),
        "responses.csv, row {row}, column study + arm + site + site_detail + population + subtype + threshold + months:"
        " 'sendur2006, pimecrolimus, all, all, ge75, 6': is already in row 14: keep one of the two rows",
    ),
    (keys.keys_are_unique, repeat("responses", "months", "6.0", **SENDUR), "is already in row 14"),
    (
        keys.keys_are_unique,
        repeat("risk_of_bias", "judgement", "high", **BILAL),
        "row {row}, column study + tool + dom",
    ),
    (
        keys.keys_exist,
        put("responses", "study", "sendur2007", **SENDUR),
        "responses.csv, row {row}, column study: 'sendur2007': is unknown: there is no such study in arms.csv",
    ),
    (
        keys.keys_exist,
        put("responses", "arm", "tacrolimus", **SENDUR),
        "row {row}, column arm: 'tacrolimus': is unknown: there is no such arm in arms.csv for sendur2006",
    ),
    (keys.keys_exist, put("arms", "part", "3", **LEPE_ARM), "arms.csv, row {row}, column part: '3': is unknown"),
    (
        keys.keys_exist,
        put("mechanism", "study", "nobody1999", study="lee2013"),
        "mechanism.csv, row {row}, column study: 'nobody1999': is unknown: there is no such study in references.bib",
    ),
    (keys.keys_exist, put("risk_of_bias", "study", "bilal2041", **BILAL), "column study: 'bilal2041': is unknown"),
    (
        keys.keys_exist,
        put("certainty", "outcome", "vehicle_ge7", outcome="vehicle_ge75", domain="imprecision"),
        "certainty.csv, row {row}, column outcome: 'vehicle_ge7': is unknown",
    ),
    (
        keys.study_labels_are_distinct,
        put("screening", "label", "Wang L 2018", study="wangyuyi2018"),
        "column label: 'Wang L 2018': is the label of wanglm2018 too",
    ),
    (
        keys.study_labels_are_distinct,
        put("screening", "label", "Rokni 2017", study="vanathi2017"),
        "candidates.csv, row {row}, column label: 'Rokni 2017': is the label of rokni2017 too (studies.csv, row ",
    ),
    (
        keys.study_labels_are_distinct,
        put("screening", "label", "Seneschal and others", study="seneschal2021"),
        "'Seneschal and others': differs from the label that seneschal2021 has elsewhere (Seneschal 2021)",
    ),
    (
        keys.review_labels_are_distinct,
        put("later_reviews", "label", "Arora 2020", review="zhu2023"),
        "later_reviews.csv, row {row}, column label: 'Arora 2020': is the label of arora2020 too",
    ),
    (
        studies.update_has_findings,
        drop("findings", study="seneschal2021"),
        "column study: 'seneschal2021': an included study of the update needs its main finding in findings.csv",
    ),
    (
        studies.findings_are_of_the_update,
        put("findings", "study", "lepe2003", study="shah2020"),
        "findings.csv, row {row}, column study: 'lepe2003': must be an included study of the update",
    ),
    (
        studies.findings_repeat_no_counts,
        put("findings", "finding", "Excellent in 10 of 30.", study="ebrahim2020"),
        "findings.csv, row {row}, column finding: '10 of 30': the book adds this from responses.csv, row ",
    ),
    (
        studies.findings_repeat_no_counts,
        put("findings", "finding", "Excellent in 33.3%.", study="ebrahim2020"),
        "row {row}, column finding: '33.3%': the book adds this from responses.csv, row ",
    ),
    (
        studies.original_studies_have_review_refs,
        put("studies", "edition", "original", study="shah2020"),
        "studies.csv, row {row}, column edition: 'original': a study of the original review has its reference number",
    ),
    (
        studies.original_studies_have_review_refs,
        put("studies", "review_ref", "", study="lepe2003"),
        "studies.csv, row {row}, column edition: 'original': a study of the original review has its reference number",
    ),
    (
        studies.original_studies_are_not_screened,
        put("screening", "study", "soriano2002", study="adr2025"),
        "candidates.csv, row {row}, column study: 'soriano2002': is a study of the original review",
    ),
    (
        studies.included_records_follow_the_original_search,
        put("screening", "published", "2016-05", study="shah2020"),
        "row {row}, column published: '2016-05': an included record must have appeared after the original search"
        " (2018-08-06)",
    ),
    (studies.flow_is_complete, drop("flow", step="included"), "flow.csv, column step: 'included': the step has no row"),
    (
        records.exclusions_have_reasons,
        put("screening", "exclusion", "", study="adr2025"),
        "decisions.csv, row {row}, column reason: must be given if the decision is",
    ),
    (
        records.exclusions_have_reasons,
        put("screening", "exclusion", "design", study="shah2020"),
        "decisions.csv, row {row}, column reason: 'design': must be given if the decision is \"exclude\", and empty",
    ),
    (
        studies.update_is_screened,
        put("studies", "edition", "update", study="lepe2003"),
        "studies.csv, row {row}, column study: 'lepe2003': a study of the update needs a row in candidates.csv",
    ),
    (
        studies.update_is_screened,
        put("studies", "year", "2019", study="shah2020"),
        "studies.csv, row {row}, column year: '2019': differs from the date in records.csv (2020-02)",
    ),
    (
        studies.identifiers_agree,
        put("screening", "doi", "10.1155/2021/1111111", study="iraji2021"),
        "row {row}, column doi: '10.1155/2021/1111111': differs from references.bib (10.1155/2021/5652140)",
    ),
    (
        studies.identifiers_agree,
        put("references", "doi", "10.1000/1", key="iraji2021"),
        "column doi: '10.1155/2021/5652140': differs from references.bib (10.1000/1)",
    ),
    (
        counts.responders_within_participants,
        put("responses", "events", "20", **SENDUR),
        "responses.csv, row {row}, column events: '20': exceeds the number observed (n = 19)",
    ),
    (
        counts.adverse_events_within_participants,
        put("adverse_events", "events", "31", study="xu2009"),
        "adverse_events.csv, row {row}, column events: '31': exceeds the number observed (n = 30)",
    ),
    (
        counts.depigmented_within_participants,
        put("maintenance", "n", "10", n="41"),
        "maintenance.csv, row {row}, column depigmented: '11': exceeds the number observed (n = 10)",
    ),
    (
        counts.completed_within_enrolled,
        put("arms", "completed", "21", **LEPE_ARM),
        "arms.csv, row {row}, column completed: '21': exceeds the number enrolled (enrolled = 20)",
    ),
    (
        counts.thresholds_are_ordered,
        put("responses", "events", "8", **SENDUR),
        "row {row}, column events: '8': the count at ≥75% exceeds that at ≥50% (7 in row 13)",
    ),
    (
        counts.thresholds_are_ordered,
        in_turn(put("responses", "months", "6.0", **SENDUR), put("responses", "events", "8", **SENDUR)),
        "row {row}, column events: '8': the count at ≥75% exceeds that at ≥50% (7 in row 13)",
    ),
    (
        counts.thresholds_are_ordered,
        put("responses", "events", "2", study="sendur2006", threshold="ge50"),
        "row 14, column events: '3': the count at ≥75% exceeds that at ≥50% (2 in row {row})",
    ),
    (
        counts.analysed_within_completed,
        put("responses", "n", "20", **SENDUR),
        "responses.csv, row {row}, column n: '20': exceeds the number who completed (completed = 19): correct one",
    ),
    (
        counts.counts_left_out_have_reasons,
        put("responses", "poolable", "no", **SENDUR),
        'must be given if poolable is "no" or "subgroup", and empty if it is "yes"; allowed: any_alone, interim,',
    ),
    (
        counts.counts_left_out_have_reasons,
        put("responses", "why_not", "interim", **SENDUR),
        'row {row}, column why_not: \'interim\': must be given if poolable is "no" or "subgroup", and empty if it is',
    ),
    (
        counts.only_included_studies_are_pooled,
        put("responses", "poolable", "yes", study="kiran2024", arm="tacrolimus"),
        "responses.csv, row {row}, column poolable: 'yes': must be no: the study is not included",
    ),
    (
        counts.patches_have_patients,
        put("arms", "completed", "", study="passeron2004", arm="tacrolimus+EL"),
        "column unit: 'patches': patches are pooled only if \"completed\" in arms.csv has a value for this arm",
    ),
    (
        counts.patients_are_pooled_once,
        put("responses", "poolable", "yes", study="radakovic2009", arm="tacrolimus once daily", threshold="ge75"),
        "column poolable: 'yes': these patients are already pooled in row",
    ),
    (
        counts.patients_are_pooled_once,
        repeat("responses", "months", "3", **SENDUR),
        "row {row}, column poolable: 'yes': these patients are already pooled in row 14",
    ),
    (
        counts.published_rates_have_studies,
        put("published_rates", "studies", "", place="table3"),
        "published_rates.csv, row {row}, column studies: a value is required in Table 3 and the results",
    ),
    (
        counts.published_rates_have_studies,
        put("published_rates", "refs", "", place="results"),
        "published_rates.csv, row {row}, column refs: a value is required in Table 3 and the results",
    ),
    (
        counts.later_rates_are_proportions,
        put("later_reviews", "ci_high", "47", measure="rate"),
        "later_reviews.csv, row {row}, column ci_high: '47': a rate is a proportion from 0 to 1",
    ),
    (
        counts.published_intervals_hold_estimates,
        put("published_rates", "ci_low", "20", claim="abstract-monotherapy-total-ge75"),
        "row {row}, column ci_low: '20': the interval begins above the estimate (estimate = 18.1)",
    ),
    (
        counts.later_intervals_hold_estimates,
        put("later_reviews", "estimate", "1.8", review="arora2020", question="added_to_phototherapy"),
        "row {row}, column estimate: '1.8': the interval ends below the estimate (ci_high = 1.71)",
    ),
    (
        counts.bounds_are_percentages,
        put("bounds", "value", "132.1", study="farajzadeh2009"),
        "bounds.csv, row {row}, column value: '132.1': a percentage must be from 0 to 100",
    ),
    (
        counts.bounds_within_enrolled,
        put("bounds", "value", "13", **TAMLER),
        "row {row}, column value: '13': the lower bound exceeds the number of patients enrolled (enrolled = 12)",
    ),
    (
        counts.bounds_agree,
        put("bounds", "value", "7", **TAMLER),
        "bounds.csv, row {row}, column value: '7': the lower bound exceeds the upper bound of the same count (6)",
    ),
    (
        appraisal.outcomes_are_complete,
        put("outcomes", "question", "", outcome="vehicle_ge75"),
        "outcomes.csv, row {row}, column question: a value is required for the kind comparison",
    ),
    (
        appraisal.outcomes_are_complete,
        put("outcomes", "question", "vehicle", outcome="monotherapy_rate_ge75"),
        "outcomes.csv, row {row}, column question: 'vehicle': must be empty for the kind rate",
    ),
    (
        appraisal.tools_fit_designs,
        put("risk_of_bias", "tool", "robins_i_2016", every=True, study="bilal2014"),
        "row {row}, column tool: 'robins_i_2016': does not fit: bilal2014 is randomised; use rob2_2019",
    ),
    (
        appraisal.tools_fit_designs,
        put("risk_of_bias", "tool", "rob2_2019", every=True, study="shah2020"),
        "row {row}, column tool: 'rob2_2019': does not fit: shah2020 is not randomised; use robins_i_2016",
    ),
    (
        appraisal.domains_and_judgements_are_of_the_tool,
        put("risk_of_bias", "judgement", "serious", study="bilal2014", domain="randomisation"),
        "row {row}, column judgement: 'serious': must be one of: low, some_concerns, high, no_information (for rob2",
    ),
    (
        appraisal.domains_and_judgements_are_of_the_tool,
        put("risk_of_bias", "domain", "confounding", study="bilal2014", domain="deviations"),
        "row {row}, column domain: 'confounding': must be one of: randomisation, deviations,",
    ),
    (
        appraisal.domains_are_complete,
        drop("risk_of_bias", study="bilal2014", domain="reporting"),
        "column domain: 'reporting': has no row for bilal2014 (rob2_2019)",
    ),
    (
        appraisal.overall_judgements_follow,
        put("risk_of_bias", "judgement", "some_concerns", study="alam", domain="overall"),
        "row {row}, column judgement: 'some_concerns': is better than the worst domain (high: missing_data)",
    ),
    (
        appraisal.overall_judgements_follow,
        put("risk_of_bias", "judgement", "low", **BILAL),
        "row {row}, column judgement: 'low': must be at least some_concerns: there is no information on randomisation,"
        " reporting",
    ),
    (
        appraisal.overall_judgements_follow,
        put("risk_of_bias", "judgement", "no_information", **BILAL),
        "row {row}, column judgement: 'no_information': RoB 2 has an overall judgement in every case",
    ),
    (
        appraisal.overall_judgements_follow,
        put("risk_of_bias", "judgement", "no_information", study="rafiq2016", domain="overall"),
        "row {row}, column judgement: 'no_information': must be at least serious: the domains decide it",
    ),
    (
        appraisal.margins_are_given,
        put("change_criteria", "margin", "", rule="moved"),
        "change_criteria.csv, row {row}, column margin: must be given if the meaning of the rule contains {}",
    ),
    (
        appraisal.margins_are_given,
        put("change_criteria", "margin", "5", rule="first"),
        "row {row}, column margin: '5': must be",
    ),
]

# Changes up to the limit of a rule, and those that say that the source contradicts itself.
ALLOWED: list[tuple[Rule, Change]] = [
    *(
        (
            rule,
            in_turn(
                put("studies", "design", "SA", study="lepe2003"),
                put("studies", "note", "Table 2 has two arms: as published", study="lepe2003"),
            ),
        )
        for rule in (arms.designs_fit_arms, arms.single_arms_are_open)
    ),
    (
        arms.arms_share_their_patients,
        in_turn(put("arms", "enrolled", "21", **LEPE_ARM), put("arms", "note", "as published", **LEPE_ARM)),
    ),
    (
        agreement.years_agree,
        in_turn(
            put("studies", "year", "2021", study="shah2020"),
            put("studies", "note", "online in 2020", study="shah2020"),
        ),
    ),
    (arms.roles_fit_treatments, put("arms", "given_with", "emollient", **LEPE_ARM)),
    (
        assessments.assessments_have_one_time,
        in_turn(put("responses", "months", "3", **SENDUR), put("responses", "why_not", "interim", **SENDUR)),
    ),
    (
        assessments.assessments_are_within_the_duration,
        in_turn(put("responses", "months", "12", **SENDUR), put("responses", "why_not", "interim", **SENDUR)),
    ),
    (
        sources.counts_are_from_reports_of_the_study,
        in_turn(
            put("responses", "source", "lee2019, Figure 2", **SENDUR),
            put("responses", "source_kind", "secondary_review", **SENDUR),
        ),
    ),
    (
        identity.registrations_are_unique,
        in_turn(
            put("screening", "known", "NCT04440371", study="kiran2024"),
            put("screening", "exclusion", "duplicate", study="kiran2024"),
        ),
    ),
    (keys.keys_are_unique, repeat("responses", "months", "6.5", **SENDUR)),
    (counts.responders_within_participants, put("responses", "events", "19", **SENDUR)),
    (counts.responders_within_participants, put("responses", "events", "0", **SENDUR)),
    (counts.completed_within_enrolled, put("arms", "completed", "20", **LEPE_ARM)),
    (counts.completed_within_enrolled, put("arms", "completed", "", **LEPE_ARM)),
    (counts.thresholds_are_ordered, put("responses", "events", "7", **SENDUR)),
    (counts.analysed_within_completed, put("responses", "n", "18", **SENDUR)),
    (
        counts.analysed_within_completed,
        in_turn(
            add("report_facts", study="sendur2006", field="analysed", value="23"),
            put("responses", "n", "23", **SENDUR),
        ),
    ),
    (
        counts.counts_left_out_have_reasons,
        in_turn(put("responses", "poolable", "no", **SENDUR), put("responses", "why_not", "interim", **SENDUR)),
    ),
    (counts.bounds_are_percentages, put("bounds", "value", "100", study="farajzadeh2009")),
    (counts.bounds_within_enrolled, put("bounds", "value", "12", **TAMLER)),
    (counts.bounds_agree, put("bounds", "value", "5", **TAMLER)),
    (counts.later_rates_are_proportions, put("later_reviews", "ci_high", "1", measure="rate")),
    (studies.findings_repeat_no_counts, put("findings", "finding", "Excellent in 11 of 30.", study="ebrahim2020")),
    (studies.included_records_follow_the_original_search, put("screening", "published", "2018-08", study="shah2020")),
    (
        studies.identifiers_agree,
        in_turn(*(put("screening", field, "", study="iraji2021") for field in ("doi", "pmid"))),
    ),
    (appraisal.overall_judgements_follow, put("risk_of_bias", "judgement", "high", **BILAL)),
]


@pytest.mark.parametrize(
    ("rule", "change", "message"), BROKEN, ids=[f"{rule.__name__}-{i}" for i, (rule, *_) in enumerate(BROKEN)]
)
def test_a_broken_rule_is_named_with_its_place(tables, rule, change, message):
    changed = dict(tables)
    row = change(changed)[0]
    faults = [str(fault) for fault in rule(changed)]
    assert any(message.replace("{row}", str(row)) in fault for fault in faults), faults


@pytest.mark.parametrize("rule", (*RULES, *WARNINGS), ids=lambda rule: rule.__name__)
def test_a_rule_holds_for_the_data(tables, rule):
    assert list(rule(tables)) == []


@pytest.mark.parametrize(
    ("rule", "change"), ALLOWED, ids=[f"{rule.__name__}-{i}" for i, (rule, _) in enumerate(ALLOWED)]
)
def test_a_value_at_the_limit_of_a_rule_is_allowed(tables, rule, change):
    changed = dict(tables)
    change(changed)
    assert list(rule(changed)) == []


@pytest.mark.parametrize("relation, is_entered", [("same_study", True), ("erratum", True), ("separate", False)])
def test_another_report_of_an_entered_study_needs_no_data(tables, relation, is_entered):
    record = tables["candidates"].record[tables["candidates"].study.isin(tables["studies"].study)].iloc[0]
    pair = tables["duplicates"].iloc[:1].assign(record="other.8", same_as=record, relation=relation)
    decision = (
        tables["decisions"]
        .iloc[:1]
        .assign(record="other.8", stage="full_text", decision="include", role="reviewer", reason="")
    )
    changed = {**tables, "duplicates": pair, "decisions": pd.concat([tables["decisions"], decision])}
    faults = [fault for fault in records.included_records_are_entered(changed) if fault.value == "other.8"]
    assert (not faults) == is_entered


def test_every_rule_is_listed_described_and_broken_by_an_example():
    modules = (
        *(agreement, appraisal, arms, assessments, counts, identity, keys, records, reporting, retractions),
        *(sources, studies),
    )
    written = {
        function
        for module in modules
        for name, function in vars(module).items()
        if hasattr(function, "__wrapped__") and not name.startswith("_")
    }
    listed = (*RULES, *WARNINGS)
    assert set(listed) == written
    assert len(listed) == len(written)
    broken = {rule.__name__ for rule, *_ in BROKEN} | {bad.rule.__name__ for bad in BAD_INPUTS if bad.rule}
    assert {rule.__name__ for rule in listed} - broken == set()
    assert all(re.fullmatch(r"[A-Z][^\n]+\.", rule.__doc__) for rule in listed)


@pytest.mark.parametrize("rule", (*RULES, *WARNINGS), ids=lambda rule: rule.__name__)
def test_a_rule_is_skipped_where_a_table_could_not_be_read(tables, rule):
    whole = TablesRead(tables)
    list(rule(whole))
    assert whole.names
    for name in whole.names if len(whole.names) < len(tables) else ["studies", "arms"]:
        assert list(rule({other: table for other, table in tables.items() if other != name})) == []


@pytest.mark.parametrize("name", ["studies", "screening", "mechanism", "later_reviews"])
def test_a_label_is_words_and_a_year_and_no_code(tables, name):
    """An author, or a description, then the year or (undated); no abbreviated journal with an article number."""
    labels = tables[name].label
    form = r".*[A-Za-zÀ-ž]{2,}.*( (19|20)\d\d( \([a-z]+\))?| \(undated\))"
    assert [label for label in labels if not re.fullmatch(form, label)] == []
    assert [label for label in labels if re.match(r"[A-Z]{2,} \d", label)] == []
