"""Selections of available responder counts: which rows they hold, what they leave out, and what they refuse."""

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from conftest import ROOT
from lib.evidence import GROUPS, REGIMENS, load
from lib.published import by_study

THRESHOLDS = ("ge25", "ge50", "ge75")


def synthetic_trial(ev, arms=2, **values):
    """The evidence with one more included trial, whose arms have a count at ≥75% each."""
    study = {"study": "synthetic1", "label": "Synthetic trial for a test", "year": 2020, "country": "Nowhere"}
    names = [f"tacrolimus {i}" for i in range(arms)]
    tables = {}
    for name, template in (("studies", ev.studies), ("arms", ev.arms), ("responses", ev.responses)):
        row = template[template.study == "parsad2020"][-1:]
        row = row.assign(**{key: value for key, value in {**study, **values}.items() if key in template})
        if name != "studies":
            row = pd.concat([row.assign(arm=arm) for arm in names])
        if name == "arms":
            row = row.assign(role="monotherapy")
        if name == "responses":
            row = row.assign(threshold="ge75", n=20.0, events=[float(i + 1) for i in range(arms)], poolable="yes")
        tables[name] = pd.concat([template, row], ignore_index=True)
    return ev.with_tables(**tables)


@pytest.mark.parametrize("regimen", REGIMENS)
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("group", GROUPS)
def test_a_selection_holds_the_counts_of_the_book(ev, regimen, threshold, group):
    selection = ev.counts(threshold=threshold, regimen=regimen, group=group)
    try:
        outcome = ev.outcome(regimen, threshold, group)
    except ValueError:
        assert group != "total"
        return
    expected = by_study(pd.concat([outcome.available, outcome.new]))
    assert dict(zip(selection.study, zip(selection.events, selection.n, strict=True), strict=True)) == dict(
        zip(expected.study, zip(expected.events, expected.n, strict=True), strict=True)
    )
    # Every study that the review pooled is either in the selection or named with the reason.
    missing = outcome.missing[outcome.missing.population == "children"] if group == "children" else outcome.missing
    assert {*missing.study} <= {*selection.left_out.study} | {*selection.study}


def test_the_selection_of_the_issue(ev):
    studies = ev.counts(threshold="ge50", randomised=True, drug="tacrolimus 0.1%")
    assert studies.index.name == "label" and studies.index.is_unique
    assert {*studies.randomised} == {"yes"}
    assert (studies.drug + " " + studies.concentration == "tacrolimus 0.1%").all()
    rows = ev.responses.set_index(["study", "arm", "threshold"])
    assert len(studies) > 2
    for study in studies.itertuples():
        row = rows.loc[(study.study, study.arm, "ge50")]
        assert (row.events, row.n, row.poolable, row.site) == (study.events, study.n, "yes", "all")
    # Arms that were compared with tacrolimus are none of the selection.
    assert {*studies.role} <= {*REGIMENS}


def test_what_a_selection_leaves_out_is_named_with_the_reason(ev):
    left_out = ev.counts(threshold="ge50", randomised=True, drug="tacrolimus 0.1%").left_out
    reasons = left_out.set_index(["study", "arm"]).reason
    assert reasons["radakovic2009", "tacrolimus once daily"] == ev.meaning("why_not")["same_patients"]
    assert reasons["lepe2003", ""] == "no available responder count"
    assert reasons["kanokrungsee2021", ""] == "its available counts do not fit the selection"
    kiran = ev.counts(threshold="ge50", site="trunk_extremities").left_out
    assert {*kiran.reason[kiran.study == "kiran2024"]} == {ev.meaning("why_not")["study_excluded"]}
    # A study of other drugs, or that is not randomised, is none of the selection.
    randomised = {*ev.studies.study[ev.studies.randomised == "yes"]}
    tacrolimus = {*ev.arms.study[(ev.arms.drug == "tacrolimus") & (ev.arms.concentration == "0.1%")]}
    assert {*left_out.study} <= randomised & tacrolimus


def test_parallel_arms_are_added_up_and_arms_of_the_same_patients_refused(ev):
    row = synthetic_trial(ev).counts(threshold="ge75", regimen="monotherapy").loc["Synthetic trial for a test"]
    assert (row.events, row.n, row.arm) == (3, 40, "tacrolimus 0; tacrolimus 1")
    within = synthetic_trial(ev, design="WP")
    with pytest.raises(ValueError, match="Synthetic trial for a test has 2 counts in this selection that are not ind"):
        within.counts(threshold="ge75", regimen="monotherapy")
    one = within.counts(threshold="ge75", regimen="monotherapy", arm="tacrolimus 1")
    assert one.events.to_dict() == {"Synthetic trial for a test": 2}


def test_counts_of_both_regimens_of_a_study_are_not_added_up(ev):
    other = synthetic_trial(ev)
    arms = other.arms
    arms.loc[arms.arm == "tacrolimus 1", "role"] = "phototherapy"
    other = other.with_tables(arms=arms)
    with pytest.raises(ValueError, match=r"\(regimen: monotherapy, phototherapy\): choose one by regimen"):
        other.counts(threshold="ge75")
    label = "Synthetic trial for a test"
    assert [other.counts(threshold="ge75", regimen=name).events[label] for name in REGIMENS] == [1, 2]


def test_several_sites_of_a_study_are_not_added_up(ev):
    with pytest.raises(ValueError, match="Infants, 2019 .*choose one by site_detail"):
        ev.counts(threshold="ge50", site="other")
    assert ev.counts(threshold="ge50", site="other", site_detail="trunk").index.to_list() == ["Infants, 2019"]


def test_filters_take_lists_ranges_and_missing_values(ev):
    everything = ev.counts(threshold="ge75")
    for name, value in (
        ("country", ["Austria", "Pakistan"]),
        ("year", range(2005, 2015)),
        ("blinding", ""),
        ("edition", "update"),
        ("months", 6),
    ):
        chosen = ev.counts(threshold="ge75", **{name: value})
        values = [value] if isinstance(value, str | int) else [*value]
        assert 0 < len(chosen) < len(everything), name
        assert {*chosen.study} == {*everything.study[everything[name].isin(values)]}, name
    # A study may have several codes.
    both = synthetic_trial(ev, assessment="individual;total")
    for value in ("individual", "total"):
        assert "synthetic1" in {*both.counts(threshold="ge75", assessment=value).study}
    assert {*ev.counts(threshold="ge75", drug="tacrolimus").concentration} > {"0.1%"}
    # A study without an available count can be named.
    without = ev.counts(threshold="ge75", study="lepe2003")
    assert without.empty and {*without.left_out.study} == {"lepe2003"}


def test_an_empty_selection_has_no_rows_and_names_the_studies(ev):
    empty = ev.counts(threshold="ge25", site="hands_feet")
    assert empty.empty and {"events", "n"} <= {*empty} and len(empty.left_out)
    assert "0 studies" in repr(empty) and "0 studies" in empty._repr_html_()


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"threshold": "50"}, "threshold must be one of any, ge25, ge50, ge75.*, not '50'"),
        ({"druge": "tacrolimus"}, "filter must be one of .*, not 'druge': did you mean 'drug'"),
        ({"drug": "tacrolimus 0.2%"}, "drug must be one of .*, not 'tacrolimus 0.2%': did you mean 'tacrolimus 0.1%'"),
        (
            {"drug": ["tacrolimus", "Pimecrolimus"]},
            "drug must be one of .*, not 'Pimecrolimus': did you mean 'pimecrolimus'",
        ),
        ({"randomised": "true"}, "randomised must be one of yes, no.*, not 'true'"),
        ({"design": True}, "design must be one of SA, WP, PD.*, not True"),
        ({"regimen": "mono"}, "regimen must be one of monotherapy, phototherapy.*, not 'mono'"),
        ({"regimen": "comparator"}, "regimen must be one of .*, not 'comparator'"),
        ({"group": "child"}, "group must be one of .*, not 'child': did you mean 'children'"),
        ({"year": 1900}, "year must be one of 2002, .*, not 1900"),
        ({"year": [2014, 1900]}, "year must be one of .*, not 1900"),
        ({"year": "2014"}, "year must be one of .*, not '2014'"),
        ({"population": ["all", "kids"]}, "population must be one of .*, not 'kids'"),
        ({"group": "children", "site": "all"}, "leave out site, or group"),
        ({"country": []}, "country has no values to select"),
        ({"year": range(0)}, "year has no values to select"),
    ],
)
def test_an_unknown_filter_or_value_is_refused_with_what_is_allowed(ev, filters, message):
    with pytest.raises(ValueError, match=message):
        ev.counts(**{"threshold": "ge75", **filters})


def test_a_selection_shows_few_columns_and_what_is_left_out(ev):
    studies = ev.counts(threshold="ge75", regimen="monotherapy")
    page = BeautifulSoup(studies._repr_html_(), "html.parser")
    shown = {row.th.get_text(): [cell.get_text() for cell in row.find_all("td")] for row in page.select("tbody tr")}
    at = [*page.select("thead tr")[0].stripped_strings].index("events")
    assert {name: float(cells[at]) for name, cells in shown.items()} == studies.events.to_dict()
    note = page.p.get_text()
    assert note in repr(studies)
    assert note.startswith(f"{len(studies)} studies, {len(studies.columns)} columns. Left out, in whole or in part: ")


def test_a_part_of_a_selection_is_an_ordinary_frame(ev):
    studies = ev.counts(threshold="ge75")
    for part in (studies[studies.year > 2010], studies.sort_values("year"), studies.head(2), studies.copy()):
        assert type(part) is pd.DataFrame
        assert "<table" in part._repr_html_()


def test_a_selection_is_of_its_edition_and_view():
    ev = load(ROOT / "data", "2018-08-06")
    assert {*ev.counts(threshold="ge75").edition} == {"original"}
    view = ev.only("monotherapy")
    assert view.counts(threshold="ge75").equals(ev.counts(threshold="ge75", regimen="monotherapy"))


def test_markup_in_a_label_stays_text(ev):
    studies = ev.studies
    studies.loc[studies.study == "parsad2020", "label"] = "<script>alert()</script>"
    page = ev.with_tables(studies=studies).counts(threshold="ge50")._repr_html_()
    assert "<script" not in page and "&lt;script" in page
