"""Start fresh processes by forking a server process that has imported the packages of chapters and pages.

Starting Python and importing the scientific packages takes longer than executing most chapters. A server process
therefore imports them once and does nothing else, and every other process is forked from it. The processes are isolated
from each other. One that needs the project's own library imports it anew, from a given copy (`use_library`).

Belongs here: starting and ending processes. Does not belong here: what they do. The operating system must be able to
fork (Linux, macOS).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# Block the import of this package. If it is installed, jsonschema, which validates notebooks, imports it and spends a
# second on parsing a grammar of web addresses, which no notebook needs.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

SOCKETS = "living-review-sockets-"
"""Prefix of temporary folders with sockets; the number of the process that made them follows."""
PRELOAD = "REVIEW_PRELOAD"
"""Environment variable that names the modules to preload, separated by spaces."""
# Private interface: multiprocessing's fork server. Python documents `set_forkserver_preload` and the start method, but
# not `forkserver.ensure_running`, nor that an ImportError of a preloaded module is ignored and any other error is not.
# If a version of Python breaks them: start any process to start the server (slower by the time of its imports,
# otherwise the same).
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["lib.engine.preload"])
_NEW_INTERPRETER = multiprocessing.get_context("spawn")

_has_started = False


def preload(modules: Iterable[str]) -> None:
    """Set the modules that the server process imports; this has no effect once that process has started."""
    os.environ[PRELOAD] = " ".join(modules)


def ensure_running() -> bool:
    """Start the server process if it does not run yet, without waiting for its imports; return whether it was started.

    While it imports, a process that imports little is ready sooner in a new interpreter (`start_new_interpreter`).
    """
    global _has_started
    # With a fixed hash seed, sets of strings have the same order in every build.
    os.environ["PYTHONHASHSEED"] = "0"
    forkserver.ensure_running()
    is_first, _has_started = not _has_started, True
    return is_first


def start(function: Callable[..., object], *arguments: Any) -> BaseProcess:
    """Run a function in a fresh process that ends with this one, and return the process."""
    ensure_running()
    # A daemon process, so that an interrupted build does not wait for a process that it has just started.
    process = _CONTEXT.Process(target=_run, args=(function, arguments), daemon=True)
    process.start()
    return process


def start_new_interpreter(function: Callable[..., object], *arguments: Any) -> BaseProcess:
    """Run a function in a new interpreter that ends with this process, and return its process."""
    process = _NEW_INTERPRETER.Process(target=_run, args=(function, arguments), daemon=True)
    # An interrupt at the terminal reaches this process, which ends the new one; a traceback of it would be of no use.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


@contextmanager
def fresh_process() -> Iterator[Callable[..., Future[Any]]]:
    """Yield a function ``submit(function, *arguments)`` that runs other functions in one fresh process.

    The process runs one function after another, and ends when the ``with`` block ends.
    """
    ensure_running()
    with ProcessPoolExecutor(1, mp_context=_CONTEXT, initializer=_end_with_parent) as pool:
        yield pool.submit


def _run(function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    _end_with_parent()
    function(*arguments)


def _end_with_parent() -> None:
    """End this process when the process that started it has ended, even if it was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def use_library(root: Path) -> None:
    """Make this process import the library anew, from the folder ``root`` that contains ``lib``.

    Compiled code is written beside the source even if PYTHONDONTWRITEBYTECODE is set: the folder belongs to the build,
    and compiling the library in each process would take longer than executing most chapters. The disk cache is that of
    the library that this engine is part of, so that all builds share it.
    """
    os.environ.setdefault("REVIEW_CACHE", str(Path(__file__).parents[2] / "_build" / "cache"))
    sys.dont_write_bytecode = False
    for name in [name for name in sys.modules if name.partition(".")[0] == "lib"]:
        del sys.modules[name]
    sys.path.insert(0, str(root))


def library_modules(root: Path) -> list[str]:
    """Return the files of the library under ``root`` that this process has imported, relative to it."""
    below = f"{root}{os.sep}"
    paths = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    return sorted(path.removeprefix(below) for path in paths if path.startswith(below))
