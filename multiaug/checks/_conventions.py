"""Conventions of cameras, and how to get from one to another. NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

import numpy as np

from ..errors import ParameterError, RecordError
from ..spec import DataSpec
from ..typing import NDArray, SpatialShape

# Where the axes X, Y and Z point to, as seen by the camera.
AXES = {
    "opencv": "right-down-ahead",
    "ros-optical": "right-down-ahead",
    "opengl": "right-up-back",
    "blender": "right-up-back",
    "ros": "ahead-left-up",
    "unity": "right-up-ahead",
    "unreal": "ahead-right-up",
    "pytorch3d": "left-up-ahead",
}
_DIRECTIONS = {
    "right": (1, 0, 0),
    "left": (-1, 0, 0),
    "down": (0, 1, 0),
    "up": (0, -1, 0),
    "ahead": (0, 0, 1),
    "back": (0, 0, -1),
}
_VECTORS = ("position", "direction", "points3d")


def axes_matrix(axes: str) -> NDArray:
    """(3, 3) of 0 and 1 and -1, from vectors in some axes to right-down-ahead.

    Args:
        axes: a key of `AXES`, or where X, Y and Z point to, such as ``"right-up-back"``.

    Raises:
        ParameterError: neither.
    """
    words = AXES.get(axes, axes).split("-") if isinstance(axes, str) else []
    if len(words) == 3 and all(word in _DIRECTIONS for word in words):
        matrix = np.array([_DIRECTIONS[word] for word in words], np.float64).T
        if abs(np.linalg.det(matrix)) == 1:
            return matrix
    raise ParameterError(
        f"Axes must be one of {', '.join(AXES)}, or say where X, Y and Z point to, such as "
        f'"right-up-back" (of right, left, down, up, ahead and back), got {axes!r}.'
    )


def spell_axes(matrix: NDArray) -> str:
    """Where X, Y and Z point to, of what `axes_matrix` gives for it."""
    words, vectors = list(_DIRECTIONS), np.array(list(_DIRECTIONS.values()))
    return "-".join(words[int(np.argmax(vectors @ column))] for column in matrix.T)


def name_axes(matrix: NDArray) -> str:
    """The shortest name that `convert_axes` takes for what `axes_matrix` gives."""
    axes = spell_axes(matrix)
    return next((name for name, known in AXES.items() if known == axes), axes)


@overload
def convert_axes(
    values: NDArray, from_: str, to: str = "opencv", *, spec: None = None
) -> NDArray: ...


@overload
def convert_axes(
    values: Mapping[str, Any], from_: str, to: str = "opencv", *, spec: DataSpec
) -> dict[str, Any]: ...


def convert_axes(
    values: Any, from_: str, to: str = "opencv", *, spec: DataSpec | None = None
) -> Any:
    """Turn vectors, or all of a record that is in the camera's frame, to other camera axes.

    An exact exchange and change of sign: no digit is lost, NaN stays NaN. multiaug expects
    ``"opencv"``: X right, Y down, Z ahead.

    >>> convert_axes(np.array([1.0, 2.0, -3.0]), from_="opengl")
    array([ 1., -2.,  3.])

    Args:
        values: (..., 3) positions, directions or points, signed; or, with ``spec``, a record or a
            batch: entry name -> array.
        from_: the axes that the values have: ``opencv`` or ``ros-optical`` (X right, Y down, Z
            ahead), ``opengl`` or ``blender`` (X right, Y up, Z back), ``ros`` (X ahead, Y left,
            Z up), ``unity`` (X right, Y up, Z ahead), ``unreal`` (X ahead, Y right, Z up),
            ``pytorch3d`` (X left, Y up, Z ahead); or where X, Y and Z point to, such as
            ``"right-up-back"``.
        to: the axes that they shall have.
        spec: what the entries of a record are. Positions, directions and ``points3d`` in the
            camera's frame are converted, and what extrinsics lead to; all else stays, depth
            too, which is a distance along the viewing axis.

    Returns:
        New arrays of the same dtypes; of a record all of its entries.

    Raises:
        ParameterError: unknown axes; values of another shape, or unsigned.
        RecordError: an entry that the spec does not declare.
    """
    matrix = axes_matrix(to).T @ axes_matrix(from_)
    if spec is None:
        if isinstance(values, Mapping):
            raise ParameterError(
                "`convert_axes` must be told the spec of a record: convert_axes(record, "
                f"from_={from_!r}, spec=spec). Without one it takes an array (..., 3)."
            )
        return _exchange(_vectors(values), matrix)
    if not isinstance(values, Mapping) or not isinstance(spec, DataSpec):
        raise ParameterError(
            "`convert_axes` with `spec` must get a record (entry name -> array) and a DataSpec, "
            f"got {type(values).__name__} and {type(spec).__name__}."
        )
    return {name: _converted(spec, name, array, matrix) for name, array in values.items()}


def _vectors(values: Any) -> NDArray:
    array = as_array("values", values)
    if array.ndim == 0 or array.shape[-1] != 3 or array.dtype.kind in "ubOSUmMc":
        raise ParameterError(
            "`values` must be signed numbers of shape (..., 3), "
            f"got dtype {array.dtype} and shape {array.shape}."
        )
    return array


def _exchange(array: NDArray, matrix: NDArray) -> NDArray:
    """``matrix @ v`` of vectors on the last axis, by exchange and sign."""
    source = np.abs(matrix).argmax(1)
    sign = matrix[np.arange(3), source].astype(array.dtype)
    exchanged: NDArray = array[..., source] * sign
    return exchanged


def _converted(spec: DataSpec, name: str, values: Any, matrix: NDArray) -> Any:
    entry = spec.entries.get(name)
    if entry is None:
        raise RecordError(
            f"`convert_axes` found an entry {name!r} that the spec {spec.name!r} does not declare."
        )
    if entry.role == "extrinsics":
        pose = _matrices(name, values, 4).copy()
        # The axes of the camera are its rows.
        rows = np.swapaxes(pose[..., :3, :], -1, -2)
        pose[..., :3, :] = np.swapaxes(_exchange(rows, matrix), -1, -2)
        return pose
    if spec.camera.frame == "world":
        return values
    turned = [group for group in entry.groups if group.role in _VECTORS]
    if not turned:
        return values
    array = as_array(name, values).copy()
    if array.ndim < 2 or array.shape[-1] != entry.channels:
        raise RecordError(
            f"{name}: found shape {array.shape}, expected {entry.channels} on the last axis."
        )
    for group in turned:
        part = group.channel_slice()
        array[..., part] = _exchange(array[..., part], matrix)
    return array


def as_array(name: str, values: Any) -> NDArray:
    """`numpy.asarray`, for an entry of a record."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise RecordError(f"{name}: expected an array, found what is none: {error}.") from None


def scale_intrinsics(k: NDArray, from_shape: SpatialShape, to_shape: SpatialShape) -> NDArray:
    """Intrinsics for the same image at another resolution.

    Pixel centres are integers, as in OpenCV: an image covers [-0.5, W - 0.5], so that
    ``fx' = s fx`` and ``cx' = s (cx + 0.5) - 0.5`` with ``s = W' / W``, and so along y.

    >>> k = np.array([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
    >>> scale_intrinsics(k, (480, 640), (240, 320))[0]
    array([250. ,   0. , 159.5])

    Args:
        k: (..., 3, 3) intrinsics in pixels of an image of ``from_shape``.
        from_shape: (height, width) of the image that ``k`` was calibrated for.
        to_shape: (height, width) of the image that the result is for.

    Returns:
        (..., 3, 3), float32 or float64 as ``k``; float64 for integers.

    Raises:
        ParameterError: not (..., 3, 3), or sizes that are not positive.
    """
    k = _matrices("k", k, 3)
    (h, w), (to_h, to_w) = _size("from_shape", from_shape), _size("to_shape", to_shape)
    sx, sy = to_w / w, to_h / h
    move = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
    return (move @ k.astype(np.float64)).astype(k.dtype)


def _size(name: str, shape: Any) -> tuple[float, float]:
    try:
        height, width = (float(length) for length in shape)
    except (TypeError, ValueError):
        height = width = 0.0
    if not (0 < height < np.inf and 0 < width < np.inf):
        raise ParameterError(f"`{name}` must be (height, width) in pixels, got {shape!r}.")
    return height, width


def invert_extrinsics(extrinsics: NDArray) -> NDArray:
    """Camera-to-world matrices (poses) of world-to-camera ones, and the reverse.

    Args:
        extrinsics: (..., 4, 4), the last row 0 0 0 1.

    Returns:
        (..., 4, 4), float32 or float64 as given, computed in float64.

    Raises:
        ParameterError: not (..., 4, 4), another last row (transposed?), or no inverse.
    """
    given = _matrices("extrinsics", extrinsics, 4)
    if not np.allclose(given[..., 3, :], (0, 0, 0, 1), rtol=0, atol=1e-3):
        hint = ""
        if np.allclose(given[..., :, 3], (0, 0, 0, 1), rtol=0, atol=1e-3):
            hint = " It looks transposed: the translation stands in the last row."
        raise ParameterError(
            f"`extrinsics` must have the last row 0 0 0 1, got {given[..., 3, :].tolist()}.{hint}"
        )
    turn, move = given[..., :3, :3].astype(np.float64), given[..., :3, 3:].astype(np.float64)
    try:
        back = np.linalg.inv(turn)
    except np.linalg.LinAlgError:
        raise ParameterError(
            "`extrinsics` must be invertible, got a matrix whose 3 x 3 part is singular."
        ) from None
    result = np.zeros(given.shape, given.dtype)
    result[..., :3, :3], result[..., :3, 3:], result[..., 3, 3] = back, -back @ move, 1
    return result


def _matrices(name: str, values: Any, size: int) -> NDArray:
    array = as_array(name, values)
    if array.shape[-2:] != (size, size) or array.dtype.kind not in "fiu":
        raise ParameterError(
            f"`{name}` must be numbers of shape (..., {size}, {size}), "
            f"got dtype {array.dtype} and shape {array.shape}."
        )
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    return array
