"""A lock on a folder that is built: one process at a time builds, or changes the files that a build reads.

Belongs here: taking the lock, and naming who holds it. Does not belong here: what is done while it is held.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock


@contextlib.contextmanager
def folder_lock(made: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock of a build folder; the system releases the lock of a process that has ended.

    Parameters
    ----------
    made : Path
        The build folder.
    timeout : float
        Seconds to wait for another process; negative: as long as it takes.

    Raises
    ------
    TimeoutError
        If another process holds the lock for longer. The message names it.
    """
    lock, holder = filelock.FileLock(made / "lock"), made / "lock-holder"
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        name = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        print(f"Another build is at work here ({name}); waiting for it to end.", flush=True)
        try:
            lock.acquire(timeout=timeout)
        except filelock.Timeout:
            raise TimeoutError(f"{made}: {name} has been at work for more than {timeout:g} seconds") from None
    try:
        holder.write_text(f"process {os.getpid()}", encoding="utf-8")
        yield
    finally:
        lock.release()
