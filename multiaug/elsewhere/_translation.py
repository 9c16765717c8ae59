"""What a translation gives, and the context that it is made in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ParameterError
from ..pipeline import Pipeline
from ..spec import ChannelGroup, DataSpec
from ..transforms import Maybe, Rot90, Transform


@dataclass(frozen=True)
class Translation:
    """A pipeline that was described by another library.

    Args:
        pipeline: the translated pipeline.
        differences: whole sentences, each naming a transform and what it means there and here.
    """

    pipeline: Pipeline
    differences: tuple[str, ...]

    def __str__(self) -> str:
        lines = [str(self.pipeline), "", "What differs in meaning:" if self.differences else ""]
        return "\n".join([*lines, *(f"- {sentence}" for sentence in self.differences)]).rstrip()


@dataclass
class Context:
    """What every transform of a description is read with.

    Args:
        library: its name.
        spec: of the records.
        size: (height, width) that settings in pixels are meant for; None where it is not known.
        skip: names of transforms to leave out.
        major: the first number of the library's version.
        scaled: values have been brought to 0 .. 1.
        last: transforms that stand behind all others.
        differences: sentences so far.
        skipped: names that were left out.
    """

    library: str
    spec: DataSpec
    size: tuple[int, int] | None
    skip: frozenset[str]
    major: int = 2
    scaled: bool = False
    last: list[Transform] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)

    def differs(self, sentence: str) -> None:
        """Say a difference, once."""
        if sentence not in self.differences:
            self.differences.append(sentence)

    def leaves_out(self, name: str) -> bool:
        """Whether a transform is to be left out; then this is said."""
        if name not in self.skip:
            return False
        self.skipped.add(name)
        self.differs(f"{name}: left out, as `skip` says.")
        return True

    def groups(self, role: str) -> list[tuple[str, ChannelGroup]]:
        """(entry name, channel group) of a role."""
        return [
            (name, group)
            for name, entry in self.spec.entries.items()
            for group in entry.groups
            if group.role == role
        ]

    def images(self) -> tuple[str, ...]:
        """The entries that hold intensity."""
        return tuple(dict.fromkeys(name for name, _ in self.groups("intensity")))

    def values_of(self, name: str, group: ChannelGroup) -> tuple[float, float]:
        """What black and white are in an entry, as far as the spec says."""
        if group.range is not None:
            return group.range
        dtype = self.spec.entries[name].dtype
        return (0.0, {"uint8": 255.0, "uint16": 65535.0}.get(dtype or "uint8", 1.0))

    def finish(self, transforms: list[Transform]) -> Translation:
        """The pipeline, once all names in `skip` have been met.

        Raises:
            ParameterError: there is nothing that has such a name.
        """
        if unmet := sorted(self.skip - self.skipped):
            raise ParameterError(
                f"`skip` names {unmet}, and the {self.library} pipeline has no such transform."
            )
        if transforms:
            self.differs(
                f"All: the distributions are those of {self.library} but for what is said here; "
                "the numbers that are drawn are not, because each record draws from its own key."
            )
            self.differs(
                "All: neighbouring geometry is one resample, and integers are rounded once, in the "
                f"end; {self.library} resamples, and rounds or cuts to whole levels, in each."
            )
        pipeline = Pipeline([*transforms, *self.last], self.spec)
        return Translation(pipeline, tuple(self.differences))


def with_chance(transforms: list[Transform], p: float) -> list[Transform]:
    """What one transform became, with its probability."""
    if len(transforms) == 1 and hasattr(transforms[0], "p"):
        one: Any = transforms[0]
        return [replace(one, p=p)]
    return in_container(transforms, p)


def in_container(transforms: list[Transform], p: float) -> list[Transform]:
    """Transforms with probabilities of their own, which run with that of a container."""
    if p == 1 or not transforms:
        return transforms
    return [Maybe(transforms, p)]


def kept(
    children: Sequence[list[Transform] | None], chances: Sequence[float]
) -> tuple[list[Transform], list[float], float]:
    """Choices, how likely each is in proportion, and how likely it is that one of them is run.

    What does nothing is no choice here: its chance is that of no run at all. What was left out
    takes no part.

    Args:
        children: what each is; None where it was left out.
        chances: of all of them, in proportion.
    """
    found = [(as_one(one), c) for one, c in zip(children, chances, strict=True) if one]
    total = sum(c for one, c in zip(children, chances, strict=True) if one is not None)
    share = sum(c for _, c in found) / total if total else 0.0
    return [one for one, _ in found], [c for _, c in found], share


def as_one(transforms: list[Transform]) -> Transform:
    """Several transforms as one child of a container, all of which run; none as what stays."""
    if not transforms:
        return Rot90(0)
    return transforms[0] if len(transforms) == 1 else Maybe(transforms, 1.0)


def forced(transforms: list[Transform]) -> list[Transform]:
    """Transforms that were chosen, and therefore run."""
    if len(transforms) != 1:
        return transforms
    (one,) = transforms
    if isinstance(one, Maybe):
        return list(one.transforms)
    return with_chance(transforms, 1.0)


def of(library: str) -> str:
    """Whose transform it is, in a sentence."""
    return f"{library}'" if library.endswith("s") else f"{library}'s"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names)
