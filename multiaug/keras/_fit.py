"""`ImageDataGenerator.fit`: a pass of `multiaug.fit` over what standardisation will see."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import NUMBERS, check_argument
from ..errors import ParameterError
from ..files import sha256_of
from ..passes import fit
from ..pipeline import record_keys
from ..spec import DataSpec
from ..statistics import ZCA, Moments, Statistic, Statistics
from ..store import (
    ArraySource,
    Block,
    BlockId,
    ChunkedSource,
    Structure,
    chunked,
    is_source,
    open_source,
)
from ..typing import NDArray
from ._engine import Engine, classic_spec, only_picture, seed_of
from ._settings import warn_of_layout

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .image_data_generator import ImageDataGenerator


def fit_statistics(
    generator: ImageDataGenerator, x: Any, *, augment: bool, rounds: int, seed: int | None
) -> tuple[Statistics | None, str]:
    """Statistics of the pictures, and the entry that they are of; None where none are needed."""
    source = source_of(generator, x, "Input to `.fit()`")
    image = source.spec.reference() or next(iter(source.spec.entries))
    if not isinstance(rounds, int | np.integer) or rounds < 1:
        raise ParameterError(f"`rounds` must be a whole number, at least 1, got {rounds!r}.")
    wanted: list[Statistic] = []
    if generator.featurewise_center or generator.featurewise_std_normalization:
        wanted.append(Moments(entries=(image,), per="channel"))
    if generator.zca_whitening:
        # With few records the classic's formula is one of all their directions.
        records = len(source) * (int(rounds) if augment else 1)
        size = int(np.prod(source.read([0])[image].shape[1:]))
        all_of_them = records if records <= size else None
        wanted.append(ZCA(entries=(image,), center="channel", components=all_of_them))
    if not wanted:
        return None, image
    engine = Engine(generator, source.spec, image)
    changes = augment or generator.preprocessing_function is not None
    if changes or engine.standardizing(fitted=False):
        drawn = seed_of(seed) if augment else None
        source = PreparedSource(source, engine, int(rounds) if augment else 1, drawn)
    found = fit(
        source,
        *wanted,
        progress=False,
        memory=generator.zca_memory,
        solver=generator.zca_solver,  # type: ignore[arg-type]
    )
    return found, image


def source_of(generator: ImageDataGenerator, x: Any, what: str) -> ChunkedSource:
    """Whatever the generator is given, as a source of pictures with channels last.

    Raises:
        ParameterError: an array that is not of rank 4.
    """
    if isinstance(x, str | os.PathLike):
        return chunked(open_source(x, generator.spec))
    if is_source(x):
        return chunked(x)
    check_argument("fit.x", x, NUMBERS)
    array = np.asanyarray(x)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim != 4:
        raise ParameterError(f"{what} should have rank 4. Got array with shape: {array.shape}")
    warn_of_layout(array.shape, generator.data_format, what)
    if array.dtype.name not in ("uint8", "uint16", "int16", "int32", "float16", "float32"):
        array = array.astype(np.float32)
    if generator.data_format == "channels_first":
        array = np.moveaxis(array, 1, -1)
    spec = classic_spec(generator, channels=array.shape[-1])
    return ArraySource({spec.reference() or "image": array}, only_picture(spec))


class PreparedSource:
    """The pictures of a source as standardisation sees them; augmented, when there is a seed.

    Args:
        source: of the pictures.
        engine: of the generator.
        rounds: how often each record comes.
        seed: of the augmentation; None for none.
    """

    chunk = 1
    remote = False

    def __init__(
        self, source: ChunkedSource, engine: Engine, rounds: int, seed: int | None
    ) -> None:
        self._source, self._engine = source, engine
        self._rounds, self._seed = rounds, seed
        self._inner = list(source.blocks)

    @property
    def spec(self) -> DataSpec:
        """That of the source."""
        return self._source.spec

    @property
    def fingerprint(self) -> str:
        """Of the source, the rounds and the seed."""
        return sha256_of(
            "multiaug.keras/1", self._source.fingerprint, f"{self._rounds} {self._seed}"
        )

    @property
    def blocks(self) -> Sequence[BlockId]:
        """Those of the source, once for every round."""
        return range(len(self._inner) * self._rounds)

    def __len__(self) -> int:
        return len(self._source) * self._rounds

    def scan(self, blocks: Iterable[BlockId] | None = None) -> Iterator[Block]:
        """Read blocks, all of them by default, in the order given."""
        count = len(self._inner)
        asked = [int(np.asarray(n)) for n in (self.blocks if blocks is None else blocks)]
        for turn, run in groupby(asked, lambda number: number // count):
            numbers = list(run)  # scanned together, so that the source can read ahead
            found = self._source.scan([self._inner[number % count] for number in numbers])
            for number, block in zip(numbers, found, strict=True):
                done = self._prepared(dict(block), block.index, turn)
                yield Block(number, block.index + turn * len(self._source), done)

    @cached_property
    def structure(self) -> Mapping[str, Structure]:
        """Of the first record."""
        return {n: Structure(a.shape[1:], a.dtype) for n, a in self.read([0]).items()}

    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None:
        """Read neighbouring records into arrays that are there already."""
        found = self.read(np.arange(start, stop))
        for name, array in out.items():
            array[: stop - start] = found[name]

    def read(
        self, indices: ArrayLike, *, out: Mapping[str, NDArray] | None = None
    ) -> dict[str, NDArray]:
        """Read records by position, in any order, repeats allowed."""
        index = np.asarray(indices, np.int64)
        turns, records = np.divmod(index, len(self._source))
        parts = [
            self._prepared(self._source.read([record]), np.array([record]), int(turn))
            for turn, record in zip(turns, records, strict=True)
        ]
        found = {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}
        for name, array in (out or {}).items():
            array[...] = found[name]
        return found if out is None else dict(out)

    def _prepared(
        self, arrays: dict[str, NDArray], index: NDArray, turn: int
    ) -> dict[str, NDArray]:
        image = self._engine.image
        held = {n: np.ascontiguousarray(a) for n, a in arrays.items()}
        held[image] = held[image].astype(np.float32)
        if self._seed is not None:
            keys = record_keys(self._seed, turn, index)
            held = self._engine.augment(keys, held)
        return self._engine.prepare(held)
