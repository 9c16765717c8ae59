"""The role `density`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("density", kind="spatial", dtype_kinds="f", interpolations=("linear",), borders=("constant", "edge", "reflect", "mirror", "wrap"), settings=frozenset()))
