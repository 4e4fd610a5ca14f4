"""What runs again, what changes, and that nothing leaks: real builds of the toy project."""

from __future__ import annotations

import json
import os

import nbformat
import pytest

from lib.engine.build import BuildError, summary
from small_book import build, changed, content_of, edit, install, ran, site_of, write_toc
from toy_project import CHAPTERS, add_row, assert_refused, build_again, make_toy, ran_again, write_chapter

pytestmark = pytest.mark.book


# --- What runs again --------------------------------------------------------------------------------------


def test_nothing_runs_when_nothing_changed_but_times(toy):
    before = site_of(toy)
    target = os.readlink(toy / "_build/html")
    assert "Nothing changed." in build(toy).stdout
    for path in toy.rglob("*"):
        if "_build" not in path.parts and path.is_file():
            os.utime(path)
    assert "Nothing changed." in build(toy).stdout
    assert site_of(toy) == before
    assert os.readlink(toy / "_build/html") == target


def test_a_changed_table_runs_the_chapters_that_read_it(toy):
    """The chapter on the north reads other rows of this table."""
    before = site_of(toy)
    add_row(toy, "rain")
    assert ran_again(toy) == {"rain"}
    assert changed(before, site_of(toy)) == {
        "book/rain.html",
        "_sources/book/rain.ipynb",
        "results.json",
        "searchindex.js",
    } - unchanged_search(before, site_of(toy))


def unchanged_search(before: dict, after: dict) -> set[str]:
    """The search index changes only if a word is new to it."""
    return {"searchindex.js"} if before["searchindex.js"] == after["searchindex.js"] else set()


def test_a_change_that_changes_no_output_changes_no_page(toy):
    edit(toy / "data/rain.csv", "Carstow,2020-01-06", "Carstow,2020-01-07")
    before = site_of(toy)
    assert ran_again(toy) == {"rain"}
    assert site_of(toy) == before


def test_a_word_of_prose_runs_one_chapter(toy):
    before = site_of(toy)
    edit(toy / "book/wind.ipynb", "# Wind", "# Breezes")
    assert ran_again(toy) == {"wind"}
    differ = changed(before, site_of(toy))
    # Its title stands in the sidebar of every page.
    assert {"book/wind.html", "book/north.html", "_sources/book/wind.ipynb"} <= differ
    assert not any(name.startswith("_static") for name in differ)
    edit(toy / "book/start.md", "A small book.", "A small book indeed.")
    before = site_of(toy)
    assert ran_again(toy) == set()
    assert changed(before, site_of(toy)) <= {"book/start.html", "_sources/book/start.md", "searchindex.js"}


def test_a_page_is_read_again_if_it_changed_or_if_a_rendering_was_killed(toy):
    rendering, start = toy / "_build/rendering", toy / "book/start.md"

    def read_since(before: dict[str, int]) -> set[str]:
        return {name for name, at in read_at().items() if before.get(name) != at}

    def read_at() -> dict[str, int]:
        return {path.stem: path.stat().st_mtime_ns for path in rendering.rglob("*.doctree")}

    edit(start, "A small book.", "A small book indeed.")
    ran_again(toy)
    before, site = read_at(), content_of(toy)
    edit(start, "indeed", "as before")
    ran_again(toy)
    assert read_since(before) == {"start"}
    before = read_at()
    edit(start, "as before", "indeed")
    (rendering / "state.json").unlink()
    ran_again(toy)
    assert read_since(before) == {"start", *CHAPTERS}
    assert content_of(toy) == site
    assert not [*rendering.glob("html*")]


def test_a_module_runs_the_chapters_that_import_it_and_the_loader_checks_the_data(toy, capsys):
    edit(toy / "lib/toy/arithmetic.py", '"""', '"""Changed. ')
    assert ran_again(toy) == {"means"}
    assert "Checking the data" not in capsys.readouterr().out
    edit(toy / "lib/toy/weather.py", '"""', '"""Changed. ')
    assert ran_again(toy) == set(CHAPTERS)
    assert "Checking the data" in capsys.readouterr().out


def test_the_results_follow_data_edition_and_library_and_another_edition_is_another_book(toy):
    def results() -> dict:
        return json.loads((toy / "_build/html/results.json").read_bytes())

    before, first = content_of(toy), results()
    assert first["edition"] == "2021-03-02"
    edit(toy / "lib/toy/results.py", "mm a day", "mm per day")
    assert ran_again(toy) == set()
    assert results()["results"]["wet days"]["unit"] == "mm per day"
    edit(toy / "lib/toy/results.py", "mm per day", "mm a day")
    add_row(toy, "wind")
    assert ran_again(toy) == {"wind"}
    assert results()["results"] == {**first["results"], "wind": 28}
    assert ran_again(toy, "2020-12-31") == set(CHAPTERS)
    assert (results()["edition"], results()["results"]["wind"]) == ("2020-12-31", 12)
    edit(toy / "data/wind.csv", "Bolby again,2021-03-01,8\n", "")
    (toy / "_build/results.json").unlink()
    assert ran_again(toy) == set(CHAPTERS)
    assert content_of(toy) == before


def test_notices_follow_every_build_and_stop_none(toy):
    edit(toy / "data/rain.csv", "Bolby", "Arhult")
    expected = ["Needs action, although it did not stop the build:", "- Bolby: no rain"]
    first = summary(build_again(toy))
    # What follows a build is printed by the command, too.
    again = build(toy)
    assert again.returncode == 0
    assert [said.splitlines()[-2:] for said in (first, again.stdout)] == [expected, expected]
    assert again.stdout.startswith("Nothing changed.")
    edit(toy / "data/rain.csv", "Arhult,2020-01-05,1", "Bolby,2020-01-05,1")
    assert "Needs action" not in summary(build_again(toy))


def test_only_the_packages_that_a_chapter_imports_decide_whether_it_runs(toy, tmp_path):
    folder = tmp_path / "packages"
    folder.mkdir()

    def build_again() -> set[str]:
        return ran(build(toy, PYTHONPATH=f"{toy}{os.pathsep}{folder}"))

    install(folder, "used_package", "1.0")
    write_chapter(toy, "wind", ["# Wind", "import used_package"])
    assert build_again() == {"wind"}
    before = site_of(toy)
    install(folder, "other_package", "1.0")
    assert build_again() == set()
    assert site_of(toy) == before
    install(folder, "used_package", "2.0")
    assert build_again() == {"wind"}


def test_a_page_taken_out_is_gone_and_a_new_one_is_there(toy):
    write_chapter(toy, "new", ["# New", "print('new')"])
    write_toc(toy, ["north", "means", "new"])
    assert ran_again(toy) == {"new"}
    site = content_of(toy)
    assert "book/new.html" in site
    assert "book/wind.html" not in site


def test_a_spoiled_site_or_result_is_made_again(toy):
    before = content_of(toy)
    (toy / "_build/html/book/north.html").write_text("spoiled")
    assert ran_again(toy) == set()
    assert content_of(toy) == before
    (toy / "_build/stage/book/north.ipynb").unlink()
    assert ran_again(toy) == {"north"}
    assert content_of(toy) == before


def test_a_link_to_a_page_that_changed_its_form_is_told_as_in_a_clean_build(toy):
    (toy / "book/note.md").write_text("# Note\n\nA note.\n", encoding="utf-8")
    write_chapter(toy, "north", [*CHAPTERS["north"], "# Notes\n\n[A note](note.md)"])
    write_toc(toy, [*CHAPTERS, "note"])
    assert ran_again(toy) == {"north"}
    before = site_of(toy)
    (toy / "book/note.md").unlink()
    write_chapter(toy, "note", ["# Note", "print('a note')"])
    for _ in range(2):
        with pytest.raises(BuildError, match="'myst' cross-reference target not found: 'note.md'"):
            build_again(toy)
        assert site_of(toy) == before
    write_chapter(toy, "north", [*CHAPTERS["north"], "# Notes\n\n[A note](note.ipynb)"])
    ran_again(toy)
    assert not (toy / "_build/html/_sources/book/note.md").exists()


# --- No leak ----------------------------------------------------------------------------------------------


def test_no_state_of_one_chapter_reaches_another(tmp_path):
    look = """import os, sys
import numpy as np, pandas as pd, matplotlib
import lib.toy.arithmetic
from lib.caching.shared_results import READ
state = [
    pd.get_option("display.max_rows"), matplotlib.rcParams["figure.dpi"], os.environ.get("LEAK"), os.getcwd()[-4:],
    hasattr(lib.toy.arithmetic, "leak"), "leak" in sys.path, hasattr(np, "leak"), "leak" in globals(),
    "leak" in sys.modules, sorted(READ), np.random.get_state()[1][:3].tolist() == [1, 2, 3],
]"""
    soil = """weather.rows("rain")
leak = True
pd.set_option("display.max_rows", 7)
matplotlib.rcParams["figure.dpi"] = 7
os.environ["LEAK"] = "yes"
os.chdir("/")
np.leak = lib.toy.arithmetic.leak = True
sys.path.append("leak")
sys.modules["leak"] = sys
np.random.seed(1)"""
    chapters = {f"c{i}": [f"# Chapter {i}", look, "print(state)", soil] for i in range(6)}
    root = make_toy(tmp_path / "toy", chapters)
    assert ran_again(root) == set(chapters)
    said = set()
    for name in chapters:
        notebook = nbformat.read(root / f"_build/stage/book/{name}.ipynb", as_version=4)
        said |= {output.text for cell in notebook.cells for output in cell.get("outputs", [])}
    assert said == {"[60, 100.0, None, 'book', False, False, False, False, False, [], False]\n"}


def test_what_one_chapter_does_to_the_library_is_not_in_what_another_is_answered(tmp_path):
    spoil = """import lib.toy.results, lib.toy.weather
lib.toy.results.KINDS = []
lib.toy.results.mean = lambda numbers: 0.123
result = lib.toy.results.wet_days(weather)
result["number"] = -1
object.__setattr__(weather, "view", "north")
weather.tables["rain"].clear()
lib.toy.weather.TABLES.clear()"""
    ask = "from lib.toy.results import wet_days\nprint(wet_days(weather))"
    root = make_toy(tmp_path / "toy", {"spoil": ["# Spoil", spoil], "b": ["# B", ask], "c": ["# C", ask]})
    assert ran_again(root) == {"spoil", "b", "c"}
    said = [nbformat.read(root / f"_build/stage/book/{name}.ipynb", 4).cells[-1].outputs[0].text for name in "bc"]
    assert said == ["{'number': 2, 'mean': 8.0, 'unit': 'mm a day'}\n"] * 2


def test_a_chapter_that_is_answered_depends_on_what_the_answer_read(toy):
    write_chapter(toy, "wind", ["# Wind", "from lib.toy.results import wet_days\nprint(wet_days(weather)['number'])"])
    assert ran_again(toy) == {"wind"}
    noted = json.loads((toy / "_build/reads/book/wind.json").read_text())
    assert {part for _, part in noted["parts"]} == {"rain", "limits"}
    assert {"lib/toy/results.py", "lib/toy/arithmetic.py", "lib/caching/shared_results.py"} <= set(noted["modules"])
    add_row(toy, "wind")
    assert "wind" not in ran_again(toy)
    edit(toy / "data/limits.csv", "5", "6")
    assert "wind" in ran_again(toy)


# --- Reads that no build could know -----------------------------------------------------------------------


DIRECTLY = "is read directly and not through lib.toy.weather"
REFUSED = {
    "opens": ("open('../data/rain.csv').read()", f"data/rain.csv {DIRECTLY}"),
    "connects": ("import sqlite3\nsqlite3.connect('../data/rain.csv')", f"data/rain.csv {DIRECTLY}"),
    "lists": ("import os\nos.listdir('../data')", f"data {DIRECTLY}"),
    "sources": ("open('start.md').read()", f"book/start.md {DIRECTLY}"),
    "programs": ("import subprocess\nsubprocess.run(['true'])", "another program is started here"),
}


def test_reads_that_the_build_cannot_know_are_refused(toy):
    assert_refused(toy, REFUSED)


def test_the_notes_of_a_chapter_are_what_it_read(built_toy):
    noted = json.loads((built_toy / "_build/reads/book/north.json").read_text())
    assert noted["parts"] == [["north", "rain"]]
    modules = {name for name in noted["modules"] if not name.startswith("lib/caching/")}
    assert modules == {"lib/__init__.py", "lib/toy/__init__.py", "lib/toy/weather.py"}
    assert "ipykernel" in noted["packages"]
    assert not {"pandas", "pandera"} & {*noted["packages"]}
