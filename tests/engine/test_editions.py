"""The sites of several editions in one."""

import subprocess
import sys

from bs4 import BeautifulSoup

from lib.engine import editions
from small_book import CHAPTERS, build, make_project, ran


def run_editions(project):
    return subprocess.run(
        [sys.executable, "-m", "lib", "editions"], cwd=project, capture_output=True, text=True, timeout=600
    )


def test_a_site_takes_in_the_sites_of_the_other_editions(tmp_path):
    made, rendered = tmp_path / "made", tmp_path / "rendered"
    site = made / "editions/2018-08-06/site-1"
    (site / "book").mkdir(parents=True)
    (site / "book/safety.html").write_text("earlier", encoding="utf-8")
    (site.parent / "html").symlink_to("site-1")
    rendered.mkdir()
    assert editions.built_editions(made) == {"2018-08-06": site}
    editions.join(made, rendered)
    assert (rendered / "editions/2018-08-06/book/safety.html").read_text(encoding="utf-8") == "earlier"
    assert editions.built_editions(rendered) == {}


def test_every_edition_is_built_and_leads_to_the_same_page_of_the_others(tmp_path):
    project = make_project(tmp_path / "project", {"events": CHAPTERS["events"]})
    table = project / "data/editions.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(line for line in lines if not line.startswith("2026-11-22")), encoding="utf-8")
    done = run_editions(project)
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
