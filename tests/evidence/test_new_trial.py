"""A new trial, clearly synthetic: its answers become rows of all tables, or nothing is written."""

import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from conftest import ROOT, run
from lib.caching.safe_files import replace_all
from lib.evidence import check, interview, load, question
from lib.evidence.checking import read_tables
from lib.evidence.interview import AnswerError, add_trial, read_answers
from lib.evidence.new_trial import QUESTIONS, TABLES
from lib.evidence.vocabulary import ALL_THRESHOLDS

ANSWERS = """
label = "Synthetic 2024"
published = 2024-05-03
doi = "10.5555/synthetic.2024"
reason = "Made for a test."
design = "PD"
randomised = true
population = "all"
assessment = "total"
duration_months = 6
basis = "stated"
confidence = "high"
source_kind = "abstract"
finding = "Synthetic trial for a test: more responses than with placebo."

[[arms]]
drug = "tacrolimus"
phototherapy = "none"
n = 40
ge25 = 30
ge50 = 20
ge75 = 10

[[arms]]
drug = "placebo"
phototherapy = "none"
n = 41
ge25 = 9
ge50 = 5
ge75 = 2
"""
"""A trial of two arms with three thresholds."""
ADDED = ("records", "decisions", "candidates", "studies", "arms", "findings", "responses")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def enter(data: Path, *changes: tuple[str, str]) -> bool:
    """Enter the trial from a file, with changes of its text."""
    text = ANSWERS
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = data.parent / "trial.toml"
    path.write_text(text, encoding="utf-8")
    return add_trial(data, path)


def conversation(replies: dict[str, list[str]], stop: str = ""):
    """Reply to prompts by name, in order of the arms and of the attempts; Enter to all others; Ctrl-C at ``stop``."""
    left = {name: list(values) for name, values in replies.items()}
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        name = prompt.strip().split(" (")[0].split(" [")[0].rstrip(": ")
        prompts.append(name)
        assert len(prompts) < 120, prompts[-10:]
        if name == stop:
            raise KeyboardInterrupt
        return left[name].pop(0) if left.get(name) else ""

    return ask, left


REPLIES = {
    "decision": ["included"],
    "label": ["Synthetic 2024"],
    "published": ["2024-05-03"],
    "doi": ["10.5555/synthetic.2024"],
    "reason": ["Made for a test."],
    "design": ["PD"],
    "randomised": ["yes"],
    "population": ["all"],
    "assessment": ["total"],
    "duration_months": ["6"],
    "basis": ["stated"],
    "confidence": ["high"],
    "source_kind": ["abstract"],
    "finding": ["Synthetic trial for a test: more responses than with placebo."],
    "drug": ["tacrolimus", "placebo"],
    "phototherapy": ["none", "none"],
    "n": ["40", "41"],
    "ge75": ["10", "2"],
    "ge50": ["20", "5"],
    "ge25": ["30", "9"],
    "Another arm": ["yes"],
}


def test_a_trial_of_two_arms_and_three_thresholds_takes_25_answers(data):
    before = contents(data)
    assert len(re.findall(r"^\w+ = ", ANSWERS, flags=re.MULTILINE)) <= 25
    assert enter(data)
    after = contents(data)
    assert check(data) == []
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {*(f"{name}.csv" for name in ADDED), "references.bib"}
    # Lines are only added, so that a diff shows nothing else.
    assert all(after[name].startswith(before[name]) for name in changed)
    added = {name: after[name].decode()[len(before[name].decode()) :].splitlines() for name in changed}
    assert [len(added[f"{name}.csv"]) for name in ADDED] == [1, 2, 1, 1, 2, 1, 6]
    for line in added["responses.csv"]:
        assert line.endswith(",stated,high,yes,,,doi:10.5555/synthetic.2024,abstract,")


def test_the_trial_is_in_the_outcomes_and_comparisons(data):
    assert enter(data)
    ev = load(data)
    new = ev.outcome("monotherapy", "ge75").new.set_index("study")
    assert new.loc["synthetic2024", ["events", "n"]].tolist() == [10, 40]
    pairs = question(ev, "vehicle").at("ge50").set_index("study")
    assert pairs.loc["synthetic2024", ["events", "n", "control_events", "control_n"]].tolist() == [20, 40, 5, 41]


def test_in_a_conversation_wrong_answers_are_told_at_once_and_the_rows_are_those_of_a_file(data, tmp_path, capsys):
    by_file = Path(shutil.copytree(data, tmp_path / "by file"))
    assert enter(by_file, ("ge25 = 30", "ge25 = 30\nenrolled = 40"), ("ge75 = 2", "ge75 = 3\nenrolled = 41"))
    wrong = {
        "design": ["XY"],
        "published": ["2024-13"],
        "pmid": ["PMC1"],
        "completed": ["41"],
        "ge75": ["41"],
        "reason": [""],
    }
    replies = {**REPLIES, "enrolled": ["40", "41"]}
    replies = {name: [*wrong.get(name, []), *replies.get(name, [])] for name in {**replies, **wrong}}
    # At the end, an answer is changed by its name.
    replies |= {"Answer to change, by its name": ["arms.2.ge52", "arms.2.ge75"], "ge75": [*replies["ge75"], "3"]}
    ask, left = conversation(replies)
    assert add_trial(data, ask=ask)
    assert not any(left.values())
    shown = capsys.readouterr().out
    for message in (
        "There is no answer 'arms.2.ge52'",
        "'XY': must be one of: SA, WP, PD",
        "'2024-13': must be a day of the calendar",
        "'PMC1': must be a PubMed number",
        "arms.1.completed: '41': exceeds the number enrolled (enrolled = 40)",
        "arms.1.ge75: '41': exceeds the number observed (n = 40)",
        "a value is required",
    ):
        assert message in shown, message
    assert contents(data) == contents(by_file)


def test_a_file_that_is_changed_meanwhile_keeps_the_change(data, monkeypatch, capsys):
    path = data / "concerns.csv"
    changed = path.read_bytes() + b"lepe2003,A concern that is synthetic.\n"

    def check_while_it_is_changed(folder):
        if path.read_bytes() != changed:
            path.write_bytes(changed)
        return check(folder)

    monkeypatch.setattr(interview, "check", check_while_it_is_changed)
    assert enter(data, ("[[arms]]", 'concern = "It is synthetic."\n\n[[arms]]'))
    assert "the rows are checked again" in capsys.readouterr().out
    assert path.read_bytes().startswith(changed + b"synthetic2024,")


def test_ctrl_c_writes_nothing(data):
    before = contents(data)
    with pytest.raises(KeyboardInterrupt):
        add_trial(data, ask=conversation(REPLIES, stop="concentration")[0])
    assert contents(data) == before


def test_all_faults_of_a_file_name_the_answer_and_nothing_is_written(data, capsys):
    before = contents(data)
    wrong = {
        ('label = "Synthetic 2024"', 'label = "Shah 2020"'): "study: 'shah2020': is already in row",
        ('design = "PD"', 'design = "pd"'): "design: 'pd': must be one of: SA, WP, PD",
        ('reason = "Made for a test."', ""): "reason: must be given",
        ('doi = "10.5555/synthetic.2024"', ""): "source: a value is required",
        (
            'phototherapy = "none"',
            'phototherapy = "sun"',
        ): "arms.1.phototherapy: 'sun': must be one of: none, NBUVB, EL",
        ('drug = "placebo"', 'drug = "made-up cream"'): "arms.2.kind: a value is required",
        ("ge25 = 9", "ge25 = 42\nenrolled = 40"): "arms.2.ge25: '42': exceeds the number observed (n = 41)",
        ("ge50 = 5", "ge50 = 5.5"): "arms.2.ge50: '5.5': must be a whole number",
    }
    assert not enter(data, *wrong)
    shown = capsys.readouterr().out
    assert [message for message in wrong.values() if message not in shown] == []
    # Tables with values of the wrong form are not compared: what follows from such a value is no fault of its own.
    assert not enter(data, ("ge25 = 9", "ge25 = 9\nenrolled = 40"))
    assert "arms.2.n: '41': exceeds the number enrolled (enrolled = 40)" in capsys.readouterr().out
    assert contents(data) == before


def test_two_arms_of_the_same_patients_are_not_pooled_twice(data, capsys):
    changes = [('design = "PD"', 'design = "WP"'), ('drug = "placebo"', 'drug = "pimecrolimus"'), ("n = 41", "n = 40")]
    assert not enter(data, *changes)
    assert "arms.2.poolable: 'yes': these patients are already pooled" in capsys.readouterr().out
    assert enter(data, *changes, ("ge25 = 9", 'poolable = "no"\nwhy_not = "same_patients"\nge25 = 9'))
    assert check(data) == []


def test_a_record_that_is_not_included_gets_no_study(data):
    before = contents(data)
    path = data.parent / "record.toml"
    path.write_text(
        'decision = "excluded"\nexclusion = "design"\nregimen = "monotherapy"\nlabel = "Synthetic 2024"\n'
        'reason = "Synthetic trial for a test."\ntitle = "100% & more {synthetic}"\npmid = 99999999\n',
        encoding="utf-8",
    )
    assert add_trial(data, path)
    assert check(data) == []
    after = contents(data)
    assert {name for name in after if after[name] != before[name]} == {
        *("records.csv", "decisions.csv", "candidates.csv", "references.bib")
    }
    assert (
        after["references.bib"]
        .decode()
        .endswith("@misc{synthetic2024,\n  title = {{100\\% \\& more synthetic}},\n  pmid = {99999999},\n}\n")
    )


def test_the_decisions_have_the_name_of_the_reviewer_or_say_that_none_was_recorded(data):
    reason = 'reason = "Made for a test."'
    assert not enter(data, (reason, f'{reason}\ndecision = "inclded"'))
    assert enter(data, (reason, f'{reason}\nreviewer = "Made-up Reviewer"'))
    table = read_tables(data)[0]["decisions"]
    rows = table[table.record == "other.synthetic2024"]
    assert rows[["stage", "reviewer", "decision", "note"]].to_numpy().tolist() == [
        ["title_abstract", "Made-up Reviewer", "include", ""],
        ["full_text", "Made-up Reviewer", "include", "Made for a test."],
    ]
    assert set(table.reviewer[table.record != "other.synthetic2024"]) == {"not recorded"}


def test_a_new_drug_a_result_without_counts_and_a_concern_get_their_rows(data):
    changes = [
        ('drug = "placebo"', 'drug = "made-up cream"\nkind = "other"'),
        ("n = 41\nge25 = 9\nge50 = 5\nge75 = 2", 'reported = "a mean only"'),
        ("[[arms]]", 'concern = "It is synthetic."\n\n[[arms]]'),
    ]
    before = contents(data)
    assert enter(data, *changes)
    assert check(data) == []
    after = contents(data)
    assert {name for name in after if after[name] != before[name]} == {*(f"{t}.csv" for t in TABLES), "references.bib"}
    tables, _ = read_tables(data)
    last = {name: tables[name].iloc[-1] for name in TABLES}
    assert (last["drugs"].drug, last["drugs"].kind) == ("made-up cream", "other")
    assert (last["reported_without_counts"].role, last["reported_without_counts"].reported) == (
        "comparator",
        "a mean only",
    )
    assert last["concerns"].concern == "It is synthetic."


def test_the_address_of_a_report_without_identifiers_goes_to_its_entry(data):
    assert enter(data, ('doi = "10.5555/synthetic.2024"', 'source = "https://example.org/synthetic"'))
    entry = load(data).references.entries["synthetic2024"]
    assert dict(entry.fields) == {
        "year": "2024",
        "url": "https://example.org/synthetic",
        "note": "Synthetic 2024",
    }


def test_line_ends_order_of_columns_and_a_missing_last_line_end_are_kept(data):
    responses, arms = data / "responses.csv", data / "arms.csv"
    responses.write_bytes(b"\xef\xbb\xbf" + responses.read_bytes().replace(b"\n", b"\r\n"))
    header, *lines = arms.read_text(encoding="utf-8").splitlines()
    arms.write_text("\n".join([f"{header},", *(f"{line}," for line in lines)]), encoding="utf-8")
    before = contents(data)
    assert enter(data)
    after = contents(data)
    assert check(data) == []
    assert after["responses.csv"].startswith(before["responses.csv"])
    assert after["responses.csv"].count(b"\n") == after["responses.csv"].count(b"\r\n")
    assert after["arms.csv"].startswith(before["arms.csv"] + b"\nsynthetic2024,1,tacrolimus,")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label = ", "trial.toml: the file is not TOML"),
        ('lable = "x"', "trial.toml, lable: there is no such question; allowed: label"),
        (
            '[[arms]]\nphototerapy = "none"',
            "trial.toml, arms.1.phototerapy: there is no such question; allowed: photother",
        ),
        ('drug = "tacrolimus"', "trial.toml, drug: there is no such question; allowed: "),
        ('title = ["a", "b"]', "trial.toml, title: must be a single value"),
        ('arms = "two"', "trial.toml, arms: write a line [[arms]] before the answers about each arm"),
    ],
)
def test_a_file_of_answers_that_cannot_be_read_is_told(tmp_path, text, message):
    path = tmp_path / "trial.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AnswerError, match=re.escape(message)):
        read_answers(path)


def test_the_command_needs_a_terminal_or_a_file_that_exists(data, run_here, tmp_path):
    before = contents(data)
    done = run(ROOT, "new-trial", "--data", str(data))
    assert (done.returncode, done.stdout) == (2, "")
    assert "give a file of answers with --answers" in done.stderr
    done = run_here(ROOT, "new-trial", "--data", str(data), "--answers", str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].endswith("none.toml: the file cannot be read: No such file or directory")
    assert contents(data) == before


def test_no_trial_is_added_to_data_with_faults(data, run_here, tmp_path):
    (data / "flow.csv").unlink()
    path = tmp_path / "trial.toml"
    path.write_text(ANSWERS, encoding="utf-8")
    done = run_here(ROOT, "new-trial", "--data", str(data), "--answers", str(path))
    assert done.returncode == 1
    assert "flow.csv: the file does not exist\nMend these faults first; nothing was written." in done.stderr


def test_of_several_files_all_are_replaced_or_none(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_bytes(b"old")
    paths[0].chmod(0o664)
    new = dict.fromkeys(paths, b"new")
    rename = os.replace

    def interrupted(source, target):
        if Path(target) == paths[1] and Path(source).read_bytes() == b"new":
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_all(new)
    assert contents(tmp_path) == dict.fromkeys("abc", b"old")
    monkeypatch.undo()
    replace_all(new)
    assert contents(tmp_path) == dict.fromkeys("abc", b"new")
    assert paths[0].stat().st_mode & 0o777 == 0o664


def test_every_question_is_a_column_of_the_dictionary():
    dictionary = read_tables(ROOT / "data")[0]["dictionary"]
    columns = set(zip(dictionary.table, dictionary.column, strict=True))
    assert {(q.table, q.column) for q in QUESTIONS} <= columns
    names = [question.name for question in QUESTIONS]
    assert len(names) == len(set(names))
    assert set(ALL_THRESHOLDS) <= set(names)


def test_the_chapter_names_every_table_that_a_trial_touches_and_has_an_example(data):
    cells = nbformat.read(ROOT / "book/add-a-trial.ipynb", as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    path = data.parent / "example.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", prose, flags=re.DOTALL)[1], encoding="utf-8")
    assert add_trial(data, path)
    assert "make new-trial" in prose
    assert {*(f"{name}.csv" for name in TABLES), "references.bib"} <= set(re.findall(r"\*\*`([a-z_.]+)`\*\*", prose))
