"""What several chapters ask of the same evidence, found once in a build.

A function of an edition of the evidence gives the same whoever asks. During a build one process holds the edition,
and the kernels of the chapters ask it instead of computing each for itself. No chapter's code runs in it, so nothing
of one chapter reaches another. Where nobody answers (outside of a build, on a cluster, or when that process is gone)
a function simply runs where it is called.

Knows nothing of what the functions compute. What they read of the evidence is noted for whoever gets their result.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import pickle
import warnings
from collections.abc import Callable
from multiprocessing.connection import Client, Listener
from typing import Any

ADDRESS = "REVIEW_EVIDENCE"
"""Variable of the environment that names the socket at which is asked."""
READ: set[tuple[str, str]] = set()
"""What this process has read of any edition, as (view, part): how a build knows what a chapter depends on."""
# Results of one function that a process keeps: more than the review has cells.
_KEPT = 64
# Seconds to wait for an answer.
_PATIENCE = 60
# How many may ask at once; beyond, the system has them try again after a second.
_WAITING = 128


def shared(function: Callable) -> Callable:
    """Let a function of evidence, and of texts besides, be computed once by a process and once in a build.

    The result must not be changed by who gets it.
    """

    @functools.lru_cache(maxsize=_KEPT)
    def find(evidence, *arguments: str) -> tuple[Any, frozenset]:
        if evidence.edition is not None:
            told = ask(evidence.edition, evidence.view, function.__module__, function.__qualname__, *arguments)
            if told is not None:
                result, read, warned = told
                for message in warned:
                    warnings.warn(message, stacklevel=3)
                return result, read
        before = set(READ)
        READ.clear()
        try:
            return function(evidence, *arguments), frozenset(READ)
        finally:
            READ.update(before)

    @functools.wraps(function)
    def found(evidence, *arguments: str) -> Any:
        result, read = find(evidence, *arguments)
        READ.update(read)
        return result

    return found


def of_one_regimen(function: Callable) -> Callable:
    """Let a shared function of evidence and a regimen see the view of that regimen alone.

    So it is found once, for chapters that read the whole and for those that read the view.
    """

    @functools.wraps(function)
    def narrowed(evidence, regimen: str, *arguments: str) -> Any:
        return function(evidence if evidence.view else evidence.only(regimen), regimen, *arguments)

    return narrowed


def ask(edition: tuple[str, str], *question: str) -> Any:
    """Ask the process of a build that holds the evidence.

    Parameters
    ----------
    edition : tuple of str
        Data folder and date asked for.
    *question : str
        View, module, name and arguments of a function of the evidence; nothing: the evidence itself.

    Returns
    -------
    object or None
        For a function its result, what it reads and the warnings it gave; None where nobody answers.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    with contextlib.suppress(OSError, EOFError):
        with Client(address, "AF_UNIX") as connection:
            connection.send((edition, question))
            # Who waits for another's long question had better compute.
            return pickle.loads(connection.recv_bytes()) if connection.poll(_PATIENCE) else None
    return None


def answer(whole, address: str, ready: Callable[[], None]) -> None:
    """Answer what is asked of evidence until this process is ended.

    Parameters
    ----------
    whole : Evidence
        One edition.
    address : str
        A socket to make, in a folder that is this user's alone: who asks is not asked for a password.
    ready : callable
        Is called when it can be asked.
    """
    views = {"": whole}

    @functools.cache
    def reply(edition: tuple[str, str], question: tuple[str, ...]) -> bytes:
        if edition != whole.edition:
            return pickle.dumps(None)
        if not question:
            return pickle.dumps(whole)
        view, module, name, *arguments = question
        if view not in views:
            views[view] = whole.only(view)
        function = functools.reduce(getattr, name.split("."), importlib.import_module(module))
        READ.clear()
        try:
            # A warning is for who asked.
            with warnings.catch_warnings(record=True) as caught:
                result = function(views[view], *arguments)
            return pickle.dumps((result, frozenset(READ), [str(warning.message) for warning in caught]))
        except Exception:
            # Who asked runs it as well, and is told there what is wrong.
            return pickle.dumps(None)

    with Listener(address, "AF_UNIX", backlog=_WAITING) as listener:
        ready()
        while True:
            # A chapter that was stopped asks no more.
            with contextlib.suppress(OSError, EOFError), listener.accept() as connection:
                connection.send_bytes(reply(*connection.recv()))
