"""The role `keypoints`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("keypoints", kind="points", channels=2, dtype_kinds="f", settings=frozenset({"mirror_pairs"})))
