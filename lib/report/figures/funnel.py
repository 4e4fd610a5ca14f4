"""Plots of studies as points: the funnel plot and Baujat's plot.

Belongs here: points, their names and the lines of a funnel. Does not belong here: the plotted values, which `lib.stats`
computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from scipy import special

from lib.report.figures.style import FAINT, GREY, NAMED, NARROW, NEW, REPORTED, WIDE

_Z = float(special.ndtri(0.975))


def funnel_plot(groups: dict[str, pd.DataFrame], centre: float = np.nan, *, wide: bool) -> Figure:
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

    Returns
    -------
    Figure
    """
    standard = centre == centre
    size = "se" if standard else "n"
    figure, axes = _points(groups, "log_odds", size, wide)
    axes.set_xlabel("Log odds of a response")
    axes.set_ylabel("Standard error" if standard else "Number assessed")
    axes.margins(x=0.3, y=0.15)
    axes.set_ylim(0, None)
    if standard:
        deepest = axes.get_ylim()[1]
        half_width = _Z * deepest
        axes.plot([centre - half_width, centre, centre + half_width], [deepest, 0, deepest], color=GREY, linewidth=0.8)
        axes.axvline(centre, color=FAINT, linewidth=0.8, zorder=0)
        axes.set_ylim(deepest, 0)
    studies = pd.concat(groups.values())
    _name_points(axes, studies, "log_odds", size)
    shown = "standard error {:.2f}" if standard else "n {:g}"
    texts = (
        f"{study.label}: {shown.format(getattr(study, size))}, log odds {study.log_odds:.2f}"
        for study in studies.itertuples()
    )
    against = "Standard error" if standard else "Sample size"
    figure.set_label(f"{against} against log odds. " + _study_texts(groups, texts))
    return figure


def baujat_plot(groups: dict[str, pd.DataFrame], *, wide: bool) -> Figure:
    """Draw the contribution of each study to heterogeneity against its influence on the result (Baujat et al. 2002).

    doi:10.1002/sim.1221. Studies with at least twice the mean of either are named; the others lie close together near
    the origin.

    Parameters
    ----------
    groups : dict of str to DataFrame
        Studies with label, heterogeneity and pull (`stats.Influence`), by name of the group. Marks as in `funnel_plot`.
    wide : bool
        Form.

    Returns
    -------
    Figure
    """
    figure, axes = _points(groups, "heterogeneity", "pull", wide)
    axes.set_xlabel("Contribution to heterogeneity")
    axes.set_ylabel("Influence on the result")
    axes.margins(0.1)
    axes.locator_params(nbins=5)
    axes.set(xlim=(0, None), ylim=(0, None))
    studies = pd.concat(groups.values())
    mean = studies[["heterogeneity", "pull"]].mean()
    _name_points(axes, studies[(studies[mean.index] >= 2 * mean).any(axis=1)], *mean.index)
    texts = (f"{study.label}: {study.heterogeneity:.2f}, {study.pull:.2f}" for study in studies.itertuples())
    figure.set_label("Contribution to heterogeneity, and pull on the result. " + _study_texts(groups, texts))
    return figure


def _study_texts(groups: dict[str, pd.DataFrame], texts: Iterable[str]) -> str:
    """Join the texts of all studies; if there are very many, give their number instead."""
    if sum(map(len, groups.values())) > NAMED:
        texts = (f"{name}: {len(studies)} studies" for name, studies in groups.items())
    return "; ".join(texts) + "."


def _points(groups: dict[str, pd.DataFrame], x: str, y: str, wide: bool) -> tuple[Figure, Axes]:
    """Draw groups of studies as points, the first as squares, the second as triangles."""
    figure = Figure(figsize=(WIDE, 3.2) if wide else (NARROW, 3.4))
    axes = figure.add_axes((0.09, 0.15, 0.88, 0.74) if wide else (0.17, 0.15, 0.8, 0.68))
    size = 6 if sum(map(len, groups.values())) <= NAMED else 2
    for (name, studies), marker, colour in zip(groups.items(), "s^", (REPORTED, NEW), strict=False):
        style: dict[str, Any] = {
            "marker": marker,
            "markersize": size,
            "linestyle": "none",
            "color": colour,
            "clip_on": False,
        }
        axes.plot(studies[x], studies[y], label=name, **style)
    axes.spines[["top", "right"]].set_visible(False)
    if any(len(studies) for studies in groups.values()):
        figure.legend(loc="upper left", ncols=2 if wide else 1, frameon=False, bbox_to_anchor=(0.06, 1.0))
    return figure, axes


_BESIDE = (
    ((6, 4), "left", "bottom"),
    ((-6, 4), "right", "bottom"),
    ((6, -4), "left", "top"),
    ((-6, -4), "right", "top"),
)


def _name_points(axes: Axes, studies: pd.DataFrame, x: str, y: str) -> None:
    """Write the names of studies beside their points without overlap; omit a name for which there is no space."""
    if len(studies) > NAMED:
        return
    points = studies[[x, y]].to_numpy(float)
    taken = [Bbox.from_bounds(x0 - 4, y0 - 4, 8, 8) for x0, y0 in axes.transData.transform(points)]
    left, bottom, right = axes.bbox.x0, axes.bbox.y0, axes.figure.bbox.x1
    for label, point in zip(studies.label, points, strict=True):
        for place, across, along in _BESIDE:
            style: dict[str, Any] = {"textcoords": "offset points", "color": GREY, "ha": across, "va": along}
            name = axes.annotate(label, point, place, **style)
            box = name.get_window_extent()
            inside = left <= box.x0 and box.x1 <= right and bottom <= box.y0
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            name.remove()
