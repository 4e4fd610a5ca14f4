"""The main results of an edition with the counts behind them, to compare editions: computed, cached and stored.

Belongs here: which results are compared between editions, and their file. Does not belong here: why a result changed
(`lib.report.chapters.edition_changes`), and the file of all results (`registry`).

The results of an edition are stored when it is published (``make store-edition``), in ``stored_editions/<date>.json``.
They remain as that edition stated them, whatever changes later in the methods or the data. The results of an edition
without such a file are computed by today's methods from today's data, and cached on disk.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import lib
from lib.caching.disk_cache import cached
from lib.caching.safe_files import replace_if_changed
from lib.evidence import REGIMENS, THRESHOLDS, Evidence, by_study, question
from lib.report.counted import counts_of
from lib.report.entries import Entry, comparison_key, of_rate
from lib.report.rate_entries import rate_entries
from lib.report.trial_entries import comparison_entries

KINDS = ("published", "updated", "recommended.available")
"""Kinds of result of a rate that are compared."""
_TABLES = (
    "arms",
    "concerns",
    "drugs",
    "change_criteria",
    "published_numbers",
    "published_rates",
    "questions",
    "responses",
    "screening",
    "studies",
)
"""Tables from which the results are computed."""
FOLDER = Path(__file__).parent / "stored_editions"
READ: set[str] = set()
"""Files of stored results that this process has read or looked for, relative to the folder that holds the library."""


@dataclass(frozen=True)
class EditionResult:
    """One result as an edition states it.

    Attributes
    ----------
    key : str
        Key of the result, as in `registry`.
    estimate, ci_low, ci_high : float
        Estimate with its 95% interval; NaN if there is none.
    scale : str
        As in `Entry`.
    method : str
        Statistical method, in words.
    counts : dict of str to str
        The counts of each study in the result, ``"11/22"`` or ``"11/22 v 4/20"``; empty text if not available.
    """

    key: str
    estimate: float
    ci_low: float
    ci_high: float
    scale: str
    method: str
    counts: dict[str, str] = field(default_factory=dict)


def results(evidence: Evidence) -> dict[str, EditionResult]:
    """Return the results of an edition by today's methods, from the cache if they were computed before.

    Parameters
    ----------
    evidence : Evidence
        One edition, and not a view of it.

    Returns
    -------
    dict of str to EditionResult
        By key: the rates of the kinds `KINDS`, and the pooled risk ratios.
    """
    # Editions that differ only in other tables, such as the searches, have the same results.
    evidence = evidence.reduced_to(*_TABLES)
    content = sorted(evidence.fingerprints()[""].items())

    def compute() -> dict[str, np.ndarray]:
        return {"text": np.frombuffer(_as_text(_compute(evidence)).encode(), np.uint8)}

    return _from_text(cached(__name__, compute, content)["text"].tobytes())


def stored_file(date: str) -> Path:
    """Return the file of the stored results of an edition."""
    return FOLDER / f"{date}.json"


def stored_results(date: str) -> tuple[str, dict[str, EditionResult]] | None:
    """Return the version of an edition and the results that it stated; None if they are not stored.

    Parameters
    ----------
    date : str
        Date of the edition, YYYY-MM-DD.
    """
    path = stored_file(date)
    READ.add(path.relative_to(Path(lib.__file__).parents[1]).as_posix())
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return json.loads(content)["version"], _from_text(content)


def store(evidence: Evidence) -> Path:
    """Store the results of the newest edition, and return their file.

    Parameters
    ----------
    evidence : Evidence
        The newest edition.

    Raises
    ------
    ValueError
        If ``editions.csv`` has no row for it.
    OSError
        If the file cannot be written.
    """
    date = evidence.as_of.isoformat()
    rows = evidence.editions[evidence.editions.date == date]
    if rows.empty:
        newest = max(evidence.editions.date)
        raise ValueError(
            f"editions.csv, date: the data are those of {date}, and the last edition is that of {newest}."
            " Add a row for the new edition first"
        )
    about = {"edition": date, "version": rows.version.iloc[-1]}
    replace_if_changed(stored_file(date), _as_text(results(evidence), about).encode())
    return stored_file(date)


def _compute(evidence: Evidence) -> dict[str, EditionResult]:
    entries: dict[str, Entry] = {}
    for regimen in REGIMENS:
        entries |= rate_entries(evidence, regimen)
    found = []
    for outcome in evidence.all_outcomes():
        counts = _counts(counts_of(outcome), "{0.events:g}/{0.n:g}")
        found += [_result(of_rate(entries, outcome, kind), counts) for kind in KINDS]
    entries = comparison_entries(evidence)
    for name in evidence.questions.question:
        asked = question(evidence, name)
        for threshold in THRESHOLDS:
            form = "{0.events:g}/{0.n:g} v {0.control_events:g}/{0.control_n:g}"
            found.append(_result(entries.get(comparison_key(name, threshold)), _counts(asked.at(threshold), form)))
    return {result.key: result for result in found if result is not None}


def _counts(rows: Any, form: str) -> dict[str, str]:
    return {row.study: form.format(row) for row in by_study(rows).itertuples()}


def _result(entry: Entry | None, counts: Mapping[str, str]) -> EditionResult | None:
    if entry is None:
        return None
    by_name = {study: counts.get(study, "") for study in entry.studies}
    return EditionResult(entry.key, entry.estimate, entry.ci_low, entry.ci_high, entry.scale, entry.method, by_name)


_NUMBERS = ("estimate", "ci_low", "ci_high")


def _as_text(results: Mapping[str, EditionResult], about: Mapping[str, str] | None = None) -> str:
    """Return results as JSON with one result on each line, so that git shows changes result by result."""
    lines = []
    for key, result in results.items():
        numbers = {name: getattr(result, name) for name in _NUMBERS}
        shown = {name: round(value, 10) if math.isfinite(value) else None for name, value in numbers.items()}
        content = {**shown, "scale": result.scale, "method": result.method, "counts": result.counts}
        lines.append(f"{json.dumps(key)}: {json.dumps(content, ensure_ascii=False)}")
    head = "".join(f"{json.dumps(name)}: {json.dumps(value)},\n" for name, value in (about or {}).items())
    return "{\n" + head + '"results": {\n' + ",\n".join(lines) + "\n}}\n"


def _from_text(text: bytes) -> dict[str, EditionResult]:
    content = json.loads(text)["results"]
    return {
        key: EditionResult(key, **{**fields, **{name: _number(fields[name]) for name in _NUMBERS}})
        for key, fields in content.items()
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
