"""The native sampler inside programs of others: their jit, vmap, grad, shard_map, scan.

A batch is one primitive of JAX there. How it is compiled is decided when the program is lowered:
for CPUs, draws and plans are compiled along with it and the library is called for the rest; for
anything else, and in programs that are exported to run without this library, XLA's form is.
Gradients are those of XLA's form, which is differentiable; `vmap` makes one larger batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from ...sampling import custom_call_refused
from ...transforms import Transform
from ...typing import Array
from ..buffers._outputs import Results
from ..checks._modes import in_own_modes
from ..program._draws import Draws
from ..program._params import RecordParams
from ..program._structure import Run
from ..program._traits import PipelineTraits
from ._native_form import native_results
from ._native_programs import program_of
from ._shard_map import varied, varying_axes
from ._whole import of_one_rank, run_whole


@dataclass(frozen=True)
class _Call:
    """What is the same in every run of a traced batch; its arrays are the primitive's operands.

    Args:
        run: the static side.
        structure: of (transforms, params or words of keys, batch).
        settings: how many of the leaves belong to the transforms; all others lead with records.
        results: (name, shape of one record's, dtype), by name.
    """

    run: Run
    structure: Any
    settings: int
    results: tuple[tuple[str, tuple[int, ...], np.dtype[Any]], ...]

    def arguments(
        self, leaves: Sequence[Array]
    ) -> tuple[tuple[Transform, ...], RecordParams | Array, dict[str, Array]]:
        """Transforms, params or words, and the batch."""
        return jax.tree.unflatten(self.structure, leaves)  # type: ignore[no-any-return]

    def ordered(self, done: Mapping[str, Array]) -> list[Array]:
        """Results as the primitive returns them."""
        return [done[name] for name, _, _ in self.results]


def call_in_trace(
    run: Run, traits: PipelineTraits, draws: Draws, batch: Mapping[str, Any]
) -> Results | None:
    """`execute` of a batch that is traced, on CPUs; None where C does not cover the run.

    Args:
        run: the static side.
        traits: the pipeline's.
        draws: of the records.
        batch: the entries, leading N; at least one array, or a setting, is a tracer.
    """
    if custom_call_refused() is not None or not len(draws.words):
        return None
    arrays, flat = of_one_rank(run, batch)
    program = program_of(run, traits, draws, arrays)
    if program.kernel is None:
        return None
    drawn = draws.params if draws.are_made else draws.words
    everything = (traits.moving, drawn, dict(batch))
    leaves, structure = jax.tree.flatten(everything)
    results = tuple(
        (name, s.shape[:-1] if name in flat else s.shape, np.dtype(s.dtype))
        for name, s in sorted(program.results.items())
    )
    call = _Call(run, structure, len(traits.settings), results)
    done = _run(call, *(jnp.asarray(leaf) for leaf in leaves))
    return {name: array for (name, _, _), array in zip(results, done, strict=True)}


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _run(call: _Call, *leaves: Array) -> list[Array]:
    # JAX does not follow what varies through a primitive that it does not know.
    done: list[Array] = _batch_p.bind(*leaves, call=call)
    return varied(done, varying_axes(leaves))


@_run.defjvp
@in_own_modes
def _run_jvp(
    call: _Call, primals: Sequence[Array], tangents: Sequence[Array]
) -> tuple[list[Array], list[Array]]:
    _, slopes = jax.jvp(partial(_xla_form, call=call), tuple(primals), tuple(tangents))
    return _run(call, *primals), slopes


# --- the primitive -----------------------------------------------------------------------------

_batch_p = Primitive("multiaug_batch")
_batch_p.multiple_results = True


@in_own_modes
def _xla_form(*leaves: Array, call: _Call) -> list[Array]:
    transforms, drawn, batch = call.arguments(leaves)
    params = _draws_of(call.run, transforms, drawn).params
    return call.ordered(run_whole(transforms, params, batch, run=call.run, form="map"))


def _draws_of(run: Run, transforms: tuple[Transform, ...], drawn: RecordParams | Array) -> Draws:
    if isinstance(drawn, RecordParams):
        return Draws.given(drawn, run.spec)
    return Draws(drawn, transforms, run.spec, run.frame, run.first)


@in_own_modes
def _native_form(*leaves: Array, call: _Call) -> list[Array]:
    transforms, drawn, batch = call.arguments(leaves)
    run = call.run
    arrays, flat = of_one_rank(run, batch)
    draws = _draws_of(run, transforms, drawn)
    program = program_of(run, PipelineTraits(transforms), draws, arrays)
    done = native_results(program, transforms, drawn, arrays)
    return call.ordered({n: a[..., 0] if n in flat else a for n, a in done.items()})


def _abstract(*leaves: Any, call: _Call) -> list[Any]:
    size = leaves[-1].shape[0]
    return [jax.core.ShapedArray((size, *shape), dtype) for _, shape, dtype in call.results]


def _impl(*leaves: Array, call: _Call) -> list[Array]:
    # Reached where jit is switched off: everything is run operation by operation there.
    return _xla_form(*leaves, call=call)


def _lower(context: Any, *leaves: Any, call: _Call) -> Any:
    parameters = getattr(context.module_context, "lowering_parameters", None)
    exported = getattr(parameters, "for_export", False)
    form = _xla_form if exported else _native_form
    return mlir.lower_fun(form, multiple_results=True)(context, *leaves, call=call)


_batch_p.def_abstract_eval(_abstract)
_batch_p.def_impl(_impl)
mlir.register_lowering(_batch_p, mlir.lower_fun(_xla_form, multiple_results=True))
mlir.register_lowering(_batch_p, _lower, platform="cpu")


@in_own_modes
def _batched(
    leaves: Sequence[Array], axes: Sequence[int | None], *, call: _Call
) -> tuple[list[Array], list[int]]:
    """A batch of batches is one of more records; of several pipelines, one after the other."""
    count = next(a.shape[x] for a, x in zip(leaves, axes, strict=True) if x is not None)
    rows = [
        jnp.broadcast_to(a[None], (count, *a.shape)) if x is None else jnp.moveaxis(a, x, 0)
        for a, x in zip(leaves, axes, strict=True)
    ]
    if any(axis is not None for axis in axes[: call.settings]):
        done = lax.map(lambda own: _batch_p.bind(*own, call=call), rows)
    else:
        settings = leaves[: call.settings]
        size = rows[-1].shape[1]
        records = [a.reshape(count * size, *a.shape[2:]) for a in rows[call.settings :]]
        flat = _batch_p.bind(*settings, *records, call=call)
        done = [a.reshape(count, size, *a.shape[1:]) for a in flat]
    return done, [0] * len(done)


batching.primitive_batchers[_batch_p] = _batched
