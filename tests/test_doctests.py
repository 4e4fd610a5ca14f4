"""The examples in docstrings run, each function that `lib.stats` exports has one, and no module hides an export."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

from lib import evidence

ROOMS = ("caching", "stats", "engine", "evidence", "published", "records", "report", "desk", "deposit")
"""Rooms whose docstrings have examples."""
# Importing it changes the process: it belongs to the fork server.
NOT_IMPORTED = {"lib.engine.preload"}


def modules(room):
    package = importlib.import_module(f"lib.{room}")
    return [
        package.__name__,
        *(module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")),
    ]


@pytest.fixture(autouse=True)
def one_edition(ev, monkeypatch):
    """Let the examples share the newest edition, so that what several of them compute is computed once."""
    load = evidence.load
    monkeypatch.setattr(evidence, "load", lambda *given: ev if given == ("data",) else load(*given))


@pytest.mark.parametrize("name", [name for room in ROOMS for name in modules(room) if name not in NOT_IMPORTED])
def test_examples_run(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_every_exported_function_of_stats_has_an_example():
    package = importlib.import_module("lib.stats")
    functions = {name: getattr(package, name) for name in package.__all__}
    functions = {name: value for name, value in functions.items() if inspect.isfunction(value)}
    assert functions
    assert [name for name, value in functions.items() if ">>>" not in (value.__doc__ or "")] == []


@pytest.mark.parametrize("room", ["stats", "evidence", "published", "audit"])
def test_no_module_has_the_name_of_an_exported_function(room):
    """Importing such a module would replace the function as an attribute of its room."""
    package = importlib.import_module(f"lib.{room}")
    assert package.__all__
    assert {*package.__all__} & {module.name for module in pkgutil.iter_modules(package.__path__)} == set()
