"""The role `scalar`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("scalar", kind="value", dtype_kinds="buif", settings=frozenset()))
