"""No other site, program or host can make the desk do or show anything."""

import re
import socket
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from conftest import ROOT
from desk_client import HOST, add_rows, made_up, running_desk, waiting_file
from lib.desk import application

PAGES = ["/", "/screen", "/full-texts", "/conflicts", "/trials", "/study?study=kanwar2004", "/duplicates"]
EVIL = '<script>alert(1)</script> "quoted" & <img src=x onerror=alert(1)>'


@pytest.fixture
def desk(data):
    add_rows(data, "records", [made_up(1, title=EVIL, authors="<b>Example</b> A", journal="<i>Made-up</i> J")])
    add_rows(data, "concerns", [{"study": "kanwar2004", "concern": EVIL}])
    with running_desk(data) as desk:
        yield desk


def test_the_desk_listens_on_the_loopback_address_only(desk):
    assert application.HOST == "127.0.0.1"
    assert desk.visitor().get("/").status == 200


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "127.0.0.1:1", "localhost.example.org", "[::1]:80", ""])
def test_another_host_learns_nothing(desk, host):
    answer = desk.visitor().get("/", Host=host)
    assert answer.status in (400, 403)
    assert "Overview" not in answer.body and "vitiligo" not in answer.body


def test_localhost_is_the_desk(desk):
    assert desk.visitor().get("/", Host=f"localhost:{desk.port}").status == 200


@pytest.mark.parametrize("origin", ["http://example.org", "null", "", f"https://{HOST}"])
def test_a_form_of_another_site_is_refused(desk, origin):
    visitor = desk.visitor("Ada Example")
    fields = {"record": "other.madeup1", "stage": "title_abstract", "choice": "include"}
    for path in application._PAGES:
        assert visitor.send(path, fields, Origin=origin).status == 403, path
    assert not waiting_file(desk.data)


@pytest.mark.parametrize("token", ["", "2|00000000|00000000000000000000000000000000|1700000000", "made up"])
def test_a_form_without_the_token_is_refused(desk, token):
    visitor = desk.visitor("Ada Example")
    fields = {"_xsrf": token, "record": "other.madeup1", "stage": "title_abstract", "choice": "include"}
    for path in application._PAGES:
        assert visitor.send(path, fields).status == 403, path
    assert not waiting_file(desk.data)


def test_every_answer_has_a_strict_policy_and_no_inline_script(desk):
    visitor = desk.visitor("Ada Example")
    for path in [*PAGES, "/static/desk.js", "/static/desk.css", "/no/such/page", "/trial?record=no"]:
        answer = visitor.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        tags = BeautifulSoup(answer.body, "html.parser").find_all(True) if "/static/" not in path else []
        assert {tag.get("src") for tag in tags if tag.name == "script"} <= {"/static/desk.js"}
        assert not [tag for tag in tags if tag.name in ("style", "iframe", "object", "img")]
        assert not [name for tag in tags for name in tag.attrs if name == "style" or name.startswith("on")]


def test_pages_ask_no_other_host(desk):
    visitor = desk.visitor("Ada Example")
    for path in PAGES:
        loaded = re.findall(r"<(?:link|script|img|iframe)[^>]*(?:src|href)=\"([^\"]*)\"", visitor.get(path).body)
        assert loaded and all(address.startswith("/static/") for address in loaded)


@pytest.mark.parametrize("page", ["/screen?record=other.madeup1", "/study?study=kanwar2004"])
def test_text_of_the_data_is_text(desk, page):
    body = desk.visitor("Ada Example").get(page).body
    assert "<img" not in body and "<script>alert" not in body and "<b>" not in body
    assert "&lt;script&gt;" in body or "&lt;" in body


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pyproject.toml",
        "/static/%2e%2e/workspace.py",
        "/static/base.html",
        "/../data/records.csv",
        "/data/records.csv",
        "//etc/passwd",
        "/trial?record=../../etc/passwd",
        "/screen?record=../../../etc/passwd",
    ],
)
def test_no_path_of_a_request_reaches_the_file_system(desk, path):
    answer = desk.visitor("Ada Example").get(path)
    assert answer.status in (400, 404, 409)
    assert "root:" not in answer.body and "[project]" not in answer.body


def test_a_draft_has_a_name_of_its_own_making(desk):
    before = {path for path in desk.data.parent.rglob("*")}
    visitor = desk.visitor("../../Ada Example")
    for record in ("../../escaped", "/tmp/escaped", "other.madeup1\0"):
        assert visitor.post("/trial", record=record, action="draft").status in (400, 409)
    assert {path for path in desk.data.parent.rglob("*")} - before <= {desk.data / ".raw", desk.data / ".raw/desk"}


@pytest.mark.parametrize("name", ["=A1", "@SUM(1)", "+1", "\tAda", "-Ada", "", "rule", "x" * 61])
def test_a_name_that_a_spreadsheet_would_run_is_refused(desk, name):
    visitor = desk.visitor()
    answer = visitor.post("/reviewer", name=name)
    named = "desk_name" in visitor.cookies
    assert (answer.status == 409 and not named) or name.strip() == "Ada"


def test_a_note_that_a_spreadsheet_would_run_is_refused(desk):
    visitor = desk.visitor("Ada Example")
    fields = {"record": "other.madeup1", "stage": "title_abstract", "choice": "include"}
    answer = visitor.post("/decide", note="=HYPERLINK(1)", **fields)
    assert answer.status == 409 and "takes for a formula" in answer.text
    assert not waiting_file(desk.data)


def test_a_form_that_is_too_large_is_refused(desk):
    visitor = desk.visitor("Ada Example")
    try:
        status = visitor.post("/decide", note="x" * 2_000_000).status
    except OSError:
        return
    assert status >= 400


def test_cookies_are_kept_from_scripts_and_other_sites(desk):
    answer = desk.visitor().get("/", Cookie="")
    cookies = answer.headers.get_all("Set-Cookie", [])
    assert cookies and all("HttpOnly" in cookie and "SameSite=Strict" in cookie for cookie in cookies)


def test_a_port_that_is_taken_and_faulty_data_are_reported(data, capsys):
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        assert application.serve(data.parent, Path("data"), taken.getsockname()[1]) == 1
    assert "cannot be used" in capsys.readouterr().err
    (data / "decisions.csv").write_text("record,stage\n", encoding="utf-8")
    assert application.serve(data.parent, Path("data"), 0) == 1
    assert "decisions.csv" in capsys.readouterr().err


def test_templates_mark_nothing_as_safe():
    for path in (ROOT / "lib/desk/templates").iterdir():
        text = Path(path).read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape", text), path
