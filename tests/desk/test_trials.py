"""A trial is entered by a form made from the dictionary, is checked by the same rules, and saved whole or not."""

import re

import pytest
from bs4 import BeautifulSoup

from desk_client import REASON, add_rows, decision, made_up, rows_of, running_desk
from lib.desk.drafts import Drafts, differences
from lib.desk.preview import diff
from lib.evidence import check, load
from lib.evidence.references import read_references

ADA, BEN = "Ada Example", "Ben Sample"
RECORD = "other.madeup1"
ANSWERS = {
    "design": "PD",
    "randomised": "yes",
    "population": "all",
    "assessment": "total",
    "duration_months": "6",
    "basis": "stated",
    "confidence": "high",
    "source_kind": "abstract",
    "finding": "Made-up trial: more responses than with placebo.",
}
ARMS = {
    f"arms.{number}.{name}": value
    for number, arm in enumerate(
        (
            {"drug": "tacrolimus", "phototherapy": "none", "n": "40", "ge75": "10", "ge50": "20", "ge25": "30"},
            {"drug": "placebo", "phototherapy": "none", "n": "41", "ge75": "2", "ge50": "5", "ge25": "9"},
        ),
        start=1,
    )
    for name, value in arm.items()
}
FORM = {"record": RECORD, "arms": "2", "label": "Example1 2024", **ANSWERS, **ARMS}
BOTH = [decision(RECORD, name, stage=stage) for stage in ("title_abstract", "full_text") for name in (ADA, BEN)]


@pytest.fixture
def desk(data):
    # The same data in all tests: an edition that was previewed before is not computed again.
    add_rows(data, "records", [made_up(1), made_up(2)])
    add_rows(data, "decisions", BOTH)
    with running_desk(data) as desk:
        yield desk


def contents(desk) -> dict[str, bytes]:
    return desk.workspace.contents()


def fields(page: str) -> dict:
    """Return the fields of a form that are not folded away, by name."""
    found = BeautifulSoup(page, "html.parser").select("input:not([type=hidden]), select, textarea")
    return {tag["name"]: tag for tag in found if not tag.find_parent("details")}


def test_a_trial_of_two_arms_and_three_thresholds_has_at_most_25_fields(desk):
    shown = fields(desk.visitor(ADA).get(f"/trial?record={RECORD}").body)
    assert len(shown) <= 25
    assert shown.keys() == {"label", *ANSWERS, *ARMS}
    assert shown["label"]["value"] == "Example1 2024"


def test_labels_help_units_and_allowed_values_are_those_of_the_dictionary(desk):
    body = desk.visitor(ADA).get(f"/trial?record={RECORD}").body
    page = BeautifulSoup(body, "html.parser")
    for tag in page.select("form[action='/trial'] :is(input:not([type=hidden]), select, textarea)"):
        assert page.select_one(f"label[for='{tag['id']}']"), tag
        assert page.find(id=tag["aria-describedby"].split()[0]) is not None, tag
    codes = desk.workspace.codes("design")
    options = {tag["value"]: tag.text for tag in page.select("select[name=design] option") if tag["value"]}
    assert options == codes
    dictionary = desk.workspace.table("dictionary").set_index(["table", "column"])
    assert dictionary.meaning["studies", "duration_months"] in page.find(id="duration_months-help").text
    assert "months" in page.select_one("label[for=duration_months]").text
    assert {tag["value"] for tag in page.select("#arms-1-drug-list option")} == set(desk.workspace.table("drugs").drug)


def test_faults_stand_beside_their_fields_by_the_rules_of_the_check(desk):
    before = contents(desk)
    spoilt = FORM | {"arms.1.ge75": "50", "duration_months": "soon", "arms.2.phototherapy": "", "finding": ""}
    answer = desk.visitor(ADA).post("/trial", action="preview", **spoilt)
    assert answer.status == 422
    page = BeautifulSoup(answer.body, "html.parser")
    beside = {tag["id"].removesuffix("-fault"): tag.text for tag in page.select(".fault")}
    assert beside["duration_months"].startswith("'soon': must be a number")
    assert "a value is required" in beside["arms-2-phototherapy"]
    assert "a value is required" in beside["finding"]
    for name in beside:
        assert page.find(id=name)["aria-invalid"] == "true"
    unknown = {"arms.1.ge75": "50", "arms.1.drug": "tacrolimus 0.1%"}
    again = BeautifulSoup(desk.visitor(ADA).post("/trial", action="check", **(FORM | unknown)).body, "html.parser")
    assert "exceeds the number observed (n = 40)" in again.find(id="arms-1-ge75-fault").text
    assert "is unknown: write 'tacrolimus'" in again.find(id="arms-1-drug-fault").text
    assert contents(desk) == before


def test_a_trial_is_previewed_and_saved_with_a_clean_diff(desk):
    ada, before = desk.visitor(ADA), contents(desk)
    preview = ada.post("/trial", action="preview", **FORM)
    assert preview.status == 200 and contents(desk) == before
    text = preview.text
    assert re.search(r"TCI monotherapy, ≥75%, % 18\.1 \(13\.2–23\.1\) [\d.]+ \([\d.–]+\) [\d.]+ \([\d.–]+\) ", text)
    assert "TCI versus vehicle or no treatment, ≥75%, risk ratio" in text
    form = {name: preview.value(name) for name in ("record", "seen", "digest")}
    saved = ada.post("/trial/save", **form)
    assert saved.status == 303, saved.text
    after = contents(desk)
    changed = {name for name in after if after[name] != before[name]}
    names = {"candidates.csv", "studies.csv", "arms.csv", "findings.csv", "responses.csv", "references.bib"}
    assert changed == names
    assert all(after[name].startswith(before[name]) for name in changed)
    shown = BeautifulSoup(preview.body, "html.parser").select(".changes ins")
    added = [line for kind, line in diff(before, after) if kind == "ins"]
    assert [tag.text.removeprefix("+ ") for tag in shown] == added
    assert check(desk.data) == []
    ev = load(desk.data)
    assert "example12024" in set(ev.studies.study)
    assert ev.screening.set_index("study").decision["example12024"] == "included"
    assert not list(Drafts(desk.data / ".raw/drafts").of_record(RECORD))
    assert "No included record waits" in ada.get("/trials").text and "Example1 2024" in ada.get("/trials").text
    assert ada.get(f"/trial?record={RECORD}").headers["Location"] == "/study?study=example12024"


def test_the_citation_is_that_of_the_record(desk):
    ada = desk.visitor(ADA)
    preview = ada.post("/trial", action="preview", **FORM)
    assert ada.post("/trial/save", **{n: preview.value(n) for n in ("record", "seen", "digest")}).status == 303
    references, _, faults = read_references(desk.data / "references.bib")
    assert not faults
    entry, record = references.entries["example12024"], made_up(1)
    assert entry.type == "article"
    assert [str(person).strip("{}") for person in entry.persons["author"]] == ["Example1 A", "Sample B"]
    given = {name: entry.fields[name].strip("{}") for name in ("title", "journal", "volume", "doi", "year")}
    assert given == {**{n: record[n] for n in ("title", "journal", "volume", "doi")}, "year": "2024"}


@pytest.mark.parametrize("when", ["before saving", "while it is saved"])
def test_a_concurrent_edit_is_refused_and_shown(desk, when, monkeypatch):
    ada = desk.visitor(ADA)
    preview = ada.post("/trial", action="preview", **FORM)
    form = {name: preview.value(name) for name in ("record", "seen", "digest")}
    other = {"study": "sendur2006", "concern": "Made-up concern of another person."}
    known = desk.workspace.table("concerns").study.iloc[0]

    def edit() -> None:
        add_rows(desk.data, "concerns", [other | {"study": known}])

    if when == "before saving":
        edit()
    else:
        from lib.desk import trial_pages

        checked = trial_pages.check_trial
        monkeypatch.setattr(trial_pages, "check_trial", lambda *given: (checked(*given), edit())[0])
    before = contents(desk)
    answer = ada.post("/trial/save", **form)
    assert answer.status == 409
    assert "Made-up concern of another person." in answer.text and "concerns.csv" in answer.text
    after = contents(desk)
    assert {name for name in after if after[name] != before[name]} <= {"concerns.csv"}
    draft = Drafts(desk.data / ".raw/drafts").read(RECORD, ADA)
    assert draft.answers["arms.1.n"] == "40"


def test_a_decision_that_is_saved_meanwhile_does_not_stand_in_the_way(desk):
    ada = desk.visitor(ADA)
    preview = ada.post("/trial", action="preview", **FORM)
    ada.post("/decide", record="other.madeup2", stage="title_abstract", choice="include")
    desk.saved()
    assert ada.post("/trial/save", **{n: preview.value(n) for n in ("record", "seen", "digest")}).status == 303


def test_two_extractors_see_their_differences_once_both_are_complete(desk):
    ada, ben = desk.visitor(ADA), desk.visitor(BEN)
    ada.post("/trial", action="complete", **FORM)
    mine = FORM | {"arms.2.ge75": "3", "confidence": "medium"}
    ben.post("/trial", action="draft", **mine)
    address = f"/trial?record={RECORD}"
    assert not BeautifulSoup(ben.get(address).body, "html.parser").select(".other")
    assert "Complete yours to see where you differ" in ben.get(address).text
    ben.post("/trial", action="complete", **mine)
    for visitor, name, values in ((ben, ADA, ("2", "high")), (ada, BEN, ("3", "medium"))):
        page = BeautifulSoup(visitor.get(address).body, "html.parser")
        beside = {tag["id"].removesuffix("-other"): tag.text for tag in page.select(".other")}
        assert beside == {"arms-2-ge75": f"{name}: {values[0]}", "confidence": f"{name}: {values[1]}"}
    assert "Extracted by Ada Example and Ben Sample" in ben.post("/trial", action="preview", **FORM).text


def test_a_draft_is_kept_and_arms_are_added_and_removed(desk):
    ada = desk.visitor(ADA)
    ada.post("/trial", action="more-arms", **FORM)
    page = fields(ada.get(f"/trial?record={RECORD}").body)
    assert "arms.3.drug" in page and page["arms.1.n"]["value"] == "40"
    ada.post("/trial", action="fewer-arms", **(FORM | {"arms": "3"}))
    assert "arms.3.drug" not in fields(ada.get(f"/trial?record={RECORD}").body)
    assert fields(desk.visitor(BEN).get(f"/trial?record={RECORD}").body)["arms.1.n"]["value"] == ""


def test_adverse_events_and_risk_of_bias_are_entered_by_the_same_form(desk):
    ada = desk.visitor(ADA)
    events = {
        "arm": "tacrolimus",
        "role": "monotherapy",
        "kind": "burning",
        "event": "burning",
        "events": "50",
        "n": "40",
    }
    domains = desk.workspace.codes("rob2_2019_domain")
    bias = {f"risk_of_bias.{number}.judgement": "low" for number in range(1, len(domains) + 1)}
    bias |= {f"risk_of_bias.{number}.support": "Made up for a test." for number in range(1, len(domains) + 1)}
    extra = {f"adverse_events.1.{name}": value for name, value in events.items()} | bias
    wrong = ada.post("/trial", action="check", **FORM, **extra)
    assert "'50'" in BeautifulSoup(wrong.body, "html.parser").find(id="adverse_events-1-events-fault").text
    right = ada.post("/trial", action="preview", **FORM, **(extra | {"adverse_events.1.events": "5"}))
    assert right.status == 200, right.text
    assert ada.post("/trial/save", **{n: right.value(n) for n in ("record", "seen", "digest")}).status == 303
    assert len(rows_of(desk.data, "adverse_events", study="example12024")) == 1
    assert [row["assessor"] for row in rows_of(desk.data, "risk_of_bias", study="example12024")] == [ADA] * len(domains)


def test_a_cell_that_a_spreadsheet_would_run_is_refused(desk):
    answer = desk.visitor(ADA).post("/trial", action="draft", **(FORM | {"finding": "=cmd|' /C calc'!A0"}))
    assert answer.status == 409 and "takes for a formula" in answer.text


def test_fields_that_the_form_does_not_have_are_ignored(desk):
    ada = desk.visitor(ADA)
    ada.post(
        "/trial", action="draft", **(FORM | {"edition": "original", "role": "x", "arms.9.n": "3", "__class__": "x"})
    )
    answers = Drafts(desk.data / ".raw/drafts").read(RECORD, ADA).answers
    assert answers.keys() == FORM.keys() - {"record"} | {"extractor"}


def test_only_an_included_record_has_a_form(desk):
    add_rows(desk.data, "decisions", [decision("other.madeup2", ADA), decision("other.madeup2", BEN)])
    for record in ("other.madeup2", "other.nothing", ""):
        assert desk.visitor(ADA).get(f"/trial?record={record}").status == 409


def test_an_empty_answer_differs_from_one_that_is_given():
    assert differences({"n": "40"}, {"extractor": BEN}) == {"n": ""}


def test_an_included_record_awaits_its_trial_without_a_fault(data):
    add_rows(data, "records", [made_up(1)])
    add_rows(data, "decisions", [row | {"note": REASON} for row in BOTH])
    assert check(data) == []
    candidate = {"study": "example12024", "record": RECORD, "label": "Example1 2024", "regimen": "monotherapy"}
    add_rows(data, "candidates", [candidate])
    assert check(data) == []
    assert load(data).screening.set_index("study").decision["example12024"] == "awaiting_classification"
