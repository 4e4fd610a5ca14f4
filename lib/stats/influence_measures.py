"""Influence diagnostics: how a result changes without each of its studies.

Belongs here: the diagnostics and the coordinates of a Baujat plot. Does not belong here: pooled results without each
study (``pool(*leave_one_out(y, v))``), and drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from lib.stats.arguments import Names, effects
from lib.stats.arrays import Floats, column_slices
from lib.stats.checks import refuse_unknown, refuse_values
from lib.stats.display import Displayed, Shown, counted, crossed_frame, listed, number, rest
from lib.stats.mixed_model import design_matrix, fit_mixed, warn_unfitted
from lib.stats.rearrange import leave_one_out
from lib.stats.tau2 import TAU2

if TYPE_CHECKING:
    import pandas as pd

_MEASURES = ("hat", "residual", "dffits", "cook", "covariance_ratio", "tau2", "q", "baujat_x", "baujat_y")
_HEADER = (
    "Study",
    "Hat",
    "Studentised residual",
    "DFFITS",
    "Cook's distance",
    "Covariance ratio",
    "tau² without it",
    "Q without it",
    "Baujat x",
    "Baujat y",
)


@dataclass(frozen=True, eq=False, repr=False)
class Influence(Displayed):
    """Influence of each study on an analysis; arrays of the shape of its effects, NaN for an absent study.

    Attributes
    ----------
    hat : ndarray
        Diagonal of the hat matrix; without moderators the weight of the study.
    residual : ndarray
        Studentised (deleted) residual.
    dffits : ndarray
        Change of the study's fitted value without the study, in standard errors.
    cook : ndarray
        Cook's distance: change of all fitted values without the study.
    covariance_ratio : ndarray
        Generalised variance of the coefficients without the study, over that with it.
    tau2, q : ndarray
        Between-study variance and residual Q without the study.
    baujat_x, baujat_y : ndarray
        Contribution to heterogeneity, and influence on the result (Baujat et al. 2002, doi:10.1002/sim.1221; the plot
        of that paper is of a common-effect model).
    names, analyses : tuple
        Names of the studies and of the analyses.
    """

    hat: Floats
    residual: Floats
    dffits: Floats
    cook: Floats
    covariance_ratio: Floats
    tau2: Floats
    q: Floats
    baujat_x: Floats
    baujat_y: Floats
    names: Names = ()
    analyses: Names = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the measures as a data frame with a row for each study, and for many analyses in each of them."""
        measures = {name: getattr(self, name) for name in _MEASURES}
        return crossed_frame(self.analyses, "study", self.names, measures, single=self.hat.ndim == 1)

    def _shown(self, most: int) -> Shown:
        k = len(self.hat)
        if self.hat.ndim > 1:
            m = self.hat.shape[1]
            rows: list[Sequence[str]] = [("Analyses", f"{m:,}"), ("Studies", f"{k}")]
            return Shown("Influence of each study", rows, notes=["to_frame() has a row for each study and analysis"])
        columns = [getattr(self, name) for name in _MEASURES]
        rows = []
        for name, hat, *others in zip(
            listed(self.names, k)[:most], *(column[:most] for column in columns), strict=True
        ):
            share = "not available" if np.isnan(hat) else f"{100 * hat:.0f}%"
            rows.append([str(name), share, *map(number, others)])
        return Shown(f"Influence of each of {counted(k)}", rows, _HEADER, rest(len(rows), k))


def influence(
    y: ArrayLike,
    v: ArrayLike,
    moderators: ArrayLike | None = None,
    *,
    tau2: str = "REML",
    names: Sequence[Any] | None = None,
) -> Influence:
    """Compare each analysis with those that lack one of its studies.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    moderators : array_like, shape (k,), (k, c) or (k, c, m), optional
        As in `regress`. Without moderators the studies are pooled.
    tau2 : str
        Estimator of the between-study variance, one of `TAU2`. It is estimated again without each study.
    names : sequence, optional
        Names of the studies, for the result and for messages; by default the index of a pandas object.

    Returns
    -------
    Influence
        The diagnostics of Viechtbauer and Cheung (2010, doi:10.1002/jrsm.11) with normal standard errors. NaN for a
        study without which there is no fit.

    Raises
    ------
    ValueError
        As in `regress`.

    Warns
    -----
    LeftOutWarning
        As in `regress`.

    Examples
    --------
    The third study differs from the others:

    >>> influence([0.1, 0.3, 1.9, 0.2], [0.02, 0.03, 0.03, 0.05], tau2="DL").residual.round(1)
    array([-0.6, -0.4,  8.6, -0.5])
    """
    y, v, single, study_names, analyses = effects(y, v, names, moderators=moderators)
    refuse_unknown("tau2", tau2, TAU2)
    design = design_matrix(y, np.empty((len(y), 0)) if moderators is None else moderators, study_names)
    refuse_values(y, v, study_names)
    if single:
        warn_unfitted(y, v, design, study_names)
    design_varies = design.shape[2] > 1
    results = np.empty((len(_MEASURES), *y.shape))
    for columns in column_slices(design[:, :, 0].size * len(y), y.shape[1]):
        part = _influence(y[:, columns], v[:, columns], design[:, :, columns] if design_varies else design, tau2)
        for result, value in zip(results, part, strict=True):
            result[:, columns] = value
    measures = {name: value[:, 0] if single else value for name, value in zip(_MEASURES, results, strict=True)}
    return Influence(**measures, names=study_names, analyses=analyses)


def _influence(y: Floats, v: Floats, design: Floats, tau2: str) -> list[Floats]:
    """Return the measures of `Influence` for analyses of shape (k, m) with a design of shape (c, k, m) or (c, k, 1)."""
    k, m = y.shape
    whole = fit_mixed(y, v, design, tau2)
    used = np.isfinite(whole.model.v)
    tiled = design if design.shape[2] == 1 else np.tile(design, (1, 1, k))
    many_y, many_v = leave_one_out(np.where(used, y, np.nan), v)
    deletions = fit_mixed(many_y, many_v, tiled, tau2)
    x = np.broadcast_to(design, (len(design), k, m))
    v = np.where(used, v, np.nan)
    coefficients = deletions.coefficients.reshape(len(design), k, m)
    covariance = deletions.covariance.reshape(k, m, len(x), len(x))
    t2 = deletions.t2.reshape(k, m)
    leverage = np.einsum("ikm,mij,jkm->km", x, whole.covariance, x)
    change = whole.coefficients[:, None] - coefficients
    fitted_change = (x * change).sum(axis=0)
    hat = np.where(used, leverage * whole.weight, np.nan)
    deleted = v + t2
    own_error = np.einsum("ikm,kmij,jkm->km", x, covariance, x)
    with np.errstate(invalid="ignore", divide="ignore"):
        information = np.linalg.inv(whole.covariance)
        results = {
            "hat": hat,
            "residual": (y - (x * coefficients).sum(axis=0)) / np.sqrt(deleted + own_error),
            "dffits": fitted_change / np.sqrt(hat * deleted),
            "cook": np.einsum("ikm,mij,jkm->km", change, information, change),
            "covariance_ratio": np.linalg.det(covariance) / np.linalg.det(whole.covariance),
            "tau2": t2,
            "q": deletions.model.q_fixed.reshape(k, m),
            "baujat_x": whole.residual**2 * whole.weight,
            "baujat_y": fitted_change**2 / own_error,
        }
    return [np.where(used & ~np.isnan(t2), results[name], np.nan) for name in _MEASURES]
