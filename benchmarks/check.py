"""Is a contender doing the row's work? A float64 reference with SciPy decides, before timing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .contender import Peer
from .work import Case, labels_of

# A peer that works with weights of 1/32 pixel is as right as people need it to be.
_IMAGE, _MASK = 0.01, 0.02
_RECORDS = 3


class WrongWork(Exception):  # noqa: N818
    """The outputs are not those of the row."""


def check(case: Case, peer: Peer, outputs: Mapping[str, NDArray[Any]]) -> None:
    """Raise `WrongWork` unless the outputs are right.

    Contenders that are given the geometry are compared with the reference. Of those that draw
    their own: shapes, that something moved, and that the mask still belongs to its picture.
    """
    image, mask = outputs["image"], outputs.get("mask")
    shape = (case.row.batch, *case.row.out_shape)
    if image.shape != (*shape, case.row.channels) or (peer.masked and mask.shape != shape):
        raise WrongWork(f"shapes {image.shape} and {None if mask is None else mask.shape}")
    if peer.draws == "own":
        _check_own(case, image, mask if peer.masked else None)
        return
    for i in range(min(_RECORDS, case.row.batch)):
        want, labels, inside = reference(case, i)
        _check_image(case, i, image[i], want, inside)
        if peer.masked:
            wrong = np.mean((mask[i] != labels)[inside])
            if wrong > _MASK:
                raise WrongWork(f"{wrong:.1%} of the labels of record {i} are wrong")


def _check_image(
    case: Case, i: int, got: NDArray[Any], want: NDArray[Any], inside: NDArray[np.bool_]
) -> None:
    white = case.row.white
    level = 0.0 if case.row.dtype.kind == "f" else 1 / white
    error = np.abs(got.astype(float) - want)[inside] / white
    if case.row.work == "d":
        # Of a cloud, only the colours are photometry's.
        error = error[:, :3] if case.row.kind == "rgbxyz" else error
    else:
        limit = max(_IMAGE, 0.6 * level)
        if not np.median(error) <= limit or not np.percentile(error, 90) <= 4 * limit:
            raise WrongWork(f"record {i} is off by {np.median(error):.3g} of white (median)")
        return
    # What remains is the noise: its deviation must be the one that was drawn.
    deviation = case.geometry.photometry[i, 3]
    found = np.median(error) / 0.6745
    if abs(found - deviation) > 0.15 * deviation + 0.7 * level + 0.002:
        raise WrongWork(f"record {i} is off by {found:.3g}, its noise is {deviation:.3g}")


def _check_own(case: Case, image: NDArray[Any], mask: NDArray[Any] | None) -> None:
    if image.shape == case.image.shape and np.array_equal(image, case.image):
        raise WrongWork("the pictures came back unchanged")
    # Photometry changes what the labels were made of.
    if mask is None or case.row.work == "d":
        return
    seen = (mask > 0) & (image[..., 0] > 0)
    agree = labels_of(image[..., 0], case.row.white) == mask
    if seen.mean() < 0.3 or agree[seen].mean() < 0.85:
        raise WrongWork(f"{1 - agree[seen].mean():.1%} of the labels left their picture")


@lru_cache(maxsize=_RECORDS)
def reference(
    case: Case, i: int
) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.bool_]]:
    """(picture before noise, labels, where all taps are inside) of one record."""
    x, y = case.geometry.positions(i)
    at = np.stack([y, x])
    channels = [
        ndimage.map_coordinates(plane.astype(float), at, order=1, mode="grid-constant")
        for plane in np.moveaxis(case.image[i], -1, 0)
    ]
    picture = np.stack(channels, axis=-1)
    labels = ndimage.map_coordinates(case.mask[i], at, order=0, mode="grid-constant")
    side = case.row.size
    inside = (x > 0.5) & (y > 0.5) & (x < side - 1.5) & (y < side - 1.5)
    if case.geometry.photometry is not None:
        count = 3 if case.row.kind == "rgbxyz" else case.row.channels
        drawn = case.geometry.photometry[i]
        picture[..., :count] = _photometry(picture[..., :count], drawn, case.row.white)
    if case.geometry.motion is not None:
        picture[..., 3:] = picture[..., 3:] @ case.geometry.motion[i].T
    return picture, labels, inside


def _photometry(
    picture: NDArray[np.float64], drawn: NDArray[np.float64], white: float
) -> NDArray[np.float64]:
    brightness, contrast, gamma, _ = drawn
    v = picture / white + brightness
    v = v.mean() + (1 + contrast) * (v - v.mean())
    return np.clip(np.sign(v) * np.abs(v) ** gamma, 0, 1) * white
