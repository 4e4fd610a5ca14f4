"""Compose the metadata of a deposit from ``CITATION.cff`` and the tables ``settings`` and ``editions``.

Belongs here: which fact goes into which field, and what the owner of the review has still to state. Does not belong
here: Zenodo's rules for the fields (`schema`).

A placeholder is never passed on as a fact: its field is left out, and what to do about it is said.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lib.deposit import schema
from lib.report.text_safety import for_html

PLACEHOLDER = "The contributors of the living review"
"""Name that stands for the authors until the owner of the review states them."""

_CITATION, _PROJECT = "CITATION.cff", "pyproject.toml"
_LEFT_OUT = ("contact", "repository", "address", "funding", "competing_interests")


class DepositError(Exception):
    """A deposit cannot be prepared, reserved or uploaded; the message says why, and what to do."""


@dataclass(frozen=True)
class Stated:
    """The metadata of a deposit, and what stands between it and an upload.

    Attributes
    ----------
    metadata : dict
        The content of ``metadata.json``: only what is stated.
    to_do : list of str
        What must be done before the deposit can be uploaded, a line for each.
    left_out : list of str
        Settings that are not stated yet, and that an upload can do without.
    """

    metadata: dict[str, Any]
    to_do: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read_citation(root: Path) -> dict[str, Any]:
    """Read ``CITATION.cff``.

    Raises
    ------
    DepositError
        If it cannot be read, or if a field that the deposit needs is missing.
    """
    try:
        content = yaml.safe_load((root / _CITATION).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DepositError(f"{_CITATION}: the file does not exist; a deposit takes title and authors from it") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DepositError(f"{_CITATION}: this is not YAML in UTF-8: {' '.join(str(error).split())}") from None
    kinds = {"title": str, "authors": list, "license": list}
    for name, kind in kinds.items():
        if not isinstance(content, dict) or not isinstance(content.get(name), kind):
            form = {str: "a text", list: "a list"}[kind]
            raise DepositError(
                f"{_CITATION}, {name}: {form} is expected; the page https://citation-file-format.github.io has the form"
            )
    return content


def read_code_version(root: Path) -> str:
    """Read the version of the code from ``pyproject.toml``.

    Raises
    ------
    DepositError
        If the file cannot be read, or states no version.
    """
    try:
        return str(tomllib.loads((root / _PROJECT).read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise DepositError(f"{_PROJECT}, project, version: it cannot be read ({error}); state it as X.Y.Z") from None


def stated(
    citation: dict[str, Any], settings: dict[str, str], editions: pd.DataFrame, *, built: str, code: str
) -> Stated:
    """Compose the metadata of an edition's deposit.

    Parameters
    ----------
    citation : dict
        The content of ``CITATION.cff``.
    settings : dict of str to str
        The values of ``settings.csv`` by setting; empty where nothing is stated.
    editions : DataFrame
        The table ``editions``, the newest row last.
    built : str
        Date of the edition of the site, as in ``results.json``.
    code : str
        Version of the code (`read_code_version`).

    Returns
    -------
    Stated
    """
    edition = editions.iloc[-1]
    creators, to_do = _creators(citation["authors"], settings.get("authors", ""))
    to_do += _disagreements(citation, edition, built, code)
    if not settings.get("doi"):
        to_do.append(
            "data/settings.csv, doi: no DOI is stated. Reserve one with `python -m lib deposit --reserve`, enter it"
            " there, and commit the file, so that the site names it"
        )
    licences = [str(name) for name in citation["license"]]
    metadata: dict[str, Any] = {
        "upload_type": "publication",
        "publication_type": "report",
        "publication_date": edition.date,
        "title": citation["title"],
        "creators": creators,
        "description": _description(edition),
        "access_right": "open",
        # Zenodo takes one licence: that of text and data. The notes name all.
        "license": next((name for name in licences if name.startswith("CC")), licences[0]).lower(),
        "prereserve_doi": True,
        "keywords": [str(word) for word in citation.get("keywords", [])],
        "notes": _notes(settings),
        "related_identifiers": _related(citation, settings),
        "version": edition.version,
        "language": "eng",
    }
    metadata = {name: value for name, value in metadata.items() if value not in ("", [])}
    # Who the creators are is said above, in the owner's words.
    to_do += [line for line in schema.faults(metadata) if creators or "'creators'" not in line]
    return Stated(metadata, to_do, [name for name in _LEFT_OUT if not settings.get(name)])


def _creators(authors: list[Any], named: str) -> tuple[list[dict[str, str]], list[str]]:
    """Return the authors in Zenodo's form, and what must be done about them."""
    creators = []
    for author in authors:
        fields = author if isinstance(author, dict) else {"name": str(author)}
        names = filter(None, [fields.get("family-names"), fields.get("given-names")])
        name = ", ".join(names) or fields.get("name", "")
        if not name or name == PLACEHOLDER:
            continue
        orcid = str(fields.get("orcid", "")).rpartition("/")[2]
        person = {"name": name, "affiliation": fields.get("affiliation", ""), "orcid": orcid}
        creators.append({key: value for key, value in person.items() if value})
    if not creators:
        return [], [
            f"{_CITATION}, authors: no author is named, only the placeholder {PLACEHOLDER!r}. Zenodo needs one:"
            " enter family-names and given-names (orcid and affiliation are optional), and the same names in"
            " data/settings.csv and data/editions.csv"
        ]
    in_settings = [name.strip() for name in named.split(";") if name.strip()]
    if len(in_settings) == len(creators) and all(
        creator["name"].partition(",")[0] in name for creator, name in zip(creators, in_settings, strict=True)
    ):
        return creators, []
    return creators, [
        f"data/settings.csv, authors: {named!r} are not the authors of {_CITATION}"
        f" ({'; '.join(creator['name'] for creator in creators)}). Name the same people in the same order"
    ]


def _disagreements(citation: dict[str, Any], edition: Any, built: str, code: str) -> list[str]:
    """Return what must be done so that site, code, ``CITATION.cff`` and the last row of ``editions.csv`` agree."""
    to_do = []
    if built != edition.date:
        to_do.append(
            f"data/editions.csv, date: the last edition is that of {edition.date}, and the data are those of"
            f" {built}. Add a row for the new edition"
        )
    for place, version in (
        (f"{_PROJECT}, version", code),
        (f"{_CITATION}, version", citation.get("version")),
    ):
        if str(version) != edition.version:
            to_do.append(
                f"{place}: {version} is not the version of the last edition in data/editions.csv, {edition.version}"
            )
    if PLACEHOLDER in edition.authors:
        to_do.append(
            f"data/editions.csv, authors: the edition of {edition.date} still has the placeholder {PLACEHOLDER!r}"
        )
    return to_do


def _description(edition: Any) -> str:
    lines = [
        f"Living systematic review, edition of {edition.date}, version {edition.version}.",
        f"Reason for this edition: {edition.trigger}.",
        f"Changes of the questions: {edition.question_changes or 'none'}.",
        f"Changes of the methods: {edition.method_changes or 'none'}.",
        "site.zip holds the book as a website that can be read offline (open index.html), with its earlier editions;"
        " data.zip the tables with their dictionary; code.zip everything from which the site is built; results.json"
        " every result of the book.",
        "This is research, not medical advice.",
    ]
    return "".join(f"<p>{for_html(line)}</p>" for line in lines)


def _notes(settings: dict[str, str]) -> str:
    named = {"contact": "Contact", "funding": "Funding", "competing_interests": "Competing interests"}
    lines = [f"{name}: {settings[key].rstrip('.')}." for key, name in named.items() if settings.get(key)]
    return for_html(" ".join(["Text, figures and data: CC BY 4.0. Code: MIT licence.", *lines]))


def _related(citation: dict[str, Any], settings: dict[str, str]) -> list[dict[str, str]]:
    """Return the review that this one continues, and where the site and its sources are."""
    related = [
        {"identifier": reference["doi"], "relation": "continues", "resource_type": "publication-article"}
        for reference in citation.get("references", [])
        if reference.get("type") == "article" and reference.get("doi")
    ]
    if settings.get("address"):
        related.append({"identifier": settings["address"], "relation": "isVariantFormOf"})
    if settings.get("repository"):
        related.append({"identifier": settings["repository"], "relation": "isDerivedFrom", "resource_type": "software"})
    return related
