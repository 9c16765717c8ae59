"""ChannelDropout and ModalityDropout: channels, or entries, that are not there."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..sampling import library_of
from ..spec import EntrySpec
from ..typing import Array, Key, NDArray, SpatialShape
from ._affine import uniform_index, unit_uniform
from ._base import Frame, Params, static, transform
from ._checked import flag, names, number, plain
from ._covering import Fill, counts, fill_of, seed_of
from ._ranks import ranks
from ._settings import EntryNames, Setting, setting
from ._stage_bases import Occluding, check_names


class _Whole(Occluding):
    """What is covered is covered everywhere."""

    def covers(self, params: Params, x: Array, y: Array, shape: SpatialShape) -> Array:
        """Everywhere."""
        everywhere: Array = library_of(x).ones(np.broadcast_shapes(x.shape, y.shape), bool)
        return everywhere

    def boxes(self, params: Params, x: NDArray, y: NDArray, shape: SpatialShape) -> NDArray:
        """The whole of every image."""
        count = len(jax.tree.leaves(params)[0])
        frame = np.tile([0, len(y), 0, len(x)], (count, 1))
        return np.column_stack([np.arange(count), frame]).astype(np.int32)


@transform
class ChannelDropout(_Whole):
    """Cover some channels of intensity, everywhere in the image.

    Of every image on its own, ``count`` of its intensity channels are chosen evenly. Channels of
    other roles, and images of one channel, are left alone; so are values without data.

    Args:
        count: how many channels; a pair (lo, hi) draws the number, for each image.
        fill: what they become: a number in units of the range, ``"mean"`` of the channel, or
            ``"noise"``; see `Erase`.
        entries: images to touch; None for all with more than one channel of intensity. Their
            channel counts must be declared.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: an image that would keep no channel, holds no intensity, or whose number of
            channels is not declared.

    References:
        J. Tompson et al., Efficient Object Localization Using Convolutional Networks, CVPR 2015,
        drops channels of features. albumentations' ChannelDropout, whose fill is in levels, takes
        the number from ``channel_drop_range``.
    """

    count: Setting[tuple[int, int], int | Sequence[int]] = setting(
        counts, default=1, low=0, high=1 << 16
    )
    fill: Fill = setting(fill_of, default=0.0, unit="range")
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def check(self, frame: Frame) -> None:
        """A channel must be left, and their number known."""
        super().check(frame)
        for name, entry in frame.spec.entries.items():
            intensity = any(group.role == "intensity" for group in entry.groups)
            if self.entries is not None and self.touches(name) and not intensity:
                raise ParameterError(
                    f"`ChannelDropout.entries` must name entries with role intensity, got {name!r}."
                )
            if not self.touches(name) or not intensity:
                continue
            if entry.channels is None:
                raise ParameterError(
                    f"`ChannelDropout` must know how many channels {name!r} has, "
                    "got a spec that leaves it open. Declare `channels` in the spec."
                )
            channels = len(_intensity(entry))
            if self.count[1] >= channels and (channels > 1 or self.entries is not None):
                raise ParameterError(
                    f"`ChannelDropout.count` must leave one of the {channels} channels of "
                    f"{name!r}, got {self.count[1]}. Lower it, or name other entries."
                )

    def covers_entry(self, entry: EntrySpec) -> bool:
        """Images with several channels of intensity."""
        several = entry.channels is not None and len(_intensity(entry)) > 1
        return several and self.touches(entry.name)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw entry name -> (C,) bool: the channels that are covered. And ``seed``."""
        drawn: dict[str, Any] = {}
        lo, hi = self.count
        for name, entry in frame.spec.entries.items():
            if not self.covers_entry(entry):
                continue
            places = _intensity(entry)
            own = jax.random.fold_in(key, zlib.crc32(name.encode()))
            u, *others = unit_uniform(own, 1 + len(places))
            chosen = ranks(jnp.stack(others)) < lo + uniform_index(u, hi - lo + 1)
            drawn[name] = jnp.zeros(entry.channels, bool).at[places].set(chosen)
        return {**drawn, **seed_of(self.fill, key)}

    def dropped(self, params: Params, name: str, start: int, count: int | None) -> Array | None:
        """Those that were drawn."""
        end = None if count is None else start + count
        chosen: Array = params[name][..., start:end]
        return chosen


def _intensity(entry: EntrySpec) -> NDArray:
    """The channels of intensity of an image whose number of channels is declared."""
    if entry.kind != "spatial" or entry.channels is None:
        return np.zeros(0, int)
    channels = np.arange(entry.channels)
    found = [channels[g.channel_slice()] for g in entry.groups if g.role == "intensity"]
    return np.concatenate([np.zeros(0, int), *found])


def _groups(value: Any, field_name: str) -> tuple[tuple[str, ...], ...]:
    value = (value,) if isinstance(value, str) else value
    if not isinstance(value, Sequence) or not value:
        raise ParameterError(
            f"`{field_name}` must be names of entries, or groups of them, got {value!r}."
        )
    groups = tuple(names(group, field_name) or () for group in value)
    flat = [name for group in groups for name in group]
    if not all(groups) or len(set(flat)) < len(flat):
        raise ParameterError(
            f"`{field_name}` must hold every entry once, and no group that is empty, got {value!r}."
        )
    return groups


def _probabilities(value: Any, field_name: str) -> tuple[float, ...]:
    value = plain(value)
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return tuple(number(v, field_name, low=0, high=1) for v in values)


@transform
class ModalityDropout(_Whole):
    """Cover whole entries, as if the sensor had not been there.

    Every group of entries is dropped with its probability, independently of the others, and all
    of its entries together. What their values become is said by their roles, as of `Erase`:
    intensity becomes the fill, labels their ignore value, depth, positions and normals become
    invalid; keypoints and boxes keep their places and are not visible. Values without data stay so.

    Args:
        groups: names of entries, or groups of them, such as ``["rgb", ["depth", "normals"]]``.
        probability: of each group, or one for all.
        keep_one: where all of several groups would be dropped, one of them, chosen evenly, stays.
        fill: what intensity becomes: a number in units of its range, ``"mean"`` or ``"noise"``; see
            `Erase`.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: names that the spec does not have, or that are in two groups; entries that
            have no value for what is not there.

    Example:
        >>> ModalityDropout(["rgb", ["depth", "normals"]], (0.1, 0.3)).groups
        (('rgb',), ('depth', 'normals'))

    References:
        N. Neverova et al., ModDrop: Adaptive Multi-modal Gesture Recognition, PAMI 2016.
        Pointcept's RandomDropColor and RandomDropNormal set an attribute to 0, each by itself.
    """

    groups: Setting[tuple[tuple[str, ...], ...], str | Sequence[str | Sequence[str]]] = setting(
        _groups
    )
    probability: Setting[tuple[float, ...], float | Sequence[float]] = setting(
        _probabilities, default=0.2
    )
    keep_one: bool = setting(flag, default=True)
    fill: Fill = setting(fill_of, default=0.0, unit="range")
    p: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.probability) not in (1, len(self.groups)):
            raise ParameterError(
                f"`ModalityDropout.probability` must be one number, or one for each of the "
                f"{len(self.groups)} groups, got {len(self.probability)}."
            )

    @property
    def entries(self) -> tuple[str, ...]:
        """All that may be dropped."""
        return tuple(name for group in self.groups for name in group)

    def check(self, frame: Frame) -> None:
        """Entries must be images, or tables of places in them."""
        check_names(self.owner, "groups", self.entries, frame.spec)
        for name in self.entries:
            entry = frame.spec.entries[name]
            if entry.kind != "spatial" and entry.role not in ("keypoints", "boxes"):
                raise ParameterError(
                    f"`ModalityDropout.groups` must name images, keypoints or boxes, got {name!r} "
                    f"of role {entry.role}, which has no value for what is not there."
                )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``dropped``, (groups,) bool. And ``seed``, where the fill is noise."""
        count = len(self.groups)
        *others, u = unit_uniform(key, count + 1)
        chances = np.broadcast_to(np.asarray(self.probability, np.float32), count)
        dropped = jnp.stack(others) < chances
        if self.keep_one and count > 1:
            kept = jnp.arange(count) == uniform_index(u, count)
            dropped = dropped & ~(dropped.all() & kept)
        return {"dropped": dropped, **seed_of(self.fill, key)}

    def dropped(self, params: Params, name: str, start: int, count: int | None) -> Array | None:
        """Whether the group of an entry is."""
        place = next(i for i, group in enumerate(self.groups) if name in group)
        chosen: Array = params["dropped"][..., place : place + 1]
        return chosen
