"""A search that is killed at any point and run again loses no record and doubles none."""

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

from answering_server import Answers, answering, made_up
from lib.records.searching.raw_answers import Journal
from lib.records.searching.search import SOURCES
from searched import TODAY, Searched, make_folder, rows

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SEED = 20261126


def test_a_search_that_is_killed_at_any_point_loses_and_doubles_no_record(tmp_path):
    answers = Answers(made_up(23, dt.date(2026, 11, 1), TODAY))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}
    with answering(answers) as address:
        command = [sys.executable, str(HERE / "interrupted.py"), str(tmp_path), address("").rstrip("/"), str(SEED)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    expected = outcome["expected"]
    assert len(expected["records"]) == 23 * len(SOURCES) and expected["unfinished"] == []
    assert len(set(expected["titles"])) == len(expected["titles"])
    for disturbed in outcome["outcomes"]:
        assert disturbed["killed"] and disturbed["resumed"], disturbed["point"]
        assert disturbed["state"] == expected, f"killed at operation {disturbed['point']} of {outcome['operations']}"


def test_tables_that_a_killed_process_wrote_in_part_are_completed(tmp_path, monkeypatch):
    """The tables are replaced one after the other; the process can be killed between any two."""
    monkeypatch.setattr("lib.records.saving.check", lambda folder: [])
    answers = Answers(made_up(130, dt.date(2026, 11, 1), TODAY), withheld={17})
    with answering(answers) as address:
        whole = make_folder(tmp_path / "whole")
        kept = {}
        monkeypatch.setattr(Journal, "end", lambda journal: kept.update({journal.path.name: journal.path.read_bytes()}))
        assert Searched(whole, address, "pubmed").status == 0
        monkeypatch.undo()
        monkeypatch.setattr("lib.records.saving.check", lambda folder: [])
        written = {path.name: path.read_bytes() for path in whole.glob("*.csv")}
        for tables in (["searches"], ["records"], ["searches", "records"], ["refused"], []):
            folder = make_folder(tmp_path / "-".join(["part", *tables]))
            (whole / ".raw").rename(folder / ".raw")
            for table in tables:
                (folder / f"{table}.csv").write_bytes(written[f"{table}.csv"])
            for name, content in kept.items():
                (folder / ".raw" / name).write_bytes(content)
            assert Searched(folder, address, "pubmed").status == 0
            assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == written, tables
            assert len(rows(folder, "records")) == 129
            (folder / ".raw").rename(whole / ".raw")


def test_half_a_line_of_the_journal_is_ignored(tmp_path):
    journal = Journal(tmp_path, "made_up")
    (tmp_path / ".raw").mkdir()
    journal.begin({"source": "pubmed"})
    journal.note({"page": "a" * 64})
    whole = journal.path.read_bytes()
    for cut in range(1, 20):
        journal.path.write_bytes(whole[:-cut])
        assert list(journal.lines()) == [{"source": "pubmed"}]
        journal.note({"page": "b" * 64})
        assert list(journal.lines()) == [{"source": "pubmed"}, {"page": "b" * 64}]
