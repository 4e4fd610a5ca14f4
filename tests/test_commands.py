"""The commands of the Makefile and of ``python -m lib``: variables, paths, terminals, permissions, and encodings."""

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, run
from lib.__main__ import main
from lib.commands.book import PROJECT
from lib.engine import render
from lib.engine.errors import BuildError, DataFaults

SHOW = "#!/bin/sh\nfor argument; do printf '<%s>' \"$argument\"; done; echo\n"
"""In place of the environment's Python: shows the arguments that it gets."""


@pytest.fixture
def checkout(tmp_path):
    """A checkout in a folder whose name has spaces, with an environment that only shows what it is called with."""
    root = tmp_path / "with two spaces"
    (root / ".venv/bin").mkdir(parents=True)
    (root / "book").mkdir()
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    for name in (".ready", ".ready-to-test"):
        (root / ".venv" / name).touch()
    (root / ".venv/bin/python").write_text(SHOW, encoding="utf-8")
    (root / ".venv/bin/python").chmod(0o755)
    return root


def make(root, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-s", *arguments], cwd=root, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("folder", ["a b", "it's", 'say "data"', "$HOME", "$$x", "`true`", "a;b", "Daten für später"])
def test_variables_reach_the_command_as_they_are_written(checkout, folder):
    data = f"<--data={folder}>"
    assert make(checkout, "check", f"DATA={folder}") == f"<-m><lib><check>{data}\n"
    assert make(checkout, "book", f"DATA={folder}", "AS_OF=2018-08-06", "TIME_LIMIT=60") == (
        f"<-m><lib><build>{data}<--as-of=2018-08-06><--time-limit=60>\n"
    )
    assert make(checkout, "watch", f"DATA={folder}", "PORT=8001") == f"<-m><lib><watch>{data}<--port=8001>\n"
    assert make(checkout, "desk", f"DATA={folder}", "PORT=8011") == f"<-m><lib><desk>{data}<--port=8011>\n"
    assert make(checkout, "new-trial", f"ANSWERS={folder}") == f"<-m><lib><new-trial><--answers={folder}>\n"
    assert make(checkout, "deposit", f"DATA={folder}") == f"<-m><lib><deposit>{data}\n"
    assert make(checkout, "simulations", f"DATA={folder}") == f"<-m><lib><simulations>{data}\n"
    assert make(checkout, "search", f"SOURCE={folder}", "SINCE=2026-11-01", "DRY_RUN=1") == (
        f"<-m><lib><search><--source={folder}><--since=2026-11-01><--dry-run>\n"
    )


def test_without_variables_nothing_is_passed(checkout):
    assert make(checkout, "book") == "<-m><lib><build>\n"
    assert make(checkout, "lab") == "<-m><jupyter><lab>\n"


def test_help_lists_every_target_and_variable(checkout):
    shown = make(checkout, "help")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split()
    variables = re.search(r"^export (.*)$", makefile, flags=re.MULTILINE)[1].split()
    listed = re.findall(r"^  (\S+) +\S", shown, flags=re.MULTILINE)
    assert sorted(listed) == sorted([*targets, *variables, "PYTHON"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["watch", "--port", "80x"], "'80x' is not a port: a whole number from 1 to 65535"),
        (["watch", "--port", "70000"], "'70000' is not a port"),
        (["desk", "--port", "70000"], "'70000' is not a port"),
        (["build", "--time-limit", "0"], "'0' is not a number of seconds above 0"),
        (["build", "--time-limit", "nan"], "'nan' is not a number of seconds above 0"),
    ],
)
def test_a_wrong_option_is_told_with_what_is_allowed(arguments, message):
    done = run(ROOT, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize("command", ["build", "watch"])
@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (BuildError("chapter safety, cell 4: its process died"), 1, "chapter safety, cell 4: its process died\n"),
        (DataFaults("arms.csv: one\nflow.csv: two"), 1, "arms.csv: one\nflow.csv: two\n2 faults; nothing was built.\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_options_reach_the_engine_and_what_it_raises_is_told(monkeypatch, capsys, command, raised, code, said):
    given = []

    def engine(*places, project, **options):
        given.append((*places, project, options["time_limit"], options["dask"]))
        raise raised

    monkeypatch.setattr("lib.engine.build.build", engine)
    monkeypatch.setattr("lib.engine.serve.watch", engine)
    places = ["--root", "here", "--data", "other", "--as-of", "2018-08-06"]
    assert main([command, *places, "--time-limit", "9", "--dask", "tcp://127.0.0.1:1"]) == code
    assert given == [(Path("here"), Path("other"), "2018-08-06", PROJECT, 9.0, "tcp://127.0.0.1:1")]
    assert capsys.readouterr().err == said


def test_a_port_in_use_is_told_and_nothing_is_built(data):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run(data.parent, "watch", "--port", port)
    assert done.returncode == 1
    assert done.stderr == (
        f"Port {port} cannot be used: Address already in use. Choose another: make watch PORT=8001, or --port\n"
    )
    assert list(data.parent.iterdir()) == [data]


def test_a_terminal_without_utf8_shows_every_message(data, tmp_path):
    folder = tmp_path / "Données"
    data.rename(folder)
    path = folder / "responses.csv"
    text = path.read_text(encoding="utf-8")
    old = "jcd14041_2021,tacrolimus,all,,all,,ge75,6,patients,31,3,"
    assert old in text
    path.write_text(text.replace(old, old.replace(",3,", ",5,")), encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for encoding in ("ascii", "latin-1"):
        done = subprocess.run(
            [sys.executable, "-m", "lib", "check", "--data", str(folder)],
            cwd=ROOT,
            capture_output=True,
            env={**os.environ, **plain, "PYTHONIOENCODING": encoding},
        )
        assert done.returncode == 1
        assert rb"the count at \u226575% exceeds that at \u226550%" in done.stderr
        assert b"Traceback" not in done.stderr


def test_published_files_have_the_same_permissions_whatever_the_umask(tmp_path):
    old = os.umask(0o077)
    try:
        for name in ("html/index.html", "html/_static/style.css", "present/index.html"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("the same", encoding="utf-8")
        (tmp_path / "site").mkdir()
        changed = render._install(tmp_path / "html", tmp_path / "present", tmp_path / "site")
    finally:
        os.umask(old)
    assert changed == ["_static/style.css"]
    modes = {
        str(p.relative_to(tmp_path)): p.stat().st_mode & 0o777
        for p in [tmp_path / "site", *tmp_path.rglob("site/**/*")]
    }
    assert modes == {"site": 0o755, "site/_static": 0o755, "site/index.html": 0o644, "site/_static/style.css": 0o644}


@pytest.mark.book
def test_executed_chapters_do_not_name_the_version_of_python(book):
    chapters = list((book / "_build/stage/book").glob("*.ipynb"))
    assert chapters
    assert not any("version" in json.loads(p.read_bytes())["metadata"]["language_info"] for p in chapters)


def test_every_text_file_is_opened_as_utf8():
    """Without UTF-8 mode, Python opens files in the encoding of the terminal."""
    paths = [path for folder in ("lib", "bench", "book", ".jupyter") for path in (ROOT / folder).rglob("*.py")]
    assert len(paths) > 100
    found = []
    for path in paths:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            function = getattr(call, "func", None)
            name = getattr(function, "attr", getattr(function, "id", ""))
            owner = getattr(getattr(function, "value", None), "id", "")
            if name not in ("open", "fdopen", "read_text", "write_text") or owner == "Image":
                continue
            modes = {argument.value for argument in call.args if isinstance(argument, ast.Constant)}
            if not modes & {"rb", "wb", "r+b"} and "encoding" not in {keyword.arg for keyword in call.keywords}:
                found.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert found == [], "give encoding='utf-8' here"
