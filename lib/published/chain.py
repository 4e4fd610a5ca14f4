"""A Markov chain over counts that agree with the published rates, for blocks too large to enumerate.

Many states are moved at once, in populations that started apart. A move renews all counts of one threshold: samples of
the counts of one half of the studies are combined with samples of the other half, and of all combinations one is
chosen by how near it comes to the published rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize, special

from lib.published.count_model import WIDEST, Z95, Block, Claim, Prior, distance, distances, effects, pooled
from lib.published.enumeration import MOST_TRIED, try_all

POPULATIONS = 4
"""Populations of states that move apart from each other; if they agree, the chain has converged. A population with
which the search has found too few counts near the published rates starts from those of the others
(`Chain.settle`)."""
_STATES = 64
# Samples of each part of the studies that are combined, and units of rounding of an estimate, with a fixed tau2, beyond
# which pairs are not looked at: in the search, and when states are sampled; the larger number where counts are few.
_SEARCH_POOL, _SEARCH_NEAR = 64, 12
_POOL, _LARGE_POOL, _NEAR = 192, 600, 4
# Possible counts of a threshold up to which all thresholds are renewed together, and how many of each are combined.
_FEW, _LIST = 1e9, 32
# Draws wanted of each sweep.
_PER_SWEEP = 10
# The search: powers of the distance and of the prior, and sweeps with each; of the last ones the states are looked at.
# It is taken up again, harder, where a rate is not reproduced to the last digit.
_SEARCH = (((4, 1.0, 8), (8, 1.0, 6)), ((16, 0.25, 10),), ((32, 0.5, 6),) * 3, ((32, 1.0, 6),) * 4)
_LOOKED_AT = 6
# Before the search, where participants are not published: tolerances, sweeps, and moves of participants in each.
_LOOSE, _LOOSE_SWEEPS, _LOOSE_SHIFTS = (64, 16, 4), 5, 80
# States within a tolerance, of those looked at, for it to count as reachable.
_ENOUGH = 8
# The powers with which states are sampled: the first with which this share of them is within all tolerances, once they
# have settled for some sweeps.
_STEEP, _ENOUGH_INSIDE, _SETTLE = (4, 8, 16, 32, 64), 0.05, 10
_MULTIPLES = (1, 1, 1, 2, 4, 8)
_ROUGH_SE = 0.1


class Chain:
    """States of the chain.

    Parameters
    ----------
    block : Block
        The studies, bounds and published rates.
    states : int
        Number of states, in `POPULATIONS` populations.
    rng : numpy Generator
        The source of random numbers.

    Attributes
    ----------
    n : ndarray of int, shape (k, c)
        Numbers of participants.
    x : ndarray of int, shape (3, k, c)
        Numbers of responders.
    node : ndarray of int, shape (3, c)
        Node of the prior's mean and concentration at each threshold.
    off : ndarray, shape (claims, c)
        Distance from each published rate, in units of its rounding.
    tolerance : ndarray, shape (claims,)
        Units of rounding within which a published rate counts as met; infinite: given up.
    steep : int
        A power of two, from 4.
    share : float
        Power of the prior of the counts: below 1 while counts are searched that it holds for unlikely.

    Notes
    -----
    The target is the prior times the product over the claims of max(1, off / tolerance) ** -`steep`; states in which
    all claims are within their tolerance are distributed as the prior given that they are. A power keeps states moving
    that an exponential would hold where they are.

    A move of one threshold is that of an ensemble of states (Neal 2003, *Markov chain sampling for non-linear state
    space models using embedded hidden Markov models*, arXiv:math/0305039): given everything else, the studies' counts
    are independent but for the claims. They are divided into two halves; `pool` - 1 samples of each half are drawn
    without the claims, and the current counts are added to either; of all pairs one is chosen with a probability
    that is proportional to its weight. The weight is computed approximately, from sums over studies (see
    `_approximate`), and a Metropolis-Hastings step makes up for the difference.
    """

    def __init__(self, block: Block, states: int, rng: np.random.Generator):
        self.block, self.c, self.rng = block, states, rng
        self.prior = Prior(int(block.largest.max()))
        self.every = np.arange(states)
        self.population = self.every * POPULATIONS // states
        self.tolerance, self.steep, self.share = np.ones(len(block.claims)), 4, 1.0
        self.centre = np.array([_centre(claim) for claim in block.claims], dtype=np.float32)
        self.tau2 = np.array([_likely_tau2(block, claim) for claim in block.claims], dtype=np.float32)
        self.reach = np.array([claim.half[0] / _se(claim) ** 2 for claim in block.claims])
        self.pool, self.limit = _SEARCH_POOL, _SEARCH_NEAR
        self._few = self._has_few()
        self.near = dict(self._near(degree) for degree in range(3) if self._has_small(degree))
        self.shifted = np.argsort(block.shifts == 0, axis=1, kind="stable")[:, :3]
        self.shifts = np.take_along_axis(block.shifts, self.shifted, axis=1).astype(int)
        self.node = rng.integers(len(self.prior.log_weight), size=(3, states))
        self.n = np.repeat(block.n.astype(int)[:, None], states, axis=1)
        self.x = self._starting_counts()
        self.off = distances(block, self.n, self.x)

    def _has_few(self) -> bool:
        """Whether the counts of all thresholds can be renewed together."""
        low, high = (np.array([self.block.limits(self.block.n, degree)[end] for degree in range(3)]) for end in (0, 1))
        several = any(len(self.claims_of(degree)) > 1 for degree in range(3))
        return not several and not len(self.block.shifts) and np.prod(high - low + 1.0, axis=1).max() <= _FEW

    def _has_small(self, degree: int) -> bool:
        """Whether two claims share a threshold, of which one is small enough to try all its counts."""
        claims = self.claims_of(degree)
        if len(claims) < 2 or len(self.block.shifts):
            return False
        low, high = self.block.limits(self.block.n, degree)
        return np.prod((high - low + 1)[self.block.claims[claims[0]].of]) <= MOST_TRIED

    def _near(self, degree: int) -> tuple[int, tuple[np.ndarray, np.ndarray]]:
        """Return the claim of the fewest studies of a threshold, all counts (r, m) near it and their distances (m,)."""
        small = self.claims_of(degree)[0]
        claim = self.block.claims[small]
        n = self.block.n[claim.of].astype(int)
        low, high = (of[claim.of].astype(int) for of in self.block.limits(self.block.n, degree))
        counts, off = try_all(n, low, high, [replace(claim, of=claim.of[claim.of])])
        return small, (counts, off[0])

    def _starting_counts(self) -> np.ndarray:
        """Spread the states: the populations start with few responders, with many, and between."""
        share = (3 + self.population + self.rng.uniform(size=self.c)) / (POPULATIONS + 6)
        bounds = [np.array(self.block.limits(self.n.T, degree)).astype(int).transpose(0, 2, 1) for degree in range(3)]
        top, counts = self.n, []
        for degree in range(3):
            top = np.minimum(self.rng.binomial(top, share), bounds[degree][1])
            counts.append(top)
        for degree in (2, 1, 0):
            counts[degree] = np.maximum(counts[degree], bounds[degree][0])
            if degree < 2:
                counts[degree] = np.maximum(counts[degree], counts[degree + 1])
        return np.array(counts)

    def spread(self) -> None:
        """Move participants while the counts are still far from the claims; near them few such moves are possible."""
        for loose in _LOOSE if len(self.shifts) else ():
            self.tolerance[:] = loose
            for _ in range(_LOOSE_SWEEPS):
                self.sweep(_LOOSE_SHIFTS)
        self.tolerance[:] = 1.0

    def start_near(self) -> None:
        """Start again from counts near the claims of which all counts could be tried, those of the children."""
        for degree in (2, 1, 0) if self.near else ():
            low = self.block.limits(self.n.T, degree)[0].T.astype(int)
            high = np.min([self.block.limits(self.n.T, of)[1] for of in range(degree + 1)], axis=0).T.astype(int)
            least = np.maximum(low, self.x[degree + 1]) if degree < 2 else low
            self.x[degree] = np.clip(self.x[degree], least, high)
            for small in set(self.claims_of(degree)) & set(self.near):
                counts, off = self.near[small]
                part = self.block.claims[small].of
                for state in self.every:
                    inside = (counts >= least[part, state, None]) & (counts <= high[part, state, None])
                    fits = np.flatnonzero(inside.all(axis=0))
                    if len(fits):
                        chance = np.maximum(off[fits], 1.0) ** -4
                        self.x[degree][part, state] = counts[:, self.rng.choice(fits, p=chance / chance.sum())]
        self.off = distances(self.block, self.n, self.x)

    def claims_of(self, degree: int) -> list[int]:
        """Return the places of the claims of a threshold that are not given up, that of the fewest arms first."""
        claims = self.block.claims
        asked = [i for i, c in enumerate(claims) if c.degree == degree and np.isfinite(self.tolerance[i])]
        return sorted(asked, key=lambda i: claims[i].of.sum())

    def log_weight(self, off: np.ndarray, i: int) -> np.ndarray:
        """Return the logarithm of the weight of states at a distance from claim i."""
        return -self.steep * np.log(np.maximum(1.0, off / self.tolerance[i]))

    def sweep(self, shifts: int = 30) -> None:
        """Move all unknowns once, and the numbers of participants where they are not published."""
        if self._few:
            self._move_all()
        for degree in self.rng.permutation(3):
            self._move_node(degree)
            if self.block.unknown[:, degree].any():
                self._move_counts(degree)
        for _ in range(shifts if len(self.shifts) else 0):
            self._move_participants()

    def search(self, stages: Sequence[tuple], copy: bool) -> list[tuple]:
        """Move the states near to the published rates, and return what the last of them were.

        If ``copy``, the half of each population that is furthest off is replaced by copies of the other half after each
        stage.
        """
        found: list[tuple] = []
        for self.steep, self.share, times in stages:
            for _ in range(times):
                self.sweep()
                found.append((self.off.copy(), self.x.copy(), self.n.copy(), self.node.copy(), self.population))
            if not copy:
                continue
            worst = self.off[np.isfinite(self.tolerance)].max(axis=0)
            order = np.lexsort([worst, self.population]).reshape(POPULATIONS, -1)
            half = order.shape[1] // 2
            self._copy([self.off, self.x, self.n, self.node], order[:, :half].ravel(), order[:, -half:].ravel())
        return found[-_LOOKED_AT:]

    def _copy(self, source: Sequence[np.ndarray], at: np.ndarray, to: np.ndarray) -> None:
        for own, other in zip((self.off, self.x, self.n, self.node), source, strict=True):
            own[..., to] = other[..., at]

    def settle(self, seen: Sequence[np.ndarray]) -> None:
        """Start from states that the search has seen within the tolerances, and get ready to sample.

        A population for which it has seen fewer than `_ENOUGH` starts from those of the others.
        """
        *states, population = seen
        inside = np.flatnonzero((states[0] <= self.tolerance[:, None]).all(axis=0))
        for own in range(POPULATIONS):
            found = inside[population[inside] == own]
            to = np.flatnonzero(self.population == own)
            self._copy(states, self.rng.choice(found if len(found) >= _ENOUGH else inside, size=len(to)), to)
        for i in np.flatnonzero(np.isfinite(self.tolerance)):
            claim = self.block.claims[i]
            p, v = effects(self.x[claim.degree][claim.of], self.n[claim.of])
            self.tau2[i] = np.median(pooled(p, v)[2]) + 0.1 * np.median(v[np.isfinite(v)])
        self.share, self.pool, self.limit = 1.0, _LARGE_POOL if self._few else _POOL, _NEAR
        for self.steep in _STEEP:
            for _ in range(_SETTLE):
                self.sweep()
            if self.inside().mean() >= _ENOUGH_INSIDE:
                break

    def inside(self) -> np.ndarray:
        """Which states (c,) are within the tolerance of all claims."""
        return (self.off <= self.tolerance[:, None]).all(axis=0)

    def _above(self, degree: int) -> np.ndarray:
        return self.x[degree - 1] if degree else self.n

    def _move_node(self, degree: int) -> None:
        """Draw the mean and concentration of a threshold given the counts."""
        log = self.prior.log_at_nodes(self._above(degree), self.x[degree])
        weight = np.cumsum(np.exp(log - log.max(axis=1, keepdims=True)), axis=1)
        at = (weight < weight[:, -1:] * self.rng.uniform(size=(self.c, 1))).sum(axis=1)
        self.node[degree] = at

    def _log_conditional(self, degree: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the log prior (k, c, m) of each count of a threshold given all else, and the least count (k, c)."""
        prior, node, above = self.prior, self.node, self._above(degree)
        low, high = (of.T.astype(int) for of in self.block.limits(self.n.T, degree))
        high = np.minimum(high, above)
        low = np.maximum(low, self.x[degree + 1]) if degree < 2 else low
        x = low[..., None] + np.arange((high - low).max() + 1)
        valid = x <= high[..., None]
        x = np.minimum(x, high[..., None])
        at, top = node[degree][:, None], above[..., None]
        log = prior.log_choose(top, x) + prior.yes[at, x] + prior.no[at, top - x]
        if degree < 2:
            at, next_x = node[degree + 1][:, None], self.x[degree + 1][..., None]
            log += prior.log_choose(x, next_x) + prior.no[at, x - next_x] - prior.all[at, x]
        return np.where(valid, self.share * log, -np.inf), low

    def _sampled(self, degree: int, log: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Sample counts (k, c, `pool`) of a threshold without regard to the claims; the first are the current ones.

        ``log`` (k, c, m) is the log prior of the counts from the least one, ``low`` (k, c).
        """
        k, c, m = log.shape
        share = np.cumsum(np.exp(log - log.max(axis=2, keepdims=True)), axis=2).reshape(k * c, m)
        share /= share[:, -1:]
        rows = np.arange(k * c)[:, None]
        # Ordered uniform numbers are looked up faster; each study's are put in a random order afterwards.
        gaps = np.cumsum(self.rng.standard_exponential((k * c, self.pool + 1)), axis=1)
        wanted = rows + gaps[:, :-1] / gaps[:, -1:]
        place = np.searchsorted((rows + share).ravel(), wanted.ravel()).reshape(wanted.shape) - rows * m
        place = np.clip(place, 0, m - 1).reshape(k, c, self.pool)
        x = low[..., None] + np.stack([of[:, self.rng.permutation(self.pool)] for of in place])
        x[..., 0] = self.x[degree]
        return x

    def _move_counts(self, degree: int) -> None:
        """Renew the counts of a threshold."""
        x, claims = self._sampled(degree, *self._log_conditional(degree)), self.claims_of(degree)
        if not claims:
            self.x[degree] = x[..., 1]
            return
        # The claim of the fewest studies first: with a total stands that of the children.
        small, large = claims[0], claims[-1]
        inside = self.rng.permutation(np.flatnonzero(self.block.claims[small].of))
        others = np.flatnonzero(~self.block.claims[small].of)
        if len(claims) > 1 and self.rng.uniform() < 0.5:
            # The studies of the small claim keep their counts.
            x[inside] = self.x[degree][inside][..., None]
            claims, inside, others = [large], self.rng.permutation(others), inside
        half = len(inside) // 2
        if len(claims) == 1:
            parts = [inside[:half], np.concatenate([inside[half:], others])]
            first, second = (self._sums(large, part, x) for part in parts)
            places, log_approximate = self._choose(large, first, second, 1)
        else:
            parts = [np.flatnonzero(self.block.claims[small].of), others]
            x[parts[0]], log_small = self._pool_of_small(small, parts[0], x)
            first, second = (self._sums(large, part, x) for part in parts)
            places, log_approximate = self._choose(large, first, second, 1)
            log_approximate = log_approximate + np.take_along_axis(log_small, places[0], axis=1)
        new = self.x[degree].copy()
        for part, place in zip(parts, places, strict=True):
            new[part] = x[part[:, None], self.every, place[:, 0]]
        p, v = effects(new, self.n)
        off = np.array([distance(*pooled(p[of], v[of])[:2], self.block.claims[i]) for i, of in self._members(claims)])
        gain = sum(self.log_weight(of, i) - self.log_weight(self.off[i], i) for of, i in zip(off, claims, strict=True))
        take = np.log(self.rng.uniform(size=self.c)) < gain - log_approximate[:, 0]
        self.x[degree][:, take] = new[:, take]
        self.off[np.ix_(claims, take)] = off[:, take]

    def _move_all(self) -> None:
        """Renew the counts of all thresholds together.

        For each threshold a list of counts is sampled that come near to its claim, whatever the counts of the other
        thresholds are; the current ones are the first. From the three lists a path is chosen by its probability.
        """
        lists = [self._list(degree) for degree in range(3)]
        passing = self.prior.log_of_one(self.node[0][:, None], self.n[..., None], lists[0][0]).sum(axis=0) + lists[0][1]
        steps = [self._log_steps(degree, lists[degree - 1][0], lists[degree][0]) for degree in (1, 2)]
        last = special.logsumexp(steps[1] + lists[2][1][:, None], axis=2) + lists[1][1]
        first = self._pick(passing + special.logsumexp(steps[0] + last[:, None], axis=2))
        second = self._pick(steps[0][self.every, first] + last)
        third = self._pick(steps[1][self.every, second] + lists[2][1])
        for degree, at in enumerate((first, second, third)):
            x, _, off = lists[degree]
            self.x[degree] = x[:, self.every, at]
            for i in self.claims_of(degree):
                self.off[i] = off[self.every, at]

    def _list(self, degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sample counts of a threshold near its claim without regard to the other thresholds.

        Returns
        -------
        ndarray of int, shape (k, c, `_LIST`)
            The counts.
        ndarray, shape (c, `_LIST`)
            Logarithm of the weight that their distance has, less that of the probability with which they were sampled.
        ndarray, shape (c, `_LIST`)
            Their distance from the claim.
        """
        low, high = (of.T.astype(int) for of in self.block.limits(self.n.T, degree))
        x = low[..., None] + np.arange((high - low).max() + 1)
        valid = x <= high[..., None]
        mean = np.prod(self.prior.mean[self.node[: degree + 1]], axis=0)[:, None]
        size = self.prior.size[self.node[: degree + 1]].min(axis=0)[:, None]
        top, x = self.n[..., None], np.minimum(x, high[..., None])
        log = self.prior.log_choose(top, x) + special.betaln(x + mean * size, top - x + (1 - mean) * size)
        log = np.where(valid, log, -np.inf)
        log -= special.logsumexp(log, axis=2, keepdims=True)
        sampled = self._sampled(degree, log, low)
        claims, every = self.claims_of(degree), self.every[:, None]
        if claims:
            (i,) = claims
            inside = self.rng.permutation(np.flatnonzero(self.block.claims[i].of))
            first = inside[: len(inside) // 2]
            parts = [first, np.setdiff1d(np.arange(len(sampled)), first)]
            places, approximate = self._choose(i, *(self._sums(i, part, sampled) for part in parts), _LIST)
            chosen = np.empty((*sampled.shape[:2], _LIST), dtype=int)
            for part, place in zip(parts, places, strict=True):
                chosen[part] = sampled[part[:, None, None], every, place]
            p, v = effects(chosen, self.n[..., None])
            of = self.block.claims[i].of
            off = distance(*pooled(p[of], v[of])[:2], self.block.claims[i])
            weight = self.log_weight(off, i) - approximate
        else:
            chosen, off = sampled[..., :_LIST], np.zeros((self.c, _LIST))
            weight = np.zeros((self.c, _LIST))
        return chosen, weight - np.take_along_axis(log, chosen - low[..., None], axis=2).sum(axis=0), off

    def _log_steps(self, degree: int, below: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the log prior (c, l, l) of counts x (k, c, l) of a threshold given those of the one below."""
        total = np.zeros((self.c, below.shape[2], x.shape[2]))
        at = self.node[degree][:, None, None]
        for of, count in zip(below[..., None], x[:, :, None], strict=True):
            nested = count <= of
            total += np.where(nested, self.prior.log_of_one(at, of, np.minimum(count, of)), -np.inf)
        return total

    def _pick(self, log: np.ndarray) -> np.ndarray:
        """Choose one of each row (c, l) of logarithms of weights."""
        return (log + self.rng.gumbel(size=log.shape)).argmax(axis=1)

    def _pool_of_small(self, small: int, part: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sample counts of the studies of a claim that lie near it.

        Returns
        -------
        ndarray of int, shape (r, c, `pool`)
            The counts, of which the first are the current ones.
        ndarray, shape (c, `pool`)
            Logarithm of the ratio of the weight with which they were sampled to that of the current ones.
        """
        if small not in self.near:
            half = len(part) // 2
            parts = part[:half], part[half:]
            pool, log = self._choose(small, *(self._sums(small, of, x) for of in parts), self.pool)
            chosen = [np.take_along_axis(x[of], at[None], axis=2) for of, at in zip(parts, pool, strict=True)]
            return np.concatenate(chosen), log
        counts, off = self.near[small]
        degree = self.block.claims[small].degree
        log_prior, low = self._log_conditional(degree)
        log = np.repeat(self.log_weight(off, small)[None], self.c, axis=0)
        for row, study in zip(counts, part, strict=True):
            place = row - low[study][:, None]
            inside = (place >= 0) & (place < log_prior.shape[2])
            at = np.where(inside, place, 0)
            log += np.where(inside, np.take_along_axis(log_prior[study], at, axis=1), -np.inf)
        best = log.max(axis=1, keepdims=True)
        total = np.cumsum(np.exp(log - np.where(np.isfinite(best), best, 0)), axis=1)
        chosen = np.repeat(self.x[degree][part][..., None], self.pool, axis=2)
        ratio = np.zeros((self.c, self.pool))
        for state in np.flatnonzero(total[:, -1] > 0):
            at = np.searchsorted(total[state], self.rng.uniform(size=self.pool - 1) * total[state, -1])
            chosen[:, state, 1:] = counts[:, at]
            ratio[state, 1:] = self.log_weight(off[at], small) - self.log_weight(self.off[small, state], small)
        return chosen, ratio

    def _members(self, claims: Sequence[int]) -> list[tuple[int, np.ndarray]]:
        return [(i, self.block.claims[i].of) for i in claims]

    def _sums(self, i: int, part: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the sums (9, c, m) of what claim i takes of the studies of a part with counts x (k, c, m)."""
        part = part[self.block.claims[i].of[part]]
        n = self.n[part, :, None].astype(np.float32)
        p = x[part].astype(np.float32) / n
        spread = p * (1 - p)
        used = spread > 0
        v = np.where(used, spread / n, np.float32(np.inf))
        d, w, a = p - self.centre[i], 1 / v, 1 / (v + self.tau2[i])
        wd, ad = w * d, a * d
        parts = (used, w, w * w, wd, wd * d, a, a * a, ad, a * ad)
        return np.array([of.sum(axis=0, dtype=np.float32) for of in parts])

    def _choose(self, i: int, first: np.ndarray, second: np.ndarray, draws: int) -> tuple[list, np.ndarray]:
        """Choose pairs of samples by how near they come to claim i.

        Parameters
        ----------
        i : int
            The claim.
        first, second : ndarray, shape (9, c, m)
            Sums over the studies of two parts.
        draws : int
            How many pairs to choose for each state; of several the first is that of the current counts.

        Returns
        -------
        list of ndarray of int, shape (c, draws)
            Which samples of the first part and of the second.
        ndarray, shape (c, draws)
            Logarithm of the ratio of their approximate weight to that of the current counts.
        """
        # Only pairs whose estimate, with the claim's tau2, is near the published one, or nearer than the current one.
        reach = (self.limit + self.tolerance[i]) * self.reach[i]
        reach = np.maximum(reach, np.abs(first[7, :, 0] + second[7, :, 0]) * (1 + 1e-5))
        a, b = _Distinct(first), _Distinct(second)
        scale = 2.1 * max(np.abs(b.sums[:, 7]).max(), 1e-9)
        keys = b.sums[:, 7] / scale + b.state
        ends = [np.clip((far - a.sums[:, 7]) / scale, -0.5, 0.5) + a.state for far in (-reach[a.state], reach[a.state])]
        start, stop = np.searchsorted(keys, ends[0], side="left"), np.searchsorted(keys, ends[1], side="right")
        count = stop - start
        one = np.repeat(np.arange(len(count)), count)
        other = np.arange(len(one)) + np.repeat(start - np.cumsum(count) + count, count)
        edges = np.searchsorted(a.state[one], np.arange(self.c + 1))
        known = np.zeros(len(one) + 1, dtype=int)
        known[1:] = np.cumsum((one == a.current[a.state[one]]) & (other == b.current[a.state[one]]))
        missing = np.flatnonzero(known[edges[1:]] == known[edges[:-1]])
        one = np.insert(one, edges[missing + 1], a.current[missing])
        other = np.insert(other, edges[missing + 1], b.current[missing])
        edges = np.searchsorted(a.state[one], np.arange(self.c + 1))
        off = np.log(self._approximate(i, np.ascontiguousarray((a.sums[one] + b.sums[other]).T)))
        log = a.log_times[one] + b.log_times[other] - self.steep * off
        highest = np.maximum.reduceat(log, edges[:-1])
        total = np.cumsum(np.exp(log - np.repeat(highest, np.diff(edges))), dtype=float)
        base = np.concatenate([[0.0], total])[edges]
        wanted = base[:-1, None] + self.rng.uniform(size=(self.c, draws)) * np.diff(base)[:, None]
        at = np.clip(np.searchsorted(total, wanted), edges[:-1, None], edges[1:, None] - 1)
        now = np.log(self._approximate(i, first[:, :, 0] + second[:, :, 0]))
        ratio = self.steep * (now[:, None] - off[at])
        places = [of.pick(at_of[at], self.rng) for of, at_of in ((a, one), (b, other))]
        if draws > 1:
            for of in (*places, ratio):
                of[:, 0] = 0
        return places, ratio

    def _approximate(self, i: int, sums: np.ndarray) -> np.ndarray:
        """Return about max(1, off / tolerance) for claim i from sums (9, m) over the studies."""
        claim, tiny = self.block.claims[i], np.float32(1e-6)
        k, s1, s2, sp, spp, a1, a2, b1, b2 = sums
        s1, a1 = s1 + tiny, a1 + tiny
        mean = sp / s1
        tau2 = np.maximum(spp - sp * mean - (k - 1), 0) / np.maximum(s1 - s2 / s1, tiny)
        # 1 / (v + tau2) from its value at another tau2, exact where the variances v are equal.
        change = tau2 - self.tau2[i]
        change = change * a1 / np.maximum(a1 + a2 * change, tiny)
        total = np.maximum(a1 - a2 * change, tiny)
        estimate = (b1 - b2 * change) / total
        reach = np.float32(Z95) / np.sqrt(total)
        off = np.ones_like(total)
        values = estimate, estimate - reach, estimate + reach
        for value, published, half in zip(values, claim.printed - self.centre[i], claim.half, strict=True):
            if published == published:
                distance_of_one = np.abs(value - np.float32(published))
                np.maximum(off, distance_of_one * np.float32(1 / (half * self.tolerance[i])), out=off)
        return off

    def _move_participants(self) -> None:
        """Move participants from study to study, with the responders in proportion."""
        block, rng = self.block, self.rng
        which = rng.integers(len(self.shifts), size=self.c)
        arm = self.shifted[which].T
        before, old = self.n[arm, self.every], self.x[:, arm, self.every]
        after = before + self.shifts[which].T * rng.choice(_MULTIPLES, size=self.c)
        valid = ((block.least[arm] <= after) & (after <= block.largest[arm])).all(axis=0)
        after = np.where(valid, after, before)
        unknown = block.unknown.T[:, arm]
        wanted = old * (after / before)
        new = np.where(unknown, np.floor(wanted + rng.uniform(size=wanted.shape)), old).astype(int)
        n, x = self.n.copy(), self.x.copy()
        n[arm, self.every], x[:, arm, self.every] = after, new
        for degree in range(3):
            low, high = block.limits(n.T, degree)
            inside = (low.T <= x[degree]) & (x[degree] <= high.T)
            valid &= inside[arm, self.every].all(axis=0)
        valid &= (np.diff(new, axis=0) <= 0).all(axis=(0, 1)) & (new[0] <= after).all(axis=0)
        there, back = 1 - np.abs(new - wanted), 1 - np.abs(old - new * (before / after))
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(unknown, np.log(np.maximum(back, 0)) - np.log(there), 0).sum(axis=(0, 1))
        state = np.flatnonzero(valid & np.isfinite(gain) & (after != before).any(axis=0))
        if not len(state):
            return
        gain = gain[state]
        arm, before, after, old, new = (of[..., state] for of in (arm, before, after, old, new))
        for degree in range(3):
            tops = (new[degree - 1], old[degree - 1]) if degree else (after, before)
            for sign, top, count in zip((1, -1), tops, (new[degree], old[degree]), strict=True):
                gain += sign * self.share * self.prior.log_of_one(self.node[degree, state], top, count).sum(axis=0)
        n, x = n[:, state], x[:, :, state]
        off = distances(block, n, x)
        for i in np.flatnonzero(np.isfinite(self.tolerance)):
            gain += self.log_weight(off[i], i) - self.log_weight(self.off[i, state], i)
        take = np.log(rng.uniform(size=len(state))) < gain
        state = state[take]
        self.n[:, state], self.x[:, :, state], self.off[:, state] = n[:, take], x[:, :, take], off[:, take]


def _centre(claim: Claim) -> float:
    """Return the published estimate, or where that is not to be used the middle of the interval."""
    estimate, low, high = claim.printed
    return float(np.nan_to_num(estimate if estimate == estimate else (low + high) / 2, nan=0.5))


def _se(claim: Claim) -> float:
    """Return the published standard error; a rough value where neither end of the interval is to be used."""
    estimate, low, high = claim.printed
    widths = np.array([high - estimate, estimate - low, (high - low) / 2])
    known = widths[np.isfinite(widths)]
    return max(float(known.mean()) / Z95, 1e-4) if len(known) else _ROUGH_SE


def _likely_tau2(block: Block, claim: Claim) -> float:
    """Return the between-study variance at which studies with the published rate have its standard error."""
    middle, se = _centre(claim), _se(claim)
    v = np.maximum(middle * (1 - middle), 0.01) / block.n[claim.of]
    least = 0.1 * float(v.mean())

    def excess(tau2: float) -> float:
        return (1 / (v + tau2)).sum() - 1 / se**2

    return least if excess(least) <= 0 else float(optimize.brentq(excess, least, len(v) * se**2 + least))


class _Distinct:
    """Samples of a part of the studies, with those of equal sums (9, c, m) put together, in the order of one of them.

    Attributes
    ----------
    sums : ndarray, shape (d, 9)
        The distinct sums, state by state.
    state : ndarray of int, shape (d,)
        Which state they are of.
    log_times : ndarray, shape (d,)
        Logarithm of how many samples have them.
    current : ndarray of int, shape (c,)
        Which of them are those of the first sample of each state.
    """

    def __init__(self, sums: np.ndarray):
        _, c, self._m = sums.shape
        order = np.argsort(sums[7], axis=1)
        self._place = (order + np.arange(c)[:, None] * self._m).ravel()
        rows = sums.reshape(9, -1).T[self._place]
        new = np.ones(len(rows), dtype=bool)
        new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
        new[:: self._m] = True
        self._start = np.flatnonzero(new)
        self._times = np.diff(np.append(self._start, len(rows)))
        self.sums, self.state = rows[self._start], self._start // self._m
        self.log_times = np.log(self._times)
        self.current = (np.cumsum(new) - 1)[np.flatnonzero(self._place % self._m == 0)]

    def pick(self, which: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return for distinct sums one of the samples that have them, by its place in its state."""
        step = np.floor(rng.uniform(size=which.shape) * self._times[which]).astype(int)
        return self._place[self._start[which] + step] % self._m


def sample(block: Block, draws: int, rng: np.random.Generator) -> dict:
    """Sample counts that agree with the published rates.

    Parameters
    ----------
    block : Block
        The studies, bounds and published rates.
    draws : int
        Number of draws wanted; there are fewer where the chain seldom meets all rates.
    rng : numpy Generator
        The source of random numbers.

    Returns
    -------
    dict
        events (d, k, 3); n (d, k); state (d,), which of the states each draw is of; tolerance, a dict of int to int: of
        each published rate that was reached, by its place among the claims, the least whole number of units within
        which all were, lowered for one rate at a time as long as enough states were within.
    """
    chain = Chain(block, _STATES, rng)
    chain.spread()
    tolerance: dict[int, int] = {}
    while not tolerance and np.isfinite(chain.tolerance).any():
        asked, seen = np.flatnonzero(np.isfinite(chain.tolerance)), []
        for repeated, stages in enumerate(_SEARCH):
            if repeated == 1:
                chain.start_near()
            seen += chain.search(stages, copy=repeated > 0)
            off = np.concatenate([of[0] for of in seen], axis=1)
            tolerance = _least(off, asked)
            if tolerance and max(tolerance.values()) == 1:
                break
        if not tolerance:
            chain.tolerance[_conflict(block, off, chain.tolerance)] = np.inf
    found: list[tuple] = []
    if tolerance:
        chain.tolerance[list(tolerance)] = list(tolerance.values())
        chain.settle([np.concatenate(of, axis=-1) for of in zip(*seen, strict=True)])
        for _ in range(max(int(draws / _PER_SWEEP), 1)):
            chain.sweep()
            inside = chain.inside()
            found.append((chain.x[:, :, inside], chain.n[:, inside], chain.every[inside]))
    if not sum(len(of) for _, _, of in found):
        nothing = np.empty((0, len(block.n)))
        return {
            "events": np.empty((*nothing.shape, 3)),
            "n": nothing,
            "state": np.empty(0, int),
            "tolerance": tolerance,
        }
    x, n, state = (np.concatenate(of, axis=-1) for of in zip(*found, strict=True))
    kept = np.linspace(0, len(state) - 1, min(draws, len(state))).round().astype(int)
    events, n = x[..., kept].transpose(2, 1, 0).astype(float), n[:, kept].T.astype(float)
    return {"events": events, "n": n, "state": state[kept], "tolerance": tolerance}


def compare_populations(state: np.ndarray, values: np.ndarray, states: int = _STATES) -> float:
    """Return how far populations of states disagree.

    Parameters
    ----------
    state : ndarray of int, shape (d,)
        Which state each draw is of.
    values : ndarray, shape (d, m)
        The draws.
    states : int
        Number of states, in `POPULATIONS` populations.

    Returns
    -------
    float
        Largest ratio of total to within-population spread over the columns; infinite if a population has fewer than
        two draws.

    Notes
    -----
    As Brooks & Gelman (1998, doi:10.1080/10618600.1998.10474787), but that the differences of the populations' means
    that are to be expected by chance are taken off. Draws of one state depend on each other, so chance is measured by
    the differences between the states of a population.
    """
    population = state * POPULATIONS // states
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
    apart = between > 1e-12
    if (apart & (within <= 1e-12)).any():
        return np.inf
    ratio = np.sqrt(1 + np.divide(between, within, out=np.zeros_like(within), where=within > 1e-12))
    return float(ratio.max(initial=1.0))


def _least(off: np.ndarray, asked: np.ndarray) -> dict[int, int]:
    """Return the least tolerances within which enough states (claims, m) are; empty: there are none."""
    units = np.maximum(np.ceil(off[asked]), 1)
    worst = np.sort(units.max(axis=0))
    if worst[_ENOUGH - 1] > WIDEST:
        return {}
    tolerance = np.full(len(asked), worst[_ENOUGH - 1])
    while True:
        lower = tolerance - np.eye(len(asked))
        left = (units[None] <= lower[:, :, None]).all(axis=1).sum(axis=1)
        if left.max(initial=0) < _ENOUGH:
            return dict(zip(asked.tolist(), tolerance.astype(int).tolist(), strict=True))
        tolerance = lower[left.argmax()]


def _conflict(block: Block, off: np.ndarray, tolerance: np.ndarray) -> int:
    """Return the claim to give up: of those of the threshold that is furthest off, the one of the fewest arms."""
    asked = np.flatnonzero(np.isfinite(tolerance))
    nearest = off[asked][:, off[asked].max(axis=0).argmin()]
    worst = block.claims[asked[nearest.argmax()]]
    same = [i for i in asked if block.claims[i].degree == worst.degree and (block.claims[i].of & worst.of).any()]
    return min(same, key=lambda i: block.claims[i].of.sum())
