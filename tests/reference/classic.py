"""The classic ImageDataGenerator as it is documented, in float64, on SciPy.

Pictures are (H, W, C). Positions are (row, column); the centre is at (n - 1) / 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage


def backward(shape, theta=0.0, tx=0.0, ty=0.0, shear=0.0, zx=1.0, zy=1.0):
    """(2, 2) matrix and (2,) offset from output to input, angles in degrees."""
    t, s = np.deg2rad(theta), np.deg2rad(shear)
    rotation = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
    shift = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    slant = np.array([[1, -np.sin(s), 0], [0, np.cos(s), 0], [0, 0, 1]])
    zoom = np.diag([zx, zy, 1.0])
    cy, cx = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    to = np.array([[1, 0, cy], [0, 1, cx], [0, 0, 1]])
    back = np.array([[1, 0, -cy], [0, 1, -cx], [0, 0, 1]])
    whole = to @ rotation @ shift @ slant @ zoom @ back
    return whole[:2, :2], whole[:2, 2]


def apply_affine(x, params: Mapping[str, float], fill_mode="nearest", cval=0.0, order=1):
    matrix, offset = backward(x.shape[:2], **params)
    channels = [
        ndimage.affine_transform(
            np.float64(x[..., c]), matrix, offset, order=order, mode=fill_mode, cval=cval
        )
        for c in range(x.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def positions(shape, params: Mapping[str, float]):
    """(H, W, 2) where the affine part reads, row and column."""
    matrix, offset = backward(shape, **params)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return grid @ matrix.T + offset


AFFINE = ("theta", "tx", "ty", "shear", "zx", "zy")


def apply_transform(x, params, fill_mode="nearest", cval=0.0, order=1):
    """Affine, channel shift, horizontal flip, vertical flip; brightness as a factor."""
    found = apply_affine(x, {k: params[k] for k in AFFINE if k in params}, fill_mode, cval, order)
    if params.get("channel_shift_intensity") is not None:
        found = np.clip(found + params["channel_shift_intensity"], found.min(), found.max())
    if params.get("flip_horizontal"):
        found = found[:, ::-1]
    if params.get("flip_vertical"):
        found = found[::-1]
    if params.get("brightness") is not None:
        top = found.max()
        top = 1.0 if top <= 1 else 255.0 if top <= 255 else top
        found = np.clip(found * params["brightness"], min(found.min(), 0.0), top)
    return found


def fit(x):
    """Mean and std of every channel of (N, H, W, C)."""
    x = np.float64(x)
    return x.mean((0, 1, 2)), x.std((0, 1, 2))


def zca_matrix(x, epsilon=1e-6):
    """(d, d) of (N, H, W, C): epsilon is added to the singular values."""
    flat = (np.float64(x) - fit(x)[0]).reshape(len(x), -1)
    u, s, _ = np.linalg.svd(flat.T, full_matrices=False)
    return (u * (np.sqrt(len(x)) / (s + epsilon))) @ u.T


def zca_matrix_of_covariance(x, epsilon=1e-6):
    """The older form: epsilon is added to the eigenvalues."""
    flat = (np.float64(x) - fit(x)[0]).reshape(len(x), -1)
    values, u = np.linalg.eigh(flat.T @ flat / len(x))
    return (u / np.sqrt(values + epsilon)) @ u.T


def standardize(
    x,
    function=None,
    rescale=None,
    samplewise_center=False,
    samplewise_std=False,
    mean=None,
    std=None,
    matrix=None,
):
    """One picture (H, W, C)."""
    x = np.float64(x) if function is None else np.float64(function(x.copy()))
    if rescale:
        x = x * rescale
    if samplewise_center:
        x = x - x.mean()
    if samplewise_std:
        x = x / (x.std() + 1e-6)
    if mean is not None:
        x = x - mean
    if std is not None:
        x = x / (std + 1e-6)
    if matrix is not None:
        x = (x.reshape(-1) @ matrix).reshape(x.shape)
    return x
