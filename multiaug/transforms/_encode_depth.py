"""EncodeDepth: depths and points as numbers that networks take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import jax.numpy as jnp

from ..errors import ParameterError
from ..spec import DataSpec, EntrySpec
from ..typing import Array, Key
from ._base import Frame, Params, transform
from ._checked import choice, flag, names, number, plain
from ._point_values import groups_of_role, is_valid, mark_of
from ._settings import Setting, setting
from ._stage_bases import Altering, check_names

Invalid = Literal["nan"] | float

_ENCODINGS = ("linear", "inverse", "log", "standard")


def _entries(value: Any, field_name: str) -> tuple[str, ...]:
    found = names(value, field_name)
    if not found:
        raise ParameterError(f"`{field_name}` must name at least one entry, got {value!r}.")
    return found


def _triple(value: Any, field_name: str, **limits: float) -> tuple[float, ...]:
    given = plain(value)
    numbers = tuple(given) if isinstance(given, tuple | list) else (given,)
    if len(numbers) not in (1, 3):
        raise ParameterError(f"`{field_name}` must be one number or three, got {value!r}.")
    return tuple(number(v, field_name, **limits) for v in numbers)


def _mark(value: Any, field_name: str) -> Invalid:
    return "nan" if isinstance(value, str) and value == "nan" else number(value, field_name)


Triple = Setting[tuple[float, ...], float | Sequence[float]]


@transform
class EncodeDepth(Altering):
    """Bring depths or points to numbers that networks take; the entry becomes intensity, float32.

    With near n and far f: ``linear`` is ``(Z - n) / (f - n)``, ``inverse`` is
    ``(1 / Z - 1 / f) / (1 / n - 1 / f)``, 1 near and 0 far, ``log`` is ``log(Z / n) / log(f / n)``.
    ``standard`` is ``(v - mean) / std``, of positions with a number for each of X, Y and Z. Pixels
    without data become `invalid`, which the entry declares from then on; a depth of 0 and less has
    no inverse and no logarithm, and becomes invalid, too. A map behind it blends what is encoded:
    put it last to have depths blended as depths.

    Args:
        entries: the entries, each of role depth, or of position for ``standard``.
        encoding: ``linear``, ``inverse``, ``log`` or ``standard``.
        near: n > 0, in the unit of the entry.
        far: f > n.
        mean: one number, or three for positions; for ``standard``.
        std: the same, positive.
        clip: keep results of the first three within 0 to 1.
        invalid: what pixels without data become: a number, or ``nan``.

    Raises:
        ParameterError: far not beyond near; entries of other roles; numbers that are not one or
            three.

    References:
        R. Ranftl et al., Towards Robust Monocular Depth Estimation, IEEE TPAMI 44(3), 2022: inverse
        depth. ESANet (ICRA 2021) normalises depths and keeps zeros: ``invalid=0``.
    """

    entries: Setting[tuple[str, ...], str | Sequence[str]] = setting(_entries)
    encoding: str = setting(choice, default="inverse", options=_ENCODINGS)
    near: float = setting(number, default=0.1, low=1e-9)
    far: float = setting(number, default=10.0, low=1e-9)
    mean: Triple = setting(_triple, default=0.0)
    std: Triple = setting(_triple, default=1.0, low=1e-12)
    clip: bool = setting(flag, default=True)
    invalid: Setting[Invalid, str | float] = setting(_mark, default="nan")

    def __post_init__(self) -> None:
        if not self.far > self.near:
            raise ParameterError(
                f"`EncodeDepth.far` must be beyond near = {self.near:g}, got {self.far:g}."
            )

    def check(self, frame: Frame) -> None:
        """The entries must be there, and be depths or points."""
        self.out_spec(frame.spec)

    def out_spec(self, spec: DataSpec) -> DataSpec:
        """The spec, in which the entries are intensity."""
        check_names(self.owner, "entries", self.entries, spec)
        entries = [
            self._made_of(entry) if entry.name in self.entries else entry
            for entry in spec.entries.values()
        ]
        return DataSpec(spec.name, entries, spec.camera, spec.description)

    def _made_of(self, entry: EntrySpec) -> EntrySpec:
        fitting = {"depth", "position"} if self.encoding == "standard" else {"depth"}
        if entry.role not in fitting:
            raise ParameterError(
                f"`EncodeDepth.entries` must be of role {' or '.join(sorted(fitting))} for the "
                f"encoding {self.encoding}, got {entry.name!r}, which is {entry.role}."
            )
        count = 1 if entry.role == "depth" else 3
        if max(len(self.mean), len(self.std)) > count:
            raise ParameterError(
                f"`EncodeDepth.mean` and `std` must have one number for {entry.name!r}, got "
                f"{self.mean} and {self.std}."
            )
        made = EntrySpec.of_role(
            entry.name,
            "intensity",
            channels=count,
            dtype="float32",
            optional=entry.optional,
            time=entry.time,
            validity=entry.validity,
            invalid=self.invalid,
            fill="invalid",
            range=[0, 1],
        )
        return replace(made, of=entry.of)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def alter(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The encoded entries."""
        found = {}
        for role in ("depth", "position"):
            for entry, group, values in groups_of_role(spec, record, role, self.entries):
                coded, good = self._encoded(values.astype(jnp.float32), is_valid(values, group))
                found[entry.name] = jnp.where(good, coded, jnp.float32(float(self.invalid)))
        return found

    def _encoded(self, values: Array, good: Array) -> tuple[Array, Array]:
        if self.encoding == "standard":
            mean, std = (_row(numbers, values) for numbers in (self.mean, self.std))
            return (values - mean) / std, good
        near, far = self.near, self.far
        good = good if self.encoding == "linear" else good & (values > 0)
        z = jnp.where(good, values, near)
        if self.encoding == "inverse":
            coded = (1 / z - 1 / far) / (1 / near - 1 / far)
        elif self.encoding == "log":
            coded = jnp.log(z / near) / math.log(far / near)
        else:
            coded = (z - near) / (far - near)
        return (jnp.clip(coded, 0, 1) if self.clip else coded), good

    def restore(
        self, params: Params, spec: DataSpec, record: Mapping[str, Array]
    ) -> dict[str, Array] | None:
        """The depths; what was clipped comes back as near or far."""
        found: dict[str, Array] = {}
        for name in self.entries:
            if name not in record:
                continue
            group, values = spec.entries[name].groups[0], record[name]
            coded = replace(group, invalid=self.invalid)
            good = is_valid(values, coded)
            mark = mark_of(group)
            decoded = jnp.where(good, self._decoded(values), 0.0 if mark is None else mark)
            found[name] = decoded.astype(spec.entries[name].dtypes[0])
        return found

    def _decoded(self, values: Array) -> Array:
        near, far = self.near, self.far
        if self.encoding == "standard":
            mean, std = (_row(numbers, values) for numbers in (self.mean, self.std))
            return values * std + mean
        if self.encoding == "inverse":
            return 1 / (values * (1 / near - 1 / far) + 1 / far)
        if self.encoding == "log":
            return near * jnp.exp(values * math.log(far / near))
        return near + values * (far - near)


def _row(numbers: tuple[float, ...], values: Array) -> Array:
    return jnp.array(numbers, jnp.float32).reshape((1,) * (values.ndim - 1) + (-1,))
