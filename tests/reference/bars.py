"""What a comparison may differ by, and why; and a row of the table of errors."""

from __future__ import annotations

from typing import NamedTuple


class Bar(NamedTuple):
    """A limit of an error.

    Args:
        most: the limit.
        unit: of it.
        reason: why it is not smaller.
    """

    most: float
    unit: str
    reason: str


RANGE, LEVELS, PIXELS, METRES = "of the range", "levels", "pixels", "metres"

COPIED = Bar(0, LEVELS, "levels are copied, counted or found in a table: nothing is rounded")
ROUNDED = Bar(0.5 + 1e-4, LEVELS, "the reference is not rounded to levels, and we are")
ONE_LEVEL = Bar(1, LEVELS, "Pillow rounds means, sums and blends to levels on its way")
FLOAT = Bar(1e-6, RANGE, "a few roundings of float32, 6e-8 each, of values of about 1")
SUMS = Bar(2e-6, RANGE, "sums over windows or over the image, powers and quotients, in float32")
MATCHED = Bar(2e-5, RANGE, "shares of all pixels in float32, between values of the reference that "
              "are far apart")  # fmt: skip
FREQUENCIES = Bar(5e-6, RANGE, "a Fourier transform there and back in float32")
GRAVITY = Bar(4e-4, RANGE, "angles near 0 by arccos in float32: a rounding of the cosine is a "
              "hundredth of a degree, a ten-thousandth of the range")  # fmt: skip
PLACES = Bar(
    4e-6, RANGE, "weights of places between pixels, in float32, and sums of what they weigh"
)
# Of two polynomials against the black body: documented with the transform.
PLANCK = Bar(0.02, RANGE, "a fit of Planck's law, from 2000 to 20000 K")
NORMAL = Bar(2e-5, RANGE, "noise of a tenth of the range, made of uniform numbers of 24 bits: four "
             "deviations out, one step of them is 2e-4 deviations")  # fmt: skip
IMAGE = Bar(5e-5, RANGE, "positions in float32 are off by 1e-5 pixels, between neighbours that "
            "differ by the whole range")  # fmt: skip
IMAGE_LEVELS = Bar(0.5 + 5e-5 * 255, LEVELS, "positions in float32, and the rounding to levels")
POSITION = Bar(2e-4, PIXELS, "positions in float32, in frames of up to some hundred pixels")
SEARCHED = Bar(5e-3, PIXELS, "the way back is found by iteration, to a thousandth of a pixel")
METRE = Bar(1e-5, METRES, "points some metres away in float32")
CLOUD = Bar(1e-4, METRES, "points up to a hundred metres away in float32")
EXACT = Bar(0, "labels", "labels are integers: nothing is rounded")
BOXES = Bar(0, PIXELS, "edges of boxes are halves of integers")
DISTANCE = Bar(1e-5, PIXELS, "roots of integers in float32")
STANDARD = Bar(2e-5, "deviations", "products of 192 by 192 elements in float32")
BLEND = Bar(1.5, "levels on average", "three chains of operations are rounded to levels in "
            "Pillow after each step, and equalizing spreads levels apart")  # fmt: skip

TIES = Bar(0.05, "of the pixels", "nearest pixels: ties, and the ends of a turned frame, may fall "
           "either way")  # fmt: skip


class Row(NamedTuple):
    """A line of the table.

    Args:
        transform: its exported name.
        case: what is special about it, in a few words; empty where nothing is.
        by: the independent implementation, or the closed form.
        dtype: of the values.
        bar: see `Bar`.
        errors: backend -> largest error, of those that ran.
    """

    transform: str
    case: str
    by: str
    dtype: str
    bar: Bar
    errors: dict[str, float]

    @property
    def failed(self) -> bool:
        # An error that is no number has failed, too.
        return not all(error <= self.bar.most for error in self.errors.values())
