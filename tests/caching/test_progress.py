"""The progress bar: in a notebook, late, on the standard error, and never in a build."""

import time

import IPython
import pytest

from lib.caching import progress as module
from lib.caching.progress import progress
from lib.caching.shared_results import ADDRESS


@pytest.fixture
def notebook(monkeypatch):
    """Pretend to run in a notebook outside of a build, with a bar that appears at once."""
    monkeypatch.delenv(ADDRESS, raising=False)
    monkeypatch.setattr(IPython, "get_ipython", object)
    monkeypatch.setattr(module, "PATIENCE", 0.0)


def test_a_bar_names_the_computation_on_the_standard_error(notebook, capsys):
    done = []
    for item in progress(iter("ab"), "Made-up counts", total=2):
        done.append(item)
        time.sleep(0.15)
    written = capsys.readouterr()
    assert done == ["a", "b"] and written.out == ""
    assert "Made-up counts:   0%" in written.err and "1/2" in written.err


def test_a_bar_appears_during_a_first_item_that_takes_long(notebook, monkeypatch, capsys):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    for _ in progress("ab", "Made-up counts"):
        time.sleep(0.3)
        assert "Made-up counts:   0%" in capsys.readouterr().err
        break


def test_a_short_computation_has_no_bar(notebook, monkeypatch, capsys):
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    assert list(progress("ab", "Made-up counts")) == ["a", "b"]
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.parametrize("server", ["", "/tmp/socket"])
def test_a_chapter_of_a_build_has_no_bar(notebook, monkeypatch, capsys, server):
    monkeypatch.setenv(ADDRESS, server)
    assert list(progress("ab", "Made-up counts")) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_outside_of_a_notebook_there_is_no_bar(notebook, monkeypatch, capsys):
    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    assert list(progress("ab", "Made-up counts")) == ["a", "b"]
    assert capsys.readouterr().err == ""
