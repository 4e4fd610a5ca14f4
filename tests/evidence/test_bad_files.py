"""Bad files and values as maintainers make them: each is refused with one message that says what to do.

One table: what is done to a copy of the data folder, and what `make check` must say. No input passes in silence, prints
more than 25 lines, or shows a traceback or a number of a system error.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT, copy_book, run
from lib import __main__ as command_line
from lib.caching import os_errors
from lib.evidence import check
from small_book import build, own_library, site_of

Change = Callable[[Path], object]
MOST_LINES = 25


# --- Ways to spoil a data folder --------------------------------------------------------------------------


def cell(table: str, column: str, value: str, row: int = 5) -> Change:
    """Write one value; rows are numbered as in a spreadsheet."""

    def change(data: Path) -> None:
        path = data / f"{table}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        rows[row - 1][rows[0].index(column)] = value
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    return change


def content(name: str, change: Callable[[bytes], bytes]) -> Change:
    """Change the bytes of a file."""
    return lambda data: (data / name).write_bytes(change((data / name).read_bytes()))


def text(name: str, old: str, new: str, count: int = 1) -> Change:
    """Replace a text in a file."""

    def change(before: bytes) -> bytes:
        assert old.encode() in before, old
        return before.replace(old.encode(), new.encode(), count)

    return content(name, change)


def reference(entry: str) -> Change:
    """Add an entry to the bibliography; it begins on line 3."""
    return text("references.bib", "@article{lepe2003", f"{entry}\n\n@article{{lepe2003")


def instead(name: str, make: Callable[[Path], object]) -> Change:
    """Put something else in the place of a file."""

    def change(data: Path) -> None:
        (data / name).unlink()
        make(data / name)

    return change


def workbook() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return target.getvalue()


def header(name: str, change: Callable[[str], str]) -> Change:
    return content(name, lambda b: b"\n".join([change(b.split(b"\n", 1)[0].decode()).encode(), b.split(b"\n", 1)[1]]))


# --- The table --------------------------------------------------------------------------------------------

# Name: (change, words that the one message has, in their order). All give exit status 1.
FILES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "empty file": (content("flow.csv", lambda b: b""), ("flow.csv: the file is empty",)),
    "only commas": (content("flow.csv", lambda b: b",,,\n,,,\n"), ("flow.csv: the file is empty: it has rows",)),
    "random bytes": (content("arms.csv", lambda b: bytes(range(256)) * 9), ("arms.csv, row 1: has NUL bytes",)),
    "a separator that a spreadsheet names": (
        content("flow.csv", lambda b: b"sep=,\n" + b),
        ("flow.csv, row 1: 'sep=': is an instruction for a spreadsheet, not a header: remove",),
    ),
    "only a header": (
        content("flow.csv", lambda b: b.split(b"\n")[0] + b"\n"),
        ("flow.csv: the file has a header but no rows",),
    ),
    "UTF-16": (
        content("arms.csv", lambda b: b.decode().encode("utf-16")),
        ("arms.csv: 'UTF-16'", "save the file as CSV UTF-8"),
    ),
    "UTF-16 without its mark": (
        content("arms.csv", lambda b: b.decode().encode("utf-16-le")),
        ("arms.csv, row 1: has NUL bytes", "save it as CSV UTF-8"),
    ),
    "Latin-1": (
        content("studies.csv", lambda b: b.decode().replace("Ş", "S").encode("latin-1")),
        ("studies.csv, row ", "'Rodríguez 2004': is not UTF-8: save the file as CSV UTF-8"),
    ),
    "cut in a letter": (content("arms.csv", lambda b: b + b"\xc3"), ("arms.csv, row 116", "is not UTF-8")),
    "NUL bytes": (content("arms.csv", lambda b: b + b"\0" * 512), ("arms.csv, row 116: has NUL bytes",)),
    "a workbook": (
        content("arms.csv", lambda b: workbook()),
        ("arms.csv: is a workbook (xlsx, ods)", "save it as CSV"),
    ),
    "an old workbook": (
        content("arms.csv", lambda b: b"\xd0\xcf\x11\xe0\xa1\xb1" + bytes(600)),
        ("arms.csv: is an old workbook (xls): save it as CSV UTF-8",),
    ),
    "compressed": (content("arms.csv", lambda b: b"\x1f\x8b\x08" + bytes(9)), ("arms.csv: is a compressed file",)),
    "a PDF": (content("arms.csv", lambda b: b"%PDF-1.7\n"), ("arms.csv: is a PDF document",)),
    "a web page": (content("arms.csv", lambda b: b"<!DOCTYPE html>\n<html>"), ("arms.csv: is a web page",)),
    "a pointer of Git LFS": (
        content("arms.csv", lambda b: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        ("arms.csv: is a pointer of Git LFS",),
    ),
    "a folder": (instead("arms.csv", Path.mkdir), ("arms.csv: is a folder; a file is expected",)),
    "a named pipe": (instead("arms.csv", os.mkfifo), ("arms.csv: is a named pipe (FIFO); a file is expected",)),
    "a device": (instead("arms.csv", lambda p: p.symlink_to("/dev/zero")), ("arms.csv: is a device",)),
    "a dangling link": (
        instead("arms.csv", lambda p: p.symlink_to("gone.csv")),
        ("arms.csv: is a link to gone.csv, which does not exist",),
    ),
    "a link to itself": (
        instead("arms.csv", lambda p: p.symlink_to("arms.csv")),
        ("arms.csv: is a link that leads back to itself",),
    ),
    "no file": (lambda d: (d / "arms.csv").unlink(), ("arms.csv: the file does not exist",)),
    "no dictionary": (lambda d: (d / "dictionary.csv").unlink(), ("dictionary.csv: the file does not exist",)),
    "a file that is not described": (
        lambda d: (d / "arms (copy).csv").write_text("a\n1\n"),
        ("arms (copy).csv: is not in the data dictionary: describe the file there, or remove it",),
    ),
    "a file whose name is not UTF-8": (
        lambda d: os.close(os.open(os.fsencode(d) + b"/\xff.csv", os.O_CREAT)),
        ("\\udcff.csv: is not in the data dictionary",),
    ),
    "no folder": (shutil.rmtree, ("/data: the data folder does not exist",)),
    "a file in place of the folder": (
        lambda d: (shutil.rmtree(d), d.write_text("")),
        ("/data: is a file; the data folder is expected",),
    ),
    "an empty folder": (lambda d: (shutil.rmtree(d), d.mkdir()), ("/data: the data folder has no CSV files",)),
    # Separators, quotation marks, headers
    "semicolons": (
        content("responses.csv", lambda b: b.replace(b",", b";")),
        ("responses.csv, row 1: values are separated by semicolons: save with commas between them",),
    ),
    "vertical bars": (
        content("responses.csv", lambda b: b.replace(b",", b"|")),
        ("responses.csv, row 1: values are separated by vertical bars",),
    ),
    "tabs": (
        content("drugs.csv", lambda b: b.replace(b",", b"\t")),
        ("drugs.csv, row 1: values are separated by tabs",),
    ),
    "spaces": (
        content("drugs.csv", lambda b: b.replace(b",", b"  ")),
        ("drugs.csv, row 1: values are separated by spaces",),
    ),
    "an open quotation mark": (
        text("findings.csv", 'ebrahim2020,"', 'ebrahim2020,""'),
        ("findings.csv, row 2: the quotation marks do not balance from this row on",),
    ),
    "a quotation mark that is never closed": (
        content("flow.csv", lambda b: b + b'late,"Later, n\n'),
        ("flow.csv, row 13: the quotation marks do not balance",),
    ),
    "a value without end": (
        content("flow.csv", lambda b: b + b"late," + b"x" * 2_000_000),
        ("flow.csv, row 13", "the row has more than 1,000,000 characters"),
    ),
    "a comma without quotation marks": (
        content("concerns.csv", lambda b: b + b"shah2020,one thing, and another\n"),
        ("concerns.csv, row ", "'and another': is beyond the last of the 2 columns: put a value"),
    ),
    "a merge that was not resolved": (
        content("flow.csv", lambda b: b.replace(b"removed", b"<<<<<<< HEAD\nremoved", 1)),
        ("flow.csv, row 3: '<<<<<<< HEAD': is a mark of an unresolved merge",),
    ),
    "a column without a header": (
        header("responses.csv", lambda line: line.removesuffix("derivation")),
        ("responses.csv, row 1: column S has values, but no name in the header: name it 'derivation'",),
    ),
    "a column more than the header": (
        content("drugs.csv", lambda b: b"drug,kind" + b[9:].replace(b"\n", b",x\n")[2:]),
        ("drugs.csv, row 1: column C has values, but no name in the header: name it, or remove it",),
    ),
    "no header": (
        content("responses.csv", lambda b: b.split(b"\n", 1)[1]),
        (
            "responses.csv, row 1: 'grimes2004,tacrolimus,",
            "is not the header: the first row must have the names",
        ),
    ),
    "the file of another table": (
        lambda d: shutil.copy(d / "drugs.csv", d / "flow.csv"),
        ("flow.csv, row 1: 'drug,kind': is not the header",),
    ),
    "a misspelt header": (
        header("arms.csv", lambda line: line.replace("frequency", "freqency", 1)),
        ("arms.csv, row 1: 'freqency': is a misspelt header: write 'frequency'",),
    ),
    "a column twice": (
        header("arms.csv", lambda line: line.replace("completed", "enrolled")),
        ("arms.csv, row 1: 'enrolled': is the name of more than one column: name one of them 'completed'",),
    ),
    "a header of a hundred thousand characters": (
        header("arms.csv", lambda line: line + "," + "x" * 100_000),
        ("arms.csv, row 1: 'xxx", "…': is not a column of this table"),
    ),
    # The tables that define the others
    "a code twice": (
        text("codes.csv", "design,WP,", "design,SA,"),
        ("codes.csv, row ", "column list + code: 'design, SA': is already in row "),
    ),
    "a column described twice": (
        content("dictionary.csv", lambda b: b + b"arms,arm,text,yes,,,,,,Again\n"),
        ("dictionary.csv, row ", "column table + column: 'arms, arm': is already in row "),
    ),
    "an unknown code list": (
        text("dictionary.csv", "studies,design,code,yes,,design", "studies,design,code,yes,,desing"),
        ("dictionary.csv, row ", "column allowed: 'desing': is unknown"),
    ),
}

VALUES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "a bell from a PDF": (
        cell("arms", "note", "seen\x07 once"),
        ("arms.csv, row 5, column note: 'seen\\x07 once': contains U+0007 (a control character)", "remove it"),
    ),
    "an escape": (cell("arms", "note", "\x1b[31mred"), ("column note:", "contains U+001B (a control character)")),
    "a zero-width space in a text": (
        cell("studies", "country", "Mexi\u200bco"),
        ("studies.csv, row 5, column country:", "contains U+200B ZERO WIDTH SPACE, which readers cannot see"),
    ),
    "a soft hyphen": (cell("studies", "country", "Mexi\u00adco"), ("contains U+00AD SOFT HYPHEN",)),
    "text that runs backwards": (cell("studies", "country", "\u202eocixeM"), ("U+202E RIGHT-TO-LEFT OVERRIDE",)),
    "a non-breaking space": (
        cell("studies", "country", "United\u00a0States"),
        ("contains U+00A0 NO-BREAK SPACE: write an ordinary space",),
    ),
    "a tab in a text": (cell("studies", "country", "United\tStates"), ("contains U+0009 (a tab)",)),
    "a lost character": (
        cell("studies", "country", "M\ufffdxico"),
        ("U+FFFD REPLACEMENT CHARACTER: a character was lost",),
    ),
    "a private character": (cell("studies", "country", "Mexico \ue000"), ("U+E000 (a character for private use)",)),
    "UTF-8 read as Windows-1252": (
        cell("studies", "country", "MÃ©xico"),
        ("'MÃ©xico': was read in the wrong encoding: write 'México', and save the file as UTF-8",),
    ),
    "a formula": (
        cell("arms", "note", '=HYPERLINK("http://x")'),
        ("column note:", "begins with '=', which a spreadsheet takes for a formula"),
    ),
    "a formula with @": (cell("arms", "note", "@SUM(A1)"), ("begins with '@', which a spreadsheet takes",)),
    "a formula with +": (cell("arms", "note", "+1+2"), ("begins with '+', which a spreadsheet takes",)),
    "a formula with -": (cell("arms", "note", "-1+2"), ("begins with '-', which a spreadsheet takes",)),
    "an error of a spreadsheet": (cell("arms", "note", "#REF!"), ("'#REF!': is the error value of a spreadsheet",)),
    "a column that is too narrow": (cell("arms", "note", "########"), ("or a number in too narrow a column",)),
    "a percentage with a zero": (
        cell("arms", "concentration", "0.10%", 2),
        ("arms.csv, row 2, column concentration: '0.10%': must be a concentration", "write '0.1%'"),
    ),
    "a percentage as a number": (
        cell("arms", "concentration", "0.001", 2),
        ("'0.001': must be a concentration", "a spreadsheet may have rewritten it: write '0.1%'"),
    ),
    "a percentage with a comma": (cell("arms", "concentration", "0,1%", 2), ("'0,1%'", "write '0.1%'")),
    "a percentage with a space": (cell("arms", "concentration", "0.1 %", 2), ("'0.1 %'", "write '0.1%'")),
    "a percentage without its first zero": (cell("arms", "concentration", ".1%", 2), ("'.1%'", "write '0.1%'")),
    "a month made the first of it": (
        cell("records", "published", "2024-02-01"),
        ("records.csv, row 5, column published: '2024-02-01'", "not the first of a month", "write '2024-02'"),
    ),
    "a month in words": (cell("records", "published", "Feb-24"), ("'Feb-24'", "write '2024-02'")),
    "a month and a year": (cell("records", "published", "February 2024"), ("write '2024-02'",)),
    "a month with a slash": (cell("records", "published", "2024/02"), ("'2024/02'", "write '2024-02'")),
    "the number of a day": (cell("records", "published", "45323"), ("'45323'", "write '2024-02'")),
    "a date of Europe": (
        cell("records", "entered", "22/11/2026"),
        ("column entered: '22/11/2026'", "write '2026-11-22'"),
    ),
    "a date with dots": (cell("records", "entered", "22.11.2026"), ("write '2026-11-22'",)),
    "a date of two meanings": (
        cell("records", "entered", "03/02/2026"),
        ("'03/02/2026'", "write '2026-02-03' or '2026-03-02'"),
    ),
    "a date with its time": (cell("records", "entered", "2026-11-22 00:00:00"), ("write '2026-11-22'",)),
    "a decimal comma": (
        cell("responses", "months", "1,5"),
        ("responses.csv, row 5, column months: '1,5': must be a number with a decimal point", "write '1.5'"),
    ),
    "an exponent": (
        cell("responses", "n", "1E+05"),
        ("column n: '1E+05'", "a spreadsheet may have shortened it: enter it again from its source"),
    ),
    "a whole number with decimals": (cell("responses", "n", "19.0"), ("'19.0'", "write '19'")),
    "a whole number with a zero before it": (cell("responses", "n", "019"), ("'019'", "write '19'")),
    "a number in thousands": (cell("flow", "n", "1,250", 2), ("'1,250'", "write '1250'")),
    "a minus sign of typesetters": (cell("responses", "months", "−3"), ("'−3'", "write '-3'")),
    "a percentage with its sign": (
        cell("published_rates", "estimate", "18.1%", 2),
        ("published_rates.csv, row 2, column estimate: '18.1%'", "write '18.1'"),
    ),
    "TRUE": (
        cell("studies", "randomised", "TRUE"),
        ("studies.csv, row 5, column randomised: 'TRUE': must be one of: yes, no", "write 'yes'"),
    ),
    "a code in capitals": (cell("studies", "edition", "Original"), ("'Original'", "did you mean 'original'?")),
    "a code misspelt": (cell("arms", "role", "montherapy"), ("'montherapy'", "did you mean 'monotherapy'?")),
    "a code in quotation marks": (cell("studies", "design", "“SA”"), ("'“SA”': must be one of", "write 'SA'")),
    "a code with a zero-width space": (
        cell("studies", "design", "SA\u200b"),
        ("column design: 'SA\\u200b': contains U+200B ZERO WIDTH SPACE", "write 'SA'"),
    ),
    "a key with a non-breaking space": (
        cell("studies", "study", "lepe\u00a02003", 3),
        ("studies.csv, row 3, column study:", "contains U+00A0 NO-BREAK SPACE"),
    ),
    "a range of references that became a date": (
        cell("published_rates", "refs", "8-Jul", 2),
        ("column refs: '8-Jul': must be reference numbers", "write '7-8'"),
    ),
    "a PMID with decimals": (
        cell("records", "pmid", "31267534.0"),
        ("column pmid: '31267534.0'", "write '31267534'"),
    ),
    "a PMID that lost digits": (cell("records", "pmid", "3.13E+07"), ("'3.13E+07'", "with all its digits")),
    "a PMID as an address": (
        cell("records", "pmid", "https://pubmed.ncbi.nlm.nih.gov/31267534/"),
        ("did you mean '31267534'?",),
    ),
    "a year of two digits": (cell("studies", "year", "04"), ("column year: '04': must be a year from 1900",)),
    "a value that is required": (cell("arms", "source", ""), ("arms.csv, row 5, column source: a value is required",)),
    "a month that does not exist": (cell("records", "published", "2024-13"), ("'2024-13': must be a day",)),
    "a micro sign for a Greek letter": (
        cell("arms", "concentration", "50 µg/g", 2),
        ("'50 µg/g': must be a concentration", "did you mean '50 μg/g'?"),
    ),
    "a DOI as an address": (
        cell("records", "doi", "https://doi.org/10.1155/2021/5652140"),
        ("column doi:", "did you mean '10.1155/2021/5652140'?"),
    ),
    "a source as an address": (
        cell("arms", "source", "https://doi.org/10.1155/2021/5652140"),
        ("column source:", "did you mean 'doi:10.1155/2021/5652140'?"),
    ),
    "a value of ten thousand characters": (
        cell("responses", "n", "9" * 10_000),
        ("responses.csv, row 5, column n: '99999", "9…': must be a whole number"),
    ),
}

REFERENCES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "an unknown type": (
        text("references.bib", "@article{grimes2004", "@artcle{grimes2004"),
        ("references.bib, line 16, entry grimes2004: '@artcle': is not a type of entry: write @article",),
    ),
    "a field missing": (
        text("references.bib", "  journal = {Arch Dermatol},\n", ""),
        ("references.bib, line 3, entry lepe2003: @article needs the field journal", "make the entry a @misc"),
    ),
    "an entry that says nothing": (
        reference("@misc{synthetic, year = {2020}}"),
        ("line 3, entry synthetic: @misc needs the field author or title or howpublished or note",),
    ),
    "a field misspelt": (
        text("references.bib", "journal = {Arch Dermatol}", "jornal = {Arch Dermatol}"),
        ("references.bib, line 6, entry lepe2003, jornal: there is no such field: write journal",),
    ),
    "a field twice": (
        text("references.bib", "  year = {2003},\n", "  year = {2003},\n  year = {2004},\n"),
        ("references.bib, line 3, entry lepe2003, year: the entry has this field more than once",),
    ),
    "a key twice": (
        text("references.bib", "@article{grimes2004", "@article{lepe2003"),
        ("references.bib, line 16: 'lepe2003': is the key of the entry on line 3 too",),
    ),
    "a brace missing": (
        text("references.bib", "journal = {Arch Dermatol}", "journal = {Arch Dermatol"),
        ("references.bib, line 3, entry lepe2003: the entry is not well-formed BibTeX", "check that braces balance"),
    ),
    "a brace too many": (
        text("references.bib", "journal = {Arch Dermatol}", "journal = {Arch Dermatol}}"),
        ("references.bib, line 6: 'journal = {Arch Dermatol}},': is outside of any entry", "a brace too many"),
    ),
    "a comma missing": (
        text("references.bib", "journal = {Arch Dermatol},", "journal = {Arch Dermatol}"),
        ("references.bib, line 3, entry lepe2003: the entry is not well-formed BibTeX", "shows on line 7"),
    ),
    "an entry without @": (
        text("references.bib", "@article{grimes2004", "article{grimes2004"),
        ("references.bib, line 16: 'article{grimes2004,': is outside of any entry",),
    ),
    "an entry without a key": (
        reference("@misc{title = {Synthetic trial for a test}}"),
        ("references.bib, line 3", "the entry is not well-formed BibTeX"),
    ),
    "references in Latin-1": (
        content("references.bib", lambda b: b.replace("é".encode(), b"\xe9", 1)),
        ("references.bib, line ", "is not UTF-8: save the file as BibTeX in UTF-8"),
    ),
    "an unresolved merge in the references": (
        text("references.bib", "@article{grimes2004", "<<<<<<< HEAD\n@article{grimes2004"),
        ("references.bib, line 16: '<<<<<<< HEAD': is a mark of an unresolved merge",),
    ),
    "a DOI of a wrong form in a reference": (
        text("references.bib", "doi = {10.1001/archderm.139.5.581}", "doi = {doi:10.1001/archderm.139.5.581}"),
        ("references.bib, line 11, entry lepe2003, doi:", "did you mean '10.1001/archderm.139.5.581'?"),
    ),
    "a PMID of a wrong form in a reference": (
        text("references.bib", "pmid = {12756094}", "pmid = {PMC12756094}"),
        ("references.bib, line 12, entry lepe2003, pmid: 'PMC12756094': must be a PubMed number",),
    ),
    "a year in words": (
        text("references.bib", "year = {2003}", "year = {in press}"),
        ("line 7, entry lepe2003, year: 'in press': must be a year",),
    ),
    "a control character in a reference": (
        text("references.bib", "Arch Dermatol", "Arch\x07 Dermatol"),
        ("entry lepe2003, journal: 'Arch\\x07 Dermatol': contains U+0007 (a control character)",),
    ),
    "a bare percent sign": (
        text("references.bib", "of 0.1\\%", "of 0.1%"),
        ("line 5, entry lepe2003, title:", "has a bare %, which begins a comment in LaTeX"),
    ),
    "an unknown command of LaTeX": (
        text("references.bib", "{Arch Dermatol}", "{Arch \\sometimes Dermatol}"),
        ("entry lepe2003, journal:", "has the command \\sometimes, which the book does not know"),
    ),
    "authors separated by commas": (
        text("references.bib", "author = {{Lepe} and others}", "author = {Lepe, V, Moncada, B}"),
        ("line 4, entry lepe2003, author:", "more than two commas: put ' and ' between names"),
    ),
    "an undefined abbreviation": (
        text("references.bib", "journal = {Arch Dermatol}", "journal = archderm"),
        ("line 3, entry lepe2003: the entry is not well-formed BibTeX (undefined string", "archderm"),
    ),
    "a table in place of the references": (
        lambda d: shutil.copy(d / "arms.csv", d / "references.bib"),
        ("references.bib, line 1: 'study,part,arm,", "is outside of any entry"),
    ),
    "a thousand open braces": (
        content("references.bib", lambda b: b"@misc{a, title = {" + b"{" * 1000),
        ("references.bib, line 1", "the entry is not well-formed BibTeX"),
    ),
    "no references": (lambda d: (d / "references.bib").unlink(), ("references.bib: the file does not exist",)),
    "references without an entry": (
        content("references.bib", lambda b: b"% nothing yet\n"),
        ("references.bib: the file has no entries",),
    ),
}
BAD = {**FILES, **VALUES, **REFERENCES}


def checked(capsys, data: Path, *options: str) -> tuple[int, str]:
    """Check a data folder as ``make check`` does, in this process."""
    status = command_line.main(["check", "--root", str(data.parent), "--data", data.name, *options])
    printed = capsys.readouterr()
    return status, printed.out + printed.err


def is_readable(message: str) -> bool:
    return len(message.splitlines()) <= MOST_LINES and "Traceback" not in message and "[Errno" not in message


def test_the_table_is_long_enough():
    assert len(BAD) == len(FILES) + len(VALUES) + len(REFERENCES) >= 120


@pytest.mark.parametrize(("change", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_has_one_message_that_says_what_to_do(data, capsys, change, words):
    change(data)
    status, message = checked(capsys, data)
    assert status == 1
    assert is_readable(message), message
    *faults, last = message.splitlines()
    assert last == f"{len(faults)} fault{'s' * (len(faults) != 1)}; nothing was built."
    at = 0
    for word in words:
        assert word in faults[0][at:], (word, faults)
        at = faults[0].index(word, at) + len(word)
    # A key that is wrong in one table is unknown to others, which are named too.
    assert len(faults) == 1 or "key" in os.environ["PYTEST_CURRENT_TEST"], faults


# --- Many faults ------------------------------------------------------------------------------------------


def test_equal_faults_are_one_and_name_their_rows(data):
    text("codes.csv", "design,WP,within patient\n", "")(data)
    (fault,) = check(data)
    assert str(fault).startswith("studies.csv, row 3, column design: 'WP': must be one of: SA, PD (also in rows ")
    assert str(fault).endswith("more)")


def test_of_many_faults_the_first_twenty_are_listed_and_the_others_counted(data, capsys):
    def number(before: bytes) -> bytes:
        rows = list(csv.reader(before.decode().splitlines()))
        for i, row in enumerate(rows[1:]):
            row[rows[0].index("months")] = f"{i} months"
            row[rows[0].index("n")] = f"about {i}"
        return "\n".join(",".join(f'"{value}"' for value in row) for row in rows).encode()

    content("responses.csv", number)(data)
    rows = len((data / "responses.csv").read_text(encoding="utf-8").splitlines()) - 1
    faults = check(data)
    for column in ("months", "n"):
        of_column = [fault for fault in faults if fault.column == column]
        assert len(of_column) == 20
        assert of_column[-1].rule.endswith(f"(and {rows - 20} more faults of this kind)")
    status, message = checked(capsys, data)
    assert status == 1 and is_readable(message)
    assert f"and {len(faults) - 20} more, in responses.csv" in message
    assert len(checked(capsys, data, "--all")[1].splitlines()) == len(faults) + 1


# --- Accepted ---------------------------------------------------------------------------------------------


def test_letters_of_two_characters_are_read_as_one(data):
    text("studies.csv", "Rodríguez", "Rodri\u0301guez")(data)
    assert check(data) == []


def test_scripts_that_need_joiners_and_texts_in_other_scripts_are_accepted(data):
    cell("records", "title", "می\u200cخواهم 白癜风 «λόγος»")(data)
    assert check(data) == []


# --- Files that this user may not read, disks that are full -----------------------------------------------


def test_a_file_without_permission_is_named(data, capsys, monkeypatch):
    # The superuser may read everything, so the answer of the system is replaced.
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "arms.csv" and may(path, mode))
    status, message = checked(capsys, data)
    assert (status, message.splitlines()[1:]) == (1, ["1 fault; nothing was built."])
    assert "arms.csv: this user may not read the file: change its permissions (chmod u+r)" in message


def test_a_file_that_fails_while_it_is_read_is_named(data, capsys, monkeypatch):
    opened = Path.open

    def fail(self, *arguments, **options):
        if self.name == "arms.csv":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", fail)
    status, message = checked(capsys, data)
    assert status == 1 and is_readable(message)
    assert "arms.csv: cannot be read: " in message and "the disk reports a failure: check the disk" in message


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full: free some space"),
        (errno.EROFS, "the file system is read-only: work in a copy"),
        (errno.EACCES, "this user lacks the permission: change the permissions"),
        (errno.EDQUOT, "the disk quota of this user is used up"),
        (errno.ETXTBSY, os.strerror(errno.ETXTBSY)),
    ],
)
def test_an_error_of_the_system_is_a_sentence_in_a_build(tmp_path, capsys, monkeypatch, number, words):
    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number), str(tmp_path / "_build"))

    monkeypatch.setattr("lib.engine.build.build", fail)
    assert command_line.main(["build", "--root", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert message == f"{tmp_path / '_build'}: {words}{message.partition(words)[2]}"
    assert is_readable(message)


def test_a_sentence_without_a_path_is_the_cause_alone():
    assert os_errors.describe(OSError(errno.ENOSPC, "")).startswith("the disk is full")
    assert os_errors.describe(OSError("a message of a library")) == "a message of a library"


# --- The whole program ------------------------------------------------------------------------------------


# All of them are refused above in this process; these are a file and a value.
@pytest.mark.parametrize("name", ["a named pipe", "a bell from a PDF"])
def test_the_command_refuses_what_the_function_refuses(tmp_path, name):
    shutil.copytree(ROOT / "data", tmp_path / "data")
    change, words = BAD[name]
    change(tmp_path / "data")
    done = run(tmp_path, "check")
    assert (done.returncode, done.stdout) == (1, "")
    assert is_readable(done.stderr)
    assert all(word in done.stderr for word in words)


@pytest.mark.parametrize("command", ["build", "watch"])
def test_a_data_folder_that_does_not_exist_is_named_as_the_user_named_it(tmp_path, command):
    copy_book(tmp_path, ["book/rerun"])
    done = run(tmp_path, command, "--data", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path}/nowhere: the data folder does not exist\n1 fault; nothing was built.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_terminal_that_cannot_be_written_to_is_named():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "lib", "check"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (1, "the disk is full: free some space and start again\n")


@pytest.mark.book
def test_a_build_with_a_bad_file_leaves_every_byte_of_the_site(project, run_here):
    before = site_of(project)
    kept = shutil.copytree(project / "data", project / "kept")

    def leaves_the_site(name: str, build: Callable[[], subprocess.CompletedProcess]) -> None:
        change, words = BAD[name]
        change(project / "data")
        done = build()
        assert done.returncode == 1
        assert is_readable(done.stderr)
        assert all(word in done.stderr for word in words), (name, done.stderr)
        assert "/_build/" not in done.stderr
        assert site_of(project) == before
        shutil.rmtree(project / "data")
        shutil.copytree(kept, project / "data")

    # As a user builds; the others are built in this process, as after a save in `make watch`.
    leaves_the_site("a named pipe", lambda: build(project))
    with own_library(project):
        for name in ("a workbook", "a code twice", "a bell from a PDF", "an unknown type", "an empty folder"):
            leaves_the_site(name, lambda: run_here(project, "build"))
