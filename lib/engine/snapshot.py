"""The snapshot: a copy of all sources as they are when a build begins, and hashes of their content.

Belongs here: which files are sources, and hashes that identify their content. Does not belong here: the dependencies of
steps (`lib.engine.graph`).

A build uses only the snapshot, so that a file saved meanwhile belongs to the next build.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lib.caching.code_hash import LIBRARY, code_hash
from lib.caching.os_errors import describe, why_unreadable
from lib.caching.safe_files import files, mirror
from lib.engine.errors import BuildError, DataFaults


def chapters(root: Path) -> list[str]:
    """Return the pages of the book in the order of ``_toc.yml``, as paths without their suffix.

    Raises
    ------
    BuildError
        If the table of contents cannot be read, or names a page that does not exist.
    """
    try:
        toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    except OSError as error:
        raise BuildError(describe(error)) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BuildError(f"_toc.yml cannot be read: {error}") from None
    pages = list(_pages_below(toc))
    if not pages:
        raise BuildError("_toc.yml names no page")
    for page in pages:
        if pages.count(page) > 1:
            raise BuildError(f"_toc.yml names {page} twice")
        if not any((root / f"{page}{suffix}").is_file() for suffix in (".ipynb", ".md")):
            raise BuildError(f"_toc.yml names {page}, but there is no {page}.ipynb or {page}.md")
    return pages


def _pages_below(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "glob":
                raise BuildError("_toc.yml: glob is not supported; name each page")
            if key in ("root", "file"):
                yield value
            else:
                yield from _pages_below(value)
    elif isinstance(node, list):
        for item in node:
            yield from _pages_below(item)


def require_data_folder(data: Path) -> None:
    """Raise `DataFaults` if there is no data folder, or it cannot be read."""
    if not data.is_dir():
        reason = "is a file; the data folder is expected" if data.exists() else "the data folder does not exist"
        raise DataFaults(f"{data}: {reason}")
    if not os.access(data, os.R_OK | os.X_OK):
        raise DataFaults(f"{data}: this user may not read the data folder: change its permissions (chmod u+rx)")


def take_snapshot(root: Path, data: Path, source: Path) -> bool:
    """Copy the sources as they are now to the folder ``source``, and return whether anything changed.

    Raises
    ------
    DataFaults
        If there is no data folder, it is empty, or a file in it cannot be read.
    BuildError
        If another source cannot be read.
    """
    require_data_folder(data)
    sources = {name: root / name for name in ("_config.yml", "_toc.yml")}
    for folder, origin in (("book", root / "book"), ("data", data), ("lib", LIBRARY)):
        names = (name for name in files(origin) if not any(part.startswith(".") for part in Path(name).parts))
        sources |= {f"{folder}/{name}": origin / name for name in names}
    if not any(name.startswith("data/") for name in sources):
        raise DataFaults(f"{data}: the data folder has no CSV files")
    # Check before copying: a named pipe would block the copy, and messages of the system do not say what to do.
    unreadable = {name: reason for name, path in sources.items() if (reason := why_unreadable(path))}
    if faults := [f"{name.removeprefix('data/')}: {unreadable[name]}" for name in unreadable if name[:5] == "data/"]:
        raise DataFaults("\n".join(faults))
    if unreadable:
        raise BuildError("\n".join(f"{name}: {reason}" for name, reason in unreadable.items()))
    changed = mirror(source, sources)
    for name in changed:
        if name.endswith(".py"):
            # Remove compiled code: Python uses it for any source of the same size that was written in the same second.
            Path(importlib.util.cache_from_source(str(source / name))).unlink(missing_ok=True)
    return bool(changed)


def engine_code(source: Path, *modules: str) -> str:
    """Hash the code of modules of the engine, and of the modules that they import, in a snapshot.

    The hash covers imported modules and not the whole folder, so that a change of the renderer does not cause chapters
    to be executed again. It does not cover comments and docstrings. It is computed once per process; ``make watch``
    starts a new process if the engine changes.
    """
    return digest(*(code_hash(f"lib.engine.{module}", source / "lib") for module in modules))


def digest(*parts: bytes | str) -> str:
    """Return a hash of a sequence of texts that also depends on the boundaries between them."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        total.update(str(len(content)).encode() + b":" + content)
    return total.hexdigest()


def content_of(path: Path) -> bytes:
    """Return the content of a file, or a placeholder if it does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b"does not exist"
