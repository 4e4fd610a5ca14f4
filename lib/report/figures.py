"""The book's figures: results in, a matplotlib Figure out.

Knows how a forest plot, a flow diagram, a funnel and bars of counts look here, in a wide and in a phone-narrow
form. What a study reported, what the review published, what came later and what is not available differ in marker
and in colour, so that none of it depends on seeing colours. Reads no files and pools nothing.

Every drawing function returns a Figure whose label (``figure.get_label()``) is its text alternative, and
takes ``wide``: `show` draws both forms and lets the page choose. A plot of very many rows is a `Listing` instead.
"""

from __future__ import annotations

import base64
import html
import io
import math
import re
import textwrap
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon
from scipy import stats

from lib.evidence import THRESHOLD_NAMES, Outcome
from lib.published import Result, by_study
from lib.stats import Pooled, PoolingWarning, pool_ratios, proportion_interval

# Okabe and Ito's palette, which readers with any common colour blindness can tell apart.
INK, GREY, FAINT = "#1a1a1a", "#5c5c5c", "#cfcfcf"
REPORTED, PRINTED, NEW, POSSIBLE = "#0072b2", "#d55e00", "#008f68", "#a3458b"

_Z = stats.norm.ppf(0.975)

WIDE, NARROW = 7.4, 3.4
"""Widths in inches: the text column of the page, and a phone of 360 CSS pixels less its margins."""

MANY = 150
"""Rows above which an interval plot is a `Listing`, and a forest plot begins with its results."""

NAMED = 40
"""Studies above which a plot of points names none: there is no room, and to look for it takes long."""

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 8.0,
    "svg.fonttype": "none",
    # A dollar sign in the data is a dollar sign.
    "text.parse_math": False,
    # Element ids are hashes of this and the content: the same figure is the same bytes in every build.
    "svg.hashsalt": "living-review",
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.labelcolor": INK,
}


@dataclass(frozen=True)
class Picture:
    """A figure in both forms with its text alternative and caption, as a page shows it."""

    wide: str
    narrow: str
    alt: str
    caption: str

    def _repr_html_(self) -> str:
        wide, narrow = (
            "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode() for svg in (self.wide, self.narrow)
        )
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        # The class dark-light keeps the theme's own dark filter off: the style sheet has one that keeps hues.
        return (
            f'<figure class="review-figure"><picture><source media="(max-width: 600px)" srcset="{narrow}">'
            f'<img class="dark-light" src="{wide}" alt="{html.escape(self.alt)}"></picture>{caption}</figure>'
        )

    def __repr__(self) -> str:
        return self.alt


def show(draw, *args, caption: str = "", **kwargs) -> Picture | Listing:
    """Draw a figure in its wide and its narrow form, for a page to choose from.

    Parameters
    ----------
    draw : callable
        A drawing function of this module.
    *args, **kwargs
        What it draws.
    caption : str
        Caption below the figure.

    Returns
    -------
    Picture or Listing
        Shown by a notebook and the book; the same input gives the same bytes.
    """
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Letters that the font here lacks are drawn by the reader's: the text stays text in the SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        wide = draw(*args, wide=True, **kwargs)
        if isinstance(wide, Listing):
            return replace(wide, caption=caption)
        return Picture(_svg(wide), _svg(draw(*args, wide=False, **kwargs)), wide.get_label(), caption)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def percent(value: float, digits: int = 0, sign: str = "%") -> str:
    """Return a proportion as a percentage within 0 to 100, halves rounded up: ``percent(0.385) == "39%"``."""
    scaled = Decimal(repr(round(100 * min(max(float(value), 0.0), 1.0), 9)))
    return f"{scaled.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)}{sign}"


def span(estimate: float, low: float, high: float, digits: int = 1) -> str:
    """Return a rate with its interval in percent, ``"18.1 (13.2–23.1)"``; what is NaN is left out."""
    interval = "" if low != low else f"{percent(low, digits, '')}–{percent(high, digits, '')}"
    if estimate != estimate:
        return interval
    return percent(estimate, digits, "") + (f" ({interval})" if interval else "")


# --- Rows with an interval: forest plots and their kin ------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One line of a forest plot.

    Attributes
    ----------
    label : str
        Text at the left.
    kind : {"heading", "study", "missing", "printed", "pooled"}
        What it is: drawn as text only, square, a dotted line without mark, open diamond, filled diamond.
    estimate, low, high : float
        Proportions; NaN where there is none. Of a row of kind "missing" the ends are of what is possible, not of
        an interval of data.
    counts : str
        Text of the second column, such as ``"3/19"``.
    weight : float
        Share in the pooled estimate; NaN: not shown.
    colour : str
        Colour of the mark.
    why : str
        What stands in place of the estimate of a row of kind "missing".
    bold : bool
        Whether a printed or pooled result is set in bold.
    """

    label: str
    kind: str = "study"
    estimate: float = np.nan
    low: float = np.nan
    high: float = np.nan
    counts: str = ""
    weight: float = np.nan
    colour: str = REPORTED
    why: str = ""
    bold: bool = True


@dataclass(frozen=True)
class Scale:
    """What the axis of an interval plot shows.

    Attributes
    ----------
    label, heading : str
        Label of the axis, and heading of the column of estimates.
    low, high, factor : float
        Ends of the axis, and what a value is multiplied by to stand on it.
    ticks, few_ticks : tuple of float
        Ticks of the wide and of the narrow form.
    log : bool
        Whether the axis is logarithmic.
    none : float
        Value of no effect, marked with a line; NaN: there is none.
    """

    label: str
    heading: str
    low: float
    high: float
    factor: float
    ticks: tuple[float, ...]
    few_ticks: tuple[float, ...]
    log: bool = False
    none: float = np.nan

    def place(self, value: float) -> float:
        """Return where a value stands on the axis, within its ends; NaN for NaN."""
        return value if value != value else min(max(self.factor * float(value), self.low), self.high)

    def share(self, placed: float) -> float:
        """Return how far along the axis a place on it is, in percent of its length."""
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, placed))
        return round(100 * (at - low) / (high - low), 1)

    def text(self, estimate: float, low: float, high: float, digits: int) -> str:
        """Return an estimate with its interval as the plot prints it."""
        return ratio_text(estimate, low, high) if self.log else span(estimate, low, high, digits)


RATE = Scale("Response rate, %", "% (95% CI)", 0, 100, 100, (0, 25, 50, 75, 100), (0, 50, 100))
RATIO = Scale("Risk ratio", "RR (95% CI)", 0.05, 50, 1, (0.1, 0.5, 1, 2, 10), (0.1, 1, 10), log=True, none=1)


def ratio_text(estimate: float, low: float, high: float) -> str:
    """Return a ratio with its interval, ``"1.90 (1.37–2.62)"``; a dash where there is none."""
    if estimate != estimate:
        return "–"
    return f"{ratio_number(estimate)} ({ratio_number(low)}–{ratio_number(high)})"


def ratio_number(value: float) -> str:
    """Return a ratio with three digits or so: ``"1.90"``, ``"14.6"``, ``"372"``."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def intervals(
    rows: Sequence[Row], *, wide: bool, scale: Scale = RATE, xlabel: str = "", counts: str = "", alt: str = ""
) -> Figure | Listing:
    """Draw rows with their estimates and intervals on a common axis.

    Parameters
    ----------
    rows : sequence of Row
        From top to bottom.
    wide : bool
        Form.
    scale : Scale
        The axis.
    xlabel, counts : str
        Label of the axis where it is not that of the scale, and heading of the second column.
    alt : str
        Text alternative; the estimates of all rows that have one are added to that of a Figure.

    Returns
    -------
    Figure or Listing
        A Listing of more than `MANY` rows, which is one for all widths.
    """
    if len(rows) > MANY:
        return Listing(tuple(rows), scale, xlabel or scale.label, counts, f"{alt} A table of {len(rows)} rows.".strip())
    line, margin = 0.19, 0.62
    width = WIDE if wide else NARROW
    height = line * (len(rows) + 1) + margin
    figure = Figure(figsize=(width, height))
    # A ratio with its interval takes more letters than a rate.
    left, right = (0.44, 0.725) if wide else (0.51, 0.68) if scale.log else (0.57, 0.74)
    axes = figure.add_axes((left, margin / height, right - left, 1 - margin / height))
    axes.set(xlim=(scale.low, scale.high), ylim=(len(rows) - 0.4, -1.4), yticks=[])
    if scale.log:
        axes.set_xscale("log")
        axes.minorticks_off()
    ticks = scale.ticks if wide else scale.few_ticks
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    label = xlabel or scale.label
    axes.set_xlabel(label if wide else textwrap.fill(label, 16), labelpad=2)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.tick_params(length=3, pad=2)
    for x in axes.get_xticks():
        none = x == scale.none
        axes.axvline(
            x, ymax=1 - 0.9 / (len(rows) + 1), color=GREY if none else FAINT, linewidth=0.9 if none else 0.6, zorder=0
        )

    across = mpl.transforms.blended_transform_factory(figure.transFigure, axes.transData)
    style = {"transform": across, "va": "center", "clip_on": False}
    has_weights = wide and any(row.weight == row.weight for row in rows)
    at_counts = left - (0.02 if wide else 0.01)
    at_text = 0.9 if has_weights else 0.995
    axes.text(at_counts, -1, counts, ha="right", weight="bold", **style)
    heading = scale.heading if wide else scale.heading.replace("95% ", "")
    axes.text(at_text, -1, heading, ha="right", weight="bold", **style)
    if has_weights:
        axes.text(0.995, -1, "Weight", ha="right", weight="bold", **style)
    for y, row in enumerate(rows):
        _draw_row(axes, y, row, scale, style, at_counts, at_text, has_weights, digits=1 if wide else 0)
    figure.set_label(" ".join([alt, *(_told(row, scale) for row in rows)]).strip())
    return figure


def _told(row: Row, scale: Scale) -> str:
    """What a row adds to the text alternative."""
    if row.kind == "heading":
        return f"{row.label}:"
    if row.kind == "missing" and row.low == row.low:
        return f"{row.label}: not available, consistent with {span(np.nan, row.low, row.high, 0)};"
    told = scale.text(row.estimate, row.low, row.high, 1) if row.estimate == row.estimate else ""
    return told and f"{row.label}: {told};"


def _draw_row(
    axes,
    y: int,
    row: Row,
    scale: Scale,
    style: dict,
    at_counts: float,
    at_text: float,
    has_weights: bool,
    digits: int,
) -> None:
    bold = "bold" if row.kind == "heading" or (row.kind in ("printed", "pooled") and row.bold) else "normal"
    ink = GREY if row.kind == "missing" else INK
    axes.text(0.0, y, row.label, ha="left", weight=bold, color=ink, **style)
    axes.text(at_counts, y, row.counts, ha="right", color=ink, **style)
    if row.kind == "missing":
        axes.text(at_text, y, row.why, ha="right", color=GREY, style="italic", **style)
        if row.low == row.low:
            axes.plot(
                [scale.place(row.low), scale.place(row.high)],
                [y, y],
                color=POSSIBLE,
                linewidth=1.3,
                linestyle=(0, (1, 1.4)),
            )
    if not row.estimate == row.estimate:
        return
    axes.text(at_text, y, scale.text(row.estimate, row.low, row.high, digits), ha="right", weight=bold, **style)
    if has_weights and row.weight == row.weight:
        axes.text(0.995, y, f"{100 * row.weight:.0f}%", ha="right", **style)
    x, low, high = map(scale.place, (row.estimate, row.low, row.high))
    if row.kind in ("printed", "pooled"):
        if low != low:
            low = high = x
        fill = row.colour if row.kind == "pooled" else "none"
        points = [(low, y), (x, y - 0.34), (high, y), (x, y + 0.34)]
        axes.add_patch(Polygon(points, facecolor=fill, edgecolor=row.colour, linewidth=1.1, clip_on=False))
        return
    if low == low:
        axes.plot([low, high], [y, y], color=row.colour, linewidth=1.1, solid_capstyle="butt")
    size = 4.5 if row.weight != row.weight else 3.0 + 4.0 * float(np.sqrt(row.weight))
    axes.plot([x], [y], marker="s", markersize=size, color=row.colour, linestyle="none", clip_on=False)


@dataclass(frozen=True)
class Listing:
    """An interval plot of very many rows: a table that draws each row's interval and scrolls within its page.

    A picture of thousands of rows is taller than browsers draw, and no reader finds a study in it. The rows of
    a table can be searched, fit a phone, and are there when they are scrolled to.

    Attributes
    ----------
    rows : tuple of Row
        From top to bottom.
    scale : Scale
        The axis.
    xlabel, counts : str
        Label of the axis, and heading of the second column.
    alt : str
        Text alternative.
    caption : str
        Caption below.
    """

    rows: tuple[Row, ...]
    scale: Scale
    xlabel: str
    counts: str
    alt: str
    caption: str = ""

    def _repr_html_(self) -> str:
        scale, weighted = self.scale, any(row.weight == row.weight for row in self.rows)
        ticks = [(tick, scale.share(tick)) for tick in scale.few_ticks]
        axis = "".join(f'<span style="left:{at:g}%">{tick:g}</span>' for tick, at in ticks)
        names = {tick: "text-muted" if tick == scale.none else "border" for tick, _ in ticks}
        lines = ",".join(
            f"linear-gradient(var(--pst-color-{names[tick]}) 0 0) {at:g}% 0/1px 100% no-repeat" for tick, at in ticks
        )
        heads = [
            "",
            html.escape(self.counts),
            f'{html.escape(self.xlabel)}<div class="axis">{axis}</div>',
            scale.heading,
        ]
        heads = "".join(f'<th scope="col">{head}</th>' for head in [*heads, *["Weight"] * weighted])
        rows = "".join(self._row(row, weighted) for row in self.rows)
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return (
            '<figure class="review-figure"><div class="review-scroll" role="region" tabindex="0"'
            f' aria-label="{html.escape(self.alt)}"><table class="review-rows" style="--lines:{lines}">'
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>{caption}</figure>"
        )

    def __repr__(self) -> str:
        return self.alt

    def _row(self, row: Row, weighted: bool) -> str:
        label = html.escape(row.label)
        if row.kind == "heading":
            # Not over the weights, for which a phone has no room.
            return f'<tr class="heading"><th colspan="4" scope="colgroup">{label}</th></tr>\n'
        told = self.scale.text(row.estimate, row.low, row.high, 1) if row.estimate == row.estimate else row.why
        shown = [html.escape(row.counts).replace("/", "/<wbr>"), self._mark(row), html.escape(told)]
        shown += [f"{100 * row.weight:.2f}%" if row.weight == row.weight else ""] * weighted
        kind = f' class="{row.kind}"' if row.kind == "missing" or (row.kind != "study" and row.bold) else ""
        return f'<tr{kind}><th scope="row">{label}</th>{"".join(f"<td>{text}</td>" for text in shown)}</tr>\n'

    def _mark(self, row: Row) -> str:
        """Draw a row as `_draw_row` does: percent of the axis along it, pixels across."""
        x, low, high = (self.scale.share(self.scale.place(value)) for value in (row.estimate, row.low, row.high))
        line = f'<line x1="{low:g}%" x2="{high:g}%" y1="6" y2="6"' if low == low else ""
        if row.kind == "missing":
            colour, drawn = POSSIBLE, line and f'{line} stroke-dasharray="1.5 2"/>'
        elif row.kind == "study":
            side = 6.0 if row.weight != row.weight else 4.0 + 5.3 * math.sqrt(row.weight)
            ends = f'y1="{6 - side / 2:.3g}" y2="{6 + side / 2:.3g}" stroke-width="{side:.3g}"'
            colour, drawn = row.colour, f'{line and line + "/>"}<line x1="{x:g}%" x2="{x:g}%" {ends}/>'
        else:
            low, high = (low, high) if low == low else (x, x)
            middle = f"{100 * (x - low) / (high - low):.0f}" if high > low else "50"
            colour, fill = row.colour, row.colour if row.kind == "pooled" else "none"
            drawn = (
                f'<svg x="{low:g}%" width="{max(high - low, 0.1):.1f}%" height="12" viewBox="0 0 100 12"'
                f' preserveAspectRatio="none"><path d="M0 6L{middle} 1 100 6 {middle} 11z" fill="{fill}"'
                ' vector-effect="non-scaling-stroke"/></svg>'
            )
        if not drawn or (row.kind != "missing" and x != x):
            return ""
        return f'<svg width="100%" height="12" stroke="{colour}" stroke-width="1.4">{drawn}</svg>'


_SHORT = {"tacrolimus": "tac.", "pimecrolimus": "pim."}


def _study_rows(studies: pd.DataFrame, pooled: Pooled | None, colour: str, wide: bool) -> list[Row]:
    weights = pooled.weights if pooled is not None else np.full(len(studies), np.nan)
    columns = (studies.itertuples(), _labels(studies, wide), *proportion_interval(studies.events, studies.n), weights)
    rows = []
    for study, label, low, high, weight in zip(*columns, strict=True):
        label += "" if study.listed or study.edition != "original" else "†"
        counts = f"{study.events:g}/{study.n:g}"
        rows.append(Row(label, "study", study.events / study.n, low, high, counts, weight, colour))
    return rows


def _labels(studies: pd.DataFrame, wide: bool) -> list[str]:
    drugs = studies.drug if wide else studies.drug.replace(_SHORT, regex=True)
    several = studies.study.duplicated(keep=False) | studies.drug.str.contains("; ")
    # The column holds about this many letters beside the counts.
    room = 40 if wide else 22
    drugs = (", " + drugs).where(several, "")
    return [_cut(label, room - len(drug)) + drug for label, drug in zip(studies.label, drugs, strict=True)]


def _cut(label: str, room: int) -> str:
    """Shorten a label to so many letters; the year at its end stays, as it tells descriptions apart."""
    if len(label) <= room:
        return label
    year = " " + label[-4:] if label[-4:].isdigit() else ""
    end = max(room - 1 - len(year), 1)
    words = label[:end] if label[end] == " " else label[:end].rpartition(" ")[0] or label[:end]
    return words.rstrip(" ,") + "…" + year


def forest(
    outcome: Outcome,
    public: Pooled | None,
    new: Pooled | None,
    *,
    wide: bool,
    ranges: pd.DataFrame | None = None,
    updated: Result | None = None,
) -> Figure:
    """Draw the forest plot of an outcome with all its studies, those without public counts among them.

    Parameters
    ----------
    outcome : Outcome
        The outcome: its studies and what the review prints.
    public : Pooled or None
        The pooled result of ``outcome.available``, in the order of its studies; None: nothing to pool.
    new : Pooled or None
        The same of ``outcome.new``.
    wide : bool
        Form.
    ranges : DataFrame, optional
        For studies without public counts the rates that are consistent with print, as
        `imputation.consistent_ranges` gives them.
    updated : Result, optional
        The outcome brought up to date; drawn where there are new arms.

    Returns
    -------
    Figure
        Reported counts as squares with the score interval (Wilson 1927), the arms of a study added up; named grey rows
        for studies whose counts are not available, with the consistent range as a dotted line; the published result as
        an open diamond; pooled results as filled diamonds; the studies of the update below, apart. A dagger marks a
        study with available counts that the review's reference list of the outcome does not name.
    """
    counted, fresh = by_study(outcome.available), by_study(outcome.new)
    rows = _study_rows(counted, public, REPORTED, wide)
    # The number of patients with a lesion at one site is not printed, that of those who completed is.
    sized = outcome.group == "total"
    for study, label in zip(outcome.missing.itertuples(), _labels(outcome.missing, wide), strict=True):
        counts = f"n = {study.n:g}" if sized and study.n == study.n else ""
        why = "not pooled" if study.reported else "not available"
        low, high, together = _range(ranges, study)
        if low == low:
            possible = span(np.nan, low, high, 0)
            why = f"not available; {possible}" if wide else f"possible {possible}"
            why = f"arms together; {possible}" if together and wide else why
        rows.append(Row(label, "missing", np.nan, low, high, counts, why=why))
    results = []
    printed = f"Published, {outcome.studies:g} studies"
    patients = f"n = {outcome.patients:g}" if outcome.patients == outcome.patients else ""
    results.append(Row(printed, "printed", outcome.estimate, outcome.ci_low, outcome.ci_high, patients, colour=PRINTED))
    if public is not None:
        results += result_rows(["Available counts"], public, counts=[_pooled_counts(public, counted)], colour=REPORTED)
    groups = {"Original review": (rows, results)}
    if len(fresh):
        results = []
        if new is not None:
            results = result_rows(["New counts"], new, counts=[_pooled_counts(new, fresh)], colour=NEW)
        heading = "Update since August 2018" if wide else "Update since 2018"
        groups[heading] = (_study_rows(fresh, new, NEW, wide), results)
    last = []
    if updated is not None and updated.updated is not None and updated.updated.k_new:
        last = [_updated_row("Updated: published and new" if wide else "Published and new", updated)]
    rows = _arranged(groups, last)
    alt = (
        f"Forest plot. {outcome.available_studies} of {outcome.studies:g} studies of the original review have available"
        f" counts; {outcome.missing.study.nunique()} are named without."
    )
    return intervals(rows, wide=wide, counts="Events/n", alt=alt)


def _arranged(groups: dict[str, tuple[list[Row], list[Row]]], last: list[Row]) -> list[Row]:
    """Set the groups of a forest plot below each other, each with its results; of very many rows those first."""
    rows = []
    for heading, (studies, results) in groups.items():
        rows += [Row(heading, "heading"), *studies, *results]
    if len(rows + last) <= MANY:
        return rows + last
    results = [row for _, found in groups.values() for row in found]
    studies = [row for heading, (rows, _) in groups.items() for row in (Row(heading, "heading"), *rows)]
    return [Row("Results", "heading"), *results, *last, *studies]


def _range(ranges: pd.DataFrame | None, study) -> tuple[float, float, bool]:
    """Return the consistent range of a row, and whether it is of several arms; it stands with the first of them."""
    for row in () if ranges is None else ranges[ranges.study == study.study].itertuples():
        if study.arm == min(row.arms):
            return row.low, row.high, len(row.arms) > 1
    return np.nan, np.nan, False


def _updated_row(label: str, result: Result) -> Row:
    updated = result.updated
    return Row(label, "pooled", updated.estimate, updated.ci_low, updated.ci_high, colour=INK)


class Estimated(Protocol):
    """A rate with its interval, and the number of studies behind it; NaN: none."""

    estimate: float
    ci_low: float
    ci_high: float
    k: float


def updates(results: Sequence[tuple[str, Sequence[Estimated | None]]], *, wide: bool) -> Figure:
    """Draw published rates beside what new studies give, the updated rates and those by the recommended method.

    Parameters
    ----------
    results : sequence of (label, (published, new, updated, recommended))
        The rates; what is None is not drawn.
    wide : bool
        Form.

    Returns
    -------
    Figure
    """
    kinds = (
        ("Published", "printed", PRINTED),
        ("New studies alone", "pooled", NEW),
        ("Updated", "pooled", INK),
        ("Recommended method" if wide else "Recommended", "pooled", REPORTED),
    )
    rows = []
    for label, found in results:
        rows.append(Row(label, "heading"))
        for (name, kind, colour), one in zip(kinds, found, strict=True):
            if one is not None:
                kind = "study" if one.k == 1 else kind
                values = (one.estimate, one.ci_low, one.ci_high)
                rows.append(Row(name, kind, *values, f"{one.k:g}", colour=colour, bold=name == "Updated"))
    return intervals(rows, wide=wide, counts="Studies")


def _pooled_counts(pooled: Pooled, studies: pd.DataFrame) -> str:
    used = studies[~pooled.dropped]
    return f"{used.events.sum():g}/{used.n.sum():g}"


def rates(results: Sequence[tuple[str, Outcome, Pooled | None, Pooled | None]], *, wide: bool) -> Figure:
    """Draw what the review prints for several outcomes, beside what is public and what is new.

    Parameters
    ----------
    results : sequence of (label, outcome, public, new)
        The outcomes, each with the pooled results of its public and of its new counts; None: not pooled, and
        each count is drawn as a study.
    wide : bool
        Form.

    Returns
    -------
    Figure
    """
    rows = []
    for label, outcome, public, new in results:
        rows.append(Row(label, "heading"))
        studies = f"{outcome.studies:g}"
        rows.append(
            Row("Published", "printed", outcome.estimate, outcome.ci_low, outcome.ci_high, studies, colour=PRINTED)
        )
        both = (("Available counts", public, outcome.available, REPORTED), ("New counts", new, outcome.new, NEW))
        for name, pooled, counted, colour in both:
            studies = f"{counted.study.nunique()}"
            if pooled is not None:
                rows += result_rows([name], pooled, counts=[studies], colour=colour)
            else:
                each = (count_row(name, study.events, study.n, colour) for study in by_study(counted).itertuples())
                rows += [replace(row, counts="1") for row in each]
    return intervals([replace(row, bold=False) for row in rows], wide=wide, counts="Studies")


def comparison(trials: pd.DataFrame, pooled: Pooled | None = None, *, wide: bool) -> Figure:
    """Draw the forest plot of comparisons within trials, as risk ratios.

    Parameters
    ----------
    trials : DataFrame
        A row a trial, as in `comparisons.Question.pairs`.
    pooled : Pooled, optional
        Their pooled risk ratio, drawn where there is more than one trial.
    wide : bool
        Form.

    Returns
    -------
    Figure
    """
    own = own_ratios(trials)
    several = pooled is not None and pooled.k > 1
    weights = pooled.weights if several else np.full(len(trials), np.nan)
    rows = []
    columns = (trials.itertuples(), own.estimate, own.ci_low, own.ci_high, weights)
    for trial, estimate, low, high, weight in zip(*columns, strict=True):
        degree = THRESHOLD_NAMES[trial.threshold]
        counts = f"{trial.events:g}/{trial.n:g} v {trial.control_events:g}/{trial.control_n:g}"
        label = _cut(trial.label, 38 - len(degree) if wide else 20)
        label += "*" if trial.paired else ""
        colour = NEW if trial.edition == "update" else REPORTED
        label = f"{label}, {degree}" if wide else label
        rows.append(Row(label, "study", estimate, low, high, counts if wide else degree, weight, colour))
    if several:
        rows += result_rows(["Pooled"], pooled, counts=[""], colour=INK)
    made = trials.study.nunique()
    alt = f"Forest plot of {made} trial{'s' if made > 1 else ''}, risk ratio."
    return intervals(rows, wide=wide, scale=RATIO, counts="Responders" if wide else "", alt=alt)


def own_ratios(trials: pd.DataFrame) -> Pooled:
    """Return the risk ratio of each trial by itself, NaN for one that carries no information on it.

    Parameters
    ----------
    trials : DataFrame
        A row a trial, as in `comparisons.Question.pairs`.

    Returns
    -------
    Pooled
        Results of shape (number of trials,).
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no study to pool", PoolingWarning)
        return pool_ratios(*(trials[[name]].to_numpy(float).T for name in PAIR))


PAIR = ("events", "n", "control_events", "control_n")
"""Columns of a comparison: responders and number of the treated arm and of the arm it is compared with."""


def result_rows(labels: Sequence[str], pooled: Pooled, *, counts: Sequence[str], colour: str = REPORTED) -> list[Row]:
    """Return one row of an interval plot for each of the pooled results, as filled diamonds."""
    columns = (np.atleast_1d(value) for value in (pooled.estimate, pooled.ci_low, pooled.ci_high))
    return [
        Row(label, "pooled", *map(float, values), counts=text, colour=colour)
        for label, text, *values in zip(labels, counts, *columns, strict=True)
    ]


def count_row(label: str, events: float, n: float, colour: str = REPORTED) -> Row:
    """Return the row of one proportion, with its score interval (Wilson 1927)."""
    low, high = proportion_interval(events, n)
    return Row(label, "study", events / n, float(low), float(high), f"{events:g}/{n:g}", colour=colour)


def count_rows(frame: pd.DataFrame, heading: str, label: str, events: str) -> list[Row]:
    """Return a row for each proportion of a table, under a heading for each group.

    Parameters
    ----------
    frame : DataFrame
        With column ``n`` and the columns named here.
    heading, label, events : str
        Columns of the group, the name and the number with the event.
    """
    rows = []
    for name, group in frame.groupby(heading, sort=False):
        rows.append(Row(str(name).capitalize(), "heading"))
        rows += [count_row(r[label], r[events], r["n"]) for _, r in group.iterrows()]
    return rows


# --- Others -----------------------------------------------------------------------------------------------


def bars(panels: dict[str, pd.Series], *, wide: bool) -> Figure:
    """Draw counts as horizontal bars, a panel for each question.

    Parameters
    ----------
    panels : dict of str to Series
        Title -> counts, the index being the labels, from top to bottom.
    wide : bool
        Form: panels in two columns, or one below the other.

    Returns
    -------
    Figure
    """
    line, head = 0.2, 0.5
    columns = [[], []] if wide else [[]]
    for title in panels:
        min(columns, key=lambda c: sum(len(panels[t]) * line + head for t in c)).append(title)
    height = max(sum(len(panels[t]) * line + head for t in column) for column in columns)
    width = WIDE if wide else NARROW
    figure = Figure(figsize=(width, height))
    share = 1 / len(columns)
    told = []
    for i, column in enumerate(columns):
        top = height
        for title in column:
            counts = panels[title]
            tall = len(counts) * line
            top -= head
            label = 0.22 if wide else 0.48
            axes = figure.add_axes(((i * share) + label, (top - tall) / height, share - label - 0.05, tall / height))
            top -= tall
            axes.barh(range(len(counts)), counts, height=0.66, color=REPORTED)
            axes.set(ylim=(len(counts) - 0.4, -0.6), xlim=(0, max(panels[title].max(), 1) * 1.12), xticks=[])
            axes.set_yticks(range(len(counts)), [str(name) for name in counts.index])
            axes.tick_params(length=0)
            axes.spines[["top", "right", "bottom"]].set_visible(False)
            axes.text(
                i * share,
                1 + 0.12 / tall,
                title,
                weight="bold",
                ha="left",
                va="bottom",
                transform=mpl.transforms.blended_transform_factory(figure.transFigure, axes.transAxes),
            )
            for y, value in enumerate(counts):
                axes.annotate(f"{value}", (value, y), (3, 0), textcoords="offset points", va="center")
    for title, counts in panels.items():
        told.append(f"{title}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))
    figure.set_label("Bars of counts. " + "; ".join(told) + ".")
    return figure


def flow(columns: dict[str, list[tuple[str, str]]], *, wide: bool) -> Figure:
    """Draw a flow diagram after PRISMA 2020: the main path down, what leaves it at the right.

    Parameters
    ----------
    columns : dict of str to list of (main, aside)
        Heading -> steps from top to bottom: text of the box on the main path, and of the box beside the arrow
        that leads on from it (empty: none).
    wide : bool
        Form: headings side by side, or one below the other.

    Returns
    -------
    Figure
    """
    chars_main, chars_aside = (27, 36) if wide else (23, 32)
    line, pad, gap, head = 0.15, 0.14, 0.16, 0.34

    def tall(text: str, chars: int) -> float:
        return (_fill(text, chars).count("\n") + 1) * line + pad if text else 0.0

    def height_of(steps) -> float:
        return head + sum(tall(m, chars_main) + gap + (tall(a, chars_aside) + gap if a else gap) for m, a in steps)

    heights = [height_of(steps) for steps in columns.values()]
    width = WIDE if wide else NARROW
    height = max(heights) if wide else sum(heights) + 0.2 * (len(columns) - 1)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    span = width / (len(columns) if wide else 1)
    top = height
    for i, (heading, steps) in enumerate(columns.items()):
        x = i * span if wide else 0.0
        y = height if wide else top
        axes.text(x + 0.02, y - head / 2, heading, weight="bold", va="center")
        y -= head
        main_width, indent = span * 0.5, span * 0.3
        for j, (main, aside) in enumerate(steps):
            tall_main = tall(main, chars_main)
            _box(axes, x + 0.02, y - tall_main, main_width, tall_main, _fill(main, chars_main), REPORTED)
            y -= tall_main
            if j == len(steps) - 1:
                y -= gap
                continue
            drop = tall(aside, chars_aside) + 2 * gap if aside else 2 * gap
            trunk = x + 0.02 + indent / 2
            axes.annotate(
                "", (trunk, y - drop), (trunk, y), arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.8}
            )
            if aside:
                middle = y - gap - tall(aside, chars_aside) / 2
                start = x + 0.02 + indent
                axes.annotate(
                    "",
                    (start, middle),
                    (trunk, middle),
                    arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.8, "shrinkA": 0},
                )
                tall_aside = tall(aside, chars_aside)
                _box(
                    axes, start, y - gap - tall_aside, span - indent - 0.1, tall_aside, _fill(aside, chars_aside), GREY
                )
            y -= drop
        top = y - 0.2
    figure.set_label(
        "Flow diagram. "
        + " ".join(
            f"{heading}: " + "; ".join(t for step in steps for t in step if t) + "."
            for heading, steps in columns.items()
        ).replace("\n", ", ")
    )
    return figure


def _fill(text: str, chars: int) -> str:
    # A count stays on the line of what it counts.
    text = text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
    text = re.sub(r" (\(\d+\))", "\N{NO-BREAK SPACE}\\1", text)
    return "\n".join(
        textwrap.fill(part, chars, subsequent_indent="\N{NO-BREAK SPACE}" * 3) for part in text.split("\n")
    )


def _box(axes, x, y, width, height, text, colour) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.04",
            facecolor="none",
            edgecolor=colour,
            linewidth=1.0,
        )
    )
    axes.text(x + 0.07, y + height / 2, text, va="center", ha="left", fontsize=7.5, linespacing=1.25)


def funnel(groups: dict[str, pd.DataFrame], centre: float = np.nan, *, wide: bool) -> Figure:
    """Draw the log odds of a response against sample size, as the 2019 review did, or against standard error.

    Parameters
    ----------
    groups : dict of str to DataFrame
        Name -> studies with label, n, log_odds and se. The first group is drawn as squares, the second as
        triangles.
    centre : float
        Pooled log odds: the plot is then the standard one, with the standard error downwards and lines within which 95%
        of studies would lie if only sampling made them differ (Sterne & Egger 2001,
        doi:10.1016/S0895-4356(01)00377-8); NaN: the review's.
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
        reach = _Z * deepest
        axes.plot([centre - reach, centre, centre + reach], [deepest, 0, deepest], color=GREY, linewidth=0.8)
        axes.axvline(centre, color=FAINT, linewidth=0.8, zorder=0)
        axes.set_ylim(deepest, 0)
    studies = pd.concat(groups.values())
    _name(axes, studies, "log_odds", size)
    shown = "standard error {:.2f}" if standard else "n {:g}"
    told = (
        f"{study.label}: {shown.format(getattr(study, size))}, log odds {study.log_odds:.2f}"
        for study in studies.itertuples()
    )
    against = "Standard error" if standard else "Sample size"
    figure.set_label(f"{against} against log odds. " + _all_told(groups, told))
    return figure


def baujat(groups: dict[str, pd.DataFrame], *, wide: bool) -> Figure:
    """Draw what each study adds to heterogeneity against its pull on the result (Baujat et al. 2002).

    doi:10.1002/sim.1221. Studies with twice the mean of either are named: the others crowd near the origin, as they
    should.

    Parameters
    ----------
    groups : dict of str to DataFrame
        Name -> studies with label, heterogeneity and pull (`regression.Influence`). Marks as in `funnel`.
    wide : bool
        Form.

    Returns
    -------
    Figure
    """
    figure, axes = _points(groups, "heterogeneity", "pull", wide)
    axes.set_xlabel("Contribution to heterogeneity")
    axes.set_ylabel("Pull on the result")
    axes.margins(0.1)
    axes.locator_params(nbins=5)
    axes.set(xlim=(0, None), ylim=(0, None))
    studies = pd.concat(groups.values())
    mean = studies[["heterogeneity", "pull"]].mean()
    _name(axes, studies[(studies[mean.index] >= 2 * mean).any(axis=1)], *mean.index)
    told = (f"{study.label}: {study.heterogeneity:.2f}, {study.pull:.2f}" for study in studies.itertuples())
    figure.set_label("Contribution to heterogeneity, and pull on the result. " + _all_told(groups, told))
    return figure


def _all_told(groups: dict[str, pd.DataFrame], told: Iterable[str]) -> str:
    """Return what is told of each study; of very many how many they are."""
    if sum(map(len, groups.values())) > NAMED:
        told = (f"{name}: {len(studies)} studies" for name, studies in groups.items())
    return "; ".join(told) + "."


def _points(groups: dict[str, pd.DataFrame], x: str, y: str, wide: bool) -> tuple[Figure, mpl.axes.Axes]:
    """Draw groups of studies as points, the first as squares, the second as triangles."""
    figure = Figure(figsize=(WIDE, 3.2) if wide else (NARROW, 3.4))
    axes = figure.add_axes((0.09, 0.15, 0.88, 0.74) if wide else (0.17, 0.15, 0.8, 0.68))
    size = 6 if sum(map(len, groups.values())) <= NAMED else 2
    for (name, studies), marker, colour in zip(groups.items(), "s^", (REPORTED, NEW), strict=False):
        style = {"marker": marker, "markersize": size, "linestyle": "none", "color": colour, "clip_on": False}
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


def _name(axes, studies: pd.DataFrame, x: str, y: str) -> None:
    """Write the names of studies beside their points, where they meet nothing; one that has no room is left out."""
    if len(studies) > NAMED:
        return
    points = studies[[x, y]].to_numpy(float)
    taken = [mpl.transforms.Bbox.from_bounds(*(point - 4), 8, 8) for point in axes.transData.transform(points)]
    left, bottom, right = axes.bbox.x0, axes.bbox.y0, axes.figure.bbox.x1
    for label, point in zip(studies.label, points, strict=True):
        for place, across, along in _BESIDE:
            style = {"textcoords": "offset points", "color": GREY, "ha": across, "va": along}
            name = axes.annotate(label, point, place, **style)
            box = name.get_window_extent()
            inside = left <= box.x0 and box.x1 <= right and bottom <= box.y0
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            name.remove()
