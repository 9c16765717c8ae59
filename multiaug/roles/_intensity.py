"""The role `intensity`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("intensity", kind="spatial", dtype_kinds="buif", interpolations=("linear", "nearest", "cubic", "spline3"), borders=("constant", "edge", "reflect", "mirror", "wrap"), may_be_invalid=True, settings=frozenset({"range", "max_jump"})))
