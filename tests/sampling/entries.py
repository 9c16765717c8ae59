"""Entries and transforms that tests of the sampler share."""

import multiaug as ma
from multiaug.pipeline.backends import _native_programs


def picture(dtype="float32", channels=1, **settings):
    return {"role": "intensity", "dtype": dtype, "channels": channels, **settings}


def mask(**settings):
    return {"role": "label", "dtype": "uint8", **settings}


def spec_of(entries):
    return ma.DataSpec.from_dict({"name": "kernels", "entries": entries})


RANDOM = [ma.Rotate(180), ma.Scale((0.5, 2)), ma.Shear(15), ma.Translate(0.3), ma.Flip("x")]


def is_compiled(pipeline, keys, batch):
    """Whether a batch that has just run was sampled in C, every image of it."""
    pipeline.batch(keys, batch)
    return not _native_programs._WORKS.values()[-1].refused
