"""A pipeline as a program: an ordered tuple of stages, in which declared order is the meaning.

Neighbouring geometric transforms and the value transforms among them are one stage, a run: one map,
one resample, and the values behind it. A value transform that looks at more than one pixel, noise,
an occlusion, a mix or a derivation stands where it was declared, and geometry behind it begins
another run. A container whose children belong to several stages takes part in all of them, with the
same draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from ...errors import ParameterError
from ...spec import DataSpec
from ...transforms import (
    Altering,
    Container,
    Deriving,
    Finishing,
    ForEntries,
    Frame,
    Geometric,
    Mixing,
    Occluding,
    Params,
    Photometric,
    Transform,
)
from ...typing import Array, Key, SpatialShape
from ._spec_after import spec_after
from ._structure import check_frames, leaves, out_shape

Kind = Literal["warp", "occlude", "mix", "alter", "derive"]
OTHERS: tuple[Kind, ...] = ("occlude", "mix", "alter", "derive")
"""The kinds of stages that are no runs of warps and values."""


class Stage(NamedTuple):
    """Neighbouring transforms that run as one.

    Args:
        kind: ``warp`` is a run of warps and values.
        transforms: a part of the pipeline's.
        first: the position of the first of them in the pipeline, which its draws depend on.
        spec: of the entries that take part, as they come in.
        frame: (H, W) of the reference image before the stage.
        out_frame: and behind it.
        whole: the spec of all entries.
    """

    kind: Kind
    transforms: tuple[Transform, ...]
    first: int
    spec: DataSpec
    frame: SpatialShape
    out_frame: SpatialShape
    whole: DataSpec

    def spec_after(self, dtypes: Mapping[str, np.dtype[Any]], source: SpatialShape) -> DataSpec:
        """The spec of all entries behind the stage; see `spec_after`."""
        before = source if self.kind == "warp" else None
        after = spec_after(self.transforms, self.spec, dtypes, source=before)
        if self.spec is self.whole:
            return after
        entries = {**self.whole.entries, **after.entries}
        camera = self.whole.camera
        if self.spec.camera.has_default:
            camera = after.camera
        return DataSpec(self.whole.name, list(entries.values()), camera, self.whole.description)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Part(Container):
    """Some neighbouring steps of a container, which draws as a whole.

    Args:
        whole: the container.
        begin: the first of its steps.
        end: behind the last.
    """

    whole: Container
    begin: int = field(metadata={"static": True})
    end: int = field(metadata={"static": True})
    inside: tuple[Transform, ...] = ()

    @property
    def owner(self) -> str:
        """The container's name."""
        return self.whole.owner

    @property
    def children(self) -> tuple[Transform, ...]:
        """The transforms of the steps."""
        return self.inside

    def check(self, frame: Frame) -> None:
        """The container must fit, and keep the frame: its stages share it."""
        self.whole.check(frame)
        if self.whole.out_shape(frame.shape) != frame.shape:
            raise ParameterError(
                f"`{self.owner}` holds transforms of several stages, and one that changes the "
                "frame. Move that one out of it."
            )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw what the container draws."""
        return self.whole.sample(key, frame)

    def expand(self, params: Params) -> list[tuple[Transform, Params, Array | None]]:
        """Its part of the steps."""
        return _flat(self.whole, params, None)[self.begin : self.end]


def is_one_run(transforms: Sequence[Transform]) -> bool:
    """Whether a pipeline is a single run of warps and values, which needs no program."""
    closed = False
    if any(isinstance(transform, ForEntries) for transform in transforms):
        return False
    for kinds in _in_order(transforms):
        if kinds.intersection(OTHERS) or (closed and "geometry" in kinds):
            return False
        closed |= "standing" in kinds
    return True


def _in_order(transforms: Sequence[Transform]) -> Iterator[set[str]]:
    """The kinds of steps, one set after the other; those of which none comes first are in one."""
    for transform in transforms:
        kinds = kinds_of(transform)
        if isinstance(transform, Container) and transform.in_order:
            yield from _in_order(transform.children)
        elif {"geometry", "standing"} <= kinds and not _alternatives(transform):
            yield from ({"standing"}, {"geometry"})  # in some record or other
        else:
            yield kinds


def stages_of(
    transforms: Sequence[Transform],
    spec: DataSpec,
    frame: SpatialShape,
    dtypes: Mapping[str, np.dtype[Any]],
) -> tuple[Stage, ...]:
    """The program of a pipeline.

    Args:
        transforms: those of single records and of batches, without the fitted ones.
        spec: of the records.
        frame: (H, W) of their reference image.
        dtypes: of their images, where the spec leaves them open.

    Raises:
        ParameterError: transforms that do not fit the frame or the records where they stand.
    """
    stages: list[Stage] = []
    source = frame
    for kind, members, first in _runs(transforms, spec, frame):
        check_frames(members, spec, frame)
        after = out_shape(members, frame)
        inside = spec
        if members and isinstance(members[0], ForEntries):
            inside = members[0].sub_spec(spec)
        stages.append(Stage(kind, members, first, inside, frame, after, spec))
        spec = stages[-1].spec_after(dtypes, source)
        frame = after
    return tuple(stages)


_Run = tuple[Kind, tuple[Transform, ...], int]


def _runs(transforms: Sequence[Transform], spec: DataSpec, frame: SpatialShape) -> Iterator[_Run]:
    """Kind, transforms and the position of the first of them, of every stage.

    The first one is a run, be it empty: tables and cameras come out of it as of any pipeline.
    """
    kind: Kind = "warp"
    run: list[Transform] = []
    first, last, closed = 0, -1, False
    for position, transform in enumerate(transforms):
        for member, steps in _members(transform, Frame(frame, spec)):
            other: Kind = next((k for k in OTHERS if k in steps), "warp")
            alone = isinstance(member, ForEntries) or (run and isinstance(run[-1], ForEntries))
            begins = other != kind or kind == "derive" or (closed and "geometry" in steps)
            if begins or alone:
                yield kind, tuple(run), first
                kind, run, first, closed = other, [], position, False
            elif position == last:
                # Another part of the container that the last member is of: together they are one.
                member = _joined(run.pop(), member)
            run.append(member)
            last, closed = position, closed or "standing" in steps
        frame = transform.out_shape(frame)
    yield kind, tuple(run), first


def _joined(one: Transform, next_one: Transform) -> Part:
    """Neighbouring parts of a container."""
    assert isinstance(one, Part)
    assert isinstance(next_one, Part)
    return Part(one.whole, one.begin, next_one.end, one.inside + next_one.inside)


def kinds_of(transform: Transform) -> set[str]:
    """What a transform, or what is inside of it, is a step of."""
    return {_step_kind(leaf) for leaf in leaves([transform])}


def is_split(transform: Transform) -> bool:
    """Whether the children of a container belong to several stages."""
    kinds = kinds_of(transform)
    if isinstance(transform, ForEntries):
        return False
    if kinds.intersection(OTHERS):
        return len(kinds) > 1
    return not is_one_run([transform])


def _members(transform: Transform, frame: Frame) -> list[tuple[Transform, set[str]]]:
    """A transform as members of stages: itself, or parts of a container."""
    kinds = kinds_of(transform)
    if "derive" in kinds and isinstance(transform, Container):
        inner = next(t for t in leaves([transform]) if isinstance(t, Deriving))
        raise ParameterError(
            f"`{inner.owner}` must stand outside of {transform.owner}: an entry is made for every "
            "record or for none. Move it out."
        )
    if not is_split(transform) or not isinstance(transform, Container):
        return [(transform, kinds)]
    steps: list[Transform] = []

    def unfold(key: Key) -> Any:
        params = transform.sample(key, frame)
        steps.extend(step for step, _, _ in _flat(transform, params, None))
        return params

    # Which steps there are does not depend on what is drawn: nothing is computed, or compiled.
    jax.eval_shape(unfold, jax.random.key(0))
    return [
        (Part(transform, i, i + 1, (step,)), {_step_kind(step)}) for i, step in enumerate(steps)
    ]


def _flat(
    transform: Transform, params: Params, on: Array | None
) -> list[tuple[Transform, Params, Array | None]]:
    """The leaves of a container as they run."""
    if not isinstance(transform, Container):
        return [(transform, params, on)]
    found = []
    for child, drawn, condition in transform.expand(params):
        both = condition if on is None or condition is None else on & condition
        found += _flat(child, drawn, both)
    return found


def _step_kind(leaf: Transform) -> str:
    """``geometry``, ``value``, ``standing`` for values that stay in place, or the stage's kind."""
    match leaf:
        case Geometric():
            return "geometry"
        case Photometric():
            return "value" if leaf.footprint == "point" else "standing"
        case Occluding():
            return "occlude"
        case Mixing():
            return "mix"
        case Altering():
            return "alter"
        case Deriving():
            return "derive"
        case Finishing():
            return "fitted"
    raise ParameterError(
        f"`{leaf.owner}` must be Geometric, Photometric, Occluding, Mixing, Altering, Deriving or "
        "Finishing: nobody knows how to run it."
    )


def _alternatives(transform: Transform) -> bool:
    """One of several leaves runs, so none comes before another."""
    if not isinstance(transform, Container) or not transform.exclusive:
        return False
    return not any(isinstance(child, Container) for child in transform.children)
