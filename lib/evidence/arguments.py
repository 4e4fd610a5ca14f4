"""Describe an argument that is none of the allowed names, with the nearest allowed one.

Belongs here: the message. Does not belong here: which names are allowed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_FEW = 40
"""Largest number of allowed names that a message lists."""


def unknown(name: str, value: object, allowed: Iterable[str]) -> str:
    """Return the message for an argument whose value is not allowed.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : object
        Its value.
    allowed : iterable of str
        The allowed values.

    Returns
    -------
    str
        The value, what is allowed, and the nearest allowed value if one is near.

    Examples
    --------
    >>> unknown("view", "monoterapy", ["monotherapy", "phototherapy"])
    "view must be one of monotherapy, phototherapy, not 'monoterapy': did you mean 'monotherapy'?"
    """
    names = list(dict.fromkeys(map(str, allowed)))
    by_lower = {text.lower(): text for text in reversed(names)}
    near = difflib.get_close_matches(str(value).lower(), by_lower, 1)
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    hint = f": did you mean {by_lower[near[0]]!r}?" if near else ""
    return f"{name} must be one of {', '.join(names[:_FEW])}{more}, not {value!r}{hint}"
