"""The examples in the docstrings of the library run, and every function that a room exports has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

ROOMS = ("stats",)
"""Rooms whose examples are run, and whose exported functions must have one."""


def modules(room):
    package = importlib.import_module(f"lib.{room}")
    return [
        package.__name__,
        *(module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")),
    ]


@pytest.mark.parametrize("name", [name for room in ROOMS for name in modules(room)])
def test_examples_run(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


@pytest.mark.parametrize("room", ROOMS)
def test_every_exported_function_has_an_example(room):
    package = importlib.import_module(f"lib.{room}")
    functions = {name: getattr(package, name) for name in package.__all__}
    functions = {name: value for name, value in functions.items() if inspect.isfunction(value)}
    assert functions
    assert [name for name, value in functions.items() if ">>>" not in (value.__doc__ or "")] == []
