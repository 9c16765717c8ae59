"""Documents of albumentations become pipelines that mean the same, or are refused by name."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.elsewhere import counterparts
from tests.elsewhere.agreement import forward, near

# What albumentations 2.0.8 wrote: every transform that is translated, and containers.
WRITTEN = json.loads((Path(__file__).parent / "albumentations-2.0.8.json").read_text())
SINGLE = [*WRITTEN["transforms"], *WRITTEN["frames"]]
SPEC = ma.load_spec("rgb-segmentation")


def node(name, p=1.0, **settings):
    return {"__class_fullname__": name, "p": p, **settings}


def compose(*transforms, version="2.0.8", **settings):
    inner = node("Compose", transforms=list(transforms), **settings)
    return {"__version__": version, "transform": inner}


def made(document, **options):
    return ma.from_albumentations(document, SPEC, **options).pipeline.transforms


def plain(transforms):
    return ma.Pipeline(transforms, SPEC).transforms


def test_everything_that_is_translated_was_written_by_the_library():
    names = {one["__class_fullname__"] for one in SINGLE}
    containers = {"Compose"}
    known = {row.name for row in counterparts("albumentations")} - {"ToTensorV2"}
    assert names - containers == known


@pytest.mark.parametrize("document", SINGLE, ids=[one["__class_fullname__"] for one in SINGLE])
def test_documents_of_release_2_are_translated(document):
    translation = ma.from_albumentations(document, SPEC, size=(64, 64))
    row = next(
        row for row in counterparts("albumentations") if row.name == document["__class_fullname__"]
    )
    found = str(translation.pipeline)
    assert any(f"{name}(" in found for name in row.here.split()) or not row.here
    if row.differs:
        assert f"{row.name}: {row.differs}" in translation.differences
    again = ma.Pipeline.from_dict(json.loads(json.dumps(translation.pipeline.to_dict())))
    assert again.transforms == translation.pipeline.transforms


def test_a_whole_document_prints_with_what_differs():
    translation = ma.from_albumentations(WRITTEN["compose"], SPEC)
    text = str(translation)
    assert "What differs in meaning:" in text
    assert "- Blur: a mean over a square" in text
    assert "bbox_params is not read" in text
    assert "additional_targets ['depth']" in text


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (node("VerticalFlip", 0.3), [ma.Flip("y", p=0.3)]),
        (
            node("RandomBrightnessContrast", 0.5, brightness_limit=[-0.1, 0.3], contrast_limit=0.2),
            [ma.Maybe([ma.Gain(0.2), ma.Brightness((-0.1, 0.3), clip=True)], 0.5)],
        ),
        (
            node("HueSaturationValue", hue_shift_limit=18, sat_shift_limit=51, val_shift_limit=0),
            [ma.HueSaturation(0.1, 0.2, 0.0, mode="shift", clip=True)],
        ),
        # As releases 1 wrote them.
        (
            node("GaussNoise", var_limit=[25.5**2, 25.5**2], mean=0, always_apply=False),
            [ma.GaussianNoise((0.1, 0.1), clip=True)],
        ),
        (node("Solarize", 0.2, threshold=[51, 51]), [ma.Solarize(0.2, p=0.2)]),
        (
            node(
                "CoarseDropout", 0.5, max_holes=8, min_holes=2, max_height=8, min_height=4,
                max_width=8, min_width=None, fill_value=51, mask_fill_value=None,
            ),
            [ma.CoarseDropout((2, 8), (4, 8), (8, 8), 0.2, entries="image", p=0.5)],
        ),
        (node("RandomResizedCrop", height=8, width=6, scale=[0.5, 1], ratio=[1, 1]),
         [ma.RandomResizedCrop((8, 6), (0.5, 1), (1, 1), antialias=False)]),
        (
            {"__class_fullname__": "albumentations.augmentations.transforms.ImageCompression",
             "always_apply": True, "p": 0.5, "quality_lower": 60, "quality_upper": 90,
             "compression_type": 0},
            [ma.JPEG((60, 90), clip=True)],
        ),
        (
            node("ShiftScaleRotate", shift_limit_x=[0, 0], shift_limit_y=[0, 0],
                 scale_limit=[-0.2, 0.25], rotate_limit=[-9, 9], value=None, mask_value=None),
            [ma.Scale((0.8, 1.25), per_axis=True), ma.Rotate(9)],
        ),
        (node("Affine", translate_px={"x": [-2, 3], "y": [1, 1]}),
         [ma.Translate(px=((-2.5, 3.5), (1, 1)), whole=True)]),
        # Three of four choices, of the same p: nothing is run in a quarter of the cases.
        (node("OneOf", 0.8, transforms=[
            node("HorizontalFlip", 0.5), node("NoOp", 0.5), node("VerticalFlip", 1.0)]),
         [ma.OneOf([ma.Flip("x", p=1), ma.Flip("y", p=1)], (0.5, 1.0), p=0.8 * 0.75)]),
        (node("SomeOf", transforms=[node("InvertImg", 0.5), node("D4")], n=1, replace=False),
         [ma.SomeOf([ma.Invert(p=0.5), ma.D4()], 1)]),
        (node("RandomOrder", 0.5, transforms=[node("InvertImg"), node("D4")], n=2, replace=False),
         [ma.Shuffle([ma.Invert(), ma.D4()], p=0.5)]),
        (node("Sequential", 0.5, transforms=[node("InvertImg"), node("D4")]),
         [ma.Maybe([ma.Invert(), ma.D4()], 0.5)]),
    ],
)  # fmt: skip
def test_settings_keep_their_meaning(document, expected):
    near(ma.Pipeline(made(document), SPEC).to_dict(), ma.Pipeline(expected, SPEC).to_dict())


def test_an_affine_map_is_that_of_the_library():
    """Centre, order and directions: scale, turn, shear, shift, about ((W - 1) / 2, (H - 1) / 2)."""
    height, width, s, t, a = 40, 60, 1.2, np.deg2rad(25), np.deg2rad(8)
    document = node(
        "Affine", scale=[s, s], keep_ratio=True, rotate=[25, 25],
        shear={"x": [8, 8], "y": [0, 0]}, translate_px={"x": [4, 4], "y": [-3, -3]},
    )  # fmt: skip
    points = np.array([[29.5, 19.5], [30, 20], [25, 22], [33, 12]], np.float32)
    found = forward(ma.from_albumentations(document, SPEC), points, (height, width))
    turn = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    slant = np.array([[1, np.tan(-a)], [0, 1]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    expected = (points - middle) @ (slant @ turn * s).T + middle + [4, -3]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_borders_and_interpolation_are_compared_with_the_spec():
    document = node("Rotate", limit=[5, 5], border_mode=4, interpolation=2, fill=0, fill_mask=255)
    found = ma.from_albumentations(document, SPEC).differences
    assert "Rotate: the border rule is mirror there; the spec says constant for 'image'." in found
    assert "Rotate: interpolation is cubic there; the spec says linear for 'image'." in found
    same = node("Rotate", limit=[5, 5], border_mode=0, interpolation=1, fill=0, fill_mask=255)
    assert all(s.startswith("All") for s in ma.from_albumentations(same, SPEC).differences)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (compose(node("RandomFog", 0.5)), "RandomFog at $.transforms[0] has no counterpart"),
        (node("RandomScale", scale_limit=0.1), "RandomScale"),
        (node("Rotate", limit=5, crop_border=True), "crop_border=True"),
        (node("Rotate", limit=5, speed=3), "unknown settings ['speed']"),
        (node("ImageCompression", compression_type="webp"), "compression_type='webp'"),
        (node("ElasticTransform", alpha=5, sigma=3), "`size`"),
        (node("Affine", scale={"x": [1, 1], "y": [0.9, 1.1]}), "Both axes have one range"),
        (node("RandomGamma", gamma_limit="80"), "gamma_limit='80'"),
        (node("MedianBlur", blur_limit=[3, 99]), "MedianBlur.kernel_size"),
        ({"__class_fullname__": "HorizontalFlip"}, "must have `p`"),
        ({"__type__": "Lambda", "__name__": "f"}, "Lambda"),
        ({"anything": 1}, "__class_fullname__"),
        (compose() | {"extra": 1}, "['extra']"),
        (compose(version="3.1"), "`document.__version__`"),
        (node("SomeOf", transforms=[node("D4")], n=1, replace=True), "replace=True"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(document, words):
    with pytest.raises(ma.MultiaugError) as caught:
        ma.from_albumentations(document, SPEC)
    assert words in str(caught.value)


def test_transforms_are_left_out_by_name():
    document = compose(node("RandomFog", 0.5), node("HorizontalFlip", 0.5))
    translation = ma.from_albumentations(document, SPEC, skip="RandomFog")
    assert translation.pipeline.transforms == (ma.Flip("x"),)
    assert "RandomFog: left out, as `skip` says." in translation.differences
    with pytest.raises(ma.ParameterError, match="RandomRain"):
        ma.from_albumentations(document, SPEC, skip=("RandomFog", "RandomRain"))
    # What was left out is no choice of a OneOf.
    one = node("OneOf", 0.4, transforms=[node("RandomFog", 0.5), node("InvertImg", 0.1)])
    assert made(one, skip="RandomFog") == plain([ma.OneOf([ma.Invert()], p=0.4)])


BOXES = ma.DataSpec.from_dict(
    {
        "name": "boxes",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "boxes": {"role": "boxes", "dtype": "float32", "capacity": 4},
            "classes": {"role": "scalar", "dtype": "int64", "of": "boxes", "capacity": 4},
        },
    }
)


def with_boxes(*transforms, **params):
    bbox_params = {"format": "pascal_voc", "label_fields": ["classes"], **params}
    return compose(*transforms, bbox_params=bbox_params)


def test_thresholds_of_boxes_become_a_filter_at_the_end():
    crop = node("Crop", x_min=0, y_min=0, x_max=16, y_max=32)
    document = with_boxes(crop, min_area=9, min_visibility=0.6, min_width=2, min_height=2)
    translation = ma.from_albumentations(document, BOXES)
    expected = ma.FilterBoxes("boxes", "classes", min_size=2, min_area=9, min_visible=0.6)
    assert translation.pipeline.transforms[-1] == expected
    # Whole; an eighth of it in view; a side of 1; none in view.
    boxes = np.float32([[0, 0, 12, 20], [14, 2, 30, 6], [2, 2, 15, 3], [17, 0, 30, 9]])
    record = {"image": np.zeros((32, 32, 3), np.uint8), "boxes": boxes}
    record["classes"] = np.arange(4)
    out = translation.pipeline(jax.random.key(0), record)
    assert np.asarray(out["classes"]).tolist() == [0, -1, -1, -1]
    assert "rows of NaN" in str(translation)
    assert "behind every geometry" in str(translation)
    # Without thresholds albumentations drops what is out of view.
    out = ma.from_albumentations(with_boxes(crop), BOXES).pipeline(jax.random.key(0), record)
    assert np.asarray(out["classes"]).tolist() == [0, 1, 2, -1]


def test_what_differs_of_boxes_is_said():
    document = with_boxes(format="yolo", clip=True, label_fields=["names"], min_area=4)
    text = str(ma.from_albumentations(document, BOXES))
    for words in (
        "format 'yolo' is not read: 'boxes' are pixels in the columns",
        "clip is not read",
        "label_fields names are no scalars of the boxes",
        "classes go with their boxes",
    ):
        assert words in text
    for params, words in (
        ({"min_width": 4}, r"min_width=4.*min_height is 0.*`FilterBoxes.min_size` is one"),
        ({"max_accept_ratio": 3}, r"max_accept_ratio=3 cannot be translated"),
        ({"bbox_type": "obb"}, r"bbox_type='obb' cannot be translated"),
        ({"min_visibility": 40}, r"min_visibility=40.* A share from 0 to 1"),
        ({"min_side": 4}, r"unknown settings \['min_side'\]"),
    ):
        with pytest.raises(ma.ParameterError, match=words):
            ma.from_albumentations(with_boxes(**params), BOXES)
        skipped = ma.from_albumentations(with_boxes(**params), BOXES, skip="bbox_params")
        assert skipped.pipeline.transforms == ()
