"""Modules that the fork server imports before it forks processes; never imported elsewhere.

Belongs here: the modules that every kernel imports, and settings that the fork server makes once. Does not belong here:
names of the project's modules, which are passed to `lib.engine.fork_server.preload`.

The library is imported only for the packages that it imports in turn; a forked process imports it again, from the
snapshot (`lib.engine.fork_server.use_library`).
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
from types import TracebackType

# An interrupted build ends this process; the traceback of an interrupted import would be of no use.
signal.signal(signal.SIGINT, signal.SIG_IGN)

# No chapter is debugged, and every kernel would import the debugger anew.
sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]

import ipykernel.debugger  # noqa: F401
import ipykernel.ipkernel  # noqa: F401
import ipykernel.kernelapp  # noqa: F401
import IPython.core.completer  # noqa: F401
import matplotlib_inline.backend_inline  # noqa: F401

import lib.engine.kernel  # noqa: F401
from lib.engine.fork_server import PRELOAD

for _name in os.environ.get(PRELOAD, "").split():
    # The chapter that imports a faulty module reports the fault.
    with contextlib.suppress(Exception):
        importlib.import_module(_name)

_show_exception = sys.excepthook


def _show_unless_build_is_gone(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    # A forked process cannot read its task if the build that requested it has ended.
    if not issubclass(kind, EOFError | OSError):
        _show_exception(kind, error, trace)


sys.excepthook = _show_unless_build_is_gone

# Exempt existing objects from garbage collection, which would copy the memory that forked processes share.
gc.freeze()
