"""Committed simulations: made by today's code, the same when computed again, refused when the code has changed."""

import importlib

import pandas as pd
import pytest

from conftest import ROOT
from lib.__main__ import main
from lib.caching.code_hash import code_hash
from lib.published import committed_counts
from lib.simulations import committed

# Processors differ in the last digit of logarithms and exponentials. A simulated review that lies at a limit then falls
# on its other side: shares move by a few reviews, counts by one or two, and a Markov chain takes another path.
ROUNDING = {"calibration": 2, "chain_accuracy": 0.05}


@pytest.mark.parametrize("name", committed.SIMULATIONS)
def test_committed_results_are_those_of_todays_code(name):
    found = committed.read_results(name)
    cases = importlib.import_module(f"lib.simulations.{name}").CASES
    assert sorted(found.case.unique()) == list(range(len(cases)))
    # The first case and the last: enough to see that the random numbers, too, are those that were used. Where counts
    # are imputed the last takes long.
    for at in {0} if name in ROUNDING else {0, len(cases) - 1}:
        again = pd.DataFrame(committed.rows_of_case(name, at))
        # Cases of another part of the simulation have other columns.
        before = found[found.case == at].reset_index(drop=True).reindex(columns=again.columns)
        pd.testing.assert_frame_equal(again, before, rtol=0.05, atol=ROUNDING.get(name, 0.02), check_dtype=False)


@pytest.fixture
def library(tmp_path, monkeypatch):
    room = tmp_path / "lib" / "simulations"
    (room / "results").mkdir(parents=True)
    (room / "toy.py").write_text('"""Toy."""\nfrom lib.simulations import helper\n\nCASES = ({},)\n# a comment\n')
    (room / "helper.py").write_text("from lib.evidence.vocabulary import THRESHOLDS\nVALUE = 1\n")
    monkeypatch.setattr(committed, "LIBRARY", tmp_path / "lib")
    (room / "results" / "toy.csv").write_text(f"{committed._header('toy')}\ncase,value\n0,0.1\n")
    # The hash of a module is computed once in a process.
    code_hash.cache_clear()
    return room


def test_results_are_read_and_the_file_is_noted_as_read(library, monkeypatch):
    monkeypatch.setattr(committed, "READ", set())
    assert committed.read_results("toy").value.tolist() == [0.1]
    assert committed.READ == {"lib/simulations/results/toy.csv"}


def test_comments_and_docstrings_change_nothing(library):
    (library / "toy.py").write_text(
        '"""Other\nwords."""\n\nfrom lib.simulations import helper\nCASES = ({},)  # another comment\n'
    )
    assert committed.is_current("toy")


@pytest.mark.parametrize("module", ["toy", "helper"])
def test_results_of_other_code_are_refused_with_what_to_do(library, module):
    with (library / f"{module}.py").open("a") as file:
        file.write("MORE = 2\n")
    with pytest.raises(committed.OutdatedSimulation, match=r"toy\.csv was computed by other code.*make simulations"):
        committed.read_results("toy")
    assert not committed.is_current("toy")


def test_a_missing_result_is_named(library):
    (library / "results" / "toy.csv").unlink()
    with pytest.raises(committed.OutdatedSimulation, match=r"toy\.csv is missing: run `make simulations`"):
        committed.read_results("toy")


def test_the_command_computes_again_what_is_outdated_or_all(monkeypatch):
    computed = []
    monkeypatch.setattr(committed, "is_current", lambda name: name != "coverage")
    monkeypatch.setattr(committed, "remake", computed.append)
    monkeypatch.setattr(committed_counts, "write_committed", lambda evidence: computed.append("counts") or [])
    assert main(["simulations", "--data", str(ROOT / "data")]) == 0
    assert computed == ["coverage", "counts"]
    computed.clear()
    assert main(["simulations", "--all", "--data", str(ROOT / "data")]) == 0
    assert computed == [*committed.SIMULATIONS, "counts"]
