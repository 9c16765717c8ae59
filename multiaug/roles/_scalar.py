"""The role `scalar`: a class, a weight, a name: anything the geometry does not touch."""

from __future__ import annotations

from ..spec import RoleTraits, register_role


class Scalar:
    """Handed through: the pipeline returns the very array that it was given."""

    traits = register_role(RoleTraits("scalar", kind="value", settings=frozenset({"capacity"})))
