"""What a photometric transform claims about the values it makes, tried on many draws."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..spec import DataSpec
from ..transforms import Photometric, Target
from ..typing import Array, NDArray, SpatialShape
from ._compilations import QUICKLY

_LEVELS = (0.0, 255.0)
# Of the extent of the range.
_CLOSE = 1e-3
# What comes out may fill so much more, or so much less, of the range than what came in.
_MOST, _LEAST = 100.0, 1 / 40


def check_value_flags(
    transform: Photometric,
    spec: DataSpec,
    drawn: Any,
    count: int,
    shape: SpatialShape,
    seed: int,
) -> None:
    """Raise AssertionError where a draw contradicts what the transform claims.

    Args:
        transform: the transform.
        spec: of the records; its first entry with intensity that the transform touches is tried.
        drawn: its params, leading N.
        count: N.
        shape: of the images that are tried.
        seed: of their values.
    """
    found = [
        (name, group)
        for name, entry in spec.entries.items()
        if entry.kind == "spatial" and transform.touches(name)
        for group in entry.groups
        if group.role == "intensity"
    ]
    if not found:
        return
    name, group = found[0]
    channels = group.count or 3
    unit = np.random.default_rng(seed).random((*shape, channels), np.float32)
    unit.reshape(-1)[:2] = 0, 1
    values = jnp.asarray(unit * _LEVELS[1])
    target = Target(name, group.start, _LEVELS, None, channels, names=group.names)

    over = partial(jax.vmap, in_axes=(0, None), axis_size=count)

    def changed(values: Array, target: Target = target) -> Array:
        done = over(lambda params, values: transform.apply(params, values, target))
        result: Array = jax.jit(done, compiler_options=QUICKLY)(drawn, values)
        return result

    out = changed(values)
    _dtype(transform, out, (*shape, channels))
    _described(transform, over, drawn, values, target, out)
    _by_channel(transform, changed, values, out)
    _uses_range(transform, changed, values, target, out)
    _out_range(transform, np.asarray(out, np.float64))
    _inverse(transform, drawn, target, values, out)


def _dtype(transform: Photometric, out: Array, shape: tuple[int, ...]) -> None:
    assert out.dtype == jnp.float32, (
        f"`{transform.owner}.keeps_dtype` is {transform.keeps_dtype}, but `apply` turns float32 "
        f"into {out.dtype}. It gets float32 and returns float32; entries get back their dtype "
        "behind the last transform"
    )
    assert out.shape[1:] == shape, (
        f"`{transform.owner}.apply` turns values of shape {shape} into {out.shape[1:]}. "
        "An image keeps its shape"
    )


def _described(
    transform: Photometric, over: Any, drawn: Any, values: Array, target: Target, out: Array
) -> None:
    if not transform.described or type(transform).apply is Photometric.apply:
        return

    def step_by_step(params: Any, done: Array) -> Array:
        for operation in transform.operations(params, target):
            done = operation.apply(done, target.mean)
        return done

    apart = _apart(jax.jit(over(step_by_step), compiler_options=QUICKLY)(drawn, values), out)
    assert apart < _CLOSE, (
        f"`{transform.owner}.operations` do not do what `apply` does: on values from 0 to 255 the "
        f"results are {apart * _LEVELS[1]:.3g} apart. Leave `apply` out, and it follows from them"
    )


def _by_channel(transform: Photometric, changed: Any, values: Array, out: Array) -> None:
    if transform.by_channel is not False:
        return  # values come as (h, w, c), or as they may by the operations
    try:
        flat = changed(values.reshape(values.shape[0], -1, 1)).reshape(out.shape)
    except (TypeError, ValueError) as error:
        seen = f"it raises {type(error).__name__}"
    else:
        apart = _apart(flat, out)
        seen = f"the results are {apart * _LEVELS[1]:.3g} apart" if apart >= _CLOSE else ""
    assert not seen, (
        f"`{transform.owner}.by_channel` is False, so values may come as (h, w * c, 1), but then "
        f"{seen} on values from 0 to 255. Set by_channel = True"
    )


def _uses_range(
    transform: Photometric, changed: Any, values: Array, target: Target, out: Array
) -> None:
    if transform.uses_range:
        return
    other = changed(values, target._replace(range=(-64.0, 576.0)))
    apart = _apart(other, out)
    assert apart < _CLOSE, (
        f"`{transform.owner}.uses_range` is False, but with black and white at -64 and 576 the "
        f"results are {apart * _LEVELS[1]:.3g} from those at 0 and 255. Let uses_range be True"
    )


def _out_range(transform: Photometric, out: NDArray) -> None:
    lo, hi = (float(end) for end in transform.out_range(_LEVELS))
    usable = bool(np.isfinite([lo, hi]).all()) and lo < hi
    assert usable, (
        f"`{transform.owner}.out_range` must be two finite numbers lo < hi, got ({lo}, {hi})"
    )
    flat = out.reshape(len(out), -1)
    spread = float(np.max(np.quantile(flat, 0.99, axis=1) - np.quantile(flat, 0.01, axis=1)))
    seen = f"values from 0 to 255 come out between {out.min():.3g} and {out.max():.3g}"
    small, large = spread < _LEAST * (hi - lo), spread > _MOST * (hi - lo)
    assert not (small and transform.keeps_dtype), (
        f"`{transform.owner}.keeps_dtype` is True, but {seen}: rounded to integers, next to "
        "nothing is left of them. Set keeps_dtype = False, and say by out_range what black and "
        "white are then"
    )
    far = small or large
    assert not far, (
        f"`{transform.owner}.out_range` says ({lo:g}, {hi:g}), but {seen}: what follows would "
        "take them for another range. Return what black and white have become"
    )
    # Integers stay what they are counted in.
    few = transform.keeps_dtype and hi - lo < _LEAST * (_LEVELS[1] - _LEVELS[0])
    assert not few, (
        f"`{transform.owner}.keeps_dtype` is True, but out_range says ({lo:g}, {hi:g}) for values "
        "from 0 to 255: rounded to integers, next to nothing is left. Set keeps_dtype = False"
    )


def _inverse(transform: Photometric, drawn: Any, target: Target, values: Array, out: Array) -> None:
    try:
        undo = jax.vmap(lambda params, v: transform.invert(params, v, target))
        back = jax.jit(undo, compiler_options=QUICKLY)(drawn, out)
    except ParameterError:
        return  # it says that values were lost
    apart = _apart(back, jnp.broadcast_to(values, out.shape))
    assert apart < 10 * _CLOSE, (
        f"`{transform.owner}.invert` does not undo `apply`: values from 0 to 255 come back "
        f"{apart * _LEVELS[1]:.3g} off. Mend it, or refuse with `refuse_invert`"
    )


def _apart(a: Array, b: Array) -> float:
    """The largest difference, as a share of the range."""
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max()) / _LEVELS[1]
