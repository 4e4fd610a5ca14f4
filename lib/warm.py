"""What the server process imports for all that are forked from it; it is never imported elsewhere.

The library is imported for the packages it needs; a process forgets it again (`processes.use_library`).
"""

import contextlib
import gc
import signal

# An interrupted build ends this process; a half-done import has nothing to say of it.
signal.signal(signal.SIGINT, signal.SIG_IGN)

import ipykernel.ipkernel  # noqa: F401
import ipykernel.kernelapp  # noqa: F401
import IPython.core.completer  # noqa: F401
import matplotlib_inline.backend_inline  # noqa: F401
import pandera.backends.pandas.builtin_checks  # noqa: F401

import lib.kernels  # noqa: F401

# A fault in the library is told by the chapter that imports it.
with contextlib.suppress(Exception):
    import lib.audit_tables
    import lib.update_tables  # noqa: F401

# What is collected in a forked process would have to be copied to it first.
gc.freeze()
