"""Prepare the folder of a deposit: site, data, code, results and metadata of an edition.

Belongs here: which files a deposit has, and that the same edition gives the same bytes. Does not belong here: the
metadata (`metadata`), and the build of the site (`lib.engine`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.caching.safe_files import FILE_MODE, FOLDER_MODE, files
from lib.deposit.metadata import DepositError, Stated, read_citation, read_code_version, stated
from lib.evidence.checking import read_tables

METADATA = "metadata.json"
CHECKSUMS = "SHA256SUMS"
UPLOADED = ("site.zip", "data.zip", "code.zip", "results.json", CHECKSUMS)
"""Files of a deposit that go to Zenodo; the metadata are sent as such."""


@dataclass(frozen=True)
class Deposit:
    """A prepared deposit.

    Attributes
    ----------
    folder : Path
        The folder, ``_build/deposit/<version>``.
    stated : Stated
        Its metadata, and what must be done before it can be uploaded.
    doi : str
        The DOI that the site states; empty if there is none.
    """

    folder: Path
    stated: Stated
    doi: str


def prepare(root: Path, build_folder: Path) -> Deposit:
    """Prepare the deposit of the edition that was built last; a folder of the same version is replaced as a whole.

    Parameters
    ----------
    root : Path
        The project's folder, a git checkout.
    build_folder : Path
        The build folder (``_build``), with the site of the newest edition and the sources that it was built from.

    Returns
    -------
    Deposit

    Raises
    ------
    DepositError
        If there is no site, or if the project's folder is not a git checkout.
    OSError
        If a file cannot be read or written.
    """
    site, source, results = build_folder / "html", build_folder / "source", build_folder / "results.json"
    if not (site.is_dir() and results.is_file()):
        raise DepositError(f"{site}: there is no site to deposit; build it with `make editions`")
    tables, _ = read_tables(source / "data")
    settings = dict(tables["settings"][["setting", "value"]].itertuples(index=False))
    editions = tables["editions"].sort_values("date", kind="stable")
    tracked = _tracked(root)
    built, code = json.loads(results.read_bytes())["edition"], read_code_version(root)
    facts = stated(read_citation(root), settings, editions, built=built, code=code)
    edition = editions.iloc[-1]
    facts.to_do.extend([*_unstored(edition, tracked), *_differences(root, source, tracked)])
    name = re.sub(r"[^\w.-]+", "-", edition.version).strip("-.")
    parent = build_folder / "deposit"
    parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}."))
    try:
        day = dt.date.fromisoformat(edition.date)
        prefix = f"living-review-{name}"
        zipped = {
            "site.zip": {file: site / file for file in files(site)},
            "data.zip": {file: source / "data" / file for file in files(source / "data")},
            "code.zip": tracked,
        }
        for archive, content in zipped.items():
            write_zip(part / archive, content, f"{prefix}-{archive.removesuffix('.zip')}", day)
        (part / "results.json").write_bytes(results.read_bytes())
        sums = (f"{_sha256(part / file)}  {file}\n" for file in UPLOADED if file != CHECKSUMS)
        (part / CHECKSUMS).write_text("".join(sums), encoding="utf-8")
        text = json.dumps(facts.metadata, indent=1, ensure_ascii=False) + "\n"
        (part / METADATA).write_text(text, encoding="utf-8")
        for path in part.iterdir():
            path.chmod(FILE_MODE)
        part.chmod(FOLDER_MODE)
        _put_in_place(part, parent / name)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Deposit(parent / name, facts, settings.get("doi", ""))


def write_zip(path: Path, content: Mapping[str, Path], folder: str, day: dt.date) -> None:
    """Write a zip file whose bytes depend on nothing but its arguments and the content of the files.

    Parameters
    ----------
    path : Path
        The zip file.
    content : mapping of str to Path
        The files, by their name in the archive.
    folder : str
        Folder in the archive that holds all files.
    day : datetime.date
        Time of every file in the archive.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(f"{folder}/{name}", (day.year, day.month, day.day, 0, 0, 0))
            # The system that wrote the archive is part of it: always Unix, with the permissions of published files.
            entry.create_system, entry.external_attr = 3, (0o100000 | FILE_MODE) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content[name].read_bytes(), compresslevel=9)


def _tracked(root: Path) -> dict[str, Path]:
    """Return the files that git tracks."""
    names = [name for name in _git(root, "ls-files", "-z").split("\0") if name]
    if not names:
        raise DepositError(f"{root}: git tracks no file here; the code of a deposit is what git tracks")
    return {name: root / name for name in names if (root / name).is_file()}


def _unstored(edition: Any, tracked: Mapping[str, Path]) -> list[str]:
    """Return what must be done so that later editions can be compared with this one."""
    name = f"lib/report/stored_editions/{edition.date}.json"
    if name in tracked and json.loads(tracked[name].read_bytes())["version"] == edition.version:
        return []
    return [
        f"{name}: the results of version {edition.version} are not stored, so later editions cannot be compared with"
        " them. Run `make store-edition` and commit the file"
    ]


def _differences(root: Path, source: Path, tracked: Mapping[str, Path]) -> list[str]:
    """Return what must be done so that the last commit, the files and the sources of the site are the same."""
    changed = [line[3:] for line in _git(root, "status", "--porcelain").splitlines() if line]
    sources = [name for name in files(source) if not name.startswith("_build/")]
    built = [
        name for name in sources if name not in tracked or tracked[name].read_bytes() != (source / name).read_bytes()
    ]
    causes = (
        ("git", "there are changes that are not committed", changed, "Commit them, so that the deposit is a commit"),
        ("site", "it was built from other files than git tracks", built, "Build the editions of the tracked files"),
    )
    return [
        f"{place}: {fault} ({', '.join(names[:5])}{' and others' if len(names) > 5 else ''}). {remedy}"
        for place, fault, names, remedy in causes
        if names
    ]


def _git(root: Path, *arguments: str) -> str:
    try:
        process = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, encoding="utf-8")
    except FileNotFoundError:
        raise DepositError("git is not installed; the code of a deposit is what git tracks") from None
    if process.returncode:
        raise DepositError(f"{root}: git cannot list the files of this folder: {process.stderr.strip()}")
    return process.stdout


def _put_in_place(part: Path, folder: Path) -> None:
    """Rename a new folder to the name of one that may exist."""
    old = part.with_name(f"{part.name}.old")
    if folder.exists():
        folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
