"""Operations with statistics, tables and colours: in C as in JAX, with any instruction set."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multiaug._native import compiled_is_available, library
from multiaug.sampling import run_pointwise, sampled_into
from multiaug.transforms._channel_operations import (
    BlendWithGrey,
    HueSaturationValue,
    NormalizeBy,
    PowerLaws,
    ScaleAboutGreyMean,
    ScaleAboutMeans,
)
from multiaug.transforms._field_operations import Bell, BiasField, BlendLocally, EqualizeTiles
from multiaug.transforms._noise_operations import Impulses, MagnitudeNoise, PhotonNoise, Speckle
from multiaug.transforms._operations import Noise, ScaleShift
from multiaug.transforms._resample_operations import LowerResolution
from multiaug.transforms._stencil_operations import GaussianMean, Median, SegmentMean, UnsharpMask
from multiaug.transforms._table_operations import Curve, Equalize, MirrorAbove, Quantize
from tests.sampling.test_compiled import NIGHTLY
from tests.sampling.test_pointwise import level_of, of_record

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]

# Of more values than a table of levels pays for, with a piece that is not full.
SHAPE = (41, 43, 4)
TOPS = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
AT = (2, 0, 3)
WEIGHTS = np.float32([0.587, 0, 0.299, 0.114])
EACH = np.float32([1.3, 1, 0.7, 0.9])


def operations(top, valid):
    """Name -> steps, one after the other, on values from 0 to ``top``."""
    curve = np.float32([0, 0.1, 0.5, 0.6, 1])
    infinite = float("inf")
    rng = np.random.default_rng(5)
    bell = Bell(*jnp.float32(np.add(rng.random((4, 4)), [[0], [-0.5], [0.1], [0.2]])))
    amounts = np.float32([1, 0, 1, 0.5])
    seed = jnp.uint32([1, 2])
    return {
        "grey": [BlendWithGrey(WEIGHTS, np.float32([1, 0, 1, 0.5]), valid)],
        "hue": [HueSaturationValue(AT, 0.2, (1, 0), (1, 0), 0, top, infinite, valid)],
        "colours": [HueSaturationValue(AT, -0.4, (1.5, 0), (1.3, 0), top / 9, top, 1.0, valid)],
        "shifts": [HueSaturationValue(AT, 0.1, (1, 0.2), (1, -0.3), 0, top, infinite, valid)],
        "means": [ScaleAboutMeans(EACH, False, True, valid)],
        "mean": [ScaleAboutMeans(EACH, True, False, valid)],
        "grey mean": [ScaleAboutGreyMean(1.4, WEIGHTS, np.float32([1, 0, 1, 1]), valid)],
        "powers": [PowerLaws(EACH, 0, top, "range", invert=True)],
        "powers of channels": [PowerLaws(EACH, 0, 1, "channel", False, True, valid)],
        "powers of a group": [PowerLaws(EACH, 0, 1, "group", True, True, valid)],
        "stretched": [NormalizeBy("range", False, (0, 1), 0, top, False, True, valid)],
        "cut": [NormalizeBy("quantiles", False, (0.13, 0.9), 0, top, True, True, valid)],
        "cut together": [NormalizeBy("quantiles", True, (0.02, 0.9), 0, top, True, True, valid)],
        "standardized": [NormalizeBy("mean", True, (0, 1), top / 2, top / 4, False, False, valid)],
        "posterized": [Quantize(0, top * 256 / 255 / 8)],
        "solarized": [MirrorAbove(0.4 * top, top)],
        "bent": [Curve(0.1 * top, 0.8 * top, jnp.asarray(curve))],
        "equalized": [Equalize(0, top, valid)],
        "bias": [BiasField(jnp.float32(rng.normal(0, 0.3, 10)))],
        "bells": [BlendLocally(bell, EACH, -0.1, EACH**3, amounts, 0, top)],
        "bells of channels": [BlendLocally(bell, 1.0, 0.2, 0.5, amounts, 0, 1, True, valid)],
        "tiles": [EqualizeTiles(0, top, (3, 4), 2.5, valid)],
        "blurred": [GaussianMean(np.float32(1.4), 6, 0, valid)],
        "blurred apart": [GaussianMean(np.float32([0.4, 0, 2, 1]), 3, 3, valid)],
        "sharpened": [UnsharpMask(amounts, np.float32([0.5, 1, 0.7, 1]), 4, valid)],
        "moved": [SegmentMean(np.float32(5.2), np.float32(-40), 13, 5, valid)],
        "lowered": [LowerResolution(np.float32([0.5, 1, 0.3, 0.7]), valid)],
        "median": [Median(3, valid)],
        "median of 7": [Median(7, valid)],
        "photons": [PhotonNoise(seed, 3, 0.01 * top, 0.1 * top)],
        "speckles": [Speckle(seed, 3, 0.2)],
        "dots": [Impulses(seed, 3, 0.1, 0.2, 0.0, top)],
        "dots of pixels": [Impulses(seed, 4, 0.1, 0.2, 0.0, top, whole=True)],
        "magnitudes": [MagnitudeNoise(seed, (3, 4), 0.1 * top, 0.2 * top)],
        "neighbours": [
            PowerLaws(EACH, 0, top),
            GaussianMean(np.float32(0.8), 3, 0, valid),
            ScaleAboutMeans(np.float32(1.2), False, False, valid),
            Median(3, valid),
            Speckle(seed, 3, 0.1),
            UnsharpMask(1.3, np.float32(1), 4, valid),
            Curve(0, top, jnp.asarray(curve)),
        ],
        "all": [
            ScaleShift(0.9, 0.02 * top),
            PowerLaws(EACH, 0, top),
            HueSaturationValue(AT, 0.2, (1.2, 0), (1, 0), 0, top, infinite, valid),
            ScaleAboutMeans(np.float32(1.2), False, False, valid),
            Noise(jnp.uint32([1, 2]), 3, 0.03 * top),
            NormalizeBy("mean", False, (0, 1), top / 2, top / 4, False, False, valid),
            BlendWithGrey(WEIGHTS, 0.3, valid),
            EqualizeTiles(0, top, (2, 2), 3, valid),
            BlendLocally(bell, EACH, -0.1, EACH**3, amounts, 0, top),
            Curve(0, top, jnp.asarray(curve)),
        ],
    }


def values_of(dtype, invalid):
    rng = np.random.default_rng(3)
    # Of different means and ranges, with grey pixels and the brightest ones.
    unit = rng.random(SHAPE) ** [1, 2, 0.5, 1] * [0.7, 1, 0.9, 0.8]
    unit[:3] = unit[:3, :, :1]
    unit[3, :9] = [0, 0.5, 1, 0.2]
    values = (unit * TOPS[dtype]).astype(dtype)
    if invalid is not None:
        values[rng.random(SHAPE) < 0.07] = float(invalid)
    return values


CASES = [("uint8", 7), ("float32", "nan"), ("uint8", None), ("float32", None), ("uint16", 9)]


@pytest.mark.parametrize(("dtype", "invalid"), CASES if NIGHTLY else CASES[:1])
def test_operations_are_those_of_jax(dtype, invalid):
    values, top = values_of(dtype, invalid), TOPS[dtype]
    there = None if invalid is None else values != invalid
    there = ~np.isnan(values) if invalid == "nan" else there
    valid = None if there is None else jnp.asarray(there)
    begun = jnp.asarray(np.where(True if there is None else there, values, 0), jnp.float32)
    named = operations(top, valid)
    if not (NIGHTLY or dtype == "float32"):
        # Of bytes, what differs is what becomes of a table.
        named = {
            n: named[n]
            for n in ("means", "powers of channels", "cut", "equalized", "all", "neighbours")
        }

    # Compiled in half of the time, and run once.
    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def in_jax(begun):
        found = {}
        for name, several in named.items():
            changed = begun
            for operation in several:
                changed = operation.apply(changed, None)
            found[name] = changed
        return found

    expected = {n: np.asarray(v, np.float64) for n, v in in_jax(begun).items()}
    for name, several in named.items():
        how = of_record([(op, True) for op in several], SHAPE[-1], 0, invalid, "float32")
        found = set()
        for level in range(library().multiaug_level() + 1):
            out = np.zeros((1, *SHAPE), np.float32)
            into = sampled_into(out, values.dtype)
            into[...] = values
            with level_of(level):
                run_pointwise(into, how, out)
            found.add(out.tobytes())
        assert len(found) == 1, f"{name}: other bits at another level"
        wanted = expected[name] if there is None else np.where(there, expected[name], values)
        off = np.abs(out[0] - wanted) / top
        np.testing.assert_array_equal(np.isnan(out[0]), np.isnan(wanted), name)
        # A level that is a tie for one of both falls on the other side: counted, not bounded.
        assert (np.nan_to_num(off) > 2e-5).mean() < 1e-3, (name, np.nanmax(off))
