"""At least one instance of every transform: a new one is checked as soon as it is listed here."""

import numpy as np

import multiaug as ma

TILT = np.array([[1, 0.02, 0.5], [-0.01, 1.1, 0], [0.002, -0.001, 1]], np.float32)

CASES = {
    "Affine": ma.Affine(np.array([[0.9, 0.1, 1], [-0.2, 1.1, 0.5]], np.float32)),
    "BoxSafeCrop": ma.BoxSafeCrop((12, 10), share=0.5),
    "CameraMotion": ma.CameraMotion(0.1, 0.1),
    "CameraRotate": ma.CameraRotate(20, 20, 40),
    "CanonicalCamera": ma.CanonicalCamera((12, 10), 20, position="random"),
    "CanonicalDepth": ma.CanonicalDepth(50),
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
    "CloudMotion": ma.CloudMotion(40, 5, (0.8, 1.2), 0.1, jitter=0.01, clip=0.02, drop=(0, 0.3)),
    "CoarseDropout": ma.CoarseDropout((1, 4), height=(2, 5), width=(0.1, 0.3), mask="covered"),
    "CopyPaste": ma.CopyPaste("mask", 0.4),
    "Crop": ma.Crop((10, 12)),
    "CutMix": ma.CutMix(0.8, keep=["image"]),
    "D4": ma.D4(),
    "DepthNoise": ma.DepthNoise(strength=(0.5, 2)),
    "Elastic": ma.Elastic(0.02, (3, 4)),
    "EncodeDepth": ma.EncodeDepth("depth", "log", invalid=0),
    "ForEntries": ma.ForEntries("image", [ma.Crop(12), ma.Resize(16), ma.Rotate(20, p=0.5)]),
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
    "GridDistortion": ma.GridDistortion(0.5, (3, 4)),
    "LabelCrop": ma.LabelCrop((9, 11), share=0.5, max_share=0.6),
    "LetterBox": ma.LetterBox((12, 10), position="random"),
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
    "OpticalDistortion": ma.OpticalDistortion((-0.1, 0.2), (0, 0.1)),
    "Pad": ma.Pad((1, 2)),
    "PadTo": ma.PadTo((20, 17), position="random"),
    "PadToMultiple": ma.PadToMultiple((5, 7)),
    "Perspective": ma.Perspective(0.1),
    "Perspective, given": ma.Perspective(matrix=TILT),
    "PiecewiseAffine": ma.PiecewiseAffine(0.05, (2, 3)),
    "RandomScaledCrop": ma.RandomScaledCrop((10, 12)),
    "ResizeLongest": ma.ResizeLongest(11),
    "ResizeShortest": ma.ResizeShortest((9, 13), crop=12),
    "SafeRotate": ma.SafeRotate(60, antialias=True),
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
    "ThinPlateSpline": ma.ThinPlateSpline(0.05),
    "Translate": ma.Translate(((-0.1, 0.1), (0, 0.2))),
    "Transpose": ma.Transpose(),
}

# A check compiles four programs. What shares its code with others, and has tests of its own, is
# checked at night.
BY_NIGHT = {
    *("AutoContrast", "AutoContrast, quantiles", "BiasField", "BrightnessGradient", "CLAHE"),
    *("ColorTemperature", "Contrast, grey", "Contrast, nnU-Net", "Equalize", "Gain"),
    *("Gain, by channel", "Gamma, inverted", "Gamma, nnU-Net", "Grey", "Grey, mean"),
    *("HistogramShift", "HueSaturation", "HueSaturation, hue", "HueSaturation, shift", "Invert"),
    *("LocalGamma", "NormalizeRecord", "PhotometricDistortion", "Posterize", "RandomShadow"),
    *("RescaleIntensity", "Saturation", "Solarize"),
    *("BoxSafeCrop", "CameraMotion", "CanonicalCamera", "CanonicalDepth", "DepthNoise"),
    *("EncodeDepth", "ForEntries", "GridDistortion", "LabelCrop", "LetterBox"),
    *("OpticalDistortion", "PadTo", "PadToMultiple", "PiecewiseAffine", "ResizeLongest"),
    *("ResizeShortest", "SafeRotate", "ThinPlateSpline"),
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


def _with(**roles):
    entries = [ma.EntrySpec.of_role(n, role, dtype="float32") for n, role in roles.items()]
    return ma.DataSpec(f"{', '.join(roles)}, too", [*SPEC.entries.values(), *entries])


# Where a case needs more entries.
SPECS = {
    "BoxSafeCrop": _with(boxes="boxes"),
    "CameraMotion": _with(xyz="position", camera="intrinsics"),
    "CameraRotate": _with(camera="intrinsics"),
    "CanonicalCamera": _with(camera="intrinsics"),
    "CanonicalDepth": _with(camera="intrinsics", xyz="position", normals="direction"),
    "CloudMotion": _with(xyz="position", pose="extrinsics"),
    "DepthNoise": _with(depth="depth", xyz="position"),
    "EncodeDepth": _with(depth="depth"),
}
