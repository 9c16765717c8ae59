"""A batch as one program of XLA."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax

from ...sampling import Form
from ...transforms import Transform
from ...typing import Array
from ..program._draws import draw
from ..program._params import RecordParams
from ..program._plan import run_batch
from ..program._structure import Run


def of_one_rank(run: Run, batch: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The batch with an axis of channels for all pictures, and those that had none."""
    entries = run.spec.entries
    flat = {
        n
        for n, a in batch.items()
        if entries[n].kind == "spatial" and len(entries[n].image_shape(np.shape(a)[1:])) == 2
    }
    return {n: a[..., None] if n in flat else a for n, a in batch.items()}, flat


@partial(jax.jit, static_argnames=("run", "form"))
def run_whole(
    transforms: tuple[Transform, ...],
    drawn: RecordParams | Array,
    batch: dict[str, Array],
    *,
    run: Run,
    form: Form,
) -> dict[str, Array]:
    """One program for all that a batch needs: on an accelerator a call costs more than its work.

    Args:
        transforms: the pipeline's.
        drawn: the params, or (N, w) uint32 words of keys that they are drawn from.
        batch: the entries, leading N.
        run: the static side.
        form: see `multiaug.sampling.resample`.
    """
    if isinstance(drawn, RecordParams):
        params = drawn
    else:
        # In memory: what is drawn must not come out otherwise in every kernel that reads it.
        params = lax.optimization_barrier(draw(transforms, drawn, run.spec, run.frame, run.first))
    # One rank for all pictures: a mask is a picture of one channel.
    arrays, flat = of_one_rank(run, batch)
    done: dict[str, Array] = run_batch(run, transforms, params, arrays, form)
    return {n: a[..., 0] if n in flat else a for n, a in done.items()}
