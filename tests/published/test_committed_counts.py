"""Committed imputed counts: used where their key fits, equal to what is computed anew, and never used otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from lib.caching import disk_cache
from lib.published import block_of, committed_counts, impute, sampler


@pytest.fixture(scope="module")
def block(ev):
    """A block of the data that is enumerated, so that all processors give the same draws."""
    return block_of(ev, "phototherapy", "trunk_extremities")


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "CACHE_FOLDER", tmp_path)
    return tmp_path


def test_a_committed_block_is_what_is_computed_anew(block, store):
    if (sampler.COMMITTED / "versions.txt").read_text() != committed_counts.versions():
        pytest.skip("the committed counts are of other versions of NumPy or SciPy, and not used")
    committed = disk_cache.read(sampler.COMMITTED / f"{sampler.cache_key(block, sampler.DRAWS)}.npz")
    assert committed is not None, "run `make simulations` and commit the result"
    anew = sampler._impute(block, sampler.DRAWS, 1)
    assert committed.keys() == anew.keys()
    assert all(np.array_equal(committed[name], anew[name], equal_nan=True) for name in anew)
    assert np.array_equal(impute(block).events, anew["events"])
    assert not list(store.glob("*.npz"))


def test_a_block_with_one_count_changed_does_not_use_a_committed_file(block, store):
    high = block.high.copy()
    high[0, 0] -= 1
    changed = replace(block, high=high)
    assert sampler.cache_key(changed, sampler.DRAWS) != sampler.cache_key(block, sampler.DRAWS)
    impute(changed)
    assert [path.stem for path in store.glob("*.npz")] == [sampler.cache_key(changed, sampler.DRAWS)]


def test_other_code_does_not_use_a_committed_file(block, store, monkeypatch):
    before = sampler.cache_key(block, sampler.DRAWS)
    monkeypatch.setattr(disk_cache, "code_hash", lambda module: "other code")
    assert sampler.cache_key(block, sampler.DRAWS) != before
    impute(block)
    assert len(list(store.glob("*.npz"))) == 1


def test_what_is_written_is_what_is_needed_and_nothing_else_stays(block, store, monkeypatch):
    folder = store / "imputed"
    folder.mkdir()
    (folder / "outdated.npz").write_bytes(b"")
    monkeypatch.setattr(sampler, "COMMITTED", folder)
    monkeypatch.setattr(committed_counts, "COMMITTED", folder)
    monkeypatch.setattr(committed_counts, "blocks", lambda evidence: [block])
    needed = {f"{sampler.cache_key(one, draws)}.npz" for one, draws in committed_counts.needed(block)}
    assert set(committed_counts.write_committed(None)) == needed | {"outdated.npz"}
    assert {path.name for path in folder.iterdir()} == needed | {"versions.txt"}
    assert committed_counts.write_committed(None) == []
