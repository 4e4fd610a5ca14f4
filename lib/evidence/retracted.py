"""Mark retracted studies wherever they are named.

Belongs here: the names of retracted studies. Does not belong here: the rule that demands a decision about each
(`rules.retractions`), and how a notice is looked up (`lib.records.retractions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_MARK_BY_KIND = {
    "partial_retraction": "Partly retracted: ",
    "retraction": "Retracted: ",
    "withdrawal": "Retracted: ",
}
"""Mark before the name of a study, by kind of notice. If a study has several, the last in this order is used."""
_NAMED = (("studies", "study"), ("screening", "study"), ("mechanism", "study"), ("later_reviews", "review"))
"""Tables that name studies in the column ``label``, and the column with their key in ``references.bib``."""


def marks(notices: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return what stands before the name of each retracted work, by its key in the bibliography.

    Parameters
    ----------
    notices : iterable of (str, str)
        Key and kind of notice, as in ``retractions.csv``. An expression of concern is no retraction and marks nothing.

    Examples
    --------
    >>> marks([("a2024", "retraction"), ("b2024", "expression_of_concern"), ("c2024", "partial_retraction")])
    {'c2024': 'Partly retracted: ', 'a2024': 'Retracted: '}
    """
    notices = list(notices)
    return {key: mark for kind, mark in _MARK_BY_KIND.items() for key, of_key in notices if of_key == kind}


def with_notices(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of an edition with a mark before the names of retracted studies.

    Journals also put such a mark before the title. It remains visible where long names are cut off.

    Parameters
    ----------
    parts : mapping of str to DataFrame
        The tables of an edition. Marks that names have already are removed first.

    Examples
    --------
    >>> import pandas as pd
    >>> tables = {name: pd.DataFrame({"study": [], "review": [], "label": []}, dtype=str) for name, _ in _NAMED}
    >>> tables["studies"] = pd.DataFrame({"study": ["a2024"], "label": ["Made-up 2024"]})
    >>> tables["retractions"] = pd.DataFrame({"reference": ["a2024"], "kind": ["retraction"]})
    >>> with_notices(tables)["studies"].label[0]
    'Retracted: Made-up 2024'
    """
    parts = dict(parts)
    notices = parts["retractions"]
    mark_by_key = marks(zip(notices.reference, notices.kind, strict=True))
    for name, column in _NAMED:
        table = parts[name]
        labels = table.label
        for mark in _MARK_BY_KIND.values():
            labels = labels.str.removeprefix(mark)
        if mark_by_key:
            labels = table[column].map(mark_by_key).fillna("") + labels
        if not labels.equals(table.label):
            parts[name] = table.assign(label=labels)
    return parts
