"""One line from a source and a pipeline to a contact sheet; what its pictures must tell apart."""

import numpy as np
import pytest
from PIL import Image

import multiaug as ma
from multiaug.preview import contact_sheet, limits_of, record_limits, render, render_record, show
from multiaug.preview._colours import INVALID

SPEC = ma.DataSpec.from_dict(
    {
        "name": "survey",
        "entries": {
            "image": {"role": "intensity", "channels": 3},
            "mask": {"role": "label"},
            "boxes": {"role": "boxes", "box_convention": "coco"},
            "points": {"role": "keypoints"},
        },
    }
)
SOURCE = ma.open_source(
    {
        "image": np.full((5, 20, 30, 3), 100, np.uint8),
        "mask": np.ones((5, 20, 30), np.uint8),
        "boxes": np.tile(np.float32([[10, 5, 6, 8], [np.nan] * 4]), (5, 1, 1)),
        "points": np.tile(np.float32([[4, 15]]), (5, 1, 1)),
    },
    SPEC,
)
MARK = [255, 64, 160]


def group(**settings):
    return ma.EntrySpec.of_role("a", "intensity", **settings).groups[0]


def test_no_two_labels_of_a_byte_look_the_same():
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shown = render(labels, ma.EntrySpec.of_role("a", "label").groups[0])
    assert len({tuple(colour) for colour in shown.reshape(-1, 3).tolist()}) == 256
    far = np.abs(shown.reshape(-1, 3)[1:256].astype(int) - shown[0, 0]).sum(axis=1)
    assert far.min() > 60  # from the background


def test_a_negative_label_has_a_colour():
    shown = render(np.array([[-1, 0, 1]]), ma.EntrySpec.of_role("a", "label").groups[0])
    assert len({tuple(colour) for colour in shown[0].tolist()}) == 3


def test_bands_are_chosen_by_name_or_number():
    values = np.random.default_rng(0).random((4, 5, 5)).astype(np.float32)
    bands = group(channels=["a", "b", "c", "d", "e"])
    for chosen in (("e", "b", "a"), (4, 1, 0)):
        shown = render(values, bands, bands=chosen)
        np.testing.assert_array_equal(shown, np.rint(values[..., [4, 1, 0]] * 255))
    gray = render(values, bands, bands="d")
    np.testing.assert_array_equal(gray[..., 0], gray[..., 2])
    for wrong in ("f", ("a", "b"), (0, 1, 5)):
        with pytest.raises(ma.ParameterError, match="one or three of a, b, c, d, e"):
            render(values, bands, bands=wrong)


def test_a_band_without_data_leaves_the_others():
    values = np.full((2, 2, 4), 0.5, np.float32)
    values[..., 1], values[..., 3] = np.nan, np.nan
    values[0, 0] = np.nan
    shown = render(values, group(channels=4, invalid="nan"))
    np.testing.assert_array_equal(shown[1, 1], [128, 0, 128])
    np.testing.assert_array_equal(shown[0, 0], INVALID)


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.int16])
def test_heights_without_a_range_are_stretched(dtype):
    heights = np.linspace(800, 1600, 64).reshape(8, 8).astype(dtype)
    lo, hi = limits_of([heights], group())
    assert 800 <= lo < 820
    assert 1580 < hi <= 1600
    assert np.ptp(render(heights, group())) == 255
    assert limits_of([heights], group(range=[0, 9000])) == (0, 9000)


def test_bands_reach_the_panels_of_a_record():
    spec = ma.DataSpec.from_dict(
        {"name": "s", "entries": {n: {"role": "intensity"} for n in ("rgb", "many")}}
    )
    record = {"rgb": np.zeros((2, 2, 3), np.float32), "many": np.zeros((2, 2, 6), np.float32)}
    record["many"][..., 5] = 1
    limits = record_limits(spec, record, bands=(5, 5, 4))
    panels = render_record(spec, record, limits, bands=(5, 5, 4))
    np.testing.assert_array_equal(panels["many"][0, 0], [255, 255, 0])
    np.testing.assert_array_equal(panels["rgb"], 0)


def test_long_titles_are_broken_and_do_not_touch():
    red, blue = (np.full((40, 160, 3), c, np.uint8) for c in [(200, 0, 0), (0, 0, 200)])
    titles = ["mask_of_land_cover_classes", "another rather long title"]
    long = contact_sheet([[red, blue]], titles, groups=[("a long heading over it", 1), ("b", 1)])
    short = contact_sheet([[red, blue]], ["a", "b"], groups=[("a", 1), ("b", 1)])
    assert long.shape[0] > short.shape[0] + 60
    row, column = np.argwhere((long == blue[0, 0]).all(-1))[0]
    # Left of the second column nothing is written over the gap.
    ink = (long[:row, column - 60 : column] != long[0, 0]).any(axis=(0, 2))
    assert not ink[-8:].any()


def test_a_sheet_in_one_line(tmp_path):
    pipeline = ma.Pipeline([ma.Flip("x", 1.0)], SPEC)
    path = tmp_path / "sheet.png"
    sheet = ma.preview.show(SOURCE, pipeline, path, indices=[0, 3])
    np.testing.assert_array_equal(np.asarray(Image.open(path)), sheet)
    plain = show(SOURCE, indices=[0, 3])
    assert plain.shape[1] < sheet.shape[1]
    assert plain.shape[0] == sheet.shape[0]


def test_a_normalised_image_is_not_shown_by_the_range_it_had():
    spec = ma.DataSpec("one", [ma.EntrySpec.of_role("a", "intensity", range=[0, 10000])])
    ramp = np.linspace(0, 10000, 192, dtype=np.uint16)
    image = np.broadcast_to(ramp[:, None], (1, 192, 192, 1))
    source = ma.open_source({"a": image}, spec)
    sheet = show(source, ma.Pipeline([ma.Normalize()], spec))
    result = sheet[-222:-30, -222:-30]
    assert np.ptp(result.astype(int)) > 240


def test_views_and_what_is_made_of_labels_are_shown():
    spec = ma.DataSpec("two", [SPEC.entries["image"], SPEC.entries["mask"]])
    arrays = {n: np.zeros((2, 16, 16, *c), np.uint8) for n, c in (("image", (3,)), ("mask", ()))}
    source = ma.open_source(arrays, spec)
    plain = show(source, ma.Pipeline([ma.Flip("x", p=1.0)], spec))
    edges = ma.Pipeline([ma.Flip("x", p=1.0), ma.Edges("mask", 1)], spec)
    one_more = show(source, edges)
    assert one_more.shape[1] == plain.shape[1] + 192 + 8
    views = show(source, ma.Views({"a": (edges, 1), "b": (edges, 2)}))
    assert views.shape[1] > one_more.shape[1] + 2 * 3 * 192


def test_boxes_and_points_are_drawn_where_they_are():
    sheet = show(SOURCE, indices=[0])
    rows, columns = np.nonzero((sheet == MARK).all(-1))
    image = np.argwhere((sheet == 100).all(-1))
    top, left = image.min(axis=0)
    scale = 192 // 30
    assert columns.max() - left == pytest.approx((10 + 6) * scale, abs=2)
    assert rows.min() - top == pytest.approx(5 * scale, abs=2)
    assert columns.min() - left == pytest.approx(4.5 * scale, abs=3)
    assert rows.max() - top == pytest.approx(15.5 * scale, abs=3)


@pytest.mark.parametrize("wrong", [(np.zeros(3), None), (SOURCE, ma.Flip("x"))])
def test_what_cannot_be_shown_is_refused(wrong):
    with pytest.raises(
        ma.ParameterError,
        match=r"`show.(source|pipeline)` must be a (source|Pipeline, Views or None)",
    ):
        show(*wrong)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of three images of one colour each, of different sizes."""
    folder = tmp_path_factory.mktemp("photographs")
    for number, size in enumerate([(30, 20), (24, 36), (30, 20)]):
        Image.new("RGB", size, (40 + 60 * number, 90, 200)).save(folder / f"{number}.png")
    spec = ma.DataSpec.from_dict(
        {
            "name": "photographs",
            "entries": {"image": {"role": "intensity", "dtype": "uint8", "channels": 3}},
        }
    )
    return ma.open_source(folder, spec, folders={"image": "*.png"})


def sides_of_colour(sheet, red):
    """(height, width) of the images of a colour in a sheet, from left to right."""
    there = (sheet == [red, 90, 200]).all(axis=-1)
    columns = np.flatnonzero(there.any(axis=0))
    images = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    return [(int(there[:, image].any(axis=1).sum()), len(image)) for image in images]


def test_images_of_different_sizes_are_shown_in_their_own_proportions(photographs):
    sheet = show(photographs, ma.Pipeline([ma.Rot90((1, 1))], photographs.spec))
    for number, (height, width) in enumerate([(20, 30), (36, 24), (20, 30)]):
        scale = 192 // max(height, width)
        height, width = height * scale, width * scale
        assert sides_of_colour(sheet, 40 + 60 * number) == [(height, width), (width, height)]


def test_images_of_different_sizes_that_leave_at_one_and_are_mixed(photographs):
    spec = photographs.spec
    show(photographs, ma.Pipeline([ma.Resize((16, 16)), ma.CutMix()], spec))
    with pytest.raises(ma.RecordError, match="Add a transform that brings them to one"):
        show(photographs, ma.Pipeline([ma.CutMix()], spec))


def test_views_of_images_of_different_sizes(photographs):
    views = ma.Views({"a": ma.Pipeline([ma.RandomResizedCrop(16)], photographs.spec)})
    assert show(photographs, views).dtype == np.uint8
