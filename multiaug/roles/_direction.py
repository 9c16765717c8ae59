"""The role `direction`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("direction", kind="spatial", channels=3, dtype_kinds="f", interpolations=("linear", "nearest"), borders=("constant", "edge"), default_fill="invalid", may_be_invalid=True, default_invalid="nan", needs_camera=True, settings=frozenset({"max_jump", "under_elastic"})))
