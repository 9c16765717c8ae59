"""Records of a batch blended with partners of the same batch, in C or in NumPy.

Both compute ``a + w (b - a)`` in float32, each operation rounded by itself, as `roles.Verbs.mix`
does in JAX; see there.
"""

from __future__ import annotations

import ctypes
import math
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..._machine import core_count
from ..._native import layout, library
from ...sampling import cast, constant
from ...typing import NDArray
from ._threads import in_threads

# As warp.h numbers them.
_TYPES = {"uint8": 0, "uint16": 1, "float32": 2}
_MARK_NOTHING, _MARK_NUMBER = 0, 2
# Below so many bytes, waking another thread takes longer than the work.
_ONE_THREAD = 1 << 19


@layout("Blend")
class _Blend(ctypes.Structure):
    _fields_ = (
        ("in", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("partners", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("begin", ctypes.c_int64),
        ("end", ctypes.c_int64),
        ("values", ctypes.c_int64),
        ("type", ctypes.c_int32),
        ("marks", ctypes.c_int32),
        ("mark", ctypes.c_float),
        ("beside", ctypes.c_float),
    )


def blend_records(
    given: NDArray,
    out: NDArray,
    partners: NDArray,
    weights: NDArray,
    invalid: float | str | None = None,
    beside: float = 0.0,
) -> None:
    """Blend every record with its partner; where the partner has no weight it is copied.

    Args:
        given: (N, ...).
        out: of the same shape and dtype, other memory.
        partners: (N,) int32.
        weights: (N,) float32, of the partner.
        invalid: what marks values without data: where one of both is such, so is the result.
        beside: what stands for values that fall on that number.
    """
    size = len(given)
    native, numbered = library(), isinstance(invalid, float | int)
    mark = float(constant(invalid, given.dtype)) if isinstance(invalid, float | int) else 0.0
    contiguous = given.flags.c_contiguous and out.flags.c_contiguous
    code = _TYPES.get(given.dtype.name)
    if native is None or code is None or not contiguous:
        jobs = [
            partial(_blend_in_numpy, given, out, i, int(partners[i]), weights[i], invalid, beside)
            for i in range(size)
        ]
        in_threads(jobs) if given.nbytes > _ONE_THREAD else [job() for job in jobs]
        return
    partners, weights = (np.ascontiguousarray(a, t) for a, t in ((partners, "i4"), (weights, "f4")))
    pieces = min(size, core_count() if given.nbytes > _ONE_THREAD else 1)
    edges = [size * k // pieces for k in range(pieces + 1)]
    tasks = [
        _Blend(
            given.ctypes.data, out.ctypes.data, partners.ctypes.data, weights.ctypes.data,
            begin, end, math.prod(given.shape[1:]), code,
            _MARK_NUMBER if numbered else _MARK_NOTHING, mark, beside,
        )
        for begin, end in pairwise(edges)
    ]  # fmt: skip
    if len(tasks) == 1:
        native.multiaug_blend(ctypes.byref(tasks[0]))
    else:
        in_threads([partial(native.multiaug_blend, ctypes.byref(task)) for task in tasks])


def _blend_in_numpy(
    given: NDArray,
    out: NDArray,
    record: int,
    partner: int,
    weight: Any,
    invalid: float | str | None,
    beside: float,
) -> None:
    one, other = given[record], given[partner]
    if weight <= 0:
        out[record] = one
        return
    dtype = given.dtype
    absent: Any = None
    mark: Any = np.nan if invalid == "nan" else invalid
    if invalid == "nan":
        absent = np.isnan(one) | np.isnan(other)
    elif invalid is not None:
        mark = constant(mark, dtype)
        absent = (one == mark) | (other == mark)
    first, second = one.astype(np.float32), other.astype(np.float32)
    with np.errstate(invalid="ignore"):  # inf - inf
        mixed: Any = cast(first + np.float32(weight) * (second - first), dtype)
    if absent is not None:
        if invalid != "nan":
            mixed = np.where(mixed == mark, constant(beside, dtype), mixed)
        mixed = np.where(absent, np.asarray(mark, dtype), mixed)
    out[record] = mixed
