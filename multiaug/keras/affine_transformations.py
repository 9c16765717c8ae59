"""The classic's functions on single pictures, of any dtype and any number of channels.

A picture is an array of rank 3 whose axes are named by ``row_axis``, ``col_axis`` and
``channel_axis``. Random ones draw from NumPy's global generator.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arguments import NUMBERS, check_argument, checked, shown, whole
from ..errors import ParameterError
from ..typing import NDArray
from ._engine import apply_parameters, picture_spec
from ._kinds import AXES, AXIS, FILL, IMAGE, NUMBER, PAIR, SWITCH
from ._settings import border_of, method_of


@checked(x=NUMBERS)
def flip_axis(x: NDArray, axis: int) -> NDArray:
    """Mirror an array along an axis; a view.

    Raises:
        ParameterError: it has no such axis.
    """
    check_argument("flip_axis.axis", axis, whole(-np.ndim(x), np.ndim(x) - 1))
    return np.flip(np.asarray(x), axis)


@checked(x=IMAGE, rg=NUMBER, **AXES, **FILL)
def random_rotation(
    x: NDArray,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray:
    """Turn a picture by an angle from (-rg, rg), in degrees."""
    theta = np.random.uniform(-rg, rg)  # noqa: NPY002
    return apply_affine_transform(
        x,
        theta=theta,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


@checked(x=IMAGE, wrg=NUMBER, hrg=NUMBER, **AXES, **FILL)
def random_shift(
    x: NDArray,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray:
    """Shift a picture by up to ``wrg`` of its width and ``hrg`` of its height."""
    h, w = x.shape[row_axis], x.shape[col_axis]
    tx = np.random.uniform(-hrg, hrg) * h  # noqa: NPY002
    ty = np.random.uniform(-wrg, wrg) * w  # noqa: NPY002
    return apply_affine_transform(
        x,
        tx=tx,
        ty=ty,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


@checked(x=IMAGE, intensity=NUMBER, **AXES, **FILL)
def random_shear(
    x: NDArray,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray:
    """Shear a picture by an angle from (-intensity, intensity), in degrees."""
    shear = np.random.uniform(-intensity, intensity)  # noqa: NPY002
    return apply_affine_transform(
        x,
        shear=shear,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


@checked(x=IMAGE, **AXES, **FILL)
def random_zoom(
    x: NDArray,
    zoom_range: Any,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> NDArray:
    """Zoom a picture by two factors from a range; above 1 zooms out.

    Raises:
        ParameterError: the range is no pair.
    """
    if not PAIR.accepts(zoom_range):
        raise ParameterError(
            f"`zoom_range` should be a tuple or list of two floats. Received: {zoom_range}"
        )
    zx, zy = 1.0, 1.0
    if tuple(zoom_range) != (1, 1):
        zx, zy = np.random.uniform(zoom_range[0], zoom_range[1], 2)  # noqa: NPY002
    return apply_affine_transform(
        x,
        zx=zx,
        zy=zy,
        row_axis=row_axis,
        col_axis=col_axis,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=interpolation_order,
    )


@checked(x=IMAGE, intensity=NUMBER, channel_axis=AXIS)
def apply_channel_shift(x: NDArray, intensity: float, channel_axis: int = 0) -> NDArray:
    """Add one number to all channels; clipped to the picture's own least and greatest value."""
    return _apply(x, {"channel_shift_intensity": intensity}, channel_axis)


@checked(x=IMAGE, intensity_range=NUMBER, channel_axis=AXIS)
def random_channel_shift(x: NDArray, intensity_range: float, channel_axis: int = 0) -> NDArray:
    """`apply_channel_shift` with a number from (-intensity_range, intensity_range)."""
    intensity = np.random.uniform(-intensity_range, intensity_range)  # noqa: NPY002
    return apply_channel_shift(x, intensity, channel_axis=channel_axis)


@checked(x=IMAGE, brightness=NUMBER, scale=SWITCH)
def apply_brightness_shift(x: NDArray, brightness: float, scale: bool = True) -> NDArray:
    """Multiply values by a factor, and clip them to the range that the picture is in.

    The range is (0, 1) for pictures that do not go beyond it, (0, 255) for those that do not go
    beyond that, and else the picture's own. Keras goes through a picture of 8 bits here, which
    rounds, and turns floats in [0, 1] black.

    Args:
        x: rank 3.
        brightness: the factor.
        scale: without effect; Keras stretches values to 0 .. 255 before. Kept for its callers.
    """
    return _apply(x, {"brightness": brightness}, -1)


@checked(scale=SWITCH)
def random_brightness(x: NDArray, brightness_range: Any, scale: bool = True) -> NDArray:
    """`apply_brightness_shift` with a factor from a range.

    Raises:
        ParameterError: the range is no pair.
    """
    if not PAIR.accepts(brightness_range):
        raise ParameterError(
            "`brightness_range should be tuple or list of two floats. "
            f"Received: {shown(brightness_range)}"
        )
    factor = np.random.uniform(brightness_range[0], brightness_range[1])  # noqa: NPY002
    return apply_brightness_shift(x, factor)


def transform_matrix_offset_center(matrix: NDArray, x: float, y: float) -> NDArray:
    """A (3, 3) matrix on positions, made to act about the centre of an x by y picture.

    The centre is ((x - 1) / 2, (y - 1) / 2), that of the pixels.
    """
    centre = np.array([(float(x) - 1) / 2, (float(y) - 1) / 2])
    to, back = np.eye(3), np.eye(3)
    to[:2, 2], back[:2, 2] = centre, -centre
    moved: NDArray = to @ np.asarray(matrix) @ back
    return moved


@checked(
    x=IMAGE,
    theta=NUMBER,
    tx=NUMBER,
    ty=NUMBER,
    shear=NUMBER,
    zx=NUMBER,
    zy=NUMBER,
    **AXES,
    **FILL,
)
def apply_affine_transform(
    x: NDArray,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> NDArray:
    """Move a picture: ``R(theta) T(tx, ty) Sh(shear) Z(zx, zy)`` about its centre, backwards.

    Args:
        x: rank 3.
        theta: degrees, clockwise as seen; Keras 3 turns the other way.
        tx: pixels along the rows' axis; positive moves content up.
        ty: pixels along the columns' axis; positive moves content left.
        shear: degrees.
        zx: of the rows' axis; above 1 zooms out.
        zy: of the columns' axis.
        row_axis: which axis of the array counts rows. Left out together with ``col_axis``, the
            two that ``channel_axis`` leaves.
        col_axis: which counts columns.
        channel_axis: which counts channels.
        fill_mode: constant, nearest, reflect or wrap, as in scipy.ndimage.
        cval: what ``constant`` puts outside.
        order: 0, 1 or 3.

    Returns:
        A new array of the same shape and dtype.

    Raises:
        ParameterError: an unknown mode or order (a RuntimeError as well), or axes that are none.
    """
    given = {"theta": theta, "tx": tx, "ty": ty, "shear": shear, "zx": zx, "zy": zy}
    array = np.asarray(x)
    axes = (row_axis, col_axis, channel_axis)
    if axes[:2] == (1, 2) and channel_axis % 3:
        # Of releases before the last, rows and columns had other defaults: what is left.
        first, second = (axis for axis in range(3) if axis != channel_axis % 3)
        axes = (first, second, channel_axis)
    if array.ndim != 3 or sorted(axis % 3 for axis in axes) != [0, 1, 2]:
        raise ParameterError(
            "`row_axis`, `col_axis` and `channel_axis` must be the three axes of `x`, got "
            f"{axes} and shape {array.shape}."
        )
    border, method = border_of(fill_mode), method_of(order)
    done = apply_parameters(array.transpose(axes), given, picture_spec(border, method, float(cval)))
    return np.ascontiguousarray(done.transpose(np.argsort([axis % 3 for axis in axes])))


def _apply(x: NDArray, given: dict[str, float], channel_axis: int) -> NDArray:
    held = np.moveaxis(np.asarray(x), channel_axis, -1)
    done = apply_parameters(held, given, picture_spec("edge", "linear", 0.0))
    return np.ascontiguousarray(np.moveaxis(done, -1, channel_axis))
