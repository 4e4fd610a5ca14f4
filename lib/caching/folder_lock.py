"""Lock a build folder, so that only one process at a time builds there or changes the files that a build reads.

Belongs here: acquiring the lock, and naming the process that holds it. Does not belong here: what that process does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock


@contextlib.contextmanager
def folder_lock(build_folder: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock of a build folder. The operating system releases it when the process ends, even if it is killed.

    Parameters
    ----------
    build_folder : Path
        The build folder.
    timeout : float
        Seconds to wait for another process; a negative number sets no limit.

    Raises
    ------
    TimeoutError
        If another process still holds the lock after that time. The message names the process.
    """
    lock, holder = filelock.FileLock(build_folder / "lock"), build_folder / "lock-holder"
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        name = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        print(f"Another build is at work here ({name}); waiting for it to end.", flush=True)
        try:
            lock.acquire(timeout=timeout)
        except filelock.Timeout:
            raise TimeoutError(f"{build_folder}: {name} has held the lock for more than {timeout:g} seconds") from None
    try:
        holder.write_text(f"process {os.getpid()}", encoding="utf-8")
        yield
    finally:
        lock.release()
