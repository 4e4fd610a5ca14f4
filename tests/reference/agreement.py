"""Print the largest relative difference from metafor by method, over all reference values.

``python tests/reference/agreement.py``. Below 1e-6 of the scale of the effects (a tau² of 0, say) a difference is taken
as it is: relative to 0 there is none.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from lib.stats import (  # noqa: E402
    begg,
    egger,
    heterogeneity_interval,
    influence,
    matched_pairs,
    peters,
    pool,
    pool_proportions,
    proportions,
    regress,
    trim_and_fill,
    two_groups,
)

INFLUENCE = {"hat": "hat", "rstudent": "residual", "dffits": "dffits", "cook.d": "cook", "cov.r": "covariance_ratio"}
INFLUENCE |= {"tau2.del": "tau2", "QE.del": "q", "baujat_x": "baujat_x", "baujat_y": "baujat_y"}
largest: dict[str, tuple[float, str]] = {}


def read(name: str) -> pd.DataFrame:
    """Return a table of reference values."""
    return pd.read_csv(HERE / f"{name}.csv")


def note(method: str, ours, theirs, where: str) -> None:
    """Keep the largest difference of a method."""
    ours, theirs = np.atleast_1d(ours).astype(float), np.atleast_1d(theirs).astype(float)
    known = ~(np.isnan(theirs) | np.isnan(ours))
    if known.any():
        difference = float((np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-6))[known].max())
        largest[method] = max(largest.get(method, (-1.0, "")), (difference, where))


def main() -> None:
    """Compare and print."""
    warnings.simplefilter("ignore")
    studies = {name: table for name, table in read("studies").groupby("set")}
    for (name, method, ci), rows in read("values").groupby(["set", "tau2_method", "ci"]):
        y, v = studies[name].y, studies[name].v
        result = vars(pool(y, v, tau2=method, ci=ci))
        interval = vars(heterogeneity_interval(y, v))
        for row in rows.itertuples():
            if row.what in result:
                note(f"pool {method}", result[row.what], row.value, f"{name} {ci} {row.what}")
            elif row.what.startswith("interval_"):
                note("Q-profile", interval[row.what[9:]], row.value, f"{name} {row.what}")
    for name, table in studies.items():
        scale = name.split("/")[1]
        if table.n.notna().all():
            note("effects: proportions", proportions(table.events, table.n, transform=scale)[0], table.y, name)
    for name, table in read("groups").groupby("set"):
        y, v = two_groups(*table.drop(columns="set").to_numpy().T, measure=name.split("/")[1])
        note("effects: two groups", np.array([y, v]), studies[name][["y", "v"]].to_numpy().T, name)
    for theirs, ours in (("MPRR", "RR"), ("MPORC", "OR"), ("MPRD", "RD")):
        table = read("pairs").query("measure == @theirs")
        pairs = matched_pairs(*table[["a", "b", "c", "d"]].to_numpy().T, measure=ours)
        note("effects: pairs", np.array(pairs), table[["y", "v"]].to_numpy().T, theirs)
    for (name, nodes), rows in read("glmm").groupby(["set", "nodes"]):
        table, value = studies[f"{name}/raw"], rows.set_index("what").value
        fit = pool_proportions(table.events, table.n, transform="glmm")
        kind = f"glmm, lme4 with {nodes} nodes, tau² {'below' if value['tau2'] < 5 else 'above'} 5"
        note(kind, [fit.se, fit.tau2, fit.q], value[["se", "tau2", "QE.LRT"]], name)
        note(kind, special.logit(fit.estimate), value["b"], f"{name} estimate")
    moderators = read("moderators")
    for (name, which, method, ci), rows in read("regression").groupby(["set", "moderators", "tau2_method", "ci"]):
        table = moderators[moderators["set"] == name]
        x = None if which == "1" else table[which.split("+")]
        fit = {} if x is None else vars(regress(table.yi, table.vi, x, tau2=method, ci=ci))
        single = influence(table.yi, table.vi, x, tau2=method)
        for row in rows.itertuples():
            base, _, number = row.what.rpartition("_")
            where = f"{name} {which} {ci} {row.what}"
            if row.what in fit and row.what != "r2":
                note(f"regress {method}", fit[row.what], row.value, where)
            elif base in fit and number.isdigit():
                note(f"regress {method}", fit[base][int(number)], row.value, where)
            elif base in INFLUENCE:
                note(f"influence {method}", getattr(single, INFLUENCE[base])[int(number) - 1], row.value, where)
    totals = read("totals")
    for (name, test), rows in read("asymmetry").groupby(["set", "test"]):
        (y, v), value = studies[name][["y", "v"]].to_numpy().T, rows.set_index("what").value
        kind, *options = test.split("_")
        if kind == "trimfill":
            filled = trim_and_fill(y, v, tau2=options[0])
            note(f"trim-and-fill {options[0]}", filled.missing, value["k0"], f"{name} {test} number")
            note(f"trim-and-fill {options[0]}", filled.pooled.estimate, value["estimate"], f"{name} {test}")
            continue
        counts = totals[totals["set"] == name]
        result = {
            "egger": lambda y=y, v=v: egger(y, v),
            "peters": lambda y=y, c=counts: peters(y, c.e, c.n),
            "begg": lambda y=y, v=v: begg(y, v),
        }[kind]()
        for what in value.index:
            note(test, getattr(result, what), value[what], f"{name} {what}")
    for method, (difference, where) in sorted(largest.items()):
        print(f"{method:40} {difference:8.1e}  {where}")


if __name__ == "__main__":
    main()
