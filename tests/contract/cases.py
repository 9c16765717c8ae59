"""At least one instance of every transform: a new one is checked as soon as it is listed here."""

import numpy as np

import multiaug as ma

TILT = np.array([[1, 0.02, 0.5], [-0.01, 1.1, 0], [0.002, -0.001, 1]], np.float32)

CASES = {
    "Affine": ma.Affine(np.array([[0.9, 0.1, 1], [-0.2, 1.1, 0.5]], np.float32)),
    "AutoContrast": ma.AutoContrast(),
    "AutoContrast, quantiles": ma.AutoContrast((0.1, 0.2), "group"),
    "BiasField": ma.BiasField(0.3),
    "BrightnessGradient": ma.BrightnessGradient(per="channel", p_per_channel=0.5),
    "Brightness": ma.Brightness(0.2),
    "CLAHE": ma.CLAHE(tile_grid_size=(2, 3)),
    "ChannelDropout": ma.ChannelDropout((1, 2), fill=0.2),
    "ChannelShift": ma.ChannelShift(0.1),
    "ColorJitter": ma.ColorJitter(0.4, 0.3, 0.2, 0.1, clip=True),
    "ColorTemperature": ma.ColorTemperature((3000, 9000)),
    "Contrast": ma.Contrast(0.3),
    "Contrast, nnU-Net": ma.Contrast(
        (-0.5, 1),
        per="channel",
        p_per_channel=0.5,
        mean="channel",
        keep_range=True,
        distribution="balanced",
    ),
    "Contrast, grey": ma.Contrast(0.3, mean="grey"),
    "ChannelShuffle": ma.ChannelShuffle(),
    "CoarseDropout": ma.CoarseDropout((1, 4), height=(2, 5), width=(0.1, 0.3), mask="covered"),
    "CopyPaste": ma.CopyPaste("mask", 0.4),
    "Crop": ma.Crop((10, 12)),
    "CutMix": ma.CutMix(0.8, keep=["image"]),
    "D4": ma.D4(),
    "Elastic": ma.Elastic(0.02, (3, 4)),
    "Equalize": ma.Equalize(),
    "Erase": ma.Erase((0.05, 0.4), count=(0, 3), fill=0.5),
    "Flip": ma.Flip("y"),
    "Gain": ma.Gain(0.3),
    "Gain, by channel": ma.Gain(0.3, per="channel", p_per_channel=0.5),
    "Gamma": ma.Gamma(1.4, clip=True),
    "Gamma, nnU-Net": ma.Gamma(
        (0.7, 1.5),
        per="channel",
        p_per_channel=0.5,
        range="channel",
        inverted=True,
        keep_statistics=True,
        distribution="balanced",
    ),
    "Gamma, inverted": ma.Gamma((0.7, 1.5), per="channel", inverted=True),
    "GaussianNoise": ma.GaussianNoise(0.1),
    "Grey": ma.Grey(p=0.5),
    "Grey, mean": ma.Grey("mean"),
    "GridMask": ma.GridMask((0.2, 0.4), ratio=(0.3, 0.6), degrees=45, fill=0.3),
    "HistogramShift": ma.HistogramShift(6),
    "HueSaturation": ma.HueSaturation(0.1, 0.5, 0.3),
    "HueSaturation, hue": ma.HueSaturation(0.1, 0, 0),
    "HueSaturation, shift": ma.HueSaturation(0.1, 0.2, 0.2, "shift", clip=True),
    "Invert": ma.Invert(),
    "LocalGamma": ma.LocalGamma(per="channel", range="channel", distribution="balanced"),
    "Maybe": ma.Maybe([ma.Rotate(20), ma.Brightness(0.1)], p=0.6),
    "MixUp": ma.MixUp(0.4, keep=["mask"]),
    "Mosaic": ma.Mosaic((0.3, 0.6)),
    "ModalityDropout": ma.ModalityDropout(["image", "mask"], (0.5, 0.3)),
    "Normalize": ma.Normalize((0.4, 0.5, 0.6), 0.25),
    "NormalizeRecord": ma.NormalizeRecord(),
    "NormalizeRecord, percentiles": ma.NormalizeRecord("percentile", "channel", (5, 90), clip=True),
    "OneHot": ma.OneHot("mask", 12),
    "OneOf": ma.OneOf([ma.Resize((10, 12), antialias=False), ma.Crop((10, 12))], weights=(1, 3)),
    "Pad": ma.Pad((1, 2)),
    "Perspective": ma.Perspective(0.1),
    "Perspective, given": ma.Perspective(matrix=TILT),
    "PhotometricDistortion": ma.PhotometricDistortion(),
    "Posterize": ma.Posterize((2, 5)),
    "RandomResizedCrop": ma.RandomResizedCrop((10, 12)),
    "RescaleIntensity": ma.RescaleIntensity((-0.5, 200)),
    "Resize": ma.Resize((10, 12)),
    "RandomShadow": ma.RandomShadow(),
    "Rot90": ma.Rot90(),
    "Rotate": ma.Rotate((-30, 45)),
    "Saturation": ma.Saturation(0.5),
    "Scale": ma.Scale(1.3, per_axis=True),
    "Shear": ma.Shear((10, (-5, 0))),
    "Shuffle": ma.Shuffle([ma.Flip("x"), ma.Contrast(0.2)]),
    "Solarize": ma.Solarize((0.3, 0.8)),
    "SomeOf": ma.SomeOf([ma.Translate(px=2), ma.Flip("x"), ma.Gamma(1.2)], k=(1, 2)),
    "Translate": ma.Translate(((-0.1, 0.1), (0, 0.2))),
    "Transpose": ma.Transpose(),
}

# Value transforms that are made of the same operations as those of the day.
BY_NIGHT = {
    *("AutoContrast", "AutoContrast, quantiles", "BiasField", "BrightnessGradient", "CLAHE"),
    *("ColorTemperature", "Contrast, grey", "Contrast, nnU-Net", "Equalize", "Gain"),
    *("Gain, by channel", "Gamma, inverted", "Gamma, nnU-Net", "Grey", "Grey, mean"),
    *("HistogramShift", "HueSaturation", "HueSaturation, hue", "HueSaturation, shift", "Invert"),
    *("LocalGamma", "NormalizeRecord", "PhotometricDistortion", "Posterize", "RandomShadow"),
    *("RescaleIntensity", "Saturation", "Solarize"),
}

SPEC = ma.DataSpec.from_dict(
    {
        "name": "a picture and its labels",
        "entries": {
            "image": {
                "role": "intensity",
                "dtype": "float32",
                "channels": ["r", "g", "b"],
                "invalid": "nan",
            },
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
        },
    }
)
