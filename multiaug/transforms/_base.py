"""What a transform is, and how its settings are checked and written down."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, NoReturn, TypeVar, dataclass_transform

import jax
import jax.numpy as jnp
import numpy as np

from .._arguments import check_argument, instance, real
from ..errors import ParameterError
from ..geometry import Map
from ..sampling import Exact
from ..spec import DataSpec
from ..statistics import Statistics, load_statistics
from ..typing import Array, Key, SpatialShape
from ._operations import Operation

Params = Mapping[str, Any]
"""What one transform drew: name -> array (or a tuple of the children's, in containers)."""

Range = tuple[float, float]
T = TypeVar("T", bound="Transform")

REGISTRY: dict[str, type[Transform]] = {}
"""Transforms by the name that JSON pipelines use."""


class Frame(NamedTuple):
    """What a transform may know when it draws.

    Args:
        shape: (height, width) of the reference frame where the transform stands.
        spec: the pipeline's spec.
    """

    shape: SpatialShape
    spec: DataSpec


class Target(NamedTuple):
    """What a photometric transform may know of the values it changes.

    Args:
        name: the entry.
        start: first channel of the group in its entry.
        range: (lo, hi), the values that black and white stand for; numbers, or scalar arrays
            after a transform that changes them and need not run.
        valid: bool, broadcastable to the values; None when all are.
        channels: of the group, also where the values come as (h, w * c, 1); None where it is
            that of the values.
    """

    name: str
    start: int
    range: Range
    valid: Array | None
    channels: int | None = None

    @property
    def extent(self) -> float:
        """From black to white."""
        return self.range[1] - self.range[0]

    def mean(self, values: Array) -> Array:
        """The mean of values (h, w, c) over all valid pixels and channels, float32."""
        if self.valid is None:
            return values.mean()
        valid = jnp.broadcast_to(self.valid, values.shape)
        count = jnp.maximum(valid.sum(), 1).astype(jnp.float32)
        mean: Array = jnp.where(valid, values, 0).sum() / count
        return mean


class Transform(ABC):
    """A frozen description of one operation; draws its parameters, never stores them."""

    document_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """What JSON documents mean that lack a setting, where that is not the default of the class:
    they keep the meaning that they had when they were written."""

    @property
    def owner(self) -> str:
        """The name used in errors and JSON."""
        return type(self).__name__

    @property
    def chance(self) -> float:
        """The probability that a pipeline runs it: the keyword ``p``, where it has that."""
        return self.p if _has_chance(self) else 1.0  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        """The call that makes it, without what is left at its default."""
        return f"{self.owner}({', '.join(_arguments(self))})"

    def check(self, frame: Frame) -> None:
        """Refuse, eagerly, a frame or a spec that this transform cannot work on.

        Raises:
            ParameterError: the settings do not fit the frame.
        """
        return

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The frame after the transform."""
        return shape

    @abstractmethod
    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw the parameters of one record."""


class Geometric(Transform):
    """A transform that moves pixels. Neighbouring ones fuse into one map."""

    mirrors = False
    """Some draw turns left into right."""
    dense = False
    """Displaces pixels by a field: no camera explains it."""
    projective = False
    """The matrix may have perspective: only known intrinsics explain it."""

    @property
    def exact(self) -> Exact:
        """``anywhere`` if every draw is a copy of pixels; ``window`` if of an upright window."""
        return ""

    @property
    def lowpass(self) -> bool:
        """Asks for antialiasing."""
        return bool(getattr(self, "antialias", False))

    def min_scale(self, shape: SpatialShape) -> tuple[float, float]:
        """(x, y): the least magnification that can be drawn."""
        return 1.0, 1.0

    def given_scale(self, shape: SpatialShape) -> float:
        """The least magnification of a matrix that was given; 1 when there is none."""
        return 1.0

    @abstractmethod
    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The map that the parameters stand for, on a frame of this shape."""


class Photometric(Transform):
    """A transform of intensity values; one that works pixel by pixel runs behind the geometry.

    See `footprint` for all others, which stand where they are declared.

    Subclasses have a field ``entries``: names of the entries it touches, None for all that hold
    intensity channels.
    """

    entries: tuple[str, ...] | None
    by_channel = False
    """True when channels are treated differently. Otherwise values may come as (h, w * c, 1)."""
    keeps_dtype = True
    """False when the result is float32 whatever came in."""
    footprint: Literal["point", "stencil", "statistic", "noise"] = "point"
    """What a new value depends on: the old one alone, its neighbours, all values of the image, or
    chance. All but ``point`` stand where they were declared: geometry behind them is a second
    resample, while the others are done behind the geometry that follows them."""

    @property
    def uses_range(self) -> bool:
        """True when the result depends on what values are black and white."""
        return False

    @property
    def described(self) -> bool:
        """It says what it does by `operations`; then batches on CPUs run it in C."""
        return type(self).operations is not Photometric.operations

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """What is done to the values of one channel group, step by step.

        Which operations there are must not depend on the params: only their numbers may.
        A transform that does something else overrides `apply`, and `invert` where it can.
        """
        raise NotImplementedError(f"{self.owner} must have `operations`, or `apply` of its own.")

    def check(self, frame: Frame) -> None:
        """Refuse entries that the spec does not have, or that hold no intensity."""
        for name in self.entries or ():
            entry = frame.spec.entries.get(name)
            if entry is None or all(group.role != "intensity" for group in entry.groups):
                raise ParameterError(
                    f"`{self.owner}.entries` must name entries with role intensity, got {name!r}. "
                    f"The spec has {sorted(frame.spec.entries)}."
                )

    def touches(self, name: str) -> bool:
        """True when an entry's intensity channels are changed."""
        return self.entries is None or name in self.entries

    def out_range(self, given: Range) -> Range:
        """The value range after the transform."""
        return given

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """Change the values (h, w, c) float32 of one channel group of one record."""
        for operation in self.operations(params, target):
            values = operation.apply(values, target.mean)
        return values

    def invert(self, params: Params, values: Array, target: Target) -> Array:
        """Undo `apply` on floats that were not clipped."""
        if not self.described:
            self.refuse_invert(target)
        for operation in reversed(self.operations(params, target)):
            inverse = operation.inverse()
            if inverse is None:
                self.refuse_invert(target)
            values = inverse.apply(values, target.mean)
        return values

    def refuse_invert(self, target: Target) -> NoReturn:
        """What `invert` raises where values were lost."""
        raise ParameterError(
            f"`{self.owner}` cannot be inverted on entry {target.name!r}. "
            "Leave the entry out of the call, or the transform out of the pipeline."
        )


class Finishing(Transform):
    """Works on whole batches when all others are done; draws nothing, and stands last.

    For what mixes all pixels of a record, such as whitening: a matrix that is read once for a
    batch instead of once for every record.
    """

    keeps_dtype = False

    def touches(self, name: str) -> bool:
        """True when values of an entry are changed."""
        return True

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    @abstractmethod
    def finish(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The entries that change, of a batch (leading N)."""

    @abstractmethod
    def unfinish(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Undo `finish` on whatever entries of a batch there are."""


class Step(NamedTuple):
    """A leaf transform inside containers: runs where ``on`` is True, always when it is None."""

    transform: Transform
    params: Params
    on: Array | None


class Container(Transform):
    """A transform made of others."""

    @property
    @abstractmethod
    def children(self) -> tuple[Transform, ...]:
        """The transforms inside, in order."""

    @abstractmethod
    def expand(self, params: Params) -> list[tuple[Transform, Params, Array | None]]:
        """The children as they run, each with its parameters and its condition."""


def static(default: Any = None, **kwargs: Any) -> Any:
    """A dataclass field that is part of the structure, not an array.

    Args:
        default: of the field; by keyword, for type checkers to see that there is one.
        kwargs: of `dataclasses.field`.
    """
    return field(default=default, metadata={"static": True}, **kwargs)


def derived(*, default: Any = None, static: bool = False) -> Any:
    """A field that is made from the others and no part of the settings; arrays, unless static."""
    metadata = {"derived": True, "static": static}
    return field(default=default, repr=False, compare=False, metadata=metadata)


def required() -> Any:
    """A static field without a default."""
    return field(metadata={"static": True})


def _has_chance(transform_: Any) -> bool:
    """Whether it has a keyword ``p``; a `p` that is no mere keyword is a setting of its own."""
    return any(item.name == "p" and item.kw_only for item in fields(transform_))


def always(transform_: T) -> T:
    """The transform without its chance: it runs every time."""
    made = copy.copy(transform_)
    object.__setattr__(made, "p", 1.0)
    return made


# Annotations of plain values: such a field is part of the structure, whether it says so or not.
_PLAIN = re.compile(r"(bool|int|float|str|None)(\s*\|\s*(bool|int|float|str|None))*|tuple\b.*")


@dataclass_transform(frozen_default=True, field_specifiers=(static, required, derived))
def transform(cls: type[T]) -> type[T]:
    """Class decorator: a frozen dataclass, a pytree, and known to JSON pipelines.

    Fields annotated with bool, int, float, str or tuple are static, part of what is compiled, as
    those made with `static` are; all others hold arrays, or transforms. A keyword-only field
    ``p: float = static(default=1.0, kw_only=True)`` is the probability that a pipeline runs the
    transform.
    """
    for name, annotation in vars(cls).get("__annotations__", {}).items():
        value = vars(cls).get(name, MISSING)
        text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        if not isinstance(value, Field) and _PLAIN.fullmatch(text):
            setattr(cls, name, field(default=value, metadata={"static": True}))
    checks = getattr(cls, "__post_init__", None)

    def check_fields(self: Any) -> None:
        if _has_chance(self):
            kind = real(0, 1)._replace(expected="a probability in [0, 1]")
            check_argument(f"{self.owner}.p", self.p, kind)
        if checks is not None:
            checks(self)

    cls.__post_init__ = check_fields  # type: ignore[attr-defined]
    made = jax.tree_util.register_dataclass(dataclass(frozen=True, repr=False)(cls))
    REGISTRY[cls.__name__] = made
    return made


def _arguments(transform_: Transform) -> Iterator[str]:
    """The settings that differ from their defaults, as Python."""
    for item in _settings(transform_):
        value = getattr(transform_, item.name)
        default, plain = item.default, not isinstance(value, np.ndarray | jax.Array)
        if value is default or (plain and type(value) is type(default) and value == default):
            continue
        yield f"{item.name}={_as_python(value)}"


def _as_python(value: Any) -> str:
    if isinstance(value, Statistics):
        where = "" if value.path is None else repr(value.path)
        return f"load_statistics({where})"
    if isinstance(value, np.ndarray | jax.Array) and not isinstance(value, jax.core.Tracer):
        return repr(np.asarray(value).tolist())
    if isinstance(value, tuple) and any(isinstance(part, Transform) for part in value):
        return f"[{', '.join(map(repr, value))}]"
    return repr(value)


def to_config(transform_: Transform) -> dict[str, Any]:
    """A transform as JSON-ready data; arrays become nested lists."""
    check_argument(
        "to_config.transform_", transform_, instance(Transform, "a transform", "Call its class.")
    )
    config: dict[str, Any] = {"type": transform_.owner}
    for item in _settings(transform_):
        if item.name == "p" and item.kw_only and transform_.chance == 1:
            continue  # as documents have it that were written before there was a `p`
        config[item.name] = _plain(getattr(transform_, item.name))
    return config


def _settings(transform_: Any) -> list[Any]:
    return [item for item in fields(transform_) if not item.metadata.get("derived")]


def _plain(value: Any) -> Any:
    if isinstance(value, Transform):
        return to_config(value)
    if isinstance(value, Statistics):
        return value.reference()
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | jax.Array):
        return np.asarray(value).tolist()
    return value


def from_config(config: Any, path: str = "$") -> Transform:
    """The inverse of `to_config`.

    Raises:
        ParameterError: the document names no known transform, or has wrong settings; the
            message carries the JSON path.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("type"), str):
        raise ParameterError(f'{path} must be an object with a "type", got {config!r}.')
    cls = REGISTRY.get(config["type"])
    if cls is None:
        raise ParameterError(
            f"{path}.type must name a transform, got {config['type']!r}.{_suggest(config['type'])} "
            "A transform of your own must be imported before its pipeline is read."
        )
    known = {item.name for item in _settings(cls)}
    unknown = sorted(set(config) - known - {"type"})
    if unknown:
        raise ParameterError(
            f"{path} has the setting {unknown[0]!r}, which {config['type']} does not know; "
            f"it has {', '.join(sorted(known))}."
        )
    settings = {
        name: _build(value, f"{path}.{name}") for name, value in config.items() if name != "type"
    }
    try:
        return cls(**{**cls.document_defaults, **settings})
    except (ParameterError, TypeError) as error:
        raise ParameterError(f"{path}: {error}") from error


def _build(value: Any, path: str) -> Any:
    if isinstance(value, Mapping) and set(value) == {"path", "sha256"}:
        return load_statistics(value["path"], sha256=value["sha256"])
    if isinstance(value, Mapping):
        return from_config(value, path)
    if isinstance(value, list):
        return tuple(_build(item, f"{path}[{i}]") for i, item in enumerate(value))
    return value


def _suggest(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, REGISTRY, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
