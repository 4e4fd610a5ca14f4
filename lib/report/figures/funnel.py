"""Plots of studies as points: the funnel plot and Baujat's plot.

Belongs here: points, their names and the lines of a funnel. Does not belong here: the plotted values, which `lib.stats`
computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from lib.published.count_model import Z95
from lib.report.figures.drawing import Drawing, Text
from lib.report.figures.letters import width_of
from lib.report.figures.style import FAINT, GREY, INK, NAMED, NEW, REPORTED
from lib.report.marked_text import study_link
from lib.report.wording import with_minus

_COLOURS = (REPORTED, NEW)
Box = tuple[float, float, float, float]


def funnel_plot(groups: dict[str, pd.DataFrame], centre: float = np.nan, *, wide: bool) -> Drawing:
    """Draw the log odds of a response against sample size, as the 2019 review did, or against standard error.

    Parameters
    ----------
    groups : dict of str to DataFrame
        Studies with label, n, log_odds and se, by name of the group. The first group is drawn as squares, the second
        as triangles.
    centre : float
        Pooled log odds. If given, the plot is the standard one, with the standard error increasing downwards and lines
        within which 95% of studies would lie if only sampling error made them differ (Sterne & Egger 2001,
        doi:10.1016/S0895-4356(01)00377-8); if NaN, it is that of the review.
    wide : bool
        Form.
    """
    standard = centre == centre
    size = "se" if standard else "n"
    studies = pd.concat(groups.values())
    x, y = studies.log_odds, studies[size]
    deepest = 1.15 * (y.max() if len(y) else 1.0)
    low, high = _with_margin(x)
    if standard:
        low, high = min(low, centre - Z95 * deepest), max(high, centre + Z95 * deepest)
    plot = _Points(wide, (low, high), (0.0, deepest), downwards=standard)
    plot.axes("Log odds of a response", "Standard error" if standard else "Number assessed")
    if standard:
        half = Z95 * deepest
        plot.line([(centre, 0), (centre, deepest)], FAINT)
        plot.line([(centre - half, deepest), (centre, 0), (centre + half, deepest)], GREY)
    plot.marks(groups, "log_odds", size)
    plot.names(studies, "log_odds", size)
    position = "standard error {:.2f}" if standard else "n {:g}"
    texts = (
        f"{study.label}: {position.format(getattr(study, size))}, log odds {with_minus(f'{study.log_odds:.2f}')}"
        for study in studies.itertuples()
    )
    against = "Standard error" if standard else "Sample size"
    plot.drawing.alt = f"{against} against log odds. " + _study_texts(groups, texts)
    plot.drawing.data = _table(groups, ["log_odds", size])
    return plot.drawing


def baujat_plot(groups: dict[str, pd.DataFrame], *, wide: bool) -> Drawing:
    """Draw the contribution of each study to heterogeneity against its influence on the result (Baujat et al. 2002).

    doi:10.1002/sim.1221. Studies with at least twice the mean of either are named; the others lie close together near
    the origin.

    Parameters
    ----------
    groups : dict of str to DataFrame
        Studies with label, heterogeneity and pull (`stats.Influence`), by name of the group. Marks as in `funnel_plot`.
    wide : bool
        Form.
    """
    studies = pd.concat(groups.values())
    values = studies[["heterogeneity", "pull"]]
    right, top = (1.15 * float(value) if value > 0 else 1.0 for value in values.max())
    plot = _Points(wide, (0.0, right), (0.0, top))
    plot.axes("Contribution to heterogeneity", "Influence on the result")
    plot.marks(groups, *values.columns)
    mean = values.mean()
    plot.names(studies[(values >= 2 * mean).any(axis=1)], *values.columns)
    texts = (f"{study.label}: {study.heterogeneity:.2f}, {study.pull:.2f}" for study in studies.itertuples())
    plot.drawing.alt = "Contribution to heterogeneity, and influence on the result. " + _study_texts(groups, texts)
    plot.drawing.data = _table(groups, ["heterogeneity", "pull"])
    return plot.drawing


def _study_texts(groups: dict[str, pd.DataFrame], texts: Iterable[str]) -> str:
    """Join the texts of all studies; if there are very many, give their number instead."""
    if sum(map(len, groups.values())) > NAMED:
        texts = (f"{name}: {len(studies)} studies" for name, studies in groups.items())
    return "; ".join(texts) + "."


def _table(groups: dict[str, pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    frames = [
        studies[[name for name in ["label", *columns, "study"] if name in studies]].assign(group=name)
        for name, studies in groups.items()
        if len(studies)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["label", *columns, "group"])


def _with_margin(values: pd.Series) -> tuple[float, float]:
    """Return the ends of an axis that extends beyond the values on both sides."""
    if values.empty:
        return -1.0, 1.0
    margin = 0.15 * float(values.max() - values.min()) or 1.0
    return float(values.min()) - margin, float(values.max()) + margin


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers between two ends, at most a given number."""
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


_BESIDE = ((8, -9, "start"), (-8, -9, "end"), (8, 9, "start"), (-8, 9, "end"))
"""Possible positions of a name beside its point: to the right or the left, above or below."""


class _Points:
    """A plot of points on two axes."""

    def __init__(self, wide: bool, x: tuple[float, float], y: tuple[float, float], downwards: bool = False):
        self.drawing = Drawing(wide, 400.0 if wide else 370.0)
        self.x, self.y, self.downwards = x, y, downwards
        size = self.drawing.size
        self.left, self.right = (70.0, self.drawing.width - 14) if wide else (44.0, self.drawing.width - 10)
        self.top, self.bottom = 4.6 * size if not wide else 3.8 * size, self.drawing.height - 3.9 * size
        self.occupied: list[Box] = []

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point in the drawing."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        along = (y - self.y[0]) / (self.y[1] - self.y[0])
        along = along if self.downwards else 1 - along
        return (
            round(self.left + across * (self.right - self.left), 3),
            round(self.top + along * (self.bottom - self.top), 3),
        )

    def line(self, points: list[tuple[float, float]], colour: str) -> None:
        """Draw a line through points of the plot."""
        self.drawing.line([self.at(x, y) for x, y in points], colour, 1.2)

    def axes(self, xlabel: str, ylabel: str) -> None:
        """Draw both axes with their ticks and labels; the label of the vertical axis is horizontal, above the axis."""
        drawing, size = self.drawing, self.drawing.size
        drawing.line([(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)], INK)
        for tick in _ticks(*self.x, 8 if drawing.wide else 5):
            x, _ = self.at(tick, self.y[0])
            drawing.line([(x, self.bottom), (x, self.bottom + 4)], INK)
            drawing.text(x, self.bottom + 6 + 0.6 * size, with_minus(f"{tick:g}"), "middle")
        for tick in _ticks(*self.y, 5):
            _, y = self.at(self.x[0], tick)
            drawing.line([(self.left - 4, y), (self.left, y)], INK)
            drawing.text(self.left - 8, y, with_minus(f"{tick:g}"), "end")
        drawing.text((self.left + self.right) / 2, self.bottom + 8 + 2.1 * size, xlabel, "middle")
        drawing.text(0, self.top - 1.2 * size, ylabel)

    def marks(self, groups: dict[str, pd.DataFrame], x: str, y: str) -> None:
        """Draw groups of studies as points, the first as squares, the second as triangles, with a legend."""
        drawing, size = self.drawing, self.drawing.size
        half = 4.5 if sum(map(len, groups.values())) <= NAMED else 1.8
        at = 0.0
        for number, (name, studies) in enumerate(groups.items()):
            if any(map(len, groups.values())):
                self._mark(number, (at + 6, 0.7 * size), 4.5)
                drawing.text(at + 18, 0.7 * size, name)
                at += 18 + width_of(name, size) + 24
            for point in studies[[x, y]].to_numpy(float):
                place = self.at(*point)
                self._mark(number, place, half)
                self.occupied.append((place[0] - 5, place[1] - 5, place[0] + 5, place[1] + 5))

    def _mark(self, number: int, place: tuple[float, float], half: float) -> None:
        (x, y), colour = place, _COLOURS[number % len(_COLOURS)]
        if number % 2:
            self.drawing.area([(x - half, y + half), (x, y - half), (x + half, y + half)], colour)
        else:
            self.drawing.box(x - half, y - half, x + half, y + half, colour)

    def names(self, studies: pd.DataFrame, x: str, y: str) -> None:
        """Write the names of studies beside their points without overlap; omit a name for which there is no space."""
        if len(studies) > NAMED:
            return
        links = studies.study if "study" in studies else [""] * len(studies)
        for label, study, point in zip(studies.label, links, studies[[x, y]].to_numpy(float), strict=True):
            href = study_link(label, study).target if study else ""
            for across, along, anchor in _BESIDE:
                left, middle = self.at(*point)
                self.drawing.text(left + across, middle + along, label, anchor, colour=INK if href else GREY, href=href)
                name = self.drawing.items[-1]
                assert isinstance(name, Text)
                if self._is_free(name.box):
                    self.occupied.append(name.box)
                    break
                self.drawing.items.pop()

    def _is_free(self, box: Box) -> bool:
        left, top, right, bottom = box
        inside = self.left <= left and right <= self.drawing.width and self.top <= top and bottom <= self.bottom
        return inside and not any(
            left < other[2] and other[0] < right and top < other[3] and other[1] < bottom for other in self.occupied
        )
