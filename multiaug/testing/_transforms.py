"""What every transform owes its users."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import FrozenInstanceError, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import MultiaugWarning
from ..pipeline import Pipeline, RecordParams, entries_read
from ..spec import DataSpec, check_structure
from ..transforms import (
    Container,
    Deriving,
    Frame,
    Geometric,
    Mixing,
    Occluding,
    Params,
    Photometric,
    Target,
    Transform,
    drawing_key,
    to_config,
)
from ..typing import Batch, Key, NDArray, SpatialShape
from ._agreement import close, same
from ._compilations import QUICKLY, compilations
from ._contents import make_record
from ._map_flags import check_map_flags
from ._value_flags import check_value_flags

_COUNT = 3
# What flags claim is tried on as many draws, at least.
_DRAWS = 32
# A map and its inverse, in pixels.
_ROUND_TRIP = 0.01


def check_transform(
    transform: Transform,
    spec: DataSpec,
    seed: int = 0,
    *,
    shape: SpatialShape = (16, 16),
    batch: Batch | None = None,
) -> None:
    """Check a transform, one of your own as well, against the promises of the library.

    The draws of a record depend on its key alone. The same params give the same bits: again,
    after a round trip through NumPy or JSON, in a batch or one by one. Under jit and vmap the
    results agree to rounding. Another key or another record of the same shapes compiles
    nothing. Inputs stay as they were, and settings are frozen and documented. Maps agree with
    their inverses and with the shape that they announce; photometric transforms leave all but
    intensity channels alone. Occlusions leave alone what they do not cover, mixes what they keep,
    with weights that add up to 1, and a record by itself; derivations leave all entries alone, and
    announce the ones that they make. A footprint of ``point`` means that no pixel depends on
    another one. What a record becomes depends on its batch only if something
    is mixed.

    What the transform claims is tried on 32 draws: ``mirrors``, ``min_scale``, ``projective``
    and ``dense`` of a geometric transform, and the Jacobians, inverses and
    switched-off forms of its maps; ``keeps_dtype``, ``by_channel``, ``uses_range`` and
    ``out_range`` of a photometric one, its ``operations`` beside its ``apply``, and its
    ``invert``. To claim less than is true is no mistake.

    Args:
        transform: an instance; its class must be registered with `multiaug.transforms.transform`.
        spec: of the records to try it on.
        seed: fixes keys and records.
        shape: (height, width) of the records; smaller ones compile as long.
        batch: records to try it on, in the place of noise with holes.

    Raises:
        AssertionError: a promise is broken; the message says which one.
    """
    _documented(type(transform))
    _frozen(transform)
    if batch is None:
        batch = make_record(spec, shape, seed, batch=_COUNT, holes=True)
    shape = check_structure(spec, batch, batch=True)
    pipeline = Pipeline((transform,), spec)
    keys = jax.random.split(jax.random.key(seed), len(next(iter(batch.values()))))
    before = {name: np.array(array) for name, array in batch.items()}
    params = _draws(pipeline, keys, shape, batch)
    if isinstance(transform, Geometric | Photometric):
        many, count = _many_draws(pipeline, shape, batch, len(keys), seed)
        if isinstance(transform, Geometric):
            _maps(transform, params, shape)
            check_map_flags(transform, many, count, shape)
        else:
            check_value_flags(transform, spec, many, count, shape, seed)
    out = pipeline.apply(params, batch)
    _same_again(pipeline, keys, params, batch, out)
    if _mixes(transform):
        _mixed(pipeline, keys, params, batch, out)
    else:
        _one_by_one(pipeline, keys, batch, out)
        _under_jit_and_vmap(pipeline, keys, batch, out)
    same({n: np.asarray(a) for n, a in batch.items()}, before, "the records that came in")
    if isinstance(transform, Photometric):
        _intensity_only(spec, batch, out)
        _footprint(transform, params, spec, batch)
    elif isinstance(transform, Occluding):
        _covered_only(transform, params, spec, batch, out, shape)
    elif isinstance(transform, Deriving):
        _derived_only(pipeline, batch, out)


def _mixes(transform: Transform) -> bool:
    """Some part of the transform mixes records."""
    if isinstance(transform, Container):
        return any(_mixes(child) for child in transform.children)
    return isinstance(transform, Mixing)


def _documented(cls: type[Transform]) -> None:
    text = cls.__doc__ or ""
    # A dataclass without a docstring gets its signature for one.
    written = bool(text) and not text.startswith(f"{cls.__name__}(")
    assert written, f"{cls.__name__} has no docstring"
    missing = [item.name for item in fields(cls) if f"{item.name}:" not in text]  # type: ignore[arg-type]
    assert not missing, f"the docstring of {cls.__name__} says nothing about {missing}"


def _frozen(transform: Transform) -> None:
    for item in fields(transform):  # type: ignore[arg-type]
        try:
            setattr(transform, item.name, getattr(transform, item.name))
        except FrozenInstanceError:
            continue
        raise AssertionError(f"{transform.owner}.{item.name} can be changed in place")
    hash(jax.tree.structure(transform))  # what jit does with the settings
    rebuilt = jax.tree.map(lambda leaf: leaf, transform)
    assert json.dumps(to_config(rebuilt)) == json.dumps(to_config(transform)), (
        f"{transform.owner} has other settings when JAX has rebuilt it: "
        "__post_init__ must leave settled ones as they are"
    )


def _draws(pipeline: Pipeline, keys: Key, shape: SpatialShape, batch: Batch) -> RecordParams:
    """The draws depend on the key, and on what is read; compiling them changes nothing."""
    params = pipeline.sample(keys, shape, record=batch)
    same(pipeline.sample(keys, shape, record=batch), params, "params drawn again")
    records = [{name: array[i] for name, array in batch.items()} for i in range(len(keys))]
    for i, (key, record) in enumerate(zip(keys, records, strict=True)):
        alone = pipeline.sample(key, shape, record=record)
        same(alone, jax.tree.map(lambda leaf, i=i: leaf[i], params), "params drawn alone")
    read = entries_read(pipeline.transforms, pipeline.spec, records[0])
    frame = Frame(shape, pipeline.spec, {n: jnp.asarray(a) for n, a in read.items()})
    eager = pipeline.transforms[0].sample(
        jax.random.fold_in(drawing_key(jax.random.key_data(keys[0])), 0), frame
    )
    compiled = jax.tree.map(lambda leaf: leaf[0], params.values[0])
    alike = str(jax.tree.structure(eager)) == str(jax.tree.structure(compiled))
    assert alike, "sample gives other params when it is compiled"
    for a, b in zip(jax.tree.leaves(eager), jax.tree.leaves(compiled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg="params, not compiled")
    return params


def _many_draws(
    pipeline: Pipeline, shape: SpatialShape, batch: Batch, size: int, seed: int
) -> tuple[Any, int]:
    """Draws with a leading axis, and how many: a batch at a time, for which nothing compiles."""
    calls = -(-_DRAWS // size)
    keys = jax.random.split(jax.random.key(seed), calls * size)
    parts = [
        pipeline.sample(keys[i * size : (i + 1) * size], shape, record=batch).values[0]
        for i in range(calls)
    ]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts), calls * size


def _same_again(
    pipeline: Pipeline, keys: Key, params: RecordParams, batch: Batch, out: Batch
) -> None:
    """The same params give the same bits; nothing is compiled for it."""
    pipeline.batch(keys, batch)
    document = json.dumps(pipeline.to_dict())
    again = Pipeline.from_dict(json.loads(document))
    assert json.dumps(again.to_dict()) == document, "the document changes when it is read"
    others = jax.random.split(keys[0], len(keys))
    with compilations() as found:
        same(pipeline.batch(keys, batch), out, "batch, against apply of sample")
        same(pipeline.apply(_through_numpy(params), batch), out, "params that were saved")
        same(again.batch(keys, batch), out, "the pipeline, through JSON")
        turned = {name: array[::-1] for name, array in batch.items()}
        jax.block_until_ready(pipeline.batch(others, turned))
    found = [line for line in found if "draw" in line or "_run" in line]
    assert not found, f"compiled anew for the same shapes: {found}"


def _through_numpy(params: RecordParams) -> RecordParams:
    leaves, structure = jax.tree.flatten(params)
    file = io.BytesIO()
    np.savez(file, *[np.asarray(leaf) for leaf in leaves])
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        return jax.tree.unflatten(structure, list(saved.values()))  # type: ignore[no-any-return]


def _one_by_one(pipeline: Pipeline, keys: Key, batch: Batch, out: Batch) -> None:
    for i, key in enumerate(keys):
        alone = pipeline(key, {name: array[i] for name, array in batch.items()})
        same(alone, {name: array[i] for name, array in out.items()}, f"record {i} alone")


def _under_jit_and_vmap(pipeline: Pipeline, keys: Key, batch: Batch, out: Batch) -> None:
    traced = []

    def run(key: Key, record: Any) -> Any:
        traced.append(key)
        return pipeline(key, record)

    wide = jax.jit(jax.vmap(run))
    close(wide(keys, batch), out, "under jit and vmap")
    wide(keys[::-1], batch)
    assert len(traced) == 1, "traced again for the same shapes"


def _maps(transform: Geometric, params: RecordParams, shape: SpatialShape) -> None:
    frames: set[tuple[SpatialShape, SpatialShape]] = set()

    def there_and_back(drawn: Any) -> Any:
        warp = transform.map(drawn, shape)
        frames.add((warp.in_shape, warp.out_shape))
        height, width = warp.out_shape
        x = jnp.array([-0.4, 0.0, 0.1, 0.4], jnp.float32) * width
        y = jnp.array([0.1, 0.0, -0.4, 0.4], jnp.float32) * height
        there_x, there_y, _ = warp.pull(x, y)
        back_x, back_y, _ = warp.push(there_x, there_y)
        return jnp.hypot(back_x - x, back_y - y)

    over = jax.vmap(there_and_back, axis_size=len(params.key))
    far = float(np.max(jax.jit(over, compiler_options=QUICKLY)(params.values[0])))
    ((before, after),) = frames
    assert (before, after) == (shape, transform.out_shape(shape)), (
        f"the map is from {before} to {after}; out_shape says {transform.out_shape(shape)}"
    )
    assert far < _ROUND_TRIP, f"backward and forward map disagree by {far:.3g} pixels"


def _intensity_only(spec: DataSpec, batch: Batch, out: Batch) -> None:
    for name, entry in spec.entries.items():
        if name not in batch or entry.kind != "spatial":
            continue
        for group in entry.groups:
            if group.role != "intensity":
                part = group.channel_slice() if len(entry.groups) > 1 else slice(None)
                same(
                    np.asarray(out[name])[..., part].astype(np.asarray(batch[name]).dtype),
                    np.asarray(batch[name])[..., part],
                    f"{name}, which is no intensity",
                )


def _mixed(pipeline: Pipeline, keys: Key, params: RecordParams, batch: Batch, out: Batch) -> None:
    """Under jit the batch is the same; a record by itself stays as it is, once it is said."""
    close(jax.jit(pipeline.batch)(keys, batch), out, "under jit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MultiaugWarning)
        alone = pipeline(keys[0], {name: array[0] for name, array in batch.items()})
    for name in batch:
        same(np.asarray(alone[name]), np.asarray(batch[name][0]), f"{name} of a record by itself")
    (transform,) = pipeline.transforms
    if not isinstance(transform, Mixing):
        return
    for name in transform.keep:
        same(np.asarray(out[name]), np.asarray(batch[name]), f"{name}, which is kept")
    drawn = jax.tree.map(jnp.asarray, params.values[0])
    weights, partners = transform.weights(drawn), np.asarray(transform.partners(drawn, len(keys)))
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1, atol=1e-6, err_msg="weights")
    assert ((partners >= 0) & (partners < len(keys))).all(), f"partners {partners} are no records"


def _covered_only(
    transform: Occluding,
    params: RecordParams,
    spec: DataSpec,
    batch: Batch,
    out: Batch,
    frame: SpatialShape,
) -> None:
    """What is not covered, and entries that are not touched, are what came in."""
    for name, array in batch.items():
        given, found = np.asarray(array), np.asarray(out[name])
        if spec.entries[name].kind != "spatial":
            continue
        height, width = spec.entries[name].image_shape(given.shape[1:])[:2]
        x = (jnp.arange(width, dtype=jnp.float32) + 0.5) * (frame[1] / width) - 0.5
        y = (jnp.arange(height, dtype=jnp.float32) + 0.5) * (frame[0] / height) - 0.5
        for i in range(len(given)):
            drawn = jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[i]), params.values[0])
            covered = np.asarray(transform.covers(drawn, x[None, :], y[:, None], frame))
            assert covered.shape == (height, width), f"covers gives {covered.shape}"
            left = _left_alone(transform, drawn, spec, name, covered, given[i])
            # Not to the bit: flow of another resolution is scaled to the frame's and back.
            images = (slice(None),) * (spec.entries[name].time is not None)
            close(
                {name: found[i][(*images, left)]},
                {name: given[i][(*images, left)]},
                "where nothing covers it",
                tolerance=1e-6,
                ties=0,
            )


def _left_alone(
    transform: Occluding,
    drawn: Params,
    spec: DataSpec,
    name: str,
    covered: NDArray,
    image: NDArray,
) -> NDArray:
    """Bool, of the shape of an image of one record: values that nothing covers."""
    if not transform.covers_entry(spec.entries[name]):
        return np.ones(image.shape, bool)
    covered = covered if image.ndim == 2 else covered[..., None]
    dropped = transform.dropped(drawn, name, 0, None)
    if dropped is not None:
        covered = covered & np.asarray(dropped if image.ndim == 3 else dropped[0])
    return ~np.broadcast_to(covered, image.shape)


def _derived_only(pipeline: Pipeline, batch: Batch, out: Batch) -> None:
    """The entries are those that came in, and the new ones those that out_spec announces."""
    announced = pipeline.out_spec
    made = {name: array for name, array in out.items() if name in announced.entries}
    check_structure(announced, made, batch=True)
    (transform,) = pipeline.transforms
    assert isinstance(transform, Deriving)
    replaced = transform.replaces
    derived = out.keys() - batch.keys() or announced != pipeline.spec or replaced
    assert derived, "nothing is derived"
    for name in (batch.keys() & out.keys()) - replaced:
        if announced.entries[name] == pipeline.spec.entries[name]:
            same(np.asarray(out[name]), np.asarray(batch[name]), f"{name}, which nothing replaces")


def _footprint(transform: Photometric, params: RecordParams, spec: DataSpec, batch: Batch) -> None:
    """Pixel by pixel means that another pixel may be anything."""
    if transform.footprint != "point":
        return
    drawn = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), params.values[0])
    for name, entry in spec.entries.items():
        group = entry.groups[0]
        if name not in batch or group.role != "intensity" or not transform.touches(name):
            continue
        part = np.asarray(batch[name])[0].astype(np.float32)
        part = part if entry.time is None else part[0]
        part = part[..., None] if part.ndim == 2 else part[..., group.channel_slice()]
        part = np.nan_to_num(part)
        target = Target(name, group.start, (0.0, 1.0), None, part.shape[-1], names=group.names)
        other = part.copy()
        other[0, 0] += 1
        before, after = (
            np.array(transform.apply(drawn, jnp.asarray(v), target)) for v in (part, other)
        )
        before[0, 0] = after[0, 0] = 0
        assert np.array_equal(before, after, equal_nan=True), (
            f"{transform.owner} has the footprint 'point', but a pixel depends on another one"
        )
        return
