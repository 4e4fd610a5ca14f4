"""All counts that agree with the published rates, for blocks that are small enough to try them one by one.

Given the numbers of participants, a published rate depends on the counts of its own threshold only. So all counts of
each threshold are tried, those that agree are joined over the thresholds (no more patients reach a higher threshold
than a lower one), and joint counts are drawn with the probabilities that the prior gives them: independent draws,
without a Markov chain.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from lib.published.count_model import WIDEST, Z95, Block, Claim, Prior, distance, effects, pooled

MOST_TRIED = 40_000_000
"""Counts of one threshold, over all numbers of participants, beyond which a block is not enumerated."""
MOST_COMPARED = 300_000_000
"""Pairs of counts of neighbouring thresholds, compared study by study, beyond which a block is not enumerated."""
MOST_PAIRS = 200_000
"""Pairs of nested counts of neighbouring thresholds beyond which a block is not enumerated."""
_MOST_PARTICIPANTS = 1_000
# Counts that are compared with the published rates in one piece, as many as fit into a processor's cache.
_AT_ONCE = 20_000


class TooLargeError(Exception):
    """A block has too many counts to try them all."""


@dataclass(frozen=True)
class Agreeing:
    """Counts of one threshold that agree with its published rates.

    Attributes
    ----------
    size : ndarray of int, shape (m,)
        Which row of the possible numbers of participants they belong to, in ascending order.
    x : ndarray of int, shape (k, m)
        The counts.
    off : ndarray, shape (claims of the threshold, m)
        Their distance from each published rate, in units of its rounding.
    """

    size: np.ndarray
    x: np.ndarray
    off: np.ndarray

    def within(self, tolerance: Sequence[float]) -> Agreeing:
        """Return those that are within a tolerance of each published rate."""
        met = (self.off <= np.array(tolerance)[:, None]).all(axis=0)
        return Agreeing(self.size[met], self.x[:, met], self.off[:, met])


class Enumeration:
    """Joint counts of a block that agree with its published rates.

    Parameters
    ----------
    block : Block
        The studies, bounds and published rates.

    Attributes
    ----------
    tolerance : dict of int to int
        For each published rate that joint counts reach, by its place among the claims, the units of rounding within
        which they do: the least whole number for all rates together, then lowered for one rate at a time, that which
        leaves the most joint counts, as long as any are left.
    sizes : ndarray of int, shape (s, k)
        The possible numbers of participants.
    found : list of Agreeing
        The counts within the tolerance, threshold by threshold.

    Raises
    ------
    TooLargeError
        If there are too many counts to try.

    Notes
    -----
    Where no joint counts are within `WIDEST` units of all published rates, rates are given up until there are: those
    that no counts of their threshold meet, else the one of the fewest arms.
    """

    def __init__(self, block: Block):
        self.block = block
        self.sizes = _participants(block)
        self.prior = Prior(int(block.largest.max()))
        self.tolerance: dict[int, int] = {}
        asked = list(range(len(block.claims)))
        while asked:
            found = [self._agreeing(degree, tuple(self._of(asked, degree))) for degree in range(3)]
            empty = [degree for degree in range(3) if not len(found[degree].size)]
            lost = [min(self._of(asked, degree), key=self._arms) for degree in empty]
            if not lost:
                self.tolerance = self._least(found, asked)
                if self.tolerance:
                    break
                lost = [min(asked, key=self._arms)]
            asked = [i for i in asked if i not in lost]

    def _arms(self, i: int) -> int:
        return int(self.block.claims[i].of.sum())

    def _of(self, claims: Sequence[int], degree: int) -> list[int]:
        return [i for i in claims if self.block.claims[i].degree == degree]

    @functools.cache  # noqa: B019
    def _agreeing(self, degree: int, claims: tuple[int, ...]) -> Agreeing:
        """Try all counts of a threshold."""
        asked = [self.block.claims[i] for i in claims]
        bounds = np.array(self.block.limits(self.sizes, degree)).astype(int)
        if np.prod(bounds[1] - bounds[0] + 1.0, axis=1).sum() > (MOST_TRIED if asked else MOST_PAIRS):
            raise TooLargeError
        pieces = [try_all(n, low, high, asked) for n, low, high in zip(self.sizes, *bounds, strict=True)]
        size = np.repeat(np.arange(len(pieces)), [x.shape[1] for x, _ in pieces])
        return Agreeing(size, *(np.concatenate(of, axis=1) for of in zip(*pieces, strict=True)))

    def _least(self, found: Sequence[Agreeing], asked: Sequence[int]) -> dict[int, int]:
        """Return the least tolerances that leave joint counts and keep those counts; empty: there are none."""
        tolerance: dict[int, int] = {}
        for widest in range(1, WIDEST + 1):
            if self._join(found, dict.fromkeys(asked, widest)):
                tolerance = dict.fromkeys(asked, widest)
                break
        while tolerance:
            lower = [tolerance | {i: by - 1} for i, by in tolerance.items() if by > 1]
            left = [self._join(found, one) for one in lower]
            if not max(left, default=0):
                self._join(found, tolerance)
                break
            tolerance = lower[int(np.argmax(left))]
        return tolerance

    def _join(self, found: Sequence[Agreeing], tolerance: dict[int, int]) -> int:
        """Join the counts of the thresholds within tolerances, and return the number of joint counts."""
        self.found = [of.within([tolerance[i] for i in self._of(tolerance, d)]) for d, of in enumerate(found)]
        self.pairs = [_nested(lower, higher) for lower, higher in zip(self.found[:2], self.found[1:], strict=True)]
        return self._count()

    @property
    def solutions(self) -> int:
        """Number of joint counts within the tolerances."""
        return self._count() if self.tolerance else 0

    def _count(self) -> int:
        middle = len(self.found[1].size)
        below, above = (np.bincount(of, minlength=middle) for of in (self.pairs[0][1], self.pairs[1][0]))
        return int((below * above).sum())

    @functools.cached_property
    def _log_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Log prior of the pairs of the two higher thresholds, and of the joint counts by pair of the lower two."""
        (first, second), (middle, third) = self.pairs
        a, b, c = (of.x for of in self.found)
        last = self.prior.log_marginal(b[:, middle], c[:, third])
        ends = np.full(b.shape[1], -np.inf)
        np.logaddexp.at(ends, middle, last)
        going = np.isfinite(ends[second])
        begin = np.full(a.shape[1], -np.inf)
        used = np.unique(first[going])
        begin[used] = self.prior.log_marginal(self.sizes[self.found[0].size[used]].T, a[:, used])
        joint = begin[first] + ends[second]
        joint[going] += self.prior.log_marginal(a[:, first[going]], b[:, second[going]])
        return last, joint

    def draw(self, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw joint counts (draws, k, 3) and numbers of participants (draws, k), independently."""
        (first, second), (middle, third) = self.pairs
        last, joint = self._log_weights
        chosen = rng.choice(len(joint), size=draws, p=special.softmax(joint))
        end = np.empty(draws, dtype=int)
        for of in np.unique(second[chosen]):
            which, onward = np.flatnonzero(second[chosen] == of), np.flatnonzero(middle == of)
            end[which] = third[rng.choice(onward, size=len(which), p=special.softmax(last[onward]))]
        places = first[chosen], second[chosen], end
        events = np.stack([of.x[:, at].T for of, at in zip(self.found, places, strict=True)], axis=2)
        return events.astype(float), self.sizes[self.found[0].size[places[0]]].astype(float)

    def all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return all joint counts (m, k, 3), their participants (m, k) and their probabilities (m,)."""
        (first, second), (middle, third) = self.pairs
        last, joint = self._log_weights
        shares = last - special.logsumexp(last)
        ends = np.full(self.found[1].x.shape[1], -np.inf)
        np.logaddexp.at(ends, middle, shares)
        lower, higher = np.nonzero(second[:, None] == middle)
        log = joint[lower] + shares[higher] - ends[middle[higher]]
        places = first[lower], second[lower], third[higher]
        events = np.stack([of.x[:, at].T for of, at in zip(self.found, places, strict=True)], axis=2)
        return events, self.sizes[self.found[0].size[places[0]]], special.softmax(log)


def _participants(block: Block) -> np.ndarray:
    """Return the possible numbers of participants, shape (s, k): those that shifts reach from the block's own."""
    found = {tuple(block.n.astype(int))}
    new = list(found)
    while new:
        tried = (np.array(new)[:, None] + block.shifts.astype(int)).reshape(-1, len(block.n))
        tried = tried[((tried >= block.least) & (tried <= block.largest)).all(axis=1)]
        new = list(set(map(tuple, tried.tolist())) - found)
        found |= set(new)
        if len(found) > _MOST_PARTICIPANTS:
            raise TooLargeError
    return np.array(sorted(found))


def try_all(n: np.ndarray, low: np.ndarray, high: np.ndarray, claims: Sequence[Claim]) -> tuple[np.ndarray, ...]:
    """Return all counts (k, m) between bounds within `WIDEST` units of each claim, and their distances (claims, m).

    Only counts whose standard error can be near the published one are pooled in full. With w the inverse variances,
    1 / sum(1 / (v + tau2)) is at least 1 / sum(w) + tau2 / k and at most 1 / sum(w) + tau2 sum(w**2) / sum(w)**2, as
    its slope in tau2 falls from the one to the other.
    """
    cut = _half(high - low + 1)
    halves = [_grid(low[part], high[part]) for part in (slice(cut), slice(cut, None))]
    if not claims:
        return _combined(halves, np.arange(halves[0].shape[1] * halves[1].shape[1])), np.empty((0, 0))
    claim = claims[0]
    limits = _se_limits(claim)
    sums = [
        _sums(*effects(half, n[part, None].astype(float)), claim.of[part])
        for half, part in zip(halves, (slice(cut), slice(cut, None)), strict=True)
    ]
    others = sums[1].shape[1]
    kept = []
    step = max(1, _AT_ONCE // others)
    for at in range(0, sums[0].shape[1], step):
        k, s1, s2, sp, spp = sums[0][:, at : at + step, None] + sums[1][:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / s1
            tau2 = np.maximum(spp - sp * sp * inverse - (k - 1), 0) / (s1 - s2 * inverse)
            tau2[k <= 1] = 0
            near = (inverse + tau2 / k <= limits[1]) & (inverse + tau2 * s2 * inverse * inverse >= limits[0])
        kept.append(np.flatnonzero(near) + at * others)
    x = _combined(halves, np.concatenate(kept))
    used = n[:, None].astype(float)
    off = np.array([distance(*pooled(*effects(x[c.of], used[c.of]))[:2], c) for c in claims])
    met = (off <= WIDEST).all(axis=0)
    return x[:, met], off[:, met]


def _half(options: np.ndarray) -> int:
    """Return where to divide studies so that both parts have about as many counts."""
    log = np.cumsum(np.log(options))
    return int(np.searchsorted(log, log[-1] / 2)) + (len(options) > 1)


def _grid(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return all whole numbers between bounds, shape (k, m)."""
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    grid = np.array(np.meshgrid(*axes, indexing="ij"), dtype=int)
    return grid.reshape(len(axes), int(np.prod([len(a) for a in axes])))


def _combined(halves: Sequence[np.ndarray], place: np.ndarray) -> np.ndarray:
    first, second = np.divmod(place, halves[1].shape[1])
    return np.concatenate([halves[0][:, first], halves[1][:, second]])


def _sums(p: np.ndarray, v: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return what DerSimonian and Laird's estimate takes of studies (k, m) that a claim is of, shape (5, m)."""
    w = np.where(of[:, None], 1 / v, 0.0)
    return np.array(
        [(w > 0).sum(axis=0), w.sum(axis=0), (w**2).sum(axis=0), (w * p).sum(axis=0), (w * p**2).sum(axis=0)]
    )


def _se_limits(claim: Claim) -> tuple[float, float]:
    """Return the least and largest squared standard error within `WIDEST` units of a claim."""
    (estimate, low, high), reach = claim.printed, WIDEST * claim.half
    ends = [
        (high - estimate, reach[2] + reach[0]),
        (estimate - low, reach[1] + reach[0]),
        ((high - low) / 2, 0.5 * (reach[1] + reach[2])),
    ]
    least = np.nanmax([0.0] + [width - off for width, off in ends])
    largest = np.nanmin([np.inf] + [width + off for width, off in ends])
    return float(max(least, 0) / Z95) ** 2 * (1 - 1e-9), float(largest / Z95) ** 2 * (1 + 1e-9)


def _nested(lower: Agreeing, higher: Agreeing) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of counts in which the higher threshold has no more responders in any study."""
    edges = [
        np.searchsorted(of.size, np.arange(max(lower.size.max(initial=-1), higher.size.max(initial=-1)) + 2))
        for of in (lower, higher)
    ]
    lengths = [np.diff(of) for of in edges]
    if len(lower.x) * float((lengths[0] * lengths[1]).sum()) > MOST_COMPARED:
        raise TooLargeError
    firsts, seconds = [np.empty(0, dtype=int)], [np.empty(0, dtype=int)]
    for size in np.flatnonzero((lengths[0] > 0) & (lengths[1] > 0)):
        a, b = (slice(of[size], of[size + 1]) for of in edges)
        step = max(1, _AT_ONCE * 10 // int(lengths[1][size]))
        for at in range(a.start, a.stop, step):
            piece = slice(at, min(at + step, a.stop))
            nested = np.ones((piece.stop - piece.start, b.stop - b.start), dtype=bool)
            for low, high in zip(lower.x[:, piece], higher.x[:, b], strict=True):
                nested &= high <= low[:, None]
            first, second = np.nonzero(nested)
            firsts.append(first + piece.start)
            seconds.append(second + b.start)
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    if len(first) > MOST_PAIRS:
        raise TooLargeError
    return first, second
