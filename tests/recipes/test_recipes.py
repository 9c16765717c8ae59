"""Recipes by name: they print, save, load, and do to small records what they say."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.transforms import Container
from tests.nightly import NIGHTLY
from tests.recipes.cases import (
    BANDS,
    CASES,
    CLASSES,
    CLOUD,
    DISTANCE,
    IGNORE,
    MEDICAL,
    NORMAL,
    RGB,
    RGBD,
    Case,
    record_for,
    spec_of,
)

ROOT = Path(__file__).resolve().parents[2]
RUN = [name for name, case in CASES.items() if NIGHTLY or case.by_day]
KEYS = jax.random.split(jax.random.key(7), 3)
CHOICES = (ma.Maybe, ma.OneOf, ma.SomeOf, ma.Shuffle, ma.ForEntries)


def names_of(transforms) -> list[str]:
    """The transforms of a pipeline, also those in containers, each once."""
    found: list[str] = []
    for item in transforms:
        if isinstance(item, CHOICES) and isinstance(item, Container):
            found += [type(item).__name__] if isinstance(item, ma.ForEntries) else []
            found += names_of(item.children)
        else:
            found.append(type(item).__name__)
    return list(dict.fromkeys(found))


def test_every_recipe_has_a_case():
    assert {row.name for row in ma.recipes.table()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_the_table_says_of_what_a_recipe_is_made(name):
    (row,) = [row for row in ma.recipes.table() if row.name == name]
    made = {n for one in CASES[name].pipelines(name).values() for n in names_of(one.transforms)}
    assert made == set(row.transforms)
    assert row.source in getattr(ma.recipes, name).__doc__


def saved(made):
    """What a document of JSON makes of a recipe."""
    return type(made).from_dict(json.loads(json.dumps(made.to_dict())))


@pytest.mark.parametrize("name", CASES)
def test_saved_and_printed_it_is_the_same_pipeline(name):
    made = CASES[name].build(name)
    assert saved(made).to_dict() == made.to_dict()
    assert eval(repr(made), vars(ma)).to_dict() == made.to_dict()


def test_the_docs_have_the_table():
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert ma.recipes.markdown() in text


def run(case: Case, pipeline: ma.Pipeline):
    """Three records, as they were and as they became."""
    records = [record_for(case.spec, seed) for seed in range(3)]
    batch = {name: np.stack([r[name] for r in records]) for name in records[0]}
    done = pipeline.batch(KEYS, batch)
    return batch, {name: np.asarray(array) for name, array in done.items()}


@pytest.mark.parametrize("name", RUN)
def test_on_small_records(name):
    case = CASES[name]
    for view, pipeline in case.pipelines(name).items():
        before, after = run(case, pipeline)
        again = saved(pipeline)
        for entry, array in run(case, again)[1].items():
            np.testing.assert_array_equal(array, after[entry], err_msg=entry)
        check_entries(case, case.others.get(view, case.sides), before, after)
        for entry in case.spec.entries.values():
            if entry.role == "depth":
                check_depth(case, pipeline, entry.name, after, before[entry.name])
        if not case.sheared and case.spec is CLOUD:
            for error in ma.reprojection_error(pipeline.out_spec, after).values():
                assert np.nanmax(error) < 0.01


def check_entries(case, sides, before, after):
    """Sizes, dtypes, labels that were there, values that are numbers, and something changed."""
    changed = case.sheared
    for entry in case.spec.entries.values():
        old, new = before[entry.name], after[entry.name]
        if entry.kind == "spatial":
            assert new.shape == (3, *sides, *old.shape[3:])
        if entry.role == "label":
            assert new.dtype == old.dtype
            assert set(np.unique(new)) <= {*np.unique(old), IGNORE, 0}
        if entry.role == "intensity":
            assert new.dtype == (np.float32 if case.floats else old.dtype)
            assert np.isfinite(new).all()
            changed |= new.shape != old.shape or not np.array_equal(new, old)
    assert changed


def check_depth(case, pipeline, name, after, old):
    """No depth lies between what is known and what is not, and the camera sees the same plane."""
    new = after[name]
    if pipeline.out_spec.entries[name].role == "intensity":
        unknown = new == 0
        values = new * case.options["depth_std"] + case.options["depth_mean"]
    else:
        unknown = ~np.isfinite(new) | (new == 0)
        values = new
    assert not unknown.all()
    # A turn about the axis and a zoom see no other Z.
    known = old[np.isfinite(old) & (old > 0)]
    if not case.stretched:
        assert values[~unknown].min() > known.min() - 1e-3
        assert values[~unknown].max() < known.max() + 1e-3
    if "intrinsics" not in after:
        return
    y, x = np.mgrid[: new.shape[1], : new.shape[2]]
    pixels = np.stack([x, y, np.ones_like(x)], -1).astype(np.float64)
    for depth, k, hidden in zip(values, after["intrinsics"], unknown, strict=True):
        points = depth[..., None] * (pixels @ np.linalg.inv(k.astype(np.float64)).T)
        # n . X = -DISTANCE: all points are on one plane, as far away as it was.
        plane, *_ = np.linalg.lstsq(points[~hidden], np.ones((~hidden).sum()), rcond=None)
        error = np.abs(points[~hidden] @ plane - 1)
        # Beside holes and edges a pixel has the depth of those neighbours that have one.
        assert np.quantile(error, 0.9) < 1e-3
        assert error.max() < 1e-2
        if not case.stretched:
            assert abs(1 / np.linalg.norm(plane) - DISTANCE) < 5e-3
            assert abs(abs(plane[2]) * DISTANCE - abs(NORMAL[2])) < 5e-3


def test_only_cameras_that_are_on_no_wrist_are_turned():
    case = CASES["openpi"]
    still = ma.recipes.openpi(case.spec, 32, brightness=0, contrast=0, saturation=0)
    batch, done = run(case, still)
    framed = ma.Pipeline([ma.LetterBox(32)], case.spec).batch(KEYS, batch)
    np.testing.assert_array_equal(done["left_wrist_0_rgb"], framed["left_wrist_0_rgb"])
    assert (np.asarray(framed["base_0_rgb"]) != done["base_0_rgb"]).any()


_COLOURS = {"role": "intensity", "channels": ["r", "g", "b"]}
NO_IGNORE = spec_of(
    image={"role": "intensity", "channels": ["r", "g", "b"]}, mask={"role": "label"}
)
GREY = spec_of(image={"role": "intensity", "channels": 1}, depth={"role": "depth"})
DEPTH_ONLY = spec_of(depth={"role": "depth"})

REFUSED = {
    "no image": (lambda: ma.recipes.mmseg(DEPTH_ONLY), "needs an entry with role intensity"),
    "no colours": (lambda: ma.recipes.vpd(GREY), "changes colours.*named|changes colours"),
    "no labels": (
        lambda: ma.recipes.mmseg(CLASSES), "needs an entry with role label.*max_share=None"
    ),
    "no ignore": (lambda: ma.recipes.deeplab(NO_IGNORE), "'mask' would be of class 0.*ignore"),
    "no depth": (lambda: ma.recipes.bts(RGB), "needs an entry with role depth.*Declare"),
    "no second image": (lambda: ma.recipes.cmx(RGB), "needs an entry with role depth"),
    "no points": (lambda: ma.recipes.votenet(RGBD), "needs an entry with role position"),
    "no classes": (lambda: ma.recipes.timm(CLASSES, mixup=0.8), "needs `classes`"),
    "no such target": (
        lambda: ma.recipes.timm(CLASSES, mixup=0.8, classes=5, target="x"), "target='x'"
    ),
    "crop": (lambda: ma.recipes.openpi(RGB, crop=1.5), r"in \(0, 1\], got 1.5"),
    "packed": (lambda: ma.recipes.concerto(CLOUD), "rgbxyz-separate.*drop=0"),
    "version": (lambda: ma.recipes.torchgeo_moco(RGB, version=4), "must be 1, 2 or 3, got 4"),
    "bytes": (lambda: ma.recipes.nnunet_da5(RGB), "'image' is uint8.*p_gradient=0"),
    "no room for boxes": (
        lambda: ma.recipes.yolo(spec_of(image=_COLOURS, boxes={"role": "boxes"})),
        "'boxes'.*\"capacity\".*mosaic=0",
    ),
    "poses": (
        lambda: ma.recipes.yolo(spec_of(image=_COLOURS, points={"role": "keypoints"})),
        "keypoints of several records, 'points'.*mosaic=0",
    ),
    "no spec": (lambda: ma.recipes.carvana("rgb"), "spec.* must be a DataSpec"),
    "levels": (lambda: ma.recipes.mmseg(RGB, brightness=32), "32 / 255|30 / 255"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_remedy(case):
    build, message = REFUSED[case]
    with pytest.raises(ma.ParameterError, match=message):
        build()


def test_policies_are_handed_over():
    policy = ma.RandAugment(2, 9)
    made = ma.recipes.torchvision_classification(CLASSES, policy=policy)
    assert policy in made.transforms
    assert policy in ma.recipes.timm(CLASSES, policy=policy).transforms
    assert names_of(ma.recipes.timm(CLASSES, policy=policy).transforms)[2] == "RandAugment"


def test_boxes_that_the_zoom_of_yolo_leaves_too_little_of_are_dropped():
    """What is left has two pixels a side, shows a tenth of its box, and kept its class."""
    case = CASES["yolo"]
    lost = False
    for seed in range(4):
        records = [record_for(case.spec, k) for k in range(3)]
        keys = jax.random.split(jax.random.key(seed), 3)
        done = ma.recipes.yolo(case.spec, 48).batch(keys, records)
        boxes, there = np.asarray(done["boxes"]), np.asarray(done["boxes_valid"])
        assert (boxes[there][:, 2:] - boxes[there][:, :2] >= 2).all()
        assert (np.asarray(done["boxes_visible"])[there] >= 0.1).all()
        assert set(np.asarray(done["classes"])[there]) <= {0, 1, 2, 10, 11, 12}
        assert (np.asarray(done["classes"])[~there] == -1).all()
        assert np.isnan(boxes[~there]).all()
        np.testing.assert_array_equal(done["number"], [0, 1, 2])
        lost |= (np.asarray(done["boxes_visible"])[there] < 0.5).any()
    assert lost


def test_oblong_patches_are_turned_less():
    turns = {
        size: next(t for t in ma.recipes.nnunet(MEDICAL, size).transforms if "Rotate" in repr(t))
        for size in (64, (32, 64))
    }
    assert "180" in repr(turns[64])
    assert "15" in repr(turns[32, 64])


def test_amounts_of_medical_images_are_deviations():
    """nnU-Net's images are normalised: noise is 0.1 of a deviation whatever range is declared."""
    narrow = spec_of(
        image={"role": "intensity", "dtype": "float32", "channels": 4},
        mask={"role": "label", "dtype": "uint8"},
    )
    for spec, deviation in ((narrow, 1.0), (MEDICAL, 0.1)):
        printed = repr(ma.recipes.nnunet(spec, 32))
        (noise,) = re.findall(r"GaussianNoise\(std=\(0.0, ([^)]*)\)", printed)
        assert float(noise) == pytest.approx(0.1 * deviation)
        stronger = repr(ma.recipes.nnunet_da5(spec, 32))
        ends = re.findall(r"BrightnessGradient\(\s*amount=\(([^,]*), ([^)]*)\)", stronger)
        found = np.array(ends, float)
        np.testing.assert_allclose(
            found, [[deviation, 4 * deviation], [-4 * deviation, -deviation]]
        )
    apart = spec_of(
        a={"role": "intensity", "dtype": "float32", "channels": 1, "range": [-5, 5]},
        b={"role": "intensity", "dtype": "float32", "channels": 1, "range": [0, 1]},
        mask={"role": "label", "dtype": "uint8"},
    )
    with pytest.raises(ma.ParameterError, match=r"different widths: .*Declare one range"):
        ma.recipes.nnunet(apart, 32)


def test_colours_may_stand_among_other_channels():
    spec = spec_of(image={"role": "intensity", "channels": ["nir", "r", "g", "b"]})
    assert ma.recipes.mmseg(spec, max_share=None).transforms


def with_bands(spec, count):
    """A spec whose images have other channels, without names."""
    document = spec.to_dict()
    for entry in document["entries"].values():
        groups = entry["channels"] if isinstance(entry.get("channels"), list) else []
        for group in [entry, *(g for g in groups if isinstance(g, dict))]:
            if group.get("role") == "intensity":
                group["channels"] = count
                group.pop("fill", None)
    return ma.DataSpec.from_dict(document)


def without(spec, role):
    """A spec without the entries that have a role; None where nothing is left."""
    kept = [e for e in spec.entries.values() if all(g.role != role for g in e.groups)]
    names = {entry.name for entry in kept}
    kept = [entry for entry in kept if entry.of is None or entry.of in names]
    return ma.DataSpec(spec.name, kept) if any(e.kind == "spatial" for e in kept) else None


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_fit_is_refused_in_the_words_of_the_recipe(name):
    case = CASES[name]
    roles = sorted({g.role for entry in case.spec.entries.values() for g in entry.groups})
    specs = [with_bands(case.spec, 13), *(without(case.spec, role) for role in roles)]
    refused = []
    for spec in filter(None, specs):
        try:
            Case(spec, case.options).build(name)
        except ma.ParameterError as error:
            refused.append(str(error))
    made_of = {row.name: row.transforms for row in ma.recipes.table()}[name]
    for text in refused:
        assert text.startswith(f"`recipes.{name}` "), text
        assert re.search(r"Declare|Give|leave|Leave", text), text
        others = set(re.findall(r"`([A-Z]\w+)[.`]", text)) - set(made_of)
        assert not others, text
    if name in ("torchgeo_landcoverai", "cmx"):
        assert any("'image'" in text for text in refused)


def test_mmflood_takes_images_of_any_size():
    for crop, made_of in ((0, ma.Resize), (0.8, ma.OneOf), (1, ma.RandomResizedCrop)):
        made = ma.recipes.torchgeo_mmflood(BANDS, 32, crop=crop)
        assert isinstance(made.transforms[0], made_of)
        assert made.transforms[0].out_shape((40, 33)) == (32, 32)
    assert ma.recipes.torchgeo_mmflood(BANDS, 32).sample(KEYS[0], (40, 33)).out_shape == (32, 32)
