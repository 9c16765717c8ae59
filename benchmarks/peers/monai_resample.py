"""MONAI: AffineGrid once per picture, Resample for picture and mask."""

from __future__ import annotations

import logging

import numpy as np
import torch

from ..contender import Cannot, Form, Outputs, Peer
from ..work import Case
from ._torch import host, one_by_one, tensors

logging.getLogger("monai").setLevel(logging.ERROR)

import monai  # noqa: E402
from monai.data import set_track_meta  # noqa: E402
from monai.transforms import AffineGrid, Resample  # noqa: E402

# Documented as the way to leave its bookkeeping of metadata out.
set_track_meta(False)


def _centred(case: Case) -> list[np.ndarray]:
    """Backward matrices in its terms: (row, column) about the centre."""
    side = case.row.size
    middle = np.array([[1, 0, (side - 1) / 2], [0, 1, (side - 1) / 2], [0, 0, 1]])
    swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1.0]])
    square = np.tile(np.eye(3), (case.row.batch, 1, 1))
    square[:, :2] = case.geometry.backward
    return list(swap @ np.linalg.inv(middle) @ square @ middle @ swap)


def _resamplers() -> tuple[Resample, Resample]:
    settings = {"padding_mode": "zeros", "align_corners": False}
    return Resample("bilinear", **settings), Resample("nearest", **settings)


def _affine(case: Case) -> list[Form]:
    (image, mask), size = tensors(case), case.row.out_shape
    linear, nearest = _resamplers()
    grids = [AffineGrid(affine=m) for m in _centred(case)]

    def run(i: int) -> Outputs:
        grid = grids[i](size)[0]
        return linear(image[i], grid=grid), nearest(mask[i], grid=grid)

    return one_by_one(case, "AffineGrid + Resample", run)


def _dense(case: Case) -> list[Form]:
    image, mask = tensors(case)
    linear, nearest = _resamplers()
    half = (case.row.size - 1) / 2
    centred = torch.from_numpy(np.ascontiguousarray(case.geometry.maps[:, ::-1] - half))

    def run(i: int) -> Outputs:
        return linear(image[i], grid=centred[i]), nearest(mask[i], grid=centred[i])

    return one_by_one(case, "Resample", run)


def _forms(case: Case) -> list[Form]:
    works = {"a": _affine, "b": _dense}
    if case.row.work not in works:
        raise Cannot("slices or photometry of its own; see torch, which it is made of")
    return works[case.row.work](case)


PEERS = [
    Peer(
        "MONAI",
        _forms,
        host,
        monai.__version__,
        "AffineGrid + Resample per picture without metadata, on CHW tensors made beforehand; in "
        "b the grids are made beforehand too; results stay a list",
    )
]
