"""Files of every form that a spreadsheet leaves: those that are read, and those that are refused with the reason."""

import csv

import pandas as pd
import pytest

from conftest import ROOT
from lib.evidence import csv_files
from lib.evidence.csv_files import DataError, Fault, read_table
from lib.evidence.references import read_references


@pytest.fixture
def table(tmp_path):
    """Write a changed copy of a table of the data folder, and give what is read from it."""

    def read(name: str, change=lambda content: content) -> tuple[pd.DataFrame, list[str]]:
        content = (ROOT / f"data/{name}.csv").read_bytes()
        path = tmp_path / f"{name}.csv"
        path.write_bytes(change(content))
        frame, faults = read_table(path, next(csv.reader([content.decode().split("\n")[0]])))
        return frame, [str(fault) for fault in faults]

    return read


def rows_changed(change):
    """Make a change of rows a change of bytes."""

    def of_bytes(content: bytes) -> bytes:
        rows = list(csv.reader(content.decode().splitlines()))
        change(rows)
        return "\n".join(",".join('"' + value.replace('"', '""') + '"' for value in row) for row in rows).encode()

    return of_bytes


def header_changed(change):
    def spoil(rows):
        width, rows[0] = len(rows[0]), change(rows[0])
        for row in rows[1:]:
            del row[len(rows[0]) :]
            row += ["x"] * (len(rows[0]) - min(width, len(row)))

    return rows_changed(spoil)


REFUSED = {
    "missing column": (header_changed(lambda h: h[:-1]), "row 1, column derivation: the column is missing"),
    "extra column": (header_changed(lambda h: [*h, "p"]), "row 1: 'p': is not a column of this table"),
    "misspelt header": (
        header_changed(lambda h: ["evnets" if c == "events" else c for c in h]),
        "row 1: 'evnets': is a misspelt header: write 'events'",
    ),
    "column twice": (
        header_changed(lambda h: [*h[:-1], "events"]),
        "row 1: 'events': is the name of more than one column",
    ),
    "values under no header": (
        header_changed(lambda h: [*h[:-1], ""]),
        "row 1: column S has values, but no name in the header: name it 'derivation'",
    ),
    "gap in the header": (
        header_changed(lambda h: [*h[:-2], "", h[-1]]),
        "row 1: column R has values, but no name in the header: name it 'source_kind'",
    ),
    "Latin-1": (lambda b: b + "é".encode("latin-1"), "is not UTF-8: save the file as CSV UTF-8"),
    "UTF-16": (lambda b: b.decode().encode("utf-16"), "'UTF-16': is not allowed: save the file as CSV UTF-8"),
    "semicolons": (lambda b: b.replace(b",", b";"), "row 1: values are separated by semicolons: save with commas"),
    "tabs": (lambda b: b.replace(b",", b"\t"), "row 1: values are separated by tabs: save with commas between them"),
    "byte-order mark only": (lambda b: b"\xef\xbb\xbf", "the file is empty"),
    "empty": (lambda b: b"", "the file is empty"),
    "white space only": (lambda b: b"\n \n", "the file is empty"),
    "header only": (lambda b: b.split(b"\n")[0] + b"\n", "the file has a header but no rows"),
    "open quote": (lambda b: b + b'"', "the quotation marks do not balance from this row on"),
}


def test_a_file_that_is_too_large_to_be_cached_is_read_alike(table, monkeypatch):
    cached, _ = table("responses")
    monkeypatch.setattr(csv_files, "_LARGEST_CACHED", 0)
    before = csv_files._read_text.cache_info()
    frame, faults = table("responses")
    assert csv_files._read_text.cache_info() == before
    assert faults == []
    pd.testing.assert_frame_equal(frame, cached)


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_of_wrong_form_is_refused_with_the_reason(table, change, message):
    frame, (fault,) = table("responses", change)
    assert frame.empty
    assert fault.startswith("responses.csv") and message in fault


def test_a_value_that_is_not_utf8_is_shown_with_its_row(table):
    text = (ROOT / "data/studies.csv").read_text(encoding="utf-8")
    row = next(i for i, line in enumerate(text.splitlines(), start=1) if "Rodríguez" in line)
    _, faults = table("studies", lambda b: b.decode().replace("ş", "s").replace("Ş", "S").encode("latin-1"))
    assert faults == [f"studies.csv, row {row}: 'Rodríguez 2004': is not UTF-8: save the file as CSV UTF-8"]


def test_a_comma_without_quotes_is_named_with_its_row(table):
    rows = len((ROOT / "data/concerns.csv").read_text(encoding="utf-8").splitlines())
    _, (fault,) = table("concerns", lambda content: content + b"shah2020,one thing, and another\n")
    assert fault.startswith(f"concerns.csv, row {rows + 1}: 'and another': is beyond the last of the 2 columns")


ACCEPTED = {
    "byte-order mark": lambda b: b"\xef\xbb\xbf" + b,
    "CRLF": lambda b: b.replace(b"\n", b"\r\n"),
    "leading blank line": lambda b: b"\n" + b,
    "trailing blank lines": lambda b: b + b"\n\n\n",
    "trailing rows of commas": lambda b: b + b"," * b.split(b"\n")[0].count(b",") + b"\n",
    "empty trailing column": lambda b: b.replace(b"\n", b",\n"),
    "stray spaces": rows_changed(
        lambda rows: rows.__setitem__(slice(None), [[f" {value}\N{NO-BREAK SPACE}" for value in row] for row in rows])
    ),
    "columns in another order": rows_changed(lambda rows: [row.reverse() for row in rows]),
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED.keys())
@pytest.mark.parametrize("name", ["flow", "searches", "arms"])
def test_what_a_spreadsheet_leaves_changes_nothing(table, name, change):
    frame, faults = table(name, change)
    expected, _ = table(name)
    assert faults == []
    pd.testing.assert_frame_equal(frame.reset_index(drop=True), expected.reset_index(drop=True))


def test_rows_are_numbered_as_a_spreadsheet_numbers_them(table):
    def spoil(rows):
        rows.insert(3, [""] * len(rows[0]))
        rows[4][1] = "two\nlines"
        rows[6][2] = "many"

    frame, _ = table("flow", rows_changed(spoil))
    assert list(frame.index[:5]) == [2, 3, 5, 6, 7]
    assert frame.n[7] == "many"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for read in (lambda path: read_table(path, ["a"]), read_references):
        *_, (fault,) = read(tmp_path / "gone.csv")
        assert str(fault) == "gone.csv: the file does not exist"
        *_, (fault,) = read(tmp_path)
        assert "is a folder; a file is expected" in str(fault)


def test_an_error_has_all_faults_in_its_message():
    faults = [Fault("a.csv", 3, "n", "x", "must be a whole number"), Fault("b.csv", None, "", "", "the file is empty")]
    assert DataError(faults).faults == faults
    assert str(DataError(faults)) == "a.csv, row 3, column n: 'x': must be a whole number\nb.csv: the file is empty"
