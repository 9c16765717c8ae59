"""The role `flow`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("flow", kind="spatial", channels=2, dtype_kinds="f", interpolations=("linear", "nearest"), borders=("constant", "edge"), default_fill="invalid", may_be_invalid=True, default_invalid="nan", settings=frozenset({"max_jump"})))
