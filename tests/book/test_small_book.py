"""What the review makes of the engine: results, notices, warnings and reads of a small book of the real data.

Belongs here: builds whose subject is the review's own library, data, extensions or commands. Does not belong here: what
the engine does in any project (``tests/engine``), and the whole book (``test_book``).
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup

from lib.__main__ import main
from lib.commands.book import PROJECT
from lib.engine.build import summary
from lib.engine.project import look_up, recorded
from lib.evidence import loading
from lib.published import rates
from small_book import (
    CHAPTERS,
    ROOT,
    add_row,
    assert_refused,
    build,
    build_again,
    can_mount,
    content_of,
    edit,
    make_project,
    ran,
    ran_again,
    write_chapter,
    write_toc,
)

pytestmark = pytest.mark.book


# --- Results, notices, warnings ---------------------------------------------------------------------------


def test_the_results_beside_the_pages_follow_the_data_and_another_edition_is_another_book(project):
    def results() -> dict:
        return json.loads((project / "_build/html/results.json").read_bytes())

    first = results()
    assert first["edition"] == loading.load(project / "data").as_of.isoformat()
    edit(project / "lib/report/rate_entries.py", 'REVIEW = "raw proportions', 'REVIEW = "unweighted proportions')
    edit(
        project / "data/responses.csv",
        "shah2020,tacrolimus+EL,all,,all,,ge75,",
        "shah2020,tacrolimus+EL,all,,all,,ge50,",
    )
    ran_again(project)
    assert "rate.phototherapy.total.ge50.new" in results()["results"]
    key = "rate.monotherapy.total.ge75.available"
    before, after = first["results"][key], results()["results"][key]
    assert "unweighted" in after["method"]
    assert {**after, "method": before["method"]} == before
    assert ran_again(project, "2018-08-06") == set(CHAPTERS)
    assert results()["edition"] == "2018-08-06"
    assert not [name for name in results()["results"] if name.endswith((".new", ".updated"))]


def test_an_outdated_judgement_is_named_after_every_build_until_it_is_changed(project):
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


def test_warnings_about_the_data_are_counted_after_every_build(project):
    assert "about the data" not in summary(build_again(project))
    edit(project / "data/records.csv", "32030880,,,2026-11-22", "32030880,,,2020-03-31")
    expected = "- 1 warning about the data: `make check` lists it."
    first = summary(build_again(project))
    # What follows a build is printed by the command, too.
    again = build(project)
    assert again.returncode == 0
    assert [said.splitlines()[-1] for said in (first, again.stdout)] == [expected, expected]
    assert again.stdout.startswith("Nothing changed.")


# --- What a chapter reads ---------------------------------------------------------------------------------


def test_every_name_of_the_project_leads_somewhere():
    assert callable(look_up(PROJECT.loader)) and callable(look_up(PROJECT.results))
    assert issubclass(look_up(PROJECT.data_error), Exception)
    for name in (PROJECT.editions_loaded, *PROJECT.files_read):
        assert isinstance(look_up(name), set) and recorded(name) is look_up(name)
    for module in (PROJECT.reader, *PROJECT.preload):
        importlib.import_module(module)
    assert recorded("a_module_that_is_not_imported:READ") == set()


def test_a_row_of_one_regimen_does_not_run_a_chapter_on_the_other(project):
    rows = (project / "data/responses.csv").read_text(encoding="utf-8")
    counts = [line for line in rows.splitlines() if re.match(r"alam,", line)]
    assert counts, "the phototherapy trial that this test changes"
    write_chapter(project, "photo", ["# Photo", "ev = ev.only('phototherapy')", "print(len(ev.responses))"])
    write_toc(project, [*CHAPTERS, "photo"])
    assert ran_again(project) == {"photo"}
    (project / "data/responses.csv").write_text(rows.replace(counts[-1] + "\n", ""), encoding="utf-8")
    assert ran_again(project) == {"photo"}


def test_the_notes_of_a_chapter_are_what_it_read(built):
    noted = json.loads((built / "_build/reads/book/mono.json").read_text())
    views = {view for view, _ in noted["parts"]}
    assert views == {"monotherapy"}
    assert {"responses", "published_rates"} <= {part for _, part in noted["parts"]}
    rooms = {name.rpartition("/")[0] for name in noted["modules"]}
    assert {"lib", "lib/caching", "lib/evidence"} <= rooms
    assert not rooms & {"lib/published", "lib/report"}
    # Of the statistics, only the checks of arguments and the form of counts in messages, which other rooms share.
    assert {name for name in noted["modules"] if name.startswith("lib/stats/")} <= {
        "lib/stats/__init__.py",
        "lib/stats/arguments.py",
        "lib/stats/arrays.py",
        "lib/stats/checks.py",
        "lib/stats/display.py",
    }
    assert "lib/evidence/edition.py" in noted["modules"]
    assert {"pandas", "numpy"} <= {*noted["packages"]}


def test_a_chapter_that_is_answered_depends_on_what_the_answer_read(project):
    code = (
        "from lib.published import rates\nprint([round(float(r.summary.tau2), 6) for r in rates.results(ev).values()])"
    )
    write_chapter(project, "events", ["# Events", code])
    assert ran_again(project) == {"events"}
    noted = json.loads((project / "_build/reads/book/events.json").read_text())
    assert {"responses", "published_rates", "change_criteria"} <= {part for _, part in noted["parts"]}
    assert {"lib/published/rates.py", "lib/published/participants.py", "lib/caching/shared_results.py"} <= set(
        noted["modules"]
    )
    # An answer is what the chapter would have computed.
    said = nbformat.read(project / "_build/stage/book/events.ipynb", 4).cells[-1].outputs[0].text
    alone = rates.results(loading.load(ROOT / "data"))
    assert said == f"{[round(float(r.summary.tau2), 6) for r in alone.values()]}\n"


REFUSED = {
    "opens": ("open('../data/arms.csv').read()", "data/arms.csv is read directly and not through lib.evidence.loading"),
    "pandas": (
        "import pandas as pd\npd.read_csv('../data/arms.csv')",
        "data/arms.csv is read directly and not through lib.evidence.loading",
    ),
    "tables": ("ev.interviews", "table must be one of dictionary, codes, "),
}


def test_reads_that_the_build_cannot_know_are_refused(project):
    assert_refused(project, REFUSED)


# --- The same bytes ---------------------------------------------------------------------------------------


PICTURE = """import io
from IPython.display import Image
from matplotlib.figure import Figure
file = io.BytesIO()
Figure((1, 1)).savefig(file, metadata={"Software": None})
Image(file.getvalue())"""


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
    edit(project / "lib/stats/pooling.py", '"""', '"""Changed. ')
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


# --- Editions and the command -----------------------------------------------------------------------------


def test_every_edition_is_built_and_leads_to_the_same_page_of_the_others(tmp_path):
    project = make_project(tmp_path / "project", {"events": CHAPTERS["events"]})
    table = project / "data/editions.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(line for line in lines if not line.startswith("2026-11-22")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "lib", "editions"], cwd=project, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Edition of ") == 1
    site = (project / "_build/html").resolve()
    pages = [site / "book/events.html", *sorted(site.glob("editions/*/book/events.html"))]
    assert [page.relative_to(site).parts[1] for page in pages[1:]] == ["2018-08-06"]
    texts = set()
    for page in pages:
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        targets = {(page.parent / link["href"]).resolve() for link in soup.select("nav.review-editions a")}
        assert targets == {*pages} - {page}
        texts.add(soup.select_one(".output").get_text().strip())
    assert len(texts) == 2, "two editions have other adverse events"
    # A later build of the newest edition alone keeps the others.
    before = (site / "editions/2018-08-06/book/events.html").read_bytes()
    (project / "book/start.md").write_text("# Start\n\nA changed book.\n", encoding="utf-8")
    assert ran(build(project)) == set()
    assert (project / "_build/html/editions/2018-08-06/book/events.html").read_bytes() == before


def test_data_with_faults_remove_no_edition(tmp_path):
    site = tmp_path / "_build/editions/2018-08-06/site-1"
    site.mkdir(parents=True)
    (site.parent / "html").symlink_to("site-1")
    (tmp_path / "data").mkdir()
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, tmp_path)
    assert main(["editions", "--root", str(tmp_path)]) == 1
    assert site.is_dir()


@pytest.mark.skipif(not can_mount(), reason="this system lets nobody mount a read-only disk")
def test_the_data_of_a_read_only_checkout_can_be_checked(tmp_path):
    root = make_project(tmp_path / "project", {})
    script = f"""
        set -e
        mount --bind {root} {root}
        mount -o remount,bind,ro {root}
        cd {root}
        ! touch new 2>/dev/null
        {sys.executable} -m lib check
    """
    done = subprocess.run(["unshare", "-rm", "bash", "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("data: no faults.\n")
