"""The role `extrinsics`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("extrinsics", kind="matrix", shape=(4, 4), dtype_kinds="f", settings=frozenset()))
