"""What the server process imports for all that are forked from it; it is never imported elsewhere.

The library is imported for the packages it needs; a process forgets it again (`processes.use_library`).
"""

import contextlib
import gc
import signal
import sys

# An interrupted build ends this process; a half-done import has nothing to say of it.
signal.signal(signal.SIGINT, signal.SIG_IGN)

import ipykernel.ipkernel  # noqa: F401
import ipykernel.kernelapp  # noqa: F401
import IPython.core.completer  # noqa: F401
import matplotlib_inline.backend_inline  # noqa: F401
import pandera.backends.pandas.builtin_checks  # noqa: F401

import lib.engine.kernel  # noqa: F401

# A fault in the library is told by the chapter that imports it.
with contextlib.suppress(Exception):
    import lib.report.chapters.audit_findings
    import lib.report.chapters.heterogeneity
    import lib.report.chapters.rates
    import lib.report.figures.forest
    import lib.report.figures.picture
    import lib.report.tables.data_wanted  # noqa: F401

_tell = sys.excepthook


def _tell_who_is_there(kind, error, trace) -> None:
    # What a forked process is to do cannot be read any more when the build that asked for it is gone.
    if not issubclass(kind, EOFError | OSError):
        _tell(kind, error, trace)


sys.excepthook = _tell_who_is_there

# What is collected in a forked process would have to be copied to it first.
gc.freeze()
