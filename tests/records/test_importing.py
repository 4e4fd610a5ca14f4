"""Importing files: every entry is a row of records or of refused, the check accepts them, and twice is once."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import csv_lines, entry, nbib, ris
from small_data import small_data

from conftest import run
from lib.__main__ import main
from lib.evidence import check
from lib.evidence.characters import fault_of
from lib.records.fitting import fit_record
from lib.records.importing import CannotImport, Origin, import_files, raw_records, search_changes
from lib.records.record import FACTS, Parsed, Record, Refused
from lib.records.saving import Change, save
from searched import rows as all_rows

ORIGIN = Origin("Made-up Database", "2026-01-02", "A. Reviewer")


def write(folder: Path, name: str, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def rows(data: Path, table: str, search: str) -> list[dict[str, str]]:
    return [row for row in all_rows(data, table) if row["search"] == search]


def duplicates(data: Path) -> list[dict[str, str]]:
    return all_rows(data, "duplicates")


@pytest.fixture
def data(tmp_path) -> Path:
    """A small data folder; what is imported is checked by all rules about records."""
    return small_data(tmp_path / "data")


def test_a_file_becomes_rows_and_its_raw_content_is_kept(data, tmp_path):
    lines = [*ris(entry(1)), "", *ris(entry(2))[1:], "", *ris(entry(3))]
    path = write(tmp_path, "export.txt", *lines)
    (imported,) = import_files(data, [path], ORIGIN)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert imported.is_new and imported.search == "made-up-database-2026-01-02"
    (search,) = rows(data, "searches", imported.search)
    expected = {"entries": "3", "sha256": sha256, "file": "export.txt", "searched_by": "A. Reviewer", "found": ""}
    assert {name: search[name] for name in expected} == expected
    records = rows(data, "records", imported.search)
    assert [row["record"] for row in records] == [f"{imported.search}.1", f"{imported.search}.3"]
    assert [{name: row[name] for name in entry(1).facts} for row in records] == [entry(1).facts, entry(3).facts]
    (refused,) = rows(data, "refused", imported.search)
    assert (refused["position"], refused["line"]) == ("2", str(len(ris(entry(1))) + 2))
    assert "TY line" in refused["reason"]
    assert (data / ".raw" / sha256).read_bytes() == path.read_bytes()
    raw = raw_records(data, sha256)
    assert raw and raw.records[0].abstract == entry(1).abstract
    assert raw_records(data, "0" * 64) is None and raw_records(data, "../records.csv") is None
    assert check(data) == []
    assert "3 entries = 2 imported + 1 refused" in str(imported) and f"line {refused['line']}, entry 2" in str(imported)


def test_the_same_file_twice_changes_nothing(data, tmp_path):
    path = write(tmp_path, "a.nbib", *nbib(entry(1)))
    other = write(tmp_path, "another name.ris", *nbib(entry(1)))
    first = import_files(data, [path, other], ORIGIN)
    assert [each.is_new for each in first] == [True, False]
    before = contents(data)
    again = import_files(data, [other], Origin("Another"))
    assert not again[0].is_new and again[0].search == first[0].search
    assert contents(data) == before and "Nothing was changed" in str(again[0])


@pytest.mark.parametrize("written", [("searches",), ("searches", "records"), ("searches", "refused")])
def test_an_import_that_was_killed_is_completed(data, tmp_path, written):
    path = write(tmp_path, "a.ris", *ris(entry(1)), *ris(entry(2))[1:], *ris(entry(3)))
    before = contents(data)
    import_files(data, [path], ORIGIN)
    after = contents(data)
    for name in ("searches", "records", "refused"):
        if name not in written:
            (data / f"{name}.csv").write_bytes(before[f"{name}.csv"])
    assert check(data)
    (again,) = import_files(data, [path], ORIGIN)
    assert again.is_new and contents(data) == after


def test_several_files_are_several_searches_or_none(data, tmp_path):
    good = write(tmp_path, "a.ris", *ris(entry(1)))
    table = write(tmp_path, "b.csv", *(line for part in csv_lines([entry(2)], "Embase") for line in part))
    page = write(tmp_path, "c.ris", "<html><body>Please log in</body></html>")
    before = contents(data)
    with pytest.raises(CannotImport, match="c.ris: is a web page"):
        import_files(data, [good, table, page], ORIGIN)
    assert contents(data) == before and not (data / ".raw").exists()
    imported = import_files(data, [good, table], ORIGIN)
    assert [each.search for each in imported] == ["made-up-database-2026-01-02", "made-up-database-2026-01-02-2"]
    assert check(data) == []


ARTICLE, NOTICE = nbib(entry(1)), [*nbib(entry(2)), "PT  - Published Erratum"]
STATED = {
    "by the erratum": (ARTICLE, [*NOTICE, f"EFR - Made-up J. 2020;1:2. PMID: {entry(1).pmid}"]),
    "by the article": ([*ARTICLE, f"EIN - Made-up J. 2020;1:2. doi: {entry(2).doi.upper()}."], NOTICE),
    "by both": (
        [*ARTICLE, f"EIN - Made-up J. 2020;1:2. PMID: {entry(2).pmid}"],
        [*NOTICE, f"EFR - Made-up J. 2020;1:2. PMID: {entry(1).pmid}", "CON - Made-up J. 2019;1:2. PMID: 1"],
    ),
}


@pytest.mark.parametrize("who, files", [("by the erratum", "an"), ("by the article", "na"), ("by both", "na")])
def test_an_erratum_is_linked_with_its_report_and_not_merged(data, tmp_path, who, files):
    article, notice = STATED[who]
    before = duplicates(data)
    for name in files:
        import_files(data, [write(tmp_path, name, *{"a": article, "n": notice}[name])], ORIGIN)
    title_by_record = {row["record"]: row["title"] for row in all_rows(data, "records")}
    *others, row = duplicates(data)
    assert others == before
    assert (title_by_record[row["record"]], title_by_record[row["same_as"]]) == (entry(2).title, entry(1).title)
    assert (row["relation"], row["decided_by"]) == ("erratum", "rule") and "stated by the source of" in row["why"]
    # The records come again: their first ones are linked already.
    import_files(data, [write(tmp_path, "again", *article, "", *notice)], ORIGIN)
    assert duplicates(data) == [*before, row]


@pytest.mark.parametrize(
    "source, kind",
    [("Embase", "database search"), ("ClinicalTrials.gov", "registry search"), ("WHO ICTRP", "registry search")],
)
def test_registries_are_counted_apart(source, kind):
    changes = search_changes("made-up", Parsed(()), Origin(source, "2026-01-02"))
    assert changes[0].values and changes[0].values["kind"] == kind


@pytest.mark.parametrize(
    "origin, message",
    [
        (Origin("Embase", "02.01.2026"), "date '02.01.2026': must be a day"),
        (Origin("Embase", "2999-01-01"), "not in the future"),
        (Origin("Embase", found="many"), "found 'many': must be a whole number"),
        (Origin("=1+1"), "source '=1\\+1': must be text"),
        (Origin("!"), "must be the name of a database"),
    ],
)
def test_wrong_options_are_named(data, tmp_path, origin, message):
    path = write(tmp_path, "a.ris", *ris(entry(1)))
    before = contents(data)
    with pytest.raises(CannotImport, match=message):
        import_files(data, [path], origin)
    assert contents(data) == before


def test_a_change_made_meanwhile_is_not_overwritten(data, tmp_path, monkeypatch):
    from lib.records import importing

    path = write(tmp_path, "a.ris", *ris(entry(1)))
    fit = importing.fit

    def change_meanwhile(parsed):
        save(data, [Change("settings", {"setting": "contact"}, {"value": "Made-up contact"})])
        return fit(parsed)

    monkeypatch.setattr(importing, "fit", change_meanwhile)
    with pytest.raises(ValueError, match="settings.csv: changed since"):
        import_files(data, [path], ORIGIN)
    assert not rows(data, "searches", "made-up-database-2026-01-02")


TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "=HYPERLINK(1)",
            "+1",
            "-x",
            "@a",
            "\tx",
            "TRUE",
            "12-Mar",
            "Mar-15",
            "#REF!",
            "1E5",
            "naÃ¯ve",
            "a\u200bb",
            "\ufffd",
            "''",
        ]
    ),
    st.builds(lambda text, n: text * n, st.sampled_from(["x", "Made-up A; ", "=", "é "]), st.integers(1, 30_000)),
)


@given(st.lists(TEXTS, min_size=12, max_size=12))
def test_any_value_fits_or_is_refused(values):
    record = Record(1, line=3, **dict(zip(FACTS, values, strict=True)))
    entry_or_refused, remarks = fit_record(record)
    if isinstance(entry_or_refused, Refused):
        assert not fault_of(entry_or_refused.reason)
    else:
        assert not any(fault_of(value) for value in entry_or_refused.facts().values() if value)
    # Whatever is kept of a value that had a fault, is announced.
    assert all(remark.startswith("line 3, ") for remark in remarks)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(TEXTS, min_size=8, max_size=8), min_size=1, max_size=5), st.data())
def test_the_check_accepts_whatever_is_imported(data, tmp_path, entries, more):
    tags = ("TI", "AU", "PY", "JF", "VL", "DO", "UR", "IS")
    lines = []
    for values in entries:
        lines += ["TY  - JOUR", *(f"{tag}  - {value}" for tag, value in zip(tags, values, strict=True)), "ER  - "]
    name = more.draw(st.text(max_size=20).filter(lambda text: text and "/" not in text and "\0" not in text))
    path = tmp_path / "made-up.ris"
    path.write_bytes("\n".join(lines).encode("utf-8", "replace"))
    try:
        renamed = path.rename(tmp_path / f"{name}x")
    except (OSError, UnicodeError):
        renamed = path
    (imported,) = import_files(data, [renamed], ORIGIN)
    # Saving has checked the tables.
    assert len(imported.parsed.records) + len(imported.parsed.refused) == len(entries)
    renamed.unlink()


def test_the_commands(data, tmp_path, capsys):
    path = write(tmp_path, "a.ris", *ris(entry(1)), *ris(entry(2)))
    again = write(tmp_path, "b.nbib", *nbib(entry(1)))

    def run_here(command: str, *arguments: str) -> tuple[int, str, str]:
        return main([command, "--root", str(data.parent), *arguments]), *capsys.readouterr()

    status, said, warned = run_here("import", str(path), "--source=Embase", "--date=2026-01-02", "--found=3")
    assert status == 0 and "2 entries = 2 imported + 0 refused" in said
    assert "stated 3 records, and the file has 2" in warned
    assert run_here("import", str(again), "--source=PubMed", "--date=2026-01-02")[0] == 0
    before = duplicates(data)
    status, said, _ = run_here("duplicates", "--dry-run")
    assert status == 0 and "1 duplicates" in said and duplicates(data) == before
    assert run_here("duplicates")[0] == 0
    *others, row = duplicates(data)
    assert others == before
    assert (row["record"], row["same_as"], row["decided_by"]) == ("pubmed-2026-01-02.1", "embase-2026-01-02.1", "rule")
    assert check(data) == []
    assert "0 duplicates" in run_here("duplicates")[1]
    # Once as a process of its own, as a user runs it.
    missing = run(data.parent, "import", str(tmp_path / "none.ris"), "--source=Embase")
    assert missing.returncode == 1 and "the file does not exist" in missing.stderr and "Traceback" not in missing.stderr
