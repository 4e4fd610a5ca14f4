"""What several tests need: a data folder to spoil, a small book, and the whole book built once."""

from __future__ import annotations

import csv
import functools
import http.server
import importlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from bs4 import BeautifulSoup
from filelock import FileLock
from hypothesis import settings

import toy_project
from lib import __main__ as command_line
from lib.evidence import Evidence, load
from small_book import CHAPTERS, ROOT, build, make_project, ran
from stated import soup_of

# Machines are loaded now and then; how long an example takes is no property of the code. In CI the examples are the
# same in every run, so that a change is not blamed for what another run would have met.
settings.register_profile("without deadline", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("without deadline")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Imputations take long and depend on nothing but what they are stored under: the books of all tests share them.
os.environ.setdefault("REVIEW_CACHE", str(ROOT / "_build" / "cache"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def import_extension(name: str) -> ModuleType:
    """Import a module of the book's extensions, which import one another from their own folder.

    The folder does not stay on the path: a build of this process would find these extensions before those of its book.
    """
    folder = str(ROOT / "book/_ext")
    sys.path.append(folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="session")
def ev() -> Evidence:
    """The newest edition of the evidence; tests change nothing of it."""
    return load(ROOT / "data")


@pytest.fixture
def data(tmp_path) -> Path:
    """A copy of the data folder."""
    return Path(shutil.copytree(ROOT / "data", tmp_path / "data"))


@pytest.fixture
def edit(data) -> Callable:
    """Change a table of the copy: ``edit("arms", lambda rows: ...)``; row 0 is the header, as in the file."""

    def edit(table: str, change: Callable[[list[list[str]]], None]) -> None:
        path = data / f"{table}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        change(rows)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    return edit


def parsed(path: Path) -> BeautifulSoup:
    """Parse a page of a built book; tests share what they get, and change nothing of it."""
    return soup_of(path.read_text(encoding="utf-8"))


LINKED = (
    "certainty",
    "comparisons",
    "methods-compared",
    "new-studies",
    "study-records",
    "update",
    "what-is-new",
)


def copy_book(target: Path, pages: list[str] | None = None) -> Path:
    """Copy the sources of the book, or of a small one with the pages named.

    A small book also has the glossary and the references, and the beginnings of the pages to which its pages lead
    (`LINKED`).
    """
    shutil.copytree(ROOT / "book", target / "book")
    shutil.copytree(ROOT / "data", target / "data")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, target)
    if pages:
        for name in LINKED:
            path = target / "book" / f"{name}.ipynb"
            notebook = json.loads(path.read_text(encoding="utf-8"))
            cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
            path.write_text(json.dumps({**notebook, "cells": cells[:1]}), encoding="utf-8")
        others = [f"book/{name}" for name in ("glossary", "references", *LINKED) if f"book/{name}" not in pages]
        toc = {"format": "jb-book", "root": pages[0], "chapters": [{"file": page} for page in [*pages[1:], *others]]}
        (target / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    return target


def copy_executed(book: Path, target: Path) -> None:
    """Copy the chapters that were executed for the whole book, and what the engine noted about them.

    So the first build of a small book made by `copy_book` executes only the pages that are other than those of the
    whole book.
    """
    ignored = shutil.ignore_patterns("cache", "editions", "html", "lock*", "site-*", "source", "uv")
    shutil.copytree(book / "_build", target / "_build", ignore=ignored)


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command line of the library as a user does."""
    command = [sys.executable, "-m", "lib", arguments[0], "--root", str(root), *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.fixture
def run_here(capsys) -> Callable[..., subprocess.CompletedProcess]:
    """Run the command line as `run` does, but in this process: starting another one takes longer than most commands."""

    def run_here(root: Path, *arguments: str) -> subprocess.CompletedProcess:
        capsys.readouterr()
        status = command_line.main([arguments[0], "--root", str(root), *arguments[1:]])
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return run_here


@pytest.fixture
def small_book(tmp_path) -> Path:
    """The sources of a book of two chapters."""
    return copy_book(tmp_path, ["book/monotherapy", "book/table-3"])


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Make a folder once for all workers of a test run: ``once(name, make)`` calls ``make(folder)`` in one of them."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                done.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def book(once) -> Path:
    """The project itself, its book brought up to date: ``make test`` has built it, and tests change nothing of it."""

    def bring_up_to_date(_: Path) -> None:
        done = run(ROOT, "build")
        assert done.returncode == 0, done.stderr

    once("book", bring_up_to_date)
    return ROOT


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is needed in CI and is not installed")
        pytest.skip("Chromium is not installed: the site was not opened in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture(scope="module")
def address(book):
    """The address of the built book, served on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(book / "_build/html"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="session")
def built(once) -> Path:
    """A small project of the real library and data, built; tests take copies."""

    def make(folder: Path) -> None:
        make_project(folder)
        assert ran(build(folder)) == set(CHAPTERS)

    return once("built", make)


@pytest.fixture
def project(built, tmp_path) -> Path:
    """A copy of the built project."""
    return shutil.copytree(built, tmp_path / "project", symlinks=True)


@pytest.fixture(scope="session")
def built_toy(once) -> Path:
    """The toy project, on which the engine alone is tested, built; tests take copies."""

    def make(folder: Path) -> None:
        toy_project.make_toy(folder)
        assert ran(build(folder)) == set(toy_project.CHAPTERS)

    return once("built_toy", make)


@pytest.fixture
def toy(built_toy, tmp_path) -> Path:
    """A copy of the built toy project."""
    return shutil.copytree(built_toy, tmp_path / "toy", symlinks=True)
