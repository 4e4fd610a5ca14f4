"""Rules that rows and tables of the data must satisfy together.

Belongs here: one function for each rule, which takes the tables and yields a fault for every place where the rule is
broken. Does not belong here: what a single value may be (`lib.evidence.column_types`), and whether the review agrees
with itself (`lib.audit`).

To add a rule, write the function in the module of its subject, name the tables that it reads with
`lib.evidence.rules.base.needs`, list it in `RULES` or `WARNINGS`, and give it an example in ``tests/bad_inputs.py``.
"""

from __future__ import annotations

from lib.evidence.rules import (
    agreement,
    appraisal,
    arms,
    assessments,
    counts,
    identity,
    keys,
    reporting,
    sources,
    studies,
)
from lib.evidence.rules.base import Rule

RULES: tuple[Rule, ...] = (
    keys.keys_are_unique,
    keys.keys_exist,
    keys.study_labels_are_distinct,
    keys.review_labels_are_distinct,
    studies.update_has_findings,
    studies.findings_are_of_the_update,
    studies.findings_repeat_no_counts,
    studies.original_studies_have_review_refs,
    studies.original_studies_are_not_screened,
    studies.included_records_follow_the_original_search,
    counts.only_included_studies_are_pooled,
    counts.patches_have_patients,
    counts.patients_are_pooled_once,
    counts.published_rates_have_studies,
    studies.flow_is_complete,
    counts.later_rates_are_proportions,
    counts.responders_within_participants,
    counts.adverse_events_within_participants,
    counts.depigmented_within_participants,
    counts.completed_within_enrolled,
    counts.thresholds_are_ordered,
    counts.analysed_within_completed,
    counts.observed_within_enrolled,
    counts.published_intervals_hold_estimates,
    counts.later_intervals_hold_estimates,
    appraisal.outcomes_are_complete,
    appraisal.tools_fit_designs,
    appraisal.domains_and_judgements_are_of_the_tool,
    appraisal.domains_are_complete,
    appraisal.overall_judgements_follow,
    counts.counts_left_out_have_reasons,
    studies.excluded_records_have_reasons,
    counts.bounds_are_percentages,
    counts.bounds_within_enrolled,
    counts.bounds_agree,
    appraisal.margins_are_given,
    studies.update_is_screened,
    studies.included_records_are_entered,
    studies.identifiers_agree,
    identity.identifiers_are_unique,
    identity.registrations_are_unique,
    identity.review_refs_are_unique,
    identity.published_lists_name_studies_once,
    arms.roles_fit_treatments,
    arms.arm_names_fit_treatments,
    arms.designs_fit_arms,
    arms.single_arms_are_open,
    arms.arms_share_their_patients,
    arms.roles_fit_arms_in_words,
    arms.results_are_of_arms,
    assessments.thresholds_have_one_denominator,
    assessments.subgroups_are_within_the_whole,
    assessments.assessments_have_one_time,
    assessments.assessments_are_within_the_duration,
    assessments.maintenance_is_within_the_duration,
    assessments.composite_sites_are_described,
    assessments.other_sites_are_described,
    assessments.derived_counts_have_their_derivation,
    agreement.parts_agree,
    agreement.populations_agree,
    agreement.countries_agree,
    agreement.designs_agree,
    agreement.regimens_agree,
    agreement.enrolled_agree,
    agreement.years_agree,
    agreement.labels_have_the_year,
    sources.counts_are_from_reports_of_the_study,
    sources.sources_are_not_of_another_study,
    sources.included_studies_have_results,
    sources.facts_are_numbers,
    reporting.settings_are_complete,
    reporting.editions_follow_searches,
    reporting.open_items_are_explained,
)
"""Rules whose breach is a fault, with which nothing is built. Faults of the same row are reported in this order."""
WARNINGS: tuple[Rule, ...] = (
    identity.titles_are_distinct,
    arms.drugs_are_used,
    agreement.entries_follow_publication,
)
"""Rules whose breach is a warning: it is listed and counted, and stops nothing."""
