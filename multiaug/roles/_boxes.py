"""The role `boxes`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("boxes", kind="points", channels=4, dtype_kinds="f", settings=frozenset({"convention"})))
