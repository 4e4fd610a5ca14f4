"""The result server: a process that checks the inputs of a build and computes results that several chapters share.

Belongs here: the server, its start and its end. Does not belong here: its clients and the decorators of the functions
that they can call (`lib.caching.shared_results`), and what those functions compute.

No chapter's code runs in the server, so that chapters cannot affect each other. Results are stored on disk, each with
the parts of the inputs from which it was computed. A later build uses them if these parts and the library have not
changed.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import multiprocessing
import os
import pickle
import tempfile
import threading
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection, Listener
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lib.caching import shared_results
from lib.caching.os_errors import describe
from lib.caching.safe_files import files, hash_files, replace_if_changed
from lib.engine import fork_server, packages
from lib.engine.errors import PROCESS_KILLED, BuildError, DataFaults, sentence
from lib.engine.project import Inputs, Project, look_up
from lib.engine.snapshot import digest

RESULTS_FOLDER = "shared"
"""Name of the folder, in the build folder, with the results of earlier builds."""

# Number of clients that may wait for the server to accept them; further ones try again after a second.
_BACKLOG = 128


class ResultServer:
    """The server of one build; its process starts when it is first needed.

    Parameters
    ----------
    source : Path
        The snapshot of the sources.
    as_of : str
        Date of the edition, YYYY-MM-DD; empty for the newest.
    project : Project
        The project.

    Attributes
    ----------
    address : str
        The server's socket (see `lib.caching.shared_results`); empty before the server runs.
    """

    def __init__(self, source: Path, as_of: str, project: Project):
        self._arguments = (source, as_of, project)
        self._resources, self._starting = contextlib.ExitStack(), threading.Lock()
        self._receiver: Connection | None = None
        self._outcome: tuple[str, Any] | None = None
        self.address = ""

    def launch(self) -> None:
        """Start the process in a new interpreter, without waiting for it, while the fork server is still importing."""
        with self._starting:
            self._launch(fork_server.start_new_interpreter)

    def wait_until_loaded(self) -> tuple[dict[str, dict[str, str]], list[str]]:
        """Start the process if it does not run yet, and wait until it has checked and loaded the inputs.

        Returns
        -------
        fingerprints : dict
            The content hash of every part of the inputs, by view and part.
        packages : list of str
            The packages imported to load the inputs.

        Raises
        ------
        DataFaults
            If the data have faults.
        BuildError
            If the library cannot read them, or the process was killed.
        """
        with self._starting:
            if self._receiver is None:
                self._launch(fork_server.start)
            if self._outcome is None:
                self._outcome = self._received()
        kind, content = self._outcome
        if kind == "loaded":
            fingerprints, used = content
            return fingerprints, used
        raise (DataFaults if kind == "faults" else BuildError)(content)

    def _launch(self, start: Callable[..., BaseProcess]) -> None:
        # Use a temporary folder and not the build folder, because the path of a socket must be short.
        prefix = f"{fork_server.SOCKETS}{os.getpid()}-"
        folder = self._resources.enter_context(tempfile.TemporaryDirectory(prefix=prefix))
        self.address = os.path.join(folder, "results")
        receiver, sender = multiprocessing.Pipe(duplex=False)
        self._receiver = self._resources.enter_context(receiver)
        with sender:
            process = start(_load_and_serve, *self._arguments, self.address, sender)
        # Callbacks run in reverse order.
        self._resources.callback(process.join)
        self._resources.callback(process.kill)

    def _received(self) -> tuple[str, Any]:
        assert self._receiver is not None
        try:
            outcome: tuple[str, Any] = self._receiver.recv()
            return outcome
        except EOFError:
            return "error", PROCESS_KILLED

    def close(self) -> None:
        """End the process."""
        self._resources.close()


def _load_and_serve(source: Path, as_of: str, project: Project, address: str, sender: Connection) -> None:
    """Load the inputs, send the outcome of that to the build, and serve results until this process is ended."""
    fork_server.use_library(source)
    try:
        loader, data_error = look_up(project.loader), look_up(project.data_error)
        try:
            inputs = loader(source / "data", as_of)
        except data_error as error:
            sender.send(("faults", "\n".join(map(str, error.faults))))
            return
        fingerprints = inputs.fingerprints()
        library = hash_files(source, [f"lib/{name}" for name in files(source / "lib")])
        code = digest(as_of, library, packages.versions(packages.imported(), source.parent))
        store = Store(source.parent / RESULTS_FOLDER, code, fingerprints)
    except Exception as error:
        sender.send(("error", sentence(error)))
        return
    try:
        serve(inputs, store, address, lambda: sender.send(("loaded", (fingerprints, packages.imported()))))
    except OSError as error:
        sender.send(("error", f"the processes of the build cannot connect to each other: {describe(error)}"))


class Store:
    """Results of earlier builds on disk.

    A result is used again if the code, and every part of the inputs from which it was computed, are the same. There is
    one file for each request: a later result replaces an earlier one.

    Parameters
    ----------
    folder : Path
        The folder.
    code : str
        Hash of all that determines a result except the inputs.
    fingerprints : dict
        The content hash of every part of the inputs, by view and part.
    """

    def __init__(self, folder: Path, code: str, fingerprints: dict[str, dict[str, str]]):
        self._folder, self._code, self._fingerprints = folder, code, fingerprints

    def read(self, request: tuple[str, ...]) -> bytes | None:
        """Return the stored reply to a request; None if there is none, or if it is outdated or damaged."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            header, _, reply = self._path(request).read_bytes().partition(b"\n")
            stored = json.loads(header)
            if stored["state"] == self._state(stored["parts"], reply):
                return reply
        return None

    def write(self, request: tuple[str, ...], parts: list[tuple[str, str]], reply: bytes) -> None:
        """Store a reply and the parts (view, name) that were read for it; store nothing if the disk is full."""
        header = json.dumps({"state": self._state(parts, reply), "parts": parts})
        with contextlib.suppress(OSError):
            replace_if_changed(self._path(request), header.encode() + b"\n" + reply)

    def _path(self, request: tuple[str, ...]) -> Path:
        return self._folder / digest(*request)

    def _state(self, parts: list[tuple[str, str]], reply: bytes) -> str:
        return digest(self._code, *(f"{view}/{name}: {self._fingerprints[view][name]}" for view, name in parts), reply)


def serve(inputs: Inputs, store: Store, address: str, on_ready: Callable[[], None]) -> None:
    """Send clients the inputs, or the results of functions of the inputs, until this process is ended.

    A reply is pickled. To an empty request it is the inputs; to a function with its view and arguments, a triple of the
    result, the parts of the inputs that were read, and the warnings. It is None if the client asks about another
    edition or the function raises an error: the client then computes the result itself.

    Parameters
    ----------
    inputs : Inputs
        One edition.
    store : Store
        Results of earlier builds.
    address : str
        Path of the socket to create, in a folder that only this user can enter: clients are not authenticated.
    on_ready : callable
        Called when clients can connect.
    """
    views = {"": inputs}
    # This process has imported the library a second time, from the snapshot. What functions read is recorded in that
    # copy of `shared_results`, and not in the one that is imported above.
    read: set[tuple[str, str]] = importlib.import_module(shared_results.__name__).READ

    @functools.cache
    def reply(edition: tuple[str, str], request: tuple[str, ...]) -> bytes:
        if edition != inputs.edition:
            return pickle.dumps(None)
        if not request:
            return pickle.dumps(inputs)
        stored = store.read(request)
        if stored is not None:
            return stored
        view, module, name, *arguments = request
        if view not in views:
            views[view] = inputs.only(view)
        function: Any = functools.reduce(getattr, name.split("."), importlib.import_module(module))
        read.clear()
        try:
            # Catch warnings, which the reply passes on to the client.
            with warnings.catch_warnings(record=True) as caught:
                result = function(views[view], *arguments)
            answer = pickle.dumps((result, frozenset(read), [str(warning.message) for warning in caught]))
        except Exception:
            # Called by the client, the function raises the error in the process of the chapter.
            return pickle.dumps(None)
        store.write(request, sorted(read), answer)
        return answer

    with Listener(address, "AF_UNIX", backlog=_BACKLOG) as listener:
        on_ready()
        while True:
            # A chapter that is stopped can close its connection at any moment.
            with contextlib.suppress(OSError, EOFError), listener.accept() as connection:
                connection.send_bytes(reply(*connection.recv()))
