"""Containers: what is not chosen changes nothing, and what is chosen runs as if it stood alone."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug import ParameterError
from multiaug.pipeline import RecordParams
from multiaug.testing import make_record

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SIDE = 12
SQUARE = (SIDE, SIDE)
KEY = jax.random.key(8)


def params_of(*cases, shape=SQUARE, out=None):
    """Params of a batch: for each record what every transform of the pipeline has drawn."""
    values = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(a) for a in leaves]), *cases)
    return RecordParams(values, jax.random.key_data(_keys(cases)), shape, out or shape)


def _keys(cases):
    return jax.random.split(KEY, len(cases))


def drawn(transforms, shape, spec):
    frame = ma.transforms.Frame(shape, spec)
    return tuple(t.sample(jax.random.key(i), frame) for i, t in enumerate(transforms))


def numpy(record):
    return {name: np.asarray(array) for name, array in record.items()}


# --- nothing -----------------------------------------------------------------------------------

ROLES = ma.DataSpec.from_dict(
    {
        "name": "what moves in different ways",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 1},
            "mask": {"role": "label", "dtype": "uint8"},
            "xyz": {"role": "position", "dtype": "float32", "under_elastic": "resample"},
            "flow": {"role": "flow", "dtype": "float32"},
            "points": {"role": "keypoints", "dtype": "float32"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
        },
    }
)


def test_what_is_not_chosen_changes_nothing():
    """Pictures keep every bit; what is computed from coordinates may be rounded."""
    children = [ma.Perspective(0.1), ma.Elastic(0.02), ma.GaussianNoise(0.2)]
    # Compiling what flow becomes under a displacement is left to the night.
    names = [name for name in ROLES.entries if NIGHTLY or name != "flow"]
    spec = ma.DataSpec("what moves", [ROLES.entries[name] for name in names])
    pipeline = ma.Pipeline([ma.Maybe(children)], spec)
    values = drawn(children, (12, 16), spec)
    params = params_of(*[({"on": on, "children": values},) for on in (False, True)], shape=(12, 16))
    batch = make_record(spec, (12, 16), 0, batch=2, holes=True, half=("mask",))
    out = numpy(pipeline.apply(params, batch))
    for name in ("image", "mask", "xyz"):
        assert out[name][0].tobytes() == batch[name][0].tobytes(), name
    for name in {"flow", "points", "intrinsics"} & set(names):
        np.testing.assert_allclose(out[name][0], batch[name][0], rtol=1e-6, atol=1e-5)
    for name, array in batch.items():
        assert not np.allclose(out[name][1], array[1], atol=1e-3, equal_nan=True), name


# --- what is chosen ----------------------------------------------------------------------------

SPEC = ma.DataSpec.from_dict(
    {
        "name": "small",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 2},
            "mask": {"role": "label", "dtype": "uint8"},
            "points": {"role": "keypoints", "dtype": "float32"},
        },
    }
)
# No two of a kind commute, and none loses anything.
TURN, BRIGHT, FLIP, GAMMA = CHILDREN = (
    ma.Rot90(1),
    ma.Brightness((0.15, 0.15)),
    ma.Flip("x", p=1),
    ma.Gamma((2, 2)),
)


def by_hand(order, record):
    """The children, by their number, in this order: geometry first, then photometry."""
    out = {name: array.copy() for name, array in record.items()}
    for child in sorted(order, key=lambda i: CHILDREN[i] in (BRIGHT, GAMMA)):
        x, y = out["points"].T
        if CHILDREN[child] is TURN:
            out |= {name: np.rot90(out[name]) for name in ("image", "mask")}
            out["points"] = np.stack([y, SIDE - 1 - x], -1)
        elif CHILDREN[child] is FLIP:
            out |= {name: out[name][:, ::-1] for name in ("image", "mask")}
            out["points"] = np.stack([SIDE - 1 - x, y], -1)
        else:
            u = out["image"]
            out["image"] = u + np.float32(0.15) if CHILDREN[child] is BRIGHT else u * u
    return out


def choices():
    """A transform, and what it draws -> the children that run."""
    d = drawn(CHILDREN, SQUARE, SPEC)

    def nested(outer, choice, inner, pair):
        one = {"choice": choice, "children": (d[0], {"on": inner, "children": (d[1],)})}
        return {"on": outer, "children": (one, {"on": np.array(pair), "children": (d[2], d[3])})}

    return {
        "one": (ma.OneOf(CHILDREN), [({"choice": i, "children": d}, [i]) for i in range(4)]),
        "some": (
            ma.SomeOf(CHILDREN, k=(0, 4)),
            [
                ({"on": np.isin(range(4), chosen), "children": d}, chosen)
                for chosen in ([], [0], [1, 3], [0, 1, 2, 3])
            ],
        ),
        "order": (
            ma.Shuffle(CHILDREN),
            [
                ({"order": np.array(order), "children": d}, order)
                for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 3, 0, 1])
            ],
        ),
        "nested": (
            ma.Maybe([ma.OneOf([TURN, ma.Maybe(BRIGHT)]), ma.SomeOf([FLIP, GAMMA])]),
            [
                (nested(False, 0, True, [True, True]), []),
                (nested(True, 0, True, [True, True]), [0, 2, 3]),
                (nested(True, 1, True, [False, True]), [1, 3]),
                (nested(True, 1, False, [True, False]), [2]),
            ],
        ),
    }


@pytest.mark.parametrize(
    "name", ["one", "some", "order", "nested"] if NIGHTLY else ["some", "nested"]
)
def test_what_is_chosen_runs_and_is_undone(name):
    container, cases = choices()[name]
    pipeline = ma.Pipeline([container], SPEC)
    params = params_of(*[(values,) for values, _ in cases])
    batch = make_record(SPEC, SQUARE, 3, batch=len(cases))
    out = numpy(pipeline.apply(params, batch))
    for i, (_, order) in enumerate(cases):
        want = by_hand(order, {name: array[i] for name, array in batch.items()})
        np.testing.assert_allclose(out["image"][i], want["image"], atol=1e-6, err_msg=str(order))
        np.testing.assert_array_equal(out["mask"][i], want["mask"], err_msg=str(order))
        np.testing.assert_allclose(out["points"][i], want["points"], atol=1e-5)
    back = numpy(pipeline.invert(params, out))
    # The root of a rounding error is a larger one, next to black.
    np.testing.assert_allclose(back["image"], batch["image"], atol=5e-4)
    np.testing.assert_array_equal(back["mask"], batch["mask"])
    np.testing.assert_allclose(back["points"], batch["points"], atol=1e-5)


# --- frames ------------------------------------------------------------------------------------


def frame_of(*transforms, shape=(12, 16)):
    pipeline = ma.Pipeline(transforms, SPEC)
    return jax.eval_shape(lambda key: pipeline.sample(key, shape), KEY).out_shape


def test_children_that_change_the_frame():
    crop, resize = ma.Crop((6, 8)), ma.Resize((6, 8))
    assert frame_of(ma.OneOf([crop, resize, ma.RandomResizedCrop((6, 8))])) == (6, 8)
    assert frame_of(ma.OneOf([ma.OneOf([crop, resize]), resize]), ma.Pad(1)) == (8, 10)
    # Turned or not: a square is a square.
    assert frame_of(ma.Maybe([ma.Rot90(), ma.D4()]), shape=(8, 8)) == (8, 8)
    # A frame that stays is no change, whatever makes it.
    assert frame_of(ma.Shuffle([ma.Resize((12, 16)), ma.Crop((12, 16))])) == (12, 16)


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (ma.OneOf([ma.Crop((6, 8)), ma.Flip()]), ["`OneOf`", "Crop", "Flip"]),
        (ma.Shuffle([ma.Pad(1), ma.Crop((12, 16))]), ["`Shuffle`", "Pad"]),
        (ma.Maybe(ma.Maybe(ma.Transpose(p=1))), ["`Maybe`", "Transpose"]),
        (ma.Maybe(ma.Rot90()), ["`Rot90`", "square"]),
    ],
)
def test_frames_that_depend_on_the_choice_are_refused(container, words):
    with pytest.raises(ParameterError) as caught:
        frame_of(container)
    for word in words:
        assert word in str(caught.value)


def test_one_of_windows_shows_the_chosen_one():
    windows = [ma.Crop(box=(0, 0, 8, 6)), ma.Crop(box=(3, 4, 11, 10))]
    pipeline = ma.Pipeline([ma.OneOf(windows)], SPEC)
    values = drawn(windows, SQUARE, SPEC)
    params = params_of(*[({"choice": i, "children": values},) for i in (0, 1)], out=(6, 8))
    batch = make_record(SPEC, SQUARE, 5, batch=2)
    out = numpy(pipeline.apply(params, batch))
    for i, (x, y) in enumerate([(0, 0), (3, 4)]):
        for name in ("image", "mask"):
            window = batch[name][i, y : y + 6, x : x + 8]
            np.testing.assert_array_equal(out[name][i], window, err_msg=name)
        np.testing.assert_allclose(out["points"][i], batch["points"][i] - [x, y], atol=1e-5)
