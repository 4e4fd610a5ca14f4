"""A sampler for counts that are not public, so that they agree with everything that was printed.

Knows how to find numbers of responders that reproduce printed pooled rates and their intervals, by the method of
`pooling.pool_proportions` at its defaults, within bounds. What comes out is possible, not reported. How a review
treats a study at 0% or 100% is taken to be as there: left out. Knows arrays and bounds; which studies and printed
rates they come from is told by `imputation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import special, stats

from lib.evidence import THRESHOLDS
from lib.kept import recall

STARTS = 4
"""Populations of states that never mix: what they agree on, the sampler has found."""

GOOD_RHAT = 1.2
"""Largest ratio of total to within-population spread at which the draws count as converged (Brooks & Gelman 1998,
doi:10.1080/10618600.1998.10474787)."""

WIDEST = 8
"""A rate that no counts reproduce within this many times its rounding is given up, and said to be."""

CONCENTRATION, SPREAD = 4.0, 1.0
"""Prior of each step (at least 25% of all, 50% of those, 75% of those): a study's share is beta, with a mean that is
uniform and a concentration that is log-normal about the first number with this standard deviation of its
logarithm: wide enough for studies that agree and for such that do not."""

# The weight of print grows from nothing to where states still move freely, stays there while they forget their
# start, and grows on; then the counts are exchanged one to three at a time. Fewer or shorter stages leave the
# populations apart (see `Draws.rhat`).
_SOFTEST, _SOFT, _HARD = 0.002, 0.2, 3.0
_STAGES, _LONG, _LAST = 12, 40, 10
_MOVES = (20, 60)
_TRIES, _TRIALS = 80, 64
_ALL = slice(0, 3)
# States whose trials are compared with print in one piece: as many as fit into a processor's cache.
_AT_ONCE = 64
# Share of the states by which the tolerance of a printed rate is set.
_ENOUGH = 0.35
_Z = stats.norm.ppf(0.975)


@dataclass(frozen=True)
class Claim:
    """A printed rate that the counts have to reproduce.

    Attributes
    ----------
    threshold, stratum : str
        Which.
    of : ndarray of bool, shape (k,)
        The arms it pools.
    printed, half : ndarray, shape (3,)
        Estimate and ends of its interval as proportions, NaN for what is not held against the counts (an end
        cut at 0% or 100%, a number that is misprinted); and half a unit of the last printed digit of each.
    """

    threshold: str
    stratum: str
    of: np.ndarray
    printed: np.ndarray
    half: np.ndarray


@dataclass(frozen=True)
class Block:
    """Studies and printed rates that bear on each other, and on no others.

    Attributes
    ----------
    regimen : str
        Regimen.
    strata : tuple of str
        Rows of the review's Table 3.
    arms : DataFrame
        A row a study, which the review divides as one: study, label, arms (a tuple).
    n, least, largest : ndarray, shape (k,)
        Number of participants, and the range of it that the printed totals leave.
    low, high : ndarray, shape (k, 3)
        Bounds of the number of responders at 25%, 50% and 75%; equal where the count is known.
    reported : ndarray of bool, shape (k, 3)
        Which counts a report gives.
    percent : ndarray, shape (k, 3)
        A printed percentage without its count, as a proportion of n; NaN: none.
    claims : tuple of Claim
        The printed rates.
    shifts : ndarray, shape (s, k)
        Changes of n that keep the printed totals.
    """

    regimen: str
    strata: tuple[str, ...]
    arms: pd.DataFrame
    n: np.ndarray
    least: np.ndarray
    largest: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reported: np.ndarray
    percent: np.ndarray
    claims: tuple[Claim, ...]
    shifts: np.ndarray

    @property
    def unknown(self) -> np.ndarray:
        """Which counts are not known, shape (k, 3)."""
        return self.high > self.low


@dataclass(frozen=True)
class Draws:
    """Counts that agree with print.

    Attributes
    ----------
    block : Block
        What they were drawn for.
    events : ndarray, shape (d, k, 3)
        Numbers of responders at 25%, 50% and 75%.
    n : ndarray, shape (d, k)
        Numbers of participants.
    within : dict of (threshold, stratum) to float
        How near the draws come to each printed rate, in units of its rounding: 1 is to the last printed digit;
        NaN: given up, as no counts come near.
    rhat : float
        Largest ratio of total to within-population spread among the unknown counts.
    """

    block: Block = field(repr=False)
    events: np.ndarray = field(repr=False)
    n: np.ndarray = field(repr=False)
    within: dict[tuple[str, str], float]
    rhat: float

    @property
    def converged(self) -> bool:
        """Whether there are draws, and the populations agree."""
        return len(self.events) > 0 and self.rhat <= GOOD_RHAT

    def ranges(self, threshold: str, level: float = 0.95) -> pd.DataFrame:
        """Return the range of rates that is consistent with print, a row a study without a public count.

        Returns
        -------
        DataFrame
            study, arms, low and high, as proportions; no rows where the draws did not converge.
        """
        if not self.converged:
            return pd.DataFrame(columns=["study", "arms", "low", "high"])
        at = THRESHOLDS.index(threshold)
        rates = self.events[:, :, at] / self.n
        low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2], axis=0, method="closest_observation")
        return self.block.arms[["study", "arms"]].assign(low=low, high=high)[self.block.unknown[:, at]]


def impute(block: Block, *, states: int = 800, seed: int = 1) -> Draws:
    """Draw the unknown counts of a block so that they agree with everything printed.

    Parameters
    ----------
    block : Block
        The studies, bounds and printed rates.
    states : int
        Number of states that are moved at once, in `STARTS` populations.
    seed : int
        Seed: the same block and seed give the same draws.

    Returns
    -------
    Draws
        States of the sampler in which every printed rate that was not given up is reproduced within its
        tolerance; none where nothing is unknown or nothing is printed. `Draws.converged` says whether they can be
        used.

    Raises
    ------
    ValueError
        If there are fewer states than populations.

    Notes
    -----
    Each state is a Metropolis chain of its own (Metropolis et al. 1953, doi:10.1063/1.1699114) over counts,
    numbers of participants where those are not printed, and the unknowns of the prior. Its target is the prior
    times exp(-h d), d being how far its pooled rates and intervals lie outside the rounding of the printed ones,
    and h grows by stages, as in simulated annealing (Kirkpatrick, Gelatt & Vecchi 1983,
    doi:10.1126/science.220.4598.671). At the end up to three counts at a time are exchanged for others near by
    that reproduce print to its last digit; which of them, the prior decides. The draws agree with print; that
    they are spread as the prior given the print would have them, is an approximation whose calibration
    `calibrate` measures.

    A printed rate that too few states can meet is met within twice its rounding, and so on up to `WIDEST`; beyond
    it is given up, and of rates that exclude each other the one of the fewest arms.

    Draws are kept for who asks for the same (`lib.kept`).
    """
    if states < STARTS:
        raise ValueError(f"states must be at least {STARTS}, not {states}")
    if not block.claims or not block.unknown.any():
        none = _named(block, np.full(len(block.claims), np.nan))
        return Draws(block, np.empty((0, len(block.n), 3)), np.empty((0, len(block.n))), none, np.inf)
    found = recall(__name__, lambda: _Sampler(block, states - states % STARTS, seed).run(), states, seed, *_told(block))
    return Draws(block, found["events"], found["n"], _named(block, found["within"]), float(found["rhat"]))


def _told(block: Block) -> list:
    """Return all of a block that decides its draws."""
    told = [block.regimen, block.strata, block.n, block.least, block.largest, block.low, block.high, block.percent]
    for claim in block.claims:
        told += [claim.threshold, claim.stratum, claim.of, claim.printed, claim.half]
    return [*told, block.shifts]


def _named(block: Block, within) -> dict[tuple[str, str], float]:
    return {(c.threshold, c.stratum): float(w) for c, w in zip(block.claims, within, strict=True)}


class _Sampler:
    """States of the sampler: participants and responders (4, k, c), and the prior's mean and concentration (3, c).

    As most moves change one or two of many studies, what the others add to the target is kept: of each count its
    proportion and variance (see `_pooled`) and its log prior given the degree below it, and of each printed rate how
    far a state is from it beyond its rounding.
    """

    def __init__(self, block: Block, states: int, seed: int):
        self.block, self.c, self.rng = block, states, np.random.default_rng(seed)
        self.every = np.arange(states)
        self.tolerance = np.ones(len(block.claims))
        self.log_factorial = special.gammaln(np.arange(block.largest.max() + 2) + 1.0)
        self.low, self.high, self.percent, self.unknown = (
            np.ascontiguousarray(of.T) for of in (block.low, block.high, block.percent, block.unknown)
        )
        self.degree_of = np.array([THRESHOLDS.index(claim.threshold) for claim in block.claims])
        self.free = [np.flatnonzero(unknown) for unknown in self.unknown]
        self.degrees = [degree for degree in range(3) if len(self.free[degree])]
        self.some = np.flatnonzero(self.unknown.any(axis=0))
        self.shifted = np.argsort(block.shifts == 0, axis=1, kind="stable")[:, :3]
        self.shifts = np.take_along_axis(block.shifts, self.shifted, axis=1)
        self.hardness = 0.0
        self.moves = int(np.clip(block.unknown.sum(), *_MOVES))
        self.mean = self.rng.uniform(size=(3, states))
        self.concentration = np.exp(self.rng.normal(np.log(CONCENTRATION), SPREAD, size=(3, states)))
        self.counts = np.empty((4, len(block.n), states))
        self.n, self.x = self.counts[0], self.counts[1:]
        self.n[:] = block.n[:, None]
        self._start()

    def _start(self) -> None:
        """Put the states where they start."""
        self.x[:] = self._starting_counts()
        self.p, self.v = _effects(self.x, self.n)
        self.log_shares = self._log_shares_of_all()
        self.beyond = np.zeros((len(self.block.claims), self.c))
        for i in self._asked():
            self.beyond[i] = np.maximum(self._off(i) - 1, 0.0)

    def _starting_counts(self) -> np.ndarray:
        """Spread the states: the populations start with few responders, with many, and between."""
        share = (3 + self.every * STARTS // self.c + self.rng.uniform(size=self.c)) / (STARTS + 6)
        low, high = self._limits(self.n, np.arange(len(self.n))[:, None])
        top, counts = self.n, []
        for degree in range(3):
            top = np.minimum(self.rng.binomial(top.astype(int), share), high[degree])
            counts.append(top)
        for degree in (2, 1, 0):
            least = np.maximum(low[degree], counts[degree + 1]) if degree < 2 else low[degree]
            counts[degree] = np.maximum(counts[degree], least)
        return np.stack(counts)

    def _limits(self, n: np.ndarray, arm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds (3, r, c) of the counts of arms (r, c) with n participants."""
        low, high, share = (of.take(arm, axis=1) for of in (self.low, self.high, self.percent))
        return np.fmax(low, np.floor(share * n)), np.fmin(np.minimum(high, n), np.ceil(share * n))

    def _asked(self, degrees: slice = _ALL) -> list[int]:
        """Return which printed rates of some degrees are not given up."""
        asked = range(3)[degrees]
        return [i for i, at in enumerate(self.degree_of) if at in asked and np.isfinite(self.tolerance[i])]

    # Log prior of counts (4, r, m): a multinomial coefficient, and what the unknowns of the prior of states (m,) have
    # to do with, a row a degree.

    def _log_ways(self, counts: np.ndarray) -> np.ndarray:
        parts = np.concatenate([counts[:3] - counts[1:], counts[3:]]).astype(int)
        return self.log_factorial.take(counts[0].astype(int)) - self.log_factorial.take(parts).sum(axis=0)

    def _log_shares(self, counts: np.ndarray, state: np.ndarray, degrees: slice = _ALL) -> np.ndarray:
        of, x = counts[:3][degrees], counts[1:][degrees]
        size = self.concentration[degrees, None, state]
        yes = self.mean[degrees, None, state] * size
        return _log_gamma(x + yes) + _log_gamma(of - x + (size - yes)) - _log_gamma(of + size)

    def _log_shares_of_all(self) -> np.ndarray:
        # A degree at a time: what comes up on the way then fits into a processor's cache.
        degrees = (slice(degree, degree + 1) for degree in range(3))
        return np.concatenate([self._log_shares(self.counts, self.every, degree) for degree in degrees])

    # How far a state is from a printed rate, in units of its rounding.

    def _off(self, i: int) -> np.ndarray:
        claim, degree = self.block.claims[i], self.degree_of[i]
        return _off_print(*_pooled((self.p[degree][claim.of], self.v[degree][claim.of])), claim)

    def _beyond_if(self, i: int, state: np.ndarray, arm: np.ndarray, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Return how far states (m,) would be beyond rounding, were p and v (r, m, s) of arms (r, m) other ones."""
        claim, degree = self.block.claims[i], self.degree_of[i]
        rest_p, rest_v = self.p[degree].take(state, axis=1), self.v[degree].take(state, axis=1)
        rest_v[arm, np.arange(len(state))] = np.inf
        rest = rest_p[claim.of][..., None], rest_v[claim.of][..., None]
        changed = p, np.where(claim.of[arm][..., None], v, np.inf)
        return np.maximum(_off_print(*_pooled(rest, changed), claim) - 1, 0.0)

    def run(self) -> dict:
        """Move the states towards the printed rates, then each to the nearest counts that reproduce them.

        Returns what `Draws` holds beside the block, the tolerances in the order of the claims.
        """
        while np.isfinite(self.tolerance).any():
            for hardness in np.geomspace(_SOFTEST, _SOFT, _STAGES):
                self.hardness = hardness
                self._move(self.moves)
            self._move(_LONG * self.moves)
            for hardness in np.geomspace(_SOFT, _HARD, _LAST):
                self.hardness = hardness
                self._move(self.moves)
            self._polish()
            off = np.stack([self._off(i) for i in range(len(self.block.claims))])
            worst = self._tolerate(off)
            if worst is None:
                break
            self.tolerance[worst] = np.inf
            self._start()
        else:
            off = np.full((len(self.block.claims), self.c), np.inf)
        # With nothing to agree with, a draw would show the prior alone.
        inside = (off <= self.tolerance[:, None]).all(axis=0) & np.isfinite(self.tolerance).any()
        within = np.where(np.isfinite(self.tolerance), self.tolerance, np.nan)
        start = self.every[inside] * STARTS // self.c
        events, n = np.ascontiguousarray(self.x.T[inside]), np.ascontiguousarray(self.n.T[inside])
        return {"events": events, "n": n, "within": within, "rhat": _rhat(start, events[:, self.block.unknown])}

    def _tolerate(self, off: np.ndarray) -> int | None:
        """Set the tolerance of each printed rate to the least at which enough of the states meet it.

        Returns
        -------
        int or None
            The rate that has to be given up for that: of those in conflict, the one of the fewest arms.
        """
        for i, far in enumerate(off):
            if np.isfinite(self.tolerance[i]):
                steps = np.ceil(np.log2(max(float(np.quantile(far, _ENOUGH)), 1.0)) - 1e-9)
                self.tolerance[i] = 2.0**steps
        beyond = np.flatnonzero(np.isfinite(self.tolerance) & (self.tolerance > WIDEST))
        if not len(beyond):
            return None
        claims = self.block.claims
        conflict = [
            i
            for i, claim in enumerate(claims)
            if np.isfinite(self.tolerance[i])
            and self.tolerance[i] > 1
            and claim.threshold == claims[beyond[0]].threshold
            and (claim.of & claims[beyond[0]].of).any()
        ]
        return min(conflict, key=lambda i: claims[i].of.sum())

    def _polish(self) -> None:
        """Change up to three counts at a time to those near by that reproduce the printed rates."""
        for degree in self.degrees:
            claims = self._asked(slice(degree, degree + 1))
            for _ in range(_TRIES if claims else 0):
                off = np.array([self._off(i) for i in claims])
                todo = np.flatnonzero((off > 1).any(axis=0))
                if not len(todo):
                    break
                # Counts of the rate that is furthest off; those of no rate cannot help.
                candidates = np.array([self.block.claims[i].of for i in claims])[off[:, todo].argmax(axis=0)].T
                candidates &= self.unknown[degree][:, None]
                order = np.argsort(np.where(candidates, self.rng.uniform(size=candidates.shape), 2.0), axis=0)
                arm = order[: min(3, int(candidates.sum(axis=0).min()))]
                for start in range(0, len(todo), _AT_ONCE):
                    piece = slice(start, start + _AT_ONCE)
                    self._polish_once(claims, degree, todo[piece], arm[:, piece], off[:, todo[piece]])

    def _polish_once(self, claims: list[int], degree: int, state: np.ndarray, arm: np.ndarray, off: np.ndarray) -> None:
        """Try other counts of arms (r, m) of states (m,), which are so far off the claims."""
        now = self.counts[:, arm, state]
        low, high = (limit[degree] for limit in self._limits(now[0], arm))
        low = np.maximum(low, now[degree + 2]) if degree < 2 else low
        high = np.minimum(high, now[degree])
        steps = np.round(2 * self.rng.standard_normal((*arm.shape, _TRIALS), dtype=np.float32))
        tried = np.clip(now[degree + 1][..., None] + steps, low[..., None], high[..., None])
        p, v = _effects(tried, now[0][..., None])
        far = sum(self._beyond_if(i, state, arm, p, v) for i in claims)
        # Of trials that fit, one by its prior; where none fits, the nearest if it is nearer than before.
        which, trial = np.nonzero(far == 0)
        fitting = now[..., which]
        fitting[degree + 1] = tried[:, which, trial]
        prior = self._log_shares(fitting, state[which], slice(degree, degree + 2)).sum(axis=(0, 1))
        prior += self._log_ways(fitting).sum(axis=0)
        likely = np.full(far.shape, -np.inf)
        likely[which, trial] = prior + self.rng.gumbel(size=len(which))
        fits = (far == 0).any(axis=1)
        chosen = np.where(fits, likely.argmax(axis=1), far.argmin(axis=1))
        better = np.flatnonzero(fits | (far.min(axis=1) < np.maximum(off - 1, 0).sum(axis=0)))
        arm, state, chosen = arm[:, better], state[better], chosen[better]
        for kept, new in ((self.x, tried), (self.p, p), (self.v, v)):
            kept[degree, arm, state] = new[:, better, chosen]

    def _move(self, times: int) -> None:
        kinds = ["one", "two", "arm", "swap"] + ["participants"] * bool(len(self.shifts))
        for step, kind in enumerate(self.rng.choice(kinds, size=times)):
            if step % 10 == 0:
                self._move_prior()
            getattr(self, f"_propose_{kind}")()

    def _propose_one(self) -> None:
        degree = self.rng.choice(self.degrees)
        arm = self.rng.choice(self.free[degree], size=(1, self.c))
        change = np.zeros((4, *arm.shape))
        change[degree + 1] = self._steps(arm)
        self._accept(arm, change, slice(degree, degree + 1))

    def _propose_two(self) -> None:
        degree = self.rng.choice(self.degrees)
        if len(self.free[degree]) < 2:
            return
        arm = self._pairs(self.free[degree])
        change = np.zeros((4, *arm.shape))
        first, second = self._steps(arm)
        change[degree + 1] = first, -np.sign(first) * np.abs(second)
        self._accept(arm, change, slice(degree, degree + 1))

    def _propose_arm(self) -> None:
        arm = self.rng.choice(self.free[self.rng.choice(self.degrees)], size=(1, self.c))
        change = np.zeros((4, *arm.shape))
        change[1:] = np.where(self.unknown[:, arm], self._steps(arm), 0.0)
        self._accept(arm, change)

    def _propose_swap(self) -> None:
        if len(self.some) < 2:
            return
        arm = self._pairs(self.some)
        now, unknown = self.counts[:, arm, self.every], self.unknown[:, arm]
        n, x = now[0], now[1:]
        ratio = n / n[::-1]
        swapped = np.where(unknown, np.floor(x[:, ::-1] * ratio + 0.5), x)
        back = np.where(unknown, np.floor(swapped[:, ::-1] * ratio + 0.5), swapped)
        # A swap that does not lead back would favour some states over others.
        there_and_back = (back == x).all(axis=(0, 1))
        change = np.zeros(now.shape)
        change[1:] = np.where(there_and_back, swapped - x, 0.0)
        self._accept(arm, change)

    def _propose_participants(self) -> None:
        which = self.rng.integers(len(self.shifts), size=self.c)
        arm, by = self.shifted[which].T, self.shifts[which].T
        along = self.unknown[:, arm] & (self.rng.uniform(size=(3, *arm.shape)) < 0.5)
        self._accept(arm, np.concatenate([by[None], np.where(along, by, 0.0)]))

    def _pairs(self, arms: np.ndarray) -> np.ndarray:
        """Draw two different arms for each state, shape (2, c)."""
        first = self.rng.integers(len(arms), size=self.c)
        second = (first + self.rng.integers(1, len(arms), size=self.c)) % len(arms)
        return arms[np.stack([first, second])]

    def _steps(self, arm: np.ndarray) -> np.ndarray:
        """Return changes of one or more either way, larger in larger studies."""
        size = 1 + np.floor(self.rng.standard_exponential(arm.shape) * (self.block.largest[arm] / 15))
        return size * self.rng.choice([-1.0, 1.0], size=arm.shape)

    def _accept(self, arm: np.ndarray, change: np.ndarray, degrees: slice = _ALL) -> None:
        """Take the proposed changes (4, r, c) of arms (r, c) where the Metropolis rule does; degrees: what changes."""
        old = self.counts.reshape(4, -1).take(arm * self.c + self.every, axis=1)
        new = old + change
        n, x = new[0], new[1:]
        low, high = self._limits(n, arm)
        valid = ((low <= x) & (x <= high)).all(axis=(0, 1)) & (new[1:] <= new[:3]).all(axis=(0, 1))
        valid &= ((self.block.least[arm] <= n) & (n <= self.block.largest[arm])).all(axis=0)
        state = np.flatnonzero(valid & change.any(axis=(0, 1)))
        arm, change, old, new = (of.take(state, axis=-1) for of in (arm, change, old, new))
        # A count is also what the one of the next degree is out of.
        given = slice(degrees.start, degrees.stop + 1)
        log_shares = self._log_shares(new, state, given)
        gain = (log_shares - self.log_shares[given, arm, state]).sum(axis=(0, 1))
        gain += (self._log_ways(new) - self._log_ways(old)).sum(axis=0)
        beyond, (p, v) = self.beyond.take(state, axis=1), _effects(new[1:], new[0])
        changes = (change[1:] != 0) | (change[0] != 0)
        asked = self._asked(degrees)
        # What a state can afford to lose in nearness to print: one that has lost it is not looked at again.
        room = gain + self.rng.exponential(size=len(state)) + self.hardness * beyond[asked].sum(axis=0)
        for i in asked:
            at = self.degree_of[i]
            moved = np.flatnonzero((room > 0) & (changes[at] & self.block.claims[i].of[arm]).any(axis=0))
            effects = p[at][:, moved, None], v[at][:, moved, None]
            beyond[i, moved] = self._beyond_if(i, state[moved], arm[:, moved], *effects)[:, 0]
            room -= self.hardness * beyond[i]
        take = np.flatnonzero(room > 0)
        arm, state = arm[:, take], state[take]
        for kept, by in ((self.counts, new), (self.p, p), (self.v, v), (self.log_shares[given], log_shares)):
            kept[:, arm, state] = by[..., take]
        self.beyond[:, state] = beyond[:, take]

    def _move_prior(self) -> None:
        kept = self.mean, self.concentration, self.log_shares
        before = self._log_prior_of_unknowns()
        logit = special.logit(self.mean) + self.rng.normal(0, 0.35, self.mean.shape)
        self.mean = np.clip(special.expit(logit), 1e-6, 1 - 1e-6)
        self.concentration = self.concentration * np.exp(self.rng.normal(0, 0.35, self.mean.shape))
        self.log_shares = self._log_shares_of_all()
        gain = self._log_prior_of_unknowns() - before
        back = -self.rng.exponential(size=self.c) >= gain
        for new, old in zip((self.mean, self.concentration, self.log_shares), kept, strict=True):
            new[..., back] = old[..., back]

    def _log_prior_of_unknowns(self) -> np.ndarray:
        mean, size = self.mean, self.concentration
        of_one = _log_gamma(size) - _log_gamma(mean * size) - _log_gamma((1 - mean) * size)
        # In the coordinates that are moved: logit of the mean, logarithm of the concentration.
        own = np.log(mean * (1 - mean)) - 0.5 * (np.log(size / CONCENTRATION) / SPREAD) ** 2
        return self.log_shares.sum(axis=(0, 1)) + (len(self.n) * of_one + own).sum(axis=0)


def _log_gamma(z: np.ndarray) -> np.ndarray:
    """Return the logarithm of the gamma function of positive numbers to 1e-8, faster than scipy does.

    By Stirling's series, which is for large numbers, six steps up.
    """
    # The six are z (z + 5), (z + 1) (z + 4) and (z + 2) (z + 3).
    steps = z * (z + 5)
    z = z + 6
    r = 1 / z
    series = r * (1 / 12 - r * r * (1 / 360 - r * r / 1260))
    return (z - 0.5) * np.log(z) - z + series + 0.5 * np.log(2 * np.pi) - np.log(steps * (steps + 4) * (steps + 6))


def _effects(x: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return proportions and their variances, infinite where the review leaves a study out."""
    used = (x > 0) & (x < n)
    p = np.where(used, x / n, 0.5)
    return p, np.where(used, p * (1 - p) / n, np.inf)


def _pooled(*parts: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pool as `pooling.pool_proportions` does by default, studies along the first axis; 0 where none is left.

    A second implementation for speed: it leaves out everything but the estimate and its standard error, and takes
    proportions and variances in parts, so that of many analyses what they share is added up once.
    """
    k = s1 = s2 = sp = spp = 0.0
    for p, v in parts:
        w = 1 / v
        wp = w * p
        k, s1, sp = k + (w > 0).sum(axis=0), s1 + w.sum(axis=0), sp + wp.sum(axis=0)
        s2, spp = s2 + _dot(w, w), spp + _dot(wp, p)
    some = k > 0
    s1 = np.where(some, s1, 1.0)
    scatter = np.where(k > 1, s1 - s2 / s1, np.inf)
    tau2 = np.maximum(spp - sp**2 / s1 - (k - 1), 0) / scatter
    total = top = 0.0
    for p, v in parts:
        w = v + tau2
        np.divide(1, w, out=w)
        total, top = total + w.sum(axis=0), top + _dot(w, p)
    total = np.where(some, total, 1.0)
    return top / total, np.where(some, 1 / np.sqrt(total), 0.0)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("i...,i...->...", a, b)


def _off_print(estimate: np.ndarray, se: np.ndarray, claim: Claim) -> np.ndarray:
    """Return how far pooled results are from print, in units of its rounding: at most 1 is agreement."""
    off, values = np.zeros_like(estimate), (estimate, estimate - _Z * se, estimate + _Z * se)
    for value, printed, half in zip(values, claim.printed, claim.half, strict=True):
        if not np.isnan(printed):
            np.maximum(off, np.abs(value - printed) / half, out=off)
    # The last digits of floating point are not a disagreement.
    return off - 1e-6


def _rhat(island: np.ndarray, values: np.ndarray) -> float:
    """Return the largest ratio of total to within-island spread over the columns; infinite if an island is empty."""
    groups = [values[island == i] for i in range(STARTS)]
    if min(len(group) for group in groups) < 2:
        return np.inf
    means = np.array([group.mean(axis=0) for group in groups])
    within = np.mean([group.var(axis=0, ddof=1) for group in groups], axis=0)
    # States are independent: means of so few of them lie apart by chance, which is taken off.
    chance = within * np.mean([1 / len(group) for group in groups])
    between = np.maximum(means.var(axis=0, ddof=1) - chance, 0.0)
    apart = between > 1e-12
    if (apart & (within <= 1e-12)).any():
        return np.inf
    ratio = np.sqrt(1 + np.divide(between, within, out=np.zeros_like(within), where=within > 1e-12))
    return float(ratio.max(initial=1.0))
