"""What a printed interval implies, which participants add up, the update from print, and when it is news."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from conftest import ROOT
from lib import participants, published
from lib.evidence import load
from lib.pooling import between_groups, pool, pool_proportions
from lib.published import Summary, implied_tau2, news, read_interval, update
from lib.validation import reference_numbers

Z = stats.norm.ppf(0.975)


@pytest.fixture(scope="module")
def ev():
    return load(ROOT / "data")


@pytest.fixture(scope="module")
def results(ev):
    return published.results(ev)


# --- A printed interval -----------------------------------------------------------------------------------


@given(
    estimate=st.floats(0.15, 0.85),
    se=st.floats(0.005, 0.06),
    decimals=st.tuples(*[st.integers(1, 2)] * 3),
)
def test_the_standard_error_lies_in_the_range_that_rounding_leaves(estimate, se, decimals):
    numbers = [estimate, estimate - Z * se, estimate + Z * se]
    printed = [round(number, d + 2) for number, d in zip(numbers, decimals, strict=True)]
    reading = read_interval(printed, decimals)
    assert reading.kind == "centred"
    assert reading.se_low - 1e-9 <= se <= reading.se_high + 1e-9
    assert reading.se_low <= reading.se <= reading.se_high
    # Both ends of the interval, rounded, tell it to within a unit of their last digit over 2 x 1.96.
    assert reading.se_high - reading.se_low <= 2 * 0.001 / (2 * Z) + 1e-9


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ((0.181, 0.132, 0.231), "centred"),
        ((0.182, 0.132, 0.231), "centred"),
        ((0.183, 0.132, 0.231), "off centre"),
        ((0.460, 0.400, 0.523), "off centre"),
        ((0.0171, 0.0, 0.046), "cut"),
        ((0.98, 0.95, 1.0), "cut"),
        ((0.0, np.nan, np.nan), "no interval"),
    ],
)
def test_an_interval_is_read_for_what_it_is(numbers, kind):
    assert read_interval(numbers, (1, 1, 1)).kind == kind


def test_a_misprint_is_reconciled_by_the_fewest_digits():
    reading = read_interval((0.731, 0.326, 0.835), (1, 1, 1))
    assert (reading.wrong, round(reading.reconciled, 3)) == ("ci_low", 0.626)
    # The error then follows from the end that is not misprinted.
    assert abs(reading.se - (0.835 - 0.731) / Z) < 0.001


@given(estimate=st.floats(0.2, 0.8), se=st.floats(0.01, 0.05), digit=st.integers(1, 9))
def test_a_changed_digit_of_an_end_is_noticed_and_mended(estimate, se, digit):
    low, high = round(estimate - Z * se, 3), round(estimate + Z * se, 3)
    tens = int(low * 10) % 10
    if digit == tens:
        return
    misprinted = round(low + (digit - tens) / 10, 3)
    if not 0.001 < misprinted < estimate:
        return
    reading = read_interval((round(estimate, 3), misprinted, high), (1, 1, 1))
    assert reading.kind == "off centre"
    assert reading.wrong
    numbers = dict(zip(("estimate", "ci_low", "ci_high"), (round(estimate, 3), misprinted, high), strict=True))
    mended = {**numbers, reading.wrong: reading.reconciled}
    assert read_interval(list(mended.values()), (1, 1, 1)).kind == "centred"


def test_an_end_that_is_cut_leaves_the_error_to_the_other():
    reading = read_interval((0.0171, 0.0, 0.046), (2, 2, 1))
    assert abs(reading.se - (0.046 - 0.0171) / Z) < 1e-9
    assert reading.se_low < reading.se < reading.se_high


# --- Between-study variance -------------------------------------------------------------------------------


@given(
    st.lists(st.floats(1e-4, 0.05), min_size=2, max_size=30),
    st.floats(0.0, 0.2),
)
def test_the_implied_tau2_gives_the_printed_error_back(variances, tau2):
    v = np.array(variances)
    se = 1 / np.sqrt((1 / (v + tau2)).sum())
    assert implied_tau2(v, se * (1 + 1e-12)) == pytest.approx(tau2, abs=1e-6)


def test_no_tau2_where_sampling_error_alone_exceeds_the_printed_one():
    v = np.full(5, 0.01)
    assert np.isnan(implied_tau2(v, 0.99 / np.sqrt((1 / v).sum())))
    assert implied_tau2(v, 1.01 / np.sqrt((1 / v).sum())) > 0


def test_the_printed_cells_imply_what_their_numbers_say(results):
    for result in results.values():
        summary, cell = result.summary, result.cell
        if summary.reading.kind == "no interval":
            assert np.isnan(summary.tau2) and np.isnan(summary.pi_low)
            continue
        v, reading = summary.studies.v[summary.studies.v > 0], summary.reading
        if np.isnan(summary.tau2):
            assert 1 / np.sqrt((1 / v).sum()) > reading.se
            assert np.isnan(summary.pi_low) and np.isnan(summary.pi_high)
            continue
        for tau2, se in ((summary.tau2, reading.se), (summary.tau2_low, reading.se_low)):
            assert np.isnan(tau2) or 1 / np.sqrt((1 / (v + tau2)).sum()) == pytest.approx(se, rel=1e-9)
        assert 1 / np.sqrt((1 / (v + summary.tau2_high)).sum()) == pytest.approx(reading.se_high, rel=1e-9)
        reach = Z * np.sqrt(reading.se**2 + summary.tau2)
        assert (summary.pi_low, summary.pi_high) == pytest.approx((cell.estimate - reach, cell.estimate + reach))


def test_public_counts_have_their_own_variance_and_number(ev, results):
    checked = 0
    for result in results.values():
        studies = result.summary.studies.set_index("study")
        # A study whose two arms count has only one of them in the public counts.
        listed = result.cell.public[result.cell.public.listed]
        for study in listed[listed.study.map(studies.arms).str.len() == 1].itertuples():
            # The report's own number, be it of patches where Table 2 has patients.
            row = studies.loc[study.study]
            assert (row.n, row.events) == (study.n, study.events)
            p = study.events / study.n
            assert row.v == pytest.approx(p * (1 - p) / study.n)
            checked += 1
        unknown = studies[studies.events.isna()]
        rate = result.cell.estimate
        assert unknown.v.to_numpy() == pytest.approx((rate * (1 - rate) / unknown.n).to_numpy())
    assert checked >= 8


# --- Participants -----------------------------------------------------------------------------------------


def test_one_reading_of_the_studies_meets_every_total_of_monotherapy(ev):
    found = participants.sizes(ev, "monotherapy")
    assert found.totals.met.all()
    assert (found.totals.n == found.totals.patients).all()
    assert (found.totals.listed != found.totals.patients).any(), "those who completed would do without any search"
    assert len(found.otherwise) == 1
    assert len(found.otherwise[0]) == found.departures < found.next_departures


def test_totals_that_no_reading_meets_together_are_named(ev):
    found = participants.sizes(ev, "phototherapy")
    unmet = found.totals[~found.totals.met]
    assert list(unmet.claim) == ["results-phototherapy-total-ge25"]
    assert len(found.otherwise) == 2
    assert found.otherwise[0] != found.otherwise[1]


def test_a_total_is_the_sum_of_the_arms_that_the_solution_gives(ev):
    for regimen in ("monotherapy", "phototherapy"):
        found = participants.sizes(ev, regimen)
        n = found.arms.groupby("study").n.sum()
        for row in found.totals.itertuples():
            assert n[list(row.studies)].sum() == row.n


def set_value(table, where, column, value):
    """A change of one value, for the fixture `edit`: in the rows whose first column is ``where``."""

    def change(rows):
        at = rows[0].index(column)
        for row in rows[1:]:
            if row[0] == where:
                row[at] = value

    return table, change


def test_a_total_that_is_changed_changes_what_adds_up(ev, data, edit):
    edit(*set_value("published_rates", "results-monotherapy-total-ge50", "patients", "618"))
    found = participants.sizes(load(data), "monotherapy")
    same = participants.sizes(ev, "monotherapy")
    assert found.departures > same.departures or not found.totals.met.all()


def test_participants_by_site_add_up_to_the_printed_totals_within_their_ranges(ev):
    for stratum in ("face_neck", "trunk_extremities", "hands_feet"):
        row = participants.members(ev, "monotherapy", stratum)
        frame = row.frame
        assert ((frame.least <= frame.n) & (frame.n <= frame.largest)).all()
        assert row.totals.met.any()
        for total in row.totals[row.totals.met].itertuples():
            of = frame.review_ref.isin(reference_numbers(total.refs))
            assert frame.n[of].sum() == total.patients
    unmet = participants.members(ev, "monotherapy", "trunk_extremities").totals
    assert list(unmet.patients[~unmet.met]) == [ev.cell("monotherapy", "ge75", "trunk_extremities").patients]


def test_what_two_totals_leave_for_one_study_is_its_number(ev):
    frame = participants.members(ev, "monotherapy", "hands_feet").frame.set_index("review_ref")
    row, text = (ev.cell("monotherapy", threshold, "hands_feet") for threshold in ("ge75", "ge25"))
    (left,) = set(row.refs) - set(text.refs)
    assert frame.n[left] == frame.least[left] == frame.largest[left] == row.patients - text.patients


# --- The update -------------------------------------------------------------------------------------------


def as_printed(events, n, known):
    """What a reader has of a review: its rate and interval to a tenth of a percent, sizes, and some of the counts."""
    pooled = pool_proportions(events, n)
    numbers = np.clip(np.round([pooled.estimate, pooled.ci_low, pooled.ci_high], 3), 0, 1)
    reading = read_interval(numbers, (1, 1, 1))
    estimate = float(numbers[0])
    y = np.where(known, events / n, np.nan)
    rate = np.where(known, y, estimate)
    studies = pd.DataFrame({"n": n, "events": np.where(known, events, np.nan), "y": y, "v": rate * (1 - rate) / n})
    v = studies.v[studies.v > 0].to_numpy()
    tau2 = implied_tau2(v, reading.se)
    return Summary(estimate, reading, studies, tau2, tau2, tau2, np.nan, np.nan)


def simulate(rng, k):
    n = rng.integers(12, 61, k)
    mean, sd = rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.25)
    size = mean * (1 - mean) / sd**2 - 1
    return rng.binomial(n, rng.beta(mean * size, (1 - mean) * size, k)), n


def weighed(events, n):
    return (events > 0) & (events < n)


def test_with_all_counts_public_the_update_is_pooling_everything():
    rng = np.random.default_rng(5)
    for _ in range(50):
        (old, n_old), (new, n_new) = simulate(rng, 12), simulate(rng, 4)
        summary = as_printed(old, n_old, np.ones(12, dtype=bool))
        if summary.reading.kind == "no interval":
            continue
        updated = update(summary, new, n_new)
        full = pool_proportions(np.concatenate([old, new]), np.concatenate([n_old, n_new]))
        for name in ("estimate", "se", "ci_low", "ci_high", "pi_low", "pi_high", "tau2"):
            assert getattr(updated, name) == pytest.approx(getattr(full, name), rel=1e-9, abs=1e-12)
        assert updated.tau2_from == "both"


@pytest.mark.parametrize("public", [0, 4])
def test_an_update_from_rounded_print_is_near_to_pooling_everything(public):
    rng = np.random.default_rng(11)
    off, width = [], []
    for _ in range(400):
        (old, n_old), (new, n_new) = simulate(rng, 18), simulate(rng, 3)
        if not weighed(old, n_old).all():
            # Print does not tell which studies had no weight.
            continue
        updated = update(as_printed(old, n_old, np.arange(18) < public), new, n_new)
        full = pool_proportions(np.concatenate([old, new]), np.concatenate([n_old, n_new]))
        off.append((updated.estimate - full.estimate) / full.se)
        width.append(updated.se / full.se - 1)
    off, width = np.array(off), np.array(width)
    assert len(off) > 100
    # In standard errors of the full result: off by a twentieth in the mean, hardly ever by a fifth.
    assert np.abs(off).mean() < 0.06
    assert np.quantile(np.abs(off), 0.95) < 0.2
    assert np.quantile(np.abs(width), 0.95) < 0.06


def test_one_new_arm_leaves_tau2_to_print_and_two_do_not():
    rng = np.random.default_rng(2)
    old, n_old = simulate(rng, 15)
    summary = as_printed(old, n_old, np.zeros(15, dtype=bool))
    one = update(summary, [9], [30])
    assert (one.tau2_from, one.tau2) == ("print", summary.tau2)
    two = update(summary, [1, 28], [30, 30])
    assert two.tau2_from == "both"
    assert two.tau2 > summary.tau2


def test_two_arms_of_one_study_are_one_study(results):
    result = results["monotherapy", "ge50", "children"]
    new = result.cell.new
    assert new.study.nunique() == 1 < len(new)
    assert result.updated.k_new == 1 and result.updated.tau2_from == "print"
    assert result.updated == update(result.summary, [new.events.sum()], [new.n.sum()])


def test_public_counts_that_contradict_print_are_noticed():
    rng = np.random.default_rng(8)
    old, n_old = simulate(rng, 12)
    summary = as_printed(old, n_old, np.zeros(12, dtype=bool))
    assert 0 <= update(summary, [], []).rest <= 1
    studies = summary.studies.copy()
    y = np.where(summary.estimate < 0.5, 0.97, 0.03)
    studies.loc[:9, "y"] = y
    studies.loc[:9, "v"] = y * (1 - y) / studies.n[:10]
    assert not 0 <= update(replace(summary, studies=studies), [], []).rest <= 1


def test_without_new_arms_the_printed_rate_stays_as_it_is():
    rng = np.random.default_rng(3)
    summary = as_printed(*simulate(rng, 15), np.zeros(15, dtype=bool))
    updated = update(summary, [], [])
    assert updated.estimate == pytest.approx(summary.estimate)
    assert updated.se == pytest.approx(summary.reading.se)
    assert updated.new is None and np.isnan(updated.p)


def test_an_arm_at_zero_has_no_weight_as_in_the_method_of_the_review():
    rng = np.random.default_rng(4)
    summary = as_printed(*simulate(rng, 15), np.zeros(15, dtype=bool))
    assert update(summary, [9, 0], [30, 25]) == update(summary, [9], [30])


def test_a_rate_without_an_interval_waits_for_two_new_arms(results):
    summary = results["monotherapy", "ge75", "hands_feet"].summary
    assert summary.reading.kind == "no interval"
    assert update(summary, [3], [20]) is None
    updated = update(summary, [3, 5], [20, 25])
    assert updated.estimate == pytest.approx(pool([0.15, 0.2], [0.15 * 0.85 / 20, 0.2 * 0.8 / 25]).estimate)


def test_a_block_without_tau2_keeps_the_printed_error():
    v = np.full(5, 0.01)
    studies = pd.DataFrame({"n": 20.0, "events": np.nan, "y": np.nan, "v": v})
    reading = read_interval((0.3, 0.25, 0.35), (1, 1, 1))
    summary = Summary(0.3, reading, studies, implied_tau2(v, reading.se), np.nan, np.nan, np.nan, np.nan)
    assert np.isnan(summary.tau2)
    assert update(summary, [], []).se == pytest.approx(reading.se)


def test_the_test_of_new_against_old_is_that_between_two_groups():
    rng = np.random.default_rng(6)
    (old, n_old), (new, n_new) = simulate(rng, 12), simulate(rng, 5)
    updated = update(as_printed(old, n_old, np.ones(12, dtype=bool)), new, n_new)
    y = [np.divide(e, n)[weighed(e, n)] for e, n in ((old, n_old), (new, n_new))]
    v = [p * (1 - p) / n[weighed(e, n)] for p, (e, n) in zip(y, ((old, n_old), (new, n_new)), strict=True)]
    # One tau² within both groups: the sum of their excesses over the sum of their scatters.
    parts = [pool(a, b) for a, b in zip(y, v, strict=True)]
    scatter = sum((1 / b).sum() - (1 / b**2).sum() / (1 / b).sum() for b in v)
    tau2 = max(sum(p.q - p.q_df for p in parts) / scatter, 0)
    means = [pool(a, b + tau2, tau2="FE") for a, b in zip(y, v, strict=True)]
    q, _, p = between_groups([m.estimate for m in means], [m.se**2 for m in means])
    assert updated.z**2 == pytest.approx(q)
    assert updated.p == pytest.approx(p)


def test_every_cell_with_new_counts_is_updated_and_no_other(results):
    for result in results.values():
        new = published.by_study(result.cell.new)
        fresh = weighed(new.events, new.n)
        if result.updated is None:
            assert not fresh.any()
            continue
        assert result.updated.k_new == fresh.sum()
        assert (result.answer is result.updated) == bool(fresh.any())
        if fresh.any():
            between = sorted([result.cell.estimate, result.updated.new.estimate])
            assert between[0] - 1e-9 <= result.updated.estimate <= between[1] + 1e-9


def test_the_edition_of_the_original_search_has_no_update():
    original = published.results(load(ROOT / "data", "2018-08-06"))
    assert len(original) == 24
    assert all(result.answer is result.cell and not result.news for result in original.values())


# --- News -------------------------------------------------------------------------------------------------


def test_every_rule_is_met_on_its_margin_and_not_short_of_it(results):
    cell = results["monotherapy", "ge50", "children"].cell
    updated = update(results["monotherapy", "ge50", "children"].summary, [30, 31], [40, 40])
    moved = 100 * abs(updated.estimate - cell.estimate)
    narrowed = 100 * (1 - (updated.ci_high - updated.ci_low) / (cell.ci_high - cell.ci_low))
    margins = {"moved": moved - 0.01, "outside": np.nan, "narrower": narrowed - 0.01, "first": np.nan}
    assert news(cell, updated, margins) == ["moved", "narrower"]
    assert news(cell, updated, {**margins, "moved": moved + 0.01}) == ["narrower"]
    assert news(cell, updated, {**margins, "narrower": narrowed + 0.01}) == ["moved"]


def test_an_estimate_out_of_the_updated_interval_is_news(results):
    summary = results["monotherapy", "ge75", "total"].summary
    cell = results["monotherapy", "ge75", "total"].cell
    margins = {"outside": np.nan}
    assert news(cell, update(summary, [50] * 40, [60] * 40), margins) == ["outside"]
    assert news(cell, update(summary, [9], [50]), margins) == []


def test_a_first_interval_is_news(results):
    result = results["monotherapy", "ge75", "hands_feet"]
    updated = update(result.summary, [3, 5], [20, 25])
    margins = {"moved": 5.0, "outside": np.nan, "narrower": 25.0, "first": np.nan}
    assert news(result.cell, updated, margins) == ["first"]


def test_the_margins_are_those_of_the_data(data, edit, results):
    edit(*set_value("news_margins", "moved", "margin", "1"))
    changed = published.results(load(data))
    key = ("monotherapy", "ge50", "children")
    assert "moved" not in results[key].news and "moved" in changed[key].news
