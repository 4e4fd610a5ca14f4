"""Define rules and findings of the audit: the form of a finding, and the registry of rules.

Belongs here: `Finding` with its verdicts, and the decorator that enters a function in `RULES`.
Does not belong here: the rules (`published_rules`, `report_rules`), and applying all of them (`all_rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from lib.audit.review import Review

VERDICTS = {"contradicted": "contradicted", "unchecked": "cannot be checked", "holds": "holds"}
"""Text of each verdict in the book."""


@dataclass(frozen=True)
class Finding:
    """The result of applying one rule to one claim.

    Attributes
    ----------
    rule : str
        Name of the rule.
    place, claim, published : str
        Place of the claim in the review, its subject, and what the review states.
    verdict : str
        A key of `VERDICTS`.
    reconciling : str
        A value that would agree with the other claims; empty if no value would.
    detail : str
        What the claim was compared with, or why it cannot be compared.
    sources : tuple of str
        The review, and the reports with which it was compared.
    """

    rule: str
    place: str
    claim: str
    published: str
    verdict: str
    reconciling: str = ""
    detail: str = ""
    sources: tuple[str, ...] = ()


def finding(
    ok: bool | None,
    place: str,
    claim: str,
    published,
    reconciling: str = "",
    detail: str = "",
    sources: Iterable[str] = (),
) -> Finding:
    """Return a finding without the name of its rule, which `lib.audit.all_rules.apply` adds.

    Parameters
    ----------
    ok : bool or None
        True if the claim holds, False if it is contradicted, None if it cannot be checked.
    place, claim, published, reconciling, detail, sources
        As in `Finding`; ``reconciling`` is used only if the claim is contradicted.
    """
    verdict = "unchecked" if ok is None else "holds" if ok else "contradicted"
    shown = published if isinstance(published, str) else f"{published:g}"
    return Finding(
        "", place, claim, shown, verdict, reconciling if verdict == "contradicted" else "", detail, (*sources,)
    )


class Rule(NamedTuple):
    """A rule: its statement, which the book shows, and the function that checks it on a `Review`."""

    statement: str
    check: Callable[[Review], Iterable[Finding]]


RULES: dict[str, Rule] = {}
"""The rules by name, in their order. All rules are in it once `lib.audit.all_rules` has been imported."""


def rule(name: str, statement: str) -> Callable:
    """Decorate a function to enter it in `RULES`.

    Raises
    ------
    ValueError
        If another rule has that name.
    """

    def enter(check: Callable[[Review], Iterable[Finding]]) -> Callable[[Review], Iterable[Finding]]:
        if name in RULES:
            raise ValueError(f"two rules of the audit are named {name!r}: give each its own name")
        RULES[name] = Rule(statement, check)
        return check

    return enter
