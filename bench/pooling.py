"""Time pooling, in comparison with PyMARE, statsmodels and, where R has it, metafor.

Prints a table and writes `_build/bench-pooling.json`. The candidates are timed in turn within one run, so that a slow
minute of the machine affects all of them. The result is the median of several rounds, in each of which a candidate runs
once untimed before it is timed. "The same results" are estimate, standard error, interval, tau², Q with its p-value, I²
and H²; PyMARE's ``fit`` alone gives the estimate, its variance and tau².
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lib.stats import pool, pool_proportions  # noqa: E402

RESULT = ROOT / "_build" / "bench-pooling.json"
STUDIES, ANALYSES, ROUNDS = 20, 2000, 7
# Number of analyses for slow candidates; times are per analysis.
FEW = 100
R_SCRIPT = """
suppressPackageStartupMessages(library(metafor))
f <- commandArgs(TRUE)[1]
read <- function(n) as.matrix(read.csv(file.path(f, n), header = FALSE))
y <- read("y.csv"); v <- read("v.csv"); x <- read("x.csv"); n <- read("n.csv")
time <- function(columns, fit) {
  begun <- proc.time()[["elapsed"]]
  for (j in columns) fit(j)
  (proc.time()[["elapsed"]] - begun) / length(columns)
}
dl <- function(j) rma(y[, j], v[, j], method = "DL")
reml <- function(j) rma(y[, j], v[, j], method = "REML")
glmm <- function(j) suppressWarnings(rma.glmm(measure = "PLO", xi = x[, j], ni = n[, j]))
invisible(c(dl(1), glmm(1)))
cat(time(1:100, dl), time(1:100, reml), time(1:8, glmm))
"""


def data(analyses: int) -> tuple[np.ndarray, np.ndarray]:
    """Return effects and variances of heterogeneous studies."""
    rng = np.random.default_rng(20190529)
    v = rng.uniform(0.01, 0.2, (STUDIES, analyses))
    return rng.normal(0.3, 0.3, v.shape) + rng.normal(size=v.shape) * np.sqrt(v), v


def counts(analyses: int) -> tuple[np.ndarray, np.ndarray]:
    """Return events and numbers observed."""
    rng = np.random.default_rng(20190530)
    n = rng.integers(10, 120, (STUDIES, analyses))
    return rng.binomial(n, 1 / (1 + np.exp(-rng.normal(-0.5, 0.8, n.shape)))), n


def seconds(work) -> float:
    """Return the seconds that one call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def medians(works: dict, rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median seconds per analysis of the candidates ``{name: (work, analyses)}``, timed in turn."""
    seconds_by_name = {name: [] for name in works}
    for _ in range(rounds):
        for name, (work, analyses) in works.items():
            # Once untimed, so that no candidate is charged for the state of the cache that the one before it left.
            work()
            seconds_by_name[name].append(seconds(work) / analyses)
    return {name: statistics.median(times) for name, times in seconds_by_name.items()}


def pymare(y, v) -> dict:
    """Return PyMARE's candidates."""
    from pymare import Dataset
    from pymare.estimators import DerSimonianLaird, VarianceBasedLikelihoodEstimator

    design = np.ones((STUDIES, 1))

    def same_results(estimator):
        results = estimator.fit_dataset(Dataset(y, v)).summary()
        results.get_fe_stats()
        results.get_heterogeneity_stats()

    def reml():
        return VarianceBasedLikelihoodEstimator(method="REML")

    m = y.shape[1]
    return {
        "PyMARE DL, fit alone": (lambda: DerSimonianLaird().fit(y=y, v=v, X=design), m),
        "PyMARE DL, the same results": (lambda: same_results(DerSimonianLaird()), m),
        "PyMARE REML, fit alone": (lambda: reml().fit(y=y, v=v, X=design), m),
        "PyMARE REML, the same results": (lambda: same_results(reml()), m),
    }


def statsmodels(y, v) -> dict:
    """Return statsmodels' candidate: a loop over ``combine_effects`` with DerSimonian-Laird ("chi2")."""
    from statsmodels.stats.meta_analysis import combine_effects

    def loop():
        for j in range(FEW):
            combine_effects(y[:, j], v[:, j], method_re="chi2").summary_frame()

    return {"statsmodels DL": (loop, FEW)}


def metafor(y, v, x, n) -> list[float] | None:
    """Return metafor's seconds per analysis (DL, REML, GLMM), or None without R and metafor."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name, values in {"y": y, "v": v, "x": x, "n": n}.items():
            np.savetxt(Path(folder) / f"{name}.csv", values[:, :FEW], delimiter=",", fmt="%.17g")
        script = Path(folder) / "time.R"
        script.write_text(R_SCRIPT, encoding="utf-8")
        process = subprocess.run([rscript, str(script), folder], capture_output=True, text=True)
    return [float(value) for value in process.stdout.split()] if process.returncode == 0 else None


def memory(analyses: int) -> dict[str, float]:
    """Return the peak memory of pooling as a multiple of its input."""
    y, v = data(analyses)
    multiples = {}
    for method in ("DL", "REML"):
        tracemalloc.start()
        pool(y, v, tau2=method)
        multiples[method] = tracemalloc.get_traced_memory()[1] / (y.nbytes + v.nbytes)
        tracemalloc.stop()
    return multiples


def main() -> None:
    """Measure, print the table and write the file."""
    (y, v), (x, n) = data(ANALYSES), counts(ANALYSES)
    works = {
        "DL": (lambda: pool(y, v), ANALYSES),
        "REML": (lambda: pool(y, v, tau2="REML"), ANALYSES),
        "GLMM": (lambda: pool_proportions(x, n, transform="glmm"), ANALYSES),
    }
    for name, candidates in (("PyMARE", pymare), ("statsmodels", statsmodels)):
        try:
            works |= candidates(y, v)
        except ImportError:
            print(f"{name} is not installed")
    rounds = [metafor(y, v, x, n)]
    seconds_by_name = medians(works)
    if rounds[0] is not None:
        # R's rounds are before and after the others: its process cannot be timed in turn with them.
        rounds += [metafor(y, v, x, n) for _ in range(4)]
        for name, values in zip(("DL", "REML", "GLMM"), zip(*rounds, strict=True), strict=True):
            seconds_by_name[f"metafor {name}"] = statistics.median(values)
    ratios = {
        name: seconds_by_name[name] / seconds_by_name[method]
        for name in seconds_by_name
        for method in ("DL", "REML", "GLMM")
        if name != method and method in name.replace(",", "").split()
    }
    sizes = (1_000, 10_000, 100_000)
    many = {m: data(m) for m in sizes}
    cost = {
        method: medians({m: (lambda m=m, t=method: pool(*many[m], tau2=t), m) for m in sizes}, 5)
        for method in ("DL", "REML")
    }
    multiples = memory(sizes[-1])

    print(f"{ANALYSES} analyses of {STUDIES} studies, microseconds per analysis, medians of {ROUNDS} rounds")
    for name, value in seconds_by_name.items():
        ratio = f"{ratios[name]:12,.1f} times lib.stats" if name in ratios else ""
        print(f"  {name:32}{value * 1e6:14,.3f}{ratio}")
    print("microseconds per analysis by number of analyses")
    for method, values in cost.items():
        print(f"  {method:6}" + "".join(f"{m:>10,}: {value * 1e6:.3f}" for m, value in values.items()))
    print(
        "peak memory, as a multiple of effects and variances: "
        + ", ".join(f"{m} {x:.2f}" for m, x in multiples.items())
    )
    RESULT.parent.mkdir(exist_ok=True)
    report = {"seconds_per_analysis": seconds_by_name, "ratios": ratios, "by_analyses": cost, "memory": multiples}
    RESULT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
