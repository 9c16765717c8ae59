"""The role `intrinsics`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("intrinsics", kind="matrix", shape=(3, 3), dtype_kinds="f", settings=frozenset()))
