"""Exact enumeration: all counts that agree, with their probabilities."""

import itertools

import numpy as np
import pytest

from lib.published import enumeration, impute
from lib.published.enumeration import Enumeration, TooLargeError
from lib.simulations import calibration
from lib.simulations.chain_accuracy import total_variation
from lib.stats import pool_proportions


def tiny(seed, studies=None, available=None, least=9, largest=20):
    rng = np.random.default_rng(seed)
    studies = studies or int(rng.integers(3, 7))
    available = int(rng.integers(0, 3)) if available is None else available
    return calibration.review(rng, "own", studies, available=available, least=least, largest=largest)


@pytest.mark.filterwarnings("ignore::lib.stats.arguments.LeftOutWarning")
def test_enumeration_finds_what_trying_all_counts_one_by_one_finds():
    several = 0
    for seed in range(6):
        block, _ = tiny(seed, studies=3, available=0, least=4, largest=7)
        claims = {c.threshold_index: c for c in block.rates}
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
                if np.nanmax(np.abs(values - claim.published) / claim.half_unit) <= 1 + 1e-6:
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


def test_exact_draws_follow_the_enumerated_distribution_and_no_reachable_rate_is_given_up(monkeypatch):
    # The few reviews with more counts to try take nine tenths of the time. These, too, have several parts (_AT_ONCE).
    monkeypatch.setattr(enumeration, "MOST_TRIED", 50 * enumeration._AT_ONCE)
    compared, rng = 0, np.random.default_rng(1)
    for seed in range(80):
        block, truth = tiny(seed)
        try:
            exact = Enumeration(block)
        except TooLargeError:
            continue
        draws = impute(block, draws=1000, seed=seed)
        assert draws.exact and draws.converged and set(draws.tolerance.values()) == {1.0}
        events, _, chance = exact.all()
        place = {counts.astype(int).tobytes(): i for i, counts in enumerate(events)}
        assert truth.astype(int).tobytes() in place
        several = [draws.events, *(exact.draw(1000, rng)[0] for _ in range(9))]
        at = [[place[np.ascontiguousarray(x.astype(int)).tobytes()] for x in events] for events in several]
        frequencies = np.array([np.bincount(one, minlength=len(chance)) for one in at])
        noise = total_variation(rng.multinomial(1000, chance, size=200), chance).mean()
        assert total_variation(frequencies, chance).mean() <= 2 * noise + 1e-12
        compared += 1
    assert compared >= 60
