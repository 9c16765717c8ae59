"""Each role is shown in the way that shows what its values mean."""

from typing import Any

import numpy as np
import pytest

from multiaug.errors import RecordError
from multiaug.preview import limits_of, record_limits, render, render_record
from multiaug.preview._colours import IGNORE, INVALID, colour_ramp, hue_circle, label_colours
from multiaug.spec import ChannelGroup, DataSpec

NAN = np.nan


def group(role: str, **settings: Any) -> ChannelGroup:
    return ChannelGroup(role=role, **settings)


def lightness(colours: np.ndarray) -> np.ndarray:
    linear = (colours / 255.0) ** 2.2
    return np.cbrt(linear @ [0.2126, 0.7152, 0.0722])


def test_the_ramp_gets_lighter_in_even_steps() -> None:
    steps = np.diff(lightness(colour_ramp(np.linspace(0, 1, 33))))
    assert (steps > 0).all()
    assert steps.max() < 2 * steps.min()


def test_the_ramp_clips_and_marks_what_is_unknown() -> None:
    colours = colour_ramp(np.array([-1, 0, 1, 2, NAN]))
    np.testing.assert_array_equal(colours[0], colours[1])
    np.testing.assert_array_equal(colours[2], colours[3])
    np.testing.assert_array_equal(colours[4], INVALID)


def test_the_first_twenty_labels_differ() -> None:
    colours = label_colours(np.arange(20), ignore=None)
    assert len({tuple(colour) for colour in colours.tolist()} | {tuple(IGNORE.tolist())}) == 21


def test_the_hue_circle_closes() -> None:
    ends = hue_circle(np.array([0.0, 1.0]), np.ones(2))
    np.testing.assert_array_equal(ends[0], ends[1])


def test_uint8_pictures_are_shown_as_they_are() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    np.testing.assert_array_equal(render(picture, group("intensity")), picture)


@pytest.mark.parametrize("channels", [1, 2])
def test_few_channels_are_gray(channels: int) -> None:
    picture = np.full((2, 2, channels), 100, np.uint8)
    np.testing.assert_array_equal(render(picture, group("intensity")), np.full((2, 2, 3), 100))
    if channels == 1:
        np.testing.assert_array_equal(
            render(picture[..., 0], group("intensity")), render(picture, group("intensity"))
        )


def test_many_channels_show_the_first_three() -> None:
    picture = np.random.default_rng(0).random((4, 5, 7), np.float32)
    shown = render(picture, group("intensity"))
    np.testing.assert_array_equal(shown, render(picture[..., :3], group("intensity")))


@pytest.mark.parametrize(
    ("values", "settings", "expected"),
    [
        (np.float32([[0, 0.5, 1, 2]]), {}, [0, 128, 255, 255]),
        (np.float32([[-1, 0, 1]]), {"range": (-1, 1)}, [0, 128, 255]),
        (np.uint16([[0, 65535]]), {}, [0, 255]),
        (np.array([[False, True]]), {}, [0, 255]),
    ],
)
def test_intensity_follows_the_range(values: Any, settings: Any, expected: Any) -> None:
    shown = render(values, group("intensity", **settings))
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[0, :, 0], expected)


def test_labels_and_the_ignore_label() -> None:
    shown = render(np.uint8([[0, 1, 255]]), group("label", ignore=255))
    np.testing.assert_array_equal(shown[0, 2], IGNORE)
    assert (shown[0, 0] != shown[0, 1]).any()


def test_near_is_brighter_and_unknown_depth_is_dark() -> None:
    shown = render(np.float32([[1, 2, 4, NAN]]), group("depth", invalid="nan"))
    assert (np.diff(lightness(shown[0, :3])) < 0).all()
    np.testing.assert_array_equal(shown[0, 3], INVALID)


def test_depth_is_even_in_its_inverse() -> None:
    shown = render(np.float32([[1, 4 / 3, 2, 4]]), group("depth"), limits=(1, 4))
    np.testing.assert_array_equal(shown[0], colour_ramp(np.array([1, 2 / 3, 1 / 3, 0])))


def test_an_invalid_number_is_dark() -> None:
    shown = render(np.uint16([[0, 500, 900]]), group("depth", invalid=0))
    np.testing.assert_array_equal(shown[0, 0], INVALID)
    assert (shown[0, 1] != INVALID).any()
    assert limits_of([np.uint16([[0, 500, 500]])], group("depth", invalid=0)) == (500, 500)


def test_a_normal_that_faces_the_camera_is_bluish() -> None:
    normals = np.float32([[[0, 0, -1], [0, -1, 0], [1, 0, 0], [NAN, NAN, NAN]]])
    shown = render(normals, group("direction", invalid="nan"))[0]
    np.testing.assert_array_equal(shown[0], [128, 128, 255])
    np.testing.assert_array_equal(shown[1], [128, 255, 128])  # up is green
    np.testing.assert_array_equal(shown[2], [255, 128, 128])
    np.testing.assert_array_equal(shown[3], INVALID)


def test_positions_span_their_extent() -> None:
    points = np.random.default_rng(0).normal(size=(40, 40, 3)).astype(np.float32)
    points[0, 0, 1] = NAN
    shown = render(points, group("position", invalid="nan"))
    np.testing.assert_array_equal(shown[0, 0], INVALID)
    assert shown.min() == 0
    assert shown.max() == 255


def test_flow_and_orientation_have_the_hue_of_their_direction() -> None:
    right, left = [1.0, 0.0], [-1.0, 0.0]
    shown = render(np.float32([[right, left, [0, 0]]]), group("flow"))[0]
    assert shown[0, 0] > shown[1, 0]
    np.testing.assert_array_equal(shown[2], [255, 255, 255])
    halves = render(np.float32([[10, 190, 100]]), group("orientation", period=180))[0]
    np.testing.assert_array_equal(halves[0], halves[1])
    assert (halves[0] != halves[2]).any()


def test_density_starts_at_zero() -> None:
    assert limits_of([np.float32([[2, 4]])], group("density")) == (0, 4)


@pytest.mark.parametrize("role", ["depth", "position", "density", "flow", "direction"])
def test_nothing_but_unknown_pixels(role: str) -> None:
    shown = render(np.full((2, 2, 3), NAN, np.float32), group(role, invalid="nan"))
    np.testing.assert_array_equal(shown, np.broadcast_to(INVALID, (2, 2, 3)))


def test_constant_values_are_no_division_by_zero() -> None:
    assert render(np.full((2, 2), 3, np.float32), group("depth")).shape == (2, 2, 3)


def test_values_that_are_no_picture_are_refused() -> None:
    with pytest.raises(RecordError, match=r"shape \(2, 4, 4, 3\), expected \(H, W\)"):
        render(np.zeros((2, 4, 4, 3), np.uint8), group("intensity"))


@pytest.fixture
def spec() -> DataSpec:
    return DataSpec.from_dict(
        {
            "name": "test",
            "entries": {
                "rgbxyz": {
                    "dtype": "float32",
                    "channels": [
                        {"role": "intensity", "channels": 3},
                        {"role": "position", "channels": 3, "invalid": "nan"},
                    ],
                },
                "depth": {"role": "depth", "dtype": "float32"},
                "mask": {"role": "label", "optional": True},
                "intrinsics": {"role": "intrinsics", "dtype": "float32"},
            },
        }
    )


def test_a_record_becomes_named_panels(spec: DataSpec) -> None:
    record = {
        "rgbxyz": np.random.default_rng(0).random((6, 8, 6), np.float32),
        "depth": np.ones((6, 8), np.float32),
        "intrinsics": np.eye(3, dtype=np.float32),
    }
    panels = render_record(spec, record)
    assert list(panels) == ["rgbxyz intensity", "rgbxyz position", "depth"]
    assert {panel.shape for panel in panels.values()} == {(6, 8, 3)}
    np.testing.assert_array_equal(
        panels["rgbxyz intensity"], render(record["rgbxyz"][..., :3], group("intensity"))
    )


def test_two_records_are_compared_within_one_range(spec: DataSpec) -> None:
    near, far = ({"depth": np.full((4, 4), z, np.float32)} for z in (1, 3))
    limits = record_limits(spec, near, far)
    assert limits["depth"] == (1, 3)
    shown = [render_record(spec, record, limits)["depth"] for record in (near, far)]
    assert (shown[0] != shown[1]).all(axis=-1).all()
