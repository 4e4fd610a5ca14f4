"""The build on a small book: what runs again, what changes, what a failure leaves, and that nothing leaks.

Every build here is a real one, of a copy of the project with chapters made for the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import yaml

from conftest import ROOT

pytestmark = pytest.mark.book

SETUP = "from lib import evidence\n\nev = evidence.load(data, as_of)"
CHAPTERS = {
    "maintained": ["# Maintained", "print(len(ev.maintenance), 'rows of maintenance;', set(ev.maintenance.arm))"],
    "events": ["# Events", "print(len(ev.adverse_events), 'rows of adverse events')"],
    "mono": ["# Mono", "ev = ev.only('monotherapy')", "print(ev.cell('monotherapy', 'ge75').public.events.sum())"],
    "pooled": ["# Pooled", "from lib.pooling import pool", "print(pool([1.0, 2.0, 4.0], [1.0, 1.0, 1.0]).estimate)"],
}


def write_chapter(root: Path, name: str, cells: list[str]) -> None:
    """Write a chapter; cells that begin with # are prose."""
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    parameters = nbformat.v4.new_code_cell('data = "../data"\nas_of = ""', metadata={"tags": ["parameters"]})
    title, *rest = cells
    new = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
    made = [new[text.startswith("#")](text) for text in (title, SETUP, *rest)]
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


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A small project, built; tests take copies."""
    root = make_project(tmp_path_factory.mktemp("built") / "project")
    assert ran(build(root)) == set(CHAPTERS)
    return root


@pytest.fixture
def project(built, tmp_path) -> Path:
    """A copy of the built project."""
    return shutil.copytree(built, tmp_path / "project", symlinks=True)


# --- What runs again --------------------------------------------------------------------------------------


def test_nothing_runs_when_nothing_changed(project):
    before = site_of(project)
    target = os.readlink(project / "_build/html")
    done = build(project)
    assert "Nothing changed." in done.stdout
    assert site_of(project) == before
    assert os.readlink(project / "_build/html") == target


def test_a_touched_file_is_not_a_changed_one(project):
    for path in project.rglob("*"):
        if "_build" not in path.parts and path.is_file():
            os.utime(path)
    before = site_of(project)
    assert ran(build(project)) == set()
    assert site_of(project) == before


def test_a_changed_table_runs_the_chapters_that_read_it(project):
    before = site_of(project)
    add_row(project, "maintenance")
    assert ran(build(project)) == {"maintained"}
    assert changed(before, site_of(project)) == {
        "book/maintained.html",
        "_sources/book/maintained.ipynb",
        "searchindex.js",
    } - unchanged_search(before, site_of(project))


def add_row(root: Path, table: str) -> None:
    path = root / "data" / f"{table}.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    header, last = lines[0].split(","), lines[-1].split(",")
    last[header.index("arm")] += " again"
    path.write_text("\n".join([*lines, ",".join(last)]) + "\n", encoding="utf-8")


def unchanged_search(before: dict, after: dict) -> set[str]:
    """The search index changes only if a word is new to it."""
    return {"searchindex.js"} if before["searchindex.js"] == after["searchindex.js"] else set()


def test_a_row_of_one_regimen_does_not_run_a_chapter_on_the_other(project):
    rows = (project / "data/responses.csv").read_text(encoding="utf-8")
    counts = [line for line in rows.splitlines() if re.match(r"alam,", line)]
    assert counts, "the phototherapy trial that this test changes"
    write_chapter(project, "photo", ["# Photo", "ev = ev.only('phototherapy')", "print(len(ev.responses))"])
    write_toc(project, [*CHAPTERS, "photo"])
    assert ran(build(project)) == {"photo"}
    (project / "data/responses.csv").write_text(rows.replace(counts[-1] + "\n", ""), encoding="utf-8")
    assert ran(build(project)) == {"photo"}


def test_a_change_that_changes_no_output_changes_no_page(project):
    table = project / "data/maintenance.csv"
    last = table.read_text(encoding="utf-8").splitlines()[-1]
    edit(table, last, last + " Seen again.")
    before = site_of(project)
    assert ran(build(project)) == {"maintained"}
    assert site_of(project) == before


def test_a_word_of_prose_runs_one_chapter(project):
    before = site_of(project)
    edit(project / "book/events.ipynb", "# Events", "# Happenings")
    assert ran(build(project)) == {"events"}
    differ = changed(before, site_of(project))
    # Its title stands in the sidebar of every page.
    assert {"book/events.html", "book/mono.html", "_sources/book/events.ipynb"} <= differ
    assert not any(name.startswith("_static") for name in differ)
    edit(project / "book/start.md", "A small book.", "A small book indeed.")
    before = site_of(project)
    assert ran(build(project)) == set()
    assert changed(before, site_of(project)) <= {"book/start.html", "_sources/book/start.md", "searchindex.js"}


def test_a_module_runs_the_chapters_that_import_it(project):
    edit(project / "lib/pooling.py", '"""', '"""Changed. ')
    assert ran(build(project)) == {"pooled"}
    edit(project / "lib/evidence.py", '"""The evidence', '"""Changed. The evidence')
    assert ran(build(project)) == set(CHAPTERS)


def test_another_edition_is_another_book(project):
    before = content_of(project)
    assert ran(build(project, "--as-of", "2018-08-06")) == set(CHAPTERS)
    assert ran(build(project)) == set(CHAPTERS)
    assert content_of(project) == before


def test_a_page_taken_out_is_gone_and_a_new_one_is_there(project):
    write_chapter(project, "new", ["# New", "print('new')"])
    write_toc(project, ["mono", "pooled", "new"])
    assert ran(build(project)) == {"new"}
    site = content_of(project)
    assert "book/new.html" in site
    assert "book/events.html" not in site


def test_a_spoiled_site_or_result_is_made_again(project):
    before = content_of(project)
    (project / "_build/html/book/mono.html").write_text("spoiled")
    assert ran(build(project)) == set()
    assert content_of(project) == before
    (project / "_build/stage/book/mono.ipynb").unlink()
    assert ran(build(project)) == {"mono"}
    assert content_of(project) == before


# --- The same bytes ---------------------------------------------------------------------------------------


def test_two_clean_builds_and_an_updated_one_give_the_same_bytes(project, tmp_path):
    """After changes of every kind of source, one build at a time."""
    shutil.copy(ROOT / "book/references.md", project / "book")
    write_chapter(project, "citing", ["# Citing", "## See\n\n{cite}`lee2019` and [events](events.ipynb)", "ev.arms"])
    write_toc(project, [*CHAPTERS, "citing", "references"])
    ran(build(project))
    edit(project / "data/references.bib", "title = {", "title = {Changed: ")
    edit(project / "book/_static/review.css", "}", "}\n.changed {color: red}\n")
    ran(build(project))
    edit(
        project / "book/_ext/no_live_code.py",
        'context["script_files"] =',
        'context["docstitle"] = "Changed"; context["script_files"] =',
    )
    ran(build(project))
    edit(project / "_config.yml", 'title: "', 'title: "Changed: ')
    write_chapter(project, "citing", ["# Citing more", "# See\n\n{cite}`radakovic2009` and {cite}`lee2019`", "ev.arms"])
    ran(build(project))
    add_row(project, "maintenance")
    edit(project / "book/events.ipynb", "# Events", "# Happenings")
    edit(project / "lib/pooling.py", '"""', '"""Changed. ')
    ran(build(project))
    edit(project / "book/start.md", "A small book.", "A small book indeed.")
    ran(build(project))
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
import lib.pooling
state = [
    pd.get_option("display.max_rows"), matplotlib.rcParams["figure.dpi"], os.environ.get("LEAK"), os.getcwd()[-4:],
    hasattr(lib.pooling, "leak"), "leak" in sys.path, hasattr(np, "leak"), "leak" in globals(),
    "leak" in sys.modules, sorted(evidence.READ), np.random.get_state()[1][:3].tolist() == [1, 2, 3],
]"""
    soil = """ev.maintenance
leak = True
pd.set_option("display.max_rows", 7)
matplotlib.rcParams["figure.dpi"] = 7
os.environ["LEAK"] = "yes"
os.chdir("/")
np.leak = lib.pooling.leak = True
sys.path.append("leak")
sys.modules["leak"] = sys
np.random.seed(1)"""
    chapters = {f"c{i}": [f"# Chapter {i}", look, "print(state)", soil] for i in range(6)}
    root = make_project(tmp_path / "project", chapters)
    assert ran(build(root)) == set(chapters)
    said = set()
    for name in chapters:
        notebook = nbformat.read(root / f"_build/stage/book/{name}.ipynb", as_version=4)
        said |= {output.text for cell in notebook.cells for output in cell.get("outputs", [])}
    assert said == {"[60, 100.0, None, 'book', False, False, False, False, False, [], False]\n"}


# --- Reads that no build could know -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("open('../data/arms.csv').read()", "data/arms.csv is read past lib.evidence"),
        ("import pandas as pd\npd.read_csv('../data/arms.csv')", "data/arms.csv is read past lib.evidence"),
        ("import os\nos.listdir('../data')", "data is read past lib.evidence"),
        ("open('start.md').read()", "book/start.md is read past lib.evidence"),
        ("ev.interviews", "there is no table 'interviews'; the tables are"),
    ],
)
def test_a_read_that_the_build_cannot_know_is_refused(project, code, message):
    before = site_of(project)
    write_chapter(project, "events", ["# Events", code])
    done = build(project)
    assert done.returncode == 1
    assert message in done.stderr
    assert "chapter events, cell 4" in done.stderr
    assert site_of(project) == before


# --- Failures ---------------------------------------------------------------------------------------------

FAULTS = {
    "fails": ("1 / 0", "chapter events, cell 4: ZeroDivisionError: division by zero"),
    "hangs": ("import time\ntime.sleep(600)", "chapter events, cell 4: ran longer than 15.0 seconds"),
    "hangs and will not stop": (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)",
        "chapter events, cell 4: ran longer than 15.0 seconds",
    ),
    "dies": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "chapter events, cell 4: its process died"),
    "warns": ("import warnings\nwarnings.warn('old')", "chapter events, cell 4: wrote a warning"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_chapter_that_fails_leaves_the_site_and_the_work_of_the_others(project, fault):
    code, message = FAULTS[fault]
    before = site_of(project)
    write_chapter(project, "events", ["# Events", code])
    add_row(project, "maintenance")
    done = build(project, "--time-limit", "15")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback (most recent call last)" not in done.stderr
    assert site_of(project) == before
    write_chapter(project, "events", CHAPTERS["events"])
    # The other chapter is not executed again; the faulty one is as it was.
    assert "maintained" not in ran(build(project))
    assert b"again" in content_of(project)["book/maintained.html"]


def test_a_fault_in_the_data_stops_before_anything_is_executed(project):
    before = site_of(project)
    (project / "data/flow.csv").unlink()
    write_chapter(project, "events", ["# Events", "print('other')"])
    done = build(project)
    assert done.returncode == 1
    assert "flow.csv" in done.stderr
    assert "1 fault; nothing was built." in done.stderr
    assert site_of(project) == before
    assert "other" not in (project / "_build/stage/book/events.ipynb").read_text(encoding="utf-8")


def test_a_notebook_that_is_none_is_named(project):
    before = site_of(project)
    (project / "book/events.ipynb").write_text("{", encoding="utf-8")
    done = build(project)
    assert done.returncode == 1
    assert "chapter events: " in done.stderr
    assert site_of(project) == before


def test_a_page_that_warns_leaves_the_site_and_the_chapters(project):
    before = site_of(project)
    write_chapter(project, "events", [*CHAPTERS["events"], "# See\n\n{cite}`nobody`"])
    for _ in range(2):
        done = build(project)
        assert done.returncode == 1
        assert "nobody" in done.stderr
        assert site_of(project) == before
    write_chapter(project, "events", CHAPTERS["events"])
    assert ran(build(project)) == {"events"}
    assert content_of(project) == {name: content for name, (content, _) in before.items()}


# --- Killed, twice at once, no room -----------------------------------------------------------------------


def is_whole(site: dict[str, bytes], *books: dict[str, bytes]) -> bool:
    return any(site == book for book in books)


def test_a_build_killed_at_any_moment_leaves_a_whole_site(project, tmp_path):
    other = shutil.copytree(project, tmp_path / "other", symlinks=True)
    for name in ("events", "mono"):
        edit(other / f"book/{name}.ipynb", "# ", "# The other ")
    add_row(other, "maintenance")
    begun = time.monotonic()
    ran(build(other))
    takes = time.monotonic() - begun
    books = [content_of(project), content_of(other)]
    assert books[0] != books[1]
    sources = {
        name: [(root / name).read_bytes() for root in (project, other)]
        for name in ("book/events.ipynb", "book/mono.ipynb", "data/maintenance.csv")
    }
    random_points = random.Random(1)
    killed = attempt = 0
    while killed < 20:
        attempt += 1
        wanted = (attempt + 1) % 2
        for name, versions in sources.items():
            (project / name).write_bytes(versions[wanted])
        process = subprocess.Popen(
            command(), cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(random_points.uniform(0.05, takes))
        killed += process.poll() is None
        # Now its children as well, now only the process itself.
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if attempt % 3 else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        assert is_whole(content_of(project), *books), attempt
    ran(build(project))
    assert content_of(project) == books[wanted]
    leftover = {path.name.split("-")[0] for path in (project / "_build").iterdir()}
    assert not [path for path in (project / "_build").rglob(".*") if path.is_file()]
    assert leftover == {"source", "stage", "html", "site", "reads", "records", "evidence.json", "lock"}


def take_interrupts() -> None:
    """Take Ctrl-C as a process in the foreground does, wherever the tests run."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start_slow_build(project: Path) -> subprocess.Popen:
    write_chapter(project, "events", ["# Events", "import time\ntime.sleep(4)", "print('slept')"])
    process = subprocess.Popen(
        command(),
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=take_interrupts,
    )
    holder = project / "_build/lock-holder"
    while process.poll() is None and not holder.is_file() or holder.read_text() != f"process {process.pid}":
        time.sleep(0.05)
    time.sleep(1)
    return process


def test_of_two_builds_the_second_waits_and_says_for_whom(project):
    first = start_slow_build(project)
    second = build(project)
    assert f"Another build is at work here (process {first.pid}); waiting" in second.stdout
    assert ran(second) == set()
    said, _ = first.communicate(timeout=60)
    assert "Chapters executed: events." in said


def test_the_lock_of_a_dead_build_holds_nobody(project):
    first = start_slow_build(project)
    first.kill()
    first.wait()
    second = build(project)
    assert "waiting" not in second.stdout
    assert ran(second) == {"events"}


def test_a_build_that_is_interrupted_ends_at_once(project):
    process = start_slow_build(project)
    time.sleep(1)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert time.monotonic() - begun < 30
    assert ran(build(project)) == {"events"}


def can_mount() -> bool:
    return shutil.which("unshare") and subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="this system lets nobody mount a small disk")
@pytest.mark.parametrize("room", [0, 200, 1500, 4000])
def test_a_full_disk_leaves_the_site(project, tmp_path, room):
    """On a disk of its own, with ``room`` KiB left after the first build."""
    script = f"""
        set -e
        mount -t tmpfs -o size=60m none {tmp_path}/disk
        cp -a {project} {tmp_path}/disk/project
        cd {tmp_path}/disk/project
        find -L _build/html -type f | sort | xargs sha256sum > {tmp_path}/before
        sed -i 's/# Events/# Happenings/' book/events.ipynb
        free=$(df --output=avail . | tail -1)
        head -c $(( (free - {room}) * 1024 )) /dev/zero > ../ballast || true
        code=0; {sys.executable} -m lib build > {tmp_path}/out 2> {tmp_path}/err || code=$?
        find -L _build/html -type f | sort | xargs sha256sum > {tmp_path}/after
        rm ../ballast
        {sys.executable} -m lib build > {tmp_path}/again 2>&1
        grep -q Happenings _build/html/book/events.html
        exit $code
    """
    (tmp_path / "disk").mkdir()
    done = subprocess.run(["unshare", "-rm", "bash", "-c", script], capture_output=True, text=True, timeout=300)
    said = (tmp_path / "err").read_text()
    assert done.returncode == 1, (done.stderr, said)
    assert "No space left on device" in said
    assert "Traceback" not in said
    assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text()


# --- A cluster --------------------------------------------------------------------------------------------


def test_the_same_graph_runs_on_a_dask_cluster(project):
    import dask
    import distributed

    changed = ["maintained", "events", "mono"]
    show = "import os, psutil\nprint('worker', psutil.Process(os.getppid()).ppid())"
    for name in changed:
        write_chapter(project, name, ["# On a worker", show])
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = client.run(os.getpid).values()
        assert ran(build(project, "--dask", cluster.scheduler_address)) == set(changed)
        pages = content_of(project)
        used = {int(re.search(rb"worker (\d+)", pages[f"book/{name}.html"])[1]) for name in changed}
        assert used == set(workers)


def test_a_dask_scheduler_that_is_not_there_is_named(project):
    add_row(project, "maintenance")
    done = build(project, "--dask", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert "there is no Dask scheduler at tcp://127.0.0.1:1" in done.stderr


def test_the_notes_of_a_chapter_are_what_it_read(built):
    noted = json.loads((built / "_build/reads/book/mono.json").read_text())
    views = {view for view, _ in noted["parts"]}
    assert views == {"monotherapy"}
    assert {"responses", "published_rates"} <= {part for _, part in noted["parts"]}
    assert noted["modules"] == ["lib/__init__.py", "lib/evidence.py", "lib/validation.py"]
