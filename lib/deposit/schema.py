"""Check metadata by Zenodo's rules, a JSON Schema of the fields that a deposit uses.

Belongs here: the schema, and the faults of metadata in words. Does not belong here: where the values come from
(`metadata`).

Written after the documentation of Zenodo's REST API (https://developers.zenodo.org, section "Deposit metadata").
Zenodo takes more fields than these. The schema refuses them, because none of them is checked here.
"""

from __future__ import annotations

from typing import Any

import jsonschema

_TEXT = {"type": "string", "pattern": r"\S", "description": "a text that is not empty"}
_CREATOR = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        # "Family name, Given names" for a person, the name for an organisation.
        "name": _TEXT,
        "affiliation": _TEXT,
        "orcid": {
            "type": "string",
            "pattern": r"^(\d{4}-){3}\d{3}[\dX]$",
            "description": "an ORCID iD, such as 0000-0002-1825-0097",
        },
    },
}
_RELATED = {
    "type": "object",
    "required": ["identifier", "relation"],
    "additionalProperties": False,
    "properties": {
        "identifier": {
            "type": "string",
            "pattern": r"^(https?://\S+|10\.\d{4,}/\S+)$",
            "description": "a DOI (10.1001/...) or an address that begins with https://",
        },
        # Those that a deposit of this review can need; Zenodo has more.
        "relation": {"enum": ["continues", "isDerivedFrom", "isVariantFormOf"]},
        "resource_type": {"enum": ["publication-article", "software"]},
    },
}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Metadata of a deposit on Zenodo",
    "type": "object",
    "required": ["upload_type", "publication_type", "title", "creators", "description", "publication_date", "license"],
    "additionalProperties": False,
    "properties": {
        "upload_type": {"const": "publication"},
        "publication_type": {"enum": ["report", "article", "workingpaper", "other"]},
        "publication_date": {
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}$",
            "description": "a date of the form YYYY-MM-DD",
        },
        "title": _TEXT,
        "creators": {"type": "array", "minItems": 1, "items": _CREATOR},
        # Zenodo allows HTML with a few tags.
        "description": _TEXT,
        "access_right": {"const": "open"},
        "license": {
            "type": "string",
            "pattern": r"^[a-z0-9.-]+$",
            "description": "one licence of Zenodo's list in lower case, such as cc-by-4.0",
        },
        "prereserve_doi": {"const": True},
        "keywords": {"type": "array", "items": _TEXT, "uniqueItems": True},
        "notes": _TEXT,
        "related_identifiers": {"type": "array", "items": _RELATED},
        "version": _TEXT,
        "language": {"type": "string", "pattern": "^[a-z]{3}$", "description": "a code of ISO 639-3, such as eng"},
    },
}
"""JSON Schema (2020-12) of the metadata of a deposit."""


def faults(metadata: object) -> list[str]:
    """Return the faults of metadata by Zenodo's rules, a line for each.

    Parameters
    ----------
    metadata : object
        The content of ``metadata.json``.

    Examples
    --------
    >>> from lib.deposit.schema import faults
    >>> [line for line in faults({"language": "English"}) if "language" in line]
    ["metadata.json, language: 'English' is not a code of ISO 639-3, such as eng"]
    """
    validator = jsonschema.Draft202012Validator(SCHEMA)
    errors = sorted(validator.iter_errors(metadata), key=lambda error: [str(part) for part in error.absolute_path])
    return [f"{', '.join(['metadata.json', *map(str, error.absolute_path)])}: {_in_words(error)}" for error in errors]


def _in_words(error: jsonschema.ValidationError) -> str:
    """Return what is wrong with a value; a pattern is described, and not shown."""
    if error.validator == "pattern":
        return f"{error.instance!r} is not {error.schema['description']}"
    return str(error.message)
