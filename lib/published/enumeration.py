"""Enumerate all counts that agree with the published rates, for blocks that are small enough.

Belongs here: trying all counts of each threshold, on which its published rates depend (given the numbers of
participants); joining the counts of the three thresholds, of which a higher one never has more responders than a lower
one; and drawing joint counts independently, with the probabilities that the prior gives them.
Does not belong here: larger blocks (`chain`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from lib.published.count_model import WIDEST, Z95, Block, Prior, PublishedRate, distance_from_rate, effects, pooled

MOST_TRIED = 40_000_000
"""Largest number of counts of one threshold, over all numbers of participants, for which a block is enumerated."""
MOST_COMPARED = 300_000_000
"""Largest number of pairs of counts at neighbouring thresholds to compare for which a block is enumerated."""
MOST_PAIRS = 200_000
"""Largest number of pairs of nested counts at neighbouring thresholds for which a block is enumerated."""
_MOST_PARTICIPANTS = 1_000
# Number of counts that are compared with the published rates at a time: as many as fit into a processor's cache.
_AT_ONCE = 20_000


class TooLargeError(Exception):
    """A block has too many counts to try them all."""


@dataclass(frozen=True)
class Agreeing:
    """Counts of one threshold that agree with its published rates.

    Attributes
    ----------
    row : ndarray of int, shape (m,)
        Row of the possible numbers of participants that each count belongs to, in ascending order.
    x : ndarray of int, shape (k, m)
        The counts.
    distance : ndarray, shape (rates of the threshold, m)
        Their distance from each published rate, in units of its rounding.
    """

    row: np.ndarray
    x: np.ndarray
    distance: np.ndarray

    def within(self, tolerance: Sequence[float]) -> Agreeing:
        """Return the counts that are within the tolerance of each published rate."""
        inside = (self.distance <= np.array(tolerance)[:, None]).all(axis=0)
        return Agreeing(self.row[inside], self.x[:, inside], self.distance[:, inside])


class Enumeration:
    """Joint counts of a block that agree with its published rates.

    Parameters
    ----------
    block : Block
        The studies, bounds and published rates.

    Attributes
    ----------
    tolerance : dict of int to int
        Tolerance of each published rate that joint counts reproduce, by its index in the block, in units of rounding:
        first the smallest whole number at which joint counts reproduce all rates; then lowered for one rate at a time,
        always the one that leaves the most joint counts, as long as joint counts remain.
    participants : ndarray of int, shape (s, k)
        The possible numbers of participants.
    agreeing : list of Agreeing
        The counts within the tolerance, threshold by threshold.

    Raises
    ------
    TooLargeError
        If there are too many counts to try.

    Notes
    -----
    If no joint counts are within `WIDEST` units of all published rates, rates are given up until there are: those that
    no counts of their threshold reproduce, otherwise the one with the fewest studies.
    """

    def __init__(self, block: Block):
        self.block = block
        self.participants = _possible_participants(block)
        self.prior = Prior(int(block.largest.max()))
        self.tolerance: dict[int, int] = {}
        active = list(range(len(block.rates)))
        while active:
            agreeing = [self._try_threshold(t, tuple(self._at_threshold(active, t))) for t in range(3)]
            empty = [t for t in range(3) if not len(agreeing[t].row)]
            given_up = [min(self._at_threshold(active, t), key=self._studies) for t in empty]
            if not given_up:
                self.tolerance = self._least_tolerances(agreeing, active)
                if self.tolerance:
                    break
                given_up = [min(active, key=self._studies)]
            active = [i for i in active if i not in given_up]

    def _studies(self, i: int) -> int:
        return int(self.block.rates[i].included.sum())

    def _at_threshold(self, rates: Iterable[int], t: int) -> list[int]:
        return [i for i in rates if self.block.rates[i].threshold_index == t]

    @functools.cache  # noqa: B019
    def _try_threshold(self, t: int, places: tuple[int, ...]) -> Agreeing:
        """Try all counts of threshold t, and return those near its rates, given by their indices ``places``."""
        rates = [self.block.rates[i] for i in places]
        bounds = np.array(self.block.limits(self.participants, t)).astype(int)
        if np.prod(bounds[1] - bounds[0] + 1.0, axis=1).sum() > (MOST_TRIED if rates else MOST_PAIRS):
            raise TooLargeError
        pieces = [try_all(n, low, high, rates) for n, low, high in zip(self.participants, *bounds, strict=True)]
        row = np.repeat(np.arange(len(pieces)), [x.shape[1] for x, _ in pieces])
        return Agreeing(row, *(np.concatenate(arrays, axis=1) for arrays in zip(*pieces, strict=True)))

    def _least_tolerances(self, agreeing: Sequence[Agreeing], active: Sequence[int]) -> dict[int, int]:
        """Return the smallest tolerances that leave joint counts, and store those counts; empty if there are none."""
        tolerance: dict[int, int] = {}
        for widest in range(1, WIDEST + 1):
            if self._join(agreeing, dict.fromkeys(active, widest)):
                tolerance = dict.fromkeys(active, widest)
                break
        while tolerance:
            lower = [tolerance | {i: units - 1} for i, units in tolerance.items() if units > 1]
            left = [self._join(agreeing, one) for one in lower]
            if not max(left, default=0):
                self._join(agreeing, tolerance)
                break
            tolerance = lower[int(np.argmax(left))]
        return tolerance

    def _join(self, agreeing: Sequence[Agreeing], tolerance: dict[int, int]) -> int:
        """Join the counts of the thresholds within tolerances, and return the number of joint counts."""
        self.agreeing = [
            counts.within([tolerance[i] for i in self._at_threshold(tolerance, t)]) for t, counts in enumerate(agreeing)
        ]
        self.pairs = [_nested(lower, higher) for lower, higher in itertools.pairwise(self.agreeing)]
        return self._count()

    @property
    def solutions(self) -> int:
        """Number of joint counts within the tolerances."""
        return self._count() if self.tolerance else 0

    def _count(self) -> int:
        middle = len(self.agreeing[1].row)
        below, above = (np.bincount(at, minlength=middle) for at in (self.pairs[0][1], self.pairs[1][0]))
        return int((below * above).sum())

    @functools.cached_property
    def _log_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Log prior of the pairs of the two higher thresholds, and of the joint counts by pair of the lower two."""
        (first, second), (middle, third) = self.pairs
        a, b, c = (counts.x for counts in self.agreeing)
        last = self.prior.log_marginal(b[:, middle], c[:, third])
        ends = np.full(b.shape[1], -np.inf)
        np.logaddexp.at(ends, middle, last)
        continued = np.isfinite(ends[second])
        starts = np.full(a.shape[1], -np.inf)
        used = np.unique(first[continued])
        starts[used] = self.prior.log_marginal(self.participants[self.agreeing[0].row[used]].T, a[:, used])
        joint = starts[first] + ends[second]
        joint[continued] += self.prior.log_marginal(a[:, first[continued]], b[:, second[continued]])
        return last, joint

    def draw(self, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw joint counts (draws, k, 3) and numbers of participants (draws, k), independently."""
        (first, second), (middle, third) = self.pairs
        last, joint = self._log_weights
        chosen = rng.choice(len(joint), size=draws, p=special.softmax(joint))
        end = np.empty(draws, dtype=int)
        for at in np.unique(second[chosen]):
            which, following = np.flatnonzero(second[chosen] == at), np.flatnonzero(middle == at)
            end[which] = third[rng.choice(following, size=len(which), p=special.softmax(last[following]))]
        events, n = self._at(first[chosen], second[chosen], end)
        return events.astype(float), n.astype(float)

    def all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return all joint counts (m, k, 3), their participants (m, k) and their probabilities (m,)."""
        (first, second), (middle, third) = self.pairs
        last, joint = self._log_weights
        shares = last - special.logsumexp(last)
        ends = np.full(self.agreeing[1].x.shape[1], -np.inf)
        np.logaddexp.at(ends, middle, shares)
        lower, higher = np.nonzero(second[:, None] == middle)
        log = joint[lower] + shares[higher] - ends[middle[higher]]
        return *self._at(first[lower], second[lower], third[higher]), special.softmax(log)

    def _at(self, *places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return joint counts (m, k, 3) from the indices of each threshold's counts, and their participants (m, k)."""
        events = np.stack([counts.x[:, at].T for counts, at in zip(self.agreeing, places, strict=True)], axis=2)
        return events, self.participants[self.agreeing[0].row[places[0]]]


def _possible_participants(block: Block) -> np.ndarray:
    """Return the possible numbers of participants, shape (s, k): all that shifts of the block's own numbers reach."""
    reached = {tuple(block.n.astype(int))}
    new = list(reached)
    while new:
        tried = (np.array(new)[:, None] + block.shifts.astype(int)).reshape(-1, len(block.n))
        tried = tried[((tried >= block.least) & (tried <= block.largest)).all(axis=1)]
        new = list(set(map(tuple, tried.tolist())) - reached)
        reached |= set(new)
        if len(reached) > _MOST_PARTICIPANTS:
            raise TooLargeError
    return np.array(sorted(reached))


def try_all(n: np.ndarray, low: np.ndarray, high: np.ndarray, rates: Sequence[PublishedRate]) -> tuple[np.ndarray, ...]:
    """Return all counts (k, m) between bounds within `WIDEST` units of each rate, and their distances (rates, m).

    Only counts whose standard error can be near the published one are pooled in full. With w the inverse variances,
    1 / sum(1 / (v + tau2)) is at least 1 / sum(w) + tau2 / k and at most 1 / sum(w) + tau2 sum(w**2) / sum(w)**2, as
    its slope in tau2 falls from the one to the other.
    """
    cut = _half(high - low + 1)
    halves = [_grid(low[part], high[part]) for part in (slice(cut), slice(cut, None))]
    if not rates:
        return _combined(halves, np.arange(halves[0].shape[1] * halves[1].shape[1])), np.empty((0, 0))
    limits = _squared_se_limits(rates[0])
    sums = [
        _sums(*effects(half, n[part, None].astype(float)), rates[0].included[part])
        for half, part in zip(halves, (slice(cut), slice(cut, None)), strict=True)
    ]
    others = sums[1].shape[1]
    near_places = []
    step = max(1, _AT_ONCE // others)
    for start in range(0, sums[0].shape[1], step):
        k, s1, s2, sp, spp = sums[0][:, start : start + step, None] + sums[1][:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / s1
            tau2 = np.maximum(spp - sp * sp * inverse - (k - 1), 0) / (s1 - s2 * inverse)
            tau2[k <= 1] = 0
            near = (inverse + tau2 / k <= limits[1]) & (inverse + tau2 * s2 * inverse * inverse >= limits[0])
        near_places.append(np.flatnonzero(near) + start * others)
    x = _combined(halves, np.concatenate(near_places))
    used = n[:, None].astype(float)
    distance = np.array([distance_from_rate(*pooled(*effects(x[r.included], used[r.included]))[:2], r) for r in rates])
    inside = (distance <= WIDEST).all(axis=0)
    return x[:, inside], distance[:, inside]


def _half(options: np.ndarray) -> int:
    """Return the index at which to divide studies so that both parts have about as many counts."""
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


def _sums(p: np.ndarray, v: np.ndarray, included: np.ndarray) -> np.ndarray:
    """Return the sums (5, m) over the included studies (k, m) that DerSimonian and Laird's estimate needs."""
    w = np.where(included[:, None], 1 / v, 0.0)
    return np.array(
        [(w > 0).sum(axis=0), w.sum(axis=0), (w**2).sum(axis=0), (w * p).sum(axis=0), (w * p**2).sum(axis=0)]
    )


def _squared_se_limits(rate: PublishedRate) -> tuple[float, float]:
    """Return the smallest and largest squared standard error within `WIDEST` units of a rate."""
    (estimate, low, high), reach = rate.published, WIDEST * rate.half_unit
    ends = [
        (high - estimate, reach[2] + reach[0]),
        (estimate - low, reach[1] + reach[0]),
        ((high - low) / 2, 0.5 * (reach[1] + reach[2])),
    ]
    least = np.nanmax([0.0] + [width - allowance for width, allowance in ends])
    largest = np.nanmin([np.inf] + [width + allowance for width, allowance in ends])
    return float(max(least, 0) / Z95) ** 2 * (1 - 1e-9), float(largest / Z95) ** 2 * (1 + 1e-9)


def _nested(lower: Agreeing, higher: Agreeing) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of counts in which the higher threshold has no more responders in any study."""
    rows = np.arange(max(lower.row.max(initial=-1), higher.row.max(initial=-1)) + 2)
    edges = [np.searchsorted(counts.row, rows) for counts in (lower, higher)]
    lengths = [np.diff(edge) for edge in edges]
    if len(lower.x) * float((lengths[0] * lengths[1]).sum()) > MOST_COMPARED:
        raise TooLargeError
    firsts, seconds = [np.empty(0, dtype=int)], [np.empty(0, dtype=int)]
    for row in np.flatnonzero((lengths[0] > 0) & (lengths[1] > 0)):
        a, b = (slice(edge[row], edge[row + 1]) for edge in edges)
        step = max(1, _AT_ONCE * 10 // int(lengths[1][row]))
        for start in range(a.start, a.stop, step):
            piece = slice(start, min(start + step, a.stop))
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
