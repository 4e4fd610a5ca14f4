"""A saved study is corrected and completed by a form of its rows, with the rules, preview and saving of a new trial."""

import re

import pytest
from bs4 import BeautifulSoup

from desk_client import add_rows, decision, made_up, rows_of, running_desk
from lib.desk.preview import diff
from lib.desk.study_form import study_columns
from lib.evidence.checking import read_some_tables
from lib.evidence.new_trial import complete, new_contents, reference, rows

ADA, BEN = "Ada Example", "Ben Sample"
STUDY = "example12024"
TRIAL = {
    "record": "other.madeup1",
    "label": "Example1 2024",
    "title": made_up(1)["title"],
    "published": "2024-05-03",
    "doi": made_up(1)["doi"],
    "decision": "included",
    "design": "PD",
    "randomised": "yes",
    "population": "all",
    "assessment": "total",
    "duration_months": "6",
    "basis": "stated",
    "confidence": "high",
    "source_kind": "abstract",
    "finding": "Made-up trial: more responses than with placebo.",
    "concern": "Made-up concern.",
    "arms": [
        {"drug": "tacrolimus", "phototherapy": "none", "n": "40", "ge75": "10", "ge50": "20"},
        {"drug": "placebo", "phototherapy": "none", "n": "41", "ge75": "2", "ge50": "5"},
    ],
}


@pytest.fixture
def desk(data):
    """A desk on data that have a made-up trial."""
    tables = read_some_tables(data, ("dictionary", "drugs"))
    trial = complete(TRIAL, tables, "2026-11-26") | {"record": TRIAL["record"]}
    new = [row for row in rows(trial, tables) if row.table not in ("records", "decisions")]
    for path, content in new_contents(data, new, reference(trial)).items():
        path.write_bytes(content)
    add_rows(data, "records", [made_up(1)])
    for stage in ("title_abstract", "full_text"):
        add_rows(data, "decisions", [decision("other.madeup1", name, stage=stage) for name in (ADA, BEN)])
    with running_desk(data) as desk:
        yield desk


class Form:
    """The form of a study as a person's browser shows and sends it."""

    def __init__(self, visitor, study=STUDY):
        self.visitor = visitor
        self.show(visitor.get(f"/study?study={study}"))

    def show(self, answer):
        self.answer, self.page = answer, BeautifulSoup(answer.body, "html.parser")
        tags = self.page.select("form[action='/study'] :is(input:not([type=checkbox]), select, textarea)")
        self.fields = {tag["name"]: value_of(tag) for tag in tags}

    def rows(self, table: str) -> list[dict[str, str]]:
        """The rows of a table, each with its name in the form; the last one is empty."""
        found: dict[str, dict[str, str]] = {}
        for name, value in self.fields.items():
            if name.startswith(f"{table}."):
                row = name.rpartition(".")[0]
                found.setdefault(row, {"": row})[name.rpartition(".")[2]] = value
        return list(found.values())

    def row(self, table: str, **values: str) -> str:
        """The name of the only row with some values."""
        (row,) = [row[""] for row in self.rows(table) if values.items() <= row.items()]
        return row

    def send(self, **changes: str):
        """Press a button, with some answers changed; the form shows what comes back."""
        fields = self.fields | {name: value for name, value in changes.items()}
        answer = self.visitor.post("/study", **fields)
        if "action='/study'" in answer.body.replace('"', "'"):
            self.show(answer)
        return answer

    def beside(self, name: str) -> str:
        """The fault that stands beside a field."""
        assert self.page.find(id=name.replace(".", "-"))["aria-invalid"] == "true"
        return self.page.find(id=f"{name.replace('.', '-')}-fault").text


def value_of(tag) -> str:
    if tag.name == "select":
        chosen = tag.find("option", selected=True)
        return chosen["value"] if chosen else ""
    return tag.text if tag.name == "textarea" else tag["value"]


def save(visitor, preview):
    return visitor.post("/study/save", **{name: preview.value(name) for name in ("study", "seen", "digest")})


def test_the_form_has_every_row_about_a_study(desk):
    form = Form(desk.visitor(ADA), "radakovic2009")
    tables = study_columns(desk.workspace)
    assert {"studies", "responses", "bounds", "report_facts", "candidates", "retractions"} <= tables.keys()
    assert "records" not in tables and "references" not in tables
    for table, column in tables.items():
        saved = rows_of(desk.data, table, **{column: "radakovic2009"})
        expected = [{name: " ".join(value.split()) for name, value in row.items() if name != column} for row in saved]
        *shown, blank = ({n: value for n, value in row.items() if n} for row in form.rows(table))
        assert shown == expected and not any(blank.values()), table
    dictionary = desk.workspace.table("dictionary").set_index(["table", "column"])
    labels = {tag["for"]: tag.text for tag in form.page.select("label[for]")}
    help_texts = {tag["id"]: tag.text for tag in form.page.select(".help[id]")}
    for tag in form.page.select("input[list], textarea, select"):
        table, _, column = tag["name"].split(".")
        assert dictionary.meaning[table, column] in help_texts[tag["aria-describedby"]]
        assert dictionary.unit[table, column] in labels[tag["id"]]
        if dictionary.type[table, column] == "code":
            codes = set(desk.workspace.codes(dictionary.allowed[table, column]))
            assert codes <= {option["value"] for option in tag.select("option")}


def test_a_count_is_corrected_with_a_diff_of_one_line(desk):
    ada, before = desk.visitor(ADA), desk.workspace.contents()
    form = Form(ada)
    count = form.row("responses", arm="tacrolimus", threshold="ge75")
    preview = form.send(action="preview", **{f"{count}.events": "12"})
    assert preview.status == 200 and desk.workspace.contents() == before
    rate = r"[\d.]+ \([\d.–]+\)"
    assert re.search(rf"TCI monotherapy, ≥75%, % 18\.1 \(13\.2–23\.1\) {rate} {rate} ", preview.text)
    assert "TCI versus vehicle or no treatment, ≥75%, risk ratio" in preview.text
    assert "Changes the conclusions" in preview.text

    # Another person's change stands in the way, and is shown; without it, the same preview is saved.
    add_rows(desk.data, "concerns", [{"study": "kanwar2004", "concern": "Made-up concern of another person."}])
    refused = save(ada, preview)
    assert refused.status == 409 and "+ kanwar2004,Made-up concern of another person." in refused.text
    (desk.data / "concerns.csv").write_bytes(before["concerns.csv"])
    assert desk.workspace.contents() == before
    saved = save(ada, preview)
    assert saved.status == 303, saved.text
    after = desk.workspace.contents()
    old = f"{STUDY},tacrolimus,all,,all,,ge75,6,patients,40,10,stated,high,yes,,,doi:10.5555/madeup.1,abstract,"
    changed = [("file", "responses.csv"), ("del", old), ("ins", old.replace("40,10", "40,12"))]
    assert diff(before, after) == changed
    shown = [tag.text for tag in BeautifulSoup(preview.body, "html.parser").select(".changes > *")]
    assert shown == ["responses.csv", f"- {changed[1][1]}", f"+ {changed[2][1]}"]
    assert "these files are changed: responses.csv" in ada.get(f"/study?study={STUDY}").text
    assert not Form(ada).page.select(".other")


def test_counts_at_another_site_and_a_bound_are_added_and_a_row_is_deleted(desk):
    ada, before = desk.visitor(ADA), desk.workspace.contents()
    form = Form(ada)
    answer = form.send(copy=form.row("responses", arm="tacrolimus", threshold="ge75"))
    assert answer.headers["Location"] == f"/study?study={STUDY}#responses-new1"
    form = Form(ada)
    assert form.page.find(id="responses-new1").has_attr("open") and form.fields["responses.new1.n"] == "40"
    arms = form.page.select("#bounds-new1-arm-list option")
    assert {"tacrolimus", "placebo"} <= {option["value"] for option in arms}
    bound = {
        "arm": "placebo",
        "site": "face_neck",
        "threshold": "ge75",
        "kind": "at_most",
        "value": "2",
        "reason": "Made up: no more than on all sites together.",
        "source": "doi:10.5555/madeup.1",
    }
    changes = {f"bounds.new1.{name}": value for name, value in bound.items()}
    changes |= {"responses.new1.site": "face_neck", "responses.new1.events": "8"}
    changes[f"{form.row('concerns', concern='Made-up concern.')}.delete"] = "yes"
    preview = form.send(action="preview", **changes)
    assert preview.status == 200, preview.text
    assert desk.workspace.contents() == before
    lines = [tag.text for tag in BeautifulSoup(preview.body, "html.parser").select(".changes > *")]
    assert lines == [
        "bounds.csv",
        f"+ {STUDY},{','.join(bound.values())}",
        "concerns.csv",
        f"- {STUDY},Made-up concern.",
        "responses.csv",
        f"+ {STUDY},tacrolimus,face_neck,,all,,ge75,6,patients,40,8,stated,high,yes,,,doi:10.5555/madeup.1,abstract,",
    ]


def test_a_row_that_another_table_needs_is_not_deleted(desk):
    before = desk.workspace.contents()
    form = Form(desk.visitor(ADA))
    arm = form.row("arms", arm="placebo")
    count = form.row("responses", arm="tacrolimus", threshold="ge75")
    # A count above the others is deleted, too: the faults of those stand beside their own fields all the same.
    first = form.row("responses", arm="tacrolimus", threshold="ge50")
    changes = {f"{arm}.delete": "yes", f"{first}.delete": "yes", f"{count}.events": "50"}
    answer = form.send(action="preview", **changes)
    assert answer.status == 422 and desk.workspace.contents() == before
    needs = form.row("responses", arm="placebo", threshold="ge50")
    assert f"'placebo': is unknown: there is no such arm in arms.csv for {STUDY}" in form.beside(f"{needs}.arm")
    assert "'50': exceeds the number observed (n = 40)" in form.beside(f"{count}.events")
    wrong = [tag["id"] for tag in form.page.select("details:has([aria-invalid])")]
    assert [link["href"] for link in form.page.select("main > ul a")] == [f"#{one}" for one in wrong]
    assert all(form.page.find(id=one).has_attr("open") for one in wrong)
    assert form.page.select_one(f"input[name='{arm}.delete']").has_attr("checked")


def test_a_retraction_is_decided_although_the_data_have_a_fault_until_then(desk):
    notice = {"kind": "retraction", "notice": "doi:10.5555/made-up.notice", "found": "2026-11-26"}
    add_rows(desk.data, "retractions", [{"reference": STUDY, **notice}])
    form = Form(desk.visitor(ADA))
    row = form.row("retractions", kind="retraction")
    changes = {f"{row}.decision": "kept", f"{row}.reason": "Made-up reason."}
    preview = form.send(action="preview", **changes)
    assert preview.status == 200, preview.text
    assert "The results cannot be computed, because the data have a fault: retractions.csv, row 2" in preview.text
    assert f"+ {STUDY},{','.join(notice.values())},kept,Made-up reason." in preview.text


def test_what_another_person_changes_while_the_form_is_open_is_shown_and_stays(desk):
    ada = desk.visitor(ADA)
    form = Form(ada)
    arm, count = form.row("arms", arm="placebo"), form.row("responses", arm="placebo", threshold="ge75")
    path = desk.data / "arms.csv"
    was = next(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(f"{STUDY},1,placebo"))
    now = was.replace("comparator,placebo,", "comparator,placebo,made-up dose")
    path.write_text(path.read_text(encoding="utf-8").replace(was, now), encoding="utf-8")
    answer = form.send(action="preview", **{f"{count}.events": "3", f"{arm}.note": "Made-up remark."})
    assert answer.status == 409 and f"- {was}" in answer.text and f"+ {now}" in answer.text
    again = Form(ada)
    assert again.fields[f"{arm}.concentration"] == "made-up dose"
    assert (again.fields[f"{count}.events"], again.fields[f"{arm}.note"]) == ("3", "Made-up remark.")
    assert again.page.find(id=f"{count.replace('.', '-')}-events-other").text == "Saved: 2"
    # The row that the draft changes is deleted by another person.
    path.write_text(path.read_text(encoding="utf-8").replace(f"{now}\n", ""), encoding="utf-8")
    assert "1 answer of your draft belongs to rows that are not there any more" in Form(ada).answer.text


def test_a_draft_belongs_to_a_person_and_can_be_discarded(desk):
    form = Form(desk.visitor(ADA))
    count = form.row("responses", arm="tacrolimus", threshold="ge75")
    assert form.send(action="preview").status == 303 and not Form(form.visitor).page.select(".other")
    form.send(action="draft", **{f"{count}.events": "12", f"{count}.study": "kanwar2004", "made.up.name": "x"})
    assert [tag.text for tag in Form(form.visitor).page.select(".other")] == ["Saved: 10"]
    assert not Form(desk.visitor(BEN)).page.select(".other")
    form.send(action="discard", **{f"{count}.events": "12"})
    assert Form(form.visitor).fields[f"{count}.events"] == "10"
    formula = form.send(action="draft", **{f"{count}.remark": "=cmd|' /C calc'!A0"})
    assert formula.status == 409 and "takes for a formula" in formula.text


def test_a_saved_study_is_found_from_the_list_and_from_its_record(desk):
    ada = desk.visitor(ADA)
    page = BeautifulSoup(ada.get("/trials").body, "html.parser")
    links = {link.text: link["href"] for link in page.select(".names a")}
    assert links["Example1 2024"] == f"/study?study={STUDY}"
    assert set(links) >= set(desk.workspace.table("studies").label) | set(desk.workspace.table("candidates").label)
    assert ada.get("/trial?record=other.madeup1").headers["Location"] == f"/study?study={STUDY}"
    for address in ("/study", "/study?study=no_such_study", "/study?study=../../etc/passwd"):
        assert ada.get(address).status == 409
