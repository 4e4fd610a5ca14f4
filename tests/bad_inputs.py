"""Bad inputs of rows and tables that contradict each other: each with the message and the exit status of the check.

The table is made by hand: a trial, clearly synthetic, is added to the data, and each input spoils it or a row of the
data in one way. Files that cannot be read are in ``test_bad_files.py``.
"""

from __future__ import annotations

from typing import NamedTuple

from changes import Change, add, drop, in_turn, put, repeat
from lib.evidence.rules import (
    agreement,
    arms,
    assessments,
    counts,
    identity,
    keys,
    records,
    reporting,
    retractions,
    sources,
)
from lib.evidence.rules.base import Rule

KEY, LABEL = "synthetic2026", "Synthetic 2026"
BOTH, LIGHT = "tacrolimus+NBUVB", "NBUVB"
"""Names of the arms of the synthetic trial."""
_COUNTS = {BOTH: {"ge25": "25", "ge50": "20", "ge75": "12"}, LIGHT: {"ge25": "18", "ge50": "10", "ge75": "4"}}
_RETRACTION = {"reference": KEY, "kind": "retraction", "notice": "doi:10.5555/notice", "found": "2026-11-22"}
_ARM = {
    "study": KEY,
    "part": "1",
    "phototherapy": "NBUVB",
    "phototherapy_frequency": "twice weekly",
    "enrolled": "32",
    "completed": "30",
    "source": KEY,
}
_COUNT = {
    "study": KEY,
    "site": "all",
    "population": "all",
    "months": "6",
    "unit": "patients",
    "n": "30",
    "basis": "stated",
    "confidence": "high",
    "poolable": "yes",
    "source": KEY,
    "source_kind": "full_text",
}
add_trial: Change = in_turn(
    add("references", key=KEY, doi="10.5555/synthetic", year="2026", title="Synthetic trial for a test"),
    add(
        "screening",
        study=KEY,
        label=LABEL,
        decision="included",
        regimen="phototherapy",
        published="2026-01",
        entered="2026-11-22",
        country="Norway",
        design="PD, OL, RCT",
        enrolled="32",
        reason="Synthetic trial for a test.",
        doi="10.5555/synthetic",
    ),
    add(
        "studies",
        study=KEY,
        part="1",
        edition="update",
        label=LABEL,
        year="2026",
        country="Norway",
        design="PD",
        blinding="OL",
        randomised="yes",
        population="all",
        subtype="NSV;SV",
        assessment="total",
        duration_months="6",
        source=KEY,
    ),
    add("findings", study=KEY, finding="Synthetic finding for a test.", source=KEY),
    add("arms", **_ARM, arm=BOTH, role="phototherapy", drug="tacrolimus", concentration="0.1%"),
    add("arms", **_ARM, arm=LIGHT, role="comparator", drug="none"),
    *(
        add("responses", **_COUNT, arm=arm, threshold=threshold, events=events)
        for arm, by_threshold in _COUNTS.items()
        for threshold, events in by_threshold.items()
    ),
    add(
        "reported_without_counts",
        study=KEY,
        arm="tacrolimus 0.1% + NB-UVB",
        role="phototherapy",
        site="face_neck",
        n="20",
        reported="Synthetic result for a test.",
        source=KEY,
    ),
    add(
        "adverse_events",
        study=KEY,
        arm="NB-UVB alone",
        role="comparator",
        kind="erythema",
        event="redness",
        events="2",
        n="30",
        source=KEY,
    ),
)
"""Add a randomised trial of tacrolimus with NB-UVB against NB-UVB alone, without any fault."""


class Bad(NamedTuple):
    """A bad input.

    Attributes
    ----------
    name : str
        What is wrong, in words.
    rule : Rule or None
        The rule that it breaks; None if a single value is wrong.
    change : Change
        Makes the input of tables with the synthetic trial; returns the row of the fault first.
    message : str
        Part of the message; ``{row}`` stands for that row.
    status : int
        Exit status of the check: 1, or 0 for a warning.
    """

    name: str
    rule: Rule | None
    change: Change
    message: str
    status: int = 1


def _count(column: str, value: str, arm: str = BOTH, threshold: str = "ge75", **changed: str) -> Change:
    others = [put("responses", name, text, study=KEY, arm=arm, threshold=threshold) for name, text in changed.items()]
    return in_turn(*others, put("responses", column, value, study=KEY, arm=arm, threshold=threshold))


def _arm(column: str, value: str, arm: str = BOTH) -> Change:
    return put("arms", column, value, study=KEY, arm=arm)


def _study(column: str, value: str) -> Change:
    return put("studies", column, value, study=KEY)


def _record(column: str, value: str) -> Change:
    return put("screening", column, value, study=KEY)


def _fact(field: str, value: str) -> Change:
    return add("report_facts", study=KEY, field=field, value=value, source=KEY)


def _without_results() -> Change:
    return in_turn(
        *(drop(table, study=KEY) for table in ("responses", "reported_without_counts", "adverse_events")),
        _study("note", ""),
    )


_SWAPPED_ROLES = in_turn(_arm("role", "comparator"), _arm("role", "phototherapy", LIGHT))
_SWAPPED_TREATMENTS = in_turn(_arm("drug", "tacrolimus", LIGHT), _arm("drug", "none"))
_TWO_PARTS = repeat("studies", "part", "2", study=KEY)
_SENDUR = {"study": "sendur2006", "threshold": "ge75"}
_OTHER_TRIAL = "10.1001/archderm.139.5.581"
_LATER = "collection-2026-11-25"
"""A search with three records."""
_THIRD = f"{_LATER}.3"
_PERIOD = {"since": "2026-02-01", "until": "2026-01-01"}


def _refused(position: str) -> Change:
    return add("refused", search=_LATER, position=position, line="1", reason="made up for a test")


def _unscreened(number: str) -> Change:
    title = f"Made-up trial {number}"
    return add("records", record=f"other.{number}", kind="unknown", title=title, entered="2026-11-25")


def _duplicate(record: str, same_as: str) -> Change:
    day = "2026-11-25"
    return add(
        "duplicates", record=record, same_as=same_as, relation="duplicate", decided_by="First", why="Test.", date=day
    )


def _decision(record: str, decision: str, stage: str = "title_abstract", **given: str) -> Change:
    values = {"reviewer": "First", "role": "reviewer", "date": "2026-11-25", **given}
    return add("decisions", record=record, stage=stage, decision=decision, **values)


BAD_INPUTS = (
    # --- One trial, entered twice ---
    Bad(
        "DOI of another study in a record",
        identity.identifiers_are_unique,
        _record("doi", _OTHER_TRIAL),
        f"records.csv, row {{row}}, column doi: '{_OTHER_TRIAL}': is the DOI of lepe2003 too"
        " (references.bib, line 3): a report has one key; keep one of the two entries",
    ),
    Bad(
        "DOI of another study in capitals",
        identity.identifiers_are_unique,
        _record("doi", _OTHER_TRIAL.upper()),
        f"column doi: '{_OTHER_TRIAL.upper()}': is the DOI of lepe2003 too",
    ),
    Bad(
        "DOI in two references",
        identity.identifiers_are_unique,
        put("references", "doi", _OTHER_TRIAL, key=KEY),
        f"references.bib, line {{row}}, entry {KEY}, doi: '{_OTHER_TRIAL}': is the DOI of lepe2003 too",
    ),
    Bad(
        "PubMed number of another study in a record",
        identity.identifiers_are_unique,
        _record("pmid", "33657259"),
        "row {row}, column pmid: '33657259': is the PubMed number of jcd14041_2021 too",
    ),
    Bad(
        "PubMed number in two references",
        identity.identifiers_are_unique,
        put("references", "pmid", "12756094", key=KEY),
        f"references.bib, line {{row}}, entry {KEY}, pmid: '12756094': is the PubMed number of lepe2003 too",
    ),
    Bad(
        "registry number of another record",
        identity.registrations_are_unique,
        _record("known", "Registered as NCT04440371."),
        "candidates.csv, row {row}, column known: 'NCT04440371': is the registry number of alshiyab2023 too"
        " (candidates.csv, row ",
    ),
    Bad(
        "registry number of another report",
        identity.registrations_are_unique,
        _fact("registration", "nct03358082"),
        "report_facts.csv, row {row}, column value: 'nct03358082': is the registry number of jcd14041_2021 too",
    ),
    Bad(
        "registry number in two references",
        identity.registrations_are_unique,
        put("references", "note", "Registered as NCT03047733", key=KEY),
        f"references.bib, line {{row}}, entry {KEY}, note: 'NCT03047733': is the registry number of ajou_cyclic too",
    ),
    Bad(
        "reference number of the review in two studies",
        identity.review_refs_are_unique,
        put("studies", "review_ref", "8", study="lepe2003"),
        "studies.csv, row 5, column review_ref: '8': is the reference number of lepe2003 too",
    ),
    Bad(
        "reference number differs between tables",
        identity.review_refs_are_unique,
        put("mechanism", "review_ref", "9", study="grimes2004"),
        "mechanism.csv, row {row}, column review_ref: '9': differs from the number that grimes2004 has elsewhere (8)",
    ),
    Bad(
        "published list names a study twice",
        identity.published_lists_name_studies_once,
        put("published_rates", "refs", "7, 8, 7-9", place="table3"),
        "published_rates.csv, row {row}, column refs: '7, 8, 7-9': names 7, 8 twice: leave one out",
    ),
    Bad(
        "published list names a study that is not entered",
        identity.published_lists_name_studies_once,
        put("published_rates", "refs", "7, 8, 99", place="table3"),
        "column refs: '7, 8, 99': no study has the reference number 99: correct it, or enter the study",
    ),
    Bad(
        "label of another study",
        keys.study_labels_are_distinct,
        in_turn(_study("label", "Alam (undated)"), _record("label", "Alam (undated)")),
        "candidates.csv, row {row}, column label: 'Alam (undated)': is the label of alam too (studies.csv, row ",
    ),
    Bad(
        "label of another study in capitals",
        keys.study_labels_are_distinct,
        in_turn(_record("label", "SHAH 2020"), _study("label", "SHAH  2020")),
        "studies.csv, row {row}, column label: 'SHAH  2020': is the label of shah2020 too",
    ),
    Bad(
        "title of another reference",
        identity.titles_are_distinct,
        put("references", "title", "{Topical pimecrolimus: a new horizon for vitiligo treatment}", key=KEY),
        f"references.bib, line {{row}}, entry {KEY}, title: '{{Topical pimecrolimus: a new horizon for vitiligo"
        " treatment}': is the title of sendur2006 too (references.bib, line ",
        status=0,
    ),
    # --- Arms that contradict their treatments ---
    Bad(
        "role phototherapy without phototherapy",
        arms.roles_fit_treatments,
        _arm("phototherapy", "none"),
        "arms.csv, row {row}, column phototherapy: 'none': the role phototherapy needs NBUVB or EL here: enter it",
    ),
    Bad(
        "role phototherapy without a calcineurin inhibitor",
        arms.roles_fit_treatments,
        _arm("role", "phototherapy", LIGHT),
        "arms.csv, row {row}, column role: 'phototherapy': phototherapy is the role of an arm with a calcineurin"
        " inhibitor, and this one was given none: set role to comparator, or correct drug",
    ),
    Bad(
        "role monotherapy with NB-UVB",
        arms.roles_fit_treatments,
        _arm("role", "monotherapy"),
        "column phototherapy: 'NBUVB': an arm with the role monotherapy has the code none here: write none, or set",
    ),
    Bad(
        "role maintenance with excimer light",
        arms.roles_fit_treatments,
        in_turn(_arm("role", "maintenance"), _arm("phototherapy", "EL")),
        "column phototherapy: 'EL': an arm with the role maintenance has the code none here",
    ),
    Bad(
        "role monotherapy with placebo",
        arms.roles_fit_treatments,
        put("arms", "role", "monotherapy", study="dawid2006", arm="placebo"),
        "row {row}, column role: 'monotherapy': monotherapy is the role of an arm with a calcineurin inhibitor",
    ),
    Bad(
        "roles of the arms swapped",
        arms.roles_fit_treatments,
        _SWAPPED_ROLES,
        "arms.csv, row {row}, column role: 'phototherapy': phototherapy is the role of an arm with a calcineurin",
    ),
    Bad(
        "calcineurin inhibitor alone as comparator",
        arms.roles_fit_treatments,
        _arm("role", "comparator"),
        "column role: 'comparator': this arm was given tacrolimus and no other drug, which is the role phototherapy:",
    ),
    Bad(
        "role monotherapy with a steroid",
        arms.roles_fit_treatments,
        put("arms", "given_with", "mometasone furoate at night", study="xu2009"),
        "column role: 'monotherapy': monotherapy is the role of an arm without another drug, and this one was given"
        " mometasone furoate at night too: set role to comparator, or correct given_with",
    ),
    Bad(
        "treatments of the arms swapped",
        arms.arm_names_fit_treatments,
        _SWAPPED_TREATMENTS,
        "column arm: 'tacrolimus+NBUVB': the name says tacrolimus, and the row gives none, phototherapy NBUVB: correct"
        " the one that is wrong; have the arms been swapped?",
    ),
    Bad(
        "arm named after another phototherapy",
        arms.arm_names_fit_treatments,
        _arm("phototherapy", "EL"),
        "column arm: 'tacrolimus+NBUVB': the name says NBUVB, and the row gives tacrolimus, phototherapy EL",
    ),
    Bad(
        "arm named after another drug",
        arms.arm_names_fit_treatments,
        put("arms", "drug", "clobetasol", study="lepe2003", arm="tacrolimus"),
        "arms.csv, row {row}, column arm: 'tacrolimus': the name says tacrolimus, and the row gives clobetasol",
    ),
    Bad(
        "result of phototherapy alone in the role phototherapy",
        arms.roles_fit_arms_in_words,
        put("adverse_events", "role", "phototherapy", study=KEY),
        "adverse_events.csv, row {row}, column arm: 'NB-UVB alone': the role phototherapy needs a calcineurin",
    ),
    Bad(
        "result with phototherapy in the role monotherapy",
        arms.roles_fit_arms_in_words,
        put("reported_without_counts", "role", "monotherapy", study=KEY),
        "reported_without_counts.csv, row {row}, column arm: 'tacrolimus 0.1% + NB-UVB': the role monotherapy excludes",
    ),
    Bad(
        "result without phototherapy in the role phototherapy",
        arms.roles_fit_arms_in_words,
        put("reported_without_counts", "arm", "tacrolimus 0.1%", study=KEY),
        "column arm: 'tacrolimus 0.1%': the role phototherapy needs phototherapy, and this names none",
    ),
    Bad(
        "unknown arm of a result without counts",
        arms.results_are_of_arms,
        put("reported_without_counts", "arm", "pimecrolimus + excimer", study=KEY),
        "reported_without_counts.csv, row {row}, column arm: 'pimecrolimus + excimer': names no arm of synthetic2026"
        " with the role phototherapy in arms.csv (there: tacrolimus+NBUVB): name the drug as there, correct the role,",
    ),
    Bad(
        "unknown arm of an adverse event",
        arms.results_are_of_arms,
        put("adverse_events", "arm", "clobetasol", study=KEY),
        "adverse_events.csv, row {row}, column arm: 'clobetasol': names no arm of synthetic2026 with the role",
    ),
    Bad(
        "result in a role that no arm of the study has",
        arms.results_are_of_arms,
        add(
            "reported_without_counts",
            study="xu2009",
            arm="tacrolimus + NB-UVB",
            role="phototherapy",
            site="all",
            reported="Synthetic result for a test.",
            source="doi:10.1111/j.1365-4632.2009.03852.x",
        ),
        "names no arm of xu2009 with the role phototherapy in arms.csv (there: none)",
    ),
    Bad(
        "drug that no arm was given",
        arms.drugs_are_used,
        add("drugs", drug="halometasone", kind="steroid"),
        "drugs.csv, row {row}, column drug: 'halometasone': no arm in arms.csv has it: is it spelt as there?",
        status=0,
    ),
    # --- Designs and arms ---
    Bad(
        "included study without arms",
        arms.designs_fit_arms,
        in_turn(*(drop(table, study=KEY) for table in ("responses", "arms")), _study("note", "")),
        f"studies.csv, row {{row}}, column study: '{KEY}': is included, and has no arm in arms.csv: add a row for each",
    ),
    Bad(
        "parallel design with one arm",
        arms.designs_fit_arms,
        in_turn(drop("responses", study=KEY, arm=LIGHT), drop("arms", study=KEY, arm=LIGHT), _study("note", "")),
        "studies.csv, row {row}, column design: 'PD': is a design with several arms, and arms.csv has only one",
    ),
    Bad(
        "within-patient design with one arm",
        arms.designs_fit_arms,
        put("studies", "design", "WP", study="xu2009"),
        "studies.csv, row {row}, column design: 'WP': is a design with several arms, and arms.csv has only one",
    ),
    Bad(
        "single-arm design with two arms",
        arms.designs_fit_arms,
        _study("design", "SA"),
        "studies.csv, row {row}, column design: 'SA': is the design with a single arm, and arms.csv has 2 arms",
    ),
    Bad(
        "randomised single arm",
        arms.single_arms_are_open,
        put("studies", "randomised", "yes", study="shah2020"),
        "studies.csv, row {row}, column randomised: 'yes': is not possible with a single arm (design = SA)",
    ),
    Bad(
        "double-blind single arm",
        arms.single_arms_are_open,
        put("studies", "blinding", "DB", study="shah2020"),
        "studies.csv, row {row}, column blinding: 'DB': is not possible with a single arm (design = SA)",
    ),
    Bad(
        "arms of the same patients differ in size",
        arms.arms_share_their_patients,
        put("arms", "enrolled", "21", study="lepe2003", arm="clobetasol"),
        "arms.csv, row {row}, column enrolled: '21': the arms of a within-patient study share their participants, and"
        " row 3 has 20: correct one of the two, or the design; if the source contradicts itself, the note says",
    ),
    Bad(
        "included study without a result of any kind",
        sources.included_studies_have_results,
        _without_results(),
        f"studies.csv, row {{row}}, column study: '{KEY}': is included, and has no result: enter its counts in",
    ),
    Bad(
        "original study that no published list names",
        sources.included_studies_have_results,
        put("studies", "review_ref", "99", study="soriano2002"),
        "studies.csv, row {row}, column study: 'soriano2002': is included, and has no result",
    ),
    # --- One assessment ---
    Bad(
        "n differs between thresholds",
        assessments.thresholds_have_one_denominator,
        _count("n", "29"),
        "responses.csv, row {row}, column n: '29': differs from n of the same participants at another threshold (30 in",
    ),
    Bad(
        "more children counted than patients",
        assessments.subgroups_are_within_the_whole,
        in_turn(
            repeat("responses", "population", "children", study=KEY, arm=BOTH, threshold="ge75"),
            put("responses", "events", "13", study=KEY, arm=BOTH, population="children"),
        ),
        "row {row}, column events: '13': exceeds the number in all patients of the arm (12 in row ",
    ),
    Bad(
        "more of a subtype counted than patients",
        assessments.subgroups_are_within_the_whole,
        in_turn(
            repeat("responses", "subtype", "SV", study=KEY, arm=BOTH, threshold="ge75"),
            put("responses", "n", "31", study=KEY, subtype="SV"),
        ),
        "row {row}, column n: '31': exceeds the number in all patients of the arm (30 in row ",
    ),
    Bad(
        "unit differs between thresholds",
        assessments.thresholds_have_one_denominator,
        _count("unit", "patches"),
        "row {row}, column unit: 'patches': differs from unit of the same participants at another threshold (patients",
    ),
    Bad(
        "months mistyped at one threshold",
        assessments.assessments_have_one_time,
        _count("months", "5"),
        "responses.csv, row {row}, column months: '5': differs from the time of the other counts of synthetic2026 at"
        " this site (6 in row ",
    ),
    Bad(
        "months mistyped, which hides a count above that of a lower threshold",
        assessments.assessments_have_one_time,
        _count("months", "5", events="28"),
        "column months: '5': differs from the time of the other counts",
    ),
    Bad(
        "months missing at one threshold",
        assessments.assessments_have_one_time,
        _count("months", ""),
        "row {row}, column months: differs from the time of the other counts of synthetic2026",
    ),
    Bad(
        "arms assessed at different times",
        assessments.assessments_have_one_time,
        put("responses", "months", "3", every=True, study=KEY, arm=LIGHT),
        "row {row}, column months: '3': differs from the time of the other counts of synthetic2026 at this site (6 in",
    ),
    Bad(
        "assessment beyond the duration",
        assessments.assessments_are_within_the_duration,
        put("responses", "months", "9", every=True, study=KEY),
        "responses.csv, row {row}, column months: '9': is beyond the duration of the treatment (6 months in"
        " studies.csv): correct one of the two; a count after the end of the treatment has poolable = no and why_no",
    ),
    Bad(
        "maintenance result beyond the duration",
        assessments.maintenance_is_within_the_duration,
        put("maintenance", "months", "60", n="41"),
        "maintenance.csv, row {row}, column months: '60': is beyond the duration in studies.csv (6 months): correct",
    ),
    Bad(
        "n above the number who completed",
        counts.analysed_within_completed,
        put("responses", "n", "31", every=True, study=KEY, arm=BOTH),
        "responses.csv, row {row}, column n: '31': exceeds the number who completed (completed = 30): correct one of"
        " the two; if the report analysed more, enter that number in report_facts.csv with the field analysed",
    ),
    Bad(
        "n above the number enrolled, where completers are not known",
        counts.analysed_within_completed,
        in_turn(_arm("completed", ""), put("responses", "n", "33", every=True, study=KEY, arm=BOTH)),
        "column n: '33': exceeds the number enrolled (enrolled = 32)",
    ),
    Bad(
        "n of an interim count above the number enrolled",
        counts.analysed_within_completed,
        put("responses", "n", "21", study="dawid2006", months="2", arm="pimecrolimus"),
        "row {row}, column n: '21': exceeds the number enrolled (enrolled = 20)",
    ),
    Bad(
        "adverse events of more patients than enrolled",
        counts.observed_within_enrolled,
        put("adverse_events", "n", "65", study=KEY),
        "adverse_events.csv, row {row}, column n: '65': exceeds the number enrolled in all arms of the study (64)",
    ),
    Bad(
        "maintenance of more patients than enrolled",
        counts.observed_within_enrolled,
        put("maintenance", "n", "36", n="19"),
        "maintenance.csv, row {row}, column n: '36': exceeds the number enrolled in all arms of the study (35)",
    ),
    Bad(
        "adverse events above n",
        counts.adverse_events_within_participants,
        put("adverse_events", "events", "31", study=KEY),
        "adverse_events.csv, row {row}, column events: '31': exceeds the number observed (n = 30)",
    ),
    Bad(
        "count at a higher threshold above that at a lower one",
        counts.thresholds_are_ordered,
        _count("events", "21"),
        "row {row}, column events: '21': the count at ≥75% exceeds that at ≥50% (20 in row ",
    ),
    Bad(
        "other site without words",
        assessments.composite_sites_are_described,
        put("responses", "site", "other", study="grimes2004", threshold="ge75"),
        'responses.csv, row {row}, column site_detail: must be given if site is "other", and empty otherwise',
    ),
    Bad(
        "site of the review with words",
        assessments.composite_sites_are_described,
        put("responses", "site_detail", "elbows", study="grimes2004", threshold="ge75"),
        "row {row}, column site_detail: 'elbows': must be given if site is \"other\", and empty otherwise",
    ),
    Bad(
        "other site without words, without counts",
        assessments.other_sites_are_described,
        put("reported_without_counts", "site", "other", study=KEY),
        'reported_without_counts.csv, row {row}, column site_detail: must be given if site is "other"',
    ),
    Bad(
        "count from a percentage without its derivation",
        assessments.derived_counts_have_their_derivation,
        _count("basis", "percentage"),
        "responses.csv, row {row}, column derivation: a value is required where basis is percentage: enter the",
    ),
    Bad(
        "count from categories without its derivation",
        assessments.derived_counts_have_their_derivation,
        _count("basis", "categories"),
        "row {row}, column derivation: a value is required where basis is categories",
    ),
    # --- Facts that several tables repeat ---
    Bad(
        "children counted in a study of adults",
        agreement.populations_agree,
        put("responses", "population", "children", study="dawid2006", arm="placebo"),
        "responses.csv, row {row}, column population: 'children': does not fit the population of the study (adult in"
        " studies.csv, row ",
    ),
    Bad(
        "all ages counted in a study of children",
        agreement.populations_agree,
        put("responses", "population", "all", study="kanwar2004"),
        "row {row}, column population: 'all': does not fit the population of the study (children in studies.csv, row ",
    ),
    Bad(
        "subtype that the study does not have",
        agreement.populations_agree,
        put("responses", "subtype", "SV", study="grimes2004"),
        "row {row}, column subtype: 'SV': is not a subtype of the study (NSV in studies.csv, row ",
    ),
    Bad(
        "country differs from the record",
        agreement.countries_agree,
        _record("country", "Sweden"),
        "candidates.csv, row {row}, column country: 'Sweden': differs from studies.csv, row ",
    ),
    Bad(
        "country in the record only",
        agreement.countries_agree,
        put("screening", "country", "Egypt", study="ebrahim2020"),
        "(empty there): enter the same in both, or leave both empty",
    ),
    Bad(
        "parts of a report in two countries",
        agreement.parts_agree,
        in_turn(_TWO_PARTS, put("studies", "country", "Sweden", study=KEY, part="2")),
        "studies.csv, row {row}, column country: 'Sweden': differs from Norway in row ",
    ),
    Bad(
        "parts of a report of two years",
        agreement.parts_agree,
        put("studies", "year", "2011", study="lubaki2010", part="2"),
        "studies.csv, row {row}, column year: '2011': differs from 2010 in row ",
    ),
    Bad(
        "design differs from the record",
        agreement.designs_agree,
        _study("design", "WP"),
        "column design: 'PD, OL, RCT': does not fit design in studies.csv, row {row} (WP): correct one of the two",
    ),
    Bad(
        "blinding differs from the record",
        agreement.designs_agree,
        _study("blinding", "DB"),
        "column design: 'PD, OL, RCT': does not fit blinding in studies.csv, row {row} (DB)",
    ),
    Bad(
        "randomised by the record only",
        agreement.designs_agree,
        _study("randomised", "no"),
        "column design: 'PD, OL, RCT': does not fit randomised in studies.csv, row {row} (no)",
    ),
    Bad(
        "regimen of the record that no arm has",
        agreement.regimens_agree,
        _record("regimen", "monotherapy"),
        "candidates.csv, row {row}, column regimen: 'monotherapy': is the role of no arm of this study in arms.csv"
        " (there: phototherapy, comparator)",
    ),
    Bad(
        "number enrolled differs from the arms",
        agreement.enrolled_agree,
        _record("enrolled", "23"),
        "candidates.csv, row {row}, column enrolled: '23': differs from the arms with the role phototherapy in arms.csv"
        " (32): enter the number of one of them, or of all together",
    ),
    Bad(
        "year differs from the reference",
        agreement.years_agree,
        put("references", "year", "2025", key=KEY),
        "column year: '2026': differs from references.bib (2025): correct one of the two, or explain in note why 2025",
    ),
    Bad(
        "year differs from the reference, and the note no longer says why",
        agreement.years_agree,
        put("studies", "note", "", study="kanokrungsee2021"),
        "studies.csv, row {row}, column year: '2020': differs from references.bib (2021): correct one of the two, or",
    ),
    Bad(
        "year of a record differs from its reference",
        agreement.years_agree,
        put("screening", "published", "2022-11", study="iraji2021"),
        "records.csv, row {row}, column published: '2022-11': differs from references.bib (2021)",
    ),
    Bad(
        "label with another year",
        agreement.labels_have_the_year,
        _study("label", "Synthetic 2025"),
        "studies.csv, row {row}, column label: 'Synthetic 2025': has another year than the study (2026)",
    ),
    Bad(
        "label without a year",
        agreement.labels_have_the_year,
        _study("label", "Synthetic (undated)"),
        "column label: 'Synthetic (undated)': has no year: end it with that of the study (2026)",
    ),
    Bad(
        "label with a year that the study does not have",
        agreement.labels_have_the_year,
        put("studies", "label", "Alam 2021", study="alam"),
        "column label: 'Alam 2021': has a year, and the study has none: end it with \"(undated)\", or enter year",
    ),
    Bad(
        "entered before it was published",
        agreement.entries_follow_publication,
        _record("entered", "2025-12-31"),
        "records.csv, row {row}, column entered: '2025-12-31': is before the date of publication (2026-01): check",
        status=0,
    ),
    # --- Sources ---
    Bad(
        "count from the report of another study",
        sources.counts_are_from_reports_of_the_study,
        _count("source", f"doi:{_OTHER_TRIAL}"),
        f"responses.csv, row {{row}}, column source: 'doi:{_OTHER_TRIAL}': is not a report of synthetic2026 (known:"
        " doi:10.5555/synthetic, synthetic2026): correct it, or add the report",
    ),
    Bad(
        "count from an address that is no report",
        sources.counts_are_from_reports_of_the_study,
        _count("source", "https://example.org/a-trial"),
        "row {row}, column source: 'https://example.org/a-trial': is not a report of synthetic2026",
    ),
    Bad(
        "adverse event from the report of another study",
        sources.counts_are_from_reports_of_the_study,
        put("adverse_events", "source", "pmid:20394489", study=KEY),
        "adverse_events.csv, row {row}, column source: 'pmid:20394489': is not a report of synthetic2026",
    ),
    Bad(
        "arm from the report of another study",
        sources.sources_are_not_of_another_study,
        _arm("source", f"doi:{_OTHER_TRIAL}"),
        f"arms.csv, row {{row}}, column source: 'doi:{_OTHER_TRIAL}': is the report of lepe2003, and the row is about",
    ),
    Bad(
        "number of patients in words",
        sources.facts_are_numbers,
        _fact("completed", "thirty"),
        "report_facts.csv, row {row}, column value: 'thirty': must be a number from 0 to 100000 for the field",
    ),
    Bad(
        "negative duration in a report",
        sources.facts_are_numbers,
        _fact("duration_months", "-6"),
        "row {row}, column value: '-6': must be a number from 0.1 to 120 for the field duration_months",
    ),
    # --- Numbers outside of their range, and codes ---
    Bad("negative duration", None, _study("duration_months", "-6"), "'-6': must be from 0.1 to 120 months (range in"),
    Bad("no duration", None, _study("duration_months", "0"), "column duration_months: '0': must be from 0.1 to 120"),
    Bad("endless duration", None, _study("duration_months", "99999"), "'99999': must be from 0.1 to 120 months"),
    Bad("negative months", None, _count("months", "-3"), "row {row}, column months: '-3': must be from 0.1 to 120 mo"),
    Bad("nobody assessed", None, _count("n", "0"), "column n: '0': must be from 1 to 100000 patients or patches"),
    Bad("too many assessed", None, _count("n", "3000000"), "column n: '3000000': must be from 1 to 100000 patients"),
    Bad("too many events", None, _count("events", "999999"), "column events: '999999': must be from 0 to 100000"),
    Bad("nobody enrolled", None, _arm("enrolled", "0"), "arms.csv, row {row}, column enrolled: '0': must be from 1 to"),
    Bad("part 0", None, _study("part", "0"), "studies.csv, row {row}, column part: '0': must be from 1 to 9"),
    Bad(
        "nine levels of certainty",
        None,
        put("certainty", "levels", "9", outcome="vehicle_ge75"),
        "certainty.csv, row {row}, column levels: '9': must be from 0 to 2 levels (range in dictionary.csv)",
    ),
    Bad(
        "negative bound",
        None,
        put("bounds", "value", "-1", study="lepe2003"),
        "bounds.csv, row {row}, column value: '-1': must be from 0 to 100000",
    ),
    Bad(
        "negative ratio",
        None,
        put("later_reviews", "ci_low", "-0.5", review="arora2020"),
        "later_reviews.csv, row {row}, column ci_low: '-0.5': must be from 0 to 1000",
    ),
    Bad(
        "negative margin",
        None,
        put("change_criteria", "margin", "-5", rule="moved"),
        "change_criteria.csv, row {row}, column margin: '-5': must be from 0 to 100",
    ),
    Bad(
        "list of codes names one twice",
        None,
        _study("subtype", "SV;SV"),
        "studies.csv, row {row}, column subtype: 'SV;SV': names a code twice: leave one out",
    ),
    Bad(
        "list of codes names one twice, with a space",
        None,
        put("questions", "against", "vehicle; none; vehicle", question="vehicle"),
        "questions.csv, row {row}, column against: 'vehicle; none; vehicle': names a code twice: leave one out",
    ),
    # --- What the review states about itself ---
    Bad(
        "setting without a row",
        reporting.settings_are_complete,
        drop("settings", setting="funding"),
        "settings.csv, column setting: 'funding': the setting has no row: add it, with an empty value",
    ),
    Bad(
        "first edition of another day",
        reporting.editions_follow_searches,
        put("editions", "date", "2018-08-07", date="2018-08-06"),
        "editions.csv, row {row}, column date: '2018-08-07': the first edition must be that of the original search",
    ),
    Bad(
        "editions out of order",
        reporting.editions_follow_searches,
        put("editions", "date", "2018-08-05", date="2026-11-22"),
        "'2018-08-05': must come after the edition before (2018-08-06)",
    ),
    Bad(
        "open item of a checklist without a note",
        reporting.open_items_are_explained,
        put("checklists", "note", "", checklist="prisma_2020", item="24a"),
        'checklists.csv, row {row}, column note: must be given where the state is "not_done"',
    ),
    # --- Records of searches ---
    Bad(
        "fewer records than entries",
        records.entries_are_records_or_refused,
        put("searches", "entries", "7", search=_LATER),
        "searches.csv, row {row}, column entries: '7': must be the number of rows of this search: it has 3 in"
        " records.csv and 0 in refused.csv, so 4 missing",
    ),
    Bad(
        "more records and refused entries than entries",
        records.entries_are_records_or_refused,
        in_turn(_refused("4"), put("searches", "entries", "3", search=_LATER)),
        "it has 3 in records.csv and 1 in refused.csv, so 1 too many",
    ),
    Bad(
        "refused entry at the position of a record",
        records.positions_are_unique,
        _refused("2"),
        "refused.csv, row {row}, column position: '2': is the position of records.csv, row ",
    ),
    Bad(
        "position beyond the last entry",
        records.positions_are_unique,
        in_turn(put("searches", "entries", "4", search=_LATER), _refused("5")),
        "refused.csv, row {row}, column position: '5': is beyond the last entry of this search (4 in searches.csv)",
    ),
    Bad(
        "key of a record that names another position",
        records.record_keys_name_their_entry,
        add("records", record=f"{_LATER}.5", search=_LATER, position="4", kind="unknown", entered="2026-11-25"),
        f"records.csv, row {{row}}, column record: '{_LATER}.5': must be the search, a full stop and the position:"
        f" {_LATER}.4",
    ),
    Bad(
        "key of a search without the search",
        records.record_keys_name_their_entry,
        add("records", record=f"{_LATER}.4", kind="unknown", entered="2026-11-25"),
        "column record: 'collection-2026-11-25.4': has no search: begin its key with other. and leave position empty",
    ),
    Bad(
        "record of a search that is not entered",
        keys.keys_exist,
        add("records", record="lost-1.1", search="lost-1", position="1", kind="unknown", entered="2026-11-25"),
        "records.csv, row {row}, column search: 'lost-1': is unknown: there is no such search in searches.csv",
    ),
    Bad(
        "period that ends before it begins",
        records.search_periods_are_in_order,
        in_turn(*(put("searches", name, day, search=_LATER) for name, day in _PERIOD.items())),
        "searches.csv, row {row}, column until: '2026-01-01': is before since (2026-02-01)",
    ),
    Bad(
        "period that ends after the search",
        records.search_periods_are_in_order,
        put("searches", "until", "2026-11-26", search=_LATER),
        "column until: '2026-11-26': is after the search (2026-11-25)",
    ),
    Bad(
        "duplicate of itself",
        records.duplicates_are_of_one_record,
        _duplicate(_THIRD, _THIRD),
        f"duplicates.csv, row {{row}}, column same_as: '{_THIRD}': is the record itself",
    ),
    Bad(
        "duplicate of a duplicate",
        records.duplicates_are_of_one_record,
        in_turn(_unscreened("8"), _unscreened("9"), _duplicate("other.9", "other.8"), _duplicate("other.8", _THIRD)),
        "column same_as: 'other.8': is itself a duplicate (row ",
    ),
    Bad(
        "duplicate of two records",
        records.duplicates_are_of_one_record,
        in_turn(_unscreened("8"), _duplicate("other.8", _THIRD), _duplicate("other.8", f"{_LATER}.1")),
        "duplicates.csv, row {row}, column record: 'other.8': is a duplicate by row ",
    ),
    Bad(
        "two records that are duplicates of each other",
        records.duplicates_are_of_one_record,
        in_turn(_unscreened("8"), _unscreened("9"), _duplicate("other.9", "other.8"), _duplicate("other.8", "other.9")),
        "duplicates.csv, row {row}, column same_as: 'other.9': is compared with other.8 in row ",
    ),
    Bad(
        "decision on a duplicate",
        records.duplicates_are_not_screened,
        in_turn(_unscreened("8"), _duplicate("other.8", _THIRD), _decision("other.8", "include")),
        f"decisions.csv, row {{row}}, column record: 'other.8': is a duplicate of {_THIRD} (duplicates.csv)",
    ),
    Bad(
        "exclusion without a reason",
        records.exclusions_have_reasons,
        in_turn(_unscreened("8"), _decision("other.8", "exclude")),
        'decisions.csv, row {row}, column reason: must be given if the decision is "exclude"',
    ),
    Bad(
        "full text decided on before title and abstract",
        records.full_texts_were_included_before,
        in_turn(_unscreened("8"), _decision("other.8", "unsure", stage="full_text")),
        "decisions.csv, row {row}, column stage: 'full_text': needs the decision \"include\" at title_abstract",
    ),
    Bad(
        "full text decided on while reviewers differ",
        records.full_texts_were_included_before,
        in_turn(
            _unscreened("8"),
            _decision("other.8", "include"),
            _decision("other.8", "unsure", reviewer="Second"),
            _decision("other.8", "unsure", stage="full_text"),
        ),
        "decisions.csv, row {row}, column stage: 'full_text': needs the decision \"include\" at title_abstract",
    ),
    Bad(
        "resolution where nobody differs",
        records.resolutions_resolve,
        in_turn(
            _unscreened("8"),
            _decision("other.8", "include"),
            _decision("other.8", "include", role="resolution", reviewer="Third"),
        ),
        "decisions.csv, row {row}, column role: 'resolution': resolves nothing, because no two reviewers differ",
    ),
    Bad(
        "two resolutions",
        records.resolutions_resolve,
        in_turn(
            _unscreened("8"),
            _decision("other.8", "include"),
            _decision("other.8", "unsure", reviewer="Second"),
            _decision("other.8", "include", role="resolution", reviewer="Third"),
            _decision("other.8", "unsure", role="resolution", reviewer="Fourth"),
        ),
        "decisions.csv, row {row}, column role: 'resolution': is the second resolution of this record and stage",
    ),
    Bad(
        "study without a decision on its record",
        records.candidates_are_decided,
        in_turn(
            _unscreened("8"),
            add("candidates", study="made_up", record="other.8", label="Made-up trial 8, 2026", regimen="monotherapy"),
        ),
        "candidates.csv, row {row}, column record: 'other.8': has no decision in decisions.csv",
    ),
    Bad(
        "decision on a study without its reason in words",
        records.candidates_are_decided,
        put("screening", "reason", "", study="iraji2021"),
        "decisions.csv, row {row}, column note: must be given",
    ),
    Bad(
        "included record of no study",
        records.included_records_are_entered,
        in_turn(_unscreened("8"), _decision("other.8", "include"), _decision("other.8", "include", stage="full_text")),
        "decisions.csv, row {row}, column record: 'other.8': is included on its full text, and its trial is not",
        status=0,
    ),
    Bad(
        "record in two rows",
        keys.keys_are_unique,
        repeat("records", "title", "Another title", record=_THIRD),
        f"records.csv, row {{row}}, column record: '{_THIRD}': is already in row ",
    ),
    Bad(
        "record whose main facts are of no record",
        keys.keys_exist,
        put("candidates", "record", "other.nothing", study="iraji2021"),
        "candidates.csv, row {row}, column record: 'other.nothing': is unknown: there is no such record in records.csv",
    ),
    Bad(
        "published flow that does not add up",
        records.published_flow_adds_up,
        put("flow", "n", "15", step="excluded_outcome"),
        "column n: '56': must be 55 (assessed - all excluded with a reason)",
    ),
    Bad(
        "published flow with another number assessed",
        records.published_flow_adds_up,
        put("flow", "n", "147", step="removed"),
        "column n: '102': must be 103 (identified - removed)",
    ),
    Bad(
        "two records with one DOI that nobody compared",
        records.records_with_one_identifier_are_compared,
        in_turn(_unscreened("8"), put("records", "doi", "10.5555/SYNTHETIC", record="other.8")),
        "records.csv, row {row}, column doi: '10.5555/SYNTHETIC': is the DOI of records.csv, row ",
        status=0,
    ),
    Bad(
        "retraction without a decision",
        retractions.retractions_are_decided,
        add("retractions", **_RETRACTION),
        "retractions.csv, row {row}, column decision: must be given: synthetic2026 was retracted (doi:10.5555/notice)",
    ),
    Bad(
        "decision on a retraction without its reason",
        retractions.retractions_are_decided,
        add("retractions", **_RETRACTION, decision="kept"),
        "retractions.csv, row {row}, column reason: must be given where there is a decision, and only there",
    ),
    Bad(
        "retracted study that was removed and is pooled",
        retractions.removed_studies_are_not_pooled,
        add("retractions", **_RETRACTION, decision="removed", reason="Made up for a test."),
        "column poolable: 'yes': synthetic2026 was removed because of its retraction (retractions.csv): enter no, and",
    ),
    Bad(
        "expression of concern without a decision",
        retractions.concerns_await_a_decision,
        add("retractions", **_RETRACTION | {"kind": "expression_of_concern"}),
        "retractions.csv, row {row}, column decision: there is an expression of concern about synthetic2026",
        status=0,
    ),
)
