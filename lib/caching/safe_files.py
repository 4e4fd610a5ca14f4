"""List, copy and hash files, and replace files by an atomic rename, so that no process reads a half-written file.

Belongs here: operations on files of any content. Does not belong here: which files are sources or results.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o644, 0o755
"""Permissions of the files and folders of the site, and of every file that the library writes, whatever the umask:
all may read them, and a web server can serve them; only their owner may change them."""


def files(folder: Path) -> list[str]:
    """Return the files in and below a folder, except Python's compiled code.

    Returns
    -------
    list of str
        Paths relative to the folder, sorted; empty if there is no such folder.
    """
    paths = (os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)
    return sorted(path for path in paths if "__pycache__" not in path)


def replace_if_changed(path: Path, content: bytes) -> bool:
    """Replace the content of a file by an atomic rename; do nothing if the file already has that content.

    Missing folders are created. A file that is not written keeps its modification time.

    Returns
    -------
    bool
        Whether the file was written.

    Raises
    ------
    OSError
        If the file cannot be written; its old content then remains.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "counts.csv"
    ...     replace_if_changed(path, b"7"), replace_if_changed(path, b"7"), replace_if_changed(path, b"8")
    (True, False, True)
    """
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _write_beside(path, content, FILE_MODE)
    try:
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
    return True


def replace_all(contents: Mapping[Path, bytes]) -> None:
    """Replace the content of several existing files: of all of them, or of none if an error occurs.

    Each file keeps its permissions. Everything is written beside the files first; then each is replaced by an atomic
    rename. If a rename fails, or the process is interrupted (not killed) between two, the files replaced so far get
    their old content back.

    Raises
    ------
    OSError
        If a file cannot be read or written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "counts.csv"
    ...     _ = path.write_text("7", encoding="utf-8")
    ...     replace_all({path: b"8"})
    ...     path.read_text(encoding="utf-8")
    '8'
    """
    old = {path: path.read_bytes() for path in contents}
    parts: dict[Path, str] = {}
    replaced: list[Path] = []
    try:
        for path, content in contents.items():
            parts[path] = _write_beside(path, content, path.stat().st_mode & 0o777)
        for path, part in parts.items():
            replaced.append(path)
            os.replace(part, path)
    except BaseException:
        for path in replaced:
            os.replace(_write_beside(path, old[path], path.stat().st_mode & 0o777), path)
        raise
    finally:
        for part in parts.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)


def _write_beside(path: Path, content: bytes, mode: int) -> str:
    """Write a new file in the folder of another one, and return its path."""
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(part, mode)
    except BaseException:
        os.unlink(part)
        raise
    return part


def mirror(folder: Path, sources: Mapping[str, Path], protected: Iterable[str] = ()) -> list[str]:
    """Copy files to a folder, and remove all other files from it except those that are protected.

    Parameters
    ----------
    folder : Path
        The folder.
    sources : mapping of str to Path
        The source of each file, by its name relative to ``folder``.
    protected : iterable of str
        Files to leave unchanged.

    Returns
    -------
    list of str
        The files that are new, changed or gone, sorted.
    """
    gone = set(files(folder)) - sources.keys() - set(protected)
    for name in gone:
        (folder / name).unlink()
        with contextlib.suppress(OSError):
            # Remove folders that are now empty: the path of a new file may be that of such a folder.
            os.removedirs((folder / name).parent)
    return sorted(
        [*gone, *(name for name, path in sources.items() if replace_if_changed(folder / name, path.read_bytes()))]
    )


def hash_files(folder: Path, names: Iterable[str]) -> str:
    """Return a hash of the names and contents of files, in the order given; it also covers which files do not exist."""
    total = hashlib.sha256()
    for name in names:
        try:
            content = hashlib.sha256((folder / name).read_bytes()).digest()
        except FileNotFoundError:
            content = b"does not exist"
        total.update(f"{len(name)} {name}".encode() + content)
    return total.hexdigest()
