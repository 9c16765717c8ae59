"""What a type checker says of settings; mypy reads this file, and an unused ignore is an error."""

from typing import assert_type

import multiaug as ma

assert_type(ma.Rotate(30).degrees, tuple[float, float])
assert_type(ma.Brightness(0.2, entries="image").entries, tuple[str, ...] | None)
assert_type(ma.Resize(8).size, tuple[int, int])

ma.Rotate((-5, 5), p=0.5)
ma.Rotate([-5, 5])
ma.Shear(((-5, 5), (0, 1)))
ma.Crop(box=(0, 0, 4, 4))
ma.Rot90([1, 3])
ma.OneOf([ma.Flip("x"), ma.Rotate(30)], weights=[1, 2])
ma.Maybe(ma.Flip("y"))
ma.Elastic(0.01, 4)

ma.Rotate("x")  # type: ignore[arg-type]
ma.Rotate()  # type: ignore[call-arg]
ma.Flip("z")  # type: ignore[arg-type]
ma.Resize("large")  # type: ignore[arg-type]
ma.Brightness(entries=3)  # type: ignore[arg-type]
ma.Maybe("flip")  # type: ignore[arg-type]
ma.Rotate(30).degrees = (0, 1)  # type: ignore[misc]
