"""Imputed counts: they agree with the published rates and the bounds, and are stored under what decides them."""

from dataclasses import replace

import numpy as np
import pytest

from lib.caching import disk_cache
from lib.evidence import THRESHOLDS
from lib.published import imputation, impute
from lib.simulations import calibration
from lib.stats import pool_proportions


@pytest.fixture(scope="module")
def blocks(ev):
    return imputation.blocks(ev)


@pytest.fixture(scope="module")
def drawn(blocks):
    return [impute(block) for block in blocks]


def test_with_phototherapy_on_the_trunk_all_counts_are_tried(drawn):
    draws = next(d for d in drawn if d.block.regimen == "phototherapy" and "trunk_extremities" in d.block.groups)
    assert draws.exact and draws.solutions == 5
    assert [draws.tolerance[threshold, "trunk_extremities"] for threshold in THRESHOLDS] == [1, 1, 2]


def test_every_draw_reproduces_what_is_published(drawn):
    met = exact = 0
    for draws in drawn:
        for claim in draws.block.rates:
            within = draws.tolerance[claim.threshold, claim.group]
            if within != within:
                continue
            x = draws.events[:, claim.included, THRESHOLDS.index(claim.threshold)].T
            pooled = pool_proportions(x, draws.n[:, claim.included].T)
            got = np.array([pooled.estimate, pooled.ci_low, pooled.ci_high])
            off = np.nanmax(np.abs(got - claim.published[:, None]) / claim.half_unit[:, None], axis=0)
            assert off.max() <= within + 1e-5
            met += 1
            exact += within == 1
    assert met >= 15 and exact >= 6, "hardly a published rate is reproduced"


def test_every_draw_keeps_the_bounds_and_the_order_of_the_thresholds(drawn):
    for draws in drawn:
        block, x, n = draws.block, draws.events, draws.n
        assert ((x >= block.low) & (x <= block.high)).all()
        assert (x[:, :, 0] <= n).all() and (np.diff(x, axis=2) <= 0).all()
        assert ((n >= block.least) & (n <= block.largest)).all()
        share = block.percent * n[:, :, None]
        known = ~np.isnan(share)
        assert (np.abs(x - share)[known] < 1).all()
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
        given_up = [within != within for within in draws.tolerance.values()]
        assert draws.converged or all(given_up)
        assert len(draws.events) == 0 or len(draws.events) >= 50
        assert draws.exact or draws.solutions == 0
    hands = next(d for d in drawn if "hands_feet" in d.block.groups)
    assert all(within != within for within in hands.tolerance.values())
    assert hands.ranges("ge25").empty


def small(blocks):
    return next(b for b in blocks if b.regimen == "phototherapy" and "trunk_extremities" in b.groups)


def test_the_same_seed_gives_the_same_draws_cached_or_computed_anew(blocks, tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "CACHE_FOLDER", tmp_path / "cache")
    made = impute(small(blocks), draws=80, seed=7)
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 1
    again = impute(small(blocks), draws=80, seed=7)
    monkeypatch.setattr(disk_cache, "CACHE_FOLDER", tmp_path / "none")
    anew = impute(small(blocks), draws=80, seed=7)
    for other in (again, anew):
        assert np.array_equal(made.events, other.events) and np.array_equal(made.n, other.n)
        assert list(made.tolerance) == list(other.tolerance)
        assert np.array_equal([*made.tolerance.values()], [*other.tolerance.values()], equal_nan=True)
        assert made.rhat == other.rhat
    assert not np.array_equal(made.events, impute(small(blocks), draws=80, seed=8).events)


@pytest.fixture(scope="module")
def simulated():
    """A simulated review with several solutions, all counts of which are tried at once."""
    return calibration.review(np.random.default_rng(5), "own", 4, available=0, least=9, largest=14)[0]


def test_a_store_that_cannot_be_written_costs_no_result(simulated, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(disk_cache, "CACHE_FOLDER", tmp_path / "file" / "draws")
    assert len(impute(simulated, draws=80, seed=7).events)


def test_a_spoiled_store_is_made_anew(simulated, tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "CACHE_FOLDER", tmp_path)
    made = impute(simulated, draws=80, seed=7)
    assert made.solutions > 1
    (path,) = tmp_path.glob("*.npz")
    whole = path.read_bytes()
    for spoiled in (b"", whole[: len(whole) // 2], b"no archive"):
        path.write_bytes(spoiled)
        assert np.array_equal(made.events, impute(simulated, draws=80, seed=7).events)
        assert path.read_bytes() == whole


def test_with_nothing_unknown_or_nothing_published_there_are_no_draws(blocks):
    block = small(blocks)
    known = replace(block, low=block.high)
    silent = replace(block, rates=())
    for one in (known, silent):
        draws = impute(one, draws=80)
        assert not len(draws.events) and not draws.converged and draws.ranges("ge75").empty
    with pytest.raises(ValueError, match="at least 1"):
        impute(block, draws=0)


def test_other_bounds_are_other_draws(simulated, tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "CACHE_FOLDER", tmp_path)
    block = simulated
    high = block.high.copy()
    high[0] = np.minimum(high[0], high[0] - 1)
    for number, (of, seed) in enumerate([(block, 1), (block, 2), (replace(block, high=high), 1)], start=1):
        impute(of, draws=80, seed=seed)
        assert len(list(tmp_path.glob("*.npz"))) == number
