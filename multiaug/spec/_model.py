"""The spec as data: frozen, hashable, free of JAX."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from .._arguments import shown
from ..errors import ParameterError
from ..typing import NDArray
from ._dtypes import ALL_DTYPES, dtypes_for, holds
from ._traits import ROLE_TRAITS, RoleTraits

Invalid = float | Literal["nan"] | None
Fill = tuple[float | Literal["nan"], ...] | Literal["invalid"]


@dataclass(frozen=True)
class ChannelGroup:
    """Neighbouring channels of one array that share a role and its settings.

    Every field is resolved: defaults of the role are filled in when the spec is built.

    Args:
        role: what the values mean; a name from `multiaug.roles`.
        start: first channel of the group in its array.
        count: number of channels; None means all channels, however many.
        names: channel names, or ().
        range: (lo, hi), the values that black and white stand for; None means the range of
            an integer dtype and (0, 1) for floats.
        invalid: the value that marks a pixel without data: ``"nan"``, a number, or None.
        ignore: the label that losses skip; also the fill of labels.
        values: pairs (stored, label) in the order of the stored values: sources hand out the
            label where the data hold the stored value, and every other value as it is.
        mirror_pairs: pairs of label ids, or of keypoint indices, that swap under a mirror.
        interpolation: one of `multiaug.spec.INTERPOLATIONS`; "" for roles not sampled.
        border: one of `multiaug.spec.BORDERS`; "" for roles not sampled.
        fill: one number for all channels or one per channel, or ``"invalid"``.
        max_jump: taps further than this from the nearest tap are dropped, in value units.
        under_elastic: ``refuse`` or ``resample``: what a dense displacement may do to values
            that follow a camera.
        unit: ``degrees`` or ``radians``, of an orientation.
        period: 360 or 180, in degrees, of an orientation.
        convention: ``edges``, ``coco`` or ``pascal``, of boxes.
        capacity: rows that the table of every record is filled up to; None where all have as
            many.
    """

    role: str
    start: int = 0
    count: int | None = None
    names: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    invalid: Invalid = None
    ignore: int | None = None
    values: tuple[tuple[int, int], ...] = ()
    mirror_pairs: tuple[tuple[int, int], ...] = ()
    interpolation: str = ""
    border: str = ""
    fill: Fill = (0.0,)
    max_jump: float | None = None
    under_elastic: Literal["refuse", "resample"] = "refuse"
    unit: Literal["degrees", "radians"] = "degrees"
    period: Literal[360, 180] = 360
    convention: Literal["edges", "coco", "pascal"] = "edges"
    capacity: int | None = None

    @property
    def traits(self) -> RoleTraits:
        """The static facts of the group's role."""
        return ROLE_TRAITS[self.role]

    def __post_init__(self) -> None:
        for name in ("names", "range", "mirror_pairs", "fill", "values"):
            value = getattr(self, name)
            if isinstance(value, list | dict):  # which would make the spec unhashable
                object.__setattr__(self, name, _tuples(value))

    def has_data(self, values: NDArray) -> NDArray:
        """Where pixels hold data: values are finite, and not all of them mark that there are none.

        Args:
            values: (..., C), the channels of the group alone.

        Returns:
            bool (...).
        """
        known: Any = np.ones(values.shape[:-1], bool)
        if values.dtype.kind not in "biu":
            known = np.isfinite(values).all(axis=-1)
        if isinstance(self.invalid, int | float):
            known &= (values != self.invalid).any(axis=-1)
        return np.asarray(known)

    def are_data(self, values: NDArray) -> NDArray:
        """Which numbers are data, one by one: finite, and none that marks that there are none.

        Args:
            values: of channels of the group, of any shape.

        Returns:
            bool, of the same shape.
        """
        known: Any = np.ones(values.shape, bool)
        if values.dtype.kind not in "biu":
            known = np.isfinite(values)
        if isinstance(self.invalid, int | float):
            known &= values != self.invalid
        return np.asarray(known)

    def for_dtype(self, dtype: str) -> ChannelGroup:
        """The group as it acts on an array of this dtype.

        An entry that allows any dtype may name values that not all of them can hold, NaN first
        of all. Where the invalid value is one of them nothing is invalid; a fill of it, or of
        NaN, becomes 0.
        """
        invalid, fill = self.invalid, self.fill
        if invalid is not None and not holds(dtype, invalid):
            invalid, fill = None, (0.0,) if fill == "invalid" else fill
        if fill != "invalid" and ALL_DTYPES[dtype].kind != "f":
            fill = tuple(0.0 if value == "nan" else value for value in fill)
        if (invalid, fill) == (self.invalid, self.fill):
            return self
        return replace(self, invalid=invalid, fill=fill)

    def channel_slice(self) -> slice:
        """The group's channels, as a slice of the last axis."""
        return slice(self.start, None if self.count is None else self.start + self.count)


@dataclass(frozen=True)
class EntrySpec:
    """One named array of a record.

    Args:
        name: key in the record.
        groups: the channel groups, in channel order; one for arrays of a single role.
        dtype: NumPy name such as ``uint8`` or ``bfloat16``; None allows every supported one.
        optional: the entry may be absent.
        of: name of the spatial entry whose pixels keypoints, boxes or intrinsics are in; None
            means the reference entry. Of a scalar: the table whose rows its rows describe.
        validity: also return ``<name>_valid``, a bool picture: where values are blended, at least
            half of the linear weight fell on valid pixels inside the source picture; where they
            are copied, the pixel that was.
        time: images have a leading axis of frames, which share the geometry of their record: how
            many there are, or ``"any"``, which True stands for; None, as False, for no such axis.
    """

    name: str
    groups: tuple[ChannelGroup, ...]
    dtype: str | None = None
    optional: bool = False
    of: str | None = None
    validity: bool = False
    time: int | Literal["any"] | None = None

    def __post_init__(self) -> None:
        # True would be equal to 1, and a spec for any number of frames to one for a single frame.
        if isinstance(self.time, bool):
            object.__setattr__(self, "time", "any" if self.time else None)
        groups = self.groups
        if not isinstance(groups, list | tuple) or not all(
            isinstance(group, ChannelGroup) for group in groups
        ):
            raise ParameterError(
                f"`EntrySpec.groups` must be channel groups, got {shown(groups)}. "
                "EntrySpec.of_role makes an entry with the defaults of its role."
            )
        object.__setattr__(self, "groups", tuple(groups))

    @classmethod
    def of_role(
        cls,
        name: str,
        role: str,
        *,
        channels: int | Iterable[str] | None = None,
        dtype: str | None = None,
        **settings: Any,
    ) -> EntrySpec:
        """An entry of a single role, with the defaults that the role chooses.

        >>> EntrySpec.of_role("mask", "label", dtype="uint8", ignore=255).groups[0].fill
        (255.0,)

        Args:
            name: key in the record.
            role: what the values mean.
            channels: the number of channels or their names; by default the role's own number,
                or any.
            dtype: NumPy name of the dtype; by default any that the role allows.
            settings: further keys of an entry of a document: ``optional``, ``of``,
                ``validity``, ``time``, ``range``, ``invalid``, ``ignore``, ``values`` ...

        Raises:
            SpecError: with every mistake at once.
        """
        if channels is not None and not isinstance(channels, int | str):
            channels = list(channels)
        if settings.get("time") == "any":  # as the field has it; documents say true
            settings["time"] = True
        document = {"role": role, "channels": channels, "dtype": dtype, **settings}
        given = {key: v for key, v in document.items() if v is not None or key == "invalid"}
        return cls.from_dict(name, given)

    @classmethod
    def from_dict(cls, name: str, document: Mapping[str, Any]) -> EntrySpec:
        """An entry as written in a document, with one role or with groups of channels.

        Raises:
            SpecError: with every mistake at once.
        """
        # The reader builds this class, so it cannot be imported at the top.
        from ._document import read_entry

        return read_entry(name, document, f"entry {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON, without its name; the defaults of its roles are written out."""
        from ._document import write_entry

        return write_entry(self)

    # Cached because records are checked against these on every call.
    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """NumPy names of the dtypes that the array may have."""
        if self.dtype is not None:
            return (self.dtype,)
        return dtypes_for([group.traits for group in self.groups])

    @cached_property
    def kind(self) -> str:
        """``spatial``, ``points``, ``matrix`` or ``value``."""
        return self.groups[0].traits.kind

    def image_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one image, (H, W, C) or (H, W), from that of the array of a record.

        >>> EntrySpec.of_role("video", "intensity", channels=3, time=True).image_shape((8, 4, 6, 3))
        (4, 6, 3)
        """
        return shape if self.time is None else shape[1:]

    @property
    def role(self) -> str:
        """The role of an entry with a single group; several are joined by ``+``."""
        return "+".join(dict.fromkeys(group.role for group in self.groups))

    @cached_property
    def channels(self) -> int | None:
        """Total number of channels, None when any is allowed."""
        last = self.groups[-1]
        return None if last.count is None else last.start + last.count


@dataclass(frozen=True)
class CameraSpec:
    """How the camera of a record behaves under the geometry.

    Args:
        policy: ``refit`` moves the camera and refits its intrinsics; ``fixed`` keeps the
            intrinsics and deforms the coordinates; ``none`` leaves coordinate values alone.
        frame: ``camera`` or ``world``: the frame that positions and directions are in.
        mirror: ``refuse`` forbids maps that flip, which make extrinsics improper.
        refit_intrinsics: under ``none``, return refitted intrinsics all the same.
        fov_degrees: default camera: horizontal field of view over the reference picture.
        intrinsics: default camera: (fx, fy, cx, cy) in pixels of the reference picture.
    """

    policy: Literal["refit", "fixed", "none"] = "refit"
    frame: Literal["camera", "world"] = "camera"
    mirror: Literal["allow", "refuse"] = "allow"
    refit_intrinsics: bool = False
    fov_degrees: float | None = None
    intrinsics: tuple[float, float, float, float] | None = None

    @property
    def has_default(self) -> bool:
        """True when records without intrinsics still have a camera."""
        return self.fov_degrees is not None or self.intrinsics is not None


class Entries(Mapping[str, EntrySpec]):
    """An immutable, hashable mapping from entry name to `EntrySpec`, in document order."""

    def __init__(self, entries: Iterable[EntrySpec]) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._hash = hash(tuple(self._entries.values()))

    def __getitem__(self, name: str) -> EntrySpec:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> tuple[Any, ...]:
        # The hash of a string differs from one process to the next, so it must not travel.
        return Entries, (tuple(self._entries.values()),)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Entries):
            return NotImplemented
        return tuple(self._entries.values()) == tuple(other._entries.values())

    def __repr__(self) -> str:
        return f"Entries({list(self._entries.values())!r})"


def _tuples(value: object) -> object:
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
