"""Small projects to build, with chapters made for a test; here, one of the real library and data.

Belongs here: the small book of the review, and helpers for any small book. Does not belong here: the project on which
the engine alone is tested (`toy_project`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import nbformat
import pytest
import yaml

from lib.commands.book import PROJECT
from lib.engine import render, snapshot
from lib.engine.build import BuildError, Built
from lib.engine.build import build as build_project
from lib.engine.project import Project

ROOT = Path(__file__).resolve().parent.parent
SETUP = "from lib import evidence\n\nev = evidence.load(data, as_of)"
CHAPTERS = {
    "maintained": ["# Maintained", "print(len(ev.maintenance), 'rows of maintenance;', set(ev.maintenance.arm))"],
    "events": ["# Events", "print(len(ev.adverse_events), 'rows of adverse events')"],
    "mono": [
        "# Mono",
        "ev = ev.only('monotherapy')",
        "print(ev.outcome('monotherapy', 'ge75').available.events.sum())",
    ],
    "pooled": [
        "# Pooled",
        "from lib.stats.pooling import pool",
        "print(pool([1.0, 2.0, 4.0], [1.0, 1.0, 1.0]).estimate)",
    ],
}


def write_chapter(root: Path, name: str, cells: list[str], setup: str = SETUP, **metadata: dict) -> None:
    """Write a chapter; cells that begin with # are prose, and the code ``setup`` follows the first one."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel, **metadata})
    parameters = nbformat.v4.new_code_cell('data = "../data"\nas_of = ""', metadata={"tags": ["parameters"]})
    title, *rest = cells
    new = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
    made = [new[text.startswith("#")](text) for text in (title, setup, *rest)]
    notebook.cells = [made[0], parameters, *made[1:]]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{name}-{number}"
    nbformat.write(notebook, root / "book" / f"{name}.ipynb")


def write_toc(root: Path, names: list[str]) -> None:
    toc = {"format": "jb-book", "root": "book/start", "chapters": [{"file": f"book/{name}"} for name in names]}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")


def make_project(root: Path, chapters: dict[str, list[str]] = CHAPTERS) -> Path:
    """Make a project of the real library and data, and the chapters given."""
    (root / "book").mkdir(parents=True)
    for name in ("lib", "data"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "book/_static", root / "book/_static")
    shutil.copytree(ROOT / "book/_ext", root / "book/_ext", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "_config.yml", root)
    (root / "book/start.md").write_text("# Start\n\nA small book.\n", encoding="utf-8")
    for name, cells in chapters.items():
        write_chapter(root, name, cells)
    write_toc(root, list(chapters))
    return root


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "lib", "build", *options]


def build(root: Path, *options: str, **environment: str) -> subprocess.CompletedProcess:
    """Build as a user does; the library is the project's own copy."""
    return subprocess.run(
        command(*options), cwd=root, capture_output=True, text=True, timeout=300, env={**os.environ, **environment}
    )


def build_again(root: Path, as_of: str = "", project: Project = PROJECT) -> Built:
    """Build in this process, as ``make watch`` does after a save: its fork server has imported the packages already.

    This takes half the time of `build`. What a build writes to the terminal, and what becomes of one that is killed, is
    tested with `build`.
    """
    # One fork server serves all small books of this process, whichever comes first: it imports what the review needs.
    project = dataclasses.replace(project, preload=PROJECT.preload)
    with own_library(root):
        return build_project(root, as_of=as_of, project=project)


@contextlib.contextmanager
def own_library(root: Path) -> Iterator[None]:
    """Let builds in this process use the engine of the tests, and otherwise the library of the project itself."""
    library = root / "lib" if (root / "lib").is_dir() else snapshot.LIBRARY
    with mock.patch.object(snapshot, "LIBRARY", library), mock.patch.dict(os.environ):
        try:
            yield
        finally:
            render.close_renderer()


def ran_again(root: Path, as_of: str = "", project: Project = PROJECT) -> set[str]:
    """Build in this process, and return the chapters that were executed."""
    return {Path(page).name for page in build_again(root, as_of, project).ran}


def assert_refused(
    root: Path,
    refused: dict[str, tuple[str, str]],
    chapters: dict[str, list[str]] = CHAPTERS,
    setup: str = SETUP,
    project: Project = PROJECT,
) -> None:
    """Build with chapters of a code that must be refused, each with its message; the site stays as it is."""
    before = site_of(root)
    for name, (code, _) in refused.items():
        write_chapter(root, name, [f"# {name}", code], setup)
    write_toc(root, [*chapters, *refused])
    with pytest.raises(BuildError) as error:
        build_again(root, project=project)
    for name, (_, message) in refused.items():
        assert re.search(rf"chapter {name}, cell 4: \w+: {re.escape(message)}", str(error.value))
    assert site_of(root) == before


def ran(done: subprocess.CompletedProcess) -> set[str]:
    """Return the chapters that a good build executed."""
    assert done.returncode == 0, done.stderr
    said = re.search(r"Chapters executed: (.*?)\. Files", done.stdout)
    assert said or "Nothing changed." in done.stdout, done.stdout
    return set(said[1].split(", ")) - {"none"} if said else set()


def site_of(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and time of every file of the site."""
    site = root / "_build/html"
    found = [path for path in site.rglob("*") if path.is_file()]
    return {str(path.relative_to(site)): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def content_of(root: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in site_of(root).items()}


def changed(before: dict, after: dict) -> set[str]:
    """Return the files whose bytes differ; one whose bytes are the same has kept its time."""
    differ = {name for name in before | after if before.get(name, (b"",))[0] != after.get(name, (b"",))[0]}
    touched = {name for name in before.keys() & after.keys() if before[name][1] != after[name][1]}
    assert touched <= differ
    return differ


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, (path, old)
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def add_row(root: Path, table: str, column: str = "arm") -> None:
    """Repeat the last row of a table for another arm, or with another value of the column named."""
    path = root / "data" / f"{table}.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    header, last = lines[0].split(","), lines[-1].split(",")
    last[header.index(column)] += " again"
    path.write_text("\n".join([*lines, ",".join(last)]) + "\n", encoding="utf-8")


def can_mount() -> bool:
    """Whether this user may mount a disk that only one process sees."""
    return shutil.which("unshare") and subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0


def install(folder: Path, package: str, version: str) -> None:
    """Put a package of one module, and its metadata, into a folder."""
    for old in folder.glob(f"{package}-*"):
        for path in old.iterdir():
            path.unlink()
        old.rmdir()
    (folder / f"{package}.py").write_text("")
    info = folder / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{package}.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
