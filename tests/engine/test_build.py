"""What runs again, what changes, the same bytes, and that nothing leaks: real builds of a small book."""

from __future__ import annotations

import json
import os
import re
import shutil

import nbformat
import pytest

from lib.engine.build import BuildError, summary
from lib.evidence import loading
from lib.published import rates
from small_book import (
    CHAPTERS,
    ROOT,
    add_row,
    build,
    build_again,
    changed,
    content_of,
    edit,
    install,
    make_project,
    ran,
    ran_again,
    site_of,
    write_chapter,
    write_toc,
)

pytestmark = pytest.mark.book


# --- What runs again --------------------------------------------------------------------------------------


def test_nothing_runs_when_nothing_changed_but_times(project):
    before = site_of(project)
    target = os.readlink(project / "_build/html")
    assert "Nothing changed." in build(project).stdout
    for path in project.rglob("*"):
        if "_build" not in path.parts and path.is_file():
            os.utime(path)
    assert "Nothing changed." in build(project).stdout
    assert site_of(project) == before
    assert os.readlink(project / "_build/html") == target


def test_a_changed_table_runs_the_chapters_that_read_it(project):
    before = site_of(project)
    add_row(project, "maintenance")
    assert ran_again(project) == {"maintained"}
    assert changed(before, site_of(project)) == {
        "book/maintained.html",
        "_sources/book/maintained.ipynb",
        "searchindex.js",
    } - unchanged_search(before, site_of(project))


def test_a_judgement_that_the_numbers_have_overtaken_is_named_after_every_build_until_it_is_changed(project):
    assert "Needs action" not in summary(build_again(project))
    edit(project / "data/certainty.csv", "one_trial", "trials_agree")
    for _ in range(2):
        said = summary(build_again(project))
        place = "certainty.csv, row 8, column rests_on: 'trials_agree'"
        assert f"Needs action, although it did not stop the build:\n- {place}: no longer agrees" in said
    assert "Nothing changed." in said
    # The first judgement rests on trials that agree.
    edit(project / "data/certainty.csv", 'arise.",trials_agree', 'arise.",one_trial')
    assert "Needs action" not in summary(build_again(project))


def test_the_results_beside_the_pages_follow_data_edition_and_library_and_another_edition_is_another_book(project):
    def results() -> dict:
        return json.loads((project / "_build/html/results.json").read_bytes())

    before = content_of(project)
    first = results()
    assert first["edition"] == loading.load(project / "data").as_of.isoformat()
    edit(project / "lib/report/rate_entries.py", 'REVIEW = "raw proportions', 'REVIEW = "unweighted proportions')
    assert ran_again(project) == set()
    key = "rate.monotherapy.total.ge75.available"
    assert "unweighted" in results()["results"][key]["method"]
    edit(project / "lib/report/rate_entries.py", 'REVIEW = "unweighted proportions', 'REVIEW = "raw proportions')
    edit(
        project / "data/responses.csv",
        "shah2020,tacrolimus+EL,all,,all,,ge75,",
        "shah2020,tacrolimus+EL,all,,all,,ge50,",
    )
    ran_again(project)
    assert "rate.phototherapy.total.ge50.new" in results()["results"]
    assert results()["results"][key] == first["results"][key]
    assert ran_again(project, "2018-08-06") == set(CHAPTERS)
    assert results()["edition"] == "2018-08-06"
    assert not [name for name in results()["results"] if name.endswith((".new", ".updated"))]
    edit(
        project / "data/responses.csv",
        "shah2020,tacrolimus+EL,all,,all,,ge50,",
        "shah2020,tacrolimus+EL,all,,all,,ge75,",
    )
    (project / "_build/results.json").unlink()
    assert ran_again(project) == set(CHAPTERS)
    assert content_of(project) == before


def test_warnings_about_the_data_are_counted_after_every_build(project):
    edit(project / "data/records.csv", "32030880,,,2026-11-22", "32030880,,,2020-03-31")
    expected = "- 1 warning about the data: `make check` lists it."
    first = summary(build_again(project))
    # What follows a build is printed by the command, too.
    again = build(project)
    assert again.returncode == 0
    assert [said.splitlines()[-1] for said in (first, again.stdout)] == [expected, expected]
    assert again.stdout.startswith("Nothing changed.")
    edit(project / "data/records.csv", "32030880,,,2020-03-31", "32030880,,,2026-11-22")
    assert "about the data" not in summary(build_again(project))


def unchanged_search(before: dict, after: dict) -> set[str]:
    """The search index changes only if a word is new to it."""
    return {"searchindex.js"} if before["searchindex.js"] == after["searchindex.js"] else set()


def test_a_row_of_one_regimen_does_not_run_a_chapter_on_the_other(project):
    rows = (project / "data/responses.csv").read_text(encoding="utf-8")
    counts = [line for line in rows.splitlines() if re.match(r"alam,", line)]
    assert counts, "the phototherapy trial that this test changes"
    write_chapter(project, "photo", ["# Photo", "ev = ev.only('phototherapy')", "print(len(ev.responses))"])
    write_toc(project, [*CHAPTERS, "photo"])
    assert ran_again(project) == {"photo"}
    (project / "data/responses.csv").write_text(rows.replace(counts[-1] + "\n", ""), encoding="utf-8")
    assert ran_again(project) == {"photo"}


def test_a_change_that_changes_no_output_changes_no_page(project):
    table = project / "data/maintenance.csv"
    last = table.read_text(encoding="utf-8").splitlines()[-1]
    edit(table, last, last + " Seen again.")
    before = site_of(project)
    assert ran_again(project) == {"maintained"}
    assert site_of(project) == before


def test_a_word_of_prose_runs_one_chapter(project):
    before = site_of(project)
    edit(project / "book/events.ipynb", "# Events", "# Happenings")
    assert ran_again(project) == {"events"}
    differ = changed(before, site_of(project))
    # Its title stands in the sidebar of every page.
    assert {"book/events.html", "book/mono.html", "_sources/book/events.ipynb"} <= differ
    assert not any(name.startswith("_static") for name in differ)
    edit(project / "book/start.md", "A small book.", "A small book indeed.")
    before = site_of(project)
    assert ran_again(project) == set()
    assert changed(before, site_of(project)) <= {"book/start.html", "_sources/book/start.md", "searchindex.js"}


def test_a_page_is_read_again_if_it_changed_or_if_a_rendering_was_killed(project):
    rendering, start = project / "_build/rendering", project / "book/start.md"

    def read_since(before: dict[str, int]) -> set[str]:
        return {name for name, at in read_at().items() if before.get(name) != at}

    def read_at() -> dict[str, int]:
        return {path.stem: path.stat().st_mtime_ns for path in rendering.rglob("*.doctree")}

    edit(start, "A small book.", "A small book indeed.")
    ran(build(project))
    before, site = read_at(), content_of(project)
    edit(start, "indeed", "as before")
    ran(build(project))
    assert read_since(before) == {"start"}
    before = read_at()
    edit(start, "as before", "indeed")
    (rendering / "state.json").unlink()
    ran(build(project))
    assert read_since(before) == {"start", *CHAPTERS}
    assert content_of(project) == site
    assert not [*rendering.glob("html*")]


def test_a_module_runs_the_chapters_that_import_it(project):
    edit(project / "lib/stats/pooling.py", '"""', '"""Changed. ')
    assert ran_again(project) == {"pooled"}
    edit(project / "lib/evidence/edition.py", '"""The evidence', '"""Changed. The evidence')
    assert ran_again(project) == set(CHAPTERS)


def test_only_the_packages_that_a_chapter_imports_decide_whether_it_runs(project, tmp_path):
    folder = tmp_path / "packages"
    folder.mkdir()

    def build_again() -> set[str]:
        return ran(build(project, PYTHONPATH=f"{project}{os.pathsep}{folder}"))

    install(folder, "used_package", "1.0")
    write_chapter(project, "events", ["# Events", "import used_package"])
    assert build_again() == {"events"}
    before = site_of(project)
    install(folder, "other_package", "1.0")
    assert build_again() == set()
    assert site_of(project) == before
    install(folder, "used_package", "2.0")
    assert build_again() == {"events"}


def test_a_page_taken_out_is_gone_and_a_new_one_is_there(project):
    write_chapter(project, "new", ["# New", "print('new')"])
    write_toc(project, ["mono", "pooled", "new"])
    assert ran_again(project) == {"new"}
    site = content_of(project)
    assert "book/new.html" in site
    assert "book/events.html" not in site


def test_a_spoiled_site_or_result_is_made_again(project):
    before = content_of(project)
    (project / "_build/html/book/mono.html").write_text("spoiled")
    assert ran_again(project) == set()
    assert content_of(project) == before
    (project / "_build/stage/book/mono.ipynb").unlink()
    assert ran_again(project) == {"mono"}
    assert content_of(project) == before


PICTURE = """import io
from IPython.display import Image
from matplotlib.figure import Figure
file = io.BytesIO()
Figure((1, 1)).savefig(file, metadata={"Software": None})
Image(file.getvalue())"""


def test_a_link_to_a_page_that_changed_its_form_is_told_as_in_a_clean_build(project):
    (project / "book/note.md").write_text("# Note\n\nA note.\n", encoding="utf-8")
    write_chapter(project, "mono", [*CHAPTERS["mono"], "# Notes\n\n[A note](note.md)"])
    write_toc(project, [*CHAPTERS, "note"])
    assert ran_again(project) == {"mono"}
    before = site_of(project)
    (project / "book/note.md").unlink()
    write_chapter(project, "note", ["# Note", "print('a note')"])
    for _ in range(2):
        with pytest.raises(BuildError, match="'myst' cross-reference target not found: 'note.md'"):
            build_again(project)
        assert site_of(project) == before
    write_chapter(project, "mono", [*CHAPTERS["mono"], "# Notes\n\n[A note](note.ipynb)"])
    ran_again(project)
    assert not (project / "_build/html/_sources/book/note.md").exists()


# --- The same bytes ---------------------------------------------------------------------------------------


def test_two_clean_builds_and_an_updated_one_give_the_same_bytes(project, tmp_path):
    """After changes of every kind of source, one build at a time."""
    shutil.copy(ROOT / "book/references.md", project / "book")
    write_chapter(project, "citing", ["# Citing", "## See\n\n{cite}`lee2019` and [events](events.ipynb)", "ev.arms"])
    write_toc(project, [*CHAPTERS, "citing", "references"])
    ran_again(project)
    edit(project / "data/references.bib", "title = {", "title = {Changed: ")
    edit(project / "book/_static/review.css", "}", "}\n.changed {color: red}\n")
    edit(
        project / "book/_ext/no_live_code.py",
        'context["script_files"] =',
        'context["docstitle"] = "Changed"; context["script_files"] =',
    )
    ran_again(project)
    edit(project / "_config.yml", 'title: "', 'title: "Changed: ')
    write_chapter(project, "citing", ["# Citing more", "# See\n\n{cite}`radakovic2009` and {cite}`lee2019`", "ev.arms"])
    ran_again(project)
    add_row(project, "maintenance")
    edit(project / "book/events.ipynb", "# Events", "# Happenings")
    edit(project / "lib/stats/pooling.py", '"""', '"""Changed. ')
    ran_again(project)
    (project / "book/draft.md").write_text("# A page that is in no table of contents\n", encoding="utf-8")
    write_chapter(project, "events", ["# Happenings", PICTURE])
    edit(project / "book/start.md", "A small book.", "A small book indeed.")
    ran_again(project)
    clean = []
    for seed in ("1", "2"):
        root = tmp_path / f"clean{seed}"
        shutil.copytree(project, root, ignore=shutil.ignore_patterns("_build"))
        ran(build(root, PYTHONHASHSEED=seed))
        clean.append(content_of(root))
    assert clean[0] == clean[1]
    assert content_of(project) == clean[0]


# --- No leak ----------------------------------------------------------------------------------------------


def test_no_state_of_one_chapter_reaches_another(tmp_path):
    look = """import os, sys
import numpy as np, pandas as pd, matplotlib
import lib.stats.pooling
from lib.caching.shared_results import READ
state = [
    pd.get_option("display.max_rows"), matplotlib.rcParams["figure.dpi"], os.environ.get("LEAK"), os.getcwd()[-4:],
    hasattr(lib.stats.pooling, "leak"), "leak" in sys.path, hasattr(np, "leak"), "leak" in globals(),
    "leak" in sys.modules, sorted(READ), np.random.get_state()[1][:3].tolist() == [1, 2, 3],
]"""
    soil = """ev.maintenance
leak = True
pd.set_option("display.max_rows", 7)
matplotlib.rcParams["figure.dpi"] = 7
os.environ["LEAK"] = "yes"
os.chdir("/")
np.leak = lib.stats.pooling.leak = True
sys.path.append("leak")
sys.modules["leak"] = sys
np.random.seed(1)"""
    chapters = {f"c{i}": [f"# Chapter {i}", look, "print(state)", soil] for i in range(6)}
    root = make_project(tmp_path / "project", chapters)
    assert ran_again(root) == set(chapters)
    said = set()
    for name in chapters:
        notebook = nbformat.read(root / f"_build/stage/book/{name}.ipynb", as_version=4)
        said |= {output.text for cell in notebook.cells for output in cell.get("outputs", [])}
    assert said == {"[60, 100.0, None, 'book', False, False, False, False, False, [], False]\n"}


def test_what_one_chapter_does_to_the_library_is_not_in_what_another_is_answered(tmp_path):
    spoil = """import dataclasses
import lib.evidence.loading, lib.published.participants, lib.published.rates
from lib.published import rates
changed = [lib.published.participants.sizes(ev, "monotherapy").departures]
lib.published.rates.GROUPS = {}
lib.published.rates.implied_tau2 = lambda *given: 0.123
for result in rates.results(ev).values():
    result.summary.studies["v"] = -1.0
    object.__setattr__(result.summary, "tau2", 0.123)"""
    ask = """from lib.published import rates
print([round(float(r.summary.tau2), 6) for r in rates.results(ev).values()][:4])"""
    root = make_project(tmp_path / "project", {"spoil": ["# Spoil", spoil], "b": ["# B", ask], "c": ["# C", ask]})
    assert ran_again(root) == {"spoil", "b", "c"}
    said = [nbformat.read(root / f"_build/stage/book/{name}.ipynb", 4).cells[-1].outputs[0].text for name in "bc"]
    assert said[0] == said[1]
    alone = rates.results(loading.load(ROOT / "data"))
    assert said[0] == f"{[round(float(r.summary.tau2), 6) for r in alone.values()][:4]}\n"


def test_a_chapter_that_is_answered_depends_on_what_the_answer_read(project):
    write_chapter(project, "events", ["# Events", "from lib.published import rates\nprint(len(rates.results(ev)))"])
    assert ran_again(project) == {"events"}
    noted = json.loads((project / "_build/reads/book/events.json").read_text())
    assert {"responses", "published_rates", "change_criteria"} <= {part for _, part in noted["parts"]}
    assert {"lib/published/rates.py", "lib/published/participants.py", "lib/caching/shared_results.py"} <= set(
        noted["modules"]
    )
    add_row(project, "maintenance")
    assert "events" not in ran_again(project)
    edit(project / "data/change_criteria.csv", "5", "6")
    assert "events" in ran_again(project)


# --- Reads that no build could know -----------------------------------------------------------------------


REFUSED = {
    "opens": ("open('../data/arms.csv').read()", "data/arms.csv is read directly and not through lib.evidence.loading"),
    "pandas": (
        "import pandas as pd\npd.read_csv('../data/arms.csv')",
        "data/arms.csv is read directly and not through lib.evidence.loading",
    ),
    "lists": ("import os\nos.listdir('../data')", "data is read directly and not through lib.evidence.loading"),
    "sources": ("open('start.md').read()", "book/start.md is read directly and not through lib.evidence.loading"),
    "programs": ("import subprocess\nsubprocess.run(['true'])", "another program is started here"),
    "tables": ("ev.interviews", "table must be one of dictionary, codes, "),
}


def test_reads_that_the_build_cannot_know_are_refused(project):
    before = site_of(project)
    for name, (code, _) in REFUSED.items():
        write_chapter(project, name, [f"# {name}", code])
    write_toc(project, [*CHAPTERS, *REFUSED])
    with pytest.raises(BuildError) as refused:
        build_again(project)
    for name, (_, message) in REFUSED.items():
        assert re.search(rf"chapter {name}, cell 4: \w+: {re.escape(message)}", str(refused.value))
    assert site_of(project) == before


def test_the_notes_of_a_chapter_are_what_it_read(built):
    noted = json.loads((built / "_build/reads/book/mono.json").read_text())
    views = {view for view, _ in noted["parts"]}
    assert views == {"monotherapy"}
    assert {"responses", "published_rates"} <= {part for _, part in noted["parts"]}
    rooms = {name.rpartition("/")[0] for name in noted["modules"]}
    assert {"lib", "lib/caching", "lib/evidence"} <= rooms
    assert not rooms & {"lib/published", "lib/report"}
    # Of the statistics, only the checks of arguments, which other rooms share.
    assert {name for name in noted["modules"] if name.startswith("lib/stats/")} <= {
        "lib/stats/__init__.py",
        "lib/stats/arguments.py",
        "lib/stats/arrays.py",
    }
    assert "lib/evidence/edition.py" in noted["modules"]
    assert {"pandas", "numpy"} <= {*noted["packages"]}
