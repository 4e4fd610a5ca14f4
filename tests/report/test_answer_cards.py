"""The cards with the main answers."""

import re

import pytest
from bs4 import BeautifulSoup

from lib.report import registry
from lib.report.chapters import answer_cards
from lib.report.entries import current_rate


@pytest.fixture(scope="module")
def page(ev):
    """Return the cards as HTML, parsed."""
    cards = answer_cards.AnswerCards(ev, registry.results(ev))
    return BeautifulSoup(cards._repr_html_(), "html.parser")


def test_a_card_states_the_current_rate_with_its_interval_in_natural_frequencies(ev, page):
    entries = registry.results(ev)
    cards = page.find_all("section", class_="review-card")
    assert len(cards) == len(answer_cards.SHOWN)
    for card, (regimen, threshold, group) in zip(cards, answer_cards.SHOWN, strict=True):
        entry = current_rate(entries, ev.outcome(regimen, threshold, group))
        share = card.find("strong").get_text()
        assert abs(int(share.split()[0]) - 100 * entry.estimate) <= 0.5
        low, high = map(int, re.findall(r"\d+", card.find(attrs={"data-part": "interval"}).get_text()))
        assert abs(low - 100 * entry.ci_low) <= 0.5
        assert abs(high - 100 * entry.ci_high) <= 0.5
        assert card.find("strong").a["data-result"] == entry.key


def test_a_card_fills_as_many_dots_as_it_states(page):
    for card in page.find_all("section", class_="review-card"):
        share = int(card.find("strong").get_text().split()[0])
        assert card.find("path", class_="filled")["d"].count("M") == share
        assert card.find("svg")["aria-label"] == f"{share} of 100 dots are filled"


def test_only_rated_outcomes_have_a_level_of_certainty(page):
    badges = [badge.get_text() for badge in page.find_all(class_="review-badge")]
    assert [badge.endswith(" certainty") for badge in badges] == [True, True, False, False]
    assert badges[2:] == ["Certainty not rated"] * 2


@pytest.mark.parametrize(("n", "paths"), [(0, 1), (1, 2), (99, 2), (100, 1)])
def test_an_icon_array_has_100_dots(n, paths):
    picture = BeautifulSoup(answer_cards.icon_array(n), "html.parser")
    assert len(picture.find_all("path")) == paths
    assert sum(path["d"].count("M") for path in picture.find_all("path")) == 100


@pytest.mark.parametrize("n", [-1, 101])
def test_an_icon_array_of_more_than_100_is_refused(n):
    with pytest.raises(ValueError, match=f"from 0 to 100, not {n}"):
        answer_cards.icon_array(n)
