"""Entries of other resolutions over the same field of view land where they should."""

import jax
import numpy as np

import multiaug as ma
from tests.reference import maps, sampling
from tests.reference.banded import bar, drawn, errors

FRAME = (34, 46)
# Bands: what each entry is sampled by. Sizes share no factor with the frame but the field.
ENTRIES = {
    "image": (FRAME, (("linear", "mirror"),)),
    "mask": ((17, 23), (("nearest", "constant"),)),
    "twice": ((68, 92), (("linear", "constant"),)),
    "odd": ((25, 33), (("linear", "edge"),)),
}


def spec():
    entries = []
    for name, (_, bands) in ENTRIES.items():
        groups = [
            {"role": "intensity", "channels": 1, "interpolation": m, "border": b, "fill": 0.25}
            for m, b in bands
        ]
        entries.append(ma.EntrySpec.from_dict(name, {"dtype": "float32", "channels": groups}))
    return ma.DataSpec("sizes", entries)


def records(count, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: rng.random((count, *size, len(bands)), np.float32)
        for name, (size, bands) in ENTRIES.items()
    }


def run(transforms, count):
    pipeline, batch = ma.Pipeline(transforms, spec()), records(count)
    keys = jax.random.split(jax.random.key(0), count)
    result = jax.tree.map(np.asarray, pipeline.batch(keys, batch))
    return batch, result, pipeline, pipeline.sample(keys, FRAME)


def test_drawn_maps_land():
    # 34 x 46 becomes 29 x 31: an entry keeps its share of the resolution, in whole pixels.
    transforms = (
        ma.Rotate(60),
        ma.Scale(1.5, per_axis=True),
        ma.Translate(0.2),
        ma.Perspective(0.1),
        ma.Flip("x"),
        ma.RandomResizedCrop((29, 31), scale=(0.3, 1), antialias=False),
    )
    batch, result, pipeline, params = run(transforms, 4)
    outs = {"image": (29, 31), "twice": (58, 62), "odd": (21, 22)}
    for name, (size, bands) in ENTRIES.items():
        out = result[name].shape[1:3]
        assert out == outs.get(name, out)
        assert np.abs(np.subtract(out, [29 * size[0] / 34, 31 * size[1] / 46])).max() <= 0.5
        for i in range(4):
            grid = maps.grid(pipeline.transforms, drawn(params, i), FRAME, size=size, out=out)
            found = errors(batch[name][i], result[name][i], grid, bands, resized=True)
            limit = 0 if bands[0][0] == "nearest" else bar(size[1])
            assert found.max() <= limit, (name, i, found)


def test_a_displacement_lands():
    batch, result, pipeline, params = run((ma.Elastic(0.03), ma.Rotate(60), ma.Flip("y")), 3)
    for name, (size, bands) in ENTRIES.items():
        for i in range(3):
            grid = maps.grid(pipeline.transforms, drawn(params, i), FRAME, size=size, out=size)
            found = errors(batch[name][i], result[name][i], grid, bands)
            limit = 0 if bands[0][0] == "nearest" else bar(size[1])
            assert found.max() <= limit, (name, i, found)


def test_turns_and_flips_are_copies_at_every_resolution():
    batch, result, pipeline, params = run(
        (ma.Flip("x"), ma.Rot90(1), ma.Flip("y"), ma.Transpose(1.0)), 8
    )
    for name, (size, bands) in ENTRIES.items():
        for i in range(8):
            x, y = maps.grid(pipeline.transforms, drawn(params, i), FRAME, size=size, out=size)
            x, y = np.round(x).astype(int), np.round(y).astype(int)
            for k in range(len(bands)):
                want = sampling.pixels(batch[name][i, ..., k], x, y, "edge", 0)
                assert np.array_equal(result[name][i, ..., k], want), (name, i)
