"""The parts of a build without a build: the executor, records, packages, snapshots, and limits of time."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest

from lib.caching.code_hash import LIBRARY
from lib.engine import packages
from lib.engine.chapter import _own_time_limit
from lib.engine.errors import BuildError, DataFaults
from lib.engine.graph import Step, run
from lib.engine.result_server import Store
from lib.engine.snapshot import chapters, digest, engine_code, take_snapshot
from small_book import install

# --- Executor ---------------------------------------------------------------------------------------------


def make_step(made, name, work=list, after=(), state=lambda: "state"):
    return Step(name, made, state, work, after)


def test_steps_run_once_each_after_those_they_depend_on(tmp_path):
    order = []

    def step(name, *after):
        return make_step(tmp_path, name, lambda: order.append(name) or [], after)

    first = step("first")
    middle = [step(f"middle{i}", first) for i in range(5)]
    steps = [first, *middle, step("last", *middle)]
    done, faults = run(steps, 1)
    assert order == done == [s.name for s in steps]
    assert faults == []
    assert run(steps, 3) == ([], [])


def test_after_a_fault_only_the_steps_that_depend_on_it_are_left_out(tmp_path):
    broken = make_step(tmp_path, "broken", lambda: 1 / 0)
    other = make_step(tmp_path, "other")
    after = make_step(tmp_path, "after", after=[broken, other])
    last = make_step(tmp_path, "last", after=[after])
    done, faults = run([broken, other, after, last], 2)
    assert done == ["other"]
    assert [type(fault) for fault in faults] == [ZeroDivisionError]
    assert not broken.is_done() and not after.is_done()


def test_as_many_steps_run_at_once_as_there_are_workers(tmp_path):
    together = threading.Barrier(3)
    steps = [make_step(tmp_path, f"{i}", lambda: together.wait(10) and [] or []) for i in range(3)]
    assert run(steps, 3)[1] == []


def test_an_interrupt_is_no_fault_but_ends_the_run(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    later = make_step(tmp_path, "later")
    with pytest.raises(KeyboardInterrupt):
        run(
            [make_step(tmp_path, "step", interrupt), make_step(tmp_path, "slow", lambda: time.sleep(1) or []), later], 1
        )
    time.sleep(1.5)
    assert not later.is_done()


def test_a_step_is_done_again_when_its_state_its_packages_or_its_record_change(tmp_path, monkeypatch):
    state, version = ["one"], ["1.0"]
    monkeypatch.setattr(packages, "versions", lambda names, made: f"{[*names]} {version[0]}")
    step = make_step(tmp_path, "book/page", lambda: ["numpy"], state=lambda: state[0])
    assert step.bring_up_to_date() and not step.bring_up_to_date()
    state[0] = "two"
    assert step.bring_up_to_date() and not step.bring_up_to_date()
    version[0] = "2.0"
    assert step.bring_up_to_date() and not step.bring_up_to_date()
    record = tmp_path / "records/book.page.json"
    for damaged in ("", "{}", "[]", '{"state": 1, "packages": 2}'):
        record.write_text(damaged)
        assert step.bring_up_to_date() and not step.bring_up_to_date()
    state[0] = None
    assert step.bring_up_to_date() and step.bring_up_to_date()


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_names_the_steps_that_run(tmp_path, capsys, monkeypatch, terminal):
    steps = [
        make_step(tmp_path, "book/monotherapy"),
        Step("site", tmp_path, lambda: "", list, (), "rendering the pages"),
    ]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    run(steps, 1)
    lines, bar = capsys.readouterr()
    if terminal:
        assert not lines and "Executing monotherapy" in bar and "Rendering the pages" in bar
    else:
        assert lines == "Executing monotherapy\nRendering the pages\n" and not bar
    # Nothing has changed: nothing runs, and nothing is shown.
    run(steps, 1)
    assert capsys.readouterr().out == ""


# --- Packages ---------------------------------------------------------------------------------------------


def test_versions_are_those_of_the_packages_that_are_imported(tmp_path, monkeypatch):
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder)])
    install(folder, "used_package", "1.0")
    before = packages.versions(["used_package", "nowhere"], tmp_path)
    assert before == f"{sys.version}\nused_package 1.0"
    install(folder, "other_package", "1.0")
    assert packages.versions(["used_package"], tmp_path) == before
    install(folder, "used_package", "2.0")
    importlib.invalidate_caches()
    assert packages.versions(["used_package"], tmp_path) == before.replace("1.0", "2.0")
    (tmp_path / packages.CACHE_FILE).write_text("{")
    assert packages.versions(["used_package"], tmp_path) == before.replace("1.0", "2.0")


def test_imported_packages_are_neither_of_python_nor_of_the_library():
    assert {"numpy", "pytest"} <= {*packages.imported()}
    assert not {"sys", "json", "lib", "__main__"} & {*packages.imported()}


# --- Snapshot ---------------------------------------------------------------------------------------------


def test_a_digest_counts_where_a_text_ends():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") == digest(b"a")


def test_a_snapshot_holds_the_sources_and_no_compiled_code_of_changed_ones(tmp_path):
    root, source = tmp_path / "project", tmp_path / "source"
    (root / "book").mkdir(parents=True)
    (root / "data").mkdir()
    for name in ("_config.yml", "_toc.yml", "book/page.md", "book/.draft.md", "data/table.csv"):
        (root / name).write_text(name)
    assert take_snapshot(root, root / "data", source)
    assert (source / "book/page.md").read_text() == "book/page.md"
    assert not (source / "book/.draft.md").exists()
    assert not take_snapshot(root, root / "data", source)
    compiled, kept = (
        Path(importlib.util.cache_from_source(source / f"lib/engine/{name}.py")) for name in ("graph", "build")
    )
    compiled.parent.mkdir()
    compiled.touch()
    kept.touch()
    (source / "lib/engine/graph.py").write_text("")
    assert take_snapshot(root, root / "data", source)
    assert kept.exists() and not compiled.exists()
    with pytest.raises(DataFaults, match="does not exist"):
        take_snapshot(root, root / "nothing", source)


@pytest.mark.parametrize(
    ("toc", "message"),
    [
        ("root: [", "cannot be read"),
        ("format: jb-book", "names no page"),
        ("{root: page, chapters: [{file: page}]}", "names page twice"),
        ("{root: page, chapters: [{file: other}]}", "there is no other.ipynb or other.md"),
        ("{root: page, chapters: [{glob: p*}]}", "glob is not supported"),
    ],
)
def test_a_table_of_contents_that_is_wrong_is_described(tmp_path, toc, message):
    (tmp_path / "_toc.yml").write_text(toc)
    (tmp_path / "page.md").write_text("# Page")
    with pytest.raises(BuildError, match=message):
        chapters(tmp_path)


def test_the_code_of_chapters_is_not_that_of_rendering(tmp_path):
    """A change of the renderer must not execute chapters."""

    def code(changed, text):
        engine = tmp_path / changed / "lib/engine"
        engine.mkdir(parents=True)
        for path in (LIBRARY / "engine").glob("*.py"):
            (engine / path.name).write_text(path.read_text() + (text if path.stem == changed else ""))
        return [engine_code(engine.parents[1], *m) for m in (("chapter", "preload"), ("render",))]

    as_is = code("nothing", "")
    assert code("snapshot", "\n# A comment.\n") == as_is
    for module, of_chapters, of_pages in [("render", 0, 1), ("serve", 0, 0), ("kernel", 1, 0), ("fork_server", 1, 1)]:
        changed = code(module, "\nmore = 1\n")
        assert [a != b for a, b in zip(as_is, changed, strict=True)] == [of_chapters, of_pages], module


# --- Results of earlier builds ----------------------------------------------------------------------------


def test_a_result_is_used_again_while_its_code_and_what_it_read_are_the_same(tmp_path):
    def store(code="code", arms="1", responses="1"):
        return Store(tmp_path, code, {"": {"arms": arms, "responses": responses}})

    request = ("", "module", "function", "ge75")
    assert store().read(request) is None
    store().write(request, [("", "arms")], b"reply\nof two lines")
    assert store().read(request) == store(responses="2").read(request) == b"reply\nof two lines"
    assert store(code="other").read(request) is store(arms="2").read(request) is None
    assert store().read(("", "module", "function", "ge50")) is None
    assert Store(tmp_path, "code", {}).read(request) is None
    (path,) = tmp_path.iterdir()
    for damaged in (path.read_bytes()[:-1], b"", b"[]\nreply", b"\xff\n"):
        path.write_bytes(damaged)
        assert store().read(request) is None


# --- Time limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("metadata", "limit"), [({}, None), ({"timeout": 5}, 5.0), ({"timeout": None}, None)])
def test_a_chapter_may_set_the_time_limit_of_its_cells(tmp_path, metadata, limit):
    path = tmp_path / "chapter.ipynb"
    nbformat.write(nbformat.v4.new_notebook(metadata={"execution": metadata}), path)
    assert _own_time_limit(path) == limit


@pytest.mark.parametrize("limit", [0, -1, "5", True])
def test_a_time_limit_that_is_none_is_described(tmp_path, limit):
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps(nbformat.v4.new_notebook(metadata={"execution": {"timeout": limit}})))
    with pytest.raises(BuildError, match="metadata.execution.timeout must be a number of seconds above 0"):
        _own_time_limit(path)
