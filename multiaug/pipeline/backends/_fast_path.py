"""Batches and records like earlier ones: what was asked of their structure is not asked again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np

from ...checks import refuse_behind
from ...spec import role_generation
from ...typing import Array, Record
from ..buffers._indexed import IndexedBatch
from ..checks._values import on_host
from ..program._draws import Draws, draw
from ..program._overrides import in_order
from ..program._reads import entries_read
from ..program._structure import Run
from ..program._ties import follow
from ..program._traits import PipelineTraits
from ._native import CompiledCall

# Batches of other sizes, such as a last one.
_MOST = 16


@dataclass(frozen=True)
class FastPath:
    """How a pipeline runs batches of a structure that it has checked, in C.

    Args:
        call: what runs them.
        traits: the pipeline's.
        run: the static side.
        values: entries that pass by.
        inspected: records of this kind have been found plausible.
        single: it is one record, without a leading axis.
    """

    call: CompiledCall
    traits: PipelineTraits
    run: Run
    values: Sequence[str]
    inspected: bool
    single: bool = False

    def __call__(
        self,
        words: Array,
        batch: Mapping[str, Any],
        out: Mapping[str, Any] | None,
        *,
        check: bool,
    ) -> Record:
        """`Pipeline.batch`; ``words`` (N, w) uint32 are those of its keys.

        Of a single record, `Pipeline.__call__`; ``words`` (w,).
        """
        values = {name: batch[name] for name in self.values}
        if self.single:
            if check:
                refuse_behind(self.run.spec, on_host(batch), batch=False)
            words = np.asarray(words)[np.newaxis]  # type: ignore[assignment]
            tables = {n: np.asarray(batch[n])[np.newaxis] for n in self.call.rest}
            batch = {**batch, **tables} if tables else batch
        draws = self._draws(words, batch)
        done = self.call(self.traits, draws, batch, out, check=check)
        done |= follow(self.run.spec, done, values, batched=not self.single)
        return {name: done[name] for name in in_order(self.run.spec, tuple(done))}

    @property
    def roles(self) -> int:
        """See `role_generation`."""
        return self.run.roles

    def _draws(self, words: Array, batch: Mapping[str, Any]) -> Draws:
        """What the records draw, or will draw; ``words`` (N, w)."""
        run, moving = self.run, self.traits.moving
        if not self.traits.reads:
            return Draws(words, moving, run.spec, run.frame, run.first)
        if self.single:  # images have no leading axis, and all else has
            alone = {n: batch[n][np.newaxis] for n in batch if n not in self.call.rest}
            batch = {**batch, **alone}
        read = entries_read(moving, run.spec, batch)
        return Draws.given(draw(moving, words, run.spec, run.frame, run.first, read), run.spec)


class Repeat(Protocol):
    """How batches, or single records, of one structure are run."""

    @property
    def inspected(self) -> bool:
        """Records of this kind have been found plausible."""

    @property
    def roles(self) -> int:
        """See `role_generation`, when it was found out."""

    def __call__(
        self,
        words: Array,
        batch: Mapping[str, Any],
        out: Mapping[str, Any] | None,
        *,
        check: bool,
    ) -> Record:
        """Run a batch, or a single record."""


class FastPaths:
    """The structures of batches that a pipeline has met.

    To look at a structure takes as long as to augment small pictures.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Repeat | None] = {}

    def get(self, signature: Hashable) -> Repeat | None:
        """How such batches are run, where one has been met."""
        known = self._known.get(signature)
        # A role that has been replaced says something else now.
        return known if known is None or known.roles == role_generation() else None

    def has_none(self, signature: Hashable) -> bool:
        """Whether it is known that such batches have no way of their own."""
        return signature in self._known and self._known[signature] is None

    def put(self, signature: Hashable, repeat: Repeat | None) -> None:
        """Remember a structure; its signature is not None."""
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[signature] = repeat


def signature_of(words: Array, batch: Mapping[str, Any]) -> Hashable | None:
    """Equal for batches of one structure; None for what is no array, or of other computations.

    Args:
        words: (N, w), of the keys; (w,) of one record.
        batch: the entries.
    """
    parts: list[Any] = [words.shape]
    for name, array in batch.items():
        kind = type(array)
        if not (kind is np.ndarray or kind is IndexedBatch or _is_computed(array)):
            return None
        parts += (name, kind is IndexedBatch, array.shape, array.dtype)
    return tuple(parts)


def _is_computed(array: Any) -> bool:
    return isinstance(array, jax.Array) and not isinstance(array, jax.core.Tracer)
