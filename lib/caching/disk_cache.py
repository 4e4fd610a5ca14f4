"""Cache results that take long to compute on disk, under a hash of everything that determines them.

Belongs here: arrays in files, their cache keys (which cover the source of the modules that compute them), and reading
and writing them. If a file is missing or damaged, or the folder is not writable, the result is computed again.
Does not belong here: what the arrays mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import scipy

from lib.caching.code_hash import CACHE_FOLDER, code_hash
from lib.caching.safe_files import replace_if_changed


def cached(
    module: str, compute: Callable[[], Mapping[str, Any]], *inputs: Any, committed: Path | None = None
) -> dict[str, np.ndarray]:
    """Return a result from the cache, or compute and store it.

    Parameters
    ----------
    module : str
        Name of the module that computes the result: the key covers its source and that of the modules it imports.
    compute : callable
        Computes the result: arrays or numbers by name.
    *inputs
        Everything else that determines the result: arrays, and objects whose ``repr`` gives their whole content.
    committed : Path, optional
        A second, read-only folder, part of the library, that holds results under the same keys.

    Returns
    -------
    dict of str to ndarray
        The result, as arrays.
    """
    name = f"{key(module, *inputs)}.npz"
    path = CACHE_FOLDER / name
    result = read(path)
    if result is None and committed is not None:
        result = read(committed / name)
    with contextlib.ExitStack() as stack:
        if result is None:
            # Another process may be computing the same.
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(filelock.FileLock(path.with_suffix(".lock")))
                result = read(path)
        if result is None:
            result = {name: np.asarray(value) for name, value in compute().items()}
            with contextlib.suppress(OSError):
                write(path, result)
    return result


def read(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a file; None if it is missing or damaged."""
    try:
        with np.load(path) as file:
            return dict(file)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a file that `read` understands; the same arrays give the same bytes."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    replace_if_changed(path, file.getvalue())


def key(module: str, *inputs: Any) -> str:
    """Return the cache key of a result.

    The key covers the type and shape of arrays and the length of every part, so that different arguments have different
    keys.

    Parameters
    ----------
    module : str
        Name of the module that computes the result.
    *inputs
        Everything else that determines the result, as in `cached`.

    Examples
    --------
    >>> key("lib.stats.pooling", np.zeros((2, 3))) == key("lib.stats.pooling", np.zeros((3, 2)))
    False
    """
    digest = hashlib.sha256()
    for part in (code_hash(module), np.__version__, scipy.__version__, *inputs):
        is_array = isinstance(part, np.ndarray)
        content = part.tobytes() if is_array else repr(part).encode()
        kind = f"{part.dtype.str} {part.shape}" if is_array else type(part).__name__
        digest.update(f"{kind} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]
