"""Check that the claims of the 2019 review agree with each other, rule by rule.

Belongs here: the arithmetic that a review of rates must satisfy, as small named rules, each applied to every claim that
it concerns. A rule names columns, codes and quantities, but no study, reference or published number: findings follow
from the data alone. A rule does not decide which of two numbers that disagree is right; the value that it gives to
reconcile them is computed, and not reported.
Does not belong here: rules on single studies (`report_rules`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from decimal import Decimal

from lib.audit.findings import Finding, finding, rule
from lib.audit.review import GROUP_COLUMNS, ReferenceList, Review, ranges, references, studies_in_words
from lib.evidence import REGIMENS, THRESHOLDS
from lib.published import sizes
from lib.published.published_interval import digits_changed, read_interval

# --- Rates and their intervals ------------------------------------------------------------------------------


@rule("centre", "The estimate of a rate pooled on the raw scale is the midpoint of its confidence interval.")
def _centre(review: Review) -> Iterator[Finding]:
    names = {"estimate": "estimate", "ci_low": "lower end", "ci_high": "upper end"}
    columns = list(names)
    rates = review.rates.dropna(subset=columns)
    for _, rows in rates.groupby([*GROUP_COLUMNS, "threshold", *columns], sort=False):
        row = rows.iloc[0]
        decimals = [int(row[f"{c}_decimals"]) for c in columns]
        estimate, low, high = (f"{row[c]:.{d}f}" for c, d in zip(columns, decimals, strict=True))
        reading = read_interval(row[columns].to_numpy(float) / 100, decimals)
        subject = review.places(rows.place), review.name(row), f"{estimate} ({low} to {high})"
        if reading.kind == "cut":
            yield finding(None, *subject, detail="An interval that is cut at 0% or 100% has lost its midpoint.")
            continue
        reconciling = ""
        if reading.wrong:
            digits = decimals[columns.index(reading.wrong)]
            reconciling = f"{100 * reading.reconciled:.{digits}f} as {names[reading.wrong]}"
        detail = f"The midpoint of the interval is {(Decimal(low) + Decimal(high)) / 2}."
        yield finding(reading.kind == "centred", *subject, reconciling, detail)


@rule(
    "rate of no study", "A pooled rate above 0% is not below the rate of one responder in the largest of its studies."
)
def _lowest(review: Review) -> Iterator[Finding]:
    rates = review.rates
    for _, row in rates[(rates.refs != "") & (rates.place == "table3") & (rates.estimate > 0)].iterrows():
        arms = review.table2[(review.table2.role == row.regimen) & review.table2.review_ref.isin(references(row.refs))]
        largest, upper = arms.groupby("study").enrolled.sum().max(), row.estimate + 0.5 * 10.0**-row.estimate_decimals
        detail = f"In the largest of its studies, of {largest:g} patients, one responder is {100 / largest:.1f}%."
        detail += " Studies at 0% have no weight in the method that the review names."
        ok = upper >= 100 / largest
        if not ok and (row.site != "all" or (arms.assessment == "individual").any()):
            # Where patches are counted, a study can be larger than in Table 2, but not larger than the whole row.
            ok = None if upper >= 100 / row.patients else False
            detail += f" In one study of all {row.patients:g} in the row it would be {100 / row.patients:.1f}%."
            detail += " A study may have counted patches; their number is not reported." if ok is None else ""
        subject = review.places([row.place]), review.name(row), f"{row.estimate:.{int(row.estimate_decimals)}f}"
        yield finding(ok, *subject, detail=detail)


@rule("same claim", "A claim made in several places is the same in all of them.")
def _same(review: Review) -> Iterator[Finding]:
    # Table 3 reports the studies and patients of its row, not of a threshold.
    in_text = review.rates.place != "table3"
    rates = review.rates.assign(**{c: review.rates[c].where(in_text) for c in ("studies", "patients")})
    columns = ["estimate", "ci_low", "ci_high", "studies", "patients"]
    by_rate = rates.groupby([*GROUP_COLUMNS, "threshold"], sort=False)
    claims = [(review.name(rows.iloc[0]), rows, columns) for _, rows in by_rate]
    by_quantity = review.numbers.groupby("quantity", sort=False)
    claims += [(review.meaning("quantity")[quantity], rows, ["value"]) for quantity, rows in by_quantity]
    for name, rows, columns in claims:
        if len(rows) == 1:
            continue
        differing = [c for c in columns if rows[c].nunique() > 1]
        values = [(column, value) for column in differing for value in rows[column].dropna().unique()]
        places = [review.places(rows.place[rows[column] == value]) for column, value in values]
        shown = ", ".join(f"{rows[c].dropna().iloc[0]:g}" for c in columns if rows[c].notna().any())
        # Take the value that is published most often as the most likely one.
        modes = [rows[c].mode() for c in differing]
        most_likely = ", ".join(f"{mode[0]:g}" for mode in modes if len(mode) == 1)
        detail = ". ".join(f"{c} {value:g}: {place}" for (c, value), place in zip(values, places, strict=True))
        yield finding(not differing, review.places(rows.place), name, shown, most_likely, detail)


# --- Lists of references ------------------------------------------------------------------------------------


@rule("studies listed", "A stated number of studies equals the number of references listed with it.")
def _studies_listed(review: Review) -> Iterator[Finding]:
    rows = {row.group: row.refs for row in review.rows}
    stated = [
        (review.places([c.place]), c.name, c.studies, c.refs, rows.get(c.group, c.refs) - c.refs) for c in review.lists
    ]
    for r in review.numbers[review.numbers.quantity.str.contains("studies") & (review.numbers.refs != "")].itertuples():
        stated.append((*review.subject(r.quantity, r.place), r.value, references(r.refs), frozenset()))
    for place, name, n, refs, spare in stated:
        nearest = studies_in_words(len(refs))
        if 0 < n - len(refs) <= len(spare):
            nearest += f", or {n - len(refs):g} more in the list; the row of Table 3 has {ranges(spare)} as well"
        detail = f"References listed: {ranges(refs)}, in all {len(refs)}."
        yield finding(n == len(refs), place, name, studies_in_words(n), nearest, detail)


@rule("lists of a row", "All references of a rate are in its row of Table 3, and the row lists no others.")
def _lists_of_a_row(review: Review) -> Iterator[Finding]:
    for row in review.rows:
        text = [c for c in review.lists if c.threshold and c.group == row.group]
        for claim in text:
            extra = claim.refs - row.refs
            nearest = f"the row of Table 3 with {ranges(extra)}, or the text without"
            lacking = f", without {review.cite(extra)}" if extra else ""
            detail = f"The row of Table 3 lists {ranges(row.refs)}{lacking}."
            subject = review.places([claim.place, row.place]), claim.name
            yield finding(not extra, *subject, ranges(claim.refs), nearest, detail)
        alone = row.refs.difference(*(c.refs for c in text))
        whole = {c.threshold for c in text} >= set(THRESHOLDS)
        detail = (
            f"Not in the list of any threshold: {review.cite(alone)}."
            if alone
            else "Each is in the list of at least one threshold."
        )
        detail += "" if whole or not alone else " Not every threshold has a published list."
        ok = not alone or (False if whole else None)
        yield finding(ok, review.places([row.place]), row.name, ranges(row.refs), ranges(row.refs - alone), detail)


@rule("lists within lists", "All references of a subgroup are also listed for the whole group.")
def _lists_within(review: Review) -> Iterator[Finding]:
    pairs = [(review.places([a.place]), a.name, a.refs, b.name, b.refs) for a, b in review.parts]
    # The lists of side effects are parts of the studies of monotherapy, in which the review looked for side effects.
    numbers, whole = review.numbers, "monotherapy_studies"
    for row in numbers[numbers.quantity.str.startswith("adverse_event") & (numbers.refs != "")].itertuples():
        subject = review.subject(row.quantity, row.place)
        pairs.append((*subject, references(row.refs), review.meaning("quantity")[whole], review.refs(whole)))
    for place, name, refs, whole_name, whole_refs in pairs:
        extra = refs - whole_refs
        nearest = f"the whole with {ranges(extra)}, or the part without"
        detail = f"The whole does not list {review.cite(extra)}." if extra else "The whole lists them all."
        yield finding(not extra, place, f"{name}, in: {whole_name}", ranges(refs), nearest, detail)


# --- Numbers of patients ------------------------------------------------------------------------------------


@rule("part and whole", "A subgroup has no more patients and no more studies than the whole group.")
def _part_and_whole(review: Review) -> Iterator[Finding]:
    of_row = [(c, row) for c in review.lists for row in review.rows if c.threshold and c.group == row.group]
    for part, whole in [*of_row, *review.parts]:
        numbers = {n: (getattr(part, n), getattr(whole, n)) for n in ("patients", "studies")}
        numbers = {n: (a, b) for n, (a, b) in numbers.items() if a == a and b == b}
        shown = ", ".join(f"{a:g} of {b:g} {n}" for n, (a, b) in numbers.items())
        wrong = {n: (a, b) for n, (a, b) in numbers.items() if a > b}
        nearest = ", ".join(f"at most {b:g} {n}, or at least {a:g} in the whole" for n, (a, b) in wrong.items())
        subject = review.places([part.place, whole.place]), part.name
        yield finding(not nearest, *subject, shown, nearest, f"Compared with: {whole.name}.")
    quantities = [
        ("adverse_event_studies_counting", "adverse_event_studies_referring"),
        ("adverse_event_studies_referring", "monotherapy_studies"),
        ("phototherapy_hands_feet_studies", "phototherapy_studies"),
    ]
    for quantity, of_whole in quantities:
        a, b = review.value(quantity), review.value(of_whole)
        detail = f"Compared with: {review.meaning('quantity')[of_whole]}."
        yield finding(a <= b, *review.subject(quantity), f"{a:g} of {b:g} studies", f"at most {b:g}", detail)


@rule(
    "difference",
    "Where two lists of studies of a body site differ, the studies in only one of them can account for the difference"
    " between the numbers of patients.",
)
def _difference(review: Review) -> Iterator[Finding]:
    claims = [c for c in review.lists if c.patients == c.patients and c.group[2] != "all"]
    for group in dict.fromkeys(c.group for c in claims):
        claims_of_group = [c for c in claims if c.group == group]
        fits = {(a, b): _possible_patients(review, a, b) for a, b in itertools.permutations(claims_of_group, 2)}
        # Take the largest set of claims that agree with each other as right; of several as large, the first.
        sets = (s for k in range(len(claims_of_group), 0, -1) for s in itertools.combinations(claims_of_group, k))
        agreed = next(s for s in sets if all(a.patients in fits[a, b] for a, b in itertools.combinations(s, 2)))
        for claim in claims_of_group if len(claims_of_group) > 1 else ():
            subject = review.places([claim.place]), claim.name, f"{claim.patients:g} patients of {ranges(claim.refs)}"
            others = [c for c in agreed if c is not claim]
            detail = "Compared with: " + "; ".join(f"{c.name}, {c.patients:g}" for c in others) + "."
            if claim not in agreed:
                nearest = _fewest_changed_digits(
                    claim.patients, set.intersection(*(set(fits[claim, c]) for c in others))
                )
                yield finding(False, *subject, nearest, f"{detail} {_difference_of_lists(review, claim, others[0])}")
            elif others:
                yield finding(True, *subject, "", detail)
            else:
                yield finding(None, *subject, "", "No other agrees with it.")


def _possible_patients(review: Review, claim: ReferenceList, other: ReferenceList) -> range:
    """Return the numbers of patients that a claim can have if the other is right.

    A study that only the claim lists adds at least the smallest number of patients for which the review uses a study at
    a site, and at most all patients enrolled. A study that only the other claim lists subtracts as many.
    """
    least = review.value("minimum_per_site")
    least = int(least) if least == least else 1
    arms = review.table2[review.table2.role == claim.group[0]]
    most = arms.groupby("review_ref").enrolled.sum().astype(int)
    more, less = (most[most.index.isin(refs)] for refs in (claim.refs - other.refs, other.refs - claim.refs))
    low = other.patients + least * len(more) - less.sum()
    high = other.patients + more.sum() - least * len(less)
    return range(int(low), int(high) + 1)


def _fewest_changed_digits(old: float, values: Iterable[int]) -> str:
    """Return as text the values that differ from a number in the fewest digits."""
    changed = {n: digits_changed(f"{old:g}", str(n)) for n in values if n > 0}
    return ranges([n for n in changed if changed[n] == min(changed.values())], " to ")


def _difference_of_lists(review: Review, claim: ReferenceList, other: ReferenceList) -> str:
    """Describe the studies by which two lists differ, and the number of patients in them."""
    more, less, n = claim.refs - other.refs, other.refs - claim.refs, claim.patients - other.patients
    if not more | less:
        return "The first of these has the same list."
    if len(more | less) == 1:
        arms = review.table2[review.table2.review_ref.isin(more | less) & (review.table2.role == claim.group[0])]
        numbers = "; ".join(f"{a.enrolled:g} enrolled and {a.completed:g} completed" for a in arms.itertuples())
        least = f"and the review requires at least {review.value('minimum_per_site'):g} at a site"
        study = f"The one study by which the lists differ, {review.cite(more | less)},"
        return f"{study} would have {n if more else -n:g} patients there: by Table 2 it has {numbers}, {least}."
    parts = [f"adds {review.cite(more)}"] * bool(more) + [f"lacks {review.cite(less)}"] * bool(less)
    return f"Compared with the first of these, its list {' and '.join(parts)}: {n:+g} patients."


@rule(
    "sum of arms",
    "The patients of a list are the sum of its arms, with each study counted in the same way in every total.",
)
def _sum_of_arms(review: Review) -> Iterator[Finding]:
    claims, labels = review.rates.set_index("claim"), review.table2.drop_duplicates("study").set_index("study").label
    for regimen in REGIMENS:
        solution = sizes(review.evidence, regimen)
        ways = [", ".join(f"{labels[key]} ({reading})" for key, reading in one.items()) for one in solution.solutions]
        read = "totals agree if each study counts all its arms and all who completed"
        read += f", but for {' or, instead, '.join(ways)}." if any(ways) else "."
        for row in solution.totals.itertuples():
            place, name = "results", f"{review.meaning('role')[regimen]}, all studies"
            if row.claim in claims.index:
                # Table 3 gives its number for the row, not for the threshold.
                rate = claims.loc[row.claim]
                place = rate.place
                name = review.name(rate if place != "table3" else rate.replace(rate.threshold, ""))
            subject = review.places([place]), f"{name}, patients"
            detail = f"The {'' if row.reproduced else 'other '}{read}"
            yield finding(bool(row.reproduced), *subject, row.patients, f"{row.n:g}", detail)


@rule(
    "those who completed",
    "The patients at a body site, or in a list with a study assessed by patches only, do not outnumber those who"
    " completed the studies.",
)
def _completed(review: Review) -> Iterator[Finding]:
    claims = [c for c in review.lists if c.patients == c.patients and review.patients_not_in_table2(c)]
    for key in dict.fromkeys((c.group, c.patients, c.refs) for c in claims):
        same_claims = [c for c in claims if (c.group, c.patients, c.refs) == key]
        (regimen, _, _), patients, refs = key
        arms = review.table2[review.table2.review_ref.isin(refs) & (review.table2.role == regimen)]
        n = arms.completed.sum()
        detail = (
            f"By Table 2, {arms.enrolled.sum():g} enrolled in these arms and {n:g} completed. Rates are of the latter."
        )
        subject = review.places(c.place for c in same_claims), same_claims[0].name, f"{patients:g} patients"
        yield finding(patients <= n, *subject, f"at most {n:g}", detail)


# --- Totals and percentages ---------------------------------------------------------------------------------


@rule("totals", "A total equals the sum of its parts, with studies in two parts counted once.")
def _totals(review: Review) -> Iterator[Finding]:
    kinds = {"efficacy": REGIMENS, "studies_included": ("mechanism", *REGIMENS, "maintenance")}
    for total, unit, kind_of_total in (
        ("efficacy_patients", "patients", "efficacy"),
        ("efficacy_studies", "studies", "efficacy"),
        ("studies_included", "studies", "studies_included"),
    ):
        parts = [f"{kind}_{unit}" for kind in kinds[kind_of_total]]
        lists = [review.refs(part) for part in parts]
        twice = sum(map(len, lists)) - len(frozenset().union(*lists))
        values = [review.value(part) for part in parts]
        published, expected = review.value(total), sum(values) - twice
        detail = " + ".join(f"{n:g}" for n in values) + (f", of which {twice} in two lists." if twice else ".")
        yield finding(published == expected, *review.subject(total), published, f"{expected:g}", detail)


@rule("flow", "The flow of records adds up, and the text gives the same numbers.")
def _flow(review: Review) -> Iterator[Finding]:
    flow = review.evidence.flow.set_index("step")
    n, excluded = flow.n, flow.n[flow.index.str.startswith("excluded_")].sum()
    for step, whole, removed in (("assessed", n.identified, n.removed), ("included", n.assessed, excluded)):
        rest, detail = whole - removed, f"{whole} less {removed}."
        yield finding(n[step] == rest, "flow of records", flow.label[step], n[step], f"{rest}", detail)
    for quantity, value in (
        ("records_identified", n.identified),
        ("records_removed", n.removed),
        ("full_text_assessed", n.assessed),
        ("full_text_excluded", excluded),
        ("studies_included", n.included),
    ):
        published = review.values(quantity)
        shown = "; ".join(f"{v:g}" for v in published.unique())
        yield finding(set(published) == {value}, *review.subject(quantity), shown, f"{value}", f"The flow has {value}.")


@rule("whole numbers", "A percentage corresponds to a whole number of the patients to whom it refers.")
def _whole_numbers(review: Review) -> Iterator[Finding]:
    rows = review.numbers
    for row in rows[rows.quantity.str.endswith("_percent")].itertuples():
        stem = row.quantity.removesuffix("_percent")
        subject = *review.subject(row.quantity, row.place), f"{row.value}%"
        same_place = rows[rows.place == row.place].set_index("quantity").value
        # The denominator of a percentage is the number of patients at the same place whose name begins the same.
        patients = [q for q in same_place.index if q.endswith("_patients")]
        denominators = [q for q in patients if stem.startswith(q.removesuffix("_patients"))]
        if f"{stem}_events" in same_place and "adverse_event_patients" in same_place:
            k, n = same_place[f"{stem}_events"], same_place.adverse_event_patients
            yield finding(k in _whole(row.value, n), *subject, f"{100 * k / n:.1f}%", f"{k:g} of {n:g} patients.")
        elif denominators:
            arms = review.table2[review.table2.review_ref.isin(references(row.refs))]
            arms = arms[[arm.split()[0] in stem for arm in arms.arm]]
            whole = {n: _whole(row.value, n) for n in (same_place[denominators[0]], *arms.completed)}
            fractions = [_nearest_fractions(row.value, n) for n in whole]
            detail = f"Nearest: {'; of those who completed by Table 2: '.join(fractions)}."
            trial = review.evidence.maintenance.query("unit != 'patients'").dropna(subset=["depigmented"])
            trial = [
                r for r in trial.itertuples() if r.arm.split()[0] in stem and r.depigmented in _whole(row.value, r.n)
            ]
            nearest = "; ".join(
                f"{r.depigmented:g}/{r.n:g} {r.unit}, {r.analysis}, by the trial's own report" for r in trial
            )
            yield finding(any(whole.values()) and not trial, *subject, nearest, detail, [r.source for r in trial])
        else:
            yield finding(None, *subject, detail="Its denominator is not reported.")


def _whole(percentage: float, n: float) -> list[int]:
    """Return the whole numbers out of n that round to the percentage."""
    published = Decimal(str(percentage))
    unit = Decimal(1).scaleb(int(published.as_tuple().exponent))
    return [k for k in range(int(n) + 1) if abs(Decimal(100 * k) / int(n) - published) <= unit / 2]


def _nearest_fractions(percentage: float, n: float) -> str:
    """Return as text the numbers out of n that round to a percentage; if there are none, the two nearest to it."""
    below = int(percentage * n / 100)
    return " and ".join(f"{k}/{n:g} = {100 * k / n:.1f}%" for k in _whole(percentage, n) or (below, below + 1))
