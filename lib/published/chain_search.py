"""Search for counts that agree with the published rates, and sample them by the Markov chain.

Belongs here: finding the reachable tolerances, the starting states and the number of sweeps, and checking that the
populations agree.
Does not belong here: how the states move (`chain`), and when a block is enumerated instead (`sampler`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.published.chain import POPULATIONS, Chain
from lib.published.count_model import WIDEST, Block, distances_from_rates, effects, pooled

STATES = 64
"""Number of states of the chain."""
# Settings of the sampling. `_SAMPLES`: samples of each half of the studies that a move combines; `_SAMPLES_OF_FEW`: the
# same where few counts are possible. `_LIMIT`: a pair is skipped if its estimate, at fixed tau2, is further than this
# from the published one, in units of its rounding.
_SAMPLES, _SAMPLES_OF_FEW, _LIMIT = 192, 600, 4
# Expected number of draws per sweep; it sets the number of sweeps.
_PER_SWEEP = 10
# Stages of the search, in groups; each stage is (power of the distance, power of the prior, number of sweeps). A later
# group runs only while some rate is not reproduced to its last digit. Of each group only the states after its last
# `_EXAMINED_SWEEPS` sweeps are used.
_SEARCH = (((4, 1.0, 8), (8, 1.0, 6)), ((16, 0.25, 10),), ((32, 0.5, 6),) * 3, ((32, 1.0, 6),) * 4)
_EXAMINED_SWEEPS = 6
# Preliminary phase, for blocks whose numbers of participants are not published: successive tolerances, sweeps at each,
# and moves of participants in each sweep.
_LOOSE, _LOOSE_SWEEPS, _LOOSE_SHIFTS = (64, 16, 4), 5, 80
# A tolerance is reachable if at least this many of the examined states lie within it.
_ENOUGH_STATES = 8
# Powers of the distance to try for sampling, in this order, each for `_SETTLE` sweeps. The first is used at which at
# least the share `_SHARE_INSIDE` of the states is within all tolerances.
_POWERS, _SHARE_INSIDE, _SETTLE = (4, 8, 16, 32, 64), 0.05, 10


def sample(block: Block, draws: int, rng: np.random.Generator) -> dict:
    """Sample counts that agree with the published rates.

    Parameters
    ----------
    block : Block
        The studies, bounds and published rates.
    draws : int
        Largest number of draws; the result has fewer if the chain seldom reproduces all rates.
    rng : numpy Generator
        The source of random numbers.

    Returns
    -------
    dict
        ``events``, shape (d, k, 3); ``n``, shape (d, k); ``state``, shape (d,): index of the state that each draw comes
        from; ``tolerance``: the smallest tolerance of each reproduced rate, by its index in the block, in units of
        rounding. Tolerances are lowered one rate at a time while at least `_ENOUGH_STATES` states remain within all of
        them.
    """
    chain = Chain(block, STATES, rng)
    targets = chain.targets
    _spread(chain)
    tolerance: dict[int, int] = {}
    while not tolerance and len(targets.active()):
        examined: list[tuple] = []
        for repeated, stages in enumerate(_SEARCH):
            if repeated == 1:
                _start_near(chain)
            examined += _search(chain, stages, copy=repeated > 0)
            distance = np.concatenate([states[0] for states in examined], axis=1)
            tolerance = _least_tolerances(distance, targets.active())
            if tolerance and max(tolerance.values()) == 1:
                break
        if not tolerance:
            targets.tolerance[_conflict(block, distance, targets.active())] = np.inf
    reproducing: list[tuple] = []
    if tolerance:
        targets.tolerance[list(tolerance)] = list(tolerance.values())
        _settle(chain, [np.concatenate(values, axis=-1) for values in zip(*examined, strict=True)])
        for _ in range(max(int(draws / _PER_SWEEP), 1)):
            chain.sweep()
            inside = targets.reproduced(chain.distance)
            reproducing.append((chain.x[:, :, inside], chain.n[:, inside], chain.all_states[inside]))
    if not sum(len(state) for _, _, state in reproducing):
        none = np.empty((0, len(block.n)))
        return {"events": np.empty((*none.shape, 3)), "n": none, "state": np.empty(0, int), "tolerance": tolerance}
    x, n, state = (np.concatenate(values, axis=-1) for values in zip(*reproducing, strict=True))
    thinned = np.linspace(0, len(state) - 1, min(draws, len(state))).round().astype(int)
    events, n = x[..., thinned].transpose(2, 1, 0).astype(float), n[:, thinned].T.astype(float)
    return {"events": events, "n": n, "state": state[thinned], "tolerance": tolerance}


def compare_populations(state: np.ndarray, values: np.ndarray) -> float:
    """Return a convergence diagnostic (R-hat) across the populations of states.

    Parameters
    ----------
    state : ndarray of int, shape (d,)
        Index of the state that each draw comes from.
    values : ndarray, shape (d, m)
        The draws.

    Returns
    -------
    float
        Largest ratio of total to within-population spread over the columns; infinite if a population has fewer than
        two draws.

    Notes
    -----
    This is R-hat (Brooks & Gelman 1998, doi:10.1080/10618600.1998.10474787), with the variance between population means
    reduced by the part that chance explains. Draws of one state are correlated, so that part is estimated from the
    variation between the states of a population.
    """
    population = state * POPULATIONS // STATES
    groups = [values[population == i] for i in range(POPULATIONS)]
    if min(len(group) for group in groups) < 2:
        return np.inf
    means = np.array([group.mean(axis=0) for group in groups])
    within = np.mean([group.var(axis=0, ddof=1) for group in groups], axis=0)
    chance = 0.0
    for i, (group, mean) in enumerate(zip(groups, means, strict=True)):
        own = state[population == i]
        totals = np.array([(group[own == one] - mean).sum(axis=0) for one in np.unique(own)])
        chance = chance + (totals**2).sum(axis=0) / len(group) ** 2 / POPULATIONS
    between = np.maximum(means.var(axis=0, ddof=1) - chance, 0.0)
    differs = between > 1e-12
    if (differs & (within <= 1e-12)).any():
        return np.inf
    ratio = np.sqrt(1 + np.divide(between, within, out=np.zeros_like(within), where=within > 1e-12))
    return float(ratio.max(initial=1.0))


def _spread(chain: Chain) -> None:
    """Vary the numbers of participants at loose tolerances, because few such moves are possible close to the rates."""
    for loose in _LOOSE if len(chain.block.shifts) else ():
        chain.targets.tolerance[:] = loose
        for _ in range(_LOOSE_SWEEPS):
            chain.sweep(_LOOSE_SHIFTS)
    chain.targets.tolerance[:] = 1.0


def _start_near(chain: Chain) -> None:
    """Restart from counts near those rates for which all possible counts could be tried."""
    limits = chain.block.limits
    for t in (2, 1, 0) if chain.small else ():
        low = limits(chain.n.T, t)[0].T.astype(int)
        high = np.min([limits(chain.n.T, lower)[1] for lower in range(t + 1)], axis=0).T.astype(int)
        least = np.maximum(low, chain.x[t + 1]) if t < 2 else low
        chain.x[t] = np.clip(chain.x[t], least, high)
        for small in set(chain.targets.at_threshold(t)) & set(chain.small):
            counts, distance = chain.small[small]
            part = chain.block.rates[small].included
            for state in chain.all_states:
                inside = (counts >= least[part, state, None]) & (counts <= high[part, state, None])
                fits = np.flatnonzero(inside.all(axis=0))
                if len(fits):
                    chance = np.maximum(distance[fits], 1.0) ** -4
                    chain.x[t][part, state] = counts[:, chain.rng.choice(fits, p=chance / chance.sum())]
    chain.distance = distances_from_rates(chain.block, chain.n, chain.x)


def _search(chain: Chain, stages: Sequence[tuple], copy: bool) -> list[tuple]:
    """Move the states towards the published rates, and return those after each of the last `_EXAMINED_SWEEPS` sweeps.

    If ``copy``, the half of each population that is furthest from the rates is replaced by copies of the other half
    after each stage.
    """
    examined: list[tuple] = []
    for chain.targets.power, chain.prior_power, sweeps in stages:
        for _ in range(sweeps):
            chain.sweep()
            examined.append((*(values.copy() for values in _arrays(chain)), chain.population))
        if not copy:
            continue
        worst = chain.distance[chain.targets.active()].max(axis=0)
        order = np.lexsort([worst, chain.population]).reshape(POPULATIONS, -1)
        half = order.shape[1] // 2
        _copy(chain, _arrays(chain), order[:, :half].ravel(), order[:, -half:].ravel())
    return examined[-_EXAMINED_SWEEPS:]


def _arrays(chain: Chain) -> tuple[np.ndarray, ...]:
    """Return the arrays that hold the states, states along the last axis."""
    return chain.distance, chain.x, chain.n, chain.node


def _copy(chain: Chain, source: Sequence[np.ndarray], source_indices: np.ndarray, indices: np.ndarray) -> None:
    """Copy states from arrays like those of `_arrays` (at ``source_indices``) into the chain (at ``indices``)."""
    for own, other in zip(_arrays(chain), source, strict=True):
        own[..., indices] = other[..., source_indices]


def _settle(chain: Chain, examined: Sequence[np.ndarray]) -> None:
    """Start from states that the search found within the tolerances, and set the chain's parameters for sampling.

    A population with fewer than `_ENOUGH_STATES` such states starts from those of all populations.
    """
    targets = chain.targets
    *states, population = examined
    inside = np.flatnonzero(targets.reproduced(states[0]))
    for own in range(POPULATIONS):
        candidates = inside[population[inside] == own]
        indices = np.flatnonzero(chain.population == own)
        candidates = candidates if len(candidates) >= _ENOUGH_STATES else inside
        _copy(chain, states, chain.rng.choice(candidates, size=len(indices)), indices)
    for i in targets.active():
        rate = chain.block.rates[i]
        p, v = effects(chain.x[rate.threshold_index][rate.included], chain.n[rate.included])
        targets.tau2[i] = np.median(pooled(p, v)[2]) + 0.1 * np.median(v[np.isfinite(v)])
    chain.prior_power, targets.limit = 1.0, _LIMIT
    chain.samples = _SAMPLES_OF_FEW if chain.few else _SAMPLES
    for targets.power in _POWERS:
        for _ in range(_SETTLE):
            chain.sweep()
        if targets.reproduced(chain.distance).mean() >= _SHARE_INSIDE:
            break


def _least_tolerances(distance: np.ndarray, active: np.ndarray) -> dict[int, int]:
    """Return the smallest tolerances of active rates such that at least `_ENOUGH_STATES` states are within all of them.

    ``distance``, shape (rates, m), holds the distances of states. The result is empty if there are none up to `WIDEST`.
    """
    units = np.maximum(np.ceil(distance[active]), 1)
    worst = np.sort(units.max(axis=0))
    if worst[_ENOUGH_STATES - 1] > WIDEST:
        return {}
    tolerance = np.full(len(active), worst[_ENOUGH_STATES - 1])
    while True:
        lower = tolerance - np.eye(len(active))
        left = (units[None] <= lower[:, :, None]).all(axis=1).sum(axis=1)
        if left.max(initial=0) < _ENOUGH_STATES:
            return dict(zip(active.tolist(), tolerance.astype(int).tolist(), strict=True))
        tolerance = lower[left.argmax()]


def _conflict(block: Block, distance: np.ndarray, active: np.ndarray) -> int:
    """Return the index of the rate to give up.

    Among the rates that share a threshold and a study with the worst reproduced rate, it is the one with the fewest
    studies.
    """
    nearest = distance[active][:, distance[active].max(axis=0).argmin()]
    worst = block.rates[active[nearest.argmax()]]
    same = [
        i
        for i in active
        if block.rates[i].threshold_index == worst.threshold_index and (block.rates[i].included & worst.included).any()
    ]
    return min(same, key=lambda i: block.rates[i].included.sum())
