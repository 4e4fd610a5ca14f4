"""What the 2019 review says stands in the chapters, and nothing that it does not say."""

import json

import pytest

from conftest import ROOT

STATED = {
    "discussion": [
        "NFAT",
        "CD8",
        "melanocyte induction",
        "Hair follicles",
        "sunlight",
        "synergy",
        "Janus kinase",
        "rodents",
        "DNA damage",
        "In patients the authors know of no evidence",
        "shorten a course of phototherapy",
        "first-line treatment",
        "atopic dermatitis",
    ],
    "mechanism": ["NFAT", "CD8"],
    "safety": ["Verruca", "dysaesthesia", "contact dermatitis", "none required treatment"],
    "methods": [
        "PRISMA",
        "`metagen`",
        "full text only where",
        "phototherapy_hands_feet_studies",
    ],
    "maintenance": ["maintenance.design(ev)", "maintenance_entry_repigmentation"],
    "table-3": ["phototherapy_hands_feet_studies"],
    "introduction": ["first-line treatment", "prevalence_low"],
    "search-results": ["also studies of"],
}


def chapter(name: str) -> str:
    """Text and code of a chapter in one line."""
    cells = json.loads((ROOT / f"book/{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return " ".join(" ".join("".join(cell["source"]).split()) for cell in cells)


@pytest.mark.parametrize("name", STATED)
def test_what_the_review_states_is_in_the_chapter(name):
    text = chapter(name)
    assert [words for words in STATED[name] if words not in text] == []


def test_the_exclusions_are_those_of_the_review():
    assert "case report" not in chapter("search-and-eligibility").lower()


def test_what_the_chapters_take_from_the_review_is_in_the_data(ev):
    assert ev.number("maintenance_entry_repigmentation") == 75
    assert ev.number("phototherapy_hands_feet_studies") == 2
    assert [ev.number(f"prevalence_{end}", "introduction") for end in ("low", "high")] == [0.5, 1]
    trial = ev.studies.set_index("study").loc["cavalie2015"]
    assert (trial.blinding, trial.randomised) == ("DB", "yes")


def test_the_evidence_found_in_november_2026_is_entered_by_its_rules(ev):
    """One trial awaits the limits of its grades, one its full text; what is older is in the log; none is pooled."""
    decided = ev.screening.set_index("study").decision
    assert decided["abdelazim2020"] == decided["sharma2019"] == "awaiting_full_text"
    assert {decided[key] for key in ("nahid2014", "hazra2014", "el_tac_iran2014")} == {"excluded"}
    assert "microdermabrasion_rct" not in decided
    found = {"abdelazim2020", "sharma2019", "nahid2014", "hazra2014", "el_tac_iran2014"}
    assert not found & set(ev.responses.study)
    events = ev.adverse_events.set_index(["study", "arm", "kind"])
    assert tuple(events.loc[("abdelazim2020", "tacrolimus 0.03%", "erythema"), ["events", "n"]]) == (2, 35)
    without = ev.reported_without_counts
    assert set(without.study) >= {"abdelazim2020", "sharma2019"}
