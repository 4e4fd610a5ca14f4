"""What takes long to find, kept from build to build under a hash of all that decides it.

Knows arrays in files, and which modules of the library a result comes of; nothing of what it means. A kept result is
the one that would be found again: a file that is lost or spoiled costs time, and so does a folder that cannot be
written.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import scipy

from lib.files import replace_if_changed

# Kept outside a build, too, as a result hangs on nothing but what its key holds.
_STORE = Path(os.environ.get("REVIEW_KEPT") or Path(__file__).parents[1] / "_build" / "kept")
# What a result takes of the tables is among what it is given.
_TABLES = {"evidence"}


def recall(module: str, find: Callable[[], Mapping[str, Any]], *given: Any) -> dict[str, np.ndarray]:
    """Return a result that is kept, or find it and keep it for who asks next.

    Parameters
    ----------
    module : str
        Name of the module that finds it: with its source and that of the modules it imports the result may change.
    find : callable
        Finds it, as arrays or numbers by name.
    *given
        All that decides it besides: arrays, and what tells its whole content as text.

    Returns
    -------
    dict of str to ndarray
        What was found, as arrays.
    """
    path = _STORE / f"{key(module, *given)}.npz"
    found = _read(path)
    with contextlib.ExitStack() as stack:
        if found is None:
            # Another chapter may be finding the same.
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(filelock.FileLock(path.with_suffix(".lock")))
                found = _read(path)
        if found is None:
            found = {name: np.asarray(value) for name, value in find().items()}
            file = io.BytesIO()
            np.savez_compressed(file, **found)
            with contextlib.suppress(OSError):
                replace_if_changed(path, file.getvalue())
    return found


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a file, None if it is not there or spoiled."""
    try:
        with np.load(path) as file:
            return dict(file)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def key(module: str, *given: Any) -> str:
    """Return the hash under which `recall` keeps a result."""
    parts = [*_sources(module.rpartition(".")[2]), np.__version__, scipy.__version__, *given]
    digest = hashlib.sha256()
    for part in parts:
        # The length of each part, and of an array its type and shape, so that no two lists of parts look alike.
        is_array = isinstance(part, np.ndarray)
        content = part.tobytes() if is_array else repr(part).encode()
        kind = f"{part.dtype.str} {part.shape}" if is_array else type(part).__name__
        digest.update(f"{kind} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


@functools.cache
def _sources(module: str) -> tuple[bytes, ...]:
    """Return the source of a module and of those that it imports, directly or not, but for those of the tables."""
    pending, found = [module], {}
    while pending:
        name = pending.pop()
        if name in found or name in _TABLES:
            continue
        found[name] = Path(__file__).with_name(f"{name}.py").read_bytes()
        for node in ast.walk(ast.parse(found[name])):
            if isinstance(node, ast.ImportFrom) and node.module == "lib":
                pending += [imported.name for imported in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module.startswith("lib."):
                pending.append(node.module.removeprefix("lib."))
    return tuple(found[name] for name in sorted(found))
