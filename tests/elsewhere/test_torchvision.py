"""Compositions of torchvision become pipelines that mean the same, or are refused by name.

torchvision is not among what tests install: stand-ins have its class names and attributes.
"""

import enum

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

import multiaug as ma
from multiaug.elsewhere import counterparts
from tests.elsewhere.agreement import forward, near

COLOURS = {"role": "intensity", "channels": ["r", "g", "b"], "dtype": "uint8"}
SPEC = ma.DataSpec.from_dict(
    {"name": "points", "entries": {"image": COLOURS, "points": {"role": "keypoints"}}}
)


class Mode(enum.Enum):
    BILINEAR = "bilinear"
    NEAREST = "nearest"


class Policy(enum.Enum):
    SVHN = "svhn"


def v2(name, *, module="torchvision.transforms.v2._any", **attributes):
    """What has the name and the attributes of a transform."""
    found = type(name, (), {"__module__": module})()
    vars(found).update({"training": True, "_modules": {}, **attributes})
    return found


MOVES = {"interpolation": Mode.BILINEAR, "fill": 0, "_fill": {"others": 0}, "center": None}
SIZES = {"interpolation": Mode.BILINEAR, "antialias": True}
POLICY = {"interpolation": Mode.NEAREST, "fill": None}
CASES = [
    (v2("RandomHorizontalFlip", p=0.5), [ma.Flip("x")]),
    (v2("RandomVerticalFlip", p=0.2), [ma.Flip("y", p=0.2)]),
    (v2("RandomRotation", degrees=[-5.0, 9.0], expand=False, **MOVES), [ma.Rotate((-5, 9))]),
    (v2("RandomAffine", degrees=[-5.0, 9.0], translate=(0.1, 0), scale=None, shear=None, **MOVES),
     [ma.Rotate((-9, 5)), ma.Translate(((-0.1, 0.1), (0, 0)), whole=True)]),
    (v2("Resize", size=[8], max_size=20, **SIZES), [ma.ResizeShortest(8, 20)]),
    (v2("Resize", size=[8, 6], max_size=None, **SIZES), [ma.Resize((8, 6))]),
    (v2("RandomShortestSize", min_size=[8], max_size=None, **SIZES), [ma.ResizeShortest(8)]),
    (v2("RandomResizedCrop", size=(8, 6), scale=(0.5, 1), ratio=(1, 1), **SIZES),
     [ma.RandomResizedCrop((8, 6), (0.5, 1), (1, 1))]),
    (v2("RandomCrop", size=(8, 6), padding=[1, 2, 3, 4], pad_if_needed=False, fill=0,
        padding_mode="constant"), [ma.Pad((2, 4, 1, 3)), ma.Crop((8, 6))]),
    (v2("CenterCrop", size=(8, 6)), [ma.Crop((8, 6), "centre", pad=True)]),
    (v2("Pad", padding=3, fill=0, padding_mode="constant"), [ma.Pad(3)]),
    (v2("RandomPerspective", p=0.5, distortion_scale=0.2, **{k: MOVES[k] for k in MOVES
        if k != "center"}), [ma.Perspective(0.1, p=0.5)]),
    (v2("RandomErasing", p=0.25, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=[51.0], inplace=False),
     [ma.Erase((0.02, 0.33), (0.3, 3.3), fill=0.2, entries="image", p=0.25)]),
    (v2("ColorJitter", brightness=(0.8, 1.2), contrast=None, saturation=None, hue=(-0.1, 0.1)),
     [ma.ColorJitter((0.8, 1.2), hue=(-0.1, 0.1), clip=True)]),
    (v2("GaussianBlur", kernel_size=(5, 5), sigma=[0.1, 2.0]), [ma.GaussianBlur((0.1, 2), 5)]),
    (v2("GaussianNoise", mean=0.0, sigma=0.1, clip=True), [ma.GaussianNoise((0.1, 0.1), True)]),
    (v2("JPEG", quality=[50, 90]), [ma.JPEG((50, 90), clip=True)]),
    (v2("RandomPosterize", p=0.5, bits=3), [ma.Posterize(3, p=0.5)]),
    (v2("RandomSolarize", p=0.5, threshold=51), [ma.Solarize(0.2, p=0.5)]),
    (v2("RandomAdjustSharpness", p=0.5, sharpness_factor=2),
     [ma.Sharpness((1, 1), clip=True, p=0.5)]),
    (v2("RandomAutocontrast", p=0.5), [ma.AutoContrast(p=0.5)]),
    (v2("RandomEqualize", p=0.5), [ma.Equalize(p=0.5)]),
    (v2("RandomInvert", p=0.5), [ma.Invert(p=0.5)]),
    (v2("RandomGrayscale", p=0.1), [ma.Grey(p=0.1)]),
    (v2("Grayscale", num_output_channels=3), [ma.Grey()]),
    (v2("RandomChannelPermutation"), [ma.ChannelShuffle()]),
    (v2("RandAugment", num_ops=2, magnitude=9, num_magnitude_bins=31, **POLICY),
     [ma.RandAugment(2, 9, clip=True)]),
    (v2("AutoAugment", policy=Policy.SVHN, **POLICY), [ma.AutoAugment("svhn", clip=True)]),
    (v2("TrivialAugmentWide", num_magnitude_bins=31, **POLICY), [ma.TrivialAugment(clip=True)]),
    (v2("AugMix", severity=3, mixture_width=3, chain_depth=-1, alpha=1.0, all_ops=True, **POLICY),
     [ma.AugMix(clip=True)]),
    (v2("ToDtype", dtype="torch.float32", scale=True), [ma.Normalize()]),
    (v2("ConvertImageDtype", dtype="torch.float32"), [ma.Normalize()]),
    (v2("ToTensor"), [ma.Normalize()]),
    (v2("Normalize", mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2], inplace=False),
     [ma.Normalize((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))]),
    (v2("ToImage"), []),
    (v2("PILToTensor"), []),
    (v2("ToPureTensor"), []),
    (v2("Identity"), []),
    (v2("ClampBoundingBoxes", clamping_mode="soft"), []),
    (v2("SanitizeBoundingBoxes", min_size=1.0, min_area=1.0, labels_getter="default"), []),
    (v2("RandomApply", transforms=[v2("RandomInvert", p=0.5), v2("ToImage")], p=0.3),
     [ma.Maybe([ma.Invert(p=0.5)], 0.3)]),
    (v2("RandomChoice", transforms=[v2("RandomInvert", p=0.5), v2("RandomEqualize", p=1.0),
        v2("Identity")], p=[0.2, 0.6, 0.2]),
     [ma.OneOf([ma.Invert(p=0.5), ma.Equalize()], (0.2, 0.6), p=0.8)]),
    (v2("RandomOrder", transforms=[v2("RandomInvert", p=1.0), v2("RandomEqualize", p=1.0)]),
     [ma.Shuffle([ma.Invert(), ma.Equalize()])]),
    (v2("Compose", transforms=[v2("RandomInvert", p=1.0), v2("ToPureTensor")]), [ma.Invert()]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"), CASES, ids=[type(case[0]).__name__ for case in CASES]
)
def test_settings_keep_their_meaning(given, expected):
    translation = ma.from_torchvision(given, SPEC)
    near(translation.pipeline.to_dict(), ma.Pipeline(expected, SPEC).to_dict())


def test_every_counterpart_has_a_case():
    tried = {type(given).__name__ for given, _ in CASES}
    apart = {"ElasticTransform", "RandomPhotometricDistort"}  # below
    assert {row.name for row in counterparts("torchvision")} - apart <= tried


def test_elastic_waves_are_as_strong_and_as_long():
    given = v2("ElasticTransform", alpha=[20.0, 20.0], sigma=[5.0, 5.0], **{
        key: MOVES[key] for key in ("interpolation", "fill")})  # fmt: skip
    with pytest.raises(ma.ParameterError, match="`size`"):
        ma.from_torchvision(given, SPEC)
    (made,) = ma.from_torchvision(given, SPEC, size=(200, 200)).pipeline.transforms
    random = np.random.default_rng(0)
    noise = random.uniform(-1, 1, (20, 200, 200))
    there = [gaussian_filter(one, 5.0) * 20 / 2 for one in noise]
    # A cubic B-spline over as many intervals.
    count = made.grid[0]
    at = np.stack(np.meshgrid(*[np.linspace(1, count + 1, 200)] * 2, indexing="ij"))
    reach = made.amount * 200
    controls = random.uniform(-reach, reach, (20, count + 3, count + 3))
    here = [map_coordinates(one, at, order=3, prefilter=False) for one in controls]
    assert np.std(here) == pytest.approx(np.std(there), rel=0.05)
    # The slope says how long the waves are.
    slope = [np.std(np.diff(fields, axis=1)) for fields in (here, there)]
    assert slope[0] == pytest.approx(slope[1], rel=0.1)


def test_a_photometric_distortion_is_made_of_its_parts():
    given = v2("RandomPhotometricDistort", brightness=(0.9, 1.1), contrast=(0.5, 1.5),
               saturation=(0.5, 1.5), hue=(-0.05, 0.05), p=0.4)  # fmt: skip
    found = str(ma.from_torchvision(given, SPEC).pipeline)
    assert found.count("p=0.4") == 8
    assert found.index("Gain") < found.index("OneOf") < found.index("ChannelShuffle")


def test_an_affine_map_is_that_of_the_library():
    """Shear, scale, a clockwise turn, a shift; all about ((W - 1) / 2, (H - 1) / 2)."""
    height, width, s, t = 40, 60, 1.2, np.deg2rad(25)
    a, b = np.tan(np.deg2rad([8, -6]))
    given = v2("RandomAffine", degrees=[25.0, 25.0], translate=None, scale=(s, s),
               shear=[8.0, 8.0, -6.0, -6.0], **MOVES)  # fmt: skip
    points = np.array([[29.5, 19.5], [30, 20], [25, 22], [33, 12]], np.float32)
    found = forward(ma.from_torchvision(given, SPEC), points, (height, width))
    turn = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    slant = np.array([[1, 0], [-b, 1]]) @ np.array([[1, -a], [0, 1]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    np.testing.assert_allclose(found, (points - middle) @ (turn * s @ slant).T + middle, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (v2("FiveCrop", size=(5, 5)), "FiveCrop at composition has no counterpart"),
        (v2("Compose", transforms=[v2("Lambda", lambd=abs)]), "composition.transforms[0]"),
        (v2("RandomIoUCrop"), "ma.BoxSafeCrop"),
        (v2("MixUp", alpha=1.0), "ma.MixUp"),
        (v2("RandomRotation", degrees=[0.0, 9.0], expand=True, **MOVES), "expand=True"),
        (v2("RandomRotation", degrees=[0.0, 9.0], expand=False, **{**MOVES, "center": [1, 2]}),
         "center=[1, 2]"),
        (v2("RandomInvert", p=0.5, speed=2), "unknown settings ['speed']"),
        (v2("GaussianBlur", kernel_size=(3, 5), sigma=[1.0, 1.0]), "kernel_size"),
        (v2("RandomInvert", module="torchvision.transforms.transforms", p=0.5), "from there"),
        (object(), "must be of torchvision.transforms.v2"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_by_name(given, words):
    with pytest.raises(ma.ParameterError) as caught:
        ma.from_torchvision(given, SPEC)
    assert words in str(caught.value)


def test_transforms_are_left_out_by_name():
    given = v2("Compose", transforms=[v2("Lambda", lambd=abs), v2("RandomInvert", p=1.0)])
    translation = ma.from_torchvision([given], SPEC, skip="Lambda")
    assert translation.pipeline.transforms == (ma.Invert(),)
    assert "Lambda: left out, as `skip` says." in translation.differences
    # What a scale brought to 0 .. 1 is normalised as it is; else that is said.
    normalize = v2("Normalize", mean=[0.5], std=[0.5], inplace=False)
    scaled = [v2("ToDtype", dtype="torch.float32", scale=True), normalize]
    assert not any("Normalize" in s for s in ma.from_torchvision(scaled, SPEC).differences)
    assert any("Normalize" in s for s in ma.from_torchvision(normalize, SPEC).differences)
