"""Fields of transforms that are checked and converted, and can be listed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

from ..typing import SpatialShape

Range = tuple[float, float]

Kept = TypeVar("Kept", covariant=True)
Given = TypeVar("Given", contravariant=True)


class Setting(Generic[Kept, Given]):
    """The type of a field that is converted: what it is read as, and what it may be given as.

    Type checkers read it as a descriptor, so that ``Rotate(30)`` is right, ``Rotate("x")`` is
    wrong, and ``Rotate(30).degrees`` is a pair. While a program runs the field is an ordinary one.
    """

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> Any: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> Kept: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: Given) -> None: ...


Ranged = Setting[Range, float | Sequence[float]]
"""A pair of numbers; a single one stands for a pair."""
Sized = Setting[SpatialShape, int | Sequence[int]]
"""(height, width); a single int stands for both."""
EntryNames = Setting[tuple[str, ...] | None, str | Sequence[str] | None]
"""Names of entries; None is all."""


class Rule(NamedTuple):
    """How a field is checked and converted.

    Args:
        converter: (value, name of the field, **options) -> what is kept; converts what it returned
            to the same.
        options: of the converter, such as its limits.
        unit: what the numbers count.
    """

    converter: Callable[..., Any]
    options: Mapping[str, Any]
    unit: str

    def __call__(self, value: Any, name: str) -> Any:
        """What is kept of a value; raises ParameterError."""
        return self.converter(value, name, **self.options)


class SettingInfo(NamedTuple):
    """What is known of a setting; see `Transform.settings`.

    Args:
        annotation: its type, as it is written.
        default: what it is when nothing is given; `dataclasses.MISSING` where something must be.
        unit: what its numbers count; empty where it is not said.
        low: the least number.
        high: the greatest.
        options: the words it is one of; empty where it is no word.
    """

    annotation: str
    default: Any
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Such as ``Ranged in [-75, 75] degrees, required``."""
        text = f"one of {', '.join(self.options)}" if self.options else self.annotation
        if math.isfinite(self.low) or math.isfinite(self.high):
            text += f" in [{self.low:g}, {self.high:g}]"
        text += f" {self.unit}" if self.unit else ""
        return f"{text}, " + (
            "required" if self.default is MISSING else f"default {self.default!r}"
        )


def setting(
    converter: Callable[..., Any],
    *,
    default: Any = MISSING,
    unit: str = "",
    static: bool = True,
    kw_only: bool = False,
    was: str = "",
    **options: Any,
) -> Any:
    """A field that is checked and converted when a transform is made.

    Args:
        converter: called with the value, the name of the field for errors (`Type.field`), and the
            options; returns what is kept. What it has returned must pass through unchanged, because
            JAX makes transforms anew.
        default: converted likewise; None stays None. Without it the field must be given.
        unit: what the numbers count, for `Transform.settings`.
        static: part of what is compiled; False for arrays and other transforms.
        kw_only: given by keyword only.
        was: the name that it had in the last release; it is understood, with a warning.
        options: of the converter, such as its limits ``low`` and ``high``.

    Example:
        >>> from multiaug.transforms import Ranged, converters, setting
        >>> class Tilt:
        ...     degrees: Ranged = setting(converters.symmetric, low=-45, high=45, unit="degrees")
    """
    metadata = {"static": static, "rule": Rule(converter, options, unit), "was": was}
    given: dict[str, Any] = {} if default is MISSING else {"default": default}
    return field(metadata=metadata, kw_only=kw_only, **given)


def convert_default(item: Field[Any], name: str) -> None:
    """Convert the default of a field that has a rule, before a dataclass is made of it."""
    if item.default is not MISSING and item.default is not None:
        item.default = item.metadata["rule"](item.default, name)


def converted(item: Field[Any], value: Any, name: str) -> Any:
    """What a field with a rule keeps of a value."""
    absent = value is None and item.default is None
    return None if absent else item.metadata["rule"](value, name)


def described(item: Field[Any]) -> SettingInfo:
    """What is known of a field."""
    rule = item.metadata.get("rule", Rule(lambda *_: None, {}, ""))
    limits = {name: rule.options[name] for name in ("low", "high") if name in rule.options}
    options = tuple(rule.options.get("options", ()))
    text = item.type if isinstance(item.type, str) else getattr(item.type, "__name__", "")
    return SettingInfo(text, item.default, rule.unit, options=options, **limits)
