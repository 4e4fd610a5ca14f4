"""Choose pairs of samples by their distance from a published rate, as the core of a move of the Markov chain.

Belongs here: the published rates with their tolerances (`Targets`), the sums over studies from which a pooled rate is
computed approximately, and the choice among all pairs of samples of two halves of the studies.
Does not belong here: the states and their moves (`chain`), and the search for tolerances (`chain_search`).
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from lib.published.count_model import Z95, Block, PublishedRate

# The search skips pairs whose estimate, at fixed tau2, is further than this from the published one, in units of its
# rounding.
_SEARCH_LIMIT = 12
# Standard error that is assumed if neither limit of the published interval can be used.
_ROUGH_SE = 0.1


class Targets:
    """The published rates of a block, and how closely counts have to reproduce them.

    Parameters
    ----------
    block : Block
        The studies, bounds and published rates.
    states : int
        Number of states of the chain, c.
    rng : numpy Generator
        The source of random numbers.

    Attributes
    ----------
    tolerance : ndarray, shape (rates,)
        Units of rounding within which a published rate counts as reproduced; infinite if the rate was given up.
    power : int
        Weights fall with this power of the distance beyond the tolerance; a power of two, at least 4.
    limit : int
        Pairs whose estimate, at fixed tau2, is further than this from the published one, in units of its rounding, are
        skipped.
    tau2 : ndarray, shape (rates,)
        Fixed between-study variance at which the sums over studies are computed.
    """

    def __init__(self, block: Block, states: int, rng: np.random.Generator):
        self.block, self.c, self.rng = block, states, rng
        self.tolerance, self.power, self.limit = np.ones(len(block.rates)), 4, _SEARCH_LIMIT
        self.tau2 = np.array([_likely_tau2(block, rate) for rate in block.rates], dtype=np.float32)
        self._centre = np.array([_centre(rate) for rate in block.rates], dtype=np.float32)
        self._unit = np.array([rate.half_unit[0] / _standard_error(rate) ** 2 for rate in block.rates])

    def active(self) -> np.ndarray:
        """Return the indices of the rates that are not given up."""
        return np.flatnonzero(np.isfinite(self.tolerance))

    def at_threshold(self, t: int) -> list[int]:
        """Return the indices of threshold t's rates that are not given up, those with the fewest studies first."""
        rates = self.block.rates
        return sorted(
            (i for i in self.active() if rates[i].threshold_index == t), key=lambda i: rates[i].included.sum()
        )

    def log_weight(self, distance: np.ndarray, i: int) -> np.ndarray:
        """Return the logarithm of the weight of states at a distance from rate i."""
        return -self.power * np.log(np.maximum(1.0, distance / self.tolerance[i]))

    def reproduced(self, distance: np.ndarray) -> np.ndarray:
        """Return for each state (c,) whether its distances (rates, c) are within the tolerances of all rates."""
        return np.asarray((distance <= self.tolerance[:, None]).all(axis=0))

    def sums(self, i: int, part: np.ndarray, x: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Return the sums (9, c, m) over a part of the studies, with counts x (k, c, m), that rate i depends on."""
        part = part[self.block.rates[i].included[part]]
        n = n[part, :, None].astype(np.float32)
        p = x[part].astype(np.float32) / n
        spread = p * (1 - p)
        used = spread > 0
        v = np.where(used, spread / n, np.float32(np.inf))
        d, w, a = p - self._centre[i], 1 / v, 1 / (v + self.tau2[i])
        wd, ad = w * d, a * d
        terms = (used, w, w * w, wd, wd * d, a, a * a, ad, a * ad)
        return np.array([term.sum(axis=0, dtype=np.float32) for term in terms])

    def choose(self, i: int, first: np.ndarray, second: np.ndarray, number: int) -> tuple[list, np.ndarray]:
        """Choose pairs of samples by their distance from rate i.

        Parameters
        ----------
        i : int
            Index of the rate.
        first, second : ndarray, shape (9, c, m)
            Sums over the studies of two parts.
        number : int
            Number of pairs to choose for each state; if there are several, the first is that of the current counts.

        Returns
        -------
        list of ndarray of int, shape (c, number)
            Indices of the chosen samples of the first part and of the second.
        ndarray, shape (c, number)
            Logarithm of the ratio of their approximate weight to that of the current counts.
        """
        a, b = _Distinct(first), _Distinct(second)
        # Keep pairs whose estimate, at the fixed tau2, is near the published one, or nearer to it than the current one.
        reach = (self.limit + self.tolerance[i]) * self._unit[i]
        reach = np.maximum(reach, np.abs(first[7, :, 0] + second[7, :, 0]) * (1 + 1e-5))
        pair_a, pair_b, edges = self._near_pairs(a, b, reach)
        log_distance = np.log(self._approximate(i, np.ascontiguousarray((a.sums[pair_a] + b.sums[pair_b]).T)))
        log = a.log_times[pair_a] + b.log_times[pair_b] - self.power * log_distance
        highest = np.maximum.reduceat(log, edges[:-1])
        total = np.cumsum(np.exp(log - np.repeat(highest, np.diff(edges))), dtype=float)
        base = np.concatenate([[0.0], total])[edges]
        points = base[:-1, None] + self.rng.uniform(size=(self.c, number)) * np.diff(base)[:, None]
        chosen = np.clip(np.searchsorted(total, points), edges[:-1, None], edges[1:, None] - 1)
        current = np.log(self._approximate(i, first[:, :, 0] + second[:, :, 0]))
        ratio = self.power * (current[:, None] - log_distance[chosen])
        places = [half.pick(index[chosen], self.rng) for half, index in ((a, pair_a), (b, pair_b))]
        if number > 1:
            for values in (*places, ratio):
                values[:, 0] = 0
        return places, ratio

    def _near_pairs(self, a: _Distinct, b: _Distinct, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the pairs whose sums of `ad` are within ``reach`` (c,) of 0, state by state, with the current pairs.

        Returns
        -------
        pair_a, pair_b : ndarray of int, shape (pairs,)
            Indices of the distinct sums of a and of b.
        edges : ndarray of int, shape (c + 1,)
            Index of the first pair of each state, and the number of pairs.
        """
        scale = 2.1 * max(np.abs(b.sums[:, 7]).max(), 1e-9)
        keys = b.sums[:, 7] / scale + b.state
        reach = reach[a.state]
        ends = [np.clip((limit - a.sums[:, 7]) / scale, -0.5, 0.5) + a.state for limit in (-reach, reach)]
        start, stop = np.searchsorted(keys, ends[0], side="left"), np.searchsorted(keys, ends[1], side="right")
        count = stop - start
        pair_a = np.repeat(np.arange(len(count)), count)
        pair_b = np.arange(len(pair_a)) + np.repeat(start - np.cumsum(count) + count, count)
        edges = np.searchsorted(a.state[pair_a], np.arange(self.c + 1))
        current_count = np.zeros(len(pair_a) + 1, dtype=int)
        current_count[1:] = np.cumsum((pair_a == a.current[a.state[pair_a]]) & (pair_b == b.current[a.state[pair_a]]))
        missing = np.flatnonzero(current_count[edges[1:]] == current_count[edges[:-1]])
        pair_a = np.insert(pair_a, edges[missing + 1], a.current[missing])
        pair_b = np.insert(pair_b, edges[missing + 1], b.current[missing])
        return pair_a, pair_b, np.searchsorted(a.state[pair_a], np.arange(self.c + 1))

    def _approximate(self, i: int, sums: np.ndarray) -> np.ndarray:
        """Approximate max(1, distance / tolerance) for rate i from sums (9, m) over the studies."""
        rate, tiny = self.block.rates[i], np.float32(1e-6)
        k, s1, s2, sp, spp, a1, a2, b1, b2 = sums
        s1, a1 = s1 + tiny, a1 + tiny
        mean = sp / s1
        tau2 = np.maximum(spp - sp * mean - (k - 1), 0) / np.maximum(s1 - s2 / s1, tiny)
        # Derive 1 / (v + tau2) from its value at the fixed tau2; this is exact if the variances v are equal.
        change = tau2 - self.tau2[i]
        change = change * a1 / np.maximum(a1 + a2 * change, tiny)
        total = np.maximum(a1 - a2 * change, tiny)
        estimate = (b1 - b2 * change) / total
        reach = np.float32(Z95) / np.sqrt(total)
        distance = np.ones_like(total)
        values = estimate, estimate - reach, estimate + reach
        for value, published, half_unit in zip(values, rate.published - self._centre[i], rate.half_unit, strict=True):
            if published == published:
                scaled = np.abs(value - np.float32(published))
                np.maximum(distance, scaled * np.float32(1 / (half_unit * self.tolerance[i])), out=distance)
        return distance


class _Distinct:
    """Distinct samples of a part of the studies: samples with equal sums (9, c, m) are merged, and sorted by one sum.

    Attributes
    ----------
    sums : ndarray, shape (d, 9)
        The distinct sums, state by state.
    state : ndarray of int, shape (d,)
        Index of the state that each of them belongs to.
    log_times : ndarray, shape (d,)
        Logarithm of the number of samples that have each of them.
    current : ndarray of int, shape (c,)
        Index of the sums of the first sample of each state.
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
        """Choose at random a sample for each of some distinct sums; return the index of each sample in its state."""
        step = np.floor(rng.uniform(size=which.shape) * self._times[which]).astype(int)
        return self._place[self._start[which] + step] % self._m


def _centre(rate: PublishedRate) -> float:
    """Return the published estimate, or the middle of the interval if the estimate is not used."""
    estimate, low, high = rate.published
    return float(np.nan_to_num(estimate if estimate == estimate else (low + high) / 2, nan=0.5))


def _standard_error(rate: PublishedRate) -> float:
    """Return the published standard error; a rough value if neither end of the interval is used."""
    estimate, low, high = rate.published
    widths = np.array([high - estimate, estimate - low, (high - low) / 2])
    known = widths[np.isfinite(widths)]
    return max(float(known.mean()) / Z95, 1e-4) if len(known) else _ROUGH_SE


def _likely_tau2(block: Block, rate: PublishedRate) -> float:
    """Return the between-study variance at which studies with the published rate have its standard error."""
    middle, se = _centre(rate), _standard_error(rate)
    v = np.maximum(middle * (1 - middle), 0.01) / block.n[rate.included]
    least = 0.1 * float(v.mean())

    def excess(tau2: float) -> float:
        return (1 / (v + tau2)).sum() - 1 / se**2

    return least if excess(least) <= 0 else float(optimize.brentq(excess, least, len(v) * se**2 + least))
