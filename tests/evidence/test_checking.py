"""Whole data folders: that every file and rule is applied, and what the command line reports."""

import re

import pytest

from conftest import ROOT, run
from lib.evidence import DataError, check, check_with_warnings, load, unstated, warnings_in_words
from lib.evidence.checking import read_tables
from lib.report.notices import notices


def replace(path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_data_have_no_faults():
    assert check(ROOT / "data") == []


def test_faults_of_all_kinds_come_in_one_run_in_the_order_of_the_dictionary(data):
    replace(data / "arms.csv", ",20,20,", ",20,21,")
    replace(data / "studies.csv", "lepe2003,1,original", "lepe2003,1,orignal")
    replace(data / "references.bib", "@", "@misc{new2025, title = {New}, doi = {wrong}}\n\n@")
    (data / "searches.csv").unlink()
    (data / "copy of arms.csv").write_text("a\n1\n")
    path = data / "findings.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    faults = [str(fault) for fault in check(data)]
    expected = [
        ("studies.csv, row ", "column edition: 'orignal': must be one of: original, update"),
        ("arms.csv, row 3, column completed: '21'", "exceeds the number enrolled (enrolled = 20)"),
        ("searches.csv", "the file does not exist"),
        ("findings.csv: 'UTF-16'", "save the file as CSV UTF-8"),
        ("copy of arms.csv", "is not in the data dictionary: describe the file there, or remove it"),
        ("references.bib, line 3, entry new2025, doi: 'wrong'", "must be a DOI such as"),
    ]
    places = [
        next((i for i, fault in enumerate(faults) if fault.startswith(start) and end in fault), start)
        for start, end in expected
    ]
    assert sorted(places[:4]) == places[:4]
    assert set(places[4:]) == {max(places[:4]) + 1, max(places[:4]) + 2}


@pytest.mark.parametrize("name", ["dictionary", "codes"])
def test_without_the_dictionary_or_the_codes_nothing_else_is_checked(data, name):
    (data / f"{name}.csv").unlink()
    (data / "flow.csv").unlink()
    assert [str(fault) for fault in check(data)] == [f"{name}.csv: the file does not exist"]


def test_a_fault_of_the_dictionary_stops_the_check(data):
    replace(data / "dictionary.csv", "studies,part,count", "studies,part,cuont")
    (data / "flow.csv").unlink()
    with pytest.raises(DataError, match="column type: 'cuont': must be one of: key, text") as error:
        read_tables(data)
    assert len(error.value.faults) == 1


def test_a_value_of_the_codes_is_checked(data):
    lines = (data / "codes.csv").read_text(encoding="utf-8").splitlines()
    row = next(i for i, line in enumerate(lines, start=1) if line.startswith("why_not,any_alone,"))
    replace(data / "codes.csv", "why_not,any_alone,", "why_not,,")
    assert [str(fault) for fault in check(data)] == [f"codes.csv, row {row}, column code: a value is required"]


def test_a_hidden_folder_of_raw_answers_is_no_part_of_the_data(data):
    (data / ".raw").mkdir()
    (data / ".raw" / ("0" * 64)).write_bytes(b"\xff not a table")
    (data / ".raw" / "answer.csv").write_text("no,table", encoding="utf-8")
    assert check(data) == []


def test_a_data_folder_that_does_not_exist_is_named(tmp_path):
    assert [str(fault) for fault in check(tmp_path / "gone")] == [f"{tmp_path}/gone: the data folder does not exist"]


def test_all_faults_come_in_one_run_and_nothing_is_built(small_book, run_here):
    replace(small_book / "data" / "arms.csv", ",23,19,", ",19,23,")
    (small_book / "data" / "flow.csv").unlink()
    checked, built = run_here(small_book, "check"), run(small_book, "build")
    for done in (checked, built):
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "exceeds the number enrolled" in done.stderr
        assert "flow.csv: the file does not exist" in done.stderr
        assert "nothing was built" in done.stderr
    assert not (small_book / "_build/html").exists()


def test_warnings_are_listed_and_stop_nothing(data, run_here):
    replace(data / "records.csv", "2020-04,,,,,,32030880,,,2026-11-22", "2020-04,,,,,,32030880,,,2020-03-31")
    warning = (
        "records.csv, row 4, column entered: '2020-03-31': is before the date of publication (2020-04): check both"
    )
    faults, warnings = check_with_warnings(data)
    assert (faults, list(map(str, warnings))) == ([], [warning])
    done = run(data.parent, "check")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [f"warning: {warning}"]
    assert done.stdout.splitlines()[0].endswith("data: no faults, 1 warning.")
    ev = load(data)
    assert warnings_in_words(ev) == "1 warning about the data: `make check` lists it."
    assert notices(ev)[0] == warnings_in_words(ev)
    (data / "flow.csv").unlink()
    done = run_here(data.parent, "check")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"warning: {warning}"
    assert "flow.csv: the file does not exist" in done.stderr


def test_an_edition_has_the_warnings_that_the_check_lists_with_their_lines(data):
    path = data / "references.bib"
    first, second = re.findall(r"title = (.*),\n", path.read_text(encoding="utf-8"))[:2]
    replace(path, second, first)
    _, warnings = check_with_warnings(data)
    assert [str(warning).partition(",")[0] for warning in warnings] == ["references.bib"]
    assert warnings[0].row == 16
    assert load(data).warnings == tuple(warnings)


def test_data_without_warnings_have_no_notice(ev):
    assert warnings_in_words(ev) == ""
    assert notices(ev) == []


def test_check_says_that_all_is_well():
    done = run(ROOT, "check")
    assert (done.returncode, done.stderr) == (0, "")
    first, *others = done.stdout.splitlines()
    assert first == f"{ROOT / 'data'}: no faults."
    missing = ", ".join(unstated(ROOT / "data"))
    # What only the owner of the review can state is no fault; it is listed until it is stated.
    assert others == [
        f"Not stated yet in settings.csv, and so marked on the page About this review: {missing}."
    ] * bool(missing)
