"""What a role allows, declared by the role's own file and read by the spec checks.

`multiaug.roles` imports this package, so the facts travel upwards by registration: each file
in `multiaug/roles` registers one `RoleTraits`. A new role is one file; nothing here changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ParameterError

Kind = Literal["spatial", "points", "matrix", "value"]

INTERPOLATIONS = ("nearest", "linear", "cubic", "spline3", "majority", "ray")
BORDERS = ("constant", "edge", "reflect", "mirror", "wrap", "constant-hard", "wrap-classic")


@dataclass(frozen=True)
class RoleTraits:
    """The static side of a role.

    Args:
        name: the word used in specs.
        kind: ``spatial`` roles are pictures (H, W[, C]) and are resampled; ``points`` are
            tables (K, columns); ``matrix`` is a fixed shape; ``value`` is anything.
        channels: channels of one spatial group, or columns of a points table; None is any.
        shape: the exact shape of a ``matrix`` role.
        dtype_kinds: NumPy dtype kinds allowed (``b``, ``u``, ``i``, ``f``; bfloat16 counts
            as ``f``).
        interpolations: allowed values of ``interpolation``, the default first.
        borders: allowed values of ``border``, the default first.
        default_fill: what the constant borders put outside when the spec does not say: a number,
            ``invalid`` (the group's invalid value) or ``ignore`` (the ignore label, else 0).
        may_be_invalid: the role may declare an ``invalid`` value.
        default_invalid: the invalid value when the spec does not say (floating dtypes only).
        needs_camera: values follow a camera; such entries cannot go through a dense
            displacement unless ``under_elastic`` is ``resample``.
        settings: further keys that the role understands.
    """

    name: str
    kind: Kind
    channels: int | None = None
    shape: tuple[int, ...] | None = None
    dtype_kinds: str = "buif"
    interpolations: tuple[str, ...] = ()
    borders: tuple[str, ...] = ()
    default_fill: float | Literal["invalid", "ignore"] = 0.0
    may_be_invalid: bool = False
    default_invalid: Literal["nan"] | None = None
    needs_camera: bool = False
    settings: frozenset[str] = frozenset()


ROLE_TRAITS: dict[str, RoleTraits] = {}


# The names of roles whose traits or verbs took the place of earlier ones.
_REPLACED: list[str] = []


def register_role(traits: RoleTraits) -> RoleTraits:
    """Make a role known to specs, and to nothing else.

    `multiaug.roles.register_role` makes a role of your own known to specs and to pipelines.

    Raises:
        ParameterError: the name is taken.
    """
    if traits.name in ROLE_TRAITS:
        raise ParameterError(
            f"The role {traits.name!r} is already registered, and specs tell roles apart by their "
            "names. Give this one another name."
        )
    ROLE_TRAITS[traits.name] = traits
    return traits


def replace_role(traits: RoleTraits) -> None:
    """Put traits in the place of those that a role had; see `role_generation`."""
    ROLE_TRAITS[traits.name] = traits
    _REPLACED.append(traits.name)


def role_generation() -> int:
    """A number that grows when a role is replaced: what was remembered before is out of date."""
    return len(_REPLACED)
