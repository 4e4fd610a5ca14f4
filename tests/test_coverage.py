"""Simulated reviews: what each method estimates, and that its intervals are counted against that."""

import numpy as np
import pytest
from scipy import special

from lib import kept, simulation
from lib.simulation import METHODS, RECOMMENDED, simulate, true_rate


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """Nothing found by an earlier run of the tests is taken for what is found now."""
    monkeypatch.setattr(kept, "_STORE", tmp_path)
    return tmp_path


def test_without_spread_every_scale_estimates_the_same_rate():
    for method in METHODS:
        assert true_rate(method.transform, special.logit(0.2), 0.0) == pytest.approx(0.2)


@pytest.mark.parametrize("transform", ["raw", "logit", "glmm", "arcsine", "double-arcsine"])
def test_the_true_rate_is_that_of_very_many_studies(transform):
    mean, tau = special.logit(0.2), 0.8
    rates = special.expit(mean + tau * np.random.default_rng(1).standard_normal(400_000))
    of_scale = {"raw": rates.mean(), "logit": special.expit(special.logit(rates).mean())}
    of_scale["glmm"] = of_scale["logit"]
    of_scale["arcsine"] = of_scale["double-arcsine"] = np.sin(np.arcsin(np.sqrt(rates)).mean()) ** 2
    assert true_rate(transform, mean, tau) == pytest.approx(of_scale[transform], abs=5e-4)


def test_large_studies_are_covered_as_often_as_said():
    found = simulate([2000] * 30, 0.5, 0.3, reviews=600)
    assert found.covers.between(0.92, 0.98).all()
    assert found.off.abs().max() < 0.005
    assert (found.none == 0).all()


def test_small_studies_of_a_low_rate_are_not_and_the_recommended_method_is_nearest():
    found = simulate([20] * 19, 0.15, 0.0, reviews=600).set_index("method")
    assert found.covers[METHODS[0].name] < 0.9
    assert found.covers[RECOMMENDED.name] > 0.93
    assert found.off[METHODS[0].name] < 0


def test_what_cannot_be_pooled_covers_nothing_and_is_counted():
    found = simulate([3, 3], 0.02, 0.0, methods=METHODS[:1], reviews=200)
    assert found.none[0] > 0.5
    assert found.covers[0] <= 1 - found.none[0] + 1e-9


def test_the_same_seed_gives_the_same_numbers_kept_or_found_anew_and_another_gives_others(store):
    first, again, other = (simulate([20, 30, 40], 0.3, 0.5, reviews=50, seed=seed) for seed in (1, 1, 2))
    assert len(list(store.glob("*.npz"))) == 2
    for path in store.glob("*.npz"):
        path.unlink()
    assert first.equals(again)
    assert first.equals(simulate([20, 30, 40], 0.3, 0.5, reviews=50, seed=1))
    assert not first.equals(other)


@pytest.mark.parametrize("method", [method for method in METHODS if method.transform == "glmm"])
def test_both_intervals_of_the_logistic_model_are_of_one_fit(method):
    n = np.array([[20, 30], [40, 10], [25, 60]])
    events = np.array([[3, 9], [11, 4], [2, 30]])
    fits = {}
    for other in METHODS[-2:]:
        other.intervals(events, n, fits)
    whole, found = method.pool(events, n), method.intervals(events, n, fits)
    assert np.allclose(found, [whole.estimate, whole.ci_low, whole.ci_high], rtol=1e-12)
    assert len(fits) == 1


def test_what_is_kept_hangs_on_every_module_that_it_comes_of(monkeypatch):
    sources = kept._sources("simulation")
    names = ["effects", "glmm", "heterogeneity", "kept", "files", "pooling", "simulation"]
    folder = kept.Path(kept.__file__).parent
    assert sorted(sources) == sorted((folder / f"{name}.py").read_bytes() for name in names)


def test_very_many_studies_are_simulated_less_often_but_often():
    assert [simulation.reviews_for(range(k)) for k in (3, 19, 100, 3000)] == [2000, 2000, 400, 200]


def test_a_rate_that_is_none_is_refused():
    with pytest.raises(ValueError, match="rate must lie between 0 and 1"):
        simulate([10, 20], 1.0, 0.5, reviews=10)
    assert simulation.RECOMMENDED in METHODS
