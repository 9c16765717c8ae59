"""Transforms whose draws read the record: which entries, and where they may stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ...errors import ParameterError, RecordError
from ...spec import DataSpec
from ...transforms import Container, ForEntries, Geometric, OneOf, Shuffle, Transform
from ..buffers._indexed import gathered
from ._spec_after import with_derived
from ._stages import OTHERS, is_split, kinds_of


def names_read(transform: Transform) -> frozenset[str]:
    """What a transform declares to read, and what is inside of it: names of roles or of entries."""
    if isinstance(transform, Container):
        return transform.reads.union(*map(names_read, transform.children))
    return transform.reads


@lru_cache(maxsize=256)
def matching(spec: DataSpec, names: frozenset[str]) -> tuple[str, ...]:
    """The entries of a spec that have one of these names, or a role of one of them."""
    return tuple(
        entry.name
        for entry in spec.entries.values()
        if entry.name in names or any(group.role in names for group in entry.groups)
    )


@lru_cache(maxsize=256)
def with_images(spec: DataSpec, names: frozenset[str]) -> tuple[str, ...]:
    """The same, and the images whose pixels tables and cameras among them count.

    Their sizes may be others than that of the reference.
    """
    found = matching(spec, names)
    read = [spec.entries[name] for name in found if spec.entries[name].kind in ("points", "matrix")]
    images = {entry.of for entry in read} - {None, spec.reference(), *found}
    return (*found, *(name for name in spec.entries if name in images))


def check_reads(transforms: Sequence[Transform], spec: DataSpec) -> None:
    """Refuse, when the pipeline is built, transforms that cannot read what they declare.

    What is read is the record as it is where the stage of the transform begins.

    Raises:
        ParameterError: no entry is what it reads, or a geometric transform of the same stage stands
            before it, so that the entries as they are then are not what lies in its frame; or it
            is in a container whose children belong to several stages.
    """
    moved: Transform | None = None
    kind, closed = "warp", False
    for transform in transforms:
        if isinstance(transform, ForEntries):  # a stage of its own
            _check(transform, transform.sub_spec(spec), None)
            moved, kind, closed = None, "warp", False
            continue
        kinds = kinds_of(transform)
        split = is_split(transform)
        if split and names_read(transform):
            raise ParameterError(
                f"`{_reader(transform).owner}` reads {', '.join(sorted(names_read(transform)))} "
                f"inside of {transform.owner}, whose children belong to several stages. Move it "
                "out: what it reads must be one record."
            )
        other = next((k for k in OTHERS if k in kinds), "warp")
        if other != kind or kind == "derive" or (closed and "geometry" in kinds):
            moved, closed = None, False
        kind = "warp" if split else other
        _check(transform, spec, moved)
        moved = moved or _mover(transform)
        closed = (closed or "standing" in kinds) and not split
        spec = with_derived([transform], spec)


def _check(transform: Transform, spec: DataSpec, moved: Transform | None) -> None:
    if not names_read(transform):
        return
    for name in sorted(transform.reads):
        if not matching(spec, frozenset({name})) and not _has_default(spec, name):
            raise ParameterError(
                f"`{transform.owner}` reads {name!r}, but the spec {spec.name!r} has no entry of "
                f"that name or role. It has {list(spec.entries)}."
            )
    if transform.reads and moved is not None:
        raise ParameterError(
            f"`{transform.owner}` reads {', '.join(sorted(transform.reads))} as the record has it, "
            f"but {moved.owner} stands before it and moves the record. Put {transform.owner} "
            "before all geometric transforms of its stage."
        )
    if not isinstance(transform, Container):
        return
    for i, child in enumerate(transform.children):
        # Of one chosen child none runs before another; in a random order any of them may.
        others = {OneOf: (), Shuffle: (*transform.children[:i], *transform.children[i + 1 :])}
        before = others.get(type(transform), transform.children[:i])
        _check(child, spec, moved or next(filter(None, map(_mover, before)), None))


def _mover(transform: Transform) -> Transform | None:
    """The first geometric transform in it."""
    if isinstance(transform, Container):
        return next(filter(None, map(_mover, transform.children)), None)
    return transform if isinstance(transform, Geometric) else None


def entries_read(
    transforms: Sequence[Transform], spec: DataSpec, record: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The entries of a record, or of a batch, that transforms read.

    Raises:
        ParameterError: there is no record.
        RecordError: it has no entry of a name or role that a transform reads.
    """
    read: dict[str, Any] = {}
    for transform in transforms:
        for name in sorted(names_read(transform)):
            entries = matching(spec, frozenset({name}))
            there = record is not None and any(entry in record for entry in entries)
            if not there and _has_default(spec, name) and (record is not None or not entries):
                continue
            if record is None:
                raise ParameterError(
                    f"`{_reader(transform, name).owner}` reads {_all_of(entries)} of the record to "
                    "draw, and a shape alone does not say what is in it. Call "
                    "sample(key, shape, record=record), where record holds it."
                )
            if not there:
                raise RecordError(
                    f"`{_reader(transform, name).owner}` reads {_all_of(entries)} of the record to "
                    f"draw, and the record has only {sorted(record)}. Add the entry."
                )
            used = with_images(spec, frozenset({name}))
            read |= {entry: record[entry] for entry in used if entry in record}
    return gathered(read) if read else read


def _has_default(spec: DataSpec, name: str) -> bool:
    """Records need not hold what the spec says of all of them: a camera."""
    return name == "intrinsics" and spec.camera.has_default


def _reader(transform: Transform, name: str | None = None) -> Transform:
    """The transform that declares a name, or any, inside of containers too."""
    if isinstance(transform, Container) and not _has(transform.reads, name):
        inside = [child for child in transform.children if _has(names_read(child), name)]
        return _reader(inside[0], name)
    return transform


def _has(names: frozenset[str], name: str | None) -> bool:
    return bool(names) if name is None else name in names


def _all_of(entries: Sequence[str]) -> str:
    return " or ".join(map(repr, entries))
