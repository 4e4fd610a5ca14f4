"""Fresh processes, forked from one that has imported what chapters and pages need.

Starting Python and importing the scientific packages takes longer than most chapters. Here that is paid for once:
a server process imports them and runs nothing else, and every process asked for is forked from it. What runs in
one is never seen by another. Of the project's own library a process sees the copy it is given, imported anew.

Knows nothing of chapters or pages. Needs a system that can fork (Linux, macOS).
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# jsonschema, with which notebooks are checked, imports this where it is installed, and it takes a second to work out a
# grammar of web addresses that no notebook is checked against.
sys.modules.setdefault("rfc3987_syntax", None)

SOCKETS = "living-review-sockets-"
"""What the names of temporary folders with sockets begin with; the number of the process that made them follows."""
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["lib.engine.preload"])


def warm_up() -> None:
    """Start the server process if it is not there yet; its imports go on in the background."""
    # Sets of text are in the same order in every build.
    os.environ["PYTHONHASHSEED"] = "0"
    forkserver.ensure_running()


def start(function: Callable, *arguments: Any) -> BaseProcess:
    """Run a function in a fresh process that ends with this one, and return the process."""
    warm_up()
    # A daemon: one that was being started when this process was interrupted is ended, and not waited for.
    process = _CONTEXT.Process(target=_run, args=(function, arguments), daemon=True)
    process.start()
    return process


@contextmanager
def fresh_process() -> Iterator[Callable[..., Future]]:
    """Give a fresh process as a function that runs another one in it: ``submit(function, *arguments)``.

    Calls run one after another in the same process; it ends with the block.
    """
    warm_up()
    with ProcessPoolExecutor(1, mp_context=_CONTEXT, initializer=_end_with_parent) as pool:
        yield pool.submit


def _run(function: Callable, arguments: tuple) -> None:
    _end_with_parent()
    function(*arguments)


def _end_with_parent() -> None:
    """End this process when the one that asked for it is gone, however it went."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def use_library(root: Path) -> None:
    """Let this process import the library anew, from a folder ``root`` that holds ``lib``."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "lib"]:
        del sys.modules[name]
    sys.path.insert(0, str(root))


def library_modules(root: Path) -> list[str]:
    """Return the files of the library under ``root`` that this process has imported, relative to it."""
    below = f"{root}{os.sep}"
    found = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    return sorted(file.removeprefix(below) for file in found if file.startswith(below))
