"""Compute results that several chapters share once per build, in the process of the result server.

Belongs here: the decorators of functions whose results are shared, and the client of the result server
(`lib.engine.result_server`). Does not belong here: the server, and what the functions compute.

A function of one edition of the inputs gives the same result in every process. During a build one server process holds
the edition, and the kernels of the chapters request results from it instead of computing them. Without a server
(outside a build, on a cluster, or if the server has ended) the function runs where it is called. The parts of the
inputs that it reads are recorded for every caller that gets its result.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import warnings
from collections.abc import Callable
from multiprocessing.connection import Client
from typing import Any, TypeVar

ADDRESS = "REVIEW_RESULTS"
"""Environment variable that names the socket of the result server."""
READ: set[tuple[str, str]] = set()
"""Parts of any edition that this process has read, as (view, part): the dependencies of a chapter."""
# Number of results of one function that a process caches: more than the review has outcomes.
_CACHE_SIZE = 64
# Seconds to wait for the server's reply.
_PATIENCE = 60

_Function = TypeVar("_Function", bound=Callable[..., Any])


def shared(function: _Function) -> _Function:
    """Decorate a function of the inputs and of strings, so that each result is computed once per process and build.

    Callers must not change the result.
    """

    @functools.lru_cache(maxsize=_CACHE_SIZE)
    def compute(inputs: Any, *arguments: str) -> tuple[Any, frozenset[tuple[str, str]]]:
        if inputs.edition is not None:
            reply = ask(inputs.edition, inputs.view, function.__module__, function.__qualname__, *arguments)
            if reply is not None:
                result, read, messages = reply
                for message in messages:
                    warnings.warn(message, stacklevel=3)
                return result, read
        read_before = set(READ)
        READ.clear()
        try:
            return function(inputs, *arguments), frozenset(READ)
        finally:
            READ.update(read_before)

    @functools.wraps(function)
    def shared_function(inputs: Any, *arguments: str) -> Any:
        result, read = compute(inputs, *arguments)
        READ.update(read)
        return result

    return shared_function  # type: ignore[return-value]


def of_one_regimen(function: _Function) -> _Function:
    """Decorate a shared function of the inputs and a regimen, so that it receives only the view of that regimen.

    Chapters that read the whole edition and chapters that read the view then share one result.
    """

    @functools.wraps(function)
    def function_of_view(inputs: Any, regimen: str, *arguments: str) -> Any:
        return function(inputs if inputs.view else inputs.only(regimen), regimen, *arguments)

    return function_of_view  # type: ignore[return-value]


def ask(edition: tuple[str, str], *request: str) -> Any:
    """Request a result from the result server of the build.

    Parameters
    ----------
    edition : tuple of str
        Data folder and date that were requested.
    *request : str
        View, module, name and arguments of a function of the inputs; without them, the inputs are requested.

    Returns
    -------
    object or None
        For a function, its result, the parts that it read, and its warnings; otherwise the inputs. None if there is no
        server or no reply.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    with contextlib.suppress(OSError, EOFError):
        with Client(address, "AF_UNIX") as connection:
            connection.send((edition, request))
            # The server replies to one client at a time: if it is busy with a long computation, compute here.
            return pickle.loads(connection.recv_bytes()) if connection.poll(_PATIENCE) else None
    return None
