"""Risk of bias: who was assessed, with which tool, and what the table and the figure show of it."""

import itertools
import re

import pytest

from lib.evidence import comparisons
from lib.report import figures
from lib.report.chapters import risk_of_bias
from lib.report.figures.risk_of_bias import FILLS
from lib.report.figures.style import BIAS_SIGNS

TOOLS = ("rob2_2019", "robins_i_2016")


def test_every_trial_of_a_comparison_and_every_new_trial_is_assessed(ev):
    compared = {key for question in ev.questions.question for key in comparisons.question(ev, question).trials.study}
    new = set(ev.studies.study[ev.studies.edition == "update"])
    assert len(compared) > 25
    assert risk_of_bias.not_assessed(ev, sorted(compared | new | set(ev.maintenance.study))) == []
    assert risk_of_bias.not_assessed(ev, ["soriano2002"]) == list(ev.studies.label[ev.studies.study == "soriano2002"])


def test_randomised_trials_are_judged_with_rob_2_and_others_with_robins_i(ev):
    tool = ev.risk_of_bias.groupby("study").tool.first()
    randomised = ev.studies.groupby("study").randomised.agg(set)
    assert all((tool[study] == TOOLS[0]) == ("yes" in randomised[study]) for study in tool.index)


def test_nothing_is_low_where_there_is_no_information(ev):
    for _, rows in ev.risk_of_bias.groupby(["study", "tool"]):
        by_domain = rows.set_index("domain").judgement
        if (by_domain.drop("overall") == "no_information").any():
            assert by_domain["overall"] != "low"


def test_a_missing_data_judgement_agrees_with_the_numbers_that_completed(ev):
    """Parallel arms that all completed are low; a loss of a fifth in one of them is high or serious."""
    rows = ev.risk_of_bias[ev.risk_of_bias.domain == "missing_data"].set_index("study").judgement
    arms = ev.arms.assign(kept=ev.arms.completed / ev.arms.enrolled).dropna(subset=["kept"])
    lowest = arms[arms.study.isin(ev.studies.study[ev.studies.design == "PD"])].groupby("study").kept.min()
    lost_by_own_report = {"kathuria2012"}
    checked = 0
    for study in set(lowest.index) & set(rows.index) - lost_by_own_report:
        if lowest[study] <= 0.8:
            assert rows[study] in ("high", "serious"), study
        elif lowest[study] >= 0.95:
            assert rows[study] in ("low", "no_information"), study
        else:
            assert rows[study] in ("some_concerns", "moderate"), study
        checked += 1
    assert checked > 8


def test_sources_of_judgements_are_known_to_the_project(ev):
    """A source is cited elsewhere in the data, or is a record of a registry."""
    cited = set()
    for name in ("studies", "arms", "responses", "report_facts", "adverse_events", "maintenance"):
        cited |= set(getattr(ev, name).source)
    for source in set(ev.risk_of_bias.source) - cited:
        assert re.fullmatch(r"ClinicalTrials\.gov NCT\d{8}", source), source


@pytest.mark.parametrize(
    ("judgements", "words"),
    [
        (
            ["high", "some_concerns", "some_concerns"],
            "1 of 3 trials at high risk of bias, 2 with some concerns about bias",
        ),
        (
            ["low", "some_concerns", "low"],
            "none of 3 trials at high risk of bias, 1 with some concerns about bias, 2 at",
        ),
        (["critical", "serious", "moderate"], "2 of 3 trials at high risk of bias, 1 with some concerns about bias"),
        (["some_concerns"], "one trial, with some concerns about bias"),
        (["no_information"], "one trial, without the information to judge bias"),
    ],
)
def test_the_trials_of_a_result_are_counted_by_their_overall_risk(ev, judgements, words):
    rows = ev.risk_of_bias[ev.risk_of_bias.domain == "overall"].iloc[: len(judgements)].assign(judgement=judgements)
    changed = ev.with_tables(risk_of_bias=rows)
    assert risk_of_bias.overall_in_words(changed, [*rows.study, rows.study.iloc[0]]).startswith(words)


def test_a_trial_that_was_not_assessed_is_counted_as_such(ev):
    text = risk_of_bias.overall_in_words(ev, ["alam", "soriano2002"])
    assert text == "1 of 2 trials at high risk of bias, 1 without the information to judge bias"


@pytest.mark.parametrize("tool", TOOLS)
def test_each_judgement_has_a_sign_and_a_word(ev, tool):
    lights = risk_of_bias.traffic_lights(ev, tool)
    words = ev.meaning(f"{tool}_judgement")
    page = lights._repr_html_()
    rows = ev.risk_of_bias[(ev.risk_of_bias.tool == tool) & ev.is_included(ev.risk_of_bias.study)]
    assert len(re.findall(r'<span class="bias ', page)) == len(rows)
    for code, n in rows.judgement.value_counts().items():
        outcome = f'<span class="bias bias-{code}" aria-hidden="true">{BIAS_SIGNS[code]}</span>'
        assert page.count(outcome + words[code].capitalize()) == n
    assert page.count('scope="row"') == rows.study.nunique()
    signs = [BIAS_SIGNS[code] for code in words]
    assert len(set(signs)) == len(signs)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_summary_figure_has_every_trial_in_every_domain(ev, tool):
    counted = risk_of_bias.shares(ev, tool)
    lights = risk_of_bias.traffic_lights(ev, tool).frame
    assert list(counted.index) == [*lights.columns[2:], lights.columns[1]]
    assert (counted.sum(axis=1) == len(lights)).all()
    words = ev.meaning(f"{tool}_judgement")
    for wide in (True, False):
        figure = figures.judgement_bars(counted, words, wide=wide)
        shown = [int(text.text) for text in figure.texts if text.text.isdigit()]
        assert sum(shown) == counted.to_numpy().sum()
        boxes = [text.box for text in figure.texts]
        assert all(left >= -1 and right <= figure.width + 1 for left, _, right, _ in boxes)
        assert not any(
            a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for a, b in itertools.combinations(boxes, 2)
        )
        assert all(domain in figure.alt for domain in counted.index)
    fills = [FILLS[code] for code in counted.columns if counted[code].any()]
    assert len(set(fills)) == len(fills)


def test_an_excluded_record_is_in_the_support_alone(ev):
    out = ev.risk_of_bias[~ev.is_included(ev.risk_of_bias.study)]
    assert len(out)
    label = ev.studies.set_index("study").label[out.study.iloc[0]]
    assert label not in risk_of_bias.traffic_lights(ev, out.tool.iloc[0])._repr_html_()
    assert f"{label} (not included)" in risk_of_bias.support(ev).frame.index
