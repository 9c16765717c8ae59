"""RandAugment, TrivialAugment and AutoAugment: operations that are drawn, with magnitudes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..spec import DataSpec
from ..typing import Array, Key
from ._affine import uniform_index, unit_uniform
from ._base import Container, Frame, Params, Photometric, Transform, static, transform
from ._checked import choice, flag, names, pair, plain, whole
from ._containers import Expanded
from ._policy_operations import (
    CODES,
    MEANT,
    OPERATIONS,
    STANDARD,
    WIDE,
    Child,
    Drawn,
    Slot,
    Space,
    children_of,
    left_out,
    magnitudes,
    operation_names,
    reach,
    signs,
    tell_left_out,
)
from ._policy_tables import TABLES, table_of
from ._settings import EntryNames, Setting, setting

# Every place holds a table of its magnitudes.
_MOST_BINS = 1024
_USUAL = tuple(name for name in OPERATIONS if name != "Invert")
Names = Setting[tuple[str, ...] | None, str | Sequence[str] | None]


def whole_between(value: Any, field_name: str, *, low: int, high: int) -> int:
    """An int within [low, high]."""
    found = whole(value, field_name, low=low)
    if found > high:
        raise ParameterError(
            f"`{field_name}` must be a whole number in [{low}, {high}], got {value!r}."
        )
    return found


def _levels(value: Any, field_name: str) -> tuple[int, int]:
    given = plain(value)
    both = given if isinstance(given, tuple | list) else (given, given)
    lo, hi = pair([whole(level, field_name, low=0) for level in both], field_name)
    return int(lo), int(hi)


class _Rule(NamedTuple):
    """What the transforms of a policy depend on.

    Args:
        slots: how many operations run one after the other.
        operations: those that there are.
        space: what their magnitudes mean.
        bins: how many magnitudes there are.
        most: the greatest that is drawn, counted from 0.
        clip: see `RandAugment`.
        entries: likewise.
        one_resample: likewise.
    """

    slots: int
    operations: tuple[str, ...]
    space: Space
    bins: int
    most: int
    clip: bool
    entries: tuple[str, ...] | None
    one_resample: bool


class _Place(NamedTuple):
    """A slot among the children of a policy: which it is, and which of its transforms it has."""

    slot: Slot
    at: int
    begin: int
    end: int


def _members(rule: _Rule) -> tuple[Child, ...]:
    most = reach(rule.space, rule.bins, rule.most)
    return children_of(rule.operations, rule.space, most, rule.clip, rule.entries)


@lru_cache(maxsize=64)
def _places(rule: _Rule) -> tuple[_Place, ...]:
    members = _members(rule)
    count = len(members)
    if not rule.one_resample:
        return tuple(_Place(Slot(members), k, 0, count) for k in range(rule.slots))
    moving = sum(not isinstance(member.transform, Photometric) for member in members)
    parts = [(0, moving), (moving, count)]
    return tuple(
        _Place(Slot(members[begin:end]), k, begin, end)
        for begin, end in parts
        for k in range(rule.slots)
        if begin < end
    )


class Policy(Container):
    """Slots, one behind the other, in each of which one operation runs."""

    entries: Any  # a tuple of names, or None
    in_order = True

    @property
    @abstractmethod
    def _rule(self) -> _Rule:
        """What its transforms depend on."""

    @property
    def children(self) -> tuple[Transform, ...]:
        """The slots, as they run."""
        return tuple(place.slot for place in _places(self._rule))

    def check(self, frame: Frame) -> None:
        """Some operation must be left; those that the spec has nothing for are named once."""
        Photometric.check(self, frame)  # type: ignore[arg-type]
        missing = self._left_out(frame.spec)
        tell_left_out(self.owner, self._rule.operations, missing, frame, self._remedy)

    _remedy = MEANT

    def _left_out(self, spec: DataSpec) -> dict[str, str]:
        return left_out(self._rule.operations, spec, self.entries)

    def _legal(self, frame: Frame) -> tuple[str, ...]:
        missing = self._left_out(frame.spec)
        return tuple(name for name in self._rule.operations if name not in missing)

    def _drawn(self, frame: Frame, operation: Array, level: Array, negative: Array) -> Params:
        """Params from what the slots have drawn, (slots,) each."""
        rule = self._rule
        sizes = jnp.asarray(magnitudes(rule.space, rule.bins))[operation, level]
        turned = negative & jnp.asarray(signs())[operation]
        magnitude = jnp.where(turned, -sizes, sizes)
        slots = [Drawn(operation[k], magnitude[k], rule.space, frame) for k in range(rule.slots)]
        children = tuple(tuple(m.params(slot) for m in _members(rule)) for slot in slots)
        return {"operation": operation, "magnitude": magnitude, "children": children}

    def expand(self, params: Params) -> Expanded:
        """Every slot, with what it has drawn."""
        return [
            (
                place.slot,
                {
                    "operation": params["operation"][..., place.at],
                    "children": params["children"][place.at][place.begin : place.end],
                },
                None,
            )
            for place in _places(self._rule)
        ]


class _Chosen(Policy):
    """A policy whose operations are all as likely, in every slot."""

    ops: Any

    def _choose(self, key: Key, frame: Frame, low: int, high: int) -> Params:
        slots, legal = self._rule.slots, self._legal(frame)
        u = jnp.stack(unit_uniform(jax.random.fold_in(key, 0), 3 * slots)).reshape(3, slots)
        codes = jnp.array([CODES[name] for name in legal], jnp.int32)
        operation = codes[uniform_index(u[0], len(legal))]
        level = low + uniform_index(u[1], high - low + 1)
        return self._drawn(frame, operation, level, u[2] < 0.5)


@transform
class RandAugment(_Chosen):
    """Some operations one after the other, each drawn evenly, all of one magnitude.

    The operations are those of the paper and of torchvision: Identity, ShearX, ShearY, TranslateX,
    TranslateY, Rotate, Brightness (`Gain`), Color (`Saturation`), Contrast, Sharpness, Posterize,
    Solarize, AutoContrast, Equalize; Invert on request. Geometry moves every entry of the record;
    values are those of intensity channels alone. What the spec has nothing for is not drawn, and
    is named once: Color needs channels named r, g and b. Contrast is about the mean of grey where
    there are such channels, else about that of the channel group.

    At magnitude m of n bins, with s = m / (n - 1): shears by the tangent 0.3 s, keeping the upper
    left corner; shifts by whole pixels, 150 / 331 s of the side; turns by 30 s degrees; factors
    1 + 0.9 s; posterizing to 8 - 4 s bits; solarizing from 1 - s of the value range on. Signs are
    drawn, where there are two. torchvision interpolates by nearest, and clips and rounds to bytes
    behind each operation: here entries are interpolated and filled as their spec says, and
    ``clip=True`` clips.

    Args:
        num_ops: how many run, 1 to 8; the same may run again.
        magnitude: m, a whole number below ``num_magnitude_bins``; a pair (lo, hi) draws it, for
            each operation.
        num_magnitude_bins: n, from 2 to 1024.
        ops: names of those to draw from; None for all but Invert.
        one_resample: move first, by all geometry that was drawn, then change values: one resample
            in place of ``num_ops``. It is another policy: no value is changed before a move.
        clip: clip values to their range behind each operation.
        entries: entries whose values change; None for all with intensity. Geometry moves all.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: numbers out of range, unknown operations, or none that the spec has
            something for.

    References:
        E. D. Cubuk et al., RandAugment, NeurIPS 2020.

    Example:
        >>> RandAugment(2, 9).magnitude
        (9, 9)
    """

    num_ops: int = setting(whole_between, default=2, low=1, high=8)
    magnitude: Setting[tuple[int, int], int | Sequence[int]] = setting(_levels, default=9)
    num_magnitude_bins: int = setting(whole_between, default=31, low=2, high=_MOST_BINS)
    ops: Names = setting(operation_names, default=None, options=OPERATIONS)
    one_resample: bool = setting(flag, default=False)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if self.magnitude[1] >= self.num_magnitude_bins:
            raise ParameterError(
                f"`RandAugment.magnitude` must be below num_magnitude_bins, "
                f"{self.num_magnitude_bins}, got {self.magnitude[1]}."
            )

    @property
    def _rule(self) -> _Rule:
        return _Rule(
            self.num_ops,
            self.ops or _USUAL,
            STANDARD,
            self.num_magnitude_bins,
            self.magnitude[1],
            self.clip,
            self.entries,
            self.one_resample,
        )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``operation``, (n,) int32, ``magnitude``, (n,) float32, and the ``children``."""
        return self._choose(key, frame, *self.magnitude)


@transform
class TrivialAugment(_Chosen):
    """One operation, drawn evenly, of a magnitude drawn evenly: TrivialAugment Wide.

    The operations are those of `RandAugment`, with wider ranges at s from 0 to 1: shears by the
    tangent 0.99 s, shifts by 32 s pixels, turns by 135 s degrees, factors 1 + 0.99 s, posterizing
    to 8 - 6 s bits.

    Args:
        num_magnitude_bins: how many magnitudes there are, from 2 to 1024.
        ops: as in `RandAugment`.
        clip: clip values to their range.
        entries: entries whose values change; None for all with intensity. Geometry moves all.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: as `RandAugment`.

    References:
        S. G. Mueller and F. Hutter, TrivialAugment, ICCV 2021; torchvision's TrivialAugmentWide.
    """

    num_magnitude_bins: int = setting(whole_between, default=31, low=2, high=_MOST_BINS)
    ops: Names = setting(operation_names, default=None, options=OPERATIONS)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    @property
    def _rule(self) -> _Rule:
        operations, bins = self.ops or _USUAL, self.num_magnitude_bins
        return _Rule(1, operations, WIDE, bins, bins - 1, self.clip, self.entries, False)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``operation``, (1,) int32, ``magnitude``, (1,) float32, and the ``children``."""
        return self._choose(key, frame, 0, self.num_magnitude_bins - 1)


@transform
class AutoAugment(Policy):
    """One of 25 learned pairs of operations, each with its probability and its magnitude.

    Operations and magnitudes are those of `RandAugment`, with 10 bins, and Invert. An operation
    that the spec has nothing for does not run; its pair is drawn all the same.

    Args:
        policy: which table: "imagenet", "cifar10" or "svhn".
        one_resample: as in `RandAugment`.
        clip: clip values to their range behind each operation.
        entries: entries whose values change; None for all with intensity. Geometry moves all.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: another policy, or a spec without anything to change.

    References:
        E. D. Cubuk et al., AutoAugment, CVPR 2019, whose tables these are.
    """

    policy: str = setting(choice, default="imagenet", options=tuple(TABLES))
    one_resample: bool = setting(flag, default=False)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    _remedy = "The pairs that they are in do without them."

    @property
    def _rule(self) -> _Rule:
        used = {OPERATIONS[code] for code in table_of(self.policy)[0].ravel()}
        operations = tuple(name for name in OPERATIONS if name in used)
        return _Rule(2, operations, STANDARD, 10, 9, self.clip, self.entries, self.one_resample)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``operation``, (2,) int32, ``magnitude``, (2,) float32, and the ``children``."""
        u = jnp.stack(unit_uniform(jax.random.fold_in(key, 0), 5))
        codes, chances, levels = (jnp.asarray(part) for part in table_of(self.policy))
        which = uniform_index(u[0], len(codes))
        legal = np.isin(OPERATIONS, self._legal(frame))
        on = (u[1:3] < chances[which]) & jnp.asarray(legal)[codes[which]]
        operation = jnp.where(on, codes[which], CODES["Identity"])
        return self._drawn(frame, operation, levels[which], u[3:5] < 0.5)
