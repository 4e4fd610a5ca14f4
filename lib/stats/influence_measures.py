"""What single studies do to a result: influence diagnostics and the coordinates of a Baujat plot."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lib.stats.arrays import column_slices, refuse_unknown, studies_by_analysis
from lib.stats.mixed_model import design_matrix, fit_mixed
from lib.stats.rearrange import leave_one_out
from lib.stats.tau2 import TAU2


class Influence(NamedTuple):
    """What each study does to an analysis; arrays of the shape of its effects, NaN for an absent study.

    ``hat`` is the diagonal of the hat matrix, ``residual`` the studentised (deleted) residual, ``dffits`` how many
    standard errors the study's fitted value, and ``cook`` how far all of them move without it, ``covariance_ratio`` the
    generalised variance of the coefficients without it over that with it; ``tau2`` and ``q`` are those without it.
    ``baujat_x`` and ``baujat_y`` are its contribution to heterogeneity and its pull on the result (Baujat et al. 2002,
    doi:10.1002/sim.1221; the plot of that paper is of a common-effect model).
    """

    hat: np.ndarray
    residual: np.ndarray
    dffits: np.ndarray
    cook: np.ndarray
    covariance_ratio: np.ndarray
    tau2: np.ndarray
    q: np.ndarray
    baujat_x: np.ndarray
    baujat_y: np.ndarray


def influence(y, v, moderators=None, *, tau2: str = "REML") -> Influence:
    """Compare each analysis with those that lack one of its studies.

    Parameters
    ----------
    y, v : array_like, shape (k,) or (k, m)
        As in `pooling.pool`.
    moderators : array_like, shape (k,), (k, c) or (k, c, m), optional
        As in `regress`; without, the analysis is a pooling.
    tau2 : str
        As in `pooling.pool`, estimated anew without the study.

    Returns
    -------
    Influence
        The diagnostics of Viechtbauer and Cheung (2010, doi:10.1002/jrsm.11) with normal standard errors. NaN for a
        study without which there is no fit.

    Raises
    ------
    ValueError
        As `regress`.
    """
    y, v, single = studies_by_analysis(y, v)
    refuse_unknown("tau2", tau2, TAU2)
    design = design_matrix(y, np.empty((len(y), 0)) if moderators is None else moderators)
    own = design.shape[2] > 1
    results = Influence(*np.empty((len(Influence._fields), *y.shape)))
    for some in column_slices(design[:, :, 0].size * len(y), y.shape[1]):
        part = _influence(y[:, some], v[:, some], design[:, :, some] if own else design, tau2)
        for result, value in zip(results, part, strict=True):
            result[:, some] = value
    return Influence(*(value[:, 0] if single else value for value in results))


def _influence(y, v, design, tau2: str) -> list[np.ndarray]:
    """Return what `influence` does, for analyses of shape (k, m) with a design of shape (c, k, m) or (c, k, 1)."""
    k, m = y.shape
    whole = fit_mixed(y, v, design, tau2)
    used = np.isfinite(whole.model.v)
    tiled = design if design.shape[2] == 1 else np.tile(design, (1, 1, k))
    without = fit_mixed(*leave_one_out(np.where(used, y, np.nan), v), tiled, tau2)
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
