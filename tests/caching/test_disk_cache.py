"""The disk cache: different arguments have different keys."""

import numpy as np

from lib.caching import disk_cache


def test_a_key_tells_arrays_of_other_shape_type_and_order_apart():
    a = np.zeros((2, 3))
    given_of = [
        (a,),
        (a.T,),
        (a.ravel(),),
        (a.astype(np.float32).repeat(2),),
        (a[:1], a[1:]),
        (a.tobytes(),),
        ("a|b",),
        ("a", "b"),
    ]
    assert len({disk_cache.key("lib.published.sampler", *given) for given in given_of}) == len(given_of)
    assert disk_cache.key("lib.published.sampler", a) == disk_cache.key("lib.published.sampler", a.copy())
