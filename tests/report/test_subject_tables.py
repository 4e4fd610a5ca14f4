"""Tables by subject, on small frames with known contents: records, reports, missing data, and the dictionary."""

from dataclasses import replace

import numpy as np
import pandas as pd

from lib.report import tables
from lib.report.tables.table import grouped


def like(table, **columns):
    """Return rows with the columns of a table: empty text, or missing numbers, but for those given."""
    number = max(len(values) for values in columns.values())
    empty = {name: np.nan if table[name].dtype.kind == "f" else "" for name in table}
    return pd.DataFrame({name: columns.get(name, [empty[name]] * number) for name in table})


def test_rows_are_grouped_under_their_heading():
    frame = grouped([("a", {"x": 1}), ("a", {"x": 2}), ("b", {"x": 3})], "Group")
    assert (frame.index.name, list(frame.index), list(frame.x)) == ("Group", ["a", "a", "b"], [1, 2, 3])
    assert list(grouped([], "Group", columns=["x", "y"])) == ["x", "y"]
    header = grouped([("a", {("", "x"): 1, ("top", "y"): 2})], "Group").columns
    assert list(header) == [("", "x"), ("top", "y")]


def test_decisions_are_counted_and_those_never_made_are_zero(ev):
    some = ev.with_tables(screening=like(ev.screening, study=["a", "b", "c"], decision=["included"] * 2 + ["excluded"]))
    assert {name: n for name, n in tables.decisions(some).items() if n} == {"included": 2, "excluded": 1}
    assert set(tables.decisions(some)) == set(ev.meaning("decision"))


def test_records_of_one_decision_are_listed_with_their_source_and_reason(ev):
    kinds = list(ev.meaning("exclusion"))
    records = like(
        ev.screening,
        study=["a", "b", "c"],
        label=["A", "B", "C"],
        decision=["excluded", "excluded", "included"],
        exclusion=[kinds[1], kinds[0], ""],
        doi=["10.1/x", "", ""],
        pmid=["", "7", ""],
        reason=["why A", "why B", ""],
    )
    table = tables.screening(ev.with_tables(screening=records), "excluded")
    assert list(table.frame.Record) == ["B", "A"]
    assert list(table.frame.Source) == ["pmid:7", "doi:10.1/x"]
    assert list(table.frame.Reason) == ["why B", "why A"]
    assert list(table.frame.index) == [ev.meaning("exclusion")[kind] for kind in kinds[:2]]
    assert table.caption.endswith(": 2 records")
    assert len(tables.screening(ev.with_tables(screening=records), "included").frame) == 1


def test_searches_are_listed(ev):
    searches = like(ev.searches, date=["2020-01-02"], kind=["database search"], sources=["MEDLINE"], note=["n"])
    frame = tables.searches(ev.with_tables(searches=searches)).frame
    assert frame.iloc[0].to_dict() == {
        "Date": "2020-01-02", "Kind": "database search", "Searched": "MEDLINE", "Remark": "n"
    }  # fmt: skip


def test_a_count_is_shown_with_its_arm_site_and_derivation(ev):
    rows = ev.reported_counts()
    row = rows[(rows.basis != "stated") & (rows.derivation != "") & (rows.site == "all")].iloc[[0]]
    frame = tables.counts(ev, row).frame
    (one,) = row.itertuples()
    assert frame["Events/n"].tolist() == [f"{one.events:g}/{one.n:g} {one.unit}"]
    assert frame.Source.tolist() == [one.source]
    assert f"{one.confidence} confidence: {one.derivation}" in frame.detail.iloc[0]


def test_results_without_counts_are_those_of_one_edition_and_regimen(ev):
    original = ev.studies.study[ev.studies.edition == "original"].iloc[0]
    update = ev.studies.study[ev.studies.edition == "update"].iloc[0]
    rows = like(
        ev.reported_without_counts,
        study=[original, original, update],
        role=["monotherapy", "phototherapy", "monotherapy"],
        site=["all"] * 3,
        reported=["one", "two", "three"],
    )
    some = ev.with_tables(reported_without_counts=rows)
    assert list(tables.without_counts(some, "original").frame["What is reported"]) == ["one", "two"]
    assert list(tables.without_counts(some, "original", "phototherapy").frame["What is reported"]) == ["two"]
    table = tables.without_counts(some, "update")
    assert list(table.frame["What is reported"]) == ["three"] and table.caption.endswith(": 1 result")


def test_adverse_events_are_ordered_by_role_and_name_what_is_not_included(ev):
    out = ev.screening.study[ev.screening.decision == "excluded"].iloc[0]
    study = ev.included("original").study.iloc[0]
    roles = list(ev.meaning("ae_role"))[:2]
    events = like(ev.adverse_events, study=[out, study], role=roles[::-1], event=["itch", "burning"])
    events = events.assign(events=[1.0, 2.0], n=[10.0, 20.0])
    frame = tables.adverse_events(ev.with_tables(adverse_events=events)).frame
    assert list(frame["Events/n"]) == ["2/20", "1/10"]
    assert list(frame.Event) == ["Burning", "Itch"]
    assert [name.endswith(" (not included)") for name in frame.Study] == [False, True]


def test_loss_of_pigment_is_a_share_where_it_is_known(ev):
    rows = like(ev.maintenance, study=["a", "a"], arm=["x", "y"])
    rows = rows.assign(n=[40.0, 20.0], depigmented=[10.0, np.nan], months=6.0)
    table = tables.maintenance(ev.with_tables(maintenance=rows))
    assert list(table.frame["Lost pigment/n"]) == ["10/40", "?/20"]
    assert list(table.frame.Share) == ["25.0%", ""]
    assert table.caption == "Any loss of pigment over 6 months"


def test_a_later_review_states_rates_in_percent_and_ratios_as_such(ev):
    rows = like(ev.later_reviews, review=["a", "b"], measure=["rate", "RR"])
    rows = rows.assign(estimate=[0.25, 1.5], ci_low=[0.1, 1.25], ci_high=[0.4, 2.0], studies=[3.0, 2.0])
    frame = tables.later_reviews(ev.with_tables(later_reviews=rows)).frame
    assert list(frame["Estimate (95% CI)"]) == ["25% (10–40%)", "1.50 (1.25–2.00)"]


def test_mechanisms_are_grouped_by_action(ev):
    codes = list(ev.meaning("action"))[:2]
    rows = like(ev.mechanism, study=["a", "b"], label=["A", "B"], action=codes, drug=["x;y", "x"], finding=["f", "g"])
    frame = tables.mechanism(ev.with_tables(mechanism=rows)).frame
    assert list(frame.index) == [ev.meaning("action")[code] for code in codes]
    assert list(frame.Drug) == ["x, y", "x"] and list(frame.Finding) == ["f", "g"]


def test_the_dictionary_names_key_type_and_codes(ev):
    frame = tables.dictionary(ev, "decisions").frame
    rows = ev.dictionary[ev.dictionary.table == "decisions"]
    assert len(frame) == len(rows)
    assert (frame.Column.str.endswith(" *") == (rows.key == "yes").to_numpy()).all()
    decision = frame.detail[frame.Column.str.startswith("decision")].iloc[0]
    assert all(code in decision for code in ev.meaning("screening_decision"))
    codes = tables.codes(ev, "decision").frame
    assert dict(zip(codes.Code, codes.Meaning, strict=True)) == ev.meaning("decision")


def test_the_arms_and_design_of_a_study_are_in_its_row(ev):
    table = tables.studies(ev, "original")
    assert table.detail == "Arms (enrolled/completed)"
    assert len(table.frame) == len(ev.included("original"))
    row = table.frame[table.frame.Study == "Lepe 2003"].iloc[0]
    assert "RCT" in row.Design and "tacrolimus" in row[table.detail] and "20/20" in row[table.detail]


def test_coverages_count_studies_and_participants(ev):
    outcome = ev.outcome("monotherapy", "ge75")
    unknown = replace(outcome, patients=np.nan)
    frame = tables.coverages([outcome, unknown]).frame
    assert list(frame.index) == ["TCI monotherapy, total"] * 2
    assert frame.Studies.iloc[0] == f"{outcome.available_studies} of {outcome.studies:g}"
    assert list(frame.Participants) == [f"{outcome.available_patients} of {outcome.patients:g}", ""]


def test_missing_counts_are_named_or_nothing_is_said(ev):
    outcome = ev.outcome("monotherapy", "ge75")
    assert tables.missing_counts([replace(outcome, missing=outcome.missing[:0])]) == ""
    assert tables.missing_counts(ev.all_outcomes()).startswith(
        "These studies have available counts for some rates only"
    )


def test_bounds_state_their_value(ev):
    kind = "at_most"
    rows = like(ev.bounds, study=["lepe2003"], site=["all"], threshold=["ge25"], kind=[kind], reason=["so it is"])
    frame = tables.bounds(ev.with_tables(bounds=rows.assign(value=18.0))).frame
    assert "18" in frame.Limit.iloc[0] and "this" not in frame.Limit.iloc[0]
    assert (frame.Study.iloc[0], frame.Response.iloc[0], frame.Why.iloc[0]) == ("Lepe 2003", "≥25%", "So it is")


def test_the_most_wanted_studies_are_grouped_by_what_they_would_narrow(ev):
    ranked = pd.DataFrame({"study": ["lepe2003", "grimes2004"], "label": ["Lepe 2003", "Grimes 2004"], "rates": [3, 1]})
    ranked = ranked.assign(narrowing=[2.5, 0.1], most=[("monotherapy", "total", "ge75")] * 2)
    frame = tables.wanted(ev, ranked, ev.all_outcomes()).frame
    assert list(frame.index) == ["Highest value", "Lower value"]
    assert list(frame["Narrows by"]) == ["2.5", "0.1"]
    assert "Largest effect on: TCI monotherapy, total, ≥75%." in frame.detail.iloc[0]
    assert frame.Source.iloc[0].startswith("doi:")
