"""The dtypes that entries may have, without asking JAX or ml_dtypes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ._traits import RoleTraits


class DtypeFacts(NamedTuple):
    """Kind and finite range of a dtype.

    Args:
        kind: NumPy kind ``b``, ``u``, ``i`` or ``f``; bfloat16 counts as ``f``, although NumPy
            itself says ``V``.
        lo: the smallest finite value.
        hi: the largest finite value.
    """

    kind: str
    lo: float
    hi: float


DTYPES: dict[str, DtypeFacts] = {
    "bool": DtypeFacts("b", 0, 1),
    "uint8": DtypeFacts("u", 0, 2**8 - 1),
    "uint16": DtypeFacts("u", 0, 2**16 - 1),
    "int16": DtypeFacts("i", -(2**15), 2**15 - 1),
    "int32": DtypeFacts("i", -(2**31), 2**31 - 1),
    "float16": DtypeFacts("f", -65504.0, 65504.0),
    "bfloat16": DtypeFacts("f", -3.3895313892515355e38, 3.3895313892515355e38),
    "float32": DtypeFacts("f", -3.4028234663852886e38, 3.4028234663852886e38),
}
"""Every dtype that any entry may have."""

# Values that are carried along and never computed with may keep the widths that labels and
# targets have on disk; everything else would lose them in JAX without saying so.
WIDE_DTYPES: dict[str, DtypeFacts] = {
    "int64": DtypeFacts("i", -(2**63), 2**63 - 1),
    "float64": DtypeFacts("f", -1.7976931348623157e308, 1.7976931348623157e308),
}
"""Further dtypes, of entries whose role is of kind ``value``."""

ALL_DTYPES = DTYPES | WIDE_DTYPES


def dtypes_for(traits: Sequence[RoleTraits]) -> tuple[str, ...]:
    """Names of the dtypes that suit all these roles, which share an array."""
    table = ALL_DTYPES if all(fact.kind == "value" for fact in traits) else DTYPES
    return tuple(
        name
        for name, dtype in table.items()
        if all(dtype.kind in fact.dtype_kinds for fact in traits)
    )


def holds(name: str, value: float | str) -> bool:
    """True when an array of this dtype can have the value: a number, or ``"nan"``.

    Floats round what lies between their values, and to their largest what lies less than half a
    step beyond it: NumPy and GDAL print the lowest float32 as -3.4028235e+38, which does.
    Integers have neither NaN nor fractions.
    """
    dtype = ALL_DTYPES[name]
    if isinstance(value, str):
        return dtype.kind == "f"
    if name in _DIGITS:
        return abs(value) < math.ldexp(2 - 2.0 ** -_DIGITS[name], math.frexp(dtype.hi)[1] - 1)
    return dtype.lo <= value <= dtype.hi and (dtype.kind == "f" or float(value).is_integer())


# Binary digits of a significand, the leading one counted; float64 is what Python has.
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24}
