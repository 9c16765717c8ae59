"""Drawing: the params of a batch from the words of its keys."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from ...geometry import Length
from ...spec import DataSpec
from ...transforms import Frame, Transform, drawing_key
from ...typing import Array, Key, NDArray, SpatialShape
from ..backends._blocks import BLOCK, kind_of
from ._params import RecordParams
from ._reads import names_read, with_images
from ._sizes import frames_along
from ._sizes_as_data import reason_of_sizes

# A block is a few hundred numbers: LLVM's last level takes as long again to compile and saves
# microseconds. JAX takes such settings outside of traces only.
QUICKLY_COMPILED = {"xla_backend_optimization_level": 2}
# Bytes of entries that one call reads to draw.
_MOST_READ = 2**20


try:
    from jax._src.core import trace_state_clean as outside_traces
except ImportError:  # it is not public: then the words of keys are asked for, as anybody does

    def outside_traces() -> bool:
        """Nobody knows."""
        return False


def on_cpu() -> bool:
    """True when batches run on CPUs, where one record after the other is fastest."""
    return jax.default_backend() == "cpu"


def raw_key_data(keys: Key) -> Array | None:
    """The words of typed keys where they lie at hand and nothing is traced; else None.

    To ask for them takes as long as all draws of a small batch; today's keys hold their words as
    they are. Inside a trace what is computed of constants must be traced too.
    """
    words = getattr(keys, "_base_array", None) if outside_traces() else None
    return words if isinstance(words, jax.Array) else None


def key_data(keys: Key) -> Array:
    """The uint32 words of typed keys, as `jax.random.key_data` gives them."""
    words = raw_key_data(keys)
    return jax.random.key_data(keys) if words is None else words


class Draws:
    """What the records of a batch drew, or keys that they will draw it from.

    Args:
        words: (N, w) uint32, of the keys.
        transforms: what draws, once somebody asks for the params.
        spec: of the records.
        shape: (H, W) of the reference picture.
        first: the position of the first transform in the pipeline.
    """

    def __init__(
        self,
        words: Array,
        transforms: tuple[Transform, ...],
        spec: DataSpec,
        shape: SpatialShape,
        first: int = 0,
    ) -> None:
        self.words = words
        self._transforms, self._spec, self._shape = transforms, spec, shape
        self._first = first

    @classmethod
    def given(cls, params: RecordParams, spec: DataSpec) -> Draws:
        """Of params that have been drawn."""
        found = cls(params.key, (), spec, params.in_shape)
        found.__dict__["params"] = params
        return found

    @cached_property
    def params(self) -> RecordParams:
        """As `Pipeline.sample` gives them."""
        return draw(self._transforms, self.words, self._spec, self._shape, self._first)

    @property
    def are_made(self) -> bool:
        """Whether there are params already."""
        return "params" in self.__dict__

    @property
    def shapes(self) -> RecordParams:
        """The params, or in their place what they will be."""
        if self.are_made:
            return self.params
        frames = frames_along(self._transforms, self._shape)
        drawing = partial(
            draw_values, self._transforms, spec=self._spec, frames=frames, first=self._first
        )
        values = jax.eval_shape(drawing, self.words)
        return RecordParams(values, self.words, self._shape, frames[-1])

    @property
    def kind(self) -> Hashable:
        """Equal for draws that the same compiled functions take; see `program_key`."""
        return kind_of(self.params) if self.are_made else self.words.shape[1:]

    @property
    def kind_of_any_size(self) -> Hashable:
        """`kind`, but for the frame that the params were drawn for."""
        return kind_of(self.params.values) if self.are_made else self.words.shape[1:]

    @property
    def leaves(self) -> list[Any]:
        """The arrays that are known."""
        return jax.tree.leaves(self.params) if self.are_made else [self.words]


def draw(
    transforms: tuple[Transform, ...],
    words: Array,
    spec: DataSpec,
    shape: SpatialShape,
    first: int = 0,
    record: Mapping[str, Any] | None = None,
) -> RecordParams:
    """Draw the params of a batch; on CPUs as NumPy arrays, where they are joined.

    Args:
        transforms: what draws.
        words: (N, w) uint32, of the keys.
        spec: of the records.
        shape: (H, W) of the reference picture.
        first: the position of the first transform in the pipeline.
        record: the entries that are read, leading N; see `program._reads`.
    """
    size, record = len(words), record or {}
    frames = frames_along(transforms, shape)
    # Settings may be traced too: in a user's grad or vmap of a function of a given matrix.
    leaves = jax.tree.leaves((transforms, words, record))
    if not on_cpu() or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        values = _draw_anywhere(transforms, words, record, spec=spec, frames=frames, first=first)
    else:
        # As many at a time whatever the batch: the same compiled arithmetic for a batch of one
        # and of a thousand gives a record the same bits in both.
        held, read = np.asarray(words), {n: np.asarray(a) for n, a in record.items()}
        block = _block_of(read)
        # Whole blocks are views; the last one is filled up.
        index: list[Any] = [slice(at, at + block) for at in range(0, size // block * block, block)]
        if size % block:
            index.append(np.minimum(np.arange(block) + size // block * block, size - 1))
        blocks = [(held[i], {n: a[i] for n, a in read.items()}) for i in index]
        if reason_of_sizes(transforms, spec) is None:
            rows = np.broadcast_to(np.array(frames, np.int32), (block, len(frames), 2))
            found = [_draw_block(transforms, *b, rows, spec=spec, first=first) for b in blocks]
        else:
            static = {"spec": spec, "frames": frames, "first": first}
            found = [_draw_block_of_a_size(transforms, *b, **static) for b in blocks]
        values = found[0] if size == block else _joined(found, size)
    return RecordParams(values, words, shape, frames[-1])


def _block_of(read: Mapping[str, NDArray]) -> int:
    """How many records are drawn for at a time: fewer where large entries are read.

    A block is filled up with the last record, whose entries are read again. The number depends on
    the shape of a record alone, so a record has the same bits in every batch.
    """
    size = sum(a[:1].nbytes for a in read.values())
    if size * BLOCK <= _MOST_READ:
        return BLOCK
    return 1 << max(0, (_MOST_READ // size).bit_length() - 1)


def _joined(blocks: list[Any], size: int) -> Any:
    """The first records of some blocks."""

    def join(*leaves: Array) -> Any:
        return np.concatenate([np.asarray(leaf) for leaf in leaves])[:size]

    return jax.tree.map(join, *blocks)


def draw_values(
    transforms: tuple[Transform, ...],
    words: Array,
    record: Mapping[str, Array] = MappingProxyType({}),
    rows: Array | None = None,
    *,
    spec: DataSpec,
    frames: tuple[SpatialShape, ...] = (),
    first: int = 0,
) -> tuple[Any, ...]:
    """What the transforms draw from keys of these words (N, w), and from entries. Traceable.

    Args:
        transforms: what draws.
        words: (N, w) uint32.
        record: the entries that are read, leading N.
        rows: (N, T + 1, 2) int32, frames as data; in the place of ``frames``.
        spec: of the records.
        frames: before every transform, and behind the last one.
        first: the position of the first transform in the pipeline.
    """

    def one(words: Array, record: dict[str, Array], rows: Array | None) -> tuple[Any, ...]:
        known: Sequence[Any] = frames
        if rows is not None:
            known = [(Length(row[0]), Length(row[1])) for row in rows]
        key, drawn = drawing_key(words), []
        for position, (transform, frame) in enumerate(zip(transforms, known[:-1], strict=True)):
            mine = with_images(spec, names_read(transform))
            context = Frame(frame, spec, {n: record[n] for n in mine if n in record})
            drawn.append(transform.sample(jax.random.fold_in(key, first + position), context))
        return tuple(drawn)

    drawn: tuple[Any, ...] = jax.vmap(one)(words, dict(record), rows)
    return drawn


_draw_anywhere = jax.jit(draw_values, static_argnames=("spec", "frames", "first"))
_draw_block_of_a_size = jax.jit(
    draw_values, static_argnames=("spec", "frames", "first"), compiler_options=QUICKLY_COMPILED
)
_draw_block = jax.jit(
    draw_values, static_argnames=("spec", "first"), compiler_options=QUICKLY_COMPILED
)
