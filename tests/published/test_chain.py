"""The Markov chain: its bookkeeping, and whether its populations agree."""

import numpy as np
import pytest

from lib.published import Draws, chain, chain_search, count_model, imputation, sampler


@pytest.fixture(scope="module")
def blocks(ev):
    return imputation.blocks(ev)


def test_what_the_chain_keeps_of_its_states_is_what_they_give_anew(blocks):
    for block in blocks:
        states = chain.Chain(block, 8, np.random.default_rng(3))
        for _ in range(3):
            states.sweep()
        anew = count_model.distances_from_rates(block, states.n, states.x)
        assert np.allclose(states.distance, anew, rtol=1e-9, atol=1e-9)
        assert ((np.diff(states.x, axis=0) <= 0).all()) and (states.x[0] <= states.n).all()


def test_populations_that_stay_apart_are_not_called_converged(blocks):
    state = np.repeat(np.arange(chain_search.STATES), 10)
    group = state * chain.POPULATIONS // chain_search.STATES
    rng = np.random.default_rng(1)
    alike = rng.normal(size=(len(state), 3))
    assert chain_search.compare_populations(state, alike) < sampler.GOOD_RHAT
    assert chain_search.compare_populations(state, alike + 2 * group[:, None]) > sampler.GOOD_RHAT
    assert chain_search.compare_populations(state[group > 0], alike[group > 0]) == np.inf
    # States that never move say less than as many independent draws, but do not stand against each other.
    assert chain_search.compare_populations(state, rng.normal(size=(chain_search.STATES, 3))[state]) < sampler.GOOD_RHAT
    events = np.zeros((5, len(blocks[0].n), 3))
    assert not Draws(blocks[0], events, blocks[0].n[None], {}, 3.0).converged
    assert Draws(blocks[0], events, blocks[0].n[None], {}, 3.0).ranges("ge75").empty
