"""At least one instance of every transform: a new one is checked as soon as it is listed here."""

import numpy as np

import multiaug as ma

TILT = np.array([[1, 0.02, 0.5], [-0.01, 1.1, 0], [0.002, -0.001, 1]], np.float32)

CASES = {
    "Affine": ma.Affine(np.array([[0.9, 0.1, 1], [-0.2, 1.1, 0.5]], np.float32)),
    "Brightness": ma.Brightness(0.2),
    "ChannelDropout": ma.ChannelDropout((1, 2), fill=0.2),
    "ChannelShift": ma.ChannelShift(0.1),
    "ChannelShuffle": ma.ChannelShuffle(),
    "CoarseDropout": ma.CoarseDropout((1, 4), height=(2, 5), width=(0.1, 0.3), mask="covered"),
    "Contrast": ma.Contrast(0.3),
    "CopyPaste": ma.CopyPaste("mask", 0.4),
    "Crop": ma.Crop((10, 12)),
    "CutMix": ma.CutMix(0.8, keep=["image"]),
    "D4": ma.D4(),
    "Elastic": ma.Elastic(0.02, (3, 4)),
    "Erase": ma.Erase((0.05, 0.4), count=(0, 3), fill=0.5),
    "Flip": ma.Flip("y"),
    "Gamma": ma.Gamma(1.4, clip=True),
    "GaussianNoise": ma.GaussianNoise(0.1),
    "GridMask": ma.GridMask((0.2, 0.4), ratio=(0.3, 0.6), degrees=45, fill=0.3),
    "Maybe": ma.Maybe([ma.Rotate(20), ma.Brightness(0.1)], p=0.6),
    "MixUp": ma.MixUp(0.4, keep=["mask"]),
    "Mosaic": ma.Mosaic((0.3, 0.6)),
    "ModalityDropout": ma.ModalityDropout(["image", "mask"], (0.5, 0.3)),
    "Normalize": ma.Normalize((0.4, 0.5, 0.6), 0.25),
    "OneHot": ma.OneHot("mask", 12),
    "OneOf": ma.OneOf([ma.Resize((10, 12), antialias=False), ma.Crop((10, 12))], weights=(1, 3)),
    "Pad": ma.Pad((1, 2)),
    "Perspective": ma.Perspective(0.1),
    "Perspective, given": ma.Perspective(matrix=TILT),
    "RandomResizedCrop": ma.RandomResizedCrop((10, 12)),
    "Resize": ma.Resize((10, 12)),
    "Rot90": ma.Rot90(),
    "Rotate": ma.Rotate((-30, 45)),
    "Scale": ma.Scale(1.3, per_axis=True),
    "Shear": ma.Shear((10, (-5, 0))),
    "Shuffle": ma.Shuffle([ma.Flip("x"), ma.Contrast(0.2)]),
    "SomeOf": ma.SomeOf([ma.Translate(px=2), ma.Flip("x"), ma.Gamma(1.2)], k=(1, 2)),
    "Translate": ma.Translate(((-0.1, 0.1), (0, 0.2))),
    "Transpose": ma.Transpose(),
}

SPEC = ma.DataSpec.from_dict(
    {
        "name": "a picture and its labels",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 3, "invalid": "nan"},
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
        },
    }
)
