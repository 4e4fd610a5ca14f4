"""The errors of a build; each message is for the person who started it.

Belongs here: the exceptions that `build` documents. Does not belong here: how they are shown.
"""

from __future__ import annotations

from lib.caching.os_errors import describe


class BuildError(Exception):
    """The book could not be built."""


class DataFaults(BuildError):
    """The data have faults; the message has a line for each."""


PROCESS_KILLED = "a process of the build was killed; is there enough memory?"
"""Message for a process that ended without a result."""


def sentence(error: Exception) -> str:
    """Return the message of an unexpected error: that of the system in words, and any other with its kind."""
    return describe(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
