"""The folder of a deposit, its metadata and its upload, against a server on this machine."""

import base64
import hashlib
import json
import re
import subprocess
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest
import yaml

from lib import __main__ as command_line
from lib.commands import deposit as deposit_command
from lib.deposit import TOKEN, folder, schema
from lib.deposit.metadata import PLACEHOLDER, DepositError, read_citation, read_code_version, stated
from lib.deposit.zenodo import Zenodo
from tests.conftest import ROOT

BUILT = {"built": "2026-11-25", "code": "1.1.0"}
SETTINGS = {
    "authors": "Given Family; Other Person",
    "contact": "someone@example.org",
    "repository": "https://example.org/repository",
    "address": "https://example.org/book/",
    "doi": "10.5281/zenodo.1234",
    "funding": "Made-up <foundation>",
    "competing_interests": "",
}
CITATION = {
    "title": "A made-up review",
    "version": "1.1.0",
    "license": ["MIT", "CC-BY-4.0"],
    "keywords": ["made up"],
    "authors": [
        {"family-names": "Family", "given-names": "Given", "orcid": "https://orcid.org/0000-0002-1825-0097"},
        {"family-names": "Person", "given-names": "Other", "affiliation": "A made-up institute"},
    ],
    "references": [{"type": "article", "doi": "10.1000/made.up"}, {"type": "book"}],
}
EDITIONS = pd.DataFrame(
    {
        "date": ["2018-08-06", "2026-11-25"],
        "version": ["first", "1.1.0"],
        "trigger": ["The start", "A made-up <trial> appeared"],
        "question_changes": "",
        "method_changes": "",
        "authors": ["Somebody", "Given Family; Other Person"],
    }
)


# --- Metadata ---------------------------------------------------------------------------------------------


def test_metadata_hold_what_is_stated_and_satisfy_the_schema():
    facts = stated(CITATION, SETTINGS, EDITIONS, **BUILT)
    assert facts.to_do == []
    assert facts.left_out == ["competing_interests"]
    assert schema.faults(facts.metadata) == []
    assert facts.metadata["creators"] == [
        {"name": "Family, Given", "orcid": "0000-0002-1825-0097"},
        {"name": "Person, Other", "affiliation": "A made-up institute"},
    ]
    assert facts.metadata["license"] == "cc-by-4.0"
    assert facts.metadata["publication_date"] == "2026-11-25"
    assert "A made-up &lt;trial&gt; appeared." in facts.metadata["description"]
    assert "Funding: Made-up &lt;foundation&gt;." in facts.metadata["notes"]
    assert [related["relation"] for related in facts.metadata["related_identifiers"]] == [
        "continues",
        "isVariantFormOf",
        "isDerivedFrom",
    ]


def test_a_placeholder_is_left_out_and_named():
    citation = CITATION | {"authors": [{"name": PLACEHOLDER}]}
    facts = stated(citation, {"authors": PLACEHOLDER}, EDITIONS.assign(authors=PLACEHOLDER), **BUILT)
    assert "creators" not in facts.metadata
    assert PLACEHOLDER not in json.dumps(facts.metadata)
    assert [line.partition(":")[0] for line in facts.to_do] == [
        "CITATION.cff, authors",
        "data/editions.csv, authors",
        "data/settings.csv, doi",
    ]
    assert facts.left_out == ["contact", "repository", "address", "funding", "competing_interests"]
    assert "related_identifiers" in facts.metadata, "the review that is continued is known"


@pytest.mark.parametrize(
    ("citation", "settings", "built", "expected"),
    [
        ({"version": "1.0.0"}, {}, {}, "CITATION.cff, version: 1.0.0 is not the version of the last edition"),
        ({}, {}, {"code": "2.0.0"}, "pyproject.toml, version: 2.0.0 is not the version of the last edition"),
        ({}, {}, {"built": "2026-11-26"}, "data/editions.csv, date: the last edition is that of 2026-11-25"),
        ({}, {"authors": "Given Family"}, {}, "data/settings.csv, authors: 'Given Family' are not the authors of"),
        ({}, {"authors": "Other Person; Given Family"}, {}, "Name the same people in the same order"),
        ({}, {"doi": ""}, {}, "data/settings.csv, doi: no DOI is stated"),
        ({"title": " "}, {}, {}, "metadata.json, title: ' ' is not a text that is not empty"),
        ({"license": ["CC BY"]}, {}, {}, "metadata.json, license: 'cc by' is not one licence of Zenodo's list"),
        (
            {"authors": [*CITATION["authors"][:1], {"family-names": "Person", "orcid": "1"}]},
            {},
            {},
            "metadata.json, creators, 1, orcid: '1' is not an ORCID iD",
        ),
        ({}, {"address": "book.example"}, {}, "related_identifiers, 1, identifier: 'book.example' is not a DOI"),
    ],
)
def test_what_must_be_done_is_said(citation, settings, built, expected):
    facts = stated(CITATION | citation, SETTINGS | settings, EDITIONS, **(BUILT | built))
    assert len(facts.to_do) == 1
    assert expected in facts.to_do[0]


@pytest.mark.parametrize("name", schema.SCHEMA["required"])
def test_the_schema_needs_each_required_field(name):
    metadata = stated(CITATION, SETTINGS, EDITIONS, **BUILT).metadata
    del metadata[name]
    assert schema.faults(metadata) == [f"metadata.json: {name!r} is a required property"]


def test_the_schema_refuses_fields_that_nobody_checks():
    metadata = stated(CITATION, SETTINGS, EDITIONS, **BUILT).metadata
    assert schema.faults(metadata | {"made_up": 1})
    assert schema.faults(metadata | {"creators": []})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "the file does not exist"),
        ("a: [", "not YAML in UTF-8"),
        ("[]", "title: a text is expected"),
        ("title: x\nauthors: y\n", "authors: a list is expected"),
    ],
)
def test_a_citation_file_that_cannot_be_used_is_named(tmp_path, text, expected):
    if text is not None:
        (tmp_path / "CITATION.cff").write_text(text, encoding="utf-8")
    with pytest.raises(DepositError, match=re.escape(expected)):
        read_citation(tmp_path)


def test_the_projects_own_metadata_lack_only_what_its_owner_has_to_state():
    citation = read_citation(ROOT)
    settings = pd.read_csv(ROOT / "data/settings.csv", keep_default_na=False).set_index("setting").value.to_dict()
    editions = pd.read_csv(ROOT / "data/editions.csv", keep_default_na=False)
    newest = editions.iloc[-1]
    facts = stated(citation, settings, editions, built=newest.date, code=read_code_version(ROOT))
    places = {line.partition(":")[0] for line in facts.to_do}
    assert places <= {"CITATION.cff, authors", "data/settings.csv, doi", "data/editions.csv, authors"}


# --- Folder -----------------------------------------------------------------------------------------------


def git(root, *arguments):
    options = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    subprocess.run(["git", *options, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """A checkout with a site that nobody has built: a page, the data and two files of code."""
    root = tmp_path / "project"
    (root / "lib").mkdir(parents=True)
    subprocess.run(["cp", "-r", str(ROOT / "data"), str(root / "data")], check=True)
    (root / "lib/code.py").write_text("print(1)\n", encoding="utf-8")
    stored = root / "lib/report/stored_editions/2026-11-25.json"
    stored.parent.mkdir(parents=True)
    stored.write_text('{"version": "1.1.0"}', encoding="utf-8")
    (root / ".gitignore").write_text("/_build/\n", encoding="utf-8")
    (root / "pyproject.toml").write_text('[project]\nversion = "1.1.0"\n', encoding="utf-8")
    (root / "CITATION.cff").write_text(yaml.safe_dump(CITATION), encoding="utf-8")
    made = root / "_build"
    (made / "site-1/book").mkdir(parents=True)
    (made / "site-1/book/page.html").write_text("<p>A page</p>", encoding="utf-8")
    (made / "html").symlink_to("site-1")
    (made / "source/lib").mkdir(parents=True)
    subprocess.run(["cp", "-r", str(root / "data"), str(made / "source/data")], check=True)
    (made / "source/lib/code.py").write_text("print(1)\n", encoding="utf-8")
    (made / "results.json").write_text('{"edition": "2026-11-25", "version": "1.1.0"}', encoding="utf-8")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "Begin")
    return root


def prepare(root):
    return folder.prepare(root, root / "_build")


def test_a_deposit_has_site_data_code_results_and_metadata(checkout):
    deposit = prepare(checkout)
    assert deposit.folder == checkout / "_build/deposit/1.1.0"
    assert {path.name for path in deposit.folder.iterdir()} == {*folder.UPLOADED, folder.METADATA}
    names = {}
    for archive in ("site", "data", "code"):
        with zipfile.ZipFile(deposit.folder / f"{archive}.zip") as file:
            assert file.testzip() is None
            names[archive] = {name.removeprefix(f"living-review-1.1.0-{archive}/") for name in file.namelist()}
    assert names["site"] == {"book/page.html"}
    assert names["data"] == {path.name for path in (ROOT / "data").iterdir()}
    code = {".gitignore", "CITATION.cff", "pyproject.toml", "lib/code.py", "lib/report/stored_editions/2026-11-25.json"}
    assert names["code"] == code | {f"data/{name}" for name in names["data"]}
    for line in (deposit.folder / folder.CHECKSUMS).read_text(encoding="utf-8").splitlines():
        checksum, _, name = line.partition("  ")
        assert hashlib.sha256((deposit.folder / name).read_bytes()).hexdigest() == checksum
    assert json.loads((deposit.folder / folder.METADATA).read_bytes()) == deposit.stated.metadata


def test_the_same_edition_gives_the_same_bytes(checkout, tmp_path):
    def content(deposit):
        return {path.name: path.read_bytes() for path in deposit.folder.iterdir()}

    first = content(prepare(checkout))
    other = tmp_path / "another place"
    subprocess.run(["cp", "-r", str(checkout), str(other)], check=True)
    for path in (other / "_build/site-1").rglob("*"):
        path.chmod(0o700)
    (other / "lib/code.py").touch()
    assert content(prepare(other)) == first
    assert content(prepare(checkout)) == first
    assert [path.name for path in (checkout / "_build/deposit").iterdir()] == ["1.1.0"]


def test_changes_that_are_not_committed_are_named(checkout):
    assert not [line for line in prepare(checkout).stated.to_do if line.startswith(("git", "site"))]
    (checkout / "lib/new.py").write_text("", encoding="utf-8")
    (checkout / "lib/code.py").write_text("print(2)\n", encoding="utf-8")
    to_do = [line for line in prepare(checkout).stated.to_do if line.startswith(("git", "site"))]
    assert to_do[0].startswith("git: there are changes that are not committed (lib/code.py, lib/new.py)")
    assert to_do[1].startswith("site: it was built from other files than git tracks (lib/code.py)")


@pytest.mark.parametrize("content", [None, '{"version": "1.0.0"}'])
def test_an_edition_whose_results_are_not_stored_is_named(checkout, content):
    path = checkout / "lib/report/stored_editions/2026-11-25.json"
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    git(checkout, "commit", "--quiet", "--all", "-m", "Change it")
    to_do = [line for line in prepare(checkout).stated.to_do if line.startswith("lib/")]
    assert len(to_do) == 1
    assert "the results of version 1.1.0 are not stored" in to_do[0]


def test_the_version_of_the_code_is_that_of_the_project(checkout):
    (checkout / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n', encoding="utf-8")
    to_do = prepare(checkout).stated.to_do
    assert any(line.startswith("pyproject.toml, version: 1.2.0 is not the version of the last") for line in to_do)
    (checkout / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    with pytest.raises(DepositError, match="pyproject.toml, project, version: it cannot be read"):
        prepare(checkout)


def test_without_a_site_or_git_nothing_is_written(checkout, tmp_path):
    (checkout / "_build/html").unlink()
    with pytest.raises(DepositError, match="there is no site to deposit"):
        prepare(checkout)
    (checkout / "_build/html").symlink_to("site-1")
    subprocess.run(["rm", "-rf", str(checkout / ".git")], check=True)
    with pytest.raises(DepositError, match="git"):
        prepare(checkout)
    assert not (checkout / "_build/deposit").exists()


def test_a_deposit_that_fails_leaves_the_last_one(checkout, monkeypatch):
    deposit = prepare(checkout)
    before = {path.name: path.read_bytes() for path in deposit.folder.iterdir()}
    (checkout / "_build/site-1/book/page.html").write_text("changed", encoding="utf-8")
    write = folder.write_zip

    def full_disk(path, *rest):
        if path.name == "code.zip":
            raise OSError(28, "No space left on device")
        write(path, *rest)

    monkeypatch.setattr(folder, "write_zip", full_disk)
    with pytest.raises(OSError, match="No space"):
        prepare(checkout)
    assert {path.name: path.read_bytes() for path in deposit.folder.iterdir()} == before
    assert [path.name for path in (checkout / "_build/deposit").iterdir()] == ["1.1.0"]


# --- Zenodo -----------------------------------------------------------------------------------------------

SECRET = "made-up-token-" + base64.b16encode(b"not a secret").decode()


class Server:
    """Answers as Zenodo's documentation describes, for one account; ``faults`` are answers to give instead."""

    def __init__(self):
        self.drafts, self.requests, self.faults = {}, [], {}
        self.address = ""

    def shown(self, number):
        draft, here = self.drafts[number], f"{self.address}/api/deposit/depositions/{number}"
        files = [
            {
                "id": f"id-{name}",
                "filename": name,
                "filesize": len(content),
                "checksum": hashlib.md5(content).hexdigest(),
                "links": {"self": f"{here}/files/id-{name}", "download": f"{self.address}/api/files/b{number}/{name}"},
            }
            for name, content in draft["files"].items()
        ]
        doi = {"doi": f"10.5281/zenodo.{number}", "recid": number}
        links = {
            "self": here,
            "html": f"{self.address}/deposit/{number}",
            "bucket": f"{self.address}/api/files/b{number}",
            "publish": f"{here}/actions/publish",
            "latest_draft": f"{self.address}/api/deposit/depositions/{max(self.drafts)}",
        }
        return {
            "id": number,
            "state": "done" if draft["submitted"] else "unsubmitted",
            "submitted": draft["submitted"],
            "metadata": {**draft["metadata"], "prereserve_doi": doi},
            "files": files,
            "links": links,
        }

    def new(self, files=()):
        number = 1234 + len(self.drafts)
        self.drafts[number] = {"files": dict(files), "metadata": {}, "submitted": False}
        return number

    def answer(self, method, path, body):
        if (method, path) in self.faults:
            return self.faults[method, path]
        base = "/api/deposit/depositions"
        if (method, path) == ("POST", base):
            assert json.loads(body) == {"metadata": {"prereserve_doi": True}}
            return 201, self.shown(self.new())
        if found := re.fullmatch(rf"{base}/(\d+)/actions/newversion", path):
            assert method == "POST"
            old = int(found[1])
            self.new(self.drafts[old]["files"])
            return 201, self.shown(old)
        if found := re.fullmatch(rf"{base}/(\d+)", path):
            number = int(found[1])
            if number not in self.drafts:
                return 404, {"status": 404, "message": "PID does not exist."}
            if method == "PUT":
                self.drafts[number]["metadata"] = json.loads(body)["metadata"]
            return 200, self.shown(number)
        if found := re.fullmatch(rf"{base}/(\d+)/files/id-(.+)", path):
            assert method == "DELETE"
            del self.drafts[int(found[1])]["files"][found[2]]
            return 204, None
        found = re.fullmatch(r"/api/files/b(\d+)/(.+)", path)
        assert method == "PUT" and found, (method, path)
        self.drafts[int(found[1])]["files"][found[2]] = body
        return 201, {"key": found[2], "size": len(body), "checksum": f"md5:{hashlib.md5(body).hexdigest()}"}


@contextmanager
def served(server):
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.requests.append((self.command, self.path))
            if self.headers["Authorization"] != f"Bearer {SECRET}":
                status, content = 401, {"status": 401, "message": "Unauthorized."}
            else:
                status, content = server.answer(self.command, self.path, body)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", content)
                content = ""
            text = b"" if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.address = f"http://127.0.0.1:{http.server_port}"
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield server
        http.shutdown()


@pytest.fixture
def server():
    with served(Server()) as running:
        yield running


@pytest.fixture
def prepared(tmp_path):
    for name in folder.UPLOADED:
        (tmp_path / name).write_bytes(name.encode() * 1000)
    (tmp_path / folder.METADATA).write_text(json.dumps({"title": "A made-up review"}), encoding="utf-8")
    return tmp_path


def test_a_doi_is_reserved_for_a_new_draft(server):
    draft = Zenodo(SECRET, server.address).reserve()
    assert (draft.number, draft.doi) == (1234, "10.5281/zenodo.1234")
    assert draft.page == f"{server.address}/deposit/1234"


def test_a_draft_gets_all_files_and_the_metadata_and_is_not_published(server, prepared):
    zenodo = Zenodo(SECRET, server.address)
    number = zenodo.reserve().number
    zenodo.upload(number, prepared, "10.5281/ZENODO.1234")
    draft = server.drafts[number]
    assert draft["files"] == {name: (prepared / name).read_bytes() for name in folder.UPLOADED}
    assert draft["metadata"] == {"title": "A made-up review"}
    assert not [path for _, path in server.requests if "publish" in path]


def test_an_upload_that_was_interrupted_goes_on(server, prepared):
    zenodo = Zenodo(SECRET, server.address)
    number = zenodo.reserve().number
    server.faults["PUT", "/api/files/b1234/code.zip"] = (503, b"<html>maintenance</html>")
    with pytest.raises(DepositError, match="Zenodo answers 503. the server has a fault; run the command again later"):
        zenodo.upload(number, prepared, "10.5281/zenodo.1234")
    server.faults.clear()
    server.requests.clear()
    zenodo.upload(number, prepared, "10.5281/zenodo.1234")
    sent = [path.rpartition("/")[2] for method, path in server.requests if path.startswith("/api/files/")]
    assert sent == ["code.zip", "results.json", folder.CHECKSUMS]


def test_a_new_version_does_not_keep_files_of_the_last_one(server, prepared):
    zenodo = Zenodo(SECRET, server.address)
    first = server.new({"site.zip": b"of the last edition", "old.zip": b"x"})
    server.drafts[first]["submitted"] = True
    draft = zenodo.reserve(first)
    assert draft.number != first
    zenodo.upload(draft.number, prepared, draft.doi)
    assert {*server.drafts[draft.number]["files"]} == {*folder.UPLOADED}
    assert server.drafts[first]["files"]["site.zip"] == b"of the last edition"


def test_only_the_draft_whose_doi_the_site_states_gets_the_deposit(server, prepared):
    zenodo = Zenodo(SECRET, server.address)
    number = zenodo.reserve().number
    with pytest.raises(DepositError, match="10.5281/zenodo.9 is not the DOI reserved for deposit 1234, 10.5281/zenodo"):
        zenodo.upload(number, prepared, "10.5281/zenodo.9")
    server.drafts[number]["submitted"] = True
    with pytest.raises(DepositError, match="is published already. Reserve a new version"):
        zenodo.upload(number, prepared, "10.5281/zenodo.1234")
    assert server.drafts[number]["files"] == {}


REFUSALS = {
    "validation": (
        400,
        {"message": "Validation error.", "errors": [{"field": "metadata.title", "message": "Missing data."}]},
        "Zenodo answers 400. Validation error; metadata.title: Missing data",
    ),
    "scope": (403, {"message": "Forbidden"}, "needs the scope deposit:write"),
    "missing": (404, {"message": "PID does not exist."}, "PID does not exist. there is no such draft"),
    "busy": (429, {"message": "Too many"}, "wait a few minutes"),
    "a page": (500, b"<html>", "Zenodo answers 500. the server has a fault"),
    "no object": (200, [], "the answer is not the object"),
    "no json": (200, b"<html>", "the answer is not the object"),
    "no number": (200, {}, "has no number of the deposit"),
    "no doi": (200, {"id": 1, "metadata": {}}, "has no metadata.prereserve_doi.doi"),
    "a redirect": (302, "https://elsewhere.example/", "Zenodo answers 302"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_told_without_the_token(server, prepared, name):
    status, content, expected = REFUSALS[name]
    server.faults["GET", "/api/deposit/depositions/7"] = (status, content)
    with pytest.raises(DepositError, match=re.escape(expected)) as caught:
        Zenodo(SECRET, server.address).upload(7, prepared, "10.5281/zenodo.7")
    assert SECRET not in str(caught.value)


def test_the_token_is_sent_to_no_other_server(server, prepared):
    zenodo = Zenodo(SECRET, server.address)
    number = zenodo.reserve().number
    answer = server.shown(number)
    answer["links"]["bucket"] = "http://127.0.0.1:9/api/files/b1234"
    server.faults["GET", f"/api/deposit/depositions/{number}"] = (200, answer)
    with pytest.raises(DepositError, match="names an address on another server"):
        zenodo.upload(number, prepared, "10.5281/zenodo.1234")


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(DepositError, match=r"http://127.0.0.1:9 cannot be reached"):
        Zenodo(SECRET, "http://127.0.0.1:9").reserve()


@pytest.mark.parametrize("token", ["", "two words", "a\nb", "ü"])
def test_a_text_that_is_no_token_is_refused_and_not_shown(token):
    with pytest.raises(DepositError, match="ZENODO_TOKEN") as caught:
        Zenodo(token)
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("address", ["http://zenodo.org", "ftp://zenodo.org", "zenodo.org"])
def test_the_token_is_not_sent_without_encryption(address):
    with pytest.raises(DepositError, match="must begin with https://"):
        Zenodo(SECRET, address)


def test_bytes_that_were_stored_otherwise_are_noticed(server, prepared):
    zenodo = Zenodo(SECRET, server.address)
    number = zenodo.reserve().number
    server.faults["PUT", "/api/files/b1234/site.zip"] = (201, {"checksum": "md5:0"})
    with pytest.raises(DepositError, match="site.zip: Zenodo has stored other bytes"):
        zenodo.upload(number, prepared, "10.5281/zenodo.1234")


# --- Command line -----------------------------------------------------------------------------------------


def test_the_command_reserves_a_doi_and_says_what_to_do_with_it(server, monkeypatch, capsys):
    monkeypatch.setenv(TOKEN, f"{SECRET}\n")
    assert command_line.main(["deposit", "--reserve", "--server", server.address]) == 0
    said = capsys.readouterr().out
    assert "Draft 1234 has the reserved DOI 10.5281/zenodo.1234." in said
    assert "--upload 1234" in said
    assert command_line.main(["deposit", "--reserve", "--server", server.address]) == 1, "the token is taken once"
    assert "ZENODO_TOKEN is not set" in capsys.readouterr().err


def test_the_command_uploads_a_deposit_only_if_nothing_is_left_to_do(checkout, server, monkeypatch, capsys):
    def run(*options):
        monkeypatch.setenv(TOKEN, SECRET)
        return command_line.main(["deposit", "--root", str(checkout), "--server", server.address, *options])

    monkeypatch.setattr(deposit_command, "build_editions", lambda given: 0)
    Zenodo(SECRET, server.address).reserve()
    assert run() == 0
    said = capsys.readouterr().out
    assert "Not stated in settings.csv, and so left out of its metadata: contact, " in said
    assert "- data/settings.csv, doi: no DOI is stated." in said
    assert run("--upload", "1234") == 1
    assert server.drafts[1234]["files"] == {}
    for place in (checkout / "data", checkout / "_build/source/data"):
        for table, old, new in (
            ("settings", f"authors,{PLACEHOLDER}", "authors,Given Family; Other Person"),
            ("settings", "doi,", "doi,10.5281/zenodo.1234"),
            ("editions", f",{PLACEHOLDER},", ",Given Family; Other Person,"),
        ):
            path = place / f"{table}.csv"
            path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    git(checkout, "commit", "--quiet", "--all", "-m", "State them")
    assert run("--upload", "1234") == 0
    said = capsys.readouterr().out
    assert f"Nothing is published: a person publishes it at {server.address}/deposit/1234" in said
    assert {*server.drafts[1234]["files"]} == {*folder.UPLOADED}
    assert server.drafts[1234]["metadata"]["creators"][0]["name"] == "Family, Given"


def test_the_command_names_wrong_usage(server, capsys):
    assert command_line.main(["deposit", "--new-version-of", "7"]) == 2
    assert "is for --reserve" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command_line.main(["deposit", "--upload", "x"])
    assert "is not the number of a deposit" in capsys.readouterr().err
