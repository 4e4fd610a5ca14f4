"""Files that a build reads and writes: listed, and replaced whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def files(folder: Path) -> list[str]:
    """Return the files in a folder and below it, sorted, relative to it; none if it is not there, no compiled code."""
    found = (os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)
    return sorted(name for name in found if "__pycache__" not in name)


def replace_if_changed(path: Path, content: bytes) -> bool:
    """Give a file this content, whole or not at all; one that has it already keeps its time. Return if it changed."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
    return True


def mirror(folder: Path, wanted: Mapping[str, Path], keep: Iterable[str] = ()) -> list[str]:
    """Make a folder hold copies of the files wanted and nothing else but those to keep; return what changed.

    Parameters
    ----------
    folder : Path
        The folder.
    wanted : mapping of str to Path
        The source of each file, by its name relative to ``folder``.
    keep : iterable of str
        Files that stay as they are.
    """
    gone = set(files(folder)) - wanted.keys() - set(keep)
    for name in gone:
        (folder / name).unlink()
        with contextlib.suppress(OSError):
            # What is now a file may have been a folder.
            os.removedirs((folder / name).parent)
    return sorted(
        [*gone, *(name for name, path in wanted.items() if replace_if_changed(folder / name, path.read_bytes()))]
    )


def hash_files(folder: Path, names: Iterable[str]) -> str:
    """Return a hash of the names and contents of files; one that is not there counts as such."""
    total = hashlib.sha256()
    for name in names:
        try:
            content = hashlib.sha256((folder / name).read_bytes()).digest()
        except FileNotFoundError:
            content = b"is not there"
        total.update(f"{len(name)} {name}".encode() + content)
    return total.hexdigest()
