"""Describe errors of the operating system in sentences for the person at the terminal.

Belongs here: why a file cannot be read or written, in words. Does not belong here: handling the error.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

_SENTENCES = {
    errno.ENOSPC: "the disk is full: free some space and start again",
    errno.EDQUOT: "the disk quota of this user is used up: free some space and start again",
    errno.EROFS: "the file system is read-only: work in a copy of the project that can be written",
    errno.EACCES: "this user lacks the permission: change the permissions (chmod), or start again as their owner",
    errno.EPERM: "this user lacks the permission: change the permissions (chmod), or start again as their owner",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n), and start again",
    errno.ENFILE: "too many files are open on this machine: close other programs, and start again",
    errno.ENOMEM: "there is not enough memory: close other programs, and start again",
    errno.ENOENT: "the file or folder does not exist",
    errno.ENOTDIR: "a part of the path is a file and not a folder",
    errno.EISDIR: "is a folder; a file is expected",
    errno.ELOOP: "is a link that leads back to itself: replace it with the file",
    errno.ENAMETOOLONG: "the name is too long for this file system: use a shorter path",
    errno.EIO: "the disk reports a failure: check the disk",
}
_KINDS = (
    (stat.S_ISDIR, "is a folder; a file is expected"),
    (stat.S_ISFIFO, "is a named pipe (FIFO); a file is expected"),
    (stat.S_ISSOCK, "is a socket; a file is expected"),
    (stat.S_ISCHR, "is a device; a file is expected"),
    (stat.S_ISBLK, "is a device; a file is expected"),
)


def describe(error: OSError) -> str:
    """Return the path and the cause of an error of the operating system, and what to do, in a sentence.

    Parameters
    ----------
    error : OSError
        The error.

    Returns
    -------
    str
        The sentence, without the number of the error.

    Examples
    --------
    >>> describe(OSError(errno.ENOSPC, "No space left on device", "data/arms.csv"))
    'data/arms.csv: the disk is full: free some space and start again'
    """
    if error.errno is None:
        return str(error)
    sentence = _SENTENCES.get(error.errno) or error.strerror or os.strerror(error.errno)
    return f"{os.fsdecode(error.filename)}: {sentence}" if isinstance(error.filename, str | bytes) else sentence


def without_number(message: str) -> str:
    """Remove the numbers of errors, such as ``[Errno 28]``, from the message of another program.

    Examples
    --------
    >>> without_number("OSError: [Errno 28] No space left on device")
    'OSError: No space left on device'
    """
    return re.sub(r"\[Errno -?[0-9]+\] ", "", message)


def why_unreadable(path: Path) -> str:
    """Return why a file cannot be read; empty if it can be. The file is not opened, so a named pipe does not block.

    Parameters
    ----------
    path : Path
        The file.

    Examples
    --------
    >>> why_unreadable(Path("no/such/file"))
    'the file does not exist'
    >>> why_unreadable(Path("/"))
    'is a folder; a file is expected'
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            return f"is a link to {os.readlink(path)}, which does not exist"
        return "the file does not exist"
    except OSError as error:
        return _SENTENCES.get(error.errno or 0) or error.strerror or str(error)
    kind = next((text for is_kind, text in _KINDS if is_kind(mode)), "")
    if not kind and not os.access(path, os.R_OK):
        return "this user may not read the file: change its permissions (chmod u+r)"
    return kind
