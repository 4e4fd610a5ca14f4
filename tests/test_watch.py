"""``make watch``: a saved table is in the served book, and a fault leaves the last good one."""

import contextlib
import re
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from conftest import ROOT, copy_book

pytestmark = pytest.mark.book


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


def wait_for(condition, said, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.2)
    pytest.fail("waited in vain; said so far:\n" + "".join(said))


def test_a_save_is_served_and_a_fault_is_not(tmp_path):
    root = copy_book(tmp_path, ["book/table-3", "book/rerun"])
    rates = root / "data/published_rates.csv"
    with watching(root) as said:
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
