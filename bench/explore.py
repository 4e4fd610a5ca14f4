"""Time a change of a filter of the explorer in Chromium, with this review and with 5,000 studies.

Prints a table and writes `_build/bench-explore.json`. Each change is made to a control of the page, as a reader does.
"Script" is the time in which the page's script selects, pools and writes; "painted" ends when the browser has laid out
and painted the result. Medians and the slowest of several rounds over the same changes. The additional studies are
synthetic (`bench/synthetic.py`), and are written into a temporary folder only.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import synthetic  # noqa: E402

from lib.evidence import load  # noqa: E402
from lib.report.explorer.page import explore  # noqa: E402

RESULT = ROOT / "_build" / "bench-explore.json"
STUDIES, ROUNDS = 5000, 9
CHANGES = (
    ("threshold", "ge50"),
    ("tau2", "REML"),
    ("regimen", "phototherapy"),
    ("drug", "tacrolimus"),
    ("scale", "logit"),
)
CHANGE = """([name, value]) => new Promise(done => {
    const named = [...document.querySelectorAll(`[name="${name}"]`)];
    const field = named.find(f => f.type === "select-one" || f.value === value);
    if (field.type === "select-one") field.value = value;
    else field.checked = true;
    const begun = performance.now();
    field.dispatchEvent(new Event("input", {bubbles: true}));
    const written = performance.now();
    // A task that is posted in a frame runs after that frame is painted.
    requestAnimationFrame(() => { const {port1, port2} = new MessageChannel();
        port1.onmessage = () => done([written - begun, performance.now() - begun]); port2.postMessage(0); });
})"""


def page_of(data: Path, folder: Path) -> Path:
    """Write the explorer of a data folder, with its script and style, as a page."""
    folder.mkdir()
    for name in ("explorer.js", "explorer.css", "review.css"):
        shutil.copy(ROOT / "book" / "_static" / name, folder)
    head = '<link rel="stylesheet" href="review.css"><link rel="stylesheet" href="explorer.css">'
    text = f'<!doctype html><meta charset="utf-8">{head}<script src="explorer.js" defer></script>'
    page = folder / "page.html"
    page.write_text(text + explore(load(data))._repr_html_(), encoding="utf-8")
    return page


def measure(tab: Page, page: Path) -> dict[str, float]:
    """Return the times of the changes in milliseconds, over all rounds."""
    written, painted = [], []
    tab.goto(page.as_uri())
    studies = tab.evaluate(
        "new Set(JSON.parse(document.querySelector('[data-part=data]').textContent).arms.map(a => a.study)).size"
    )
    for _ in range(ROUNDS):
        tab.get_by_role("button", name="Remove all filters").click()
        for change in CHANGES:
            times = tab.evaluate(CHANGE, list(change))
            written.append(times[0])
            painted.append(times[1])
    return {
        "studies": studies,
        "script, median": statistics.median(written),
        "script, slowest": max(written),
        "painted, median": statistics.median(painted),
        "painted, slowest": max(painted),
    }


def main() -> None:
    """Measure both pages and report the times."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("Chromium is not installed: the explorer cannot be measured")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        many = Path(folder) / "data"
        in_review = len({row.study for row in load(ROOT / "data").studies.itertuples()})
        synthetic.enlarge(ROOT / "data", many, -(-STUDIES // in_review) + 1)
        pages = [page_of(ROOT / "data", Path(folder) / "review"), page_of(many, Path(folder) / "many")]
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        results = [measure(browser.new_page(viewport={"width": 1280, "height": 900}), page) for page in pages]
        browser.close()
    print(f"{'Milliseconds':20}" + "".join(f"{result['studies']:>10} studies" for result in results))
    for name in list(results[0])[1:]:
        print(f"{name:20}" + "".join(f"{result[name]:18.1f}" for result in results))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
