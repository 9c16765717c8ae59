"""What a band's values mean, as data for native code, which cannot call the functions of a role.

A role that has native rules says them beside its functions in JAX (`Band.native`); a role of a
user's own has none, and its entries are resampled by XLA. The lists here are those of `warp.h`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from .._native import layout
from ..geometry import inverse
from ..typing import Array
from ._dtype import beside, constant, is_float

if TYPE_CHECKING:
    from ._plan import Band

INTERPOLATIONS = ("nearest", "linear", "cubic", "majority", "area", "spline3")
ENCODINGS = ("", "reciprocal", "ray", "world-ray", "angle")
DECODINGS = ("", "unit", "reciprocal", "ray", "world-ray", "angle")
MOVES = (
    *("", "matrix", "unit-matrix", "depth", "flow", "flow-ends", "angle", "area"),
    "mirror-pairs",
)
NUMBERS = 40  # float32 of `RecordNumbers` in warp.h
TYPES = ("uint8", "uint16", "float32", "bool", "int16", "int32", "float16", "bfloat16")

Numbers = Callable[[Any], Array]


@dataclass(frozen=True)
class NativeRules:
    """`encode`, `decode` and `move` of a band as words, and the numbers that they need.

    Args:
        encode: one of `ENCODINGS`: ``reciprocal`` is 1/v; ``ray`` is (1/Z, X - Z u, Y - Z v) of
            points in camera coordinates with the ray (u, v) of their pixel, ``world-ray`` that of
            points in world coordinates; ``angle`` is the cosine and the sine.
        decode: one of `DECODINGS`: the inverse of the encoding; ``unit`` scales vectors to
            length 1.
        move: one of `MOVES`: ``matrix`` multiplies vectors, ``unit-matrix`` also scales them to
            length 1; ``depth`` takes Z along; ``flow`` and ``flow-ends`` move vectors by an affine
            and by any matrix map; ``angle`` and ``area`` go by the Jacobian of the map;
            ``mirror-pairs`` swaps labels.
        k: view -> (3, 3) intrinsics, centred, per reference pixel.
        pose: view -> (4, 4) world to camera.
        matrix: view -> (3, 3) that ``move`` multiplies by.
        mirrored: view -> bool, for ``mirror-pairs``.
        pairs: the labels that are swapped.
        jump: what `max_jump` measures is the reciprocal of the first encoded channel.
        turns: radians that are blended for one unit of an angle.
        radians: radians for one unit of an angle.
        period: of an angle, in its unit.
    """

    encode: str = ""
    decode: str = ""
    move: str = ""
    k: Numbers | None = None
    pose: Numbers | None = None
    matrix: Numbers | None = None
    mirrored: Numbers | None = None
    pairs: tuple[tuple[int, int], ...] = ()
    jump: bool = False
    turns: float = 1.0
    radians: float = 1.0
    period: float = 1.0

    @property
    def needs_numbers(self) -> bool:
        """Something differs from record to record."""
        return any((self.k, self.pose, self.matrix, self.mirrored))

    def numbers(self, views: Any) -> Array:
        """(N, NUMBERS) float32, `RecordNumbers` of the records. Traceable."""

        def of_one(view: Any) -> Array:
            def flat(of: Numbers | None, size: int) -> Array:
                return jnp.zeros(size) if of is None else of(view).astype(jnp.float32).reshape(-1)

            pose = jnp.zeros((4, 4)) if self.pose is None else self.pose(view)
            back = jnp.zeros((3, 3)) if self.pose is None else inverse(pose[:3, :3])
            parts = [
                flat(self.k, 9), pose[:3, :3].reshape(-1), pose[:3, 3], back.reshape(-1),
                flat(self.matrix, 9), flat(self.mirrored, 1),
            ]  # fmt: skip
            return jnp.concatenate([part.astype(jnp.float32) for part in parts])

        return jax.vmap(of_one)(views)


@layout("Rules")
class RulesStruct(ctypes.Structure):
    """`Rules` of warp.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("numbers", "pairs", "nothing")),
        *((name, ctypes.c_int32) for name in ("interpolation", "encode", "decode", "move")),
        *((name, ctypes.c_int32) for name in ("invalid", "filled", "never_unknown", "jump")),
        *((name, ctypes.c_int32) for name in ("n_pairs", "beside")),
        *((name, ctypes.c_float) for name in ("max_jump", "turns", "radians", "period")),
        ("number", ctypes.c_double),
    ]


def refusal(band: Band, dtype: np.dtype[Any], channels: int, *, unknown: bool) -> str | None:
    """Why native code cannot resample a band; None where it can.

    Args:
        band: whose slice of channels has both ends.
        dtype: of the array.
        channels: of the band.
        unknown: a dense segment that is no spline of ours takes part in the map.
    """
    functions = band.encode is not None or band.decode is not None or band.move is not None
    if functions and band.native is None:
        return "its role computes in Python, and has no native rules"
    if band.method not in INTERPOLATIONS:
        return f"{band.method} interpolation is done by XLA"
    if dtype.name not in TYPES:
        return f"native code has no elements of type {dtype.name}"
    move = "" if band.native is None else band.native.move
    if unknown and move == "flow-ends":
        return "its vectors end where a dense segment of your own leads, which XLA computes"
    joint = band.joint and band.invalid is not None
    if joint and channels > 8:
        return f"{channels} channels are invalid together, and native code judges at most 8"
    if band.method == "spline3" and (functions or may_be_invalid(band)):
        return "spline3 interpolation of encoded or invalid values is done by XLA"
    if band.method == "area" and band.border in {"constant-hard", "wrap-classic"}:
        return f"means over areas with the border {band.border!r} are done by XLA"
    return None


def may_be_invalid(band: Band) -> bool:
    """Some values of a band, or what lies beyond a border, may be none."""
    return band.invalid is not None or band.fill is None or band.max_jump is not None


def rules_struct(band: Band, dtype: np.dtype[Any], channels: int) -> tuple[RulesStruct, list[Any]]:
    """How native code treats a band, and the arrays that must outlive it.

    Args:
        band: as for `refusal`.
        dtype: of the array.
        channels: of the band.
    """
    native = band.native or NativeRules()
    struct = RulesStruct()
    struct.interpolation = INTERPOLATIONS.index(band.method)
    copies = band.method in {"nearest", "majority"}
    # What is copied is moved, and neither encoded nor decoded.
    struct.encode = 0 if copies else ENCODINGS.index(native.encode)
    struct.decode = 0 if copies else DECODINGS.index(native.decode)
    struct.move = MOVES.index(native.move)
    marked = isinstance(band.invalid, float)
    struct.invalid = 0 if band.invalid is None else 2 if marked else 1
    filled = band.fill is not None
    encoded_fill = filled and native.encode and not copies and band.border == "constant"
    # A fill cannot be blended with encoded values: it replaces what lies outside.
    struct.filled = 2 if encoded_fill else int(filled)
    struct.never_unknown = (
        band.invalid is None and filled and not native.encode and band.max_jump is None
        and native.move != "flow-ends" and not (native.move == "depth" and not is_float(dtype))
    )  # fmt: skip
    struct.jump = native.jump
    struct.max_jump = math.inf if band.max_jump is None else band.max_jump
    struct.turns, struct.radians, struct.period = native.turns, native.radians, native.period
    number = float(constant(band.invalid, dtype)) if isinstance(band.invalid, float) else math.nan
    struct.number = number
    if isinstance(band.invalid, float) and not is_float(dtype):
        struct.beside = int(beside(band.invalid, dtype))
    pairs = np.ascontiguousarray(np.array(native.pairs, np.int32).reshape(-1, 2))
    struct.n_pairs, struct.pairs = len(pairs), pairs.ctypes.data
    nothing = np.ascontiguousarray(_nothing(band, dtype, channels))
    struct.nothing = nothing.ctypes.data
    return struct, [pairs, nothing]


def _nothing(band: Band, dtype: np.dtype[Any], channels: int) -> Any:
    """One pixel of what stands where nothing is known."""
    if band.invalid is None and band.fill is not None:
        return np.broadcast_to(np.stack([constant(v, dtype) for v in band.fill]), (channels,))
    number = band.invalid if isinstance(band.invalid, float) else math.nan
    return np.broadcast_to(constant(number, dtype), (channels,))
