"""Every draw has the distribution that its docstring states, and depends on its own key alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.testing import make_record
from multiaug.transforms import drawing_key
from multiaug.transforms._policies import Policy
from tests.nightly import NIGHTLY

SPEC = ma.load_spec("rgb-segmentation")
COUNT = 4000
KEYS = jax.random.split(jax.random.key(5), COUNT)
# Seeds are fixed: a test of a true hypothesis passes always or never.
LEVEL = 1e-3


def drawn(*transforms, shape=(40, 60), keys=KEYS):
    values = ma.Pipeline(transforms, SPEC).sample(keys, shape).values
    return jax.tree.map(np.asarray, values)


def assert_uniform(values, lo, hi):
    assert values.min() >= lo
    assert values.max() <= hi
    assert stats.kstest(values, stats.uniform(lo, hi - lo).cdf).pvalue > LEVEL


def assert_share(hits, p):
    assert stats.binomtest(int(hits.sum()), hits.size, p).pvalue > LEVEL


def assert_independent(a, b):
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(len(a))


def test_one_number_each():
    rotate, scale, shear, bright, contrast, gamma, noise = drawn(
        ma.Rotate((-10, 30)),
        ma.Scale(2),
        ma.Shear(((-5, 5), (0, 10))),
        ma.Brightness(0.2),
        ma.Contrast((-0.5, 0.1)),
        ma.Gamma((0.5, 3)),
        ma.GaussianNoise(0.1),
    )
    assert_uniform(rotate["degrees"], -10, 30)
    assert_uniform(np.log2(scale["factor"][:, 0]), -1, 1)
    np.testing.assert_array_equal(scale["factor"][:, 0], scale["factor"][:, 1])
    assert_uniform(shear["degrees"][:, 0], -5, 5)
    assert_uniform(shear["degrees"][:, 1], 0, 10)
    assert_uniform(bright["amount"], -0.2, 0.2)
    assert_uniform(contrast["amount"], -0.5, 0.1)
    assert_uniform(np.log(gamma["exponent"]), np.log(0.5), np.log(3))
    assert_uniform(noise["std"], 0, 0.1)
    assert_independent(rotate["degrees"], bright["amount"])
    assert_independent(bright["amount"], contrast["amount"])
    assert len(np.unique(noise["seed"], axis=0)) == COUNT


def test_per_axis():
    scale, fraction, pixels, whole = drawn(
        ma.Scale((0.5, 1), per_axis=True),
        ma.Translate(0.1),
        ma.Translate(px=((-3, 3), (0, 5))),
        ma.Translate(px=2, whole=True),
    )
    assert_uniform(np.log2(scale["factor"][:, 1]), -1, 0)
    assert_independent(*np.log(scale["factor"]).T)
    assert_uniform(fraction["px"][:, 0], -6, 6)  # of 60 columns
    assert_uniform(fraction["px"][:, 1], -4, 4)
    assert_uniform(pixels["px"][:, 1], 0, 5)
    assert_independent(*pixels["px"].T)
    assert set(np.unique(whole["px"])) == {-2, -1, 0, 1, 2}


def test_ranges_of_one_value_are_exact():
    rotate, scale, gamma = drawn(ma.Rotate((17, 17)), ma.Scale((1.3, 1.3)), ma.Gamma((2, 2)))
    assert (rotate["degrees"] == 17).all()
    assert (scale["factor"] == np.float32(1.3)).all()
    assert (gamma["exponent"] == 2).all()


def test_symmetries():
    flip, turn, swap, element = drawn(
        ma.Flip("x", p=0.3), ma.Rot90((0, 1, 3)), ma.Transpose(0.5), ma.D4(), shape=(8, 8)
    )
    assert_share(flip["on"], 0.3)
    assert_share(swap["on"], 0.5)
    counts = [(turn["turns"] == k).sum() for k in (0, 1, 3)]
    assert sum(counts) == COUNT
    assert stats.chisquare(counts).pvalue > LEVEL
    both = element["turns"] + 4 * element["transpose"]
    assert stats.chisquare(np.bincount(both, minlength=8)).pvalue > LEVEL


def test_crops():
    crop, centre, box = drawn(
        ma.Crop((31, 51)),
        ma.Crop((10, 11), position="centre"),
        ma.Crop(box=(1, 2, 5, 8)),
    )
    for axis in (0, 1):  # ten places along x and along y
        counts = np.bincount(crop["offset"][:, axis], minlength=10)
        assert len(counts) == 10
        assert stats.chisquare(counts).pvalue > LEVEL
    assert_independent(*crop["offset"].T)
    assert (centre["offset"] == [20, 10]).all()
    assert (box["offset"] == [1, 2]).all()


def test_resized_crops_follow_the_peers_algorithm():
    scale, ratio, (height, width) = (0.08, 1.0), (3 / 4, 4 / 3), (40, 60)
    (crop,) = drawn(ma.RandomResizedCrop(32, scale, ratio))
    x, y, w, h = crop["window"].T
    assert (x >= 0).all()
    assert (y >= 0).all()
    assert (x + w <= width + 1e-3).all()
    assert (y + h <= height + 1e-3).all()
    rng = np.random.default_rng(0)
    area, shape = [], []
    while len(area) < COUNT:  # ten tries never fail here
        a = height * width * rng.uniform(*scale)
        r = np.exp(rng.uniform(*np.log(ratio)))
        if np.sqrt(a * r) <= width and np.sqrt(a / r) <= height:
            area.append(a)
            shape.append(r)
    assert stats.ks_2samp(w * h, area).pvalue > LEVEL
    assert stats.ks_2samp(w / h, shape).pvalue > LEVEL
    free = w < width - 1
    assert_uniform(x[free] / (width - w[free]), 0, 1)


def test_a_resized_crop_that_never_fits_takes_the_largest_central_window():
    (crop,) = drawn(ma.RandomResizedCrop(8, scale=(1, 1), ratio=(4, 4)), keys=KEYS[:3])
    np.testing.assert_allclose(crop["window"], [[0, 12.5, 60, 15]] * 3, rtol=1e-6)


def test_warps():
    tilt, bend = drawn(ma.Perspective(0.1), ma.Elastic(0.02, (3, 4)))
    assert tilt["corners"].shape == (COUNT, 4, 2)
    assert_uniform(tilt["corners"][:, 2, 1], -0.1, 0.1)
    assert_independent(tilt["corners"][:, 0, 0], tilt["corners"][:, 1, 0])
    assert bend["control"].shape == (COUNT, 6, 7, 2)
    assert_uniform(bend["control"][:, 3, 2, 0], -0.8, 0.8)  # 0.02 of 40 rows


def test_channel_shift_draws_for_every_channel():
    (shift,) = drawn(ma.ChannelShift(0.1))
    assert list(shift) == ["image"]
    assert_uniform(shift["image"][:, 0], -0.1, 0.1)
    assert_independent(shift["image"][:, 0], shift["image"][:, 1])


def test_containers():
    maybe, one, some, mixed = drawn(
        ma.Maybe(ma.Rotate(10), p=0.2),
        ma.OneOf([ma.Rotate(10), ma.Shear(3), ma.Flip()], weights=[1, 0, 3]),
        ma.SomeOf([ma.Flip(), ma.Rotate(1), ma.Shear(1), ma.Scale(1.1)], k=(1, 3)),
        ma.Shuffle([ma.Flip(), ma.Rotate(1), ma.Shear(1)]),
    )
    assert_share(maybe["on"], 0.2)
    assert_uniform(maybe["children"][0]["degrees"], -10, 10)
    assert_independent(maybe["on"], maybe["children"][0]["degrees"])
    assert set(one["choice"]) == {0, 2}
    assert_share(one["choice"] == 0, 0.25)
    counts = some["on"].sum(1)
    assert stats.chisquare([(counts == k).sum() for k in (1, 2, 3)]).pvalue > LEVEL
    pairs = some["on"][counts == 2] @ (1 << np.arange(4))
    assert stats.chisquare([(pairs == k).sum() for k in (3, 5, 6, 9, 10, 12)]).pvalue > LEVEL
    assert (np.sort(mixed["order"], axis=1) == [0, 1, 2]).all()
    words = mixed["order"] @ [9, 3, 1]
    assert stats.chisquare(np.unique(words, return_counts=True)[1]).pvalue > LEVEL


def test_noise_is_normal_and_independent():
    spec = ma.DataSpec.from_dict(
        {
            "name": "n",
            "entries": {
                name: {"role": "intensity", "dtype": "float32", "channels": 2}
                for name in ("first", "second")
            },
        }
    )
    pipeline = ma.Pipeline([ma.GaussianNoise((0.5, 0.5))], spec)
    batch = {name: np.zeros((4, 64, 64, 2), np.float32) for name in ("first", "second")}
    out = {n: np.asarray(a) for n, a in pipeline.batch(KEYS[:4], batch).items()}
    for a in out.values():
        assert stats.kstest(a.ravel() / 0.5, "norm").pvalue > LEVEL
    first = out["first"]
    assert_independent(first.ravel(), out["second"].ravel())  # entries
    assert_independent(first[..., 0].ravel(), first[..., 1].ravel())  # channels
    assert_independent(first[0].ravel(), first[1].ravel())  # records
    assert_independent(first[:, :, 1:].ravel(), first[:, :, :-1].ravel())  # neighbours


def test_the_key_rule():
    """Transform i draws from fold_in(own, i); the first children of a container from 1."""
    key = KEYS[7]
    mine = drawing_key(jax.random.key_data(key))
    values = ma.Pipeline([ma.Flip(), ma.Rotate(30)], SPEC).sample(key, (8, 8)).values
    expected = jax.random.uniform(jax.random.fold_in(mine, 1), dtype=jnp.float32) * 60 - 30
    np.testing.assert_allclose(values[1]["degrees"], expected, rtol=1e-6)
    inside = ma.Pipeline([ma.Maybe([ma.Flip(), ma.Rotate(30)])], SPEC).sample(key, (8, 8)).values
    own = jax.random.fold_in(jax.random.fold_in(mine, 0), 2)
    expected = jax.random.uniform(own, dtype=jnp.float32) * 60 - 30
    np.testing.assert_allclose(inside[0]["children"][1]["degrees"], expected, rtol=1e-6)


def test_then_leaves_earlier_draws_alone():
    short = ma.Pipeline([ma.Rotate(30), ma.OneOf([ma.Shear(5), ma.Scale(1.2)])], SPEC)
    longer = short.then(ma.GaussianNoise(0.1), ma.Flip())
    a, b = short.sample(KEYS[:9], (8, 8)).values, longer.sample(KEYS[:9], (8, 8)).values
    jax.tree.map(np.testing.assert_array_equal, a, b[:2])


# The first draws of every transform. A change here changes what every user's seed means: it
# needs an entry in the changelog.
FROZEN = {
    "Rotate": (ma.Rotate(30), "degrees"),
    "Translate": (ma.Translate(0.1), "px"),
    "Scale": (ma.Scale(1.5), "factor"),
    "Shear": (ma.Shear(10), "degrees"),
    "Flip": (ma.Flip(), "on"),
    "Rot90": (ma.Rot90(), "turns"),
    "Transpose": (ma.Transpose(), "on"),
    "D4": (ma.D4(), "turns"),
    "Perspective": (ma.Perspective(0.1), "corners"),
    "Elastic": (ma.Elastic(0.02, 2), "control"),
    "Crop": (ma.Crop(4), "offset"),
    "RandomResizedCrop": (ma.RandomResizedCrop(4), "window"),
    "Brightness": (ma.Brightness(0.2), "amount"),
    "Contrast": (ma.Contrast(0.2), "amount"),
    "Gamma": (ma.Gamma(1.5), "exponent"),
    "GaussianNoise": (ma.GaussianNoise(0.1), "seed"),
    "ChannelShift": (ma.ChannelShift(0.1), "image"),
    "Maybe": (ma.Maybe(ma.Flip()), "on"),
    "OneOf": (ma.OneOf([ma.Flip(), ma.Rotate(3)]), "choice"),
    "SomeOf": (ma.SomeOf([ma.Flip(), ma.Rotate(3)]), "on"),
    "Shuffle": (ma.Shuffle([ma.Flip(), ma.Rotate(3)]), "order"),
    "Erase": (ma.Erase(), "edges"),
    "MixUp": (ma.MixUp(0.4, keep=["mask"]), "weight"),
    "ChannelDropout": (ma.ChannelDropout(), "image"),
    "ChannelShuffle": (ma.ChannelShuffle(), "image"),
    "CoarseDropout": (ma.CoarseDropout(), "edges"),
    "GridMask": (ma.GridMask(), "phase"),
    "ModalityDropout": (ma.ModalityDropout(["image", "mask"]), "dropped"),
    "CutMix": (ma.CutMix(), "edges"),
    "Mosaic": (ma.Mosaic(), "share"),
    "CopyPaste": (ma.CopyPaste("mask"), "seed"),
    "Gain": (ma.Gain(0.2), "amount"),
    "HueSaturation": (ma.HueSaturation(0.1), "hue"),
    "Saturation": (ma.Saturation(0.3), "amount"),
    "ColorTemperature": (ma.ColorTemperature(), "kelvin"),
    "ColorJitter": (ma.ColorJitter(0.4, 0.4, 0.4, 0.1), "order"),
    "PhotometricDistortion": (ma.PhotometricDistortion(), "on"),
    "Posterize": (ma.Posterize((1, 8)), "bits"),
    "Solarize": (ma.Solarize((0, 1)), "threshold"),
    "HistogramShift": (ma.HistogramShift(4), "knots"),
    "BiasField": (ma.BiasField(), "coefficients"),
    "BrightnessGradient": (ma.BrightnessGradient(), "all"),
    "LocalGamma": (ma.LocalGamma(), "all"),
    "RandomShadow": (ma.RandomShadow(), "all"),
    "CLAHE": (ma.CLAHE(), "clip_limit"),
    # New ones stand behind: the place in the pipeline is part of what is drawn.
    "RandomScaledCrop": (ma.RandomScaledCrop(64), "offset"),
    "ResizeShortest": (ma.ResizeShortest((32, 48), crop=64), "offset"),
    "LetterBox": (ma.LetterBox((64, 99), position="random"), "offset"),
    "PadTo": (ma.PadTo(199, position="random"), "offset"),
    "PadToMultiple": (ma.PadToMultiple(300, position="random"), "offset"),
    "SafeRotate": (ma.SafeRotate(30), "degrees"),
    "GridDistortion": (ma.GridDistortion(0.3), "columns"),
    "OpticalDistortion": (ma.OpticalDistortion(0.2), "k"),
    "ThinPlateSpline": (ma.ThinPlateSpline(0.05), "shifts"),
    "PiecewiseAffine": (ma.PiecewiseAffine(0.05, 3), "shifts"),
    "GaussianBlur": (ma.GaussianBlur(), "sigma"),
    "MotionBlur": (ma.MotionBlur(), "degrees"),
    "Sharpen": (ma.Sharpen(), "all"),
    "LowResolution": (ma.LowResolution(), "scale"),
    "JPEG": (ma.JPEG(), "quality"),
    "BandMisregistration": (ma.BandMisregistration(), "image"),
    "DeadLines": (ma.DeadLines(), "image"),
    "ShotNoise": (ma.ShotNoise(), "photons"),
    "SpeckleNoise": (ma.SpeckleNoise(), "std"),
    "SaltAndPepper": (ma.SaltAndPepper(), "amount"),
    "RicianNoise": (ma.RicianNoise(), "std"),
    "AugMix": (ma.AugMix(), "weights"),
    "AutoAugment": (ma.AutoAugment(), "magnitude"),
    "RandAugment": (ma.RandAugment(magnitude=(0, 30)), "magnitude"),
    "Sharpness": (ma.Sharpness(0.9), "amount"),
    "ThreeAugment": (ma.ThreeAugment(), "choice"),
    "TrivialAugment": (ma.TrivialAugment(), "operation"),
    "HistogramMatching": (ma.HistogramMatching(np.zeros((4, 4, 3))), "blend_ratio"),
    "FDA": (ma.FDA(np.zeros((4, 4, 3))), "beta"),
}


# Their draws read the record, or they need other entries than those of this spec.
READ = ma.DataSpec(
    "read",
    [
        *SPEC.entries.values(),
        ma.EntrySpec.of_role("boxes", "boxes", dtype="float32"),
        ma.EntrySpec.of_role("camera", "intrinsics", dtype="float32"),
        ma.EntrySpec.of_role("xyz", "position", dtype="float32"),
    ],
)
CLOUD = ma.DataSpec("cloud", [READ.entries[name] for name in ("image", "xyz", "camera")])
READING = {
    "LabelCrop": (ma.LabelCrop(4), "offset"),
    "BoxSafeCrop": (ma.BoxSafeCrop(4), "window"),
    "CameraMotion": (ma.CameraMotion(), "motion"),
    "CameraRotate": (ma.CameraRotate(), "degrees"),
    "CanonicalCamera": (ma.CanonicalCamera(64, position="random"), "offset"),
    "CanonicalDepth": (ma.CanonicalDepth(), "factor"),
    "CloudMotion": (ma.CloudMotion(), "rotation"),
    "DepthNoise": (ma.DepthNoise(strength=(0, 1)), "strength"),
    "ForEntries": (ma.ForEntries("image", ma.Rotate(30)), "children"),
}


def first_draws():
    # By day another one stands in the places of policies, which take long to compile.
    policies = () if NIGHTLY else (Policy,)
    frozen = [ma.Flip() if isinstance(t, policies) else t for t, _ in FROZEN.values()]
    pipeline = ma.Pipeline(frozen, SPEC)
    values = pipeline.sample(jax.random.key(0), (16, 16)).values
    found = {
        name: drawn[param]
        for drawn, (name, (transform, param)) in zip(values, FROZEN.items(), strict=True)
        if not isinstance(transform, policies)
    }
    record = make_record(READ, (16, 16), 0)
    for name, (transform, param) in READING.items():
        spec = CLOUD if name == "CameraMotion" else READ
        given = {n: array for n, array in record.items() if n in spec.entries}
        alone = ma.Pipeline([transform], spec).sample(jax.random.key(0), (16, 16), record=given)
        found[name] = jax.tree.leaves(alone.values[0][param])[0]
    return {n: np.asarray(a, np.float64).ravel()[:2].tolist() for n, a in found.items()}


EXPECTED = {
    "Rotate": [-11.621897],
    "Translate": [0.4703556, 0.74759978],
    "Scale": [1.3426788, 1.3426788],
    "Shear": [-9.4600391, 0.0],
    "Flip": [1.0],
    "Rot90": [2.0],
    "Transpose": [1.0],
    "D4": [2.0],
    "Perspective": [0.013514209, 0.029347135],
    "Elastic": [0.183274, 0.25149107],
    "Crop": [0.0, 0.0],
    "RandomResizedCrop": [0.64385784, 0.60900307],
    "Brightness": [0.18368845],
    "Contrast": [-0.18973207],
    "Gamma": [1.1348881],
    "GaussianNoise": [1161508200.0, 2023266300.0],
    "ChannelShift": [0.086775042, 0.038819741],
    "Maybe": [1.0],
    "OneOf": [0.0],
    "SomeOf": [1.0, 0.0],
    "Shuffle": [1.0, 0.0],
    "Erase": [0.60142118, 0.93402386],
    "MixUp": [0.61472571],
    "ChannelDropout": [0.0, 1.0],
    "ChannelShuffle": [2.0, 1.0],
    "CoarseDropout": [1.5, 0.5],
    "GridMask": [8388608.0, 0.0],
    "ModalityDropout": [0.0, 0.0],
    "CutMix": [-0.5, 0.5],
    "Mosaic": [0.25, 0.25],
    "CopyPaste": [3038550097.0, 1706030248.0],
    "Gain": [0.015348816],
    "HueSaturation": [0.07385502],
    "Saturation": [-0.0086374283],
    "ColorTemperature": [5603.8311],
    "ColorJitter": [3.0, 1.0],
    "PhotometricDistortion": [0.0, 0.0],
    "Posterize": [6.0],
    "Solarize": [0.9236083],
    "HistogramShift": [0.0, 0.59109521],
    "BiasField": [-0.49192297, 0.34537709],
    "BrightnessGradient": [1.4541702, 1.1176393],
    "LocalGamma": [0.59676027, 0.74140048],
    "RandomShadow": [0.90633404, 0.61785829],
    "CLAHE": [2.0106227],
    "RandomScaledCrop": [-34.0, -4.0],
    "ResizeShortest": [-27.0, -22.0],
    "LetterBox": [-11.0, 0.0],
    "PadTo": [-31.0, -60.0],
    "PadToMultiple": [-87.0, -39.0],
    "SafeRotate": [-22.939461],
    "GridDistortion": [0.18031737, 0.38438123],
    "OpticalDistortion": [-0.19601746, 0.0],
    "ThinPlateSpline": [11.494585, -10.889736],
    "PiecewiseAffine": [-9.3577051, 14.589143],
    "LabelCrop": [5.0, 0.0],
    "BoxSafeCrop": [0.65368223, 0.24383163],
    "CameraMotion": [-0.019369829, -0.031662762],
    "CameraRotate": [-3.8739657, -6.3325524],
    "CanonicalCamera": [11.0, 33.0],
    "CanonicalDepth": [56.81818],
    "CloudMotion": [0.97949833, 0.0],
    "DepthNoise": [0.30630171],
    "ForEntries": [-19.281206],
    "AugMix": [0.24977517, 0.31616813],
    "AutoAugment": [-26.666666, 0.2],
    "RandAugment": [-0.75, -0.01510574],
    "Sharpness": [0.8882075],
    "ThreeAugment": [1.0],
    "TrivialAugment": [4.0],
    "GaussianBlur": [0.86067063],
    "MotionBlur": [47.017643],
    "Sharpen": [0.22276497, 1.4449121],
    "LowResolution": [0.98749769],
    "JPEG": [72.0],
    "BandMisregistration": [-0.14319003, 0.16476095],
    "DeadLines": [0.22907007, 0.327896],
    "ShotNoise": [1329.0203],
    "SpeckleNoise": [0.087995626],
    "SaltAndPepper": [0.023211259],
    "RicianNoise": [0.03871718],
    "HistogramMatching": [0.76903337],
    "FDA": [0.047526527],
}


def test_first_draws_are_frozen():
    found = first_draws()
    missing = set(EXPECTED) - set(found)
    assert set(found) <= set(EXPECTED)
    assert missing <= (set() if NIGHTLY else {"AutoAugment", "RandAugment", "TrivialAugment"})
    for name, drawn in found.items():
        np.testing.assert_allclose(drawn, EXPECTED[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("transform", [ma.Resize(8), ma.Pad(2), ma.Normalize()])
def test_nothing_to_draw(transform):
    assert drawn(transform, keys=KEYS[:2]) == ({},)
