"""Low-passes and linear resizing in C against sums in float64, at every instruction set."""

import os
import subprocess
import sys

import numpy as np
import pytest

from multiaug._native import compiled_is_available, library
from tests.native.lowpass import band, expected, low_pass_matrix, sample
from tests.reference import sampling
from tests.sampling.test_compiled import GUARDED

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]
RANDOM = np.random.default_rng(0)
# Of the range, for sums and positions in float32; integers are rounded, and at a tie either way.
BAR = 2e-5
BARS = {"float32": BAR, "uint16": 0.5 + 65535 * BAR, "uint8": 0.5 + 255 * BAR}
SCALES = (1, 1.01, 1.5, 2.3, 4, 8, 31, 128)

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def scaling(x, y, dx=0.0, dy=0.0):
    return np.array([[x, 0, dx], [0, y, dy], [0, 0, 1]])


def deviations(*steps):
    return np.array([[max(abs(step) - 1, 0) / 2 for step in steps]])


def images(shape, dtype):
    if dtype in {"float16", "float32"}:
        return RANDOM.random(shape).astype(dtype)
    return RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def off(source, out, matrix, sigma, radius, bands, *, resized=False, **how):
    """The largest error of a band, for each."""
    found = sample(source, out, matrix[None], sigma, radius, bands, resized=resized, **how)
    errors = []
    for one in bands:
        start, stop = one.channels.start, one.channels.stop
        want = np.stack(
            [
                expected(source[0, ..., c], out, matrix, sigma[0], radius, one.border,
                         one.fill[0], resized=resized, method=one.method)
                for c in range(start, stop)
            ],
            -1,
        )  # fmt: skip
        errors.append(np.abs(np.float64(found[0, ..., start:stop]) - want).max())
    return errors


@pytest.mark.parametrize("dtype", BARS)
@pytest.mark.parametrize("resized", [True, False], ids=["resized", "scaled"])
def test_every_scale_and_border(dtype, resized):
    fill = 0.25 if dtype == "float32" else 9
    for step in SCALES:
        size = (max(int(9 * step), 23) % 300, max(int(13 * step), 17) % 290)
        out = max(1, round(size[0] / step)), max(1, round(size[1] / (1 + (step - 1) / 2)))
        x, y = size[1] / out[1], size[0] / out[0]
        dx, dy = (0, 0) if resized else RANDOM.normal(0, 3, 2)
        matrix = np.float32(scaling(x * RANDOM.choice([-1, 1]), y, dx, dy))
        sigma = deviations(x, y)
        bands = [band(k, 1, border, fill) for k, border in enumerate(sampling.BORDERS)]
        radius = int(np.ceil(4 * sigma.max()))
        source = images((1, *size, len(bands)), dtype)
        errors = off(source, out, matrix, sigma, radius, bands, resized=resized)
        assert max(errors) <= BARS[dtype], (step, errors)


@pytest.mark.parametrize("dtype", BARS)
def test_enlargements_and_crops(dtype):
    for size, out in (
        ((11, 7), (40, 31)),
        ((30, 44), (61, 45)),
        ((1, 5), (3, 9)),
        ((2, 1), (2, 2)),
    ):
        for share in (1, 0.37):
            x, y = (share * size[k] / out[k] for k in (1, 0))
            at = (1 - share) / 2 * np.array(size[::-1]) * RANDOM.uniform(-1, 1, 2)
            matrix = np.float32(scaling(-x, y, *at))
            bands = [band(0, 3, "edge", 9), band(3, 1, "constant", 9), band(4, 2, "wrap", 9)]
            source = images((1, *size, 6), dtype)
            errors = off(source, out, matrix, np.zeros((1, 2)), 0, bands, resized=True)
            assert max(errors) <= BARS[dtype], (size, out, errors)


@pytest.mark.parametrize("dtype", BARS)
def test_turned_maps_read_a_filtered_source(dtype):
    fill = 0.25 if dtype == "float32" else 9
    for angle, scale in ((0.4, 2.0), (np.pi / 2, 3.0), (2.2, 1.3)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.eye(3, dtype=np.float32)
        matrix[:2, :2] = scale * turn @ np.diag([1, 0.7])
        matrix[:2, 2] = 1.3, -4.1
        sigma = deviations(scale, 0.7 * scale)
        bands = [band(k, 1, border, fill) for k, border in enumerate(sampling.BORDERS)]
        source = images((1, 40, 52, 5), dtype)
        errors = off(source, (21, 33), matrix, sigma, 5, bands, blocks=3, helpers=1)
        assert max(errors) <= BARS[dtype], (angle, errors)


@pytest.mark.parametrize("mark", ["nan", 0.0])
@pytest.mark.parametrize("turned", [False, True], ids=["scaled", "turned"])
def test_holes_weigh_nothing(mark, turned):
    size, out, sigma, radius = (30, 41), (12, 17), np.array([[0.7, 0.9]]), 4
    missing = RANDOM.random(size) < 0.2
    missing[5:15, 20:33] = True
    clean = images((*size,), "float32") + 0.5
    source = np.where(missing, np.nan if mark == "nan" else mark, clean)[None, ..., None]
    matrix = scaling(2.4, 2.5, 0.3, -0.2)
    if turned:
        matrix[:2, :2] = [[1.5, -1], [1, 1.6]]
    for border, resized in (("edge", False), ("mirror", False), ("constant", True)):
        one = band(0, 1, border, 0.25, invalid=mark, joint=False)
        found = sample(np.float32(source), out, np.float32(matrix)[None], sigma, radius, [one],
                       resized=resized)[0, ..., 0]  # fmt: skip
        low = [
            low_pass_matrix(n, s, radius, border, left_out=False)[:, :-1]
            for n, s in zip(size, sigma[0, ::-1], strict=True)
        ]
        total, mass = (low[0] @ a @ low[1].T for a in (np.where(missing, 0, clean), ~missing))
        mean = np.where(missing, 0, total / np.where(missing, 1, mass))
        y, x = np.mgrid[: out[0], : out[1]] - (np.array(out) - 1).reshape(2, 1, 1) / 2
        at = np.einsum("ij,jhw->ihw", matrix, np.stack([x, y, np.ones(out)]))
        x, y = at[0] + (size[1] - 1) / 2, at[1] + (size[0] - 1) / 2
        if resized:
            x, y = (
                np.where(sampling.in_area(p, n), np.clip(p, 0, n - 1), p)
                for p, n in ((x, size[1]), (y, size[0]))
            )
        want, share = sampling.linear_over_valid(mean, ~missing, x, y, border, 0.25)
        unknown = np.isnan(found) if mark == "nan" else found == mark
        sure = np.abs(share - 0.5) > 1e-3
        assert (unknown == (share < 0.5))[sure].all(), border
        assert np.abs(found - want)[sure & ~unknown].max() <= 2e-5, border


@pytest.mark.parametrize("dtype", BARS)
def test_the_same_bits_at_every_level_and_in_any_number_of_blocks(dtype):
    turned = np.array([[1.9, -0.8, 0], [0.7, 1.6, 0], [0, 0, 1]])
    maps = np.float32([scaling(2.2, -1.7, 3, 1), scaling(0.6, 0.8), turned])
    sigma = np.array([[0.6, 0.35], [0, 0], [0.5, 0.4]])
    settings = [{}, {"invalid": "nan"} if dtype == "float32" else {}, {}]
    for channels in (1, 3, 4, 9, 18):
        counts = [channels, min(channels, 3), 2]
        bands, start = [], 0
        for count, border, more in zip(
            counts, ("reflect", "edge", "constant"), settings, strict=True
        ):
            bands.append(band(start, count, border, 9, **more))
            start += count
        source = images((3, 31, 66, start), dtype)
        found = set()
        for level in range(library().multiaug_level() + 1):
            library().multiaug_allow(level)
            for blocks, helpers in ((1, 0), (3, 0), (7, 3)):
                done = sample(
                    source, (35, 27), maps, sigma, 3, bands, blocks=blocks, helpers=helpers
                )
                found.add(done.tobytes())
        library().multiaug_allow(2)
        assert len(found) == 1, channels


def test_the_nearest_pixel_is_not_filtered():
    """Of any dtype, beside a band that is."""
    for dtype in ("uint8", "float16", "int32"):
        source = images((1, 24, 36, 2), "uint8").astype(dtype)
        bands = [band(0, 2, "edge", method="nearest")]
        if dtype == "uint8":
            bands = [band(0, 1, "edge", method="nearest"), band(1, 1, "edge")]
        matrix = np.float32(scaling(3, 3))[None]
        found = sample(source, (8, 12), matrix, np.array([[1.0, 1.0]]), 4, bands)
        last = bands[0].channels.stop
        assert np.array_equal(found[..., :last], source[:, 1::3, 1::3, :last]), dtype


TURNED = np.float32([[1.9, -0.8, 1], [0.7, 1.6, -2], [0, 0, 1]])


ALL = [(dtype, "cubic") for dtype in ("int16", "float16", *BARS)]


@pytest.mark.parametrize(("dtype", "method"), [("int16", "linear"), ("float16", "linear"), *ALL])
def test_every_interpolation_and_element_type(dtype, method):
    """Those that have no quick method of their own: clipped as their type is."""
    whole = np.issubdtype(dtype, np.integer)
    fill = 9 if whole else 0.25
    for matrix, resized in ((scaling(2.3, -1.6), True), (TURNED, False)):
        matrix = np.float32(matrix)
        bands = [band(k, 1, b, fill, method=method) for k, b in enumerate(sampling.BORDERS)]
        source = images((1, 30, 41, 5), "uint16" if dtype == "uint16" else "uint8").astype(dtype)
        if not whole:
            source = source / np.asarray(256, dtype)
        sigma = np.array([[0.7, 0.5]])
        found = sample(source, (16, 21), matrix[None], sigma, 4, bands, resized=resized)[0]
        for k, border in enumerate(sampling.BORDERS):
            want = expected(source[0, ..., k], (16, 21), matrix, sigma[0], 4, border, fill,
                            resized=resized, method=method)  # fmt: skip
            if whole:
                want = np.clip(want, np.iinfo(dtype).min, np.iinfo(dtype).max)
            limit = {"float16": 1e-3, "int16": 0.51}.get(dtype) or BARS[dtype]
            assert np.abs(np.float64(found[..., k]) - want).max() <= limit, (border, resized)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_holes_of_integers_weigh_nothing(dtype):
    """And no valid value becomes the number that marks them."""
    size, out, sigma, radius = (30, 41), (12, 17), np.array([[0.7, 0.9]]), 4
    missing = RANDOM.random(size) < 0.2
    clean = RANDOM.integers(1, 4, size)
    source = np.where(missing, 0, clean).astype(dtype)[None, ..., None]
    matrix = np.float32(scaling(2.4, 2.5, 0.3, -0.2))
    one = band(0, 1, "constant", 0, invalid=0.0, joint=False)
    found = sample(source, out, matrix[None], sigma, radius, [one])[0, ..., 0]
    low = [
        low_pass_matrix(n, s, radius, "constant", left_out=False)[:, :-1]
        for n, s in zip(size, sigma[0, ::-1], strict=True)
    ]
    total, mass = (low[0] @ a @ low[1].T for a in (np.where(missing, 0, clean), ~missing))
    mean = np.where(missing, 0, total / np.where(missing, 1, mass))
    y, x = np.mgrid[: out[0], : out[1]] - (np.array(out) - 1).reshape(2, 1, 1) / 2
    x, y = 2.4 * x + 0.3 + (size[1] - 1) / 2, 2.5 * y - 0.2 + (size[0] - 1) / 2
    want, share = sampling.linear_over_valid(mean, ~missing, x, y, "constant")
    sure = np.abs(share - 0.5) > 1e-3
    assert ((found == 0) == (share < 0.5))[sure].all()
    assert np.abs(found - want)[sure & (found != 0)].max() <= 0.5 + 1e-4


def test_one_value_stays_that_value_and_large_ones_stay_finite():
    bands = [band(k, 1, border, 0.7) for k, border in enumerate(sampling.BORDERS)]
    turned = np.array([[1.9, -0.8, 0], [0.7, 1.6, 0], [0, 0, 1]])
    for matrix in (scaling(2.3, 5), scaling(0.3, 0.7), scaling(-1, 3.3), turned):
        sigma = deviations(matrix[0, 0], matrix[1, 1])
        for value in (0.7, 3.4028235e38):
            fit = [band(k, 1, border, value) for k, border in enumerate(sampling.BORDERS)]
            source = np.full((1, 33, 47, len(bands)), value, np.float32)
            found = sample(source, (20, 17), np.float32(matrix)[None], sigma, 9, fit)
            assert (found == np.float32(value)).all()
        sign = np.where(np.indices((33, 47)).sum(0) % 2, 1, -1)[None, ..., None]
        large = np.repeat(sign * 3e38, len(bands), -1).astype(np.float32)
        assert np.isfinite(sample(large, (20, 17), np.float32(matrix)[None], sigma, 9, bands)).all()


FILTERS = """
from tests.native.lowpass import band, sample

rng = np.random.default_rng(0)
turned = [[1.6, -0.9, 0.3], [0.8, 1.4, -2], [0, 0, 1]]
maps = [np.diag([2.3, 1.7, 1]), np.diag([-0.6, 0.8, 1]), turned]
maps[0][:2, 2] = 30, -30  # most of it beyond the image
maps, sigma = np.float32(maps), np.array([[0.6, 0.4], [0, 0], [0.3, 0.5]])
for border in ("constant", "edge", "reflect", "mirror", "wrap"):
    for dtype in ("uint8", "uint16", "float32"):
        for counts in ((1,), (3,), (2, 3), (16, 1), (33,)):
            bands, start = [], 0
            for count in counts:
                bands.append(band(start, count, border, 9))
                start += count
            if dtype == "float32":
                bands.append(band(start, 2, border, 9, invalid="nan"))
                start += 2
            for size, out in (((9, 9), (9, 9)), ((1, 5), (4, 3)), ((17, 33), (16, 21))):
                for at_end in (True, False):
                    source = guarded((3, *size, start), dtype, at_end)
                    source[...] = rng.integers(0, 255, source.shape)
                    sample(source, out, maps, sigma, 3, bands, resized=border == "constant",
                           empty=lambda shape, dtype: guarded(shape, dtype, at_end))
    kept.clear()
print("survived")
"""


@pytest.mark.parametrize("level", [0, 1, 2] if NIGHTLY else [2])
def test_nothing_is_read_or_written_outside(level):
    """Images between pages that nobody may touch: the process would not survive."""
    if library().multiaug_level() < level:
        pytest.skip("this machine cannot run it")
    command = [sys.executable, "-c", GUARDED + FILTERS, str(level)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "survived" in done.stdout
