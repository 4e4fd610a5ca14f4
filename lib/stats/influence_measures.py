"""Influence diagnostics: how a result changes without each of its studies.

Belongs here: the diagnostics and the coordinates of a Baujat plot. Does not belong here: pooled results without each
study (``pool(*leave_one_out(y, v))``), and drawing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lib.stats.arrays import Floats, column_slices, refuse_unknown, studies_by_analysis
from lib.stats.mixed_model import design_matrix, fit_mixed
from lib.stats.rearrange import leave_one_out
from lib.stats.tau2 import TAU2


class Influence(NamedTuple):
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


def influence(y: ArrayLike, v: ArrayLike, moderators: ArrayLike | None = None, *, tau2: str = "REML") -> Influence:
    """Compare each analysis with those that lack one of its studies.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        Effect sizes and sampling variances, as in `pool`.
    moderators : array_like, shape (k,), (k, c) or (k, c, m), optional
        As in `regress`. Without moderators the studies are pooled.
    tau2 : str
        Estimator of the between-study variance, one of `TAU2`. It is estimated again without each study.

    Returns
    -------
    Influence
        The diagnostics of Viechtbauer and Cheung (2010, doi:10.1002/jrsm.11) with normal standard errors. NaN for a
        study without which there is no fit.

    Raises
    ------
    ValueError
        As in `regress`.

    Examples
    --------
    The third study differs from the others:

    >>> influence([0.1, 0.3, 1.9, 0.2], [0.02, 0.03, 0.03, 0.05], tau2="DL").residual.round(1)
    array([-0.6, -0.4,  8.6, -0.5])
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_unknown("tau2", tau2, TAU2)
    design = design_matrix(y, np.empty((len(y), 0)) if moderators is None else moderators)
    own = design.shape[2] > 1
    results = Influence(*np.empty((len(Influence._fields), *y.shape)))
    for columns in column_slices(design[:, :, 0].size * len(y), y.shape[1]):
        part = _influence(y[:, columns], v[:, columns], design[:, :, columns] if own else design, tau2)
        for result, value in zip(results, part, strict=True):
            result[:, columns] = value
    return Influence(*(value[:, 0] if single else value for value in results))


def _influence(y: Floats, v: Floats, design: Floats, tau2: str) -> list[Floats]:
    """Return the fields of `Influence` for analyses of shape (k, m) with a design of shape (c, k, m) or (c, k, 1)."""
    k, m = y.shape
    whole = fit_mixed(y, v, design, tau2)
    used = np.isfinite(whole.model.v)
    tiled = design if design.shape[2] == 1 else np.tile(design, (1, 1, k))
    many_y, many_v = leave_one_out(np.where(used, y, np.nan), v)
    without = fit_mixed(many_y, many_v, tiled, tau2)
    x = np.broadcast_to(design, (len(design), k, m))
    v = np.where(used, v, np.nan)
    coefficients = without.coefficients.reshape(len(design), k, m)
    covariance = without.covariance.reshape(k, m, len(x), len(x))
    t2 = without.t2.reshape(k, m)
    leverage = np.einsum("ikm,mij,jkm->km", x, whole.covariance, x)
    change = whole.coefficients[:, None] - coefficients
    moved = (x * change).sum(axis=0)
    hat = np.where(used, leverage * whole.weight, np.nan)
    deleted = v + t2
    own_error = np.einsum("ikm,kmij,jkm->km", x, covariance, x)
    with np.errstate(invalid="ignore", divide="ignore"):
        information = np.linalg.inv(whole.covariance)
        results = Influence(
            hat=hat,
            residual=(y - (x * coefficients).sum(axis=0)) / np.sqrt(deleted + own_error),
            dffits=moved / np.sqrt(hat * deleted),
            cook=np.einsum("ikm,mij,jkm->km", change, information, change),
            covariance_ratio=np.linalg.det(covariance) / np.linalg.det(whole.covariance),
            tau2=t2,
            q=without.model.q_fixed.reshape(k, m),
            baujat_x=whole.residual**2 * whole.weight,
            baujat_y=moved**2 / own_error,
        )
    return [np.where(used & ~np.isnan(t2), value, np.nan) for value in results]
