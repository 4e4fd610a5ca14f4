"""Committed simulations: made by today's code, the same when computed again, refused when the code has changed."""

import importlib

import pandas as pd
import pytest

from lib import simulations

# Processors differ in the last digit of logarithms and exponentials. A simulated review that lies at a limit then falls
# on its other side: shares move by a few reviews, counts by one or two, and a Markov chain takes another path.
ROUNDING = {"calibration": 2, "chain_accuracy": 0.05}


@pytest.mark.parametrize("name", simulations.SIMULATIONS)
def test_committed_results_are_those_of_todays_code(name):
    found = simulations.results(name)
    cases = importlib.import_module(f"lib.{name}").CASES
    assert sorted(found.case.unique()) == list(range(len(cases)))
    # The first case and the last: enough to see that the random numbers, too, are those that were used.
    for at in {0, len(cases) - 1}:
        again = pd.DataFrame(simulations.rows_of_case(name, at))
        # Cases of another part of the simulation have other columns.
        committed = found[found.case == at].reset_index(drop=True).reindex(columns=again.columns)
        pd.testing.assert_frame_equal(again, committed, rtol=0.05, atol=ROUNDING.get(name, 0.02), check_dtype=False)


@pytest.fixture
def library(tmp_path, monkeypatch):
    (tmp_path / "simulated").mkdir()
    (tmp_path / "toy.py").write_text('"""Toy."""\nfrom lib import helper\n\nCASES = ({},)\n# a comment\n')
    (tmp_path / "helper.py").write_text("from lib.evidence import THRESHOLDS\nVALUE = 1\n")
    monkeypatch.setattr(simulations, "_LIBRARY", tmp_path)
    (tmp_path / "simulated" / "toy.csv").write_text(f"{simulations._header('toy')}\ncase,value\n0,0.1\n")
    return tmp_path


def test_results_are_read_and_the_file_is_noted_as_read(library, monkeypatch):
    monkeypatch.setattr(simulations, "READ", set())
    assert simulations.results("toy").value.tolist() == [0.1]
    assert simulations.READ == {"lib/simulated/toy.csv"}


def test_comments_and_docstrings_change_nothing(library):
    (library / "toy.py").write_text('"""Other\nwords."""\n\nfrom lib import helper\nCASES = ({},)  # another comment\n')
    assert simulations.is_current("toy")


@pytest.mark.parametrize("module", ["toy", "helper"])
def test_results_of_other_code_are_refused_with_what_to_do(library, module):
    with (library / f"{module}.py").open("a") as file:
        file.write("MORE = 2\n")
    with pytest.raises(simulations.OutdatedSimulation, match=r"toy\.csv was made by other code.*make simulations"):
        simulations.results("toy")
    assert not simulations.is_current("toy")


def test_a_missing_result_is_named(library):
    (library / "simulated" / "toy.csv").unlink()
    with pytest.raises(simulations.OutdatedSimulation, match=r"toy\.csv is missing: run `make simulations`"):
        simulations.results("toy")
