"""From blocks of the source to augmented batches, with reproducible keys."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from checks import Arrays
from tqdm import tqdm

import multiaug as ma
from multiaug.store import Block, Source

EPOCH, COPY = 0, 0


@dataclass(frozen=True)
class Result:
    """The augmented records.

    Args:
        batches: one mapping per block, entry name -> (n, ...).
        seconds: for reading, augmenting and copying back to the host, without compiling.
        compile_seconds: for the first call of each batch size.
    """

    batches: list[Arrays]
    seconds: float
    compile_seconds: float

    @property
    def records_per_second(self) -> float:
        """How many records a second went through."""
        return sum(len(batch["rgbxyz"]) for batch in self.batches) / self.seconds


def pipeline_for(spec: ma.DataSpec) -> ma.Pipeline:
    """Six geometric transforms, which become one resampling, and one photometric."""
    return ma.Pipeline(
        [
            ma.Rotate(30),  # degrees, either way
            ma.Scale((0.8, 1.25)),
            ma.Translate(0.1),  # of the side
            ma.Shear(10),  # degrees
            ma.Flip("x"),  # every second record
            ma.Perspective(0.1),  # of the side
            ma.Brightness(0.2),  # of the range; touches the colours alone
        ],
        spec,
    )


def augment_block(pipeline: ma.Pipeline, block: Block, seed: int) -> Arrays:
    """Augment one block and bring it back to the host."""
    # One key per record, from its number alone: batch size and order change nothing.
    keys = ma.record_keys(seed, EPOCH, block.index, COPY)
    return {name: np.asarray(array) for name, array in pipeline.batch(keys, dict(block)).items()}


def augment(pipeline: ma.Pipeline, source: Source, seed: int) -> Result:
    """Augment a whole source, block by block."""
    started = time.perf_counter()
    for block in _first_of_each_length(source):
        augment_block(pipeline, block, seed)
    compiled = time.perf_counter()
    batches = []
    bar = tqdm(total=len(source), desc="   progress", unit=" records", file=sys.stdout)
    with bar as progress:
        started_pass = time.perf_counter()
        for block in source.scan():
            batches.append(augment_block(pipeline, block, seed))
            progress.update(len(block.index))
    return Result(batches, time.perf_counter() - started_pass, compiled - started)


def carry_along(spec: ma.DataSpec, block: Block, seed: int) -> Arrays:
    """Augment a block as a library would that takes X, Y, Z for three more colours.

    The same pictures and the same draws, but points keep their values and the camera its
    intrinsics: what everybody gets who resamples a cloud like an image.
    """
    camera = dataclasses.replace(spec.camera, policy="none")
    plain = ma.DataSpec(spec.name, spec.entries, camera, spec.description)
    return augment_block(pipeline_for(plain), block, seed) | {"intrinsics": block["intrinsics"]}


def _first_of_each_length(source: Source) -> Iterable[Block]:
    """One block of every length there is: each length is compiled by itself."""
    blocks = [source.blocks[0], source.blocks[-1]]
    return {len(block.index): block for block in source.scan(blocks)}.values()
