"""Imputed counts: what bounds them, that they agree with the published rates, and that their ranges can be trusted."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from conftest import ROOT
from lib.caching import disk_cache
from lib.evidence import THRESHOLDS, load
from lib.published import Draws, chain, count_model, imputation, impute, rates, sampler
from lib.published.enumeration import Enumeration, TooLargeError
from lib.report.chapters import imputed_counts
from lib.simulations import calibration, committed
from lib.simulations.chain_accuracy import total_variation
from lib.stats import pool_proportions


@pytest.fixture(scope="module")
def ev():
    return load(ROOT / "data")


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


# --- What bounds a count ----------------------------------------------------------------------------------


def test_every_cell_with_an_interval_is_a_claim_of_one_block(ev, blocks):
    claims = [(b.regimen, c.threshold, c.group) for b in blocks for c in b.claims]
    printed = [(c.regimen, c.threshold, c.group) for c in ev.all_outcomes() if c.ci_high == c.ci_high]
    assert sorted(claims) == sorted(printed)


def test_reported_counts_are_fixed_and_are_those_of_the_tables(ev, blocks):
    block = find(blocks, "monotherapy", "total")
    rows = ev.counts().query("role == 'monotherapy' and site == 'all' and edition == 'original' and subtype == ''")
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
    claims = {c.threshold: c for c in find(blocks, "monotherapy", "face_neck").claims}
    assert np.isnan(claims["ge25"].printed).tolist() == [False, True, False]
    assert not np.isnan(claims["ge75"].printed).any()


# --- The model --------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(1, 80), st.floats(0, 1)), min_size=1, max_size=12),
)
def test_the_fast_pooling_of_the_model_is_pooling(studies):
    n = np.array([size for size, _ in studies], dtype=float)
    x = np.round(n * np.array([share for _, share in studies]))
    estimate, se, tau2 = count_model.pooled(*count_model.effects(x[:, None], n[:, None]))
    if not ((x > 0) & (x < n)).any():
        assert (estimate, se) == (0, 0)
        return
    pooled = pool_proportions(x, n)
    assert estimate[0] == pytest.approx(pooled.estimate, rel=1e-9)
    assert se[0] == pytest.approx(pooled.se, rel=1e-9)
    assert tau2[0] == pytest.approx(pooled.tau2, rel=1e-9, abs=1e-12)


def test_the_prior_is_marginal_over_its_mean_and_concentration():
    prior = count_model.Prior(20)
    of, x = np.array([20, 9, 14]), np.array([7, 3, 0])

    def density(log_size, mean):
        size = np.exp(log_size)
        counts = stats.betabinom.pmf(x, of, mean * size, (1 - mean) * size).prod()
        return counts * stats.norm.pdf(log_size, np.log(count_model.CONCENTRATION), count_model.SPREAD)

    expected, _ = integrate.dblquad(density, 0, 1, -5, 9)
    assert np.exp(prior.log_marginal(of[:, None], x[:, None])[0]) == pytest.approx(expected, rel=1e-4)


def test_what_the_chain_keeps_of_its_states_is_what_they_give_anew(blocks):
    for block in blocks:
        states = chain.Chain(block, 8, np.random.default_rng(3))
        for _ in range(3):
            states.sweep()
        anew = count_model.distances(block, states.n, states.x)
        assert np.allclose(states.off, anew, rtol=1e-9, atol=1e-9)
        assert ((np.diff(states.x, axis=0) <= 0).all()) and (states.x[0] <= states.n).all()


# --- Small problems: enumeration, and the chain compared with it --------------------------------------------


def tiny(seed, studies=None, public=None, least=9, largest=20):
    rng = np.random.default_rng(seed)
    studies = studies or int(rng.integers(3, 7))
    public = int(rng.integers(0, 3)) if public is None else public
    return calibration.review(rng, "own", studies, public=public, least=least, largest=largest)


def test_enumeration_finds_what_trying_all_counts_one_by_one_finds():
    several = 0
    for seed in range(6):
        block, _ = tiny(seed, studies=3, public=0, least=4, largest=7)
        claims = {c.degree: c for c in block.claims}
        agreeing = []
        for degree in range(3):
            found = []
            for x in itertools.product(*(range(int(n) + 1) for n in block.n)):
                x = np.array(x, dtype=float)
                if not ((x > 0) & (x < block.n)).any():
                    continue
                pooled = pool_proportions(x, block.n)
                values = np.array([pooled.estimate, pooled.ci_low, pooled.ci_high])
                claim = claims[degree]
                if np.nanmax(np.abs(values - claim.printed) / claim.half) <= 1 + 1e-6:
                    found.append(x)
            agreeing.append(found)
        joint = {
            tuple(map(tuple, (a, b, c)))
            for a, b, c in itertools.product(*agreeing)
            if (b <= a).all() and (c <= b).all()
        }
        events, _, chance = Enumeration(block).all()
        assert {tuple(map(tuple, counts.T.astype(float))) for counts in events} == joint
        assert chance.sum() == pytest.approx(1)
        several += len(joint) > 1
    assert several >= 2


def test_exact_draws_follow_the_enumerated_distribution_and_no_reachable_rate_is_given_up():
    compared, rng = 0, np.random.default_rng(1)
    for seed in range(80):
        block, truth = tiny(seed)
        try:
            exact = Enumeration(block)
        except TooLargeError:
            continue
        draws = impute(block, draws=1000, seed=seed)
        assert draws.exact and draws.converged and set(draws.within.values()) == {1.0}
        events, _, chance = exact.all()
        place = {counts.astype(int).tobytes(): i for i, counts in enumerate(events)}
        assert truth.astype(int).tobytes() in place
        several = [draws.events, *(exact.draw(1000, rng)[0] for _ in range(9))]
        at = [[place[np.ascontiguousarray(x.astype(int)).tobytes()] for x in events] for events in several]
        frequencies = np.array([np.bincount(one, minlength=len(chance)) for one in at])
        noise = total_variation(rng.multinomial(1000, chance, size=200), chance).mean()
        assert total_variation(frequencies, chance).mean() <= 2 * noise + 1e-12
        compared += 1
    assert compared >= 50


def test_the_chain_is_as_near_to_enumeration_as_the_calibration_page_says():
    rows = committed.results("chain_accuracy")
    found = rows[rows.method == "chain"]
    assert len(found) >= 50
    told = imputed_counts.chain_accuracy(rows)
    assert f"{found.reproduced.sum()} of {len(found)}" in told
    reached = found[found.reproduced]
    assert f"{(reached.variation <= 2 * reached.noise + 1e-12).sum()} of {len(reached)}" in told
    exact = rows[rows.method == "exact"]
    assert exact.reproduced.all() and exact.variation.mean() < 1.5 * exact.noise.mean()


def test_counts_for_children_are_found_at_75_percent(drawn):
    draws = next(d for d in drawn if d.block.regimen == "monotherapy" and "children" in d.block.groups)
    assert draws.within["ge75", "children"] <= 4
    assert all(within <= count_model.WIDEST for within in draws.within.values())


def test_with_phototherapy_on_the_trunk_all_counts_are_tried(drawn):
    draws = next(d for d in drawn if d.block.regimen == "phototherapy" and "trunk_extremities" in d.block.groups)
    assert draws.exact and draws.solutions == 5
    assert [draws.within[threshold, "trunk_extremities"] for threshold in THRESHOLDS] == [1, 1, 2]


def test_where_all_counts_were_tried_the_page_says_that_there_are_none(drawn):
    hands = next(d for d in drawn if "hands_feet" in d.block.groups)
    assert hands.exact
    told = imputed_counts.not_reproduced([hands])
    assert "there are no counts" in told and "Markov" not in told
    trunk = next(d for d in drawn if d.block.regimen == "monotherapy" and "trunk_extremities" in d.block.groups)
    assert not trunk.exact
    told = imputed_counts.not_reproduced([trunk])
    assert "no proof" in told and "all possible counts" not in told
    reproduced = [d for d in drawn if not any(within != within for within in d.within.values())]
    assert "no counts" not in imputed_counts.not_reproduced(reproduced)


# --- The draws --------------------------------------------------------------------------------------------


def test_every_draw_reproduces_what_is_printed(drawn):
    met = exact = 0
    for draws in drawn:
        for claim in draws.block.claims:
            within = draws.within[claim.threshold, claim.group]
            if within != within:
                continue
            x = draws.events[:, claim.of, THRESHOLDS.index(claim.threshold)].T
            pooled = pool_proportions(x, draws.n[:, claim.of].T)
            got = np.array([pooled.estimate, pooled.ci_low, pooled.ci_high])
            off = np.nanmax(np.abs(got - claim.printed[:, None]) / claim.half[:, None], axis=0)
            assert off.max() <= within + 1e-5
            met += 1
            exact += within == 1
    assert met >= 15 and exact >= 6, "hardly a printed rate is reproduced"


def test_every_draw_keeps_the_bounds_and_the_order_of_the_degrees(drawn):
    for draws in drawn:
        block, x, n = draws.block, draws.events, draws.n
        assert ((x >= block.low) & (x <= block.high)).all()
        assert (x[:, :, 0] <= n).all() and (np.diff(x, axis=2) <= 0).all()
        assert ((n >= block.least) & (n <= block.largest)).all()
        share = block.percent * n[:, :, None]
        told = ~np.isnan(share)
        assert (np.abs(x - share)[told] < 1).all()
        assert (x == np.round(x)).all() and (n == np.round(n)).all()


def test_participants_by_site_keep_their_totals_in_every_draw(drawn):
    several = 0
    for draws in drawn:
        block = draws.block
        if not len(block.shifts) or not len(draws.n):
            continue
        several += len(np.unique(draws.n, axis=0)) > 1
        free = np.linalg.matrix_rank(block.shifts)
        assert np.linalg.matrix_rank(draws.n - block.n) <= free
    assert several


def test_the_draws_converge_and_a_rate_that_no_counts_reproduce_is_given_up(drawn):
    for draws in drawn:
        given_up = [within != within for within in draws.within.values()]
        assert draws.converged or all(given_up)
        assert len(draws.events) == 0 or len(draws.events) >= 50
        assert draws.exact or draws.solutions == 0
    hands = next(d for d in drawn if "hands_feet" in d.block.groups)
    assert all(within != within for within in hands.within.values())
    assert hands.ranges("ge25").empty


def test_populations_that_stay_apart_are_not_called_converged(blocks):
    state = np.repeat(np.arange(chain._STATES), 10)
    group = state * chain.POPULATIONS // chain._STATES
    rng = np.random.default_rng(1)
    alike = rng.normal(size=(len(state), 3))
    assert chain.compare_populations(state, alike) < sampler.GOOD_RHAT
    assert chain.compare_populations(state, alike + 2 * group[:, None]) > sampler.GOOD_RHAT
    assert chain.compare_populations(state[group > 0], alike[group > 0]) == np.inf
    # States that never move say less than as many independent draws, but do not stand against each other.
    assert chain.compare_populations(state, rng.normal(size=(chain._STATES, 3))[state]) < sampler.GOOD_RHAT
    events = np.zeros((5, len(blocks[0].n), 3))
    assert not Draws(blocks[0], events, blocks[0].n[None], {}, 3.0).converged
    assert Draws(blocks[0], events, blocks[0].n[None], {}, 3.0).ranges("ge75").empty


def small(blocks):
    return find(blocks, "phototherapy", "trunk_extremities")


def test_the_same_seed_gives_the_same_draws_kept_or_made_anew(blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "_STORE", tmp_path / "kept")
    made = impute(small(blocks), draws=80, seed=7)
    assert len(list((tmp_path / "kept").glob("*.npz"))) == 1
    again = impute(small(blocks), draws=80, seed=7)
    monkeypatch.setattr(disk_cache, "_STORE", tmp_path / "none")
    anew = impute(small(blocks), draws=80, seed=7)
    for other in (again, anew):
        assert np.array_equal(made.events, other.events) and np.array_equal(made.n, other.n)
        assert list(made.within) == list(other.within)
        assert np.array_equal([*made.within.values()], [*other.within.values()], equal_nan=True)
        assert made.rhat == other.rhat
    assert not np.array_equal(made.events, impute(small(blocks), draws=80, seed=8).events)


def test_a_store_that_cannot_be_written_costs_no_result(blocks, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(disk_cache, "_STORE", tmp_path / "file" / "draws")
    assert len(impute(small(blocks), draws=80, seed=7).events)


def test_a_spoiled_store_is_made_anew(blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "_STORE", tmp_path)
    made = impute(small(blocks), draws=80, seed=7)
    (path,) = tmp_path.glob("*.npz")
    whole = path.read_bytes()
    for spoiled in (b"", whole[: len(whole) // 2], b"no archive"):
        path.write_bytes(spoiled)
        assert np.array_equal(made.events, impute(small(blocks), draws=80, seed=7).events)
        assert path.read_bytes() == whole


def test_with_nothing_unknown_or_nothing_printed_there_are_no_draws(blocks):
    block = small(blocks)
    known = replace(block, low=block.high)
    silent = replace(block, claims=())
    for one in (known, silent):
        draws = impute(one, draws=80)
        assert not len(draws.events) and not draws.converged and draws.ranges("ge75").empty
    with pytest.raises(ValueError, match="at least 1"):
        impute(block, draws=0)


def test_draws_that_did_not_converge_are_of_no_use(ev, drawn):
    outcome = ev.outcome("phototherapy", "ge75")
    draws = next(d for d in drawn if d.block.regimen == "phototherapy" and "total" in d.block.groups)
    apart = replace(draws, rhat=1.5)
    assert imputation.update_over_draws(draws, outcome) is not None
    assert imputation.update_over_draws(apart, outcome) is None
    assert imputation.most_wanted([outcome], [apart]).empty


# --- Counts that a maintainer enters ----------------------------------------------------------------------


def enter(edit, *counts):
    """Enter full-text counts of original studies: (study, arm, site, population, threshold, n, events)."""

    def add(rows):
        for study, name, site, population, threshold, n, events in counts:
            row = dict.fromkeys(rows[0], "")
            row |= {"study": study, "arm": name, "site": site, "population": population, "threshold": threshold}
            row |= {"months": "3", "unit": "patients", "n": str(n), "events": str(events), "basis": "stated"}
            row |= {"confidence": "high", "poolable": "yes", "source": "synthetic", "source_kind": "full_text"}
            rows.append([row[column] for column in rows[0]])

    edit("responses", add)


def followed(data):
    """The whole way of a count, from the tables to the results and the blocks."""
    then = load(data)
    return rates.results(then), imputation.blocks(then)


def test_a_full_text_count_takes_the_place_of_a_range(data, edit):
    enter(edit, ("roy2016", "tacrolimus", "all", "all", "ge75", 44, 8))
    results, made = followed(data)
    summary = results["monotherapy", "ge75", "total"].summary
    row = summary.studies[summary.studies.study == "roy2016"].iloc[0]
    assert (row.rate, row.n) == (8 / 44, 44)
    block = find(made, "monotherapy", "total")
    at = arm(block, "roy2016")
    assert block.low[at, 2] == block.high[at, 2] == 8 and block.reported[at, 2]
    assert (block.low[at, 0], block.high[at, 0]) == (8, 44)


def test_a_count_of_the_other_of_two_equal_arms_is_used(data, edit):
    enter(edit, ("lubaki2010", "pimecrolimus", "all", "all", "ge25", 20, 10))
    results, made = followed(data)
    studies = results["monotherapy", "ge25", "total"].summary.studies
    lubaki = studies[studies.study == "lubaki2010"]
    assert (lubaki.rate * lubaki.n).tolist() == pytest.approx([10])
    block = find(made, "monotherapy", "total")
    assert block.low[arm(block, "lubaki2010"), 0] == 10


def test_counts_of_two_arms_at_a_site_are_added_up_alike_everywhere(data, edit):
    arms = (("tacrolimus", 5), ("pimecrolimus", 10))
    enter(edit, *(("lubaki2010", name, "face_neck", "all", "ge75", 20, events) for name, events in arms))
    results, made = followed(data)
    studies = results["monotherapy", "ge75", "face_neck"].summary.studies.set_index("study")
    block = find(made, "monotherapy", "face_neck")
    at = arm(block, "lubaki2010")
    assert (studies.rate["lubaki2010"], studies.n["lubaki2010"]) == (15 / 40, 40)
    assert (block.low[at, 2], block.high[at, 2], block.n[at]) == (15, 15, 40)


def test_a_count_of_one_of_two_arms_that_count_is_a_lower_bound(data, edit):
    enter(edit, ("lotti2008", "tacrolimus+NBUVB", "all", "all", "ge75", 58, 20))
    results, made = followed(data)
    studies = results["phototherapy", "ge75", "total"].summary.studies.set_index("study")
    assert np.isnan(studies.rate["lotti2008"])
    block = find(made, "phototherapy", "total")
    at = arm(block, "lotti2008")
    assert block.low[at, 2] == 20 < block.high[at, 2]
    assert not block.reported[at].any()


def test_counts_that_no_printed_total_leaves_room_for_end_in_results(data, edit):
    enter(
        edit,
        ("seirafi2007", "pimecrolimus", "hands_feet", "all", "ge50", 15, 7),
        ("stinco2009", "tacrolimus", "hands_feet", "all", "ge50", 12, 6),
    )
    results, made = followed(data)
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


def test_other_bounds_are_other_draws(blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "_STORE", tmp_path)
    block = small(blocks)
    high = block.high.copy()
    high[0] = np.minimum(high[0], high[0] - 1)
    for number, (of, seed) in enumerate([(block, 1), (block, 2), (replace(block, high=high), 1)], start=1):
        impute(of, draws=80, seed=seed)
        assert len(list(tmp_path.glob("*.npz"))) == number


def test_a_key_tells_arrays_of_other_shape_type_and_order_apart():
    a = np.zeros((2, 3))
    given_of = [
        (a,),
        (a.T,),
        (a.ravel(),),
        (a.astype(np.float32).repeat(2),),
        (a[:1], a[1:]),
        (a.tobytes(),),
        ("a|b",),
        ("a", "b"),
    ]
    assert len({disk_cache.key("sampler", *given) for given in given_of}) == len(given_of)
    assert disk_cache.key("sampler", a) == disk_cache.key("sampler", a.copy())


# --- Calibration ------------------------------------------------------------------------------------------


def test_ranges_hold_as_many_withheld_counts_of_simulated_reviews_as_they_say():
    rows = committed.results("calibration")
    assert len(rows) == 200 and set(rows.prior) == set(calibration.PRIORS)
    assert rows.studies.min() == 3 and rows.studies.max() == 20
    share, error = imputed_counts.coverage_of_simulated(rows[rows.prior == "own"])
    assert share > 0.95 - 3 * error
    table = imputed_counts.calibration_by(rows, "studies", "Number of studies")
    assert len(table.frame) == 1 + rows.studies.nunique()
    assert table.frame["Reviews"].iloc[0] == 200


def test_reported_counts_lie_where_the_draws_without_them_say(blocks):
    back = pd.concat([imputation.recovered(block) for block in blocks], ignore_index=True)
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
    without = imputation.withhold(block, at)
    assert without.unknown[at].all() and not without.reported[at].any()
    assert without.n[at] == block.n[at]
    others = np.arange(len(block.n)) != at
    assert np.array_equal(without.high[others], block.high[others])


# --- What the draws are for -------------------------------------------------------------------------------


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
    claim = next(c for c in draws.block.claims if c.threshold == "ge50")
    pooled = pool_proportions(draws.events[:, claim.of, 1].T, draws.n[:, claim.of].T, transform="logit")
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
    assert not set(ranges.study) & set(outcome.public.study)
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
