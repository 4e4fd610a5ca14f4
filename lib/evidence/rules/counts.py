"""Rules for arms, counts and rates: which numbers of patients are possible, and which counts may be pooled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, exceeding, months_as_numbers, needs, with_numbers
from lib.evidence.vocabulary import ALL_THRESHOLDS, ASSESSMENT, THRESHOLD_NAMES


@needs("responses")
def responders_within_participants(tables: Tables) -> Iterator[Fault]:
    """There are no more responders than participants."""
    yield from exceeding(tables, "responses", "events", "n", "exceeds the number observed")


@needs("adverse_events")
def adverse_events_within_participants(tables: Tables) -> Iterator[Fault]:
    """There are no more patients with an adverse event than participants."""
    yield from exceeding(tables, "adverse_events", "events", "n", "exceeds the number observed")


@needs("maintenance")
def depigmented_within_participants(tables: Tables) -> Iterator[Fault]:
    """There are no more patches or patients depigmented than observed."""
    yield from exceeding(tables, "maintenance", "depigmented", "n", "exceeds the number observed")


@needs("arms")
def completed_within_enrolled(tables: Tables) -> Iterator[Fault]:
    """No more patients completed an arm than were enrolled."""
    yield from exceeding(tables, "arms", "completed", "enrolled", "exceeds the number enrolled")


@needs("responses")
def thresholds_are_ordered(tables: Tables) -> Iterator[Fault]:
    """A count at a threshold (≥75%) does not exceed the count of the same participants at a lower threshold (≥50%)."""
    frame = with_numbers(months_as_numbers(tables["responses"]), "events", "n").dropna(subset=["events", "n"])
    frame = frame[frame.threshold.isin(ALL_THRESHOLDS)]
    frame = frame.iloc[frame.threshold.map(ALL_THRESHOLDS.index).argsort(kind="stable")]
    previous_by_assessment: dict[tuple, Any] = {}
    for row in frame.itertuples():
        assessment = tuple(getattr(row, column) for column in ASSESSMENT)
        lower = previous_by_assessment.get(assessment)
        if lower is not None and row.events > lower.events and row.threshold != lower.threshold:
            rule = (
                f"the count at {THRESHOLD_NAMES[row.threshold]} exceeds that at {THRESHOLD_NAMES[lower.threshold]}"
                f" ({lower.events:g} in row {lower.Index})"
            )
            yield Fault("responses.csv", row.Index, "events", f"{row.events:g}", rule)
        previous_by_assessment[assessment] = row


def _reported_numbers(tables: Tables, *fields: str) -> dict[str, float]:
    """Return the largest number of patients that the report of each study gives in some fields."""
    facts = tables["report_facts"]
    facts = with_numbers(facts[facts.field.isin(fields)], "value")
    return dict(facts.groupby("study")["value"].max())


@needs("responses", "arms", "report_facts")
def analysed_within_completed(tables: Tables) -> Iterator[Fault]:
    """No more patients were analysed than completed (at an interim time: were enrolled), as far as is known."""
    arms = with_numbers(tables["arms"], "enrolled", "completed")
    arm_by_key = {(arm.study, arm.arm): arm for arm in arms.itertuples()}
    completed = _reported_numbers(tables, "completed", "analysed")
    enrolled = _reported_numbers(tables, "enrolled", "completed", "analysed")
    rows = with_numbers(tables["responses"], "n")
    for row in rows[rows.unit == "patients"].itertuples():
        arm = arm_by_key.get((row.study, row.arm))
        column = "enrolled"
        if arm is not None and row.why_not != "interim" and not math.isnan(arm.completed):
            column = "completed"
        reported = (completed if column == "completed" else enrolled).get(row.study, math.nan)
        limits = [getattr(arm, column, math.nan), reported]
        limit = max((limit for limit in limits if not math.isnan(limit)), default=math.inf)
        if row.n > limit:
            verb = {"completed": "who completed", "enrolled": "enrolled"}[column]
            rule = (
                f"exceeds the number {verb} ({column} = {limit:g}): correct one of the two; if the report analysed"
                " more, enter that number in report_facts.csv with the field analysed"
            )
            yield Fault("responses.csv", row.Index, "n", f"{row.n:g}", rule)


@needs("adverse_events", "maintenance", "arms", "report_facts")
def observed_within_enrolled(tables: Tables) -> Iterator[Fault]:
    """No more patients were observed for adverse events or loss of pigment than the arms of the study enrolled."""
    total = with_numbers(tables["arms"], "enrolled").groupby("study").enrolled.agg(lambda n: n.sum(skipna=False))
    reported = _reported_numbers(tables, "enrolled", "completed", "analysed")
    events, maintenance = tables["adverse_events"], tables["maintenance"]
    counted_by_name = {
        "adverse_events": events[~events.event.str.contains("lesion|patch", case=False)],
        "maintenance": maintenance[maintenance.unit == "patients"],
    }
    for name, frame in counted_by_name.items():
        for row in with_numbers(frame, "n").itertuples():
            limits = [total.get(row.study, math.nan), reported.get(row.study, math.nan)]
            limit = max((limit for limit in limits if not math.isnan(limit)), default=math.inf)
            if row.n > limit:
                rule = f"exceeds the number enrolled in all arms of the study ({limit:g}): correct one of the two"
                yield Fault(f"{name}.csv", row.Index, "n", f"{row.n:g}", rule)


@needs("responses", "codes")
def counts_left_out_have_reasons(tables: Tables) -> Iterator[Fault]:
    """A count has a reason for not being pooled if, and only if, it is not pooled."""
    frame, codes = tables["responses"], tables["codes"]
    allowed = ", ".join(codes.code[codes["list"] == "why_not"])
    for row in frame[(frame.poolable != "yes") != (frame.why_not != "")].itertuples():
        rule = f'must be given if poolable is "no" or "subgroup", and empty if it is "yes"; allowed: {allowed}'
        yield Fault("responses.csv", row.Index, "why_not", row.why_not, rule)


@needs("responses", "screening")
def only_included_studies_are_pooled(tables: Tables) -> Iterator[Fault]:
    """A count of a study that is not included is not pooled."""
    screening, responses = tables["screening"], tables["responses"]
    not_included = set(screening.study[screening.decision != "included"])
    for row in responses[(responses.poolable != "no") & responses.study.isin(not_included)].itertuples():
        yield Fault("responses.csv", row.Index, "poolable", row.poolable, "must be no: the study is not included")


def _pooled_with_arms(tables: Tables) -> Iterator[tuple[Any, Any]]:
    """Yield every pooled count with its arm, once for each assessment and threshold."""
    arms = {(arm.study, arm.arm): arm for arm in tables["arms"].drop_duplicates(["study", "arm"]).itertuples()}
    pooled = tables["responses"][tables["responses"].poolable == "yes"].drop_duplicates([*ASSESSMENT, "threshold"])
    for row in pooled.itertuples():
        if (row.study, row.arm) in arms:
            yield row, arms[row.study, row.arm]


@needs("responses", "arms")
def patches_have_patients(tables: Tables) -> Iterator[Fault]:
    """Patches are pooled only where the number of patients who completed the arm is available."""
    for row, arm in _pooled_with_arms(tables):
        if row.unit == "patches" and arm.completed == "":
            rule = (
                'patches are pooled only if "completed" in arms.csv has a value for this arm: enter it, or set poolable'
                ' to "no"'
            )
            yield Fault("responses.csv", row.Index, "unit", row.unit, rule)


@needs("responses", "arms", "studies")
def patients_are_pooled_once(tables: Tables) -> Iterator[Fault]:
    """No patient is pooled twice: at two time points, or in two arms of the same patients."""
    designs = {(row.study, row.part): row.design for row in tables["studies"].itertuples()}
    first_row: dict[tuple, int] = {}
    for row, arm in _pooled_with_arms(tables):
        same_patients = designs.get((row.study, arm.part)) == "WP" and arm.role != "comparator"
        people = arm.role if same_patients else row.arm
        key = (row.study, people, row.site, row.site_detail, row.subtype, row.threshold)
        if key in first_row:
            rule = (
                f'these patients are already pooled in row {first_row[key]}: set poolable to "no" in one of the two'
                " rows"
            )
            yield Fault("responses.csv", row.Index, "poolable", row.poolable, rule)
        first_row.setdefault(key, row.Index)


@needs("published_rates")
def published_rates_have_studies(tables: Tables) -> Iterator[Fault]:
    """A rate of the review's Table 3 or results has its number of studies and their reference numbers."""
    frame = tables["published_rates"]
    for column in ("studies", "refs"):
        for row in frame.index[frame.place.isin(["table3", "results"]) & (frame[column] == "")]:
            yield Fault("published_rates.csv", row, column, "", "a value is required in Table 3 and the results")


@needs("later_reviews")
def later_rates_are_proportions(tables: Tables) -> Iterator[Fault]:
    """A rate of a later review is a proportion, not a percentage."""
    frame = tables["later_reviews"]
    for row in frame.index[(frame.measure == "rate") & (with_numbers(frame, "ci_high").ci_high > 1)]:
        yield Fault("later_reviews.csv", row, "ci_high", frame.at[row, "ci_high"], "a rate is a proportion from 0 to 1")


def _interval_holds_estimate(tables: Tables, name: str) -> Iterator[Fault]:
    yield from exceeding(tables, name, "ci_low", "estimate", "the interval begins above the estimate")
    yield from exceeding(tables, name, "estimate", "ci_high", "the interval ends below the estimate")


@needs("published_rates")
def published_intervals_hold_estimates(tables: Tables) -> Iterator[Fault]:
    """The confidence interval of a published rate contains its estimate."""
    yield from _interval_holds_estimate(tables, "published_rates")


@needs("later_reviews")
def later_intervals_hold_estimates(tables: Tables) -> Iterator[Fault]:
    """The confidence interval of a later review's result contains its estimate."""
    yield from _interval_holds_estimate(tables, "later_reviews")


@needs("bounds")
def bounds_are_percentages(tables: Tables) -> Iterator[Fault]:
    """A bound that is a percentage is at most 100."""
    frame = with_numbers(tables["bounds"], "value")
    for row in frame[frame.kind.isin(["percent", "at_most_percent"]) & (frame.value > 100)].itertuples():
        yield Fault("bounds.csv", row.Index, "value", f"{row.value:g}", "a percentage must be from 0 to 100")


@needs("bounds", "arms")
def bounds_within_enrolled(tables: Tables) -> Iterator[Fault]:
    """A lower bound of a count does not exceed the number of patients enrolled."""
    frame = with_numbers(tables["bounds"], "value")
    enrolled = with_numbers(tables["arms"], "enrolled").groupby(["study", "arm"]).enrolled.max()
    for row in frame[frame.kind == "at_least"].itertuples():
        limit = enrolled.get((row.study, row.arm), math.nan)
        if row.value > limit:
            rule = f"the lower bound exceeds the number of patients enrolled (enrolled = {limit:g})"
            yield Fault("bounds.csv", row.Index, "value", f"{row.value:g}", rule)


@needs("bounds")
def bounds_agree(tables: Tables) -> Iterator[Fault]:
    """A lower bound of a count does not exceed the upper bound of the same count."""
    frame = with_numbers(tables["bounds"], "value")
    key = ["study", "arm", "site", "threshold"]
    at_most = frame[frame.kind == "at_most"].groupby(key).value.first()
    for row in frame[frame.kind == "at_least"].itertuples():
        limit = at_most.get(tuple(getattr(row, name) for name in key), math.nan)
        if row.value > limit:
            rule = f"the lower bound exceeds the upper bound of the same count ({limit:g})"
            yield Fault("bounds.csv", row.Index, "value", f"{row.value:g}", rule)
