"""Refuse values and options that no analysis can use, and warn of studies that are left out.

Belongs here: the errors for impossible counts, effects, variances, levels and options, and the reasons for which a
study is left out. Does not belong here: the shapes of arguments and the names of studies (`arguments`).
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable
from numbers import Real

import numpy as np

from lib.stats.arguments import LeftOutWarning, Names, study
from lib.stats.arrays import LEAST_VARIANCE, Booleans, Floats

# Largest number of studies that one message names.
_MOST_NAMED = 10
_MOST_ALLOWED = 40
"""Largest number of allowed names that a message lists."""


def refuse_impossible_counts(
    events: Floats, n: Floats, names: Names = (), *, arguments: tuple[str, str] = ("events", "n")
) -> None:
    """Raise ValueError unless counts are whole numbers with 0 <= events <= n and n > 0 wherever both are known.

    Parameters
    ----------
    events, n : ndarray
        Number with the event, and number observed; NaN if not known.
    names : tuple
        Names of the studies, for the message.
    arguments : tuple of str
        Names of the two arguments, for the message.

    Examples
    --------
    >>> refuse_impossible_counts(np.array([3, 21]), np.array([20, 20]))
    Traceback (most recent call last):
    ValueError: the study with index 1 has events = 21 and n = 20: each study needs 0 <= events <= n and n > 0
    """
    # Recognise the common case, in which all counts are known and possible, by a few fast passes.
    if (
        n.size
        and n.min() > 0
        and n.max() < np.inf
        and events.min() >= 0
        and (events <= n).all()
        and (np.floor(events) == events).all()
        and (np.floor(n) == n).all()
    ):
        return
    outside = (events < 0) | (events > n) | (n <= 0)
    infinite = np.isinf(events) | np.isinf(n)
    broken = (np.floor(events) < events) | (np.floor(n) < n)
    wrong = outside | infinite | broken
    if not wrong.any():
        return
    at = np.unravel_index(wrong.argmax(), wrong.shape)
    subject = study(int(at[0]), names) if at else "it"
    (x_name, n_name), x, number = arguments, events[at], n[at]
    rule = f"each study needs 0 <= {x_name} <= {n_name} and {n_name} > 0"
    if infinite[at]:
        rule = "counts must be finite"
    elif not outside[at]:
        rule = "counts must be whole numbers, not proportions or percentages"
    raise ValueError(f"{subject} has {x_name} = {x:g} and {n_name} = {number:g}: {rule}")


def refuse_values(y: Floats, v: Floats, names: Names = ()) -> None:
    """Raise ValueError for an effect or a variance that no analysis can use; NaN stands for an absent study.

    Parameters
    ----------
    y, v : ndarray, shape (k, m)
        Effect sizes and sampling variances.
    names : tuple
        Names of the studies, for the message.
    """
    wrong = np.isinf(y) | np.isinf(v) | (v < 0)
    rule = "effects must be finite and sampling variances finite and not negative"
    if not wrong.any():
        wrong = (v > 0) & (v < LEAST_VARIANCE)
        rule = f"sampling variances must be 0 or at least {LEAST_VARIANCE}, or weights overflow"
    if wrong.any():
        at = np.unravel_index(wrong.argmax(), wrong.shape)
        raise ValueError(f"{study(int(at[0]), names)} has effect {y[at]:g} and sampling variance {v[at]:g}: {rule}")


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
    by_folded = {text.casefold(): text for text in reversed(names)}
    near = difflib.get_close_matches(str(value).casefold(), by_folded, 1)
    more = f" and {len(names) - _MOST_ALLOWED} more" if len(names) > _MOST_ALLOWED else ""
    hint = f": did you mean {by_folded[near[0]]!r}?" if near else ""
    return f"{name} must be one of {', '.join(names[:_MOST_ALLOWED])}{more}, not {value!r}{hint}"


def refuse_unknown(argument: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless an option has one of the values that are allowed.

    Examples
    --------
    >>> refuse_unknown("tau2", "reml", ("DL", "REML"))
    Traceback (most recent call last):
    ValueError: tau2 must be one of DL, REML, not 'reml': did you mean 'REML'?
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(unknown(argument, value, allowed))


def refuse_level(level: float) -> None:
    """Raise ValueError unless a confidence level lies between 0 and 1.

    Examples
    --------
    >>> refuse_level(95)
    Traceback (most recent call last):
    ValueError: level must lie between 0 and 1, not 95: did you mean 0.95?
    """
    if isinstance(level, Real) and 0 < level < 1:
        return
    hint = f": did you mean {level / 100:g}?" if isinstance(level, Real) and 1 < level < 100 else ""
    raise ValueError(f"level must lie between 0 and 1, not {level!r}{hint}")


def warn_left_out(names: Names, reasons: Iterable[tuple[Booleans | np.bool_, str]], *, stacklevel: int = 3) -> None:
    """Warn of the studies of a single analysis that are left out, and name them with the reason.

    Parameters
    ----------
    names : tuple
        Names of the studies.
    reasons : iterable of (ndarray of bool, str)
        Which studies, shape (k,) or (k, 1), and why they are left out.
    stacklevel : int
        As in ``warnings.warn``; by default the line that called the caller of this function.

    Warns
    -----
    LeftOutWarning
        If there is such a study.
    """
    message = left_out(names, reasons)
    if message:
        warnings.warn(f"left out of the analysis: {message}", LeftOutWarning, stacklevel=stacklevel)


def left_out(names: Names, reasons: Iterable[tuple[Booleans | np.bool_, str]]) -> str:
    """Return the studies that are left out, with the reasons; empty if there are none."""
    parts = []
    for which, reason in reasons:
        positions = np.flatnonzero(which).tolist()
        if positions:
            parts.append(f"{_study_list(positions, names)} ({reason})")
    return "; ".join(parts)


def _study_list(positions: list[int], names: Names) -> str:
    """Return how a message refers to one or more studies."""
    if len(positions) == 1:
        return study(positions[0], names)
    labels = [names[position] if names else position for position in positions]
    listed = ", ".join(map(repr, labels[:_MOST_NAMED]))
    more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
    return f"{'studies' if isinstance(labels[0], str) else 'the studies with index'} {listed}{more}"


MISSING = "a number is missing"


NO_VARIANCE = "its sampling variance is 0"


def without_weight(y: Floats, v: Floats, no_variance: str = NO_VARIANCE) -> list[tuple[Booleans, str]]:
    """Return which studies of an analysis (k, 1) have no weight, and why, for `warn_left_out`."""
    missing = np.isnan(y) | np.isnan(v)
    return [(~missing & (v == 0), no_variance), (missing, MISSING)]
