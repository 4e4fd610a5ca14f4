"""Measure builds against ``jupyter-book build --all`` with execution forced, on the same chapters.

``make bench`` runs the cases in turn, so that a slow minute of the machine affects all of them, and prints medians,
ranges and ratios of this run, together with the machine's noise (a fixed piece of work timed at every step). With
``--scale`` it builds the book with 10 and 100 times the studies instead.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import yaml
from synthetic import enlarge

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("book", "data", "lib", "_config.yml", "_toc.yml")
RESULT = ROOT / "_build" / "bench.json"


def copy_project(target: Path) -> Path:
    """Copy what a build needs."""
    target.mkdir(parents=True)
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, target)
    return target


def force_execution(root: Path) -> Path:
    """Have Jupyter Book execute every chapter, every time."""
    path = root / "_config.yml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["execute"] = {"execute_notebooks": "force", "timeout": 1200, "run_in_temp": False}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return root


def run(command: list[str], root: Path, cache: Path) -> float:
    """Run a command to its end and return the seconds it took."""
    begun = time.perf_counter()
    environment = {**os.environ, "REVIEW_CACHE": str(cache), "PYTHONPATH": str(root)}
    process = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - begun
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{process.stdout[-2000:]}{process.stderr[-4000:]}")
    return seconds


def plain(root: Path, cache: Path) -> float:
    """Build with Jupyter Book alone."""
    script = "from jupyter_book.cli.main import main; main()"
    return run([sys.executable, "-c", script, "build", "--all", "-q", "."], root, cache)


def ours(root: Path, cache: Path, *options: str) -> float:
    """Build with this project."""
    return run([sys.executable, "-m", "lib", "build", *options], root, cache)


def fixed_work() -> float:
    """Time a fixed piece of work: its variation is the noise of the machine."""
    begun = time.perf_counter()
    total = 0
    for i in range(3_000_000):
        total += i * i
    return time.perf_counter() - begun


# --- Changes ----------------------------------------------------------------------------------------------


def add_row(root: Path, turn: int) -> None:
    """Add a row to the table of responses: an invented count of a study that has one at another threshold.

    Counts differ from turn to turn, so that no result of an earlier turn is used again; the 16 responders at the lower
    threshold are the most that the rules allow.
    """
    path = root / "data/responses.csv"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "benchmark" not in line]
    header = lines[0].split(",")
    row = next(line.split(",") for line in lines if line.startswith("cdi00845_2019,"))
    row[header.index("threshold")], row[header.index("events")] = "ge75", str(turn % 17)
    row[header.index("derivation")] = "invented for a benchmark"
    path.write_text("\n".join([*lines, ",".join(row)]) + "\n", encoding="utf-8")


def change_word(root: Path, turn: int) -> None:
    """Change one word of a chapter's prose."""
    path = root / "book/monotherapy.ipynb"
    text = path.read_text(encoding="utf-8")
    changed = text.replace("How to read the plots", f"How to read the plots {turn}")
    if changed == text:
        raise SystemExit(f"{path.name} no longer has the words that this case changes: choose others in {__file__}")
    path.write_text(changed, encoding="utf-8")


def change_line(root: Path, turn: int) -> None:
    """Change one line of a module that one chapter uses."""
    path = root / "lib/report/chapters/audit_findings.py"
    path.write_text(path.read_text(encoding="utf-8") + f"# {turn}\n", encoding="utf-8")


def nothing(root: Path, turn: int) -> None:
    """Change nothing."""


CHANGES = {
    "nothing changed": (nothing, 40),
    "one row added to the responses table": (add_row, 8),
    "one word changed in a chapter's prose": (change_word, 8),
    "one line changed in a module that one chapter uses": (change_line, 6),
}
CLEAN = "clean build, empty cache"


def compare(rounds: int, clean_rounds: int, work: Path) -> dict:
    """Time the clean build ``clean_rounds`` times, then every other case in turn, ``rounds`` times."""
    root, other = copy_project(work / "ours"), force_execution(copy_project(work / "plain"))
    cache, plain_cache = work / "cache", work / "plain-cache"
    took: dict[str, dict[str, list[float]]] = {name: {"plain": [], "ours": []} for name in [*CHANGES, CLEAN]}
    noise = []
    for _ in range(clean_rounds):
        for folder in (root / "_build", other / "_build", cache, plain_cache):
            shutil.rmtree(folder, ignore_errors=True)
        noise.append(fixed_work())
        took[CLEAN]["ours"].append(ours(root, cache))
        noise.append(fixed_work())
        took[CLEAN]["plain"].append(plain(other, plain_cache))
    if not clean_rounds:
        shutil.copytree(ROOT / "_build/cache", cache)
        shutil.copytree(ROOT / "_build/cache", plain_cache)
        ours(root, cache)
    for turn in range(rounds):
        # Jupyter Book executes every chapter whatever has changed: one run is compared with all cases.
        noise.append(fixed_work())
        again = plain(other, plain_cache)
        for name, (change, _) in CHANGES.items():
            change(root, turn)
            noise.append(fixed_work())
            took[name]["ours"].append(ours(root, cache))
            took[name]["plain"].append(again)
        print(f"round {turn + 1} of {rounds} done", file=sys.stderr, flush=True)
    print(json.dumps(took), file=sys.stderr, flush=True)
    return {"cases": took, "noise": noise, "watch": watch(rounds, root, cache)}


# --- Watch ------------------------------------------------------------------------------------------------


def watch(rounds: int, root: Path, cache: Path) -> dict[str, list[float]]:
    """Time from saving a table to the page in a browser, and the work of the chapters that read it."""
    from playwright.sync_api import sync_playwright

    table, page = root / "data/later_reviews.csv", "book/new-studies.html"
    until_shown, chapters_work = [], []
    with _serving(root, cache) as address, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page()
        text = table.read_text(encoding="utf-8")
        label = text.splitlines()[1].split(",")[1]
        for turn in range(rounds + 1):
            tab.goto(f"{address}{page}")
            time.sleep(4)
            begun = time.perf_counter()
            table.write_text(text.replace(label, f"{label} {turn}"), encoding="utf-8")
            tab.wait_for_function(
                "text => document.body?.innerText.includes(text)", arg=f"{label} {turn}", timeout=90_000
            )
            until_shown.append(time.perf_counter() - begun)
            chapters_work.append(_work_of_last_build(root))
        browser.close()
    # The first save starts the fork server.
    return {"saved to shown": until_shown[1:], "chapters' own work": chapters_work[1:]}


@contextlib.contextmanager
def _serving(root: Path, cache: Path) -> Iterator[str]:
    environment = {**os.environ, "REVIEW_CACHE": str(cache), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "lib", "watch", "--port", "0"]
    process = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if line.startswith("Serving "):
                break
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield line.split()[1]
    finally:
        process.terminate()
        process.wait()


def _work_of_last_build(root: Path) -> float:
    """Return the seconds that the cells of the chapters took that ran last, on as many processors as there are."""
    notes = [
        (path.stat().st_mtime, json.loads(path.read_text(encoding="utf-8"))["seconds"])
        for path in root.glob("_build/reads/**/*.json")
    ]
    newest = max(at for at, _ in notes)
    seconds = [seconds for at, seconds in notes if newest - at < 15]
    return max(max(seconds), sum(seconds) / (os.cpu_count() or 1))


# --- Scale ------------------------------------------------------------------------------------------------


def scale(work: Path, times: tuple[int, ...] = (1, 10, 100)) -> dict:
    """Build the book with more studies: seconds against rows, peak memory, the slowest chapter and the largest page."""
    root, cache, measured = copy_project(work / "ours"), work / "cache", {}
    # Simulated counts depend on the published review alone: the first build computes and caches them.
    ours(root, cache)
    for factor in times:
        data = work / f"data{factor}"
        added = enlarge(ROOT / "data", data, factor)
        rows = sum(len(path.read_text(encoding="utf-8").splitlines()) - 1 for path in data.glob("*.csv"))
        shutil.rmtree(root / "_build", ignore_errors=True)
        with _peak_memory() as peak:
            clean = ours(root, cache, "--data", str(data), "--time-limit", "3600")
        seconds = {path.stem: _seconds(path) for path in root.glob("_build/reads/**/*.json")}
        slowest = max(seconds, key=seconds.get)
        largest = max((root / "_build/html").rglob("*.html"), key=lambda path: path.stat().st_size)
        first = measured.get(times[0], {"clean build": clean, "rows": rows})
        measured[factor] = {
            "studies added": added,
            "rows": rows,
            "clean build": clean,
            "seconds a row, of those of the first": round(clean / rows / (first["clean build"] / first["rows"]), 2),
            "nothing changed": ours(root, cache, "--data", str(data), "--time-limit", "3600"),
            "peak memory, MB": round(peak[0] / 1e6),
            "slowest chapter": f"{slowest}, {seconds[slowest]:.0f} s",
            "largest page": f"{largest.name}, {largest.stat().st_size / 1e6:.1f} MB",
        }
        print(factor, measured[factor], file=sys.stderr, flush=True)
    return measured


def _seconds(notes: Path) -> float:
    return json.loads(notes.read_text(encoding="utf-8"))["seconds"]


@contextlib.contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """Watch the memory of this process's children, counting what they share once; its peak is in the list."""
    peak, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.5):
            total = 0
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    total += child.memory_full_info().pss
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


# --- Report -----------------------------------------------------------------------------------------------


def report(measured: dict) -> str:
    """Return the measurements as a table."""

    def summary(seconds: list[float]) -> str:
        """Return the median and the range."""
        return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"

    goals = {**{name: goal for name, (_, goal) in CHANGES.items()}, CLEAN: 2}
    lines = ["| case | plain, s | ours, s | plain / ours | goal |", "| --- | --- | --- | --- | --- |"]
    for name, took in measured["cases"].items():
        if not took["ours"]:
            continue
        ratio = statistics.median(p / o for p, o in zip(took["plain"], took["ours"], strict=True))
        lines.append(f"| {name} | {summary(took['plain'])} | {summary(took['ours'])} | {ratio:.1f}x | {goals[name]}x |")
    until_shown, chapters_work = measured["watch"].values()
    beyond = [s - o for s, o in zip(until_shown, chapters_work, strict=True)]
    lines += [
        "",
        f"Watch: saved to shown {summary(until_shown)} s, of it beyond the chapters' own work"
        f" {summary(beyond)} s (goal: 2).",
        f"Noise of this machine (a fixed piece of work, s): {summary(measured['noise'])}.",
        f"Medians (least-most) of {len(until_shown)}; {os.cpu_count()} processors.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write ``_build/bench.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clean-rounds", type=int, default=5, help="0: with the cache in _build/cache")
    parser.add_argument("--scale", action="store_true", help="build with 10 and 100 times the studies instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        measured = scale(Path(work)) if options.scale else compare(options.rounds, options.clean_rounds, Path(work))
    RESULT.parent.mkdir(exist_ok=True)
    name = RESULT.with_stem("bench-scale") if options.scale else RESULT
    name.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    print(json.dumps(measured, indent=1) if options.scale else report(measured))


if __name__ == "__main__":
    main()
