"""Rules for one assessment: who was counted, when, and how the counts at its thresholds fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, months_as_numbers, needs, rows_by, with_numbers
from lib.evidence.vocabulary import ASSESSMENT

_INTERIM = "poolable = no and why_not = interim"


@needs("responses")
def thresholds_have_one_denominator(tables: Tables) -> Iterator[Fault]:
    """Counts of the same participants at several thresholds have the same unit and the same number assessed."""
    for rows in rows_by(months_as_numbers(tables["responses"]), *ASSESSMENT).values():
        for column in ("unit", "n"):
            common = Counter(getattr(row, column) for row in rows).most_common(1)[0][0]
            first = next(row for row in rows if getattr(row, column) == common)
            for row in rows:
                if getattr(row, column) != common:
                    rule = (
                        f"differs from {column} of the same participants at another threshold ({common} in row"
                        f" {first.Index}): correct one of them; if the report itself gives both, enter the count that"
                        " cannot be used in reported_without_counts.csv"
                    )
                    yield Fault("responses.csv", row.Index, column, getattr(row, column), rule)


@needs("responses")
def subgroups_are_within_the_whole(tables: Tables) -> Iterator[Fault]:
    """A count of an age group or subtype exceeds neither n nor the events of all patients of the arm."""
    frame = with_numbers(months_as_numbers(tables["responses"]), "n", "events")
    key = ("study", "arm", "site", "site_detail", "threshold", "months", "unit")
    for rows in rows_by(frame, *key).values():
        whole = next((row for row in rows if row.population == "all" and not row.subtype), None)
        for row in rows:
            for column in ("n", "events"):
                if whole is not None and getattr(row, column) > getattr(whole, column):
                    rule = (
                        f"exceeds the number in all patients of the arm ({getattr(whole, column):g} in row"
                        f" {whole.Index}): correct one of the two, or the age group or subtype"
                    )
                    yield Fault("responses.csv", row.Index, column, f"{getattr(row, column):g}", rule)


@needs("responses", "arms")
def assessments_have_one_time(tables: Tables) -> Iterator[Fault]:
    """The counts of a study at one site are of one time, except for those that are marked as interim."""
    part_by_arm = {(arm.study, arm.arm): arm.part for arm in tables["arms"].itertuples()}
    frame = months_as_numbers(tables["responses"])
    frame = frame[frame.why_not != "interim"]
    frame = frame.assign(part=[part_by_arm.get((row.study, row.arm), "") for row in frame.itertuples()])
    group = ("study", "part", *(name for name in ASSESSMENT[2:] if name != "months"))
    for rows in rows_by(frame, *group).values():
        common = Counter(row.months for row in rows).most_common(1)[0][0]
        first = next(row for row in rows if row.months == common)
        for row in rows:
            if row.months != common:
                rule = (
                    f"differs from the time of the other counts of {row.study} at this site ({common or 'none given'}"
                    f" in row {first.Index}): correct it; a count at another time has {_INTERIM}"
                )
                yield Fault("responses.csv", row.Index, "months", row.months, rule)


@needs("responses", "arms", "studies")
def assessments_are_within_the_duration(tables: Tables) -> Iterator[Fault]:
    """No count is of a time after the end of the treatment, except for those that are marked as interim."""
    studies = with_numbers(tables["studies"], "duration_months")
    duration = {(row.study, row.part): row.duration_months for row in studies.itertuples()}
    part_by_arm = {(arm.study, arm.arm): arm.part for arm in tables["arms"].itertuples()}
    frame = with_numbers(tables["responses"], "months")
    for row in frame[frame.why_not != "interim"].itertuples():
        limit = duration.get((row.study, part_by_arm.get((row.study, row.arm), "")))
        if limit is not None and row.months > limit:
            rule = (
                f"is beyond the duration of the treatment ({limit:g} months in studies.csv): correct one of the two; a"
                f" count after the end of the treatment has {_INTERIM}"
            )
            yield Fault("responses.csv", row.Index, "months", f"{row.months:g}", rule)


@needs("maintenance", "studies")
def maintenance_is_within_the_duration(tables: Tables) -> Iterator[Fault]:
    """No result of maintenance treatment is of a time after the end of that treatment."""
    duration = with_numbers(tables["studies"], "duration_months").groupby("study").duration_months.max()
    for row in with_numbers(tables["maintenance"], "months").itertuples():
        if row.months > duration.get(row.study, float("inf")):
            rule = f"is beyond the duration in studies.csv ({duration[row.study]:g} months): correct one of the two"
            yield Fault("maintenance.csv", row.Index, "months", f"{row.months:g}", rule)


@needs("responses")
def composite_sites_are_described(tables: Tables) -> Iterator[Fault]:
    """A count describes its site in words if, and only if, the site is not one of those of the review."""
    frame = tables["responses"]
    for row in frame[(frame.site == "other") != (frame.site_detail != "")].itertuples():
        rule = 'must be given if site is "other", and empty otherwise: enter the site in words, or correct site'
        yield Fault("responses.csv", row.Index, "site_detail", row.site_detail, rule)


@needs("reported_without_counts")
def other_sites_are_described(tables: Tables) -> Iterator[Fault]:
    """A result without counts describes its site in words if the site is not one of those of the review."""
    frame = tables["reported_without_counts"]
    for row in frame[(frame.site == "other") & (frame.site_detail == "")].itertuples():
        rule = 'must be given if site is "other": enter the site in words, or correct site'
        yield Fault("reported_without_counts.csv", row.Index, "site_detail", "", rule)


@needs("responses")
def derived_counts_have_their_derivation(tables: Tables) -> Iterator[Fault]:
    """A count that the report does not state has a derivation: the arithmetic by which it was obtained."""
    frame = tables["responses"]
    for row in frame[(frame.basis != "stated") & (frame.basis != "") & (frame.derivation == "")].itertuples():
        rule = (
            f"a value is required where basis is {row.basis}: enter the percentages or categories of the report, and"
            " why no other whole number fits"
        )
        yield Fault("responses.csv", row.Index, "derivation", "", rule)
