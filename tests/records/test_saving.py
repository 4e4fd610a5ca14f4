"""Changes of tables: all or none, under the lock, with every other byte kept."""

import shutil
from pathlib import Path

import filelock
import pytest
from small_data import small_data

from lib.caching import safe_files
from lib.evidence import check
from lib.evidence.checking import read_tables
from lib.records import saving
from lib.records.saving import Change, Changed, SaveError, SaveFaults, hashes, save
from searched import rows


@pytest.fixture
def data(tmp_path) -> Path:
    """A small data folder: saving is the same for every table."""
    return small_data(tmp_path / "data")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def margin(data: Path) -> dict[str, str]:
    """A row of the smallest table that has numbers."""
    return rows(data, "change_criteria")[0]


def key_of(data: Path) -> dict[str, str]:
    described = [row for row in rows(data, "dictionary") if row["table"] == "change_criteria" and row["key"] == "yes"]
    return {row["column"]: margin(data)[row["column"]] for row in described}


def test_nothing_changes_without_a_change(data):
    before = contents(data)
    key = key_of(data)
    assert save(data, []) == []
    assert save(data, [Change("change_criteria", key, margin(data))]) == []
    assert contents(data) == before


def test_other_lines_keep_every_byte(data):
    path = data / "settings.csv"
    # Spellings that a writer would choose otherwise: quotation marks that are not needed, CRLF.
    lines = path.read_bytes().replace(b"\n", b"\r\n").splitlines(keepends=True)
    lines[1] = b'"' + lines[1].replace(b",", b'",', 1)
    path.write_bytes(b"".join(lines))
    assert check(data) == []
    setting = rows(data, "settings")[2]["setting"]
    assert save(data, [Change("settings", {"setting": setting}, {"value": "Made-up value, for a test"})]) == [path]
    after = path.read_bytes().splitlines(keepends=True)
    assert [i for i, line in enumerate(after) if line != lines[i]] == [3]
    assert b'"Made-up value, for a test"' in after[3] and after[3].endswith(b"\r\n")
    assert rows(data, "settings")[2]["value"] == "Made-up value, for a test" and check(data) == []


def test_rows_are_added_replaced_and_deleted_in_several_tables(data):
    before = contents(data)
    drug = {"drug": "made-up drug", "kind": rows(data, "drugs")[0]["kind"]}
    removed = {"setting": rows(data, "settings")[0]["setting"]}
    changes = [
        Change("drugs", values=drug),
        Change("settings", removed, {"value": "first"}),
        Change("settings", removed, {"value": "second"}),
    ]
    written = save(data, changes)
    assert [path.name for path in written] == ["drugs.csv", "settings.csv"]
    assert rows(data, "drugs")[-1] == drug and rows(data, "settings")[0]["value"] == "second"
    save(data, [Change("drugs", {"drug": "made-up drug"})])
    assert (data / "drugs.csv").read_bytes() == before["drugs.csv"]


@pytest.mark.parametrize(
    "change, message",
    [
        (Change("no_table", values={"a": "b"}), "no_table.csv: there is no such table"),
        (Change("drugs", values={"colour": "red"}), "drugs.csv: has no column colour"),
        (Change("drugs", {"drug": "nothing"}), "drugs.csv: no row has drug 'nothing'"),
        (Change("drugs", {"kind": "tci"}), "rows have kind 'tci', and one was expected"),
        (Change("drugs", {}), "a change without a key"),
    ],
)
def test_a_change_that_cannot_be_made_writes_nothing(data, change, message):
    before = contents(data)
    with pytest.raises(SaveError, match=message):
        save(data, [Change("drugs", values={"drug": "made-up drug", "kind": "tci"}), change])
    assert contents(data) == before


def test_new_faults_are_refused_and_old_ones_are_not(data):
    path = data / "drugs.csv"
    path.write_bytes(path.read_bytes() + b"old fault,no such kind\n")
    old = check(data)
    assert old
    save(data, [Change("settings", {"setting": "contact"}, {"value": "Made-up contact"})])
    before = contents(data)
    with pytest.raises(SaveFaults, match="no such kind either") as caught:
        save(data, [Change("drugs", values={"drug": "made-up drug", "kind": "no such kind either"})])
    assert len(caught.value.faults) == 1
    assert contents(data) == before


def test_a_table_that_changed_since_it_was_seen_is_refused(data):
    seen = hashes(data)
    save(data, [Change("settings", {"setting": "contact"}, {"value": "Another's change"})])
    before = contents(data)
    with pytest.raises(Changed, match="settings.csv: changed since") as caught:
        save(data, [Change("settings", {"setting": "doi"}, {"value": "10.5555/made.up"})], seen=seen)
    assert caught.value.files == ["settings.csv"] and contents(data) == before
    save(data, [Change("drugs", values={"drug": "made-up drug", "kind": "tci"})], seen={"drugs.csv": seen["drugs.csv"]})


def test_a_fault_while_files_are_replaced_restores_all(data, monkeypatch):
    before, replace = contents(data), safe_files.os.replace
    failed = []

    def fail_once(source, target):
        if Path(target).name == "settings.csv" and not failed:
            failed.append(target)
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(safe_files.os, "replace", fail_once)
    changes = [
        Change("drugs", values={"drug": "made-up drug", "kind": "tci"}),
        Change("settings", {"setting": "contact"}, {"value": "Made-up contact"}),
    ]
    with pytest.raises(OSError):
        save(data, changes)
    assert failed and contents(data) == before


def test_a_save_waits_for_a_build(data):
    made = data.parent / "_build"
    made.mkdir()
    before = contents(data)
    with filelock.FileLock(made / "lock"), pytest.raises(SaveError, match="Nothing was written"):
        save(data, [Change("settings", {"setting": "contact"}, {"value": "Made-up"})], timeout=0.1)
    assert contents(data) == before
    assert save(data, [Change("settings", {"setting": "contact"}, {"value": "Made-up"})])


def test_a_reference_is_added(data):
    save(data, [], reference="@misc{made_up_2024,\n  title = {{Made-up trial}},\n  year = {2024},\n}")
    assert "made_up_2024" in read_tables(data)[1].entries


def test_the_raw_folder_is_not_checked(data):
    (data / ".raw").mkdir()
    (data / ".raw" / ("0" * 64)).write_bytes(b"\xff\x00")
    assert save(data, [Change("settings", {"setting": "contact"}, {"value": "Made-up"})])
    shutil.rmtree(data / ".raw")
    assert saving.new_faults(data, {}) == []
