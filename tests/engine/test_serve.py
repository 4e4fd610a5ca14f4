"""``make watch``: a saved table is in the served book and its open page, and a fault leaves the last good one."""

import contextlib
import re
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from conftest import ROOT, copy_book, copy_executed

pytestmark = pytest.mark.book


@pytest.fixture
def small(book, tmp_path):
    """The sources of a book of one chapter, which was executed in the true book, and a page that reads no data."""
    root = copy_book(tmp_path, ["book/start", "book/table-3"])
    (root / "book/start.md").write_text("# Start\n\nA page without data.\n", encoding="utf-8")
    copy_executed(book, root)
    return root


@contextlib.contextmanager
def watching(root):
    command = [sys.executable, "-m", "lib", "watch", "--root", str(root), "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = []
    threading.Thread(target=lambda: said.extend(iter(process.stdout.readline, "")), daemon=True).start()
    try:
        yield said
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(condition, said, seconds=300):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.2)
    pytest.fail("waited in vain; said so far:\n" + "".join(said))


def test_a_save_is_served_and_a_fault_is_not_and_several_quick_saves_make_one_build(small):
    rates = small / "data/published_rates.csv"
    config = (small / "_config.yml").read_text(encoding="utf-8")
    with watching(small) as said:
        address = wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/", "".join(said)), said)[0]

        def page() -> str:
            return urllib.request.urlopen(f"{address}book/table-3.html").read().decode()

        assert "85.3 (79.8–90.7)" in page()
        # Wait until the watcher has taken its first look at the folder.
        time.sleep(1)
        good = rates.read_text(encoding="utf-8")
        rates.write_text(good.replace("85.3,79.8,90.7", "84.9,79.8,90.7"), encoding="utf-8")
        wait_for(lambda: "84.9 (79.8–90.7)" in page(), said)
        rates.write_text(good.replace("85.3,79.8,90.7", "many,79.8,90.7"), encoding="utf-8")
        wait_for(lambda: "'many': must be a number from 0 to 100" in "".join(said), said)
        assert "84.9 (79.8–90.7)" in page()

        before = "".join(said).count("Changed:")
        for estimate in ("84.1", "84.2", "84.3", "84.4"):
            rates.write_text(good.replace("85.3,79.8,90.7", f"{estimate},79.8,90.7"), encoding="utf-8")
        wait_for(lambda: "84.4 (79.8–90.7)" in page(), said)
        time.sleep(2)
        assert "".join(said).count("Changed:") == before + 1
        # As editors save that put a new file in place of the old one; twice, as it is another file then.
        for title in ("One name", "Another name"):
            new = small / "_config.new"
            new.write_text(re.sub("^title: .*$", f"title: {title}", config, flags=re.M), encoding="utf-8")
            new.replace(small / "_config.yml")
            wait_for(lambda title=title: title in page(), said)


@pytest.mark.browser
def test_the_open_page_refreshes_itself_and_shows_a_fault(browser, small):
    rates = small / "data/published_rates.csv"
    good = rates.read_text(encoding="utf-8")
    with watching(small) as said, contextlib.closing(browser.new_context()) as context:
        address = wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/", "".join(said)), said)[0]
        page, other = context.new_page(), context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        # More pages than a browser has connections to one server, behind the one that is seen.
        for _ in range(8):
            behind = context.new_page()
            behind.add_init_script("Object.defineProperty(document, 'hidden', {get: () => !window.seen})")
            behind.goto(f"{address}book/table-3.html")
        page.goto(f"{address}book/table-3.html")
        other.goto(f"{address}book/start.html")
        other.evaluate("window.stays = true")
        time.sleep(1)
        shows = "text => document.body?.innerText.includes(text)"
        rates.write_text(good.replace("85.3,79.8,90.7", "84.9,79.8,90.7"), encoding="utf-8")
        page.wait_for_function(shows, arg="84.9 (79.8–90.7)", timeout=300_000)
        # What did not change is not loaded again.
        assert other.evaluate("window.stays")

        rates.write_text(good.replace("85.3,79.8,90.7", "<b>many</b>,79.8,90.7"), encoding="utf-8")
        for tab in (page, other):
            banner = tab.wait_for_selector("#review-fault", timeout=300_000)
            assert "'<b>many</b>': must be a number from 0 to 100" in banner.inner_text()
        assert page.evaluate(shows, "84.9 (79.8–90.7)")
        assert not behind.evaluate(shows, "84.9 (79.8–90.7)")
        behind.evaluate("window.seen = true; document.dispatchEvent(new Event('visibilitychange'))")
        behind.wait_for_function(shows, arg="84.9 (79.8–90.7)", timeout=300_000)

        rates.write_text(good, encoding="utf-8")
        page.wait_for_function(shows, arg="85.3 (79.8–90.7)", timeout=300_000)
        page.wait_for_selector("#review-fault", state="detached", timeout=300_000)
        assert errors == []
    # The published site knows nothing of it.
    assert "__state" not in (small / "_build/html/book/table-3.html").read_text(encoding="utf-8")
