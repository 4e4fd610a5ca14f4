"""Convert the codes and keys of the data to the words and names that readers see.

Belongs here: conversions that several tables need. Does not belong here: the tables.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from lib.evidence import Evidence
from lib.report.marked_text import study_link


def meanings(evidence: Evidence, code_list: str, codes: pd.Series) -> pd.Series:
    """Return the meaning of each value, which is one code or several separated by semicolons."""
    meaning = evidence.meaning(code_list)
    return codes.map(lambda text: ", ".join(meaning.get(c.strip(), c.strip()) for c in text.split(";") if c))


def rows_by(rows: pd.DataFrame, *columns: str) -> dict[tuple[str, ...], list[Any]]:
    """Group the rows of a table by the values of some columns, for repeated look-ups."""
    groups: dict[tuple[str, ...], list[Any]] = {}
    for key, row in zip(zip(*(rows[name] for name in columns), strict=True), rows.itertuples(), strict=True):
        groups.setdefault(key, []).append(row)
    return groups


def labels(evidence: Evidence, keys: pd.Series) -> pd.Series:
    """Return the name of each study or record as a link to its record."""
    names = label_by_key(evidence)
    return pd.Series([study_link(names[key], key) for key in keys], index=keys.index, dtype=object)


def linked(rows: pd.DataFrame) -> pd.Series:
    """Return the names of the studies of some rows as links to their records, from the columns study and label."""
    names = [study_link(label, key) for label, key in zip(rows.label, rows.study, strict=True)]
    return pd.Series(names, index=rows.index, dtype=object)


def label_by_key(evidence: Evidence) -> dict[str, str]:
    """Return the label of every study and record, by its key."""
    screening, studies = evidence.screening, evidence.studies
    keys, names = [*screening.study, *studies.study], [*screening.label, *studies.label]
    return dict(zip(keys, names, strict=True))


def arm_name(arm: str) -> str:
    """Return the name of an arm for readers.

    Examples
    --------
    >>> arm_name("tacrolimus+NBUVB")
    'tacrolimus + NB-UVB'
    """
    return arm.replace("NBUVB", "NB-UVB").replace("+", " + ")


def with_labels(evidence: Evidence, texts: pd.Series) -> pd.Series:
    """Replace keys of other studies in remarks with the labels of those studies."""
    names = label_by_key(evidence)
    return texts.map(lambda text: re.sub(r"\w*\d\w*", lambda word: names.get(word[0], word[0]), text))


def bound_texts(evidence: Evidence, rows: pd.DataFrame) -> list[str]:
    """Describe in words the limit on a count that each row of ``bounds`` states."""
    kinds = evidence.meaning("bound")
    return [
        kinds[row.kind].replace("this percentage", f"{row.value:g}%").replace("this", f"{row.value:g}")
        for row in rows.itertuples()
    ]
