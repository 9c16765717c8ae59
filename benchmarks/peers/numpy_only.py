"""NumPy alone: exact work is slicing."""

from __future__ import annotations

import numpy as np

from ..contender import Cannot, Form, Peer, as_is, into_outputs
from ..parallel import over
from ..work import Case


def _forms(case: Case) -> list[Form]:
    box, flip = case.geometry.box, case.geometry.flip
    if box is None or flip is None:
        raise Cannot("no resampling in NumPy")

    def fill(out: dict) -> None:  # type: ignore[type-arg]
        def one(i: int) -> None:
            x0, y0, x1, y1 = box[i]
            step = -1 if flip[i] else 1
            np.copyto(out["image"][i], case.image[i, y0:y1, x0:x1][:, ::step])
            if step < 0 and case.geometry.motion is not None:
                np.negative(out["image"][i, ..., 3], out=out["image"][i, ..., 3])
            np.copyto(out["mask"][i], case.mask[i, y0:y1, x0:x1][:, ::step])

        over(case.row.batch, one)

    fresh, recycled = into_outputs(case, fill)
    return [Form("slices", fresh), Form("slices", recycled, recycled=True)]


PEERS = [
    Peer(
        "numpy",
        _forms,
        as_is,
        np.__version__,
        "slices copied into the batch array",
        moves=True,
    )
]
