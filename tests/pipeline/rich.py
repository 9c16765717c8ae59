"""A record with every role, and pipelines that between them use every mechanism."""

import hashlib

import jax
import numpy as np

import multiaug as ma
from multiaug.testing import make_record

SHAPE = (24, 32)

SPEC = ma.DataSpec.from_dict(
    {
        "name": "every role",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 3},
            "grey": {
                "role": "intensity",
                "dtype": "uint8",
                "channels": 1,
                "interpolation": "cubic",
                "border": "reflect",
            },
            "rgbxyz": {
                "dtype": "float32",
                "channels": [
                    {"channels": ["r", "g", "b"], "role": "intensity", "range": [0, 255]},
                    {
                        "channels": ["x", "y", "z"],
                        "role": "position",
                        "under_elastic": "resample",
                    },
                ],
            },
            "mask": {"role": "label", "dtype": "uint8", "mirror_pairs": [[1, 2]], "ignore": 255},
            "depth": {"role": "depth", "dtype": "float32", "under_elastic": "resample"},
            "normals": {"role": "direction", "dtype": "float32", "under_elastic": "resample"},
            "flow": {"role": "flow", "dtype": "float32"},
            "angle": {"role": "orientation", "dtype": "float32", "period": 180},
            "density": {"role": "density", "dtype": "float32", "channels": 1},
            "keypoints": {"role": "keypoints", "dtype": "float32", "mirror_pairs": [[0, 1]]},
            "boxes": {"role": "boxes", "dtype": "float32"},
            "points": {"role": "points3d", "dtype": "float32", "under_elastic": "resample"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
            "extrinsics": {"role": "extrinsics", "dtype": "float32"},
            "id": {"role": "scalar"},
        },
    }
)

PIPELINES = {
    "affine": ma.Pipeline(
        [
            ma.Rotate(30),
            ma.Scale(1.3),
            ma.Translate(0.1),
            ma.Shear(10),
            ma.Flip("x"),
            ma.Brightness(0.2),
            ma.Contrast(0.2),
            ma.Gamma(1.3),
            ma.GaussianNoise(0.05),
        ],
        SPEC,
    ),
    "containers": ma.Pipeline(
        [
            ma.Maybe(ma.Rotate(30)),
            ma.OneOf([ma.Scale(1.3), ma.Perspective(0.1)]),
            ma.Shuffle([ma.Shear(10), ma.Brightness(0.2)]),
            ma.SomeOf([ma.Flip("y", p=1), ma.ChannelShift(0.1)], k=1),
            ma.RandomResizedCrop((20, 24)),
            ma.GaussianNoise(0.05),
            ma.Normalize(0.5, 0.2),
        ],
        SPEC,
    ),
    "elastic": ma.Pipeline([ma.Elastic(0.03), ma.Rotate(20), ma.GaussianNoise(0.1)], SPEC),
}


def batch_of(count: int, seed: int = 0, spec: ma.DataSpec = SPEC, content: str = "noise"):
    """Records with holes; the mask has half the resolution."""
    made = make_record(spec, SHAPE, seed, batch=count, content=content, holes=True, half=("mask",))
    if "id" in made:
        made["id"] = np.arange(count) + 2**40
    return made


def keys_of(count: int, seed: int = 1):
    return jax.random.split(jax.random.key(seed), count)


def part(batch, index):
    """Some records of a batch, or one."""
    return {name: array[index] for name, array in batch.items()}


def digest(out):
    """One line for the bits of a result."""
    found = hashlib.sha256()
    for name in sorted(out):
        array = np.asarray(out[name])
        found.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return found.hexdigest()
