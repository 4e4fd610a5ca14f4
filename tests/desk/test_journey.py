"""From an exported file to the rebuilt book in a browser, with the keyboard alone and without touching a table."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from axe_core import AXE, RULES_OF_COLOUR, violations
from desk_client import REASON, add_rows, decision, made_up, rows_of, running_desk
from lib.evidence import check
from small_book import build, make_project, ran

pytestmark = [pytest.mark.book, pytest.mark.browser]

RIS = """TY  - JOUR
TI  - Made-up trial 17 of tacrolimus against placebo for vitiligo in adults
AU  - Example, A.
AU  - Sample, B.
PY  - 2024/05/03
JO  - Made-up Journal
VL  - 1
SP  - 3
EP  - 9
DO  - 10.5555/madeup.17
AB  - A randomised trial. Repigmentation of at least 75% was more frequent with tacrolimus. Made up for a test.
ER  - 

TY  - JOUR
TI  - Made-up trial 17 of tacrolimus against placebo for vitiligo in adults
AU  - Example, A.
PY  - 2024
ER  - 

TY  - JOUR
TI  - Made-up study of pimecrolimus in mice
AU  - Sample, B.
PY  - 2023
JO  - Made-up Journal
ER  - 
"""
TRIAL, MICE = "Made-up trial 17", "Made-up study of pimecrolimus in mice"
TYPED = {
    "design": "parallel",
    "randomised": "yes",
    "population": "adults",
    "assessment": "all patches",
    "duration_months": "6",
    "arms.1.drug": "tacrolimus",
    "arms.1.phototherapy": "none",
    "arms.1.n": "40",
    "arms.1.ge75": "10",
    "arms.1.ge50": "20",
    "arms.1.ge25": "30",
    "arms.2.drug": "placebo",
    "arms.2.phototherapy": "none",
    "arms.2.n": "41",
    "arms.2.ge75": "2",
    "arms.2.ge50": "5",
    "arms.2.ge25": "9",
    "basis": "stated",
    "confidence": "high",
    "source_kind": "abstract",
    "finding": "Made-up trial: more responses than with placebo.",
}
"""What a person types about the trial, field by field; the name of the study and the citation come from the record."""
CHAPTERS = {
    "studies": ["# Studies", "print(sorted(ev.studies.label[ev.studies.edition == 'update']))"],
    "mono": ["# Mono", "print(ev.outcome('monotherapy', 'ge75').new.events.sum())"],
}


class Person:
    """Somebody at the desk who has a keyboard and no mouse."""

    def __init__(self, browser, address: str, name: str):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(path=AXE)
        self.tab = context.new_page()
        self.wrong: list[str] = []
        self.tab.on("request", lambda r: None if r.url.startswith(address) else self.wrong.append(r.url))
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.tab.set_default_timeout(180_000)
        self.tab.goto(address)
        self.reach("name")
        self.tab.keyboard.type(name)
        self.leaving(lambda: self.tab.keyboard.press("Enter"))
        assert "At the desk: " + name in self.text()

    def text(self) -> str:
        return " ".join(self.tab.inner_text("body").split())

    def leaving(self, act) -> None:
        with self.tab.expect_navigation(timeout=180_000):
            act()

    def keys(self, *keys: str) -> None:
        """Press keys, of which the last one leads to another page, and look at that page with axe."""
        *first, last = keys
        for key in first:
            self.tab.keyboard.press(key)
        self.leaving(lambda: self.tab.keyboard.press(last))
        self.look()

    def look(self) -> None:
        assert violations(self.tab) == [], self.tab.url

    def reach(self, name: str) -> None:
        """Press the tab key until a field or button is reached."""
        for _ in range(150):
            self.tab.keyboard.press("Tab")
            at = self.tab.evaluate("[document.activeElement.name, document.activeElement.textContent.trim()]")
            if name in (at[0], at[1]):
                return
        raise AssertionError(f"{name} cannot be reached with the tab key: {self.text()[:300]}")

    def type(self, name: str, text: str) -> None:
        """Reach a field and type: into a list of choices, the beginning of one."""
        self.reach(name)
        self.tab.keyboard.type(text)


@pytest.fixture
def at_the_desk(tmp_path) -> Iterator:
    """A small project and the address of its desk, started from the command line as a user does."""
    root = make_project(tmp_path / "project", CHAPTERS)
    desk = subprocess.Popen(
        [sys.executable, "-m", "lib", "desk", "--port", "0"], cwd=root, stdout=subprocess.PIPE, text=True
    )
    try:
        line = desk.stdout.readline()
        yield root, re.search(r"http://127\.0\.0\.1:\d+", line)[0]
    finally:
        desk.terminate()
        desk.wait(120)


def test_a_trial_goes_from_a_file_to_the_book_by_keyboard(browser, at_the_desk):
    root, address = at_the_desk
    data = root / "data"
    (root / "export.ris").write_text(RIS, encoding="utf-8")
    command = [sys.executable, "-m", "lib", "import", "export.ris", "--source", "Made-up database"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    ada, ben, cat = (Person(browser, address, name) for name in ("Ada Example", "Ben Sample", "Cat Third"))
    ada.look()
    # The same report twice: a person decides.
    ada.keys("g", "d")
    assert TRIAL in ada.text()
    ada.keys("1")

    # Both include the trial; on the other record they differ. Its abstract comes from the file.
    for person, mice in ((ada, "i"), (ben, "1")):
        person.keys("g", "s")
        for _ in range(2):
            if MICE in person.tab.inner_text("h2"):
                person.keys(mice)
            else:
                assert TRIAL in person.tab.inner_text("h2") and "Repigmentation of at least 75%" in person.text()
                person.keys("i")
        assert "Nothing waits for you here." in person.text()
    cat.keys("g", "c")
    assert MICE in cat.text() and TRIAL not in cat.text()
    cat.type("choice", "exclude: Not pro")
    cat.type("note", "It is not a study of patients.")
    cat.keys("Enter")
    assert "There is no disagreement." in cat.text()

    for person in (ada, ben):
        person.keys("g", "t")
        person.keys("e")
        assert TRIAL in person.tab.inner_text("h2")
        person.tab.keyboard.press("n")
        person.tab.keyboard.type(REASON)
        person.tab.keyboard.press("Escape")
        person.keys("i")

    ada.keys("g", "x")
    ada.keys("e")
    for name, text in TYPED.items():
        ada.type(name, text)
    assert len(TYPED) <= 25
    ada.tab.keyboard.press("Escape")
    ada.keys("p")
    assert "TCI monotherapy, ≥75%" in ada.text(), ada.text()
    # Another program changes a table meanwhile: the change is shown, and the draft is kept.
    study = rows_of(data, "studies")[-1]["study"]
    before = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
    add_rows(data, "concerns", [{"study": study, "concern": "Made-up concern of another person."}])
    ada.keys("s")
    assert "Made-up concern of another person." in ada.text() and "Nothing was saved" in ada.text()
    (data / "concerns.csv").write_bytes(before["concerns.csv"])
    ada.keys("g", "x")
    ada.keys("e")
    ada.keys("p")
    ada.keys("s")
    assert "The trial is saved" in ada.text()
    assert all((data / name).read_bytes().startswith(content) for name, content in before.items())
    assert check(data) == []

    # A count of the saved trial is corrected.
    saved = (data / "responses.csv").read_text(encoding="utf-8")
    ada.reach("Example 2024")
    ada.keys("Enter")
    (row,) = ada.tab.locator("summary").filter(has_text="tacrolimus").filter(has_text="≥75%").all()
    ada.reach(row.text_content().strip())
    ada.tab.keyboard.press("Enter")
    ada.type(row.locator("xpath=..").locator("[name$='.events']").get_attribute("name"), "12")
    ada.tab.keyboard.press("Escape")
    ada.keys("p")
    assert "TCI monotherapy, ≥75%" in ada.text() and "Nothing is saved yet" in ada.text()
    ada.keys("s")
    assert "The change is saved; these files are changed: responses.csv" in ada.text()
    old, new = (set(text.splitlines()) for text in (saved, (data / "responses.csv").read_text(encoding="utf-8")))
    assert {*map(len, (old - new, new - old))} == {1}
    assert [person.wrong for person in (ada, ben, cat)] == [[], [], []]

    done = build(root)
    assert ran(done) == set(CHAPTERS)
    page = (root / "_build/html/book/studies.html").read_text(encoding="utf-8")
    assert "Example 2024" in page


def test_every_page_fits_and_has_no_violation(browser, data):
    """At both widths with details closed and open; the rules that depend on colours in both schemes."""
    ada, ben = "Ada Example", "Ben Sample"
    add_rows(data, "records", [made_up(n) for n in range(1, 5)])
    include = [decision("other.madeup1", name, stage=s) for s in ("title_abstract", "full_text") for name in (ada, ben)]
    differ = [decision("other.madeup2", ada), decision("other.madeup2", ben, "exclude")]
    full = [decision("other.madeup3", name) for name in (ada, ben)]
    add_rows(data, "decisions", [*include, *differ, *full])
    with running_desk(data) as desk:
        context = browser.new_context()
        context.add_init_script(path=AXE)
        tab = context.new_page()
        tab.set_default_timeout(180_000)
        address = f"http://127.0.0.1:{desk.port}"
        tab.goto(address)
        tab.fill("#name", ada)
        with tab.expect_navigation():
            tab.keyboard.press("Enter")
        pages = [
            "/",
            "/screen",
            "/screen?order=ranked",
            "/conflicts",
            "/full-texts",
            "/trials",
            "/duplicates",
            "/edition",
        ]
        pages += ["/full-texts?record=other.madeup3", "/screen?record=other.madeup2", "/trial?record=other.madeup1"]
        pages += ["/study?study=radakovic2009"]
        for page in [*pages, "/no/such/page"]:
            tab.goto(address + page)
            for is_open in (False, True):
                if is_open:
                    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
                for width in (1280, 360):
                    tab.set_viewport_size({"width": width, "height": 800})
                    assert tab.evaluate("document.documentElement.scrollWidth") <= width, (page, is_open)
                    for scheme, rules in (("light", None), ("dark", RULES_OF_COLOUR)) if is_open else ():
                        tab.emulate_media(color_scheme=scheme)
                        assert violations(tab, rules) == [], (page, width, scheme)
        context.close()
