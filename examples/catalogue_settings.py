"""Weaker settings of the transforms of catalogue.py: the least and the middle one of each sheet.

None stands for transforms that have no strength and draw: two other draws are shown. Those that
neither have a strength nor draw stand in `ALONE`.
"""

from __future__ import annotations

import numpy as np

import multiaug as ma

# A reference: an evening sky, from dark blue down to orange.
DUSK = np.uint8(
    np.linspace([20, 30, 90], [240, 140, 60], 24)[:, None] + np.linspace(-15, 15, 24)[None, :, None]
)

WEAKER: dict[str, tuple[ma.Transform, ma.Transform] | None] = {
    "Rotate": (ma.Rotate((5, 5)), ma.Rotate((15, 15))),
    "Translate": (ma.Translate((0.05, 0.05)), ma.Translate((0.1, 0.1))),
    "Scale": (ma.Scale((0.7, 0.7)), ma.Scale((1.2, 1.2))),
    "Shear": (ma.Shear((5, 5)), ma.Shear((12, 12))),
    "Affine": (
        ma.Affine([[0.95, 0.05, 2], [-0.05, 0.95, 8], [0, 0, 1]]),
        ma.Affine([[0.85, 0.15, 6], [-0.15, 0.85, 24], [0, 0, 1]]),
    ),
    "D4": None,
    "Perspective": (ma.Perspective(0.05), ma.Perspective(0.12)),
    "Elastic": (ma.Elastic(0.015, (4, 4)), ma.Elastic(0.03, (4, 4))),
    "GridDistortion": (ma.GridDistortion(0.2), ma.GridDistortion(0.4)),
    "OpticalDistortion": (ma.OpticalDistortion((-0.2, -0.2)), ma.OpticalDistortion((0.2, 0.2))),
    "ThinPlateSpline": (ma.ThinPlateSpline(0.02), ma.ThinPlateSpline(0.045)),
    "PiecewiseAffine": (ma.PiecewiseAffine(0.015), ma.PiecewiseAffine(0.03)),
    "Crop": (ma.Crop((95, 140)), ma.Crop((85, 120))),
    "Pad": (ma.Pad(2), ma.Pad(5)),
    "PadTo": (ma.PadTo((102, 150)), ma.PadTo((106, 154))),
    "PadToMultiple": (ma.PadToMultiple(8), ma.PadToMultiple(16)),
    "Resize": (ma.Resize((96, 142)), ma.Resize((80, 130))),
    "ResizeShortest": (ma.ResizeShortest(95), ma.ResizeShortest(90)),
    "ResizeLongest": (ma.ResizeLongest(140), ma.ResizeLongest(120)),
    "LetterBox": (ma.LetterBox((100, 144)), ma.LetterBox((112, 130))),
    "RandomResizedCrop": (
        ma.RandomResizedCrop(96, (0.8, 0.9)),
        ma.RandomResizedCrop(96, (0.4, 0.5)),
    ),
    "RandomScaledCrop": (
        ma.RandomScaledCrop((90, 120), (1.0, 1.0)),
        ma.RandomScaledCrop((90, 120), (0.8, 0.8)),
    ),
    "SafeRotate": (ma.SafeRotate((5, 5)), ma.SafeRotate((15, 15))),
    "LabelCrop": (ma.LabelCrop(90, (0,), entry="mask"), ma.LabelCrop(72, (0,), entry="mask")),
    "BoxSafeCrop": None,
    "CameraRotate": (
        ma.CameraRotate((2, 2), (-3, -3), (2, 2)),
        ma.CameraRotate((5, 5), (-7, -7), (6, 6)),
    ),
    "CanonicalCamera": (
        ma.CanonicalCamera((100, 148), 190.0),
        ma.CanonicalCamera((100, 148), 170.0),
    ),
    "CameraMotion": (ma.CameraMotion((0.04, 0.04)), ma.CameraMotion((0.09, 0.09))),
    "CanonicalDepth": (ma.CanonicalDepth(210.0), ma.CanonicalDepth(230.0)),
    "CloudMotion": (
        ma.CloudMotion((8, 8), scale=(1.05, 1.05), drop=(0.05, 0.05)),
        ma.CloudMotion((20, 20), scale=(1.1, 1.1), drop=(0.15, 0.15)),
    ),
    "DepthNoise": (ma.DepthNoise(strength=(1, 1)), ma.DepthNoise(strength=(4, 4))),
    "Brightness": (ma.Brightness((-0.3, -0.3)), ma.Brightness((0.1, 0.1))),
    "Gain": (ma.Gain((-0.5, -0.5)), ma.Gain((0.3, 0.3))),
    "Contrast": (ma.Contrast((-0.6, -0.6)), ma.Contrast((0.4, 0.4))),
    "Gamma": (ma.Gamma((0.4, 0.4)), ma.Gamma((1.5, 1.5))),
    "ChannelShift": (ma.ChannelShift(0.1), ma.ChannelShift(0.2)),
    "ChannelShuffle": None,
    "HueSaturation": (
        ma.HueSaturation((-0.1, -0.1), (-0.5, -0.5)),
        ma.HueSaturation((0.1, 0.1), (0.2, 0.2)),
    ),
    "Saturation": (ma.Saturation((-0.8, -0.8)), ma.Saturation((0.6, 0.6))),
    "ColorJitter": (ma.ColorJitter(0.1, 0.1, 0.1, 0.02), ma.ColorJitter(0.3, 0.3, 0.4, 0.1)),
    "PhotometricDistortion": None,
    "ColorTemperature": (ma.ColorTemperature((12000, 12000)), ma.ColorTemperature((4500, 4500))),
    "Posterize": (ma.Posterize(5), ma.Posterize(3)),
    "Solarize": (ma.Solarize((0.9, 0.9)), ma.Solarize((0.7, 0.7))),
    "HistogramShift": None,
    "Normalize": (ma.Normalize(0.5, 1.0), ma.Normalize(0.5, 0.5)),
    "RescaleIntensity": (
        ma.RescaleIntensity((0.0, 0.9), entries="luma"),
        ma.RescaleIntensity((0.1, 0.75), entries="luma"),
    ),
    "AutoContrast": (ma.AutoContrast((0.0, 0.0)), ma.AutoContrast((0.03, 0.03))),
    "CLAHE": (ma.CLAHE((1, 1)), ma.CLAHE((2, 2))),
    "HistogramMatching": (
        ma.HistogramMatching(DUSK, 0.3, entries="image"),
        ma.HistogramMatching(DUSK, 0.6, entries="image"),
    ),
    "FDA": (ma.FDA(DUSK, 0.0, entries="image"), ma.FDA(DUSK, 0.01, entries="image")),
    "BiasField": (ma.BiasField(0.2), ma.BiasField(0.5)),
    "BrightnessGradient": (
        ma.BrightnessGradient((0.2, 0.2), (0.3, 0.3), (0.2, 0.8)),
        ma.BrightnessGradient((0.5, 0.5), (0.3, 0.3), (0.2, 0.8)),
    ),
    "LocalGamma": (
        ma.LocalGamma((0.4, 0.4), (0.4, 0.4), (0.2, 0.8)),
        ma.LocalGamma((2, 2), (0.4, 0.4), (0.2, 0.8)),
    ),
    "RandomShadow": (
        ma.RandomShadow((0.3, 0.3), (0.2, 0.2)),
        ma.RandomShadow((0.5, 0.5), (0.2, 0.2)),
    ),
    "GaussianBlur": (ma.GaussianBlur((0.6, 0.6)), ma.GaussianBlur((1.3, 1.3))),
    "MotionBlur": (ma.MotionBlur((4, 4)), ma.MotionBlur((9, 9))),
    "MedianBlur": (ma.MedianBlur(3), ma.MedianBlur(5)),
    "Sharpen": (ma.Sharpen((0.5, 0.5)), ma.Sharpen((1.5, 1.5))),
    "Sharpness": (ma.Sharpness((-0.8, -0.8)), ma.Sharpness((1, 1))),
    "LowResolution": (ma.LowResolution((0.7, 0.7)), ma.LowResolution((0.5, 0.5))),
    "JPEG": (ma.JPEG(60), ma.JPEG(25)),
    "GaussianNoise": (ma.GaussianNoise((0.03, 0.03)), ma.GaussianNoise((0.08, 0.08))),
    "ShotNoise": (ma.ShotNoise((500, 500)), ma.ShotNoise((100, 100))),
    "SpeckleNoise": (ma.SpeckleNoise((0.1, 0.1)), ma.SpeckleNoise((0.2, 0.2))),
    "SaltAndPepper": (ma.SaltAndPepper((0.01, 0.01)), ma.SaltAndPepper((0.03, 0.03))),
    "RicianNoise": (ma.RicianNoise((0.05, 0.05)), ma.RicianNoise((0.1, 0.1))),
    "BandMisregistration": (ma.BandMisregistration(0.5), ma.BandMisregistration(1.5)),
    "DeadLines": (ma.DeadLines((1, 1)), ma.DeadLines((3, 3))),
    "Erase": (ma.Erase((0.02, 0.02)), ma.Erase((0.08, 0.08))),
    "CoarseDropout": (
        ma.CoarseDropout((2, 2), height=(0.1, 0.1), width=(0.1, 0.1)),
        ma.CoarseDropout((4, 4), height=(0.1, 0.2), width=(0.1, 0.2)),
    ),
    "GridMask": (
        ma.GridMask((0.12, 0.12), degrees=(20, 20)),
        ma.GridMask((0.18, 0.18), degrees=(20, 20)),
    ),
    "ChannelDropout": None,
    "MixUp": None,
    "CutMix": None,
    "Mosaic": None,
    "CopyPaste": None,
    "RandAugment": (ma.RandAugment(2, 4), ma.RandAugment(2, 12)),
    "TrivialAugment": None,
    "AutoAugment": None,
    "AugMix": (ma.AugMix(2), ma.AugMix(6)),
    "ThreeAugment": None,
    "Maybe": None,
    "OneOf": None,
    "SomeOf": None,
    "Shuffle": None,
    "ForEntries": None,
    "Edges": (ma.Edges("mask", 1), ma.Edges("mask", 2)),
}

ALONE = frozenset(
    {
        "Flip",
        "Rot90",
        "Transpose",
        "EncodeDepth",
        "Grey",
        "Invert",
        "NormalizeRecord",
        "Equalize",
        "Standardize",
        "Whiten",
        "ModalityDropout",
        "OneHot",
        "Regions",
        "DistanceMap",
        "Scales",
        "RelabelInstances",
        "BoxesFromMasks",
        "HHA",
        "FilterBoxes",
    }
)
