"""``make watch``: a saved table is in the served book and its open page, and a fault leaves the last good one."""

import contextlib
import re
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from small_book import edit

pytestmark = pytest.mark.book

ROW = "Arhult,2021-03-01,1"


@contextlib.contextmanager
def watching(root):
    command = [sys.executable, "-m", "lib", "watch", "--port", "0"]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
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


def test_a_save_is_served_and_a_fault_is_not_and_several_quick_saves_make_one_build(toy):
    rain = toy / "data/rain.csv"
    config = (toy / "_config.yml").read_text(encoding="utf-8")
    with watching(toy) as said:
        address = wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/", "".join(said)), said)[0]

        def page() -> str:
            return urllib.request.urlopen(f"{address}book/north.html").read().decode()

        assert "in the north: 6" in page()
        # Wait until the watcher has taken its first look at the folder.
        time.sleep(1)
        good = rain.read_text(encoding="utf-8")
        rain.write_text(good.replace(ROW, ROW + "2"), encoding="utf-8")
        wait_for(lambda: "in the north: 17" in page(), said)
        rain.write_text(good.replace(ROW, ROW[:-1] + "many"), encoding="utf-8")
        wait_for(lambda: "'many': must be a whole number" in "".join(said), said)
        assert "in the north: 17" in page()

        before = "".join(said).count("Changed:")
        for digit in "1234":
            rain.write_text(good.replace(ROW, f"{ROW}{digit}"), encoding="utf-8")
        wait_for(lambda: "in the north: 19" in page(), said)
        time.sleep(2)
        assert "".join(said).count("Changed:") == before + 1
        # As editors save that put a new file in place of the old one; twice, as it is another file then.
        for title in ("One name", "Another name"):
            new = toy / "_config.new"
            new.write_text(re.sub("^title: .*$", f"title: {title}", config, flags=re.M), encoding="utf-8")
            new.replace(toy / "_config.yml")
            wait_for(lambda title=title: title in page(), said)
        # The process that builds is replaced by one with the new code, at the same address.
        edit(toy / "lib/engine/progress.py", '"""', '"""Changed. ')
        wait_for(lambda: "".join(said).count(f"Serving {address}") == 2, said)
        assert "Another name" in page()


@pytest.mark.browser
def test_the_open_page_refreshes_itself_and_shows_a_fault(browser, toy):
    rain = toy / "data/rain.csv"
    good = rain.read_text(encoding="utf-8")
    with watching(toy) as said, contextlib.closing(browser.new_context()) as context:
        address = wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/", "".join(said)), said)[0]
        page, other = context.new_page(), context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        # More pages than a browser has connections to one server, behind the one that is seen.
        for _ in range(8):
            behind = context.new_page()
            behind.add_init_script("Object.defineProperty(document, 'hidden', {get: () => !window.seen})")
            behind.goto(f"{address}book/north.html")
        page.goto(f"{address}book/north.html")
        other.goto(f"{address}book/start.html")
        other.evaluate("window.stays = true")
        time.sleep(1)
        shows = "text => document.body?.innerText.includes(text)"
        rain.write_text(good.replace(ROW, ROW + "2"), encoding="utf-8")
        page.wait_for_function(shows, arg="in the north: 17", timeout=300_000)
        # What did not change is not loaded again.
        assert other.evaluate("window.stays")

        rain.write_text(good.replace(ROW, ROW[:-1] + "<b>many</b>"), encoding="utf-8")
        for tab in (page, other):
            banner = tab.wait_for_selector("#review-fault", timeout=300_000)
            assert "'<b>many</b>': must be a whole number" in banner.inner_text()
        assert page.evaluate(shows, "in the north: 17")
        assert not behind.evaluate(shows, "in the north: 17")
        behind.evaluate("window.seen = true; document.dispatchEvent(new Event('visibilitychange'))")
        behind.wait_for_function(shows, arg="in the north: 17", timeout=300_000)

        rain.write_text(good, encoding="utf-8")
        page.wait_for_function(shows, arg="in the north: 6", timeout=300_000)
        page.wait_for_selector("#review-fault", state="detached", timeout=300_000)
        # A plain Jupyter Book declares the names of a library that it does not use twice in each page.
        assert [error for error in errors if "THEBE_JS_URL" not in error] == []
    # The published site knows nothing of it.
    assert "__state" not in (toy / "_build/html/book/north.html").read_text(encoding="utf-8")
