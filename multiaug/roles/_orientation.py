"""The role `orientation`."""

from __future__ import annotations

from ..spec import RoleFacts, register_role

FACTS = register_role(RoleFacts("orientation", kind="spatial", channels=1, dtype_kinds="uif", interpolations=("linear", "nearest"), borders=("constant", "edge"), default_fill="invalid", may_be_invalid=True, default_invalid="nan", settings=frozenset({"unit", "period"})))
