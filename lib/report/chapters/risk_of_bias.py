"""Tables and sentences on the risk of bias in single trials.

Belongs here: the display of ``data/risk_of_bias.csv``. Does not belong here: the judgements, which are data,
the rules that they must follow (`lib.evidence`), and the certainty of an outcome (`certainty`).
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from lib.evidence import Evidence
from lib.report import figures
from lib.report.figures.style import BIAS_SIGNS
from lib.report.tables import Table, labels
from lib.report.tables.table import cell_html
from lib.report.text_safety import for_html, for_markdown
from lib.report.wording import count, sentence_case

_AT_HIGH_RISK = ("high", "serious", "critical")
_BETWEEN = ("some_concerns", "moderate")


class TrafficLights(Table):
    """A table of judgements whose cells have a sign, a word and a colour.

    Parameters
    ----------
    judgements : DataFrame
        One row for each study and one column for each domain; values are judgement codes. The index holds the names of
        the studies.
    words : dict of str to str
        Word for each judgement code.
    caption, note : str
        Plain text.
    """

    def __init__(self, judgements: pd.DataFrame, words: dict[str, str], caption: str, note: str):
        cells = judgements.map(lambda code: f"{BIAS_SIGNS[code]} {words[code].capitalize()}")
        super().__init__(cells.rename_axis("Study", axis=0).reset_index(), caption, note)
        self._judgements, self._words = judgements, words

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{for_html(name)}</th>' for name in self.frame.columns)
        body = "".join(
            f'<tr><th scope="row">{cell_html(study)}</th>' + "".join(map(self._light, row)) + "</tr>"
            for study, row in zip(self._judgements.index, self._judgements.to_numpy(), strict=True)
        )
        caption, note = for_html(self.caption), for_html(self.note)
        return (
            f'<div class="review-table"><table class="review review-lights"><caption>{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
            f'<p class="review-note">{note}</p>'
        )

    def _light(self, code: str) -> str:
        word = for_html(self._words[code].capitalize())
        sign = f'<span class="bias bias-{code}" aria-hidden="true">{BIAS_SIGNS[code]}</span>'
        return f"<td>{sign}{word}</td>"


def traffic_lights(evidence: Evidence, tool: str) -> TrafficLights:
    """Return a table of the judgements of all included trials assessed with a tool, with a column for each domain.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    tool : {"rob2_2019", "robins_i_2016"}
        Code of the tool, as in the code list ``bias_tool``.
    """
    judgements = _judgements(evidence, tool)
    # The overall judgement comes first, because the last columns are not visible on a phone.
    judgements = judgements[["overall", *judgements.columns.drop("overall")]]
    names = evidence.meaning(f"{tool}_domain")
    judgements = judgements.set_axis(labels(evidence, judgements.index.to_series()), axis=0)
    judgements = judgements.rename(columns=lambda code: sentence_case(names[code]))
    words = evidence.meaning(f"{tool}_judgement")
    signs = ", ".join(f"{BIAS_SIGNS[code]} {word}" for code, word in words.items())
    caption = f"Risk of bias in {count(len(judgements), 'trial')}: {evidence.meaning('bias_tool')[tool]}"
    return TrafficLights(
        judgements, words, caption, f"{signs}. The table below gives the fact on which each judgement is based."
    )


def shares(evidence: Evidence, tool: str) -> pd.DataFrame:
    """Count the included trials by judgement in each domain of a tool.

    Returns
    -------
    DataFrame
        One row for each domain (index: its name) and one column for each judgement (columns: codes), in the order of
        the tool; values are numbers of trials.
    """
    judgements, names = _judgements(evidence, tool), evidence.meaning(f"{tool}_domain")
    codes = list(evidence.meaning(f"{tool}_judgement"))
    numbers = [[int((judgements[domain] == code).sum()) for code in codes] for domain in names]
    return pd.DataFrame(numbers, index=[sentence_case(name) for name in names.values()], columns=codes)


def support(evidence: Evidence) -> Table:
    """Return every judgement with the fact on which it rests and its source."""
    rows = evidence.risk_of_bias
    frame = pd.DataFrame(
        {
            "Domain": _words(evidence, rows, "domain"),
            "Judgement": [
                f"{BIAS_SIGNS[code]} {word}"
                for code, word in zip(rows.judgement, _words(evidence, rows, "judgement"), strict=True)
            ],
            "Source": rows.source,
            "Support": rows.support,
        }
    )
    names = labels(evidence, rows.study) + evidence.is_included(rows.study).map({True: "", False: " (not included)"})
    frame = frame.set_index(names.rename("Study"))
    return Table(frame, f"Facts on which {count(len(rows), 'judgement')} are based", folded=True, detail="Support")


def overall_in_words(evidence: Evidence, studies: Iterable[str]) -> str:
    """Count the trials of a result by their overall risk of bias.

    Parameters
    ----------
    evidence : Evidence
        One edition.
    studies : iterable of str
        Study keys. Serious and critical risk (ROBINS-I) count as high; moderate counts as some concerns.

    Returns
    -------
    str
        Such as ``1 of 3 trials at high risk of bias, 2 with some concerns``.
    """
    studies = list(dict.fromkeys(studies))
    rows = evidence.risk_of_bias
    overall = rows[rows.domain == "overall"].set_index("study").judgement.reindex(studies)
    high, between, low = (int(overall.isin(codes).sum()) for codes in (_AT_HIGH_RISK, _BETWEEN, ("low",)))
    no_information = len(studies) - high - between - low
    counts = {
        "at high risk of bias": high,
        "with some concerns about bias": between,
        "at low risk of bias": low,
        "without the information to judge bias": no_information,
    }
    parts = [f"{n} {text}" for text, n in counts.items() if n]
    if len(studies) == 1:
        parts = [part.replace("1 ", "one trial, ", 1) for part in parts]
    elif high == 0:
        parts = [f"none of {count(len(studies), 'trial')} at high risk of bias", *parts]
    else:
        parts[0] = parts[0].replace(" ", f" of {count(len(studies), 'trial')} ", 1)
    return ", ".join(parts)


def not_assessed(evidence: Evidence, studies: Iterable[str]) -> list[str]:
    """Return the names of the studies without a judgement."""
    assessed = set(evidence.risk_of_bias.study)
    missing = [key for key in dict.fromkeys(studies) if key not in assessed]
    return list(labels(evidence, pd.Series(missing, dtype=str)))


def not_assessed_sentence(evidence: Evidence, studies: Iterable[str]) -> str:
    """Name the studies without a judgement in a sentence; empty if there are none."""
    names = not_assessed(evidence, studies)
    return f"Not yet assessed: {for_markdown(', '.join(names))}." if names else ""


def judgement_figure(evidence: Evidence, tool: str, caption: str) -> figures.Picture | figures.Listing:
    """Plot the numbers of trials by judgement in each domain of a tool."""
    words = evidence.meaning(f"{tool}_judgement")
    name = f"risk-of-bias-{tool}"
    return figures.show(figures.judgement_bars, shares(evidence, tool), words, caption=caption, name=name)


def _judgements(evidence: Evidence, tool: str) -> pd.DataFrame:
    rows = evidence.risk_of_bias
    rows = rows[(rows.tool == tool) & evidence.is_included(rows.study)]
    judgements = rows.pivot(index="study", columns="domain", values="judgement")
    return judgements.reindex(index=list(dict.fromkeys(rows.study)), columns=list(evidence.meaning(f"{tool}_domain")))


def _words(evidence: Evidence, rows: pd.DataFrame, column: str) -> list[str]:
    meanings = {tool: evidence.meaning(f"{tool}_{column}") for tool in rows.tool.unique()}
    words = [meanings[tool][code] for tool, code in zip(rows.tool, rows[column], strict=True)]
    return [sentence_case(word) for word in words] if column == "domain" else words
