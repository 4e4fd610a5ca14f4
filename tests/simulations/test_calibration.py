"""What the calibration page states is what the committed simulations of imputation show."""

from lib.report.chapters import imputed_counts
from lib.simulations import calibration, committed


def test_the_chain_is_as_near_to_enumeration_as_the_calibration_page_says():
    rows = committed.read_results("chain_accuracy")
    found = rows[rows.method == "chain"]
    assert len(found) >= 50
    told = imputed_counts.chain_accuracy(rows)
    assert f"{found.reproduced.sum()} of {len(found)}" in told
    reached = found[found.reproduced]
    assert f"{(reached.variation <= 2 * reached.noise + 1e-12).sum()} of {len(reached)}" in told
    exact = rows[rows.method == "exact"]
    assert exact.reproduced.all() and exact.variation.mean() < 1.5 * exact.noise.mean()


def test_ranges_hold_as_many_withheld_counts_of_simulated_reviews_as_they_say():
    rows = committed.read_results("calibration")
    assert len(rows) == 200 and set(rows.prior) == set(calibration.PRIORS)
    assert rows.studies.min() == 3 and rows.studies.max() == 20
    share, error = imputed_counts.coverage_of_simulated(rows[rows.prior == "own"])
    assert share > 0.95 - 3 * error
    table = imputed_counts.calibration_by(rows, "studies", "Number of studies")
    assert len(table.frame) == 1 + rows.studies.nunique()
    assert table.frame["Reviews"].iloc[0] == 200
