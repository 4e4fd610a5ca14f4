"""Rules for the appraisal of the evidence: rated outcomes, certainty, risk of bias, and changes of conclusions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from lib.evidence.csv_files import Fault
from lib.evidence.rules.base import Tables, needs, rows_by

_COLUMNS_BY_KIND: dict[str, set[str]] = {
    "comparison": {"question", "threshold"},
    "rate": {"regimen", "threshold"},
    "maintenance": set(),
    "safety": set(),
}
"""Columns of outcomes.csv that each kind of outcome needs; the others are empty."""
_RANDOMISED_TOOL, _OTHER_TOOL = "rob2_2019", "robins_i_2016"
"""The tool for randomised trials (Sterne et al. 2019, doi:10.1136/bmj.l4898), and that for other studies (Sterne et al.
2016, doi:10.1136/bmj.i4919)."""


@needs("outcomes")
def outcomes_are_complete(tables: Tables) -> Iterator[Fault]:
    """A rated outcome names its question, regimen and threshold as its kind needs them, and nothing else."""
    for row in tables["outcomes"].itertuples():
        if row.kind not in _COLUMNS_BY_KIND:
            continue
        for column in ("question", "regimen", "threshold"):
            value, is_needed = getattr(row, column), column in _COLUMNS_BY_KIND[row.kind]
            if is_needed and not value:
                yield Fault("outcomes.csv", row.Index, column, "", f"a value is required for the kind {row.kind}")
            elif value and not is_needed:
                yield Fault("outcomes.csv", row.Index, column, value, f"must be empty for the kind {row.kind}")


def _assessments(tables: Tables) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield each study, the tool by which its risk of bias was judged, and the rows of the assessment."""
    for (study, tool), rows in rows_by(tables["risk_of_bias"], "study", "tool").items():
        if tool in (_RANDOMISED_TOOL, _OTHER_TOOL):
            yield study, tool, rows


def _codes_by_list(tables: Tables) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = defaultdict(list)
    for name, code in zip(tables["codes"]["list"], tables["codes"].code, strict=True):
        codes[name].append(code)
    return codes


@needs("risk_of_bias", "studies")
def tools_fit_designs(tables: Tables) -> Iterator[Fault]:
    """The risk of bias of a study is judged by the tool for its design."""
    studies = tables["studies"]
    randomised = set(studies.study[studies.randomised == "yes"])
    others = set(studies.study[studies.randomised != "yes"])
    for study, tool, rows in _assessments(tables):
        is_for_randomised = tool == _RANDOMISED_TOOL
        if study in (others - randomised if is_for_randomised else randomised - others):
            design = "is not randomised" if is_for_randomised else "is randomised"
            right_tool = _OTHER_TOOL if is_for_randomised else _RANDOMISED_TOOL
            rule = f"does not fit: {study} {design}; use {right_tool}"
            yield Fault("risk_of_bias.csv", rows[0].Index, "tool", tool, rule)


@needs("risk_of_bias", "codes")
def domains_and_judgements_are_of_the_tool(tables: Tables) -> Iterator[Fault]:
    """The domains and judgements of an assessment are those of its tool."""
    codes = _codes_by_list(tables)
    for _, tool, rows in _assessments(tables):
        for column in ("domain", "judgement"):
            allowed = codes[f"{tool}_{column}"]
            for row in rows:
                value = getattr(row, column)
                if value and value not in allowed:
                    rule = f"must be one of: {', '.join(allowed)} (for {tool})"
                    yield Fault("risk_of_bias.csv", row.Index, column, value, rule)


@needs("risk_of_bias", "codes")
def domains_are_complete(tables: Tables) -> Iterator[Fault]:
    """An assessment has a judgement for every domain of its tool."""
    codes = _codes_by_list(tables)
    for study, tool, rows in _assessments(tables):
        judged = {row.domain for row in rows}
        for domain in codes[f"{tool}_domain"]:
            if domain not in judged:
                rule = f"has no row for {study} ({tool})"
                yield Fault("risk_of_bias.csv", rows[0].Index, "domain", domain, rule)


@needs("risk_of_bias", "codes")
def overall_judgements_follow(tables: Tables) -> Iterator[Fault]:
    """The overall judgement of a complete assessment follows from its domains, as its tool prescribes."""
    codes = _codes_by_list(tables)
    for _, tool, rows in _assessments(tables):
        judgements = codes[f"{tool}_judgement"]
        is_complete = {*codes[f"{tool}_domain"]} <= {row.domain for row in rows}
        if is_complete and {row.judgement for row in rows} <= {*judgements}:
            overall = next(row for row in rows if row.domain == "overall")
            domains = [(row.domain, row.judgement) for row in rows if row.domain != "overall"]
            if rule := _overall_fault(domains, overall.judgement, tool, judgements):
                yield Fault("risk_of_bias.csv", overall.Index, "judgement", overall.judgement, rule)


def _overall_fault(domains: list[tuple[str, str]], overall: str, tool: str, judgements: list[str]) -> str:
    """Return the fault of an overall judgement, empty if there is none; judgements are ordered from the best."""
    *ranked, unknown = judgements
    worst = max((ranked.index(judgement) for _, judgement in domains if judgement != unknown), default=0)
    without_information = ", ".join(domain for domain, judgement in domains if judgement == unknown)
    if overall == unknown:
        if tool == _RANDOMISED_TOOL:
            return f"RoB 2 has an overall judgement in every case: must be one of: {', '.join(ranked)}"
        if not without_information or worst >= ranked.index("serious"):
            return f"must be at least {ranked[worst]}: the domains decide it"
    elif ranked.index(overall) < worst:
        worst_domains = ", ".join(domain for domain, judgement in domains if judgement == ranked[worst])
        return f"is better than the worst domain ({ranked[worst]}: {worst_domains})"
    elif ranked.index(overall) == 0 and without_information:
        return f"must be at least {ranked[1]}: there is no information on {without_information}"
    return ""


@needs("change_criteria")
def margins_are_given(tables: Tables) -> Iterator[Fault]:
    """A rule for changes of the conclusions has a margin if, and only if, its text has a placeholder for it."""
    frame = tables["change_criteria"]
    has_place = frame.meaning.str.contains("{}", regex=False)
    for row in frame[has_place != (frame.margin != "")].itertuples():
        rule = "must be given if the meaning of the rule contains {}, and empty otherwise"
        yield Fault("change_criteria.csv", row.Index, "margin", row.margin, rule)
