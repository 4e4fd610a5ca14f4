"""Files that a build reads and writes: listed, and replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
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
