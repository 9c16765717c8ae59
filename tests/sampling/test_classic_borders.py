"""The borders of the classic front end where they end: on whole pixels, and of one pixel.

Between pixels they are held to SciPy in tests/reference/test_conformance.py.
"""

import jax
import numpy as np
import pytest
from scipy import ndimage

import multiaug as ma

MODES = {"constant-hard": "constant", "wrap-classic": "wrap"}


@pytest.mark.parametrize("border", MODES)
def test_whole_pixels_are_copied(border):
    entry = {"role": "intensity", "border": border, "fill": 7}
    spec = ma.DataSpec.from_dict({"name": "classic", "entries": {"image": entry}})
    pipeline = ma.Pipeline([ma.Translate(px=((3, 3), (-2, -2)), whole=True)], spec)
    picture = np.arange(30, dtype=np.float32).reshape(5, 6, 1)
    found = np.asarray(pipeline(jax.random.key(0), {"image": picture})["image"])
    shifted = ndimage.shift(picture[..., 0], (-2, 3), order=0, mode=MODES[border], cval=7)
    np.testing.assert_array_equal(found[..., 0], shifted)


@pytest.mark.parametrize("border", MODES)
def test_a_picture_of_one_pixel(border):
    entry = {"role": "intensity", "border": border, "fill": 7}
    spec = ma.DataSpec.from_dict({"name": "classic", "entries": {"image": entry}})
    found = ma.Pipeline([ma.Translate(px=((1, 1), (0, 0)))], spec)(
        jax.random.key(0), {"image": np.ones((1, 1, 1), np.float32)}
    )
    assert float(found["image"][0, 0, 0]) == (7 if border == "constant-hard" else 1)
