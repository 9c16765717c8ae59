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

from .._arguments import check_argument, real
from .._pytrees import register_dataclass
from ..errors import ParameterError, old_arguments, old_attribute
from ..geometry import Map
from ..spec import DataSpec
from ..statistics import Statistics
from ..typing import Array, Key, SpatialShape
from ._operations import Operation, at_time
from ._settings import Range, SettingInfo, convert_default, converted, described, setting

Params = Mapping[str, Any]
"""What one transform drew: name -> array (or a tuple of the children's, in containers)."""

T = TypeVar("T", bound="Transform")

_WIDTH = 88

REGISTRY: dict[str, type[Transform]] = {}
"""Transforms by the name that JSON pipelines use."""


class Frame(NamedTuple):
    """What a transform may know when it draws.

    Args:
        shape: (height, width) of the reference frame where the transform stands.
        spec: the pipeline's spec.
        record: the entries that the transform declares to read (`Transform.reads`), of one record,
            as they are where its stage begins; empty for all others.
    """

    shape: SpatialShape
    spec: DataSpec
    record: Mapping[str, Any] = MappingProxyType({})


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
        names: of its channels, where the spec names them.
        time: () uint32, which frame of an entry with time the values are of, counted from 0; None
            for entries without. What is drawn for a record is the same for all of its frames: who
            makes noise of it takes the frame into account.
        invalid: what stands for values without data: a number, "nan", or None, where all have data.
    """

    name: str
    start: int
    range: Range
    valid: Array | None
    channels: int | None = None
    names: tuple[str, ...] = ()
    time: Array | None = None
    invalid: float | str | None = None

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

    reads: ClassVar[frozenset[str]] = frozenset()
    """Roles, or names of entries, that `sample` looks at in ``frame.record``."""
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

    @classmethod
    def settings(cls) -> dict[str, SettingInfo]:
        """Its settings by name: their types, defaults, limits and units.

        Example:
            >>> import multiaug as ma
            >>> print(ma.Shear.settings()["degrees"].unit, ma.Flip.settings()["axis"])
            degrees one of x, y, default 'x'
        """
        return {item.name: described(item) for item in settings_of(cls)}

    def __repr__(self) -> str:
        """The call that makes it, without what is left at its default."""
        return f"{self.owner}({', '.join(_arguments(self))})"

    def as_python(self, indent: int = 0) -> str:
        """The same call, broken into lines where it is longer than a line of code.

        Args:
            indent: how far the first line stands to the right; those below stand there, too.
        """
        text = repr(self)
        if indent + len(text) <= _WIDTH:
            return text
        inner = indent + 4
        lines = "".join(f"{' ' * inner}{item},\n" for item in _arguments(self, inner))
        return f"{self.owner}(\n{lines}{' ' * indent})"

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

    entries: Any  # a tuple of names, or None
    by_channel: bool | None = None
    """True when channels are treated differently. False when all values are treated alike, so that
    they may come as (h, w * c, 1), which is faster. None, the default: an `apply` of one's own gets
    them as (h, w, c), and of `operations` it is known."""
    keeps_dtype = True
    """False when the result is float32 whatever came in."""
    footprint: Literal["point", "place", "stencil", "statistic", "noise"] = "point"
    """What a new value depends on: its own pixel alone, the place of that, its neighbours, all
    values of the image, or chance. All but ``point`` stand where they were declared: geometry
    behind them is a second resample, while the others are done behind the geometry that follows
    them."""

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
        return bool(self.entries is None or name in self.entries)

    def out_range(self, given: Range) -> Range:
        """The value range after the transform."""
        return given

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """Change the values (h, w, c) float32 of one channel group of one record."""
        for operation in self.operations(params, target):
            values = at_time(operation, target.time).apply(values, target.mean)
        return values

    def rearranged(self, params: Params, values: Array, target: Target) -> Array:
        """Values of any dtype where the transform has moved them, or lost them; most do not.

        What moves values takes pixels without data along with it: it gets the values as they came
        in, and a mask of those that have data, bool, besides `apply`. XLA runs such transforms.
        """
        return values

    def invert(self, params: Params, values: Array, target: Target) -> Array:
        """Undo `apply` on floats that were not clipped."""
        if not self.described:
            self.refuse_invert(target)
        for operation in reversed(self.operations(params, target)):
            inverse = at_time(operation, target.time).inverse()
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

    in_order: ClassVar[bool] = False
    """Its steps keep their order whatever is drawn."""
    exclusive: ClassVar[bool] = False
    """No record gets both geometry and values that have to stand behind it or before it."""

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


_CHANCE = real(0, 1)._replace(expected="a probability in [0, 1]")


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


def _spelled(annotation: Any) -> str:
    """An annotation as it stands in the code, where that does not keep annotations as text."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


@dataclass_transform(frozen_default=True, field_specifiers=(setting, static, required, derived))
def transform(cls: type[T]) -> type[T]:
    """Class decorator: a frozen dataclass, a pytree, and known to JSON pipelines.

    Fields annotated with bool, int, float, str or tuple are static, part of what is compiled, as
    those made with `static` or `setting` are; all others hold arrays, or transforms. Fields made
    with `setting` are converted before ``__post_init__``. A keyword-only field
    ``p: float = static(default=1.0, kw_only=True)`` is the probability that a pipeline runs the
    transform.

    Raises:
        ParameterError: another transform has the name of the class. The same class defined again,
            as when a notebook cell is run twice, takes the place of the first.
    """
    for name, annotation in vars(cls).get("__annotations__", {}).items():
        value = vars(cls).get(name, MISSING)
        text = annotation if isinstance(annotation, str) else _spelled(annotation)
        if not isinstance(value, Field) and _PLAIN.fullmatch(text):
            setattr(cls, name, field(default=value, metadata={"static": True}))
        elif isinstance(value, Field) and "rule" in value.metadata:
            convert_default(value, f"{cls.__name__}.{name}")
    _refuse_namesake(cls)
    checks = getattr(cls, "__post_init__", None)

    ruled: list[Field[Any]] = []  # found once: JAX makes transforms anew whenever it looks at them

    def check_fields(self: Any) -> None:
        owner = type(self).__name__
        if has_chance:
            check_argument(f"{owner}.p", self.p, _CHANCE)
        for item in ruled:
            kept = converted(item, getattr(self, item.name), f"{owner}.{item.name}")
            object.__setattr__(self, item.name, kept)
        if checks is not None:
            checks(self)

    cls.__post_init__ = check_fields  # type: ignore[attr-defined]
    made = register_dataclass(dataclass(frozen=True, repr=False)(cls))
    has_chance = _has_chance(made)
    ruled += [item for item in fields(made) if "rule" in item.metadata]  # type: ignore[arg-type]
    if old := old_settings(made):
        made.__init__ = old_arguments(**old)(made.__init__)  # type: ignore[method-assign]
        for was, now in old.items():
            setattr(made, was, old_attribute(made.__name__, was, now))
    REGISTRY[cls.__name__] = made
    return made


def _refuse_namesake(cls: type[Transform]) -> None:
    earlier = REGISTRY.get(cls.__name__)
    if earlier is None or _defined_at(earlier) == _defined_at(cls):
        return
    raise ParameterError(
        f"The transform {_defined_at(cls)} has the name of one that is registered, "
        f"{_defined_at(earlier)}, and documents of pipelines tell transforms apart by their names. "
        "Give it another name."
    )


def _defined_at(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _arguments(transform_: Transform, indent: int | None = None) -> Iterator[str]:
    """The settings that differ from their defaults, as Python; in lines, given an indent."""
    for item in settings_of(transform_):
        value = getattr(transform_, item.name)
        default, plain = item.default, not isinstance(value, np.ndarray | jax.Array)
        if value is default or (plain and type(value) is type(default) and value == default):
            continue
        if indent is not None and _has_transforms(value):
            inner = indent + 4
            lines = "".join(f"{' ' * inner}{part.as_python(inner)},\n" for part in value)
            yield f"{item.name}=[\n{lines}{' ' * indent}]"
        else:
            yield f"{item.name}={_as_python(value)}"


def _as_python(value: Any) -> str:
    if isinstance(value, Statistics):
        where = "" if value.path is None else repr(value.path)
        return f"load_statistics({where})"
    if isinstance(value, np.ndarray | jax.Array) and not isinstance(value, jax.core.Tracer):
        return repr(np.asarray(value).tolist())
    if _has_transforms(value):
        return f"[{', '.join(map(repr, value))}]"
    return repr(value)


def _has_transforms(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(part, Transform) for part in value)


def old_settings(cls: Any) -> dict[str, str]:
    """Names that settings had in the last release -> their names."""
    was = {item.metadata.get("was", ""): item.name for item in fields(cls)}
    return {old: name for old, name in was.items() if old}


def settings_of(transform_: Any) -> list[Any]:
    """The fields of a transform, or of its class, that are given and not made from others."""
    return [item for item in fields(transform_) if not item.metadata.get("derived")]
