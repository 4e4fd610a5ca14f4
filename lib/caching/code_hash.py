"""Hash the code behind a result: a module of the library and every module that it imports.

Stored results carry this hash, so that they are computed again when the code behind them changes.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import io
import json
import os
import tokenize
from collections.abc import Iterator
from pathlib import Path

from lib.caching.safe_files import replace_if_changed

LIBRARY = Path(__file__).parents[1]
"""Folder of the library that this process runs."""
CACHE_FOLDER = Path(os.environ.get("REVIEW_CACHE") or LIBRARY.parent / "_build" / "cache")
"""Folder of all disk caches; the environment variable ``REVIEW_CACHE`` can name another one. All builds share it,
because a cached result depends only on what its key covers."""
# Rooms whose code does not affect cached results: `caching` only stores them, and `evidence` reads tables whose
# content is part of the cache keys. The pooled results of `lib.evidence.comparisons` are not cached.
_WITHOUT_EFFECT = ("lib.caching", "lib.evidence")


@functools.cache
def code_hash(module: str, library: Path = LIBRARY) -> str:
    """Return a hash of the code of a module and of the library modules that it imports, directly or not.

    The hash does not cover comments, docstrings and blank lines, nor the rooms ``caching`` and ``evidence``.

    Parameters
    ----------
    module : str
        Full name, such as "lib.published.sampler".
    library : Path
        The folder of the package ``lib``.

    Raises
    ------
    ValueError
        If there is no such module.

    Examples
    --------
    >>> len(code_hash("lib.stats.pooling"))
    64
    """
    if _file_of(module, library) is None:
        raise ValueError(f"the library has no module {module}")
    pending, sources = [module], {}
    while pending:
        name = pending.pop()
        path = _file_of(name, library)
        if path is None:
            pending += _exported_from(name, library)
            continue
        if name in sources or name.startswith(_WITHOUT_EFFECT):
            continue
        sources[name], imported = _parse(path.read_bytes())
        pending += imported
    return hashlib.sha256("\n".join(f"{name}\n{sources[name]}" for name in sorted(sources)).encode()).hexdigest()


def _parse(source: bytes) -> tuple[str, list[str]]:
    """Return a source without comments and docstrings, and the names that it imports from the library.

    Parsing the modules behind one result takes half a second. It is done once for each content of a module, and cached
    on disk.
    """
    path = CACHE_FOLDER / "code" / f"{hashlib.sha256(_this_code() + source).hexdigest()}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(path.read_bytes())
        return str(stored["code"]), list(stored["imports"])
    text = source.decode("utf-8")
    code, imports = _without_comments(text), list(_imported(text))
    with contextlib.suppress(OSError):
        replace_if_changed(path, json.dumps({"code": code, "imports": imports}).encode())
    return code, imports


@functools.cache
def _this_code() -> bytes:
    return Path(__file__).read_bytes()


def _file_of(module: str, library: Path) -> Path | None:
    """Return the file of a module of the library; None for a name that is defined in a module."""
    path = library.parent.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _exported_from(name: str, library: Path) -> list[str]:
    """Return the module that defines a name exported by a room, according to its stub; empty for other names."""
    room, _, exported = name.rpartition(".")
    return [f"{room}.{module}" for module, names in _stub_imports(room, library) if exported in names]


@functools.cache
def _stub_imports(room: str, library: Path) -> list[tuple[str | None, list[str]]]:
    """Return the modules and names that the stub of a room imports; empty if it has no stub."""
    stub = library.parent.joinpath(*room.split("."), "__init__.pyi")
    if not stub.is_file():
        return []
    imports = [line for line in ast.parse(stub.read_text(encoding="utf-8")).body if isinstance(line, ast.ImportFrom)]
    return [(line.module, [alias.name for alias in line.names]) for line in imports]


def _imported(source: str) -> Iterator[str]:
    """Yield the names of library modules, and of the names imported from them, in the imports of a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "lib":
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _without_comments(source: str) -> str:
    """Return source without comments, docstrings and blank lines, in the same form for every version of Python."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column]
    for node in ast.walk(ast.parse(source)):
        for child in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            # A string that stands alone is a docstring, wherever it is.
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                for at in range(child.lineno - 1, child.end_lineno or child.lineno):
                    lines[at] = ""
    return "\n".join(stripped for line in lines if (stripped := line.rstrip()))
