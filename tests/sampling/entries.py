"""Entries and transforms that tests of the sampler share."""

import multiaug as ma
from multiaug.pipeline.backends import _native

BORDERS = ("constant", "edge", "reflect", "mirror", "wrap")


def picture(dtype="float32", channels=1, **settings):
    return {"role": "intensity", "dtype": dtype, "channels": channels, **settings}


def mask(**settings):
    return {"role": "label", "dtype": "uint8", **settings}


def spec_of(entries):
    return ma.DataSpec.from_dict({"name": "kernels", "entries": entries})


def entries_of(border):
    """One entry for each way through the compiled code."""
    each = {"border": border}
    fills = {"fill": [1, 2, 3, 4, 5]} if border == "constant" else {}
    return {
        "rgb": picture("uint8", 3, **each),
        "gray": picture("uint8", 1, **each),
        "mask": mask(**each),
        "more": picture("uint8", 5, **each, **fills),
        "ids": {"role": "label", "dtype": "int32", **each},
        "copied": picture("float16", 2, interpolation="nearest", **each),
        "two": picture("float32", 2, **each),
        "float": picture("float32", 6, **each),
        "many": picture("float32", 33, **each),
        "wide": picture("uint16", 13, **each),
        "holes": picture("float32", 3, invalid="nan", **each),
        "hole": picture("float32", 1, invalid="nan", **each),
        "marked": picture("float32", 2, invalid=0, **each),
    }  # fmt: skip


CLOUD = {
    "rgbxyz": {
        "dtype": "float32",
        "channels": [
            {"channels": ["r", "g", "b"], "role": "intensity"},
            {"channels": ["x", "y", "z"], "role": "position"},
        ],
    },
    "half": {"role": "label", "dtype": "uint8"},
    "intrinsics": {"role": "intrinsics", "dtype": "float32"},
}
RANDOM = [ma.Rotate(180), ma.Scale((0.5, 2)), ma.Shear(15), ma.Translate(0.3), ma.Flip("x")]
KINDS = {
    "affine": RANDOM,
    "perspective": [ma.Rotate(40), ma.Perspective(0.15), ma.Flip("y")],
    "elastic": [ma.Rotate(30), ma.Elastic(0.03)],
    "elastic first": [ma.Elastic(0.03), ma.Rotate(30)],
    "smaller": [ma.Rotate(10), ma.Resize((13, 17))],
    "exact": [ma.Crop((14, 15), pad=True), ma.Flip("x"), ma.Pad((1, 2)), ma.Rot90((1, 3))],
    "larger": [ma.Rotate(10), ma.Resize((53, 77), antialias=False)],
}


def is_compiled(pipeline, keys, batch):
    """Whether a batch that has just run was sampled in C, every image of it."""
    pipeline.batch(keys, batch)
    return not _native._WORKS.values()[-1].refused
