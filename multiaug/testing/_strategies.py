"""Hypothesis strategies. Shapes come from short lists: every new shape compiles."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import jax
from hypothesis import strategies as st

from ..spec import CameraSpec, DataSpec, EntrySpec
from ..typing import Key, Record, SpatialShape
from ._contents import Content, make_record

_SHAPES = ((12, 16),)


def seeds() -> st.SearchStrategy[int]:
    """Seeds of keys and of records."""
    return st.integers(0, 2**32 - 1)


def keys(count: int | None = None) -> st.SearchStrategy[Key]:
    """Typed keys (), or batches of them (count,)."""
    whole = seeds().map(jax.random.key)
    return whole if count is None else whole.map(lambda key: jax.random.split(key, count))


def records(
    spec: DataSpec,
    *,
    shapes: Sequence[SpatialShape] = _SHAPES,
    batch: int | None = None,
    content: Content | None = None,
    half: Collection[str] = (),
    without: Collection[str] = (),
) -> st.SearchStrategy[Record]:
    """Records of a spec, as `make_record` makes them, with holes and without.

    Args:
        spec: what the records hold.
        shapes: (height, width) of the reference picture, to choose from.
        batch: length of a leading axis; None for single records.
        content: noise or smooth pictures; None for both.
        half: names of pictures of half the resolution.
        without: names of entries to leave out.
    """
    contents: Sequence[Content] = ("noise", "smooth") if content is None else (content,)
    return st.builds(
        make_record,
        st.just(spec),
        st.sampled_from(list(shapes)),
        seeds(),
        batch=st.just(batch),
        content=st.sampled_from(list(contents)),
        holes=st.booleans(),
        half=st.just(half),
        without=st.just(without),
    )


def organised_clouds(
    *,
    shapes: Sequence[SpatialShape] = _SHAPES,
    camera: CameraSpec | None = None,
    content: Content = "smooth",
) -> st.SearchStrategy[tuple[DataSpec, Record]]:
    """Clouds whose points fall on their own pixels, each with its spec.

    The record has ``xyz``, positions with NaN holes, and its ``intrinsics``.

    Args:
        shapes: (height, width), to choose from.
        camera: how the camera behaves; the default moves it and refits its intrinsics.
        content: of the depth: noise or smooth.
    """
    entries = [
        EntrySpec.of_role("xyz", "position", dtype="float32"),
        EntrySpec.of_role("intrinsics", "intrinsics", dtype="float32"),
    ]
    spec = DataSpec("organised cloud", entries, camera)
    return st.tuples(st.just(spec), records(spec, shapes=shapes, content=content))
