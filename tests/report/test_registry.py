"""The registry of results: its keys and values, their texts, the headline, and the check of what pages state."""

import copy
import datetime as dt
import json
import math
import pickle
import re
import tomllib
from dataclasses import replace

import pandas as pd
import pytest
import yaml

import lib
from conftest import ROOT
from lib.evidence import ALL_THRESHOLDS, GROUPS, REGIMENS, THRESHOLDS, compare, load, question
from lib.published import by_study
from lib.report import registry, tables
from lib.report.chapters.all_results import result_name, words_of_keys
from lib.report.counted import counts_of
from lib.report.entries import Entry, rate_key
from lib.report.marked_text import Phrase, Stated, in_markdown, marked
from lib.report.rate_entries import choices
from lib.report.registry import results
from lib.report.wording import headline, in_cell, prediction_in_cell, rounded, stated
from lib.stats import pool_proportions, proportion_interval
from stated import faults, rows_without_key, without_key


@pytest.fixture(scope="module")
def entries(ev):
    return results(ev)


# --- Entries ----------------------------------------------------------------------------------------------


def keyed(key: str, text: str, part: str = "") -> str:
    """Return a number as a page states it: with its key, and a link to its entry."""
    return f'<a href="all-results.html#result-{key}" data-result="{key}"{part}>{text}</a>'


def test_every_key_is_documented_and_names_what_it_is(ev, entries):
    groups = "|".join(GROUPS)
    kinds = [
        r"published(\.implied|\.tau2)?|available|new",
        r"updated(\.without\.\w+|\.method\.\w+|\.imputed\.(raw|logit))?",
        r"recommended(\.available|\.by_[a-z]+\.\w+)?",
        r"logit(\.(without|until|moderator)\.\w+|\.tau2(\.\w+)?|\.i2|\.filled)?|method\.\w+",
    ]
    rates = rf"rate\.({'|'.join(REGIMENS)})\.({groups})\.({'|'.join(THRESHOLDS)})\.({'|'.join(kinds)})"
    measures = "rr|or|rd|nnt|without|with|difference"
    comparisons = rf"comparison\.\w+\.({'|'.join(ALL_THRESHOLDS)})\.(({measures})(\.trial\.\w+)?|rr\.(without\.)?\w+)"
    rest = r"maintenance\.\w+\.\w+\.\w+|safety\.monotherapy\.\w+|later_review\.\w+\.\w+\.\w+"
    every = registry.every_result(ev)
    assert [key for key in every if not re.fullmatch(f"{rates}|{comparisons}|{rest}", key)] == []
    assert all(key == entry.key for key, entry in every.items())
    assert sum(key.endswith(".published") for key in entries) == 24
    assert set(entries) < set(every)


def test_a_rate_lies_within_0_and_1_and_within_its_interval(entries):
    for key, entry in entries.items():
        if entry.is_rate:
            assert 0 <= entry.estimate <= 1, key
            if entry.ci_low == entry.ci_low:
                assert 0 <= entry.ci_low <= entry.ci_high <= 1, key


def test_the_counts_of_arms_are_pooled_by_study(ev, entries):
    """The new studies alone, monotherapy ≥50%: three studies, of which one has two arms."""
    outcome = ev.outcome("monotherapy", "ge50")
    assert len(outcome.new) == 4 and outcome.new.study.nunique() == 3
    sums = {study: (rows.events.sum(), rows.n.sum()) for study, rows in outcome.new.groupby("study")}
    pooled = pool_proportions(*zip(*sums.values(), strict=True))
    entry = entries["rate.monotherapy.total.ge50.new"]
    assert (entry.k, entry.participants) == (3, outcome.new.n.sum())
    assert entry.estimate == pytest.approx(pooled.estimate)
    assert entry.ci_low == pytest.approx(pooled.ci_low)
    children = ev.outcome("monotherapy", "ge50", "children").new
    low, high = proportion_interval(children.events.sum(), children.n.sum())
    entry = entries["rate.monotherapy.children.ge50.new"]
    assert (entry.k, entry.estimate) == (1, children.events.sum() / children.n.sum())
    assert (entry.ci_low, entry.ci_high) == (pytest.approx(float(low)), pytest.approx(float(high)))


def test_an_updated_rate_is_of_published_and_new_studies(ev, entries):
    outcome = ev.outcome("monotherapy", "ge75")
    entry = entries[rate_key(outcome, "updated")]
    assert entry.k == outcome.studies + outcome.new.study.nunique()
    assert entry.participants == outcome.patients + outcome.new.n.sum()
    assert set(outcome.new.study) < set(entry.studies)
    assert len(entry.studies) == entry.k


def test_the_recommended_method_is_of_the_studies_with_counts_alone(ev, entries):
    for outcome in ev.all_outcomes():
        entry, counts = entries.get(rate_key(outcome, "recommended.available")), counts_of(outcome)
        assert (entry is None) == (len(counts) < 2)
        if entry:
            assert (entry.k, entry.participants) == (len(counts), counts.n.sum())
    imputed = entries["rate.monotherapy.total.ge75.recommended"]
    assert imputed.k == entries["rate.monotherapy.total.ge75.updated"].k


def test_the_subgroups_of_a_choice_are_all_the_studies(ev, entries):
    outcome = ev.outcome("monotherapy", "ge75")
    counts = counts_of(outcome)
    splits = choices(counts)
    assert len(splits) > 2
    for choice in splits:
        kinds = [choice.kind(name) for name in choice.names.unique()]
        parts = [entries[rate_key(outcome, kind)] for kind in kinds]
        assert sum(part.k for part in parts) == len(choice.names)
        assert sum(part.participants for part in parts) == counts.n[choice.names.index].sum()


def test_a_view_of_one_regimen_has_the_same_results(ev, entries):
    for regimen in REGIMENS:
        of = results(ev.only(regimen))
        assert {key for key in entries if key.startswith(f"rate.{regimen}.")} == set(of)
        assert all(entry == entries[key] or math.isnan(entry.tau2) for key, entry in of.items())


def test_the_file_is_the_same_bytes_twice_and_has_no_number_that_json_lacks(ev, entries):
    text = registry.as_json(ev)
    assert text == registry.as_json(load(ROOT / "data"))
    written = json.loads(text, parse_constant=pytest.fail)
    assert (written["edition"], written["version"]) == (ev.as_of.isoformat(), lib.__version__)
    # Pages write the word "version" before it.
    assert ev.editions.version.str.fullmatch(r"\d+(\.\d+)*").all()
    assert list(written["results"]) == list(registry.every_result(ev))
    fields = "estimate ci_low ci_high pi_low pi_high tau2 k participants method studies page scale".split()
    assert all(list(entry) == fields for entry in written["results"].values())
    hands = written["results"]["rate.monotherapy.hands_feet.ge75.published"]
    assert (hands["estimate"], hands["ci_low"], hands["k"]) == (0, None, 4)
    pages = {entry["page"] for entry in written["results"].values()}
    assert all((ROOT / page).with_suffix(".ipynb").is_file() for page in pages)


@pytest.mark.parametrize(
    ("date", "version"),
    [(dt.date(2026, 11, 22), "1.0.0"), (dt.date(2026, 11, 24), lib.__version__)],
    ids=["earlier edition", "unpublished edition"],
)
def test_the_file_of_another_edition_has_its_date_and_version(ev, monkeypatch, date, version):
    # Builds of the earlier editions compute their results (tests/book/test_book.py).
    monkeypatch.setattr(registry, "every_result", lambda evidence: {})
    written = json.loads(registry.as_json(ev.earlier(date)))
    assert written == {"edition": date.isoformat(), "version": version, "results": {}}


def test_the_project_has_one_version():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == lib.__version__
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == lib.__version__


def test_arms_are_added_up_and_what_differs_between_them_is_kept():
    rows = pd.DataFrame(
        {
            "study": ["a", "b", "a"],
            "label": ["A", "B", "A"],
            "drug": ["tac", "pim", "pim"],
            "unit": "patients",
            "events": [1.0, 2.0, 3.0],
            "n": [10.0, 20.0, 30.0],
            "completed": [10.0, 20.0, float("nan")],
            "year": [2001.0, 2002.0, 2001.0],
        }
    )
    added = by_study(rows)
    assert list(added.study) == ["a", "b"]
    assert (list(added.events), list(added.n)) == ([4, 2], [40, 20])
    assert list(added.drug) == ["tac; pim", "pim"]
    assert (added.unit.unique().tolist(), list(added.year)) == (["patients"], [2001, 2002])
    assert math.isnan(added.completed[0])
    assert by_study(rows[:2]).equals(rows[:2])


def test_the_results_of_comparisons_are_those_of_the_pooled_trials(ev, entries):
    trials = question(ev, "added_to_phototherapy").at("ge75")
    compared = compare(trials)
    key = "comparison.added_to_phototherapy.ge75"
    ratio, without = compared.risk_ratio, trials.control_events.sum() / trials.control_n.sum()
    assert entries[f"{key}.rr"].estimate == ratio.estimate
    assert entries[f"{key}.without"].estimate == without
    assert entries[f"{key}.with"].estimate == pytest.approx(without * ratio.estimate)
    assert entries[f"{key}.with"].ci_high == min(without * ratio.ci_high, 1)
    assert entries[f"{key}.difference"].estimate == pytest.approx(without * (ratio.estimate - 1))
    assert entries[f"{key}.rd"].ci_high <= 1 - without
    for row in trials.itertuples():
        own = entries[f"{key}.rr.trial.{row.study}"]
        rest = entries[f"{key}.rr.without.{row.study}"]
        assert (own.k, own.studies) == (1, (row.study,))
        assert (rest.k, set(rest.studies)) == (len(trials) - 1, set(trials.study) - {row.study})
        # Ratio of this trial's own shares; all of its cells are above 0.
        assert own.estimate == pytest.approx(row.events / row.n / (row.control_events / row.control_n))


def test_a_trial_known_at_any_response_alone_has_its_own_results(entries):
    key = "comparison.steroid.any"
    ratio, difference = entries[f"{key}.rr.trial.rafiq2016"], entries[f"{key}.difference.trial.rafiq2016"]
    assert [round(x, 2) for x in (ratio.estimate, ratio.ci_low, ratio.ci_high)] == [0.56, 0.38, 0.81]
    assert difference.estimate == pytest.approx(15 / 30 - 27 / 30)
    assert f"{key}.nnt.trial.rafiq2016" not in entries
    assert f"{key}.rr" not in entries


def test_the_other_methods_of_the_review_leave_the_registered_rate(ev):
    every = registry.every_result(ev)
    main = every["rate.monotherapy.total.ge75.updated"]
    for method in ("paule_mandel", "hartung_knapp"):
        assert every[f"rate.monotherapy.total.ge75.updated.method.{method}"].k == main.k
    for scale in ("raw", "logit"):
        assert every[f"rate.monotherapy.total.ge75.updated.imputed.{scale}"].participants == main.participants
    new = by_study(ev.outcome("monotherapy", "ge75").new).study
    for study in new:
        assert every[f"rate.monotherapy.total.ge75.updated.without.{study}"].k == main.k - 1
    assert len(new) > 1


# --- Their texts ------------------------------------------------------------------------------------------


def test_a_stated_result_carries_its_key_and_its_interval():
    entry = Entry("rate.x", 0.1815, 0.135, 0.229)
    assert stated(entry) == keyed("rate.x", "18.2% (95% CI 13.5% to 22.9%)")
    assert stated(replace(entry, ci_low=math.nan)) == keyed("rate.x", "18.2%")
    assert rounded(entry) == keyed("rate.x", "18%")
    ratio = Entry("comparison.x.ge75.rr", 1.9, 0.949, 14.62, scale="ratio")
    assert stated(ratio) == keyed("comparison.x.ge75.rr", "1.90 (95% CI 0.95 to 14.6)")


def test_a_cell_of_a_table_carries_its_key_and_nothing_is_taken_for_markup():
    frame = pd.DataFrame({"a": [Stated("<1>", 'k"'), Stated("2–3", "k", "prediction")]}, dtype=object)
    page = tables.Table(frame, "c")._repr_html_()
    assert keyed("k&quot;", "&lt;1&gt;") in page
    assert keyed("k", "2–3", ' data-part="prediction"') in page
    assert in_cell(None) == prediction_in_cell(Entry("k", 0.5)) == ""


def test_a_phrase_marks_its_results_and_escapes_the_rest():
    value = Stated("18%", "k")
    phrase = marked("<b> 18% & 18%", value)
    span = keyed("k", "18%")
    assert (phrase, phrase._repr_html_()) == ("<b> 18% & 18%", f"&lt;b&gt; {span} &amp; {span}")
    assert in_markdown(phrase) == f"&#60;b&#62; {span} &#38; {span}"
    assert marked(Phrase("of ", value), Stated("of", "other")).parts == ("of", " ", "18%")
    again = pickle.loads(pickle.dumps(phrase))
    assert (again, again.parts[1].key) == (phrase, "k")
    assert span in tables.Table(pd.DataFrame({"a": [phrase]}, dtype=object), "c")._repr_html_()


def test_a_text_keeps_its_key_in_another_process():
    text = Stated("1", "k", "prediction")
    for again in (pickle.loads(pickle.dumps(text)), copy.deepcopy(text)):
        assert (again, again.key, again.part) == ("1", "k", "prediction")


def test_the_name_of_a_result_has_words_for_each_part_of_its_key(ev):
    words = words_of_keys(ev)
    names = {key: result_name(key, words) for key in registry.every_result(ev)}
    assert len(set(names.values())) > 100
    assert [name for name in names.values() if re.search(r"_|\b[a-z]+\d{4}\b|\b0 \d|\bother\b", name)] == []
    outcome = ev.outcome("monotherapy", "ge75")
    name = names[rate_key(outcome, "recommended.by_tacrolimus.0_1")]
    assert name == "Total, ≥75%, recommended method, concentration of tacrolimus: 0.1%"
    assert "studies up to Kanwar 2004" in names[rate_key(outcome, "logit.until.kanwar2004")]


# --- The headline -----------------------------------------------------------------------------------------


def plain_headline(entries, outcome):
    """The headline without the marks of results and without the addresses of its links."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", re.sub("<[^>]*>", "", headline(entries, outcome)))


def test_a_headline_says_which_method_is_which_and_of_how_many_studies_there_are_counts(ev, entries):
    outcome = ev.outcome("monotherapy", "ge75")
    text = headline(entries, outcome)
    for kind in ("updated", "published", "recommended.available", "recommended"):
        assert stated(entries[rate_key(outcome, kind)]) in text
    text = plain_headline(entries, outcome)
    assert text.startswith("**With a topical calcineurin inhibitor alone, ")
    assert "The 2019 review published" in text
    assert "The current rate combines it with 2 new studies, in keeping with the review" in text
    assert "The logistic model that this book recommends gives" in text
    assert "counts that are not available are imputed" in text
    assert (
        "Based only on the 5 studies with available responder counts (3 of the 19 original studies and 2 new studies)"
        in text
    )


def test_a_headline_without_new_studies_or_enough_counts_says_so(ev, entries):
    outcome = ev.outcome("phototherapy", "ge50")
    text = plain_headline(entries, outcome)
    assert "This is the rate as published by the 2019 review; no new study reports this outcome." in text
    assert "Only one study has available responder counts (1 of the 10 original studies)." in text
    text = plain_headline(entries, ev.outcome("monotherapy", "ge75", "trunk_extremities"))
    assert "None of these studies has available responder counts, so there is no result by the logistic model" in text
    text = plain_headline(entries, ev.outcome("monotherapy", "ge75", "face_neck"))
    assert "Only one study has available" in text and "too few for a result by the logistic model" in text


def test_a_headline_without_an_interval_says_so(ev, entries):
    outcome = ev.outcome("monotherapy", "ge75", "hands_feet")
    text = plain_headline(entries, outcome)
    assert "CI" not in text
    assert "as published by the 2019 review, without an interval; no new study" in text
    outcome = replace(outcome, new=ev.outcome("monotherapy", "ge75").new)
    updated = Entry(rate_key(outcome, "updated"), 0.2, 0.1, 0.3, k=6, studies=tuple(outcome.new.study))
    text = plain_headline(entries | {updated.key: updated}, outcome)
    assert "The 2019 review published 0.0%, without an interval. The current rate combines it with 2" in text


def test_a_headline_says_when_the_recommended_method_has_no_result(ev, entries):
    outcome = ev.outcome("monotherapy", "ge50")
    rest = {key: entry for key, entry in entries.items() if ".recommended" not in key}
    text = plain_headline(rest, outcome)
    assert (
        "available responder counts for 6 studies (3 of the 23 original studies and 3 new studies), but there" in text
    )
    assert "is no result by the logistic model" in text


# --- What the book says of units and missing counts -------------------------------------------------------


def test_a_caption_says_several_patches_per_patient_only_where_that_may_be(ev):
    caption = tables.forest_caption(ev.outcome("monotherapy", "ge75"))
    assert "Unit of analysis: patches (as many as patients): Radakovic 2009." in caption
    assert "more than one" not in caption
    caption = tables.forest_caption(ev.outcome("phototherapy", "ge75"))
    assert "Unit of analysis: patches (more than one per patient): Passeron 2004." in caption
    outcome = ev.outcome("phototherapy", "ge75")
    unknown = replace(outcome, available=outcome.available.assign(enrolled=math.nan, completed=math.nan))
    assert "patches (possibly more than one per patient): Passeron 2004." in tables.forest_caption(unknown)


def test_a_study_with_counts_for_some_rates_is_not_among_those_without(ev):
    none, partly = tables.without_available_counts(ev.all_outcomes())
    named = {text.split(" (")[0]: text for text in partly}
    assert {"Kanwar 2004", "Grimes 2004", "Passeron 2004"} <= set(named)
    assert not set(named) & set(none)
    assert named["Kanwar 2004"] == "Kanwar 2004 (TCI monotherapy, total: ≥25%; TCI monotherapy, children: ≥25%)"
    assert named["Passeron 2004"] == "Passeron 2004 (TCI plus phototherapy, total: ≥25%, ≥50%)"


# --- The check of pages -----------------------------------------------------------------------------------

RESULTS = {
    key: dict(zip(("scale", "estimate", "ci_low", "ci_high", "pi_low", "pi_high"), values, strict=True))
    for key, values in {
        "rate.a": ("rate", 0.1815, 0.135, 0.229, 0.01, 0.4),
        "comparison.b.ge75.rr": ("ratio", 1.896, 0.949, None, None, None),
        "comparison.b.ge75.or": ("ratio", 14.63, 1.2, 204.6, None, None),
        "comparison.b.ge75.rd": ("difference", -0.25, -0.5, -0.104, None, None),
        "comparison.c.ge75.rd": ("difference", 0.102, -0.05, 0.251, None, None),
        "comparison.b.ge75.nnt": ("number", 4, 3, 11, None, None),
    }.items()
}
TRUE = (
    '<article><p><span data-result="rate.a">18.2% (95% CI 13.5% to 22.9%)</span></p><table><tr><td>'
    '<span data-result="rate.a">18.2 (13.5–22.9)</span></td><td><span data-result="rate.a">18%</span></td>'
    '<td><span data-result="rate.a" data-part="prediction">1.0–40.0</span></td>'
    '<td><span data-result="comparison.b.ge75.rr">1.90</span></td>'
    '<td><span data-result="rate.a" data-part="interval">13.5–22.9</span></td>'
    '<td><span data-result="comparison.b.ge75.rd">25 fewer (10 to 50 fewer)</span></td>'
    '<td><span data-result="comparison.c.ge75.rd">10 more (5 fewer to 25 more)</span></td>'
    '<td><span data-result="comparison.b.ge75.nnt">4 (3 to 11)</span></td></tr></table>'
    '<figure data-results="rate.a comparison.b.ge75.or">'
    '<div class="review-plot" aria-label="All: One: 50.0 (30.0–70.0); Pooled: 18.2 (13.5–22.9);'
    ' Odds: 14.6 (1.20–205);"></div></figure></article>'
)


def test_a_true_page_has_no_fault():
    assert faults({"p": TRUE, "q": TRUE}, RESULTS) == []
    assert without_key(TRUE, "p", "td") == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("18.2%", "18.3%", "p: rate.a states 18.3 for estimate, which is 0.1815"),
        ("22.9%", "22.8%", "p: rate.a states 22.8 for ci_high"),
        (">18%<", ">19%<", "p: rate.a states 19 for estimate"),
        ("1.0–40.0", "1.0–41.0", "p: rate.a states 41.0 for pi_high"),
        (">1.90<", ">1.91<", "p: comparison.b.ge75.rr states 1.91 for estimate"),
        (">1.90<", ">1.90 (95% CI 0.95 to 3.79)<", "states 3.79 for ci_high, which is None"),
        ('"rate.a">18%', '"rate.c">18%', "p: rate.c is not in results.json"),
        (">18%<", ">many<", "p: rate.a states 'many'"),
        ("18.2 (", "18.1 (", "rate.a: estimate is stated as 18.1 and 18.2"),
        (">13.5–", ">13.6–", "p: rate.a states 13.6 for ci_low"),
        ("25 fewer (10", "25 more (10", "p: comparison.b.ge75.rd states 25 for estimate, which is -0.25"),
        ("10 to 50 fewer", "10 to 50 more", "p: comparison.b.ge75.rd states 10 for ci_low"),
        ("5 fewer to 25", "5 more to 25", "p: comparison.c.ge75.rd states 5 for ci_low"),
        ("4 (3 to 11)", "4 (3 to 12)", "p: comparison.b.ge75.nnt states 12 for ci_high"),
        ("Pooled: 18.2", "Pooled: 18.3", "p: a figure lists rate.a, but its text lacks 18.2 (13.5–22.9)"),
        ("1.20–205", "1.21–205", "p: a figure lists comparison.b.ge75.or, but its text lacks 14.6 (1.20–205)"),
        ('"rate.a comp', '"rate.d comp', "p: rate.d of a figure is not in results.json"),
    ],
)
def test_a_doctored_page_is_noticed(old, new, fault):
    assert old in TRUE
    assert any(fault in plain_headline for plain_headline in faults({"p": TRUE.replace(old, new, 1)}, RESULTS))


def test_a_result_without_a_key_is_noticed():
    page = TRUE.replace(' data-result="rate.a"', "")
    assert without_key(page, "p") == ["18.2% (95% CI 13.5% to 22.9%)"]
    assert without_key(page, "td") == ["18.2 (13.5–22.9)"]
    assert without_key(TRUE.replace(' data-result="comparison.b.ge75.rd"', ""), "td") == ["25 fewer (10 to 50 fewer)"]
    alone = TRUE.replace(' data-result="rate.a" data-part="interval"', "")
    assert without_key(alone, "td") == [] and without_key(alone, "td", intervals=True) == ["13.5–22.9"]


def test_a_row_of_a_figure_without_a_key_is_noticed():
    assert rows_without_key(TRUE, RESULTS) == ["One"]
    assert rows_without_key(TRUE.replace('"rate.a comp', '"comp'), RESULTS) == ["One", "Pooled"]
