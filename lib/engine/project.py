"""The interface between the engine and a project: how to load its inputs, and how to know which of them were read.

Belongs here: what every project has to provide. Does not belong here: the names of a particular project; those of this
one are in `lib.commands.book`.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Any, Protocol


class Inputs(Protocol):
    """What a project's loader returns: the checked data of one edition.

    A *view* is a named subset of the inputs; the view "" is the whole. A *part* is a table, or anything else in the
    inputs that is read as a unit.
    """

    @property
    def edition(self) -> tuple[str, str] | None:
        """The data folder and the date that were requested."""

    def only(self, view: str) -> Inputs:
        """Return a view of the whole."""

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Return a content hash of every part, by view and part."""


@dataclass(frozen=True)
class Project:
    """What the engine needs to know about a project.

    Functions, classes and sets are given by name, ``"module:attribute"``. They are looked up only in processes that
    have imported the library from the snapshot of the sources, so that a build never mixes two versions of it.

    Attributes
    ----------
    loader : str
        Function ``loader(data, as_of)`` that checks the data folder and returns `Inputs`. The data are checked again if
        the package or module in its name changes.
    data_error : str
        Exception that ``loader`` raises if the data have faults; its attribute ``faults`` lists them.
    results : str
        Function of the inputs that returns the text of the file of results.
    reader : str
        Module that alone may read files of the data folder while a chapter is executed.
    editions_loaded : str
        Set of the editions, as in `Inputs.edition`, that the current process has loaded.
    files_read : tuple of str
        Sets of files, relative to the folder that holds the library, that the current process has read.
    notices : str
        Function of the inputs that returns lines of text about what needs action in the inputs or the results. They are
        shown after every build and do not stop it. Empty if there is no such function.
    preload : tuple of str
        Modules to import once, in the process from which all others are forked: those that import most packages.
    """

    loader: str
    data_error: str
    results: str
    reader: str
    editions_loaded: str
    files_read: tuple[str, ...] = ()
    notices: str = ""
    preload: tuple[str, ...] = ()


def look_up(name: str) -> Any:
    """Import a module and return the attribute named by ``"module:attribute"``.

    Raises
    ------
    ImportError, AttributeError
        If there is no such module, or if it has no attribute of that name.

    Examples
    --------
    >>> look_up("math:sqrt")(9)
    3.0
    """
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def recorded(name: str) -> set[Any]:
    """Return the set named ``"module:attribute"``; empty if this process has not imported the module."""
    module, _, attribute = name.partition(":")
    entries: set[Any] = getattr(sys.modules.get(module), attribute, set())
    return entries
