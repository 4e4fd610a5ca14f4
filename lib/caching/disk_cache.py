"""A disk cache for results that take long to compute, under a hash of everything that decides them.

Results are arrays in files, and the hash covers the source of the modules that compute them; what they mean is not
known here. A lost or damaged file costs time, not correctness, and so does a folder that cannot be written.
"""

from __future__ import annotations

import contextlib
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

from lib.caching.code_hash import code_hash
from lib.caching.safe_files import replace_if_changed

# Kept outside a build, too, as a result hangs on nothing but what its key holds.
_STORE = Path(os.environ.get("REVIEW_KEPT") or Path(__file__).parents[2] / "_build" / "kept")


def recall(module: str, find: Callable[[], Mapping[str, Any]], *given: Any) -> dict[str, np.ndarray]:
    """Return a result from the cache, or compute and store it.

    Parameters
    ----------
    module : str
        Name of the module that computes it: the hash covers its source and that of the modules it imports.
    find : callable
        Computes it, as arrays or numbers by name.
    *given
        Everything else that decides it: arrays, and objects whose ``repr`` gives their whole content.

    Returns
    -------
    dict of str to ndarray
        The result, as arrays.
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
    """Return the cache key of a result.

    Arrays count with their type and shape, and every part with its length, so that different arguments have
    different keys.
    """
    parts = [code_hash(module), np.__version__, scipy.__version__, *given]
    digest = hashlib.sha256()
    for part in parts:
        is_array = isinstance(part, np.ndarray)
        content = part.tobytes() if is_array else repr(part).encode()
        kind = f"{part.dtype.str} {part.shape}" if is_array else type(part).__name__
        digest.update(f"{kind} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]
