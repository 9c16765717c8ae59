"""The roles that pipelines know, and how a role of your own becomes one of them."""

from __future__ import annotations

from typing import Any, TypeVar

from ..errors import ParameterError
from ..spec import ROLE_TRAITS, RoleTraits, replace_role
from ..spec import register_role as register_traits
from ._base import SpatialRole, TableRole

R = TypeVar("R")

SPATIAL_ROLES: dict[str, SpatialRole] = {}
"""Roles of images, by name."""

TABLE_ROLES: dict[str, TableRole] = {}
"""Roles of tables and matrices, by name; scalars are handed through."""

# Where a registered role was defined: its module and its qualified name.
_DEFINED: dict[str, tuple[str, str]] = {}


def register_role(role: R) -> R:
    """Make a role known to specs, pipelines and `multiaug.testing.check_role`.

    A class decorator, or a function of an instance. The role has ``traits``, its static side, and
    the verb of its kind: `SpatialRole.band` for images, `TableRole.move` for points and matrices,
    none for values, which are handed through.

    Args:
        role: an instance, or a class that can be called without arguments.

    Returns:
        What was given.

    Raises:
        ParameterError: it has no traits or no verb, or another role has its name. The same class
            defined again, as when a notebook cell is run twice, takes the place of the first.

    Example::

        @register_role
        class Height:
            traits = RoleTraits("height", "spatial", interpolations=("linear",), borders=("edge",))

            def band(self, group, geometry):
                return band_of(group)
    """
    made: Any = role() if isinstance(role, type) else role
    owner, traits = type(made).__qualname__, getattr(made, "traits", None)
    if not isinstance(traits, RoleTraits):
        raise ParameterError(
            f"`{owner}.traits` must be RoleTraits, got {traits!r}. They say what specs may declare."
        )
    verb = {"spatial": "band", "value": None}.get(traits.kind, "move")
    if verb is not None and not callable(getattr(made, verb, None)):
        raise ParameterError(
            f"`{owner}` must have the method `{verb}`, which says what a map does to entries of "
            f"kind {traits.kind}; see `multiaug.roles.{'Spatial' if verb == 'band' else 'Table'}"
            "Role`."
        )
    _register_traits(traits, (type(made).__module__, owner))
    for table in (SPATIAL_ROLES, TABLE_ROLES):
        table.pop(traits.name, None)
    if traits.kind == "spatial":
        SPATIAL_ROLES[traits.name] = made
    elif traits.kind != "value":
        TABLE_ROLES[traits.name] = made
    return role


def _register_traits(traits: RoleTraits, place: tuple[str, str]) -> None:
    """Make the static side known; refuse the name of a role that was defined elsewhere."""
    earlier = _DEFINED.get(traits.name)
    known = ROLE_TRAITS.get(traits.name)
    if known is None:
        register_traits(traits)
    elif earlier == place:
        replace_role(traits)
    elif earlier is not None or known is not traits:
        module, name = earlier or ("multiaug.spec", "RoleTraits")
        raise ParameterError(
            f"The role {traits.name!r} of {place[0]}.{place[1]} has the name of one that is "
            f"registered, that of {module}.{name}, and specs tell roles apart by their names. "
            "Give it another name."
        )
    _DEFINED[traits.name] = place
