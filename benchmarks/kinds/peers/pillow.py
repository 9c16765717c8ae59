"""Pillow: resize and transform of one image at a time; its low-pass is separable."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL
from PIL import Image

from ...contender import Cannot, Form, Outputs, Peer, as_is
from ...parallel import over
from ..rows import AFFINE, Case


def _forms(case: Case) -> list[Form]:
    if not case.plain or any(a.dtype != np.uint8 for a in case.images.values()):
        raise Cannot("images of bytes and masks")
    if case.row.resized is None and case.row.transforms != AFFINE:
        raise Cannot("no shuffled order per record")
    if case.row.resized is not None and not case.row.resized.antialias:
        raise Cannot("always antialiases")
    images = {
        name: [Image.fromarray(a[..., 0] if a.shape[-1] == 1 else a) for a in array]
        for name, array in case.images.items()
    }
    methods = {name: _method(case, group) for name, group in case.groups}
    size = case.row.out_shape[::-1]
    matrices = None if case.geometry is None else [m.ravel() for m in _corners(case)]

    def one(name: str, i: int) -> Any:
        if matrices is None:
            return images[name][i].resize(size, methods[name])
        return images[name][i].transform(
            size, Image.Transform.AFFINE, matrices[i], resample=methods[name]
        )

    def run() -> Outputs:
        out = case.outputs()

        def record(i: int) -> None:
            for name, array in out.items():
                array[i] = np.asarray(one(name, i)).reshape(array.shape[1:])

        over(case.row.batch, record)
        return out

    return [Form("over records", run)]


def _method(case: Case, group: Any) -> Any:
    if group.role == "label":
        return Image.Resampling.NEAREST
    cubic = group.interpolation == "cubic"
    return Image.Resampling.BICUBIC if cubic else Image.Resampling.BILINEAR


def _corners(case: Case) -> Any:
    """Backward matrices for coordinates from the corner of the first pixel."""
    assert case.geometry is not None
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    moved = case.geometry.backward @ half
    moved[:, :, 2] += 0.5
    return moved


PEERS = [
    Peer(
        "pillow",
        _forms,
        as_is,
        PIL.__version__,
        "Image.resize (with its low-pass) and Image.transform, a Python thread per core; copied to "
        "one array, as a batch must be",
    )
]
