"""The operations that policies choose from, as transforms, and what their magnitudes mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError, warn
from ..spec import DataSpec
from ..typing import Array, Key, NDArray
from ._affine import Rotate, Shear, Translate
from ._base import Container, Frame, Params, Transform
from ._colour import Saturation
from ._containers import Expanded
from ._contrast import Contrast, Gain
from ._levels import AutoContrast, Equalize, Invert, Posterize, Solarize
from ._rgb import places
from ._sharpness import Sharpness

GEOMETRY = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
VALUES = (
    *("Brightness", "Color", "Contrast", "Sharpness", "Posterize", "Solarize"),
    *("AutoContrast", "Equalize", "Invert"),
)
OPERATIONS = ("Identity", *GEOMETRY, *VALUES)
"""Names, as in the papers and in torchvision; params count them from 0."""
CODES = {name: code for code, name in enumerate(OPERATIONS)}

_SIGNED = (*GEOMETRY, "Brightness", "Color", "Contrast", "Sharpness")


class Space(NamedTuple):
    """What the greatest magnitude is of each operation; the least one changes nothing.

    Args:
        shear: tangent of the angle.
        translate: share of the side, or pixels.
        in_pixels: of the shift, not shares.
        rotate: degrees.
        factor: what is added to 1, or taken from it, of brightness, colour, contrast, sharpness.
        bits: what posterizing keeps at the least magnitude, and how many fewer at the greatest.
    """

    shear: float = 0.3
    translate: float = 150 / 331
    in_pixels: bool = False
    rotate: float = 30.0
    factor: float = 0.9
    bits: tuple[int, int] = (8, 4)


STANDARD = Space()
"""AutoAugment's and RandAugment's."""
WIDE = Space(0.99, 32.0, True, 135.0, 0.99, (8, 6))
"""TrivialAugment's."""


@lru_cache(maxsize=64)
def magnitudes(space: Space, bins: int) -> NDArray:
    """(operations, bins) float32: what magnitude 0, 1 .. bins - 1 is of every operation."""
    share = np.linspace(0, 1, bins) if bins > 1 else np.zeros(1)
    table = np.zeros((len(OPERATIONS), bins))
    for names, most in (
        (("ShearX", "ShearY"), space.shear),
        (("TranslateX", "TranslateY"), space.translate),
        (("Rotate",), space.rotate),
        (("Brightness", "Color", "Contrast", "Sharpness"), space.factor),
    ):
        for name in names:
            table[CODES[name]] = share * most
    kept, fewer = space.bits
    table[CODES["Posterize"]] = np.maximum(np.round(kept - share * fewer), 1)
    table[CODES["Solarize"]] = 1 - share
    return table.astype(np.float32)


def reach(space: Space, bins: int, level: int) -> tuple[float, ...]:
    """Of every operation what a magnitude is, in few digits: ranges of settings end there."""
    return tuple(round(float(size), 6) for size in magnitudes(space, bins)[:, level])


def signs() -> NDArray:
    """(operations,) bool: the magnitude may be negative as well."""
    return np.array([name in _SIGNED for name in OPERATIONS])


class Drawn(NamedTuple):
    """What one slot of a policy has drawn.

    Args:
        operation: () int32, its place in `OPERATIONS`.
        magnitude: () float32, with its sign.
        space: what magnitudes mean.
        frame: the policy stands in; None where nothing moves.
    """

    operation: Array
    magnitude: Array
    space: Space
    frame: Frame | None

    def of(self, name: str, neutral: float = 0.0) -> Array:
        """The magnitude where the operation is the drawn one, else what changes nothing."""
        return jnp.where(self.operation == CODES[name], self.magnitude, jnp.float32(neutral))

    def sides(self) -> tuple[Array, Array]:
        """Height and width, float32."""
        assert self.frame is not None
        height, width = (jnp.asarray(side, jnp.float32) for side in self.frame.shape)
        return height, width


class Child(NamedTuple):
    """A transform of a slot.

    Args:
        transform: its ranges are those that its magnitudes reach.
        operations: the names under which it runs.
        params: what it gets.
    """

    transform: Transform
    operations: tuple[str, ...]
    params: Callable[[Drawn], Params]


def _shear(drawn: Drawn) -> Params:
    slants = jnp.stack([drawn.of("ShearX"), drawn.of("ShearY")])
    return {"degrees": -jnp.rad2deg(jnp.arctan(slants))}


def _translate(drawn: Drawn) -> Params:
    height, width = drawn.sides()
    x, y = drawn.of("TranslateX"), drawn.of("TranslateY")
    if not drawn.space.in_pixels:
        x, y = x * width, y * height
    # A shear of the papers leaves the upper left corner in its place, not the centre.
    corner = jnp.stack([drawn.of("ShearX") * height, drawn.of("ShearY") * width]) / 2
    return {"px": jnp.trunc(jnp.stack([x, y])) - corner}


def _amount(name: str) -> Callable[[Drawn], Params]:
    return lambda drawn: {"amount": drawn.of(name)}


def _bits(drawn: Drawn) -> Params:
    return {"bits": drawn.of("Posterize", 8).astype(jnp.int32)}


def _nothing(drawn: Drawn) -> Params:
    return {}


@lru_cache(maxsize=64)
def children_of(
    operations: tuple[str, ...],
    space: Space,
    most: tuple[float, ...],
    clip: bool,
    entries: tuple[str, ...] | None,
) -> tuple[Child, ...]:
    """The transforms that some operations need, geometry first.

    Args:
        operations: their names.
        space: what magnitudes mean.
        most: the greatest magnitude of each of `OPERATIONS`.
        clip: clip values to their range after each.
        entries: entries whose values change; None for all.
    """
    ends = dict(zip(OPERATIONS, most, strict=True))
    shears = tuple(float(np.rad2deg(np.arctan(ends[n]))) for n in ("ShearX", "ShearY"))
    made = [
        Child(Shear(tuple((-s, s) for s in shears)), ("ShearX", "ShearY"), _shear),
        Child(Translate(px=1e4), GEOMETRY[:4], _translate),
        Child(Rotate(ends["Rotate"]), ("Rotate",), lambda drawn: {"degrees": drawn.of("Rotate")}),
        Child(Gain(ends["Brightness"], clip, entries), ("Brightness",), _amount("Brightness")),
        Child(Saturation(ends["Color"], clip, entries), ("Color",), _amount("Color")),
        Child(
            Contrast(ends["Contrast"], clip, entries, mean="auto"),
            ("Contrast",),
            _amount("Contrast"),
        ),
        Child(Sharpness(ends["Sharpness"], clip, entries), ("Sharpness",), _amount("Sharpness")),
        Child(Posterize((1, 8), entries), ("Posterize",), _bits),
        Child(
            Solarize((0, 1), entries),
            ("Solarize",),
            lambda drawn: {"threshold": drawn.of("Solarize", 1)},
        ),
        Child(AutoContrast(entries=entries), ("AutoContrast",), _nothing),
        Child(Equalize(entries), ("Equalize",), _nothing),
        Child(Invert(entries), ("Invert",), _nothing),
    ]
    return tuple(child for child in made if set(child.operations).intersection(operations))


@dataclass(frozen=True)
class Slot(Container):
    """One place of a policy, where one operation runs: its geometry, or its values, or both.

    Args:
        members: the transforms of the operations.
    """

    members: tuple[Child, ...]
    exclusive = True

    @property
    def children(self) -> tuple[Transform, ...]:
        """The transforms."""
        return tuple(member.transform for member in self.members)

    def sample(self, key: Key, frame: Frame) -> NoReturn:
        """The policy draws for all of its slots."""
        raise NotImplementedError("A slot has what its policy has drawn.")

    def expand(self, params: Params) -> Expanded:
        """Every transform, where one of its operations is the drawn one."""
        steps: Expanded = []
        for member, drawn in zip(self.members, params["children"], strict=True):
            at = [params["operation"] == CODES[name] for name in member.operations]
            on: Any = at[0]
            for other in at[1:]:
                on = on | other
            steps.append((member.transform, drawn, on))
        return steps


def left_out(
    operations: Sequence[str], spec: DataSpec, entries: tuple[str, ...] | None
) -> dict[str, str]:
    """The operations that a spec has nothing for, with what it lacks."""
    groups = [
        group
        for name, entry in spec.entries.items()
        for group in entry.groups
        if group.role == "intensity" and (entries is None or name in entries)
    ]
    missing: dict[str, str] = {}
    for name in operations:
        if name in VALUES and not groups:
            missing[name] = "an entry with role intensity"
        elif name == "Color" and all(places(group.names) is None for group in groups):
            missing[name] = "channels named r, g and b"
    return missing


MEANT = "Name the others in `ops`, to say that it is meant."


def tell_left_out(
    owner: str,
    operations: Sequence[str],
    missing: Mapping[str, str],
    frame: Frame,
    remedy: str = MEANT,
) -> None:
    """Say once what a policy leaves out for a spec; refuse one that leaves nothing.

    Args:
        owner: the policy.
        operations: their names.
        missing: of `left_out`.
        frame: the policy stands in.
        remedy: a sentence.

    Raises:
        ParameterError: none is left but Identity.
    """
    name = frame.spec.name
    if not set(operations) - set(missing) - {"Identity"}:
        raise ParameterError(
            f"`{owner}` must find something to do in the spec {name!r}, got one without "
            f"{' and without '.join(dict.fromkeys(missing.values())) or 'anything'}. "
            "Leave the policy out, or choose other operations."
        )
    if missing:
        lacking: dict[str, list[str]] = {}
        for operation, what in missing.items():
            lacking.setdefault(what, []).append(operation)
        told = "; ".join(f"{', '.join(who)} for want of {what}" for what, who in lacking.items())
        warn(f"`{owner}` leaves out what the spec {name!r} has nothing for: {told}. {remedy}")


def operation_names(value: Any, field_name: str, *, options: Sequence[str]) -> tuple[str, ...]:
    """Some of the names of operations."""
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, Sequence) or not given or len(set(map(str, given))) < len(given):
        raise ParameterError(
            f"`{field_name}` must be one or several different names of operations, got {value!r}. "
            f"There are {', '.join(options)}."
        )
    for name in given:
        if name not in options:
            raise ParameterError(
                f"`{field_name}` must be names of operations, got {name!r}. "
                f"There are {', '.join(options)}."
            )
    return tuple(given)
