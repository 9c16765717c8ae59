"""The role `scalar`: a class, a weight, a name: anything the geometry does not touch."""

from __future__ import annotations

from ..spec import RoleFacts, register_role


class Scalar:
    """Handed through: the pipeline returns the very array that it was given."""

    facts = register_role(RoleFacts("scalar", kind="value", settings=frozenset({"capacity"})))
