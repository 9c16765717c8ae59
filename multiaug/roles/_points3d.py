"""The role `points3d`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("points3d", kind="points", channels=3, dtype_kinds="f", needs_camera=True, settings=frozenset()))
