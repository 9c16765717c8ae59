"""SciPy: affine_transform and map_coordinates for each channel, on small rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import ndimage

from ..contender import Cannot, Form, Peer, as_is, into_outputs
from ..parallel import over
from ..work import Case


def _forms(case: Case) -> list[Form]:
    row, geometry = case.row, case.geometry
    if row.work not in "ab" or row.size > 224 or row.channels > 6:
        raise Cannot("the slow end of the scale: a and b, up to 224, up to 6 channels")
    matrices = geometry.backward[:, ::-1][:, :, [1, 0, 2]]

    def sample(i: int, plane: NDArray[Any], out: NDArray[Any], order: int) -> None:
        if row.work == "b":
            at = geometry.maps[i, ::-1]
            ndimage.map_coordinates(plane, at, out, order, "constant", prefilter=False)
            return
        linear, offset = matrices[i, :, :2], matrices[i, :, 2]
        ndimage.affine_transform(
            plane, linear, offset, out.shape, out, order, "constant", prefilter=False
        )

    def fill(out: dict[str, NDArray[Any]]) -> None:
        def one(i: int) -> None:
            for c in range(row.channels):
                sample(i, case.image[i, ..., c], out["image"][i, ..., c], 1)
            sample(i, case.mask[i], out["mask"][i], 0)

        over(row.batch, one)

    fresh, recycled = into_outputs(case, fill)
    return [Form("per channel", fresh), Form("per channel", recycled, recycled=True)]


PEERS = [
    Peer(
        "scipy",
        _forms,
        as_is,
        f"{scipy.__version__}, numpy {np.__version__}",
        "ndimage.affine_transform / map_coordinates per channel, order 1 and 0, prefilter off",
    )
]
