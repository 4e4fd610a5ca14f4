"""A site that is never broken: chapters that fail, killed builds, two at once, a full disk, a cluster; real builds."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib.engine.build import BuildError, DataFaults
from small_book import ROOT, build, can_mount, command, content_of, edit, ran, site_of, write_toc
from toy_project import CHAPTERS, add_row, build_again, ran_again, write_chapter

pytestmark = pytest.mark.book


# --- Failures ---------------------------------------------------------------------------------------------

FAULTS = {
    "fails": ("1 / 0", "ZeroDivisionError: division by zero"),
    "hangs": ("import time\ntime.sleep(600)", "ran longer than 5.0 seconds"),
    "stubborn": (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)",
        "ran longer than 5.0 seconds",
    ),
    "strict": ("import time\ntime.sleep(600)", "ran longer than 4.0 seconds"),
    "dies": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "its process died"),
    "warns": ("import warnings\nwarnings.warn('old')", "wrote a warning"),
}


def test_chapters_that_fail_leave_the_site_and_the_work_of_the_others(toy):
    before = site_of(toy)
    for name, (code, _) in FAULTS.items():
        # The chapter's own time limit counts, and not that of the command line.
        write_chapter(toy, name, [f"# {name}", code], **({"execution": {"timeout": 4}} if name == "strict" else {}))
    write_chapter(toy, "patient", ["# Patient", "import time\ntime.sleep(6)"], execution={"timeout": 600})
    write_toc(toy, [*CHAPTERS, "patient", *FAULTS])
    add_row(toy, "rain")
    done = build(toy, "--time-limit", "5")
    assert done.returncode == 1
    for name, (_, message) in FAULTS.items():
        assert f"chapter {name}, cell 4: {message}" in done.stderr
    assert done.stderr.count("chapter ") == len(FAULTS)
    assert "Traceback (most recent call last)" not in done.stderr
    assert site_of(toy) == before
    write_toc(toy, [*CHAPTERS, "patient"])
    assert ran_again(toy) == set()
    assert b"again" in content_of(toy)["book/rain.html"]


def test_a_kernel_that_dies_at_once_is_told(toy):
    edit(toy / "lib/engine/kernel.py", "    app.start()\n", "    os._exit(3)\n")
    done = build(toy)
    assert done.returncode == 1
    assert "chapter wind, cell 2: its process died" in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_a_fault_in_the_data_stops_before_anything_is_executed(toy):
    before = site_of(toy)
    (toy / "data/limits.csv").unlink()
    write_chapter(toy, "wind", ["# Wind", "print('other')"])
    with pytest.raises(DataFaults, match="^limits.csv: the file does not exist$"):
        build_again(toy)
    assert site_of(toy) == before
    assert "other" not in (toy / "_build/stage/book/wind.ipynb").read_text(encoding="utf-8")


def test_a_notebook_that_is_none_is_named(toy):
    before = site_of(toy)
    (toy / "book/wind.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(BuildError, match="chapter wind: "):
        build_again(toy)
    assert site_of(toy) == before


def test_a_page_that_warns_leaves_the_site_and_the_chapters(toy):
    before = site_of(toy)
    write_chapter(toy, "wind", [*CHAPTERS["wind"], "# See\n\n[Nobody](nobody.md)"])
    for _ in range(2):
        with pytest.raises(BuildError, match="nobody"):
            build_again(toy)
        assert site_of(toy) == before
    write_chapter(toy, "wind", CHAPTERS["wind"])
    assert ran_again(toy) == {"wind"}
    assert content_of(toy) == {name: content for name, (content, _) in before.items()}


# --- Killed, twice at once, no room -----------------------------------------------------------------------


def is_whole(site: dict[str, bytes], *books: dict[str, bytes]) -> bool:
    return any(site == book for book in books)


def test_a_build_killed_at_any_moment_leaves_a_whole_site(toy, tmp_path):
    other = shutil.copytree(toy, tmp_path / "other_toy", symlinks=True)
    for name in ("wind", "north"):
        edit(other / f"book/{name}.ipynb", "# ", "# The other ")
    add_row(other, "rain")
    begun = time.monotonic()
    ran(build(other))
    takes = time.monotonic() - begun
    books = [content_of(toy), content_of(other)]
    assert books[0] != books[1]
    sources = {
        name: [(root / name).read_bytes() for root in (toy, other)]
        for name in ("book/wind.ipynb", "book/north.ipynb", "data/rain.csv")
    }
    random_points = random.Random(1)
    killed = 0
    # One moment in each sixth of a build: whatever a build does is interrupted.
    for attempt in range(1, 7):
        wanted = (attempt + 1) % 2
        for name, versions in sources.items():
            (toy / name).write_bytes(versions[wanted])
        process = subprocess.Popen(
            command(), cwd=toy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        begun = time.monotonic()
        try:
            process.wait(0.05 + takes * (attempt - random_points.random()) / 6)
            # It was faster than the build that was timed: aim at the length of this one from now on.
            takes = time.monotonic() - begun
        except subprocess.TimeoutExpired:
            killed += 1
        # Now its children as well, now only the process itself.
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if attempt % 3 else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        assert is_whole(content_of(toy), *books), attempt
    assert killed >= 3
    ran_again(toy)
    assert content_of(toy) == books[wanted]
    leftover = {path.name.split("-")[0] for path in (toy / "_build").iterdir()}
    assert not [path for path in (toy / "_build").rglob(".*") if path.is_file()]
    files = {"inputs.json", "notices.json", "packages.json", "results.json", "lock"}
    folders = {"source", "stage", "html", "site", "reads", "records", "rendering", "shared", "templates"}
    assert leftover == {*folders, *files}
    kept = {path.name for path in (toy / "_build/rendering").iterdir()}
    assert kept == {"doctrees", "jupyter_execute", "state.json"}


def take_interrupts() -> None:
    """Take Ctrl-C as a process in the foreground does, wherever the tests run."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start_slow_build(toy: Path) -> subprocess.Popen:
    write_chapter(toy, "wind", ["# Wind", "import time\ntime.sleep(4)", "print('slept')"])
    process = subprocess.Popen(
        command(),
        cwd=toy,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=take_interrupts,
    )
    holder = toy / "_build/lock-holder"
    while process.poll() is None and not holder.is_file() or holder.read_text() != f"process {process.pid}":
        time.sleep(0.05)
    time.sleep(1)
    return process


def test_of_two_builds_the_second_waits_and_says_for_whom(toy):
    first = start_slow_build(toy)
    second = build(toy)
    assert f"Another build is at work here (process {first.pid}); waiting" in second.stdout
    assert ran(second) == set()
    said, _ = first.communicate(timeout=60)
    assert "Chapters executed: wind." in said


def test_the_lock_of_a_dead_build_holds_nobody(toy):
    first = start_slow_build(toy)
    first.kill()
    first.wait()
    second = build(toy)
    assert "waiting" not in second.stdout
    assert ran(second) == {"wind"}


def test_a_build_that_is_interrupted_ends_at_once(toy):
    process = start_slow_build(toy)
    time.sleep(1)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert time.monotonic() - begun < 30
    assert ran_again(toy) == {"wind"}


def test_a_process_for_a_build_that_is_gone_says_nothing():
    script = """
from lib.engine import fork_server

class Gone:
    def __reduce__(self):
        return open, ("what the build had, and is not there any more",)

process = fork_server.start(print, Gone())
process.join()
assert process.exitcode != 0
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(not can_mount(), reason="this system lets nobody mount a small disk")
@pytest.mark.parametrize("room", [0, 200, 1500, 4000])
def test_a_full_disk_leaves_the_site(toy, tmp_path, room):
    """On a disk of its own, with ``room`` KiB left after the first build."""
    tests, python = shlex.quote(str(tmp_path)), shlex.quote(sys.executable)
    script = f"""
        set -e
        mount -t tmpfs -o size=60m none {tests}/disk
        cp -a {shlex.quote(str(toy))} {tests}/disk/toy
        cd {tests}/disk/toy
        find -L _build/html -type f | sort | xargs sha256sum > {tests}/before
        sed -i 's/# Wind/# Breezes/' book/wind.ipynb
        free=$(df --output=avail . | tail -1)
        head -c $(( (free - {room}) * 1024 )) /dev/zero > ../ballast || true
        code=0; {python} -m lib build > {tests}/out 2> {tests}/err || code=$?
        find -L _build/html -type f | sort | xargs sha256sum > {tests}/after
        rm ../ballast
        {python} -m lib build > {tests}/again 2>&1
        grep -q Breezes _build/html/book/wind.html
        exit $code
    """
    (tmp_path / "disk").mkdir()
    # `make coverage` could not write its own files either, and says so with a traceback.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script], capture_output=True, text=True, timeout=300, env=environment
    )
    said = (tmp_path / "err").read_text()
    assert done.returncode == 1, (done.stderr, said)
    assert "the disk is full: free some space and start again" in said
    assert "Traceback" not in said and "[Errno" not in said
    assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text()


@pytest.mark.skipif(not can_mount(), reason="this system lets nobody mount a read-only disk")
def test_a_read_only_checkout_is_named_and_leaves_the_site(toy, tmp_path):
    add_row(toy, "rain")
    script = f"""
        set -e
        mount --bind {toy} {toy}
        mount -o remount,bind,ro {toy}
        cd {toy}
        find -L _build/html -type f | sort | xargs sha256sum > {tmp_path}/before
        code=0; {sys.executable} -m lib build > {tmp_path}/out 2> {tmp_path}/err || code=$?
        find -L _build/html -type f | sort | xargs sha256sum > {tmp_path}/after
        exit $code
    """
    done = subprocess.run(["unshare", "-rm", "bash", "-c", script], capture_output=True, text=True, timeout=300)
    said = (tmp_path / "err").read_text()
    assert done.returncode == 1, (done.stderr, said)
    assert len(said.splitlines()) == 1 and "the file system is read-only: work in a copy" in said
    assert "[Errno" not in said
    assert (tmp_path / "before").read_text() == (tmp_path / "after").read_text()


# --- A cluster --------------------------------------------------------------------------------------------


def test_the_same_graph_runs_on_a_dask_cluster(toy):
    import dask
    import distributed

    changed = ["rain", "wind", "north"]
    show = "import os, psutil\nprint('worker', psutil.Process(os.getppid()).ppid())"
    for name in changed:
        write_chapter(toy, name, ["# On a worker", show])
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = client.run(os.getpid).values()
        assert ran(build(toy, "--dask", cluster.scheduler_address)) == set(changed)
        pages = content_of(toy)
        used = {int(re.search(rb"worker (\d+)", pages[f"book/{name}.html"])[1]) for name in changed}
        assert used == set(workers)


def test_a_dask_scheduler_that_is_not_there_is_named(toy):
    add_row(toy, "rain")
    done = build(toy, "--dask", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert "there is no Dask scheduler at tcp://127.0.0.1:1" in done.stderr
