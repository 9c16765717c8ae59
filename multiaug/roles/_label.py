"""The role `label`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("label", kind="spatial", channels=1, dtype_kinds="bui", interpolations=("nearest", "majority"), borders=("constant", "edge", "reflect", "mirror", "wrap"), default_fill="ignore", settings=frozenset({"ignore", "mirror_pairs"})))
