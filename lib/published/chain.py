"""Move counts towards the published rates by a Markov chain, for blocks too large to enumerate.

Belongs here: the states of the chain and their moves. Many states are moved at once, in populations with different
starting counts. A move replaces all counts of one threshold: samples of the counts of one half of the studies are
combined with samples of the other half, and one combination is chosen with a probability that depends on its distance
from the published rates.
Does not belong here: that choice (`chain_pairs`), and the search for reachable tolerances (`chain_search`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from lib.published.chain_pairs import Targets
from lib.published.count_model import Block, Prior, distance_from_rate, distances_from_rates, effects, pooled
from lib.published.enumeration import MOST_TRIED, try_all

POPULATIONS = 4
"""Number of populations of states that move independently; if their distributions agree, the chain has converged. A
population for which the search has found too few counts near the published rates starts from those of all populations
(`chain_search.sample`)."""
SAMPLES = 64
"""Samples of each part of the studies that are combined in the search."""
# Blocks with at most `_MOST_COUNTS` possible counts at each threshold move all thresholds in one step. `_LISTED`:
# number of counts of each threshold that such a step combines.
_MOST_COUNTS, _LISTED = 1e9, 32
# Sizes of a proposed change of the numbers of participants, in multiples of the smallest change; drawn at random.
_MULTIPLES = (1, 1, 1, 2, 4, 8)


class Chain:
    """States of the chain.

    Parameters
    ----------
    block : Block
        The studies, bounds and published rates.
    states : int
        Number of states, c, in `POPULATIONS` populations.
    rng : numpy Generator
        The source of random numbers.

    Attributes
    ----------
    n : ndarray of int, shape (k, c)
        Numbers of participants.
    x : ndarray of int, shape (3, k, c)
        Numbers of responders.
    node : ndarray of int, shape (3, c)
        Index of the quadrature node (mean and concentration of the prior) at each threshold.
    distance : ndarray, shape (rates, c)
        Distance from each published rate, in units of its rounding.
    targets : Targets
        The published rates with their tolerances.
    prior_power : float
        Power of the prior of the counts: below 1 while the search tries counts that are unlikely under the prior.
    samples : int
        Samples of each half of the studies that are combined.
    small : dict of int to (ndarray, ndarray)
        For a rate that shares its threshold with another and has few enough possible counts: all its counts (r, m)
        near it, and their distances (m,).

    Notes
    -----
    The target is the prior times the product over the rates of max(1, distance / tolerance) ** -power; states in which
    all rates are within their tolerance are distributed as the prior given that they are. A power of the distance is
    used because states far from the rates would hardly move under an exponential.

    A move of one threshold is an embedded hidden Markov move (Neal 2003, *Markov chain sampling for non-linear state
    space models using embedded hidden Markov models*, arXiv:math/0305039): given everything else, only the published
    rates make the studies' counts dependent. The studies are divided into two halves; `samples` - 1 samples of each
    half are drawn without regard to the rates, and the current counts are added to each; one of all pairs is chosen
    with a probability proportional to its weight. The weight is computed approximately, from sums over studies (see
    `Targets.choose`), and a Metropolis-Hastings step corrects for the difference.
    """

    def __init__(self, block: Block, states: int, rng: np.random.Generator):
        self.block, self.c, self.rng = block, states, rng
        self.prior = Prior(int(block.largest.max()))
        self.all_states = np.arange(states)
        self.population = self.all_states * POPULATIONS // states
        self.targets, self.prior_power, self.samples = Targets(block, states, rng), 1.0, SAMPLES
        self.few = self._has_few()
        self.small = dict(self._try_small(t) for t in range(3) if self._has_small(t))
        self._shifted = np.argsort(block.shifts == 0, axis=1, kind="stable")[:, :3]
        self._shifts = np.take_along_axis(block.shifts, self._shifted, axis=1).astype(int)
        self.node = rng.integers(len(self.prior.log_weight), size=(3, states))
        self.n = np.repeat(block.n.astype(int)[:, None], states, axis=1)
        self.x = self._starting_counts()
        self.distance = distances_from_rates(block, self.n, self.x)

    def _has_few(self) -> bool:
        """Return whether there are few enough counts to move those of all thresholds together."""
        low, high = (np.array([self.block.limits(self.block.n, t)[end] for t in range(3)]) for end in (0, 1))
        several = any(len(self.targets.at_threshold(t)) > 1 for t in range(3))
        return not several and not len(self.block.shifts) and np.prod(high - low + 1.0, axis=1).max() <= _MOST_COUNTS

    def _has_small(self, t: int) -> bool:
        """Return whether two rates share a threshold and one of them has few enough counts to try them all."""
        rates = self.targets.at_threshold(t)
        if len(rates) < 2 or len(self.block.shifts):
            return False
        low, high = self.block.limits(self.block.n, t)
        return np.prod((high - low + 1)[self.block.rates[rates[0]].included]) <= MOST_TRIED

    def _try_small(self, t: int) -> tuple[int, tuple[np.ndarray, np.ndarray]]:
        """Return the threshold's rate with the fewest studies, all counts (r, m) near it, and their distances (m,)."""
        small = self.targets.at_threshold(t)[0]
        rate = self.block.rates[small]
        part = rate.included
        low, high = (bound[part].astype(int) for bound in self.block.limits(self.block.n, t))
        counts, distance = try_all(self.block.n[part].astype(int), low, high, [replace(rate, included=part[part])])
        return small, (counts, distance[0])

    def _starting_counts(self) -> np.ndarray:
        """Return starting counts that differ between populations, from few responders to many."""
        share = (3 + self.population + self.rng.uniform(size=self.c)) / (POPULATIONS + 6)
        bounds = [np.array(self.block.limits(self.n.T, t)).astype(int).transpose(0, 2, 1) for t in range(3)]
        top, counts = self.n, []
        for t in range(3):
            top = np.minimum(self.rng.binomial(top, share), bounds[t][1])
            counts.append(top)
        for t in (2, 1, 0):
            counts[t] = np.maximum(counts[t], bounds[t][0])
            if t < 2:
                counts[t] = np.maximum(counts[t], counts[t + 1])
        return np.array(counts)

    def sweep(self, shifts: int = 30) -> None:
        """Move all unknowns once, but numbers of participants that are not published ``shifts`` times."""
        if self.few:
            self._move_all()
        for t in self.rng.permutation(3):
            self._move_node(t)
            if self.block.unknown[:, t].any():
                self._move_counts(t)
        for _ in range(shifts if len(self._shifts) else 0):
            self._move_participants()

    def _above(self, t: int) -> np.ndarray:
        return self.x[t - 1] if t else self.n

    def _move_node(self, t: int) -> None:
        """Sample the mean and concentration of a threshold given the counts."""
        log = self.prior.log_at_all_nodes(self._above(t), self.x[t])
        weight = np.cumsum(np.exp(log - log.max(axis=1, keepdims=True)), axis=1)
        self.node[t] = (weight < weight[:, -1:] * self.rng.uniform(size=(self.c, 1))).sum(axis=1)

    def _log_conditional(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the log prior (k, c, m) of each count of a threshold given all else, and the smallest count (k, c)."""
        prior, node, above = self.prior, self.node, self._above(t)
        low, high = (bound.T.astype(int) for bound in self.block.limits(self.n.T, t))
        high = np.minimum(high, above)
        low = np.maximum(low, self.x[t + 1]) if t < 2 else low
        x = low[..., None] + np.arange((high - low).max() + 1)
        valid = x <= high[..., None]
        x = np.minimum(x, high[..., None])
        at, top = node[t][:, None], above[..., None]
        log = prior.log_choose(top, x) + prior.yes[at, x] + prior.no[at, top - x]
        if t < 2:
            at, next_x = node[t + 1][:, None], self.x[t + 1][..., None]
            log += prior.log_choose(x, next_x) + prior.no[at, x - next_x] - prior.all[at, x]
        return np.where(valid, self.prior_power * log, -np.inf), low

    def _sampled(self, t: int, log: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Sample counts (k, c, `samples`) of a threshold without regard to the rates; the first are the current ones.

        ``log``, shape (k, c, m), is the log prior of the counts from the smallest one, ``low``, shape (k, c).
        """
        k, c, m = log.shape
        share = np.cumsum(np.exp(log - log.max(axis=2, keepdims=True)), axis=2).reshape(k * c, m)
        share /= share[:, -1:]
        rows = np.arange(k * c)[:, None]
        # Ordered uniform numbers are faster to look up. The samples of each study are shuffled afterwards.
        gaps = np.cumsum(self.rng.standard_exponential((k * c, self.samples + 1)), axis=1)
        positions = rows + gaps[:, :-1] / gaps[:, -1:]
        place = np.searchsorted((rows + share).ravel(), positions.ravel()).reshape(positions.shape) - rows * m
        place = np.clip(place, 0, m - 1).reshape(k, c, self.samples)
        x = low[..., None] + np.stack([of_study[:, self.rng.permutation(self.samples)] for of_study in place])
        x[..., 0] = self.x[t]
        return x

    def _move_counts(self, t: int) -> None:
        """Move the counts of one threshold."""
        log_prior, low = self._log_conditional(t)
        x, rates = self._sampled(t, log_prior, low), self.targets.at_threshold(t)
        if not rates:
            self.x[t] = x[..., 1]
            return
        # If both the total and the children have a rate, that of the children comes first, with fewer studies.
        small, large = rates[0], rates[-1]
        inside = self.rng.permutation(np.flatnonzero(self.block.rates[small].included))
        others = np.flatnonzero(~self.block.rates[small].included)
        if len(rates) > 1 and self.rng.uniform() < 0.5:
            # The studies of the small rate keep their counts.
            x[inside] = self.x[t][inside][..., None]
            rates, inside, others = [large], self.rng.permutation(others), inside
        log_small = None
        if len(rates) == 1:
            half = len(inside) // 2
            parts = [inside[:half], np.concatenate([inside[half:], others])]
        else:
            parts = [np.flatnonzero(self.block.rates[small].included), others]
            x[parts[0]], log_small = self._samples_of_small(small, parts[0], x, log_prior, low)
        places, log_approximate = self._choose(large, parts, x, 1)
        if log_small is not None:
            log_approximate = log_approximate + np.take_along_axis(log_small, places[0], axis=1)
        new = self.x[t].copy()
        for part, place in zip(parts, places, strict=True):
            new[part] = x[part[:, None], self.all_states, place[:, 0]]
        distance = np.array([self._distance(i, new, self.n) for i in rates])
        gain = sum(
            self.targets.log_weight(new_distance, i) - self.targets.log_weight(self.distance[i], i)
            for new_distance, i in zip(distance, rates, strict=True)
        )
        take = np.log(self.rng.uniform(size=self.c)) < gain - log_approximate[:, 0]
        self.x[t][:, take] = new[:, take]
        self.distance[np.ix_(rates, take)] = distance[:, take]

    def _choose(self, i: int, parts: list[np.ndarray], x: np.ndarray, number: int) -> tuple[list, np.ndarray]:
        """Choose pairs of samples x (k, c, m) of two parts of the studies; see `Targets.choose`."""
        first, second = (self.targets.sums(i, part, x, self.n) for part in parts)
        return self.targets.choose(i, first, second, number)

    def _distance(self, i: int, x: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Return the distance from rate i of counts x (k, ...) among n."""
        rate = self.block.rates[i]
        p, v = effects(x, n)
        return distance_from_rate(*pooled(p[rate.included], v[rate.included])[:2], rate)

    def _move_all(self) -> None:
        """Move the counts of all thresholds together.

        For each threshold a list of counts near its rate is sampled without regard to the other thresholds; the current
        counts come first. One combination of the three lists is then chosen by its probability.
        """
        lists = [self._list(t) for t in range(3)]
        start = self.prior.log_at_node(self.node[0][:, None], self.n[..., None], lists[0][0]).sum(axis=0) + lists[0][1]
        steps = [self._log_steps(t, lists[t - 1][0], lists[t][0]) for t in (1, 2)]
        last = special.logsumexp(steps[1] + lists[2][1][:, None], axis=2) + lists[1][1]
        first = self._pick(start + special.logsumexp(steps[0] + last[:, None], axis=2))
        second = self._pick(steps[0][self.all_states, first] + last)
        third = self._pick(steps[1][self.all_states, second] + lists[2][1])
        for t, at in enumerate((first, second, third)):
            x, _, distance = lists[t]
            self.x[t] = x[:, self.all_states, at]
            for i in self.targets.at_threshold(t):
                self.distance[i] = distance[self.all_states, at]

    def _list(self, t: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sample counts of a threshold near its rate without regard to the other thresholds.

        Returns
        -------
        ndarray of int, shape (k, c, `_LISTED`)
            The counts.
        ndarray, shape (c, `_LISTED`)
            Logarithm of the weight of their distance, less that of the probability with which they were sampled.
        ndarray, shape (c, `_LISTED`)
            Their distance from the rate.
        """
        low, high = (bound.T.astype(int) for bound in self.block.limits(self.n.T, t))
        x = low[..., None] + np.arange((high - low).max() + 1)
        valid = x <= high[..., None]
        mean = np.prod(self.prior.mean[self.node[: t + 1]], axis=0)[:, None]
        size = self.prior.size[self.node[: t + 1]].min(axis=0)[:, None]
        top, x = self.n[..., None], np.minimum(x, high[..., None])
        log = self.prior.log_choose(top, x) + special.betaln(x + mean * size, top - x + (1 - mean) * size)
        log = np.where(valid, log, -np.inf)
        log -= special.logsumexp(log, axis=2, keepdims=True)
        sampled = self._sampled(t, log, low)
        rates, all_states = self.targets.at_threshold(t), self.all_states[:, None]
        if rates:
            (i,) = rates
            inside = self.rng.permutation(np.flatnonzero(self.block.rates[i].included))
            first = inside[: len(inside) // 2]
            parts = [first, np.setdiff1d(np.arange(len(sampled)), first)]
            places, approximate = self._choose(i, parts, sampled, _LISTED)
            chosen = np.empty((*sampled.shape[:2], _LISTED), dtype=int)
            for part, place in zip(parts, places, strict=True):
                chosen[part] = sampled[part[:, None, None], all_states, place]
            distance = self._distance(i, chosen, self.n[..., None])
            weight = self.targets.log_weight(distance, i) - approximate
        else:
            chosen, distance = sampled[..., :_LISTED], np.zeros((self.c, _LISTED))
            weight = np.zeros((self.c, _LISTED))
        return chosen, weight - np.take_along_axis(log, chosen - low[..., None], axis=2).sum(axis=0), distance

    def _log_steps(self, t: int, below: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the log prior (c, l, l) of counts x (k, c, l) of a threshold given those of the lower threshold."""
        total = np.zeros((self.c, below.shape[2], x.shape[2]))
        at = self.node[t][:, None, None]
        for top, count in zip(below[..., None], x[:, :, None], strict=True):
            nested = count <= top
            total += np.where(nested, self.prior.log_at_node(at, top, np.minimum(count, top)), -np.inf)
        return total

    def _pick(self, log: np.ndarray) -> np.ndarray:
        """Return an index for each row (c, l) of log weights, chosen with probabilities proportional to the weights."""
        return (log + self.rng.gumbel(size=log.shape)).argmax(axis=1)

    def _samples_of_small(
        self, small: int, part: np.ndarray, x: np.ndarray, log_prior: np.ndarray, low: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose counts near a rate for the studies that it pools.

        Parameters
        ----------
        small : int
            Index of the rate.
        part : ndarray of int, shape (r,)
            Indices of its studies.
        x : ndarray of int, shape (k, c, `samples`)
            Samples of the counts of its threshold.
        log_prior, low : ndarray
            The prior of all counts of the threshold, as from `_log_conditional`.

        Returns
        -------
        ndarray of int, shape (r, c, `samples`)
            The counts; the current ones come first.
        ndarray, shape (c, `samples`)
            Logarithm of the ratio of the weight with which they were sampled to that of the current ones.
        """
        if small not in self.small:
            halves = np.array_split(part, [len(part) // 2])
            places, log = self._choose(small, halves, x, self.samples)
            return np.concatenate(
                [np.take_along_axis(x[half], at[None], axis=2) for half, at in zip(halves, places, strict=True)]
            ), log
        counts, distance = self.small[small]
        t, log_weight = self.block.rates[small].threshold_index, self.targets.log_weight
        log = np.repeat(log_weight(distance, small)[None], self.c, axis=0)
        for row, study in zip(counts, part, strict=True):
            place = row - low[study][:, None]
            inside = (place >= 0) & (place < log_prior.shape[2])
            at = np.where(inside, place, 0)
            log += np.where(inside, np.take_along_axis(log_prior[study], at, axis=1), -np.inf)
        best = log.max(axis=1, keepdims=True)
        total = np.cumsum(np.exp(log - np.where(np.isfinite(best), best, 0)), axis=1)
        chosen = np.repeat(self.x[t][part][..., None], self.samples, axis=2)
        ratio = np.zeros((self.c, self.samples))
        for state in np.flatnonzero(total[:, -1] > 0):
            at = np.searchsorted(total[state], self.rng.uniform(size=self.samples - 1) * total[state, -1])
            chosen[:, state, 1:] = counts[:, at]
            ratio[state, 1:] = log_weight(distance[at], small) - log_weight(self.distance[small, state], small)
        return chosen, ratio

    def _move_participants(self) -> None:
        """Shift participants between studies, and change the responders in proportion."""
        block, rng, all_states = self.block, self.rng, self.all_states
        shift = rng.integers(len(self._shifts), size=self.c)
        arm = self._shifted[shift].T
        old_n, old = self.n[arm, all_states], self.x[:, arm, all_states]
        new_n = old_n + self._shifts[shift].T * rng.choice(_MULTIPLES, size=self.c)
        valid = ((block.least[arm] <= new_n) & (new_n <= block.largest[arm])).all(axis=0)
        new_n = np.where(valid, new_n, old_n)
        unknown = block.unknown.T[:, arm]
        proportional = old * (new_n / old_n)
        new = np.where(unknown, np.floor(proportional + rng.uniform(size=proportional.shape)), old).astype(int)
        n = self.n.copy()
        n[arm, all_states] = new_n
        for t in range(3):
            low, high = (bound.T[arm, all_states] for bound in block.limits(n.T, t))
            valid &= ((low <= new[t]) & (new[t] <= high)).all(axis=0)
        valid &= (np.diff(new, axis=0) <= 0).all(axis=(0, 1)) & (new[0] <= new_n).all(axis=0)
        forward, reverse = 1 - np.abs(new - proportional), 1 - np.abs(old - new * (old_n / new_n))
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(unknown, np.log(np.maximum(reverse, 0)) - np.log(forward), 0).sum(axis=(0, 1))
        state = np.flatnonzero(valid & np.isfinite(gain) & (new_n != old_n).any(axis=0))
        if not len(state):
            return
        gain = gain[state]
        arm, old_n, new_n, old, new = (values[..., state] for values in (arm, old_n, new_n, old, new))
        for t in range(3):
            tops = (new[t - 1], old[t - 1]) if t else (new_n, old_n)
            for sign, top, count in zip((1, -1), tops, (new[t], old[t]), strict=True):
                gain += sign * self.prior_power * self.prior.log_at_node(self.node[t, state], top, count).sum(axis=0)
        n, x = n[:, state], self.x[:, :, state]
        x[:, arm, np.arange(len(state))] = new
        distance = distances_from_rates(block, n, x)
        for i in self.targets.active():
            gain += self.targets.log_weight(distance[i], i) - self.targets.log_weight(self.distance[i, state], i)
        take = np.log(rng.uniform(size=len(state))) < gain
        state = state[take]
        self.n[:, state], self.x[:, :, state], self.distance[:, state] = n[:, take], x[:, :, take], distance[:, take]
