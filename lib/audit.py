"""Does the printed review agree with itself and with the reports it rests on? Every claim, rule by rule.

Knows the arithmetic and the definitions that a review of rates must satisfy, as small named rules, each applied to
every claim that it fits. Knows only what the tables hold: a rule names columns, codes and quantities, never a study,
a reference or a printed number, so that other data give other findings. Does not know which of two numbers that
disagree is right: a value that reconciles them is arithmetic, not a report.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

import pandas as pd

from lib.evidence import REGIMENS, THRESHOLDS, Evidence
from lib.participants import sizes
from lib.published import digits_changed, read_interval
from lib.validation import reference_numbers

VERDICTS = {"contradicted": "contradicted", "unchecked": "can't be checked", "holds": "holds"}
"""Verdict -> how it is printed."""


@dataclass(frozen=True)
class Finding:
    """What one rule says of one claim.

    Attributes
    ----------
    rule : str
        Name of the rule, a key of `RULES`.
    place, claim, printed : str
        Where in the review the claim is printed, what it is about, and what is printed.
    verdict : str
        A key of `VERDICTS`.
    reconciling : str
        What would agree with the rest, where something would.
    why : str
        What it was compared with, or why that cannot be done.
    sources : tuple of str
        The review, and the reports with which it was compared.
    """

    rule: str
    place: str
    claim: str
    printed: str
    verdict: str
    reconciling: str = ""
    why: str = ""
    sources: tuple[str, ...] = ()


RULES: dict[str, tuple[str, Callable[[Evidence], Iterable[Finding]]]] = {}
"""Name of a rule -> its statement, which the book prints, and its function."""


def audit(evidence: Evidence) -> list[Finding]:
    """Apply every rule to every claim of the original review that it fits; the findings in the order of the rules."""
    review = evidence.published_rates.source.iloc[0]
    return [
        replace(finding, rule=name, sources=tuple(dict.fromkeys([review, *finding.sources])))
        for name, (_, function) in RULES.items()
        for finding in function(evidence)
    ]


def rule(name: str, statement: str):
    """Enter a function among the rules."""

    def enter(function):
        RULES[name] = statement, function
        return function

    return enter


def _say(ok: bool | None, place: str, claim: str, printed, reconciling="", why: str = "", sources=()) -> Finding:
    """Make a finding: True holds, False is contradicted, None cannot be checked."""
    verdict = "unchecked" if ok is None else "holds" if ok else "contradicted"
    shown = printed if isinstance(printed, str) else f"{printed:g}"
    return Finding("", place, claim, shown, verdict, "" if ok or ok is None else reconciling, why, tuple(sources))


# --- What the rules ask of the tables -----------------------------------------------------------------------


class Listed(NamedTuple):
    """A list of references printed for a rate, a row of Table 3 or a regimen, with its numbers (NaN: none)."""

    place: str
    name: str
    stratum: tuple[str, str, str]
    """Regimen, population and site."""
    threshold: str
    """Empty for a row of Table 3, which has all of them, and for a regimen."""
    studies: float
    patients: float
    refs: frozenset[int]


def _lists(ev: Evidence) -> list[Listed]:
    """Every list of a rate: those of the text, then those of the rows of Table 3."""
    rows = ev.published_rates[ev.published_rates.refs != ""]
    in_table = rows.place == "table3"
    rows = pd.concat([rows[~in_table], rows[in_table].assign(threshold="")])
    key = ["regimen", "population", "site"]
    rows = rows.drop_duplicates([*key, "place", "threshold", "studies", "patients", "refs"])
    return [
        Listed(row.place, _name(ev, row), tuple(row[key]), row.threshold, row.studies, row.patients, _set(row.refs))
        for _, row in rows.iterrows()
    ]


def _regimens(ev: Evidence) -> list[Listed]:
    """The list of all studies of each regimen, with its number of patients if the same place prints one."""
    rows = ev.published_numbers[ev.published_numbers.refs != ""]
    rows = rows.assign(regimen=rows.quantity.str.removesuffix("_studies"))
    return [
        Listed(row.place, f"{ev.meaning('role')[row.regimen]}, all studies", (row.regimen, "all", "all"), "",
               row.value, _values(ev, f"{row.regimen}_patients").get(row.place, float("nan")), _set(row.refs))
        for row in rows[rows.regimen.isin(REGIMENS)].itertuples()
    ]  # fmt: skip


def _set(refs: str) -> frozenset[int]:
    return frozenset(reference_numbers(refs)) if refs else frozenset()


def _values(ev: Evidence, quantity: str) -> pd.Series:
    """Values that the review prints of a quantity, by place."""
    rows = ev.published_numbers[ev.published_numbers.quantity == quantity]
    return rows.set_index("place").value


def _value(ev: Evidence, quantity: str) -> float:
    return next(iter(_values(ev, quantity)), float("nan"))


def _refs_of(ev: Evidence, quantity: str) -> frozenset[int]:
    rows = ev.published_numbers[ev.published_numbers.quantity == quantity]
    return frozenset().union(*map(_set, rows.refs))


def _table2(ev: Evidence) -> pd.DataFrame:
    """Table 2 of the review, a row an arm."""
    return ev.arms.merge(ev.included("original").drop(columns=["note", "source"]), on=["study", "part"])


def _facts(ev: Evidence) -> pd.DataFrame:
    """What the reports of the review's studies say of themselves."""
    studies = ev.included("original").drop_duplicates("study")
    return ev.report_facts.merge(studies[["study", "label", "review_ref"]], on="study")


def _places(ev: Evidence, codes: Iterable[str]) -> str:
    codes = set(codes)
    return "; ".join(text for code, text in ev.meaning("place").items() if code in codes)


def _of(ev: Evidence, quantity: str, *places: str) -> tuple[str, str]:
    """Say where the review prints a number, and what it is."""
    return _places(ev, places or _values(ev, quantity).index), ev.meaning("quantity")[quantity]


def _name(ev: Evidence, row: pd.Series) -> str:
    """Name a rate, or a row of rates: ``TCI monotherapy, children, marked (≥75%)``."""
    who = [ev.meaning(kind)[row[kind]] for kind in ("population", "site") if row[kind] != "all"]
    degree = [ev.meaning("threshold")[row.threshold]] if row.threshold else []
    return ", ".join([ev.meaning("role")[row.regimen], *(who or ["total"]), *degree])


def _print(refs: Iterable[int], to: str = "-") -> str:
    """Print numbers as a reference list does, runs of three or more as ranges."""
    runs: list[list[int]] = []
    for ref in sorted(refs):
        if runs and runs[-1][-1] == ref - 1:
            runs[-1].append(ref)
        else:
            runs.append([ref])
    return ", ".join(f"{run[0]}{to}{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _studies(n: float) -> str:
    return f"{n:g} {'study' if n == 1 else 'studies'}"


def _cite(ev: Evidence, refs: Iterable[int]) -> str:
    """Name studies with their reference numbers."""
    labels = ev.studies.drop_duplicates("review_ref").set_index("review_ref").label
    return ", ".join(f"{ref} ({labels[ref]})" if ref in labels.index else f"{ref}" for ref in sorted(refs))


# --- Rates and their intervals ------------------------------------------------------------------------------


@rule("centre", "The estimate of rates pooled on the raw scale is the middle of its confidence interval.")
def _centre(ev: Evidence) -> Iterator[Finding]:
    names = {"estimate": "estimate", "ci_low": "lower end", "ci_high": "upper end"}
    columns = list(names)
    rates = ev.published_rates.dropna(subset=columns)
    for _, rows in rates.groupby(["regimen", "population", "site", "threshold", *columns], sort=False):
        row = rows.iloc[0]
        decimals = [int(row[f"{c}_decimals"]) for c in columns]
        estimate, low, high = (f"{row[c]:.{d}f}" for c, d in zip(columns, decimals, strict=True))
        reading = read_interval(row[columns].to_numpy(float) / 100, decimals)
        about = _places(ev, rows.place), _name(ev, row), f"{estimate} ({low} to {high})"
        if reading.kind == "cut":
            yield _say(None, *about, why="An interval that is cut at 0% or 100% has lost its middle.")
            continue
        reconciling = ""
        if reading.wrong:
            digits = decimals[columns.index(reading.wrong)]
            reconciling = f"{100 * reading.reconciled:.{digits}f} as {names[reading.wrong]}"
        why = f"The middle of the interval is {(Decimal(low) + Decimal(high)) / 2}."
        yield _say(reading.kind == "centred", *about, reconciling, why)


@rule(
    "rate of no study", "A pooled rate is not below the lowest rate, other than 0%, that a study of its size can have."
)
def _lowest(ev: Evidence) -> Iterator[Finding]:
    rates = ev.published_rates
    arms = _table2(ev)
    for _, row in rates[(rates.refs != "") & (rates.place == "table3") & (rates.estimate > 0)].iterrows():
        own = arms[(arms.role == row.regimen) & arms.review_ref.isin(_set(row.refs))]
        largest = own.groupby("study").enrolled.sum().max()
        lowest = 100 / largest
        why = (
            f"Studies at 0% have no weight in the review's method, and the largest has {largest:g} patients:"
            f" one responder is {lowest:.1f}%."
        )
        about = _places(ev, [row.place]), _name(ev, row), f"{row.estimate:.{int(row.estimate_decimals)}f}"
        yield _say(row.estimate + 0.5 * 10.0**-row.estimate_decimals >= lowest, *about, why=why)


@rule("same claim", "A claim that is printed in several places is the same in all of them.")
def _same(ev: Evidence) -> Iterator[Finding]:
    rates, numbers = ev.published_rates, ev.published_numbers
    # Table 3 prints the studies and patients of its row, not of a threshold.
    in_text = rates.place != "table3"
    rates = rates.assign(studies=rates.studies.where(in_text), patients=rates.patients.where(in_text))
    for _, rows in rates.groupby(["regimen", "population", "site", "threshold"], sort=False):
        yield from _agree(ev, rows, ["estimate", "ci_low", "ci_high", "studies", "patients"], _name(ev, rows.iloc[0]))
    for quantity, rows in numbers.groupby("quantity", sort=False):
        yield from _agree(ev, rows, ["value"], ev.meaning("quantity")[quantity])


def _agree(ev: Evidence, rows: pd.DataFrame, columns: list[str], name: str) -> Iterator[Finding]:
    if len(rows) > 1:
        apart = [c for c in columns if rows[c].nunique() > 1]
        told = [f"{c} {v:g}: {_places(ev, rows.place[rows[c] == v])}" for c in apart for v in rows[c].dropna().unique()]
        shown = ", ".join(f"{rows[c].dropna().iloc[0]:g}" for c in columns if rows[c].notna().any())
        # A value that is printed more often than any other is the likely one.
        modes = [rows[c].mode() for c in apart]
        likely = ", ".join(f"{mode[0]:g}" for mode in modes if len(mode) == 1)
        yield _say(not apart, _places(ev, rows.place), name, shown, likely, ". ".join(told))


# --- Lists of references ------------------------------------------------------------------------------------


@rule("studies listed", "The number of studies that is stated equals the number of references listed with it.")
def _studies_listed(ev: Evidence) -> Iterator[Finding]:
    lists = _lists(ev)
    rows = {c.stratum: c.refs for c in lists if not c.threshold}
    stated = [(_places(ev, [c.place]), c.name, c.studies, c.refs, rows.get(c.stratum, c.refs) - c.refs) for c in lists]
    for r in ev.published_numbers[ev.published_numbers.quantity.str.contains("studies")].itertuples():
        if r.refs:
            stated.append((*_of(ev, r.quantity, r.place), r.value, _set(r.refs), frozenset()))
    for place, name, n, refs, spare in stated:
        near = _studies(len(refs))
        if 0 < n - len(refs) <= len(spare):
            near += f", or {n - len(refs):g} more in the list, of those in the row of Table 3: {_print(spare)}"
        why = f"References listed: {_print(refs)}, in all {len(refs)}."
        yield _say(n == len(refs), place, name, _studies(n), near, why)


@rule("lists of a row", "The references of a rate lie within those of its row of Table 3, which has no others.")
def _lists_of_a_row(ev: Evidence) -> Iterator[Finding]:
    lists = _lists(ev)
    for row in (c for c in lists if not c.threshold):
        text = [c for c in lists if c.threshold and c.stratum == row.stratum]
        for claim in text:
            extra = claim.refs - row.refs
            near = f"the row of Table 3 with {_print(extra)}, or the text without"
            why = f"The row of Table 3 lists {_print(row.refs)}" + (f", without {_cite(ev, extra)}." if extra else ".")
            yield _say(not extra, _places(ev, [claim.place, row.place]), claim.name, _print(claim.refs), near, why)
        alone = row.refs.difference(*(c.refs for c in text))
        whole = {c.threshold for c in text} >= set(THRESHOLDS)
        why = f"In the list of no threshold: {_cite(ev, alone)}." if alone else "Each is in the list of a threshold."
        why += "" if whole or not alone else " Not every threshold has its list printed."
        near = _print(row.refs - alone)
        ok = not alone or (False if whole else None)
        yield _say(ok, _places(ev, [row.place]), row.name, _print(row.refs), near, why)


@rule("lists within lists", "The references of a part lie within those of the whole that it is a part of.")
def _lists_within(ev: Evidence) -> Iterator[Finding]:
    pairs = [(_places(ev, [part.place]), part.name, part.refs, whole.name, whole.refs) for part, whole in _parts(ev)]
    # Side effects were looked for in the studies of monotherapy.
    numbers, whole = ev.published_numbers, "monotherapy_studies"
    for row in numbers[numbers.quantity.str.startswith("adverse_event") & (numbers.refs != "")].itertuples():
        name = ev.meaning("quantity")[whole]
        pairs.append((*_of(ev, row.quantity, row.place), _set(row.refs), name, _refs_of(ev, whole)))
    for place, name, refs, whole_name, whole in pairs:
        extra = refs - whole
        near = f"the whole with {_print(extra)}, or the part without"
        why = f"The whole does not list {_cite(ev, extra)}." if extra else "The whole lists them all."
        yield _say(not extra, place, f"{name}, in: {whole_name}", _print(refs), near, why)


def _parts(ev: Evidence) -> Iterator[tuple[Listed, Listed]]:
    """Pair rows of Table 3 with all studies of their regimen, and age groups with all ages."""
    lists = _lists(ev)
    for part in lists:
        if not part.threshold:
            yield from ((part, whole) for whole in _regimens(ev) if whole.stratum[0] == part.stratum[0])
        regimen, people, site = part.stratum
        like = part.place, part.threshold, (regimen, "all", site)
        yield from ((part, c) for c in lists if people != "all" and (c.place, c.threshold, c.stratum) == like)


# --- Numbers of patients ------------------------------------------------------------------------------------


@rule("part and whole", "A part has no more patients, or studies, than the whole that it is a part of.")
def _part_and_whole(ev: Evidence) -> Iterator[Finding]:
    lists = _lists(ev)
    rows = [(c, row) for c in lists for row in lists if c.threshold and (c.stratum, "") == (row.stratum, row.threshold)]
    for part, whole in [*rows, *_parts(ev)]:
        both = {n: (getattr(part, n), getattr(whole, n)) for n in ("patients", "studies")}
        both = {n: (a, b) for n, (a, b) in both.items() if a == a and b == b}
        shown = ", ".join(f"{a:g} of {b:g} {n}" for n, (a, b) in both.items())
        near = ", ".join(f"at most {b:g} {n}, or at least {a:g} in the whole" for n, (a, b) in both.items() if a > b)
        place = _places(ev, [part.place, whole.place])
        yield _say(not near, place, part.name, shown, near, f"The whole: {whole.name}.")
    chain = ["adverse_event_studies_counting", "adverse_event_studies_referring", "monotherapy_studies"]
    for part, whole in itertools.pairwise(chain):
        a, b = _value(ev, part), _value(ev, whole)
        why = f"The whole: {ev.meaning('quantity')[whole]}."
        yield _say(a <= b, *_of(ev, part), f"{a:g} of {b:g} studies", f"at most {b:g}", why)


@rule("difference", "Two numbers of patients differ by what the studies in which their lists differ can have added.")
def _difference(ev: Evidence) -> Iterator[Finding]:
    claims = [c for c in [*_lists(ev), *_regimens(ev)] if c.patients == c.patients]
    for stratum in dict.fromkeys(c.stratum for c in claims):
        group = [c for c in claims if c.stratum == stratum]
        sizes = _sizes(ev, *stratum)
        fits = {(a, b): _implied(a, b, sizes) for a, b in itertools.permutations(group, 2)}
        # The largest set of claims that agree with each other is taken as it stands; of several, the first.
        sets = (s for k in range(len(group), 0, -1) for s in itertools.combinations(group, k))
        agreed = next(s for s in sets if all(a.patients in fits[a, b] for a, b in itertools.combinations(s, 2)))
        for claim in group if len(group) > 1 else ():
            about = _places(ev, [claim.place]), claim.name, f"{claim.patients:g} patients of {_print(claim.refs)}"
            others = [c for c in agreed if c is not claim]
            why = "Compared with: " + "; ".join(f"{c.name}, {c.patients:g}" for c in others) + "."
            if claim not in agreed:
                near = _nearest(claim.patients, set.intersection(*(fits[claim, c] for c in others)))
                yield _say(False, *about, near, f"{why} {_left_over(ev, claim, others[0])}")
            else:
                yield _say(True, *about, "", why) if others else _say(None, *about, "", "No other agrees with it.")


def _sizes(ev: Evidence, regimen: str, people: str, site: str) -> dict[int, set[int]]:
    """What each study can add to a number of patients.

    Over the whole body an arm or its arms together, as enrolled or as completed; at a body site any number from the
    fewest with which the review uses one to all who were enrolled.
    """
    least = _value(ev, "minimum_per_site")
    least = int(least) if least == least else 1
    out = {}
    for ref, arms in _table2(ev).query("role == @regimen").groupby("review_ref"):
        sizes = arms[["enrolled", "completed"]]
        all_of_them = {int(n) for n in [*sizes.sum(), *sizes.stack()]}
        out[int(ref)] = all_of_them if site == "all" else set(range(least, max(all_of_them) + 1))
    return out


def _implied(claim: Listed, other: Listed, sizes: dict[int, set[int]]) -> set[int]:
    """Numbers of patients that a claim can have if the other is right."""
    totals = {int(other.patients)}
    for sign, refs in ((1, claim.refs - other.refs), (-1, other.refs - claim.refs)):
        for ref in refs:
            totals = {total + sign * n for total in totals for n in sizes.get(ref, {0})}
    return totals


def _nearest(old: float, values: Iterable[int]) -> str:
    """Print those of some numbers that change the fewest digits of another."""
    changed = {n: digits_changed(f"{old:g}", str(n)) for n in values if n > 0}
    return _print([n for n in changed if changed[n] == min(changed.values())], " to ")


def _left_over(ev: Evidence, claim: Listed, other: Listed) -> str:
    more, less = claim.refs - other.refs, other.refs - claim.refs
    if not more | less:
        return "The first of these has the same list."
    n = claim.patients - other.patients
    if len(more | less) > 1:
        parts = [f"adds {_cite(ev, more)}"] * bool(more) + [f"lacks {_cite(ev, less)}"] * bool(less)
        return f"Beside the first of these its list {' and '.join(parts)}: {n:+g} patients."
    arms = _table2(ev)
    arms = arms[arms.review_ref.isin(more | less) & (arms.role == claim.stratum[0])]
    text = f"The one study by which their lists differ, {_cite(ev, more | less)}, would have {n if more else -n:g}: "
    text += "; ".join(f"{a.enrolled:g} enrolled and {a.completed:g} completed" for a in arms.itertuples())
    least = f", and a body site is used from {_value(ev, 'minimum_per_site'):g} on"
    return f"{text} by Table 2{'' if claim.stratum[2] == 'all' else least}."


@rule("sum of arms", "The patients of a list are a sum of its arms, the same reading of each study in every total.")
def _sum_of_arms(ev: Evidence) -> Iterator[Finding]:
    claims = ev.published_rates.set_index("claim")
    for regimen in REGIMENS:
        found = sizes(ev, regimen)
        labels = ev.studies.drop_duplicates("study").set_index("study").label
        ways = [", ".join(f"{labels[key]} ({reading})" for key, reading in one.items()) for one in found.otherwise]
        read = f"All arms and those who completed, but for {', or '.join(ways)}." if any(ways) else ""
        for row in found.totals.itertuples():
            rate = claims.loc[row.claim] if row.claim in claims.index else None
            place, name = ("results", f"{ev.meaning('role')[regimen]}, all studies")
            if rate is not None:
                # Table 3 gives its number for the row, not for the threshold.
                name = _name(ev, rate if rate.place != "table3" else rate.replace(rate.threshold, ""))
                place = rate.place
            yield _say(bool(row.met), _places(ev, [place]), f"{name}, patients", row.patients, f"{row.n:g}", read)


@rule("those who completed", "A body site or age group has no more patients than completed the studies listed for it.")
def _completed(ev: Evidence) -> Iterator[Finding]:
    table2, claims = (
        _table2(ev),
        [c for c in _lists(ev) if c.patients == c.patients and c.stratum[1:] != ("all", "all")],
    )
    for key in dict.fromkeys((c.stratum, c.patients, c.refs) for c in claims):
        alike = [c for c in claims if (c.stratum, c.patients, c.refs) == key]
        arms = table2[table2.review_ref.isin(key[2]) & (table2.role == key[0][0])]
        completed, enrolled = arms.completed.sum(), arms.enrolled.sum()
        why = (
            f"{completed:g} completed the arms by Table 2, of {enrolled:g} enrolled; rates are of those who completed."
        )
        about = _places(ev, [c.place for c in alike]), alike[0].name, f"{key[1]:g} patients"
        yield _say(key[1] <= completed, *about, f"at most {completed:g}", why)


# --- Totals and percentages ---------------------------------------------------------------------------------


@rule("totals", "A total equals the sum of its parts, what is in two of them counted once.")
def _totals(ev: Evidence) -> Iterator[Finding]:
    kinds = {"efficacy": REGIMENS, "studies_included": ("mechanism", *REGIMENS, "maintenance")}
    for total, unit, of in (
        ("efficacy_patients", "patients", "efficacy"),
        ("efficacy_studies", "studies", "efficacy"),
        ("studies_included", "studies", "studies_included"),
    ):
        parts = [f"{kind}_{unit}" for kind in kinds[of]]
        lists = [_refs_of(ev, part) for part in parts]
        twice = sum(map(len, lists)) - len(frozenset().union(*lists))
        values = [_value(ev, part) for part in parts]
        printed, expected = _value(ev, total), sum(values) - twice
        why = " + ".join(f"{n:g}" for n in values) + (f", of which {twice} in two lists." if twice else ".")
        yield _say(printed == expected, *_of(ev, total), printed, f"{expected:g}", why)


@rule("flow", "The flow of records adds up, and the text gives the same numbers.")
def _flow(ev: Evidence) -> Iterator[Finding]:
    flow = ev.flow.set_index("step")
    n, excluded = flow.n, flow.n[flow.index.str.startswith("excluded_")].sum()
    for step, whole, out in (("assessed", n.identified, n.removed), ("included", n.assessed, excluded)):
        why = f"{whole} less {out}."
        yield _say(n[step] == whole - out, "flow of records", flow.label[step], n[step], f"{whole - out}", why)
    for quantity, value in (
        ("records_identified", n.identified),
        ("records_removed", n.removed),
        ("full_text_assessed", n.assessed),
        ("full_text_excluded", excluded),
        ("studies_included", n.included),
    ):
        printed = _values(ev, quantity)
        shown = "; ".join(f"{v:g}" for v in printed.unique())
        yield _say(set(printed) == {value}, *_of(ev, quantity), shown, f"{value}", f"The flow has {value}.")


@rule("whole numbers", "A percentage of patients or events is a whole number of its denominator.")
def _whole_numbers(ev: Evidence) -> Iterator[Finding]:
    rows = ev.published_numbers
    for row in rows[rows.quantity.str.endswith("_percent")].itertuples():
        stem, about = row.quantity.removesuffix("_percent"), (*_of(ev, row.quantity, row.place), f"{row.value}%")
        here = rows[rows.place == row.place].set_index("quantity").value
        # Patients of the same place whose name begins the percentage's are its denominator.
        kin = [q for q in here.index if q.endswith("_patients") and stem.startswith(q.removesuffix("_patients"))]
        if f"{stem}_events" in here and "adverse_event_patients" in here:
            k, n = here[f"{stem}_events"], here.adverse_event_patients
            yield _say(k in _whole(row.value, n), *about, f"{100 * k / n:.1f}%", f"{k:g} of {n:g} patients.")
        elif kin:
            n, trial = here[kin[0]], ev.maintenance.dropna(subset=["depigmented"])
            fit = [
                r for r in trial.itertuples() if r.arm.split()[0] in stem and r.depigmented in _whole(row.value, r.n)
            ]
            near = [f"{r.depigmented:g}/{r.n:g} {r.unit}, {r.analysis}, by the trial's own report" for r in fit]
            below = int(row.value * n / 100)
            beside = " and ".join(f"{k}/{n:g} = {100 * k / n:.1f}%" for k in (below, below + 1))
            why = f"Of {n:g} patients the nearest are {beside}."
            sources = [r.source for r in fit]
            yield _say(bool(_whole(row.value, n)), *about, "; ".join(near), why, sources)
        else:
            yield _say(None, *about, why="Its denominator is not printed.")


def _whole(percentage: float, n: float) -> list[int]:
    """Return the whole numbers of n that print as the percentage."""
    printed = Decimal(str(percentage))
    unit = Decimal(1).scaleb(printed.as_tuple().exponent)
    return [k for k in range(int(n) + 1) if abs(Decimal(100 * k) / int(n) - printed) <= unit / 2]


# --- Table 2 and the text -----------------------------------------------------------------------------------


@rule("duration", "The median and the range of the duration of treatment follow from Table 2.")
def _duration(ev: Evidence) -> Iterator[Finding]:
    months = _table2(ev).query("role in @REGIMENS").drop_duplicates("study").duration_months.dropna()
    for quantity, value in (
        ("median_duration_months", months.median()),
        ("shortest_duration_months", months.min()),
        ("longest_duration_months", months.max()),
    ):
        why = f"Of the {len(months)} studies of treatment response: {value:g}."
        for n in _values(ev, quantity).unique():
            yield _say(n == value, *_of(ev, quantity), f"{n:g} months", f"{value:g} months", why)


@rule("studies counted", "Tables 1 and 2 have as many studies of each kind as the text says, and the same ones.")
def _studies_counted(ev: Evidence) -> Iterator[Finding]:
    table2 = _table2(ev)
    refs = {role: frozenset(table2.review_ref[table2.role == role].astype(int)) for role in (*REGIMENS, "maintenance")}
    refs["efficacy"] = refs["monotherapy"] | refs["phototherapy"]
    refs["mechanism"] = frozenset(ev.mechanism.review_ref.astype(int))
    for kind, rows in table2.query("role == 'phototherapy'").groupby("phototherapy"):
        refs[f"phototherapy_{kind.lower()}"] = frozenset(rows.review_ref.astype(int))
    counted = {f"{kind}_studies": found for kind, found in refs.items()}
    counted["studies_included"] = frozenset().union(*refs.values())
    for quantity, found in counted.items():
        printed, listed = _values(ev, quantity), _refs_of(ev, quantity) or found
        if len(printed):
            shown = "; ".join(map(_studies, printed.unique()))
            apart = f" In the list or the table only: {_cite(ev, listed ^ found)}." if listed != found else ""
            ok = set(printed) == {len(found)} and not apart
            near = f"{_studies(len(found))}: {_print(found)}"
            yield _say(ok, *_of(ev, quantity), shown, near, f"Counted in the tables: {len(found)}.{apart}")


@rule("one study", "What the text says of a single study is what Table 2 says of it.")
def _one_study(ev: Evidence) -> Iterator[Finding]:
    table2 = _table2(ev)
    for row in ev.published_numbers.itertuples():
        refs, unit = _set(row.refs), row.quantity.rpartition("_")[2]
        arms = table2[table2.review_ref.isin(refs)]
        if len(refs) != 1 or arms.empty or unit not in ("patients", "months", "weeks"):
            continue
        if unit == "patients":
            named = arms[[drug in row.quantity for drug in arms.drug]]
            arms = named if len(named) else arms[arms.role != "comparator"]
            ok = row.value in {*arms.enrolled, *arms.completed}
            near = "; ".join(f"{a.enrolled:g} enrolled, {a.completed:g} completed" for a in arms.itertuples())
        else:
            ok = all(_lasts(row.value, unit, months) for months in arms.duration_months)
            near = f"{arms.duration_months.iloc[0]:g} months"
        about = *_of(ev, row.quantity, row.place), f"{row.value:g} {unit}"
        yield _say(ok, *about, near, f"Table 2 on {_cite(ev, refs)}: {near}.")


def _lasts(value: float, unit: str, months: float) -> bool:
    """Say whether a duration is so many months, be a month four weeks or one of the calendar."""
    return value == months if unit == "months" else value / 4.5 <= months <= value / 4


@rule("design", "A study has the arms that its design needs, and arms that share their patients are of one size.")
def _design(ev: Evidence) -> Iterator[Finding]:
    fit = 0
    for _, arms in _table2(ev).groupby(["study", "part"], sort=False):
        row, several = arms.iloc[0], len(arms) > 1
        one_size = len(arms[["enrolled", "completed"]].drop_duplicates()) == 1
        ok = several == (row.design != "SA") and (one_size or row.design != "WP")
        fit += ok
        if not ok:
            why = "; ".join(f"{a.arm}: {a.enrolled:g}/{a.completed:g}" for a in arms.itertuples())
            yield _say(False, "Table 2", f"{row.label}: design", row.design, "", f"Enrolled/completed: {why}.")
    if fit:
        yield _say(True, "Table 2", "design", f"{fit} rows")


@rule("one cohort once", "No two studies look like the same patients, as duplicate reports are left out.")
def _one_cohort(ev: Evidence) -> Iterator[Finding]:
    alike = ["country", "design", "drug", "concentration", "frequency", "duration_months", "enrolled", "completed"]
    arms = _table2(ev).query("role in @REGIMENS")
    doubled = arms[arms.groupby(alike).study.transform("nunique") > 1]
    for _, rows in doubled.groupby(alike):
        why = "Country, drug, dose, duration and numbers are the same. That may be chance: it is not established."
        yield _say(None, "Table 2", " and ".join(rows.label), f"{len(rows)} studies", "", why)
    yield _say(True, "Table 2", "studies unlike any other", f"{arms.study.nunique() - doubled.study.nunique()} studies")


@rule("eligibility", "A study that is used meets the review's own criteria.")
def _eligibility(ev: Evidence) -> Iterator[Finding]:
    arms, least = _table2(ev).query("role in @REGIMENS"), _value(ev, "minimum_per_arm")
    small, why = arms[arms.enrolled < least], f"The methods ask for {least:g} participants or patches in an arm."
    for row in small.itertuples():
        yield _say(None, "Table 2", f"{row.label}: enrolled, {row.arm}", row.enrolled, "", f"{why} Patches not seen.")
    if small.empty and least == least:
        yield _say(True, "Table 2", "size of the arms", f"{arms.enrolled.min():g} or more enrolled", "", why)
    for row in arms[arms.given_with != ""].itertuples():
        why = "Whether what was given with it is another intervention is a matter of definition."
        yield _say(None, "Table 2", f"{row.label}: {row.arm} alone", row.given_with, "", why)
    barred = ev.flow.set_index("step").n.get("excluded_refractory", 0) > 0
    for fact in _facts(ev).query("field == 'refractory'").itertuples():
        why = f"Refractory by its own report: {fact.value}. The review excludes refractory vitiligo."
        ok = not (barred and fact.value == "yes")
        yield _say(ok, "Table 2", f"{fact.label}: not refractory", "included", "excluded", why, [fact.source])


# --- The definition of a cell -------------------------------------------------------------------------------

SITE_WORDS = {
    "face_neck": ("face", "facial", "neck", "head"),
    "trunk_extremities": ("trunk", "extremit", "limb"),
    "hands_feet": ("hand", "feet", "foot"),
}
"""Words by which a report names the sites of the review."""


@rule("definition of a cell", "A study that is used for a regimen, an age group, a site or the whole body is of it.")
def _definition(ev: Evidence) -> Iterator[Finding]:
    table2, facts, lists = _table2(ev), _facts(ev), _lists(ev)
    for stratum in dict.fromkeys(c.stratum for c in lists):
        claims = [c for c in lists if c.stratum == stratum]
        name = _name(ev, pd.Series([*stratum, ""], ["regimen", "population", "site", "threshold"]))
        told: dict[str | None, list[int]] = {}
        for ref in sorted(frozenset().union(*(c.refs for c in claims))):
            own = facts[facts.review_ref == ref]
            verdicts = list(_fits(table2[table2.review_ref == ref], own, *stratum))
            if wrong := [why for ok, why in verdicts if ok is False]:
                place = _places(ev, [c.place for c in claims if ref in c.refs])
                why = f"{_cite(ev, [ref])}: {'; '.join(wrong)}."
                sources = own.source if "own report" in why else ()
                yield _say(False, place, name, f"uses {ref}", f"the list without {ref}", why, sources)
            else:
                told.setdefault("; ".join(why for _, why in verdicts), []).append(ref)
        for why, refs in told.items():
            place = _places(ev, [c.place for c in claims])
            yield _say(
                None if why else True,
                place,
                name,
                f"uses {_print(refs)}",
                "",
                f"{_cite(ev, refs)}: {why or 'as far as seen'}.",
            )


def _fits(rows: pd.DataFrame, facts: pd.DataFrame, regimen: str, people: str, site: str) -> Iterator[tuple]:
    """Say why a study does not belong to a cell (False), or why that cannot be told (None)."""
    if not (rows.role == regimen).any():
        yield False, "Table 2 has no such arm of it"
        return
    study, said = rows.iloc[0], {_age(value) for value in facts.value[facts.field == "population"]}
    if people != "all" and (said or study.population) not in ({people}, people):
        if not said and study.population == "ND":
            yield None, "age not determined, by Table 2"
        else:
            yield False, f"age by {'its own report' if said else 'Table 2'}: {', '.join(said) or study.population}"
    sites = facts[facts.field == "site"].value
    if site == "all":
        if "total" not in study.assessment.split(";"):
            yield False, "assessed by individual patches and not in total, by Table 2"
        yield from ((False, f"treated, by its own report: {where}") for where in sites if "only" in where)
        return
    there = _treats(facts, site)
    if there is False:
        yield False, f"treated, by its own report: {'; '.join(sites)}"
    elif there is None and "individual" not in study.assessment.split(";"):
        yield None, "assessed in total and not by individual patches, by Table 2"


def _treats(facts: pd.DataFrame, site: str) -> bool | None:
    """Say whether a study treated lesions of a site, by its own report; None: it is not said."""
    told = [f.value if f.field == "site" else f.field for f in facts.itertuples() if re.search("site|involve", f.field)]
    for clause in ", ".join(told).split(","):
        if any(word in clause for word in SITE_WORDS[site]):
            return not re.search(r"\b(no|none|without)\b", clause)
        if "only" in clause.split():
            return False
    return None


def _age(text: str) -> str:
    return text.removesuffix("s")  # adults


@rule("none left out", "A row of an age group has every study of that age group whose whole body was assessed.")
def _none_left_out(ev: Evidence) -> Iterator[Finding]:
    table2 = _table2(ev)
    for row in _lists(ev):
        regimen, people, _ = row.stratum
        if not row.threshold and people != "all":
            of = table2[(table2.role == regimen) & (table2.population == people)]
            missing = frozenset(of.review_ref[of.assessment.str.contains("total")].astype(int)) - row.refs
            others = row.refs - frozenset(of.review_ref)
            near = f"the row with {_print(missing)}" + (f", perhaps in the place of {_print(others)}" if others else "")
            why = f"Table 2 also has {_cite(ev, missing)}." if missing else "Table 2 has no other."
            yield _say(not missing, _places(ev, [row.place]), row.name, _print(row.refs), near, why)


# --- Table 2 and the reports of the studies -----------------------------------------------------------------

ELSEWHERE = ("refractory", "site", "discontinued", "unit of", "patients with")
"""Beginnings of facts that Table 2 has no column for, and that other rules use."""


@rule("own report", "What Table 2 says of a study is what the study's own report says.")
def _own_report(ev: Evidence) -> Iterator[Finding]:
    table2 = _table2(ev)
    for fact in _facts(ev).itertuples():
        if fact.field.startswith(ELSEWHERE):
            continue
        printed, ok, why = _beside(fact, table2[table2.study == fact.study])
        claim = ", ".join(filter(None, [f"{fact.label}: {fact.field.replace('_', ' ')}", fact.arm]))
        remarks = [f"Its report: {fact.value}" + (f" ({fact.note})" if fact.note else ""), why]
        yield _say(ok, "Table 2", claim, printed, fact.value, ". ".join(filter(None, remarks)) + ".", [fact.source])


def _beside(fact, rows: pd.DataFrame) -> tuple[str, bool | None, str]:
    """Return what Table 2 prints of a fact, whether they agree, and why that cannot be told."""
    study, kind = rows.iloc[0], fact.field.partition("_")[0]
    named = rows if fact.arm in ("", "both arms") else rows[[_same_arm(fact.arm, arm) for arm in rows.arm]]
    if kind in ("enrolled", "completed"):
        sizes = [named[kind].sum()] if fact.arm == "both arms" else list(named[kind].unique())
        if len(sizes) == 1:
            ok, note = sizes[0] == float(fact.value), "; ".join(filter(None, named.note.unique()))
            # What was entered with the report at hand is not borne out by it.
            return f"{sizes[0]:g}", None if ok and note else ok, f"Table 2: {note}" if note else ""
        return "", None, "No arm of Table 2, or several, answer to it"
    if kind == "duration":
        months = study.duration_months
        return f"{months:g} months", _lasts(float(fact.value), fact.field.partition("_")[2], months), ""
    if kind == "population" and study.population != "ND":
        return study.population, _age(fact.value) == study.population, ""
    if kind == "subtype" and study.subtype:
        words = {"NSV": r"nonsegmental|generali[sz]ed|vulgaris|acrofacial", "SV": r"\bsegmental"}
        said = {code for code, pattern in words.items() if re.search(pattern, fact.value)}
        return study.subtype.replace(";", ", "), said == set(study.subtype.split(";")) if said else None, ""
    if kind in ("population", "subtype"):
        return "not determined", None, "Table 2 leaves it open"
    if kind == "unit":
        return study.assessment.replace(";", ", "), "individual" in study.assessment.split(";"), ""
    if kind == "concentration":
        doses, printed = set(re.findall(r"[\d.]+%", fact.value)), named.concentration.unique()
        return "; ".join(printed), doses == set(printed) if len(doses) == 1 else None, "It says both" * (len(doses) > 1)
    if kind == "comparator":
        drugs = rows.drug[rows.role == "comparator"]
        return "; ".join(drugs), True if fact.value in set(drugs) else None, "A matter of wording"
    return "", None, "Table 2 has no such column"


def _same_arm(told: str, arm: str) -> bool:
    """Say whether a report's name of an arm is Table 2's, which may add how often it was treated."""
    told, arm = (re.sub(r"[\s-]", "", t.lower().replace("excimer laser", "el")) for t in (told, arm))
    return arm.startswith(told) and "+" not in arm.removeprefix(told)


@rule("title", "What Table 2 says of a study is what the title of its report says.")
def _title(ev: Evidence) -> Iterator[Finding]:
    words = {
        "population": {r"\bchild(hood|ren)?\b": "children", r"\badults?\b": "adult"},
        "blinding": {r"double.blind": "DB", r"\bopen\b": "OL"},
        "randomised": {r"randomi[sz]ed": "yes"},
        "subtype": {r"\bnonsegmental\b": "NSV", r"\bsegmental\b": "SV"},
    }
    for row in ev.included("original").drop_duplicates("study").itertuples():
        report = ev.references.entries[row.study].fields
        title = re.sub(r"[{}\\]", "", report.get("title", "")).lower()
        for column, patterns in words.items():
            said = [code for pattern, code in patterns.items() if re.search(pattern, title)]
            if len(said) == 1:
                printed = getattr(row, column).replace("ND", "")
                meaning = ev.meaning("yes_no" if column == "randomised" else column)
                shown = ", ".join(meaning[code] for code in printed.split(";") if code) or "not determined"
                why = f"The title of its report says {column}: {meaning[said[0]]}."
                why += "" if printed else " Table 2 leaves it open."
                source = f"doi:{report['doi']}" if "doi" in report else f"title of {row.label}"
                ok = said[0] == printed if printed else None
                yield _say(ok, "Table 2", f"{row.label}: {column}", shown, meaning[said[0]], why, [source])


@rule(
    "denominator", "A count is of those who completed by Table 2, or of patches that by Table 2 were assessed singly."
)
def _denominator(ev: Evidence) -> Iterator[Finding]:
    used = {(c.stratum[0], c.stratum[2], ref) for c in _lists(ev) for ref in c.refs}
    counts = ev.counts().query("threshold in @THRESHOLDS")
    counts = counts[[key in used for key in zip(counts.role, counts.site, counts.review_ref, strict=True)]]
    for _, rows in counts.groupby(["study", "arm", "site", "unit"], sort=False):
        row = rows.iloc[0]
        ok = row.n == row.completed if row.site == "all" else row.n <= row.completed
        if row.unit == "patches" and not ok:
            ok = None if "individual" in row.assessment.split(";") else False
        why = f"Its report counts {row.n:g} {row.unit}."
        printed = f"{row.completed:g} completed, assessed by: {row.assessment.replace(';', ', ')}"
        near = "individual patches" if row.unit == "patches" else f"{row.n:g}"
        claim = f"{row.label}: {row.arm}, {ev.meaning('site')[row.site]}"
        yield _say(ok, "Table 2", claim, printed, near, why, rows.source)


# --- Safety -------------------------------------------------------------------------------------------------


@rule("stops", "The number of studies in which a side effect ended the treatment is that of the reports.")
def _stops(ev: Evidence) -> Iterator[Finding]:
    original = ev.included("original").drop_duplicates("study")[["study", "label"]]
    events = ev.adverse_events.query("kind == 'stopped for side effects' and role == 'monotherapy' and events > 0")
    events, facts = events.merge(original, on="study"), _facts(ev)
    facts = facts[facts.field.str.startswith("discontinued") & (facts.value != "0")]
    told = {r.study: f"{r.label}, {r.arm}: {r.value}" for r in facts.itertuples()}
    told |= {r.study: f"{r.label}, {r.arm}: {r.events:g} of {r.n:g}" for r in events.itertuples()}
    why = f"By their own reports: {'; '.join(told.values())}." if told else "The reports seen name none."
    for printed in _values(ev, "discontinuation_studies").unique():
        # The reports that were not seen can only add to the number.
        ok = False if len(told) > printed else None
        about = *_of(ev, "discontinuation_studies"), printed
        yield _say(ok, *about, f"at least {len(told)}", why, [*events.source, *facts.source])


@rule("events", "The events of a kind are no fewer than the reports of the listed studies count.")
def _events(ev: Evidence) -> Iterator[Finding]:
    studies, refs = ev.included("original"), _refs_of(ev, "adverse_event_studies_counting")
    listed = ev.adverse_events[ev.adverse_events.study.isin(studies.study[studies.review_ref.isin(refs)])]
    listed = listed[listed.role == "monotherapy"]
    for row in ev.published_numbers[ev.published_numbers.quantity.str.endswith("_events")].itertuples():
        counted = listed[listed.kind == row.quantity.removesuffix("_events")]
        n = counted.events.sum()
        why = f"{len(counted)} reports count {n:g}." if len(counted) else "No report that was seen counts it alone."
        ok = n <= row.value if len(counted) else None
        yield _say(ok, *_of(ev, row.quantity, row.place), row.value, f"at least {n:g}", why, counted.source)
