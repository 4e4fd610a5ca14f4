"""A sampler for counts that are not public, so that they agree with everything that was printed.

Knows how to find numbers of responders that reproduce printed pooled rates and their intervals, by the method of
`pooling.pool_proportions` at its defaults, within bounds. What comes out is possible, not reported. How a review
treats a study at 0% or 100% is taken to be as there: left out. Knows arrays and bounds; which studies and printed
rates they come from is told by `imputation`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
import scipy
from scipy import special, stats

from lib.evidence import THRESHOLDS
from lib.files import replace_if_changed

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
# Share of the states by which the tolerance of a printed rate is set.
_ENOUGH = 0.35
_Z = stats.norm.ppf(0.975)
# Kept outside a build, too, as draws depend on nothing but what their key holds.
_STORE = Path(os.environ.get("REVIEW_DRAWS") or Path(__file__).parents[1] / "_build" / "draws")


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

    Draws are kept in ``_build/draws`` under a hash of the block, the seed and this module, for the next chapter
    that asks for the same.
    """
    if states < STARTS:
        raise ValueError(f"states must be at least {STARTS}, not {states}")
    if not block.claims or not block.unknown.any():
        none = _named(block, np.full(len(block.claims), np.nan))
        return Draws(block, np.empty((0, len(block.n), 3)), np.empty((0, len(block.n))), none, np.inf)
    path = _STORE / f"{_key(block, states, seed)}.npz"
    kept = _kept(path, block)
    if kept is not None:
        return kept
    with contextlib.ExitStack() as stack:
        # Another chapter may be making the same ones. A folder that cannot be written costs time, not the result.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(filelock.FileLock(path.with_suffix(".lock")))
            kept = _kept(path, block)
        if kept is None:
            kept = _Sampler(block, states - states % STARTS, seed).run()
            with contextlib.suppress(OSError):
                _keep(path, kept)
        return kept


def _kept(path: Path, block: Block) -> Draws | None:
    """Return the draws kept in a file, None if it is not there or spoiled."""
    try:
        with np.load(path) as kept:
            return Draws(block, kept["events"], kept["n"], _named(block, kept["within"]), float(kept["rhat"]))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _key(block: Block, states: int, seed: int) -> str:
    parts = [Path(__file__).read_bytes(), np.__version__, scipy.__version__, states, seed, block.regimen, block.strata]
    parts += [block.n, block.least, block.largest, block.low, block.high, block.percent, block.shifts]
    for claim in block.claims:
        parts += [claim.threshold, claim.stratum, claim.of, claim.printed, claim.half]
    as_bytes = (part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode() for part in parts)
    return hashlib.sha256(b"|".join(as_bytes)).hexdigest()[:32]


def _keep(path: Path, draws: Draws) -> None:
    """Store draws whole or not at all."""
    within = np.array([draws.within[claim.threshold, claim.stratum] for claim in draws.block.claims])
    file = io.BytesIO()
    np.savez_compressed(file, events=draws.events, n=draws.n, within=within, rhat=draws.rhat)
    replace_if_changed(path, file.getvalue())


def _named(block: Block, within) -> dict[tuple[str, str], float]:
    return {(c.threshold, c.stratum): float(w) for c, w in zip(block.claims, within, strict=True)}


class _Sampler:
    """States of the sampler: counts x (c, k, 3), participants n (c, k), and the prior's mean and concentration."""

    def __init__(self, block: Block, states: int, seed: int):
        self.block, self.c, self.rng = block, states, np.random.default_rng(seed)
        self.every = np.arange(states)
        self.tolerance = np.ones(len(block.claims))
        self.log_factorial = special.gammaln(np.arange(block.largest.max() + 2) + 1.0)
        self.hardness = 0.0
        self.moves = int(np.clip(block.unknown.sum(), *_MOVES))
        self.mean = self.rng.uniform(size=(states, 3))
        self.concentration = np.exp(self.rng.normal(np.log(CONCENTRATION), SPREAD, size=(states, 3)))
        self.n = np.tile(block.n, (states, 1))
        self.x = self._starting_counts()
        self.free = [np.flatnonzero(block.unknown[:, degree]) for degree in range(3)]
        self.distance = self._distances(self.x, self.n, range(len(block.claims)))

    def _starting_counts(self) -> np.ndarray:
        """Spread the states: the populations start with few responders, with many, and between."""
        share = (3 + self.every * STARTS // self.c + self.rng.uniform(size=self.c)) / (STARTS + 6)
        top, counts = self.n, []
        for degree in range(3):
            top = np.minimum(self.rng.binomial(top.astype(int), share[:, None]), self._limits(self.n, degree)[1])
            counts.append(top)
        for degree in (2, 1, 0):
            least = self._limits(self.n, degree)[0]
            counts[degree] = np.maximum(counts[degree], np.maximum(least, counts[degree + 1]) if degree < 2 else least)
        return np.stack(counts, axis=2)

    def _limits(self, n: np.ndarray, degree: int, arms=slice(None)) -> tuple[np.ndarray, np.ndarray]:
        low, high = self.block.low[arms, degree], np.minimum(self.block.high[arms, degree], n)
        share = self.block.percent[arms, degree] * n
        told = ~np.isnan(share)
        low = np.where(told, np.maximum(low, np.floor(share)), low)
        return low, np.where(told, np.minimum(high, np.ceil(share)), high)

    # How far a state is from the printed rates, in units of their rounding; 0 within the tolerance.

    def _distances(self, x: np.ndarray, n: np.ndarray, claims) -> np.ndarray:
        distance = np.zeros((len(self.block.claims), len(x)))
        for i in claims:
            if np.isfinite(self.tolerance[i]):
                distance[i] = np.maximum(self._off(x, n, self.block.claims[i]) - 1, 0.0)
        return distance

    # Log prior of counts given the prior's unknowns, without what does not depend on the counts.

    def _log_prior(self, x: np.ndarray, n: np.ndarray) -> np.ndarray:
        of = np.concatenate([n[..., None], x[..., :2]], axis=-1)
        mean, size = self.mean[:, None], self.concentration[:, None]
        x_, of_ = x.astype(int), of.astype(int)
        ways = self.log_factorial[of_] - self.log_factorial[x_] - self.log_factorial[of_ - x_]
        shares = special.gammaln(x + mean * size) + special.gammaln(of - x + (1 - mean) * size)
        return (ways + shares - special.gammaln(of + size)).sum(axis=(1, 2))

    def run(self) -> Draws:
        """Move the states towards the printed rates, then each to the nearest counts that reproduce them."""
        while np.isfinite(self.tolerance).any():
            for hardness in np.geomspace(_SOFTEST, _SOFT, _STAGES):
                self.hardness = hardness
                self._move(self.moves)
            self._move(_LONG * self.moves)
            for hardness in np.geomspace(_SOFT, _HARD, _LAST):
                self.hardness = hardness
                self._move(self.moves)
            self._polish()
            off = np.stack([self._off(self.x, self.n, claim) for claim in self.block.claims])
            worst = self._tolerate(off)
            if worst is None:
                break
            self.tolerance[worst] = np.inf
            self.x = self._starting_counts()
            self.distance = self._distances(self.x, self.n, range(len(self.block.claims)))
        else:
            off = np.full((len(self.block.claims), self.c), np.inf)
        # With nothing to agree with, a draw would show the prior alone.
        inside = (off <= self.tolerance[:, None]).all(axis=0) & np.isfinite(self.tolerance).any()
        within = _named(self.block, np.where(np.isfinite(self.tolerance), self.tolerance, np.nan))
        start = self.every[inside] * STARTS // self.c
        rhat = _rhat(start, self.x[inside][:, self.block.unknown])
        return Draws(self.block, self.x[inside], self.n[inside], within, rhat)

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
        for degree in range(3):
            claims = [
                claim
                for claim, tolerance in zip(self.block.claims, self.tolerance, strict=True)
                if THRESHOLDS.index(claim.threshold) == degree and np.isfinite(tolerance)
            ]
            for _ in range(_TRIES if len(self.free[degree]) else 0):
                off = np.array([self._off(self.x, self.n, claim) for claim in claims])
                if not len(off) or not (off > 1).any():
                    break
                self._polish_once(claims, degree, np.flatnonzero((off > 1).any(axis=0)), off)

    def _polish_once(self, claims: list[Claim], degree: int, todo: np.ndarray, off: np.ndarray) -> None:
        # Counts of the rate that is furthest off; those of no rate cannot help.
        candidates = np.array([claim.of for claim in claims])[off[:, todo].argmax(axis=0)]
        candidates &= self.block.unknown[:, degree]
        order = np.argsort(np.where(candidates, self.rng.uniform(size=candidates.shape), 2.0), axis=1)
        arm = order[:, : min(3, int(candidates.sum(axis=1).min()))]
        row = todo[:, None]
        now, n = self.x[row, arm], self.n[row, arm]
        steps = np.round(self.rng.normal(0, 2.0, size=(len(todo), _TRIALS, arm.shape[1])))
        tried = now[:, None, :, degree] + steps
        low, high = self._limits(n, degree, arm)
        low = np.maximum(low, now[..., degree + 1]) if degree < 2 else low
        high = np.minimum(high, now[..., degree - 1] if degree else n)
        tried = np.clip(tried, low[:, None], high[:, None])
        x = np.repeat(self.x[todo, None, :, degree], _TRIALS, axis=1)
        np.put_along_axis(x, np.broadcast_to(arm[:, None], tried.shape).astype(int), tried, axis=2)
        every_n = np.broadcast_to(self.n[todo, None], x.shape)
        far = sum(
            np.maximum(_off_print(*_pooled(x[..., claim.of], every_n[..., claim.of]), claim) - 1, 0.0)
            for claim in claims
        )
        # Of trials that fit, one by its prior; where none fits, the nearest if it is nearer than before.
        fits = (far == 0).any(axis=1)
        likely = np.full(far.shape, -np.inf)
        some = np.flatnonzero(fits)
        prior = self._log_prior_at(todo[some], arm[some], degree, tried[some])
        likely[some] = np.where(far[some] == 0, prior, -np.inf)
        likely = likely + self.rng.gumbel(size=likely.shape)
        chosen = np.where(fits, likely.argmax(axis=1), far.argmin(axis=1))
        nearer = fits | (far.min(axis=1) < np.maximum(off[:, todo] - 1, 0).sum(axis=0))
        best = np.take_along_axis(tried, chosen[:, None, None], axis=1)[:, 0]
        self.x[row, arm, degree] = np.where(nearer[:, None], best, now[..., degree])

    def _log_prior_at(self, todo, arm, degree, tried) -> np.ndarray:
        """Log prior of trial counts (t, s, r) of arms (t, r) at one degree, the others as they are."""
        x, n = self.x[todo[:, None], arm][:, None], self.n[todo[:, None], arm][:, None]
        total = 0.0
        for of, count, at in (
            (n if degree == 0 else x[..., degree - 1], tried, degree),
            *([(tried, x[..., degree + 1], degree + 1)] if degree < 2 else []),
        ):
            a = (self.mean[todo, at] * self.concentration[todo, at])[:, None, None]
            b = self.concentration[todo, at][:, None, None] - a
            ways = self.log_factorial[of.astype(int)] - self.log_factorial[count.astype(int)]
            ways = ways - self.log_factorial[(of - count).astype(int)]
            total = (
                total
                + ways
                + special.gammaln(count + a)
                + special.gammaln(of - count + b)
                - special.gammaln(of + a + b)
            )
        return total.sum(axis=2)

    def _off(self, x: np.ndarray, n: np.ndarray, claim: Claim) -> np.ndarray:
        return _off_print(*_pooled(x[:, claim.of, THRESHOLDS.index(claim.threshold)], n[:, claim.of]), claim)

    def _move(self, times: int) -> None:
        kinds = ["one", "two", "arm", "swap"] + ["participants"] * bool(len(self.block.shifts))
        for step in range(times):
            if step % 10 == 0:
                self._move_prior()
            getattr(self, f"_propose_{self.rng.choice(kinds)}")()

    def _propose_one(self) -> None:
        degree = self._degree()
        arm = self.rng.choice(self.free[degree], size=(self.c, 1))
        change = np.zeros((self.c, 1, 3))
        change[:, 0, degree] = self._steps(arm[:, 0])
        self._accept(arm, change, np.zeros((self.c, 1)), degree)

    def _propose_two(self) -> None:
        degree = self._degree()
        free = self.free[degree]
        if len(free) < 2:
            return
        first = self.rng.integers(len(free), size=self.c)
        second = (first + self.rng.integers(1, len(free), size=self.c)) % len(free)
        arm = free[np.stack([first, second], axis=1)]
        change = np.zeros((self.c, 2, 3))
        change[:, 0, degree] = self._steps(arm[:, 0])
        change[:, 1, degree] = -np.sign(change[:, 0, degree]) * np.abs(self._steps(arm[:, 1]))
        self._accept(arm, change, np.zeros((self.c, 2)), degree)

    def _propose_arm(self) -> None:
        degree = self._degree()
        arm = self.rng.choice(self.free[degree], size=(self.c, 1))
        change = np.where(self.block.unknown[arm], self._steps(arm)[..., None], 0.0)
        self._accept(arm, change, np.zeros((self.c, 1)), None)

    def _propose_swap(self) -> None:
        some = np.flatnonzero(self.block.unknown.any(axis=1))
        if len(some) < 2:
            return
        first = self.rng.integers(len(some), size=self.c)
        second = (first + self.rng.integers(1, len(some), size=self.c)) % len(some)
        arm = some[np.stack([first, second], axis=1)]
        row = self.every[:, None]
        x, n = self.x[row, arm], self.n[row, arm]
        ratio = (n / n[:, ::-1])[..., None]
        swapped = np.where(self.block.unknown[arm], np.floor(x[:, ::-1] * ratio + 0.5), x)
        back = np.where(self.block.unknown[arm], np.floor(swapped[:, ::-1] * ratio + 0.5), swapped)
        # A swap that does not lead back would favour some states over others.
        there_and_back = (back == x).all(axis=(1, 2))
        change = np.where(there_and_back[:, None, None], swapped - x, 0.0)
        self._accept(arm, change, np.zeros((self.c, 2)), None)

    def _propose_participants(self) -> None:
        shift = self.block.shifts[self.rng.integers(len(self.block.shifts), size=self.c)]
        arm = np.argsort(shift == 0, axis=1, kind="stable")[:, :3]
        by = np.take_along_axis(shift, arm, axis=1)
        along = self.rng.uniform(size=(self.c, 3, 3)) < 0.5
        change = np.where(self.block.unknown[arm] & along, by[:, :, None], 0.0)
        self._accept(arm, change, by, None)

    def _degree(self) -> int:
        return int(self.rng.choice([degree for degree in range(3) if len(self.free[degree])]))

    def _steps(self, arm: np.ndarray) -> np.ndarray:
        """Return changes of one or more either way, larger in larger studies."""
        size = 1 + np.floor(self.rng.exponential(self.block.largest[arm] / 15))
        return size * self.rng.choice([-1.0, 1.0], size=arm.shape)

    def _accept(self, arm: np.ndarray, change: np.ndarray, by: np.ndarray, degree: int | None) -> None:
        """Take the proposed changes of arms (c, r) where the Metropolis rule does; degree None: all three."""
        row = self.every[:, None]
        old_x, old_n = self.x[row, arm], self.n[row, arm]
        new_x, new_n = old_x + change, old_n + by
        valid = (new_n >= self.block.least[arm]) & (new_n <= self.block.largest[arm]) & (new_x[..., 0] <= new_n)
        valid &= (new_x[..., 1] <= new_x[..., 0]) & (new_x[..., 2] <= new_x[..., 1])
        for d in range(3):
            low, high = self._limits(new_n, d, arm)
            valid &= (new_x[..., d] >= low) & (new_x[..., d] <= high)
        valid = valid.all(axis=1)
        safe_x = np.where(valid[:, None, None], new_x, old_x)
        safe_n = np.where(valid[:, None], new_n, old_n)
        x, n = self.x.copy(), self.n
        x[row, arm] = safe_x
        if by.any():
            n = n.copy()
            n[row, arm] = safe_n
        touched = [
            i for i, c in enumerate(self.block.claims) if degree is None or THRESHOLDS.index(c.threshold) == degree
        ]
        distance = self.distance.copy()
        distance[touched] = self._distances(x, n, touched)[touched]
        gain = self._log_prior(safe_x, safe_n) - self._log_prior(old_x, old_n)
        gain -= self.hardness * (distance - self.distance).sum(axis=0)
        take = valid & (np.log(self.rng.uniform(size=self.c)) < gain)
        self.x[take], self.distance[:, take] = x[take], distance[:, take]
        if by.any():
            self.n[take] = n[take]

    def _move_prior(self) -> None:
        mean, size = self.mean, self.concentration
        before = self._log_prior_of_unknowns()
        logit = special.logit(mean) + self.rng.normal(0, 0.35, mean.shape)
        self.mean = np.clip(special.expit(logit), 1e-6, 1 - 1e-6)
        self.concentration = size * np.exp(self.rng.normal(0, 0.35, size.shape))
        gain = self._log_prior_of_unknowns() - before
        keep = np.log(self.rng.uniform(size=self.c)) >= gain
        self.mean[keep], self.concentration[keep] = mean[keep], size[keep]

    def _log_prior_of_unknowns(self) -> np.ndarray:
        mean, size = self.mean, self.concentration
        of_one = special.gammaln(size) - special.gammaln(mean * size) - special.gammaln((1 - mean) * size)
        # In the coordinates that are moved: logit of the mean, logarithm of the concentration.
        own = np.log(mean * (1 - mean)) - 0.5 * (np.log(size / CONCENTRATION) / SPREAD) ** 2
        return self._log_prior(self.x, self.n) + (len(self.block.n) * of_one + own).sum(axis=1)


def _pooled(x: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pool as `pooling.pool_proportions` does by default, studies along the last axis; 0 where none is left.

    A second implementation for speed: it leaves out everything but the estimate and its standard error.
    """
    used = (x > 0) & (x < n)
    p = np.where(used, x / n, 0.5)
    w = np.where(used, n / (p * (1 - p)), 0.0)
    k, s1 = used.sum(axis=-1), w.sum(axis=-1)
    some = s1 > 0
    s1 = np.where(some, s1, 1.0)
    mean = (w * p).sum(axis=-1) / s1
    q = (w * (p - mean[..., None]) ** 2).sum(axis=-1)
    scatter = s1 - (w**2).sum(axis=-1) / s1
    tau2 = np.where(k > 1, np.maximum(q - (k - 1), 0) / np.where(scatter > 0, scatter, 1.0), 0.0)
    w = w / (1 + w * tau2[..., None])
    total = np.where(some, w.sum(axis=-1), 1.0)
    return (w * p).sum(axis=-1) / total, np.where(some, 1 / np.sqrt(total), 0.0)


def _off_print(estimate: np.ndarray, se: np.ndarray, claim: Claim) -> np.ndarray:
    """Return how far pooled results are from print, in units of its rounding: at most 1 is agreement."""
    values = np.stack([estimate, estimate - _Z * se, estimate + _Z * se], axis=-1)
    # The last digits of floating point are not a disagreement.
    return np.nanmax(np.abs(values - claim.printed) / claim.half, axis=-1) - 1e-6


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
