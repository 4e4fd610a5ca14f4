"""A repeated check runs only what a changed table concerns, and finds what a first check finds."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from bad_inputs import BAD_INPUTS, add_trial
from changes import tables_of
from conftest import ROOT
from lib.evidence import check, checking, repeated_checks
from lib.evidence.checking import read_tables
from lib.evidence.repeated_checks import TablesRead, hash_table, rule_faults, unless_right
from lib.evidence.rules import RULES, WARNINGS


@pytest.fixture
def runs(monkeypatch) -> Counter:
    """How often each rule has run; nothing is known to be right at first."""
    number = Counter()

    def counting(rule):
        def run(tables):
            number[rule.__name__] += 1
            yield from rule(tables)

        run.tables = rule.tables
        return run

    for name in ("RULES", "WARNINGS"):
        monkeypatch.setattr(checking, name, tuple(map(counting, getattr(checking, name))))
    return number


def test_only_rules_that_read_a_changed_table_run_again(data, edit, runs):
    tables = tables_of(ROOT / "data")
    assert check(data) == []
    assert set(runs.values()) == {1} and len(runs) == len(RULES) + len(WARNINGS)
    runs.clear()
    assert check(data) == []
    assert not runs
    edit("bounds", lambda rows: rows[1].__setitem__(rows[0].index("reason"), "Another reason."))
    assert check(data) == []
    concerned = set()
    for rule in (*RULES, *WARNINGS):
        list(rule(observed := TablesRead(tables)))
        concerned |= {rule.__name__} if "bounds" in observed.names else set()
    assert set(runs) == concerned
    assert 0 < len(concerned) < len(RULES) / 4


def test_a_fault_is_found_again_until_it_is_mended(data, edit, runs):
    before = (data / "bounds.csv").read_bytes()
    assert check(data) == []
    edit("bounds", lambda rows: rows[1].__setitem__(rows[0].index("value"), "many"))
    edit("arms", lambda rows: rows.append(rows[1]))
    first = check(data)
    assert {fault.file for fault in first} >= {"bounds.csv", "arms.csv"}
    assert check(data) == first
    (data / "bounds.csv").write_bytes(before)
    assert {fault.file for fault in check(data)} == {fault.file for fault in first} - {"bounds.csv"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("references.bib", "doi = {10.1001/archderm.139.5.581}", "doi = {doi:10.1001/archderm.139.5.581}"),
        ("codes.csv", "design,WP,", "design,SA,"),
        ("dictionary.csv", "studies,part,count", "studies,part,cuont"),
    ],
)
def test_a_fault_of_the_references_or_of_what_defines_the_tables_is_found_again(data, name, old, new):
    right = (data / name).read_text(encoding="utf-8")
    assert old in right
    assert check(data) == []
    (data / name).write_text(right.replace(old, new, 1), encoding="utf-8")
    first = check(data)
    assert {fault.file for fault in first} == {name}
    assert check(data) == first
    (data / name).write_text(right, encoding="utf-8")
    assert check(data) == []


def test_a_caller_that_changes_what_was_read_changes_nothing_of_what_is_read_next(data):
    tables, references = read_tables(data)
    kept, keys = tables["arms"].copy(), set(references.entries)
    tables["arms"].loc[:, "note"] = "changed"
    references.entries.popitem()
    tables, references = read_tables(data)
    pd.testing.assert_frame_equal(tables["arms"], kept)
    assert set(references.entries) == keys


def test_a_table_that_could_not_be_read_is_checked_once_it_can_be(data, edit):
    name, edited = data / "candidates.csv", data / "elsewhere.csv"
    edit("candidates", lambda rows: rows.append(rows[1]))
    faults = check(data)
    name.rename(edited)
    assert [fault for fault in check(data) if fault in faults] == []
    edited.rename(name)
    assert check(data) == faults != []


@pytest.mark.parametrize("bad", BAD_INPUTS[::30], ids=lambda bad: bad.name)
def test_a_rule_finds_what_it_finds_in_a_first_check(bad):
    tables = tables_of(ROOT / "data")
    add_trial(tables)
    for spoilt in (False, True):
        if spoilt:
            bad.change(tables)
        hashes = {name: hash_table(table) for name, table in tables.items()}
        for rule in (*RULES, *WARNINGS):
            assert list(rule_faults(rule, tables, hashes)) == list(rule(tables))


def test_faults_of_values_are_not_looked_for_in_a_table_that_had_none():
    hashes = {name: name.encode() for name in ("arms", "dictionary", "codes")}

    def never():
        pytest.fail("the values were checked again")
        yield

    assert list(unless_right("arms", hashes, iter(()))) == []
    assert list(unless_right("arms", hashes, never())) == []
    for name in hashes:
        assert list(unless_right("arms", {**hashes, name: b"other"}, iter(("fault",)))) == ["fault"]


def test_the_record_of_what_was_right_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(repeated_checks, "_MOST", 5)
    monkeypatch.setattr(repeated_checks, "_right", set())
    for number in range(20):
        list(unless_right("arms", {"arms": b"%d" % number, "dictionary": b"", "codes": b""}, ()))
    assert 0 < len(repeated_checks._right) <= 5
