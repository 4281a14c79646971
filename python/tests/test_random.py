"""Random arrays: no crash, and the digits of the same numbers in another layout."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import histogen


@settings(max_examples=200, deadline=None)
@given(
    count=st.integers(0, 40),
    size=st.integers(0, 24),
    channels=st.integers(0, 5),
    kind=st.sampled_from(["u1", "i4", "f2", "f4", "f8", "?", "O"]),
    dimensions=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_array_is_a_set_or_one_sentence(count, size, channels, kind, dimensions, seed):
    rng = np.random.default_rng(seed)
    shape = (count, size, size, channels, 2)[:dimensions]
    array = rng.integers(0, 255, shape).astype(kind)
    try:
        score = histogen.evaluate(array, array, metrics=["fid"], features="pixels")["fid"]
    except ValueError as error:
        assert str(error).strip()
        return
    assert score.value is None or abs(score.value) < 1e-6
    if array.ndim > 2:
        turned = np.asfortranarray(array)
        assert histogen.evaluate(turned, array, metrics=["fid"], features="pixels")["fid"].value == score.value
