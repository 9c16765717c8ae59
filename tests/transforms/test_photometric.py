"""What photometric transforms do to values, and what they leave alone.

One record holds every kind of entry. All transforms stand in one pipeline, each in a Maybe, so
that one compilation shows each of them alone, with params set by hand.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug.testing import make_record
from multiaug.transforms import Target

SHAPE = (9, 11)
KEY = jax.random.key(4)
ENTRIES = {
    "bytes": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "declared": {"role": "intensity", "dtype": "uint16", "channels": 1, "range": [100, 1100]},
    "signed": {"role": "intensity", "dtype": "int16", "channels": 2},
    "large": {
        "role": "intensity",
        "dtype": "int32",
        "channels": 1,
        "invalid": 2147483647,
        "range": [0, 1000],
    },
    "floats": {"role": "intensity", "dtype": "float32", "channels": 3, "invalid": "nan"},
    "wide": {"role": "intensity", "dtype": "float32", "channels": 2, "range": [-50, 150]},
    "half": {"role": "intensity", "dtype": "bfloat16", "channels": 1},
    "rgbxyz": {
        "dtype": "float32",
        "channels": [
            {"channels": ["r", "g", "b"], "role": "intensity", "range": [0, 255]},
            {"channels": ["x", "y", "z"], "role": "position"},
        ],
    },
    "mask": {"role": "label", "dtype": "uint8"},
    "flow": {"role": "flow", "dtype": "float32"},
    "weight": {"role": "density", "dtype": "float32"},
}
SPEC = ma.DataSpec.from_dict(
    {"name": "kinds", "entries": {n: {**e, "optional": True} for n, e in ENTRIES.items()}}
)
RANGES = {
    "bytes": (0, 255),
    "declared": (100, 1100),
    "signed": (-32768, 32767),
    "large": (0, 1000),
    "floats": (0, 1),
    "wide": (-50, 150),
    "half": (0, 1),
    "rgbxyz": (0, 255),
}
EACH = ma.Pipeline(
    [
        ma.Maybe(ma.Brightness(3)),
        ma.Maybe(ma.Contrast(0.5)),
        ma.Maybe(ma.Gamma((0.1, 10))),
        ma.Maybe(ma.GaussianNoise((0.05, 0.2))),
        ma.Maybe(ma.ChannelShift(0.2)),
    ],
    SPEC,
)
OWNERS = [maybe.children[0].owner for maybe in EACH.transforms]


def record_of(seed, *names):
    """The whole record, or some of its entries."""
    record = make_record(SPEC, SHAPE, seed, holes=True)
    record["large"][0, 0] = 2147483647
    record["floats"][0, 0] = [-0.25, 0, 4]  # below black, black, above white
    return {name: record[name] for name in names or record}


def run(transforms, record):
    pipeline = ma.Pipeline(transforms, SPEC)
    return {name: np.asarray(array) for name, array in pipeline(KEY, record).items()}


def run_alone(owner, record, **values):
    """One transform of `EACH`, with some of its drawn values replaced; and its params."""
    params = EACH.sample(KEY, SHAPE)
    drawn = []
    for name, one in zip(OWNERS, params.values, strict=True):
        own = {n: jnp.asarray(values[n], v.dtype) if n in values else v
               for n, v in one["children"][0].items()}  # fmt: skip
        drawn.append({"on": jnp.asarray(name == owner), "children": (own,)})
    out = EACH.apply(replace(params, values=tuple(drawn)), record, check=False)
    own = next(d["children"][0] for d in drawn if d["on"]) if owner else None
    return {name: np.asarray(array) for name, array in out.items()}, own


def intensity(name, array):
    """The intensity channels, as float64."""
    array = np.asarray(array).astype(np.float64)
    return array[..., :3] if name == "rgbxyz" else array


def invalid(name, record):
    values = intensity(name, record[name])
    return values == 2147483647 if name == "large" else np.isnan(values)


def assert_values(out, record, change, tolerance=1e-5):
    """Every intensity entry is `change(name, values, lo, hi)`; everything else is as it was."""
    for name, (lo, hi) in RANGES.items():
        before, lost = record[name], invalid(name, record)
        expected = change(name, intensity(name, before), lo, hi)
        found, level = intensity(name, out[name]), tolerance * (hi - lo)
        if before.dtype.kind in "ui":
            info = np.iinfo(before.dtype)
            expected = np.clip(np.floor(expected + 0.5), info.min, info.max)
            # One level off only where rounding in float32 met a half.
            level = 1
            assert (found != expected)[~lost].mean() < 0.02, name
        elif name == "half":
            level = 2**-7 * np.abs(expected)[~lost].max()
        # A number far beyond white is kept to the digits of a float32.
        level = np.maximum(level, 1e-6 * np.abs(expected))
        assert (np.abs(found - expected) <= level)[~lost].all(), name
        np.testing.assert_array_equal(found[lost], intensity(name, before)[lost])
        assert out[name].dtype == before.dtype
    assert_others_untouched(out, record)


def assert_others_untouched(out, record):
    for name in ("mask", "flow", "weight"):
        assert out[name].tobytes() == record[name].tobytes(), name
    assert out["rgbxyz"][..., 3:].tobytes() == record["rgbxyz"][..., 3:].tobytes()


# --- each of them alone ------------------------------------------------------------------------


def test_what_is_not_chosen_changes_nothing():
    record = record_of(11)
    record["large"][0, 1:3] = 16777217, -16777217  # float32 has no such numbers
    out, _ = run_alone(None, record)
    for name, array in record.items():
        assert out[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("amount", [0.3, -0.31, 0.001, 2.0])
def test_brightness(amount):
    record = record_of(0)
    out, _ = run_alone("Brightness", record, amount=amount)
    assert_values(out, record, lambda _, v, lo, hi: v + float(np.float32(amount)) * (hi - lo))


@pytest.mark.parametrize("amount", [0.4, -0.9])
def test_contrast(amount):
    record = record_of(1)
    out, _ = run_alone("Contrast", record, amount=amount)

    def change(name, v, lo, hi):
        mean = v[~invalid(name, record)].mean()
        return mean + (1 + amount) * (v - mean)

    assert_values(out, record, change, tolerance=1e-4)


@pytest.mark.parametrize("exponent", [0.5, 2.5])
def test_gamma(exponent):
    record = record_of(2)
    out, _ = run_alone("Gamma", record, exponent=exponent)

    def change(_, v, lo, hi):
        u = (v - lo) / (hi - lo)
        return lo + (hi - lo) * np.sign(u) * np.abs(u) ** exponent

    assert_values(out, record, change, tolerance=1e-4)


def test_noise_is_a_fraction_of_the_range():
    record = record_of(3)
    out, own = run_alone("GaussianNoise", record)
    for name in ("wide", "rgbxyz", "signed"):
        lo, hi = RANGES[name]
        change = intensity(name, out[name]) - intensity(name, record[name])
        inside = np.abs(intensity(name, record[name]) - (lo + hi) / 2) < (hi - lo) / 4
        assert 0.8 < change[inside].std() / (float(own["std"]) * (hi - lo)) < 1.2
    assert_others_untouched(out, record)


def test_the_noise_of_a_seed_is_frozen():
    """`sample` draws its seed; what the seed makes of it belongs to a release as well."""
    target = Target("image", 0, (0.0, 1.0), None)
    params = {"std": jnp.float32(1), "seed": jnp.array([1, 2], jnp.uint32)}
    noise = ma.GaussianNoise((1, 1)).apply(params, jnp.zeros((1, 2, 2)), target)
    frozen = [-1.06319726, 0.16046083, -2.78316903, 0.45061386]
    np.testing.assert_allclose(np.ravel(noise), frozen, rtol=1e-5)


def test_channel_shift_has_a_number_for_every_channel():
    record = record_of(4)
    out, own = run_alone("ChannelShift", record)
    assert set(own) == set(RANGES)

    def change(name, v, lo, hi):
        shift = np.asarray(own[name], np.float64)
        assert len(set(shift.tolist())) == len(shift)
        return v + (shift[0] if v.ndim == 2 else shift[: v.shape[-1]]) * (hi - lo)

    assert_values(out, record, change)


# --- together ----------------------------------------------------------------------------------


def test_integers_are_rounded_and_clipped_once_at_the_end():
    record = record_of(5, "bytes", "wide", "large", "floats")
    up, down = ma.Brightness((0.9, 0.9)), ma.Brightness((-0.9, -0.9))
    out = run([up, down], record)
    np.testing.assert_array_equal(out["bytes"], record["bytes"])
    np.testing.assert_allclose(out["wide"], record["wide"], atol=1e-3)
    out = run([up], record)
    assert np.nanmax(out["floats"]) > 1.5
    np.testing.assert_array_equal(
        out["bytes"], np.minimum(np.floor(record["bytes"] + 0.9 * 255 + 0.5), 255)
    )
    # On request floats are clipped, and integers where the request stands.
    out = run([ma.Brightness((0.9, 0.9), clip=True), down], record)
    assert np.nanmax(out["floats"]) <= 0.1 + 1e-6
    assert out["wide"].max() <= -30 + 1e-3
    assert out["bytes"].max() == 26  # 255 - 229.5, half up


def test_halves_round_up():
    record = {"bytes": np.arange(99, dtype=np.uint8).reshape(3, 11, 3)}
    quarter = ma.Brightness((0.25, 0.25))
    spec = ma.DataSpec.from_dict(
        {"name": "b", "entries": {"bytes": {**ENTRIES["bytes"], "range": [0, 2]}}}
    )
    # 0.25 of 2: exactly a half. The values are far outside of the range on purpose.
    out = ma.Pipeline([quarter], spec)(KEY, record, check=False)
    np.testing.assert_array_equal(out["bytes"], record["bytes"] + 1)


def test_order_is_kept_also_around_geometry():
    record = record_of(6, "wide", "bytes")
    u = record["wide"].astype(np.float64) / 200 + 0.25
    gamma, bright, contrast = (
        ma.Gamma((2, 2)),
        ma.Brightness((0.5, 0.5)),
        ma.Contrast((0.2, 0.2)),
    )
    first, second = (run(pair, record)["wide"] for pair in ([gamma, bright], [bright, gamma]))
    np.testing.assert_allclose(first, 200 * (u**2 + 0.5) - 50, atol=2e-3)
    np.testing.assert_allclose(second, 200 * (u + 0.5) ** 2 - 50, atol=2e-3)
    # Contrast stands where it is declared: about the mean of what is there before the crop.
    window = ma.Crop(box=(2, 1, 9, 8))
    mixed = run([gamma, ma.Flip("x", p=1), bright, contrast, window], record)
    flipped = {name: array[:, ::-1] for name, array in record.items()}
    straight = run([gamma, bright, contrast], flipped)
    for name, array in straight.items():
        np.testing.assert_allclose(mixed[name].astype(float), array[1:8, 2:9], atol=1e-3)
    # With the crop before it, about the mean of what is in view.
    mixed = run([gamma, ma.Flip("x", p=1), bright, window, contrast], record)
    view = {name: array[1:8, 2:9] for name, array in flipped.items()}
    straight = run([gamma, bright, contrast], view)
    for name in view:
        np.testing.assert_allclose(mixed[name].astype(float), straight[name], atol=1e-3)


def test_entries_choose_what_is_touched():
    record = record_of(7)
    chain = [
        ma.Brightness((0.2, 0.2), entries="wide"),
        ma.ChannelShift(0.2, entries=["bytes", "rgbxyz"]),
        ma.GaussianNoise(0.2, entries=("floats",)),
        ma.Normalize(0.5, 0.2, entries="signed"),
    ]
    out = run(chain, record)
    for name in ("declared", "large", "half"):
        assert out[name].tobytes() == record[name].tobytes(), name
    np.testing.assert_allclose(out["wide"], record["wide"] + 40, atol=1e-3)
    for name in ("bytes", "rgbxyz", "floats"):
        assert out[name].dtype == record[name].dtype
        assert out[name].tobytes() != record[name].tobytes()
    expected = ((record["signed"].astype(float) + 32768) / 65535 - 0.5) / 0.2
    assert out["signed"].dtype == np.float32
    np.testing.assert_allclose(out["signed"], expected, atol=1e-5)
    assert_others_untouched(out, record)


def test_normalize_makes_standard_floats_of_everything():
    record = record_of(8)
    out = run([ma.Normalize(0.4, 0.25), ma.Brightness((0.5, 0.5))], record)
    for name, (lo, hi) in RANGES.items():
        assert out[name].dtype == np.float32
        before, lost = intensity(name, record[name]), invalid(name, record)
        # From here on values count in units of one, which is what a brightness of 0.5 is half of.
        expected = ((before - lo) / (hi - lo) - 0.4) / 0.25 + 0.5
        found = intensity(name, out[name])
        np.testing.assert_allclose(found[~lost], expected[~lost], rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(found[lost], before[lost].astype(np.float32))
    assert_others_untouched(out, record)


def test_only_the_chosen_normalize_changes_the_range():
    choice = ma.OneOf([ma.Normalize(0.5, 0.2), ma.Normalize(0.25, 0.5)])
    pipeline = ma.Pipeline([choice, ma.Brightness((0.1, 0.1))], SPEC)
    record, params = record_of(9, "bytes"), pipeline.sample(KEY, SHAPE)
    for chosen, (mean, std) in enumerate([(0.5, 0.2), (0.25, 0.5)]):
        drawn = {**params.values[0], "choice": jnp.int32(chosen)}
        out = pipeline.apply(replace(params, values=(drawn, params.values[1])), record)
        expected = (record["bytes"] / 255 - mean) / std + 0.1
        np.testing.assert_allclose(out["bytes"], expected, atol=1e-5)


def test_means_go_with_their_channels():
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    record = record_of(10, "bytes")
    out = run([ma.Normalize(mean, std, entries="bytes")], record)
    expected = (record["bytes"] / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(out["bytes"], expected, atol=1e-6)
