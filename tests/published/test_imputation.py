"""Imputation of the 2019 review: the bounds of its counts, the uses of imputed counts, and withheld counts."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from conftest import ROOT
from lib.evidence import THRESHOLDS, load
from lib.published import count_model, imputation, impute, rates, withholding
from lib.report.chapters import imputed_counts
from lib.stats import pool_proportions


@pytest.fixture(scope="module")
def blocks(ev):
    return imputation.blocks(ev)


@pytest.fixture(scope="module")
def drawn(blocks):
    return [impute(block) for block in blocks]


def find(blocks, regimen, group):
    return next(block for block in blocks if block.regimen == regimen and group in block.groups)


def arm(block, study):
    (at,) = np.flatnonzero(block.arms.study == study)
    return at


# --- Bounds of a count ------------------------------------------------------------------------------------


def test_every_cell_with_an_interval_is_a_claim_of_one_block(ev, blocks):
    claims = [(b.regimen, c.threshold, c.group) for b in blocks for c in b.rates]
    printed = [(c.regimen, c.threshold, c.group) for c in ev.all_outcomes() if c.ci_high == c.ci_high]
    assert sorted(claims) == sorted(printed)


def test_reported_counts_are_fixed_and_are_those_of_the_tables(ev, blocks):
    block = find(blocks, "monotherapy", "total")
    rows = ev.reported_counts().query(
        "role == 'monotherapy' and site == 'all' and edition == 'original' and subtype == ''"
    )
    rows = rows[rows.threshold.isin(THRESHOLDS)]
    # Radakovic's two arms are one study here, as in the review.
    rows = rows.groupby(["study", "threshold"], as_index=False)[["n", "events"]].sum()
    assert len(rows) > 5
    for row in rows.itertuples():
        at, degree = arm(block, row.study), THRESHOLDS.index(row.threshold)
        assert block.low[at, degree] == block.high[at, degree] == row.events
        assert block.reported[at, degree]
        assert block.n[at] == row.n
    assert block.reported.sum() == len(rows)
    assert len(block.arms.arms[arm(block, "radakovic2009")]) == 2


def test_a_count_of_any_repigmentation_is_a_ceiling(ev, blocks):
    block = find(blocks, "monotherapy", "total")
    rows = ev.responses[(ev.responses.threshold == "any") & (ev.responses.months == 6)].set_index(["study", "arm"])
    for study, name in (("dawid2006", "pimecrolimus"), ("rafiq2016", "tacrolimus")):
        assert block.high[arm(block, study), 0] == rows.events[study, name] < block.n[arm(block, study)]
    kanwar = arm(block, "kanwar2004")
    assert (block.low[kanwar, 0], block.high[kanwar, 0]) == (16, 19)


def test_an_interim_count_is_no_ceiling_for_the_end(ev, blocks):
    interim = ev.responses[(ev.responses.study == "dawid2006") & (ev.responses.months == 2)]
    block = find(blocks, "monotherapy", "total")
    assert block.high[arm(block, "dawid2006"), 0] < interim.events.min()


def test_what_reports_say_without_a_count_is_a_bound(blocks):
    block = find(blocks, "monotherapy", "total")
    kathuria = arm(block, "kathuria2012")
    assert block.high[kathuria, 0] == block.n[kathuria] / 2
    assert block.high[arm(block, "lepe2003"), 0] == 18
    face = find(blocks, "monotherapy", "face_neck")
    assert face.low[arm(face, "tamler2011"), 2] == face.high[arm(face, "tamler2011"), 2] == 6
    assert face.percent[arm(face, "ho2011"), 1] == 0.58


def test_a_rate_printed_as_none_fixes_its_counts_at_none(blocks):
    assert not find(blocks, "monotherapy", "hands_feet").high[:, 2].any()


def test_a_misprinted_end_is_not_held_against_the_counts(blocks):
    claims = {c.threshold: c for c in find(blocks, "monotherapy", "face_neck").rates}
    assert np.isnan(claims["ge25"].published).tolist() == [False, True, False]
    assert not np.isnan(claims["ge75"].published).any()


def test_counts_for_children_are_found_at_75_percent(drawn):
    draws = next(d for d in drawn if d.block.regimen == "monotherapy" and "children" in d.block.groups)
    assert draws.tolerance["ge75", "children"] <= 4
    assert all(within <= count_model.WIDEST for within in draws.tolerance.values())


def test_where_all_counts_were_tried_the_page_says_that_there_are_none(drawn):
    hands = next(d for d in drawn if "hands_feet" in d.block.groups)
    assert hands.exact
    told = imputed_counts.not_reproduced([hands])
    assert "all possible counts were tried, and none is" in told and "Markov" not in told
    trunk = next(d for d in drawn if d.block.regimen == "monotherapy" and "trunk_extremities" in d.block.groups)
    assert not trunk.exact
    told = imputed_counts.not_reproduced([trunk])
    assert "does not prove" in told and "all possible counts" not in told
    reproduced = [d for d in drawn if not any(within != within for within in d.tolerance.values())]
    assert "no counts" not in imputed_counts.not_reproduced(reproduced)


def test_draws_that_did_not_converge_are_of_no_use(ev, drawn):
    outcome = ev.outcome("phototherapy", "ge75")
    draws = next(d for d in drawn if d.block.regimen == "phototherapy" and "total" in d.block.groups)
    apart = replace(draws, rhat=1.5)
    assert imputation.update_over_draws(draws, outcome) is not None
    assert imputation.update_over_draws(apart, outcome) is None
    assert imputation.most_wanted([outcome], [apart]).empty


# --- Counts that a maintainer enters ----------------------------------------------------------------------


ENTERED = (
    ("roy2016", "tacrolimus", "all", "ge75", 44, 8),
    ("lubaki2010", "pimecrolimus", "all", "ge25", 20, 10),
    ("lubaki2010", "tacrolimus", "face_neck", "ge75", 20, 5),
    ("lubaki2010", "pimecrolimus", "face_neck", "ge75", 20, 10),
    ("lotti2008", "tacrolimus+NBUVB", "all", "ge75", 58, 20),
    ("seirafi2007", "pimecrolimus", "hands_feet", "ge50", 15, 7),
    ("stinco2009", "tacrolimus", "hands_feet", "ge50", 12, 6),
)
"""Full-text counts of original studies, none of which bears on another: study, arm, site, threshold, n, events."""


@pytest.fixture(scope="module")
def entered(tmp_path_factory):
    """Results and blocks of the data with these counts."""
    folder = shutil.copytree(ROOT / "data", tmp_path_factory.mktemp("entered") / "data")
    with (folder / "responses.csv").open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file))
    same = {"population": "all", "months": "3", "unit": "patients", "basis": "stated", "confidence": "high"}
    same |= {"poolable": "yes", "source_kind": "full_text"}
    with (folder / "responses.csv").open("a", encoding="utf-8", newline="") as file:
        for count in ENTERED:
            row = same | dict(zip(("study", "arm", "site", "threshold", "n", "events"), count, strict=True))
            row["source"] = row["study"]
            if row["study"] in ("lotti2008", "stinco2009"):
                row["population"] = "adult"
            csv.writer(file, lineterminator="\n").writerow([row.get(column, "") for column in columns])
    return followed(folder)


def followed(data):
    """The whole way of a count, from the tables to the results and the blocks."""
    then = load(data)
    return rates.results(then), imputation.blocks(then)


def test_a_full_text_count_takes_the_place_of_a_range(entered):
    results, made = entered
    summary = results["monotherapy", "ge75", "total"].summary
    row = summary.studies[summary.studies.study == "roy2016"].iloc[0]
    assert (row.rate, row.n) == (8 / 44, 44)
    block = find(made, "monotherapy", "total")
    at = arm(block, "roy2016")
    assert block.low[at, 2] == block.high[at, 2] == 8 and block.reported[at, 2]
    assert (block.low[at, 0], block.high[at, 0]) == (8, 44)


def test_a_count_of_the_other_of_two_equal_arms_is_used(entered):
    results, made = entered
    studies = results["monotherapy", "ge25", "total"].summary.studies
    lubaki = studies[studies.study == "lubaki2010"]
    assert (lubaki.rate * lubaki.n).tolist() == pytest.approx([10])
    block = find(made, "monotherapy", "total")
    assert block.low[arm(block, "lubaki2010"), 0] == 10


def test_counts_of_two_arms_at_a_site_are_added_up_alike_everywhere(entered):
    results, made = entered
    studies = results["monotherapy", "ge75", "face_neck"].summary.studies.set_index("study")
    block = find(made, "monotherapy", "face_neck")
    at = arm(block, "lubaki2010")
    assert (studies.rate["lubaki2010"], studies.n["lubaki2010"]) == (15 / 40, 40)
    assert (block.low[at, 2], block.high[at, 2], block.n[at]) == (15, 15, 40)


def test_a_count_of_one_of_two_arms_that_count_is_a_lower_bound(entered):
    results, made = entered
    studies = results["phototherapy", "ge75", "total"].summary.studies.set_index("study")
    assert np.isnan(studies.rate["lotti2008"])
    block = find(made, "phototherapy", "total")
    at = arm(block, "lotti2008")
    assert block.low[at, 2] == 20 < block.high[at, 2]
    assert not block.reported[at].any()


def test_counts_that_no_printed_total_leaves_room_for_end_in_results(entered):
    results, made = entered
    summary = results["monotherapy", "ge50", "hands_feet"].summary
    assert summary.studies.rate.notna().sum() == 2
    assert len(find(made, "monotherapy", "hands_feet").n) == 4


def test_numbers_that_are_missing_or_too_large_end_in_results(data, edit):
    def change(rows):
        at = rows[0].index("patients")
        for row in rows[1:]:
            if "hands_feet" in row[0]:
                row[at] = ""
            if row[0] == "results-monotherapy-trunk_extremities-ge25":
                row[at] = "9999"

    edit("published_rates", change)

    def forget(rows):
        at = rows[0].index("enrolled")
        for row in rows[1:]:
            if row[0] == "xu2009":
                row[at] = ""

    edit("arms", forget)
    results, made = followed(data)
    assert len(results) == 24 and len(made) == 7


# --- Calibration ------------------------------------------------------------------------------------------


def test_reported_counts_lie_where_the_draws_without_them_say(blocks):
    back = pd.concat([withholding.recovered(block) for block in blocks], ignore_index=True)
    assessed = back[back.converged]
    # The counts with phototherapy and one of the face; the chain does not converge with those of monotherapy withheld.
    assert len(assessed) >= 5
    # Of five ranges of 95%, two or more outside would come by chance in 2 of 100 reviews.
    assert (~assessed.inside).sum() <= 1
    assert (assessed.high - assessed.low < assessed.n).mean() >= 0.8, "the ranges say nothing"
    assert not back.inside[~back.converged].any()


def test_a_withheld_count_is_unknown_to_the_sampler(blocks):
    block = find(blocks, "phototherapy", "total")
    at = arm(block, "bilal2014")
    without = withholding.withhold(block, at)
    assert without.unknown[at].all() and not without.reported[at].any()
    assert without.n[at] == block.n[at]
    others = np.arange(len(block.n)) != at
    assert np.array_equal(without.high[others], block.high[others])


# --- Uses of imputed counts -------------------------------------------------------------------------------


def test_the_update_over_draws_is_near_the_closed_form(ev, drawn):
    compared = 0
    for result in rates.results(ev).values():
        if not result.updated or not result.updated.k_new:
            continue
        outcome = result.outcome
        draws = next(d for d in drawn if d.block.regimen == outcome.regimen and outcome.group in d.block.groups)
        over = imputation.update_over_draws(draws, outcome)
        assert over.between < 0.01
        assert abs(over.estimate - result.updated.estimate) < 0.1 * result.updated.se
        width = (over.ci_high - over.ci_low) / (result.updated.ci_high - result.updated.ci_low)
        assert 0.9 < width < 1.1
        compared += 1
    assert compared >= 5


def test_rubins_rules_add_the_spread_between_draws(ev, drawn):
    outcome = ev.outcome("phototherapy", "ge50")
    draws = next(d for d in drawn if d.block.regimen == "phototherapy" and "total" in d.block.groups)
    over = imputation.update_over_draws(draws, outcome, "logit")
    claim = next(c for c in draws.block.rates if c.threshold == "ge50")
    pooled = pool_proportions(draws.events[:, claim.included, 1].T, draws.n[:, claim.included].T, transform="logit")
    m = len(draws.events)
    within = (((pooled.ci_high - pooled.ci_low) / (2 * 1.959963984540054)) ** 2).mean()
    total = np.sqrt(within + (1 + 1 / m) * pooled.estimate.var(ddof=1))
    assert over.estimate == pytest.approx(pooled.estimate.mean())
    assert (over.ci_high - over.ci_low) / 2 == pytest.approx(1.959963984540054 * total)
    assert over.between > 0.01


def test_consistent_ranges_are_of_studies_without_a_public_count_only(ev):
    outcome = ev.outcome("monotherapy", "ge75", "face_neck")
    ranges = imputation.consistent_ranges(ev, outcome)
    assert set(ranges.study) <= set(outcome.missing.study)
    assert not set(ranges.study) & set(outcome.available.study)
    assert ((0 <= ranges.low) & (ranges.low <= ranges.high) & (ranges.high <= 1)).all()
    for group in ("trunk_extremities", "hands_feet"):
        assert imputation.consistent_ranges(ev, ev.outcome("monotherapy", "ge75", group)).empty


def test_the_most_wanted_are_those_whose_counts_move_the_answer(ev, drawn):
    ranked = imputation.most_wanted(ev.all_outcomes(), drawn)
    assert ranked.narrowing.is_monotonic_decreasing and (ranked.narrowing >= 0).all()
    assert ranked.study.is_unique
    wholly_public = {"sendur2006", "radakovic2009", "bilal2014"}
    assert not wholly_public & set(ranked.study)
    assert ranked.narrowing[0] > 1
