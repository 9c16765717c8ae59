"""Draw every transform on one record of all roles: the sheets of docs/catalogue.md.

    python examples/catalogue.py --out out/catalogue             # all of them: five minutes
    python examples/catalogue.py --out out/catalogue Rotate CLAHE CutMix

The record is made of the stereo scene that scikit-image ships: colours, a label map of depth bands,
depth, normals, points, boxes, keypoints and the camera. Settings are strong, so that one sees what
they do, and two weaker ones stand before them (catalogue_settings.py); keys are fixed.
Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

import multiaug as ma

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "stereo"))
from catalogue_settings import DUSK, WEAKER
from scene import IGNORE, depth_bands, lift, load_scene

SIDES = (100, 148)  # of a record, in pixels
OTHERS = ((100, 40), (160, 250), (20, 250))  # row and column of windows of what is mixed in
SMALLER = 5, 3  # steps of pixels in the scene: of the record, and of what is mixed in
NEAR = 2.75  # metres: what is nearer within a box is the object
MARK = (255, 64, 160)  # of boxes and points
BLANK = np.full((*SIDES, 3), 250, np.uint8)

SPEC = ma.DataSpec.from_dict(
    {
        "name": "catalogue",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": ["r", "g", "b"]},
            "luma": {"role": "intensity", "dtype": "float32", "channels": 1},
            "mask": {"role": "label", "dtype": "uint8", "ignore": IGNORE},
            "objects": {"role": "label", "dtype": "uint8", "ignore": IGNORE},
            "depth": {
                "role": "depth",
                "dtype": "float32",
                "max_jump": 0.2,
                "under_elastic": "resample",
            },
            "normals": {"role": "direction", "dtype": "float32", "under_elastic": "resample"},
            "points": {
                "role": "position",
                "dtype": "float32",
                "max_jump": 0.2,
                "under_elastic": "resample",
            },
            "boxes": {"role": "boxes", "dtype": "float32"},
            "keypoints": {"role": "keypoints", "dtype": "float32"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
            "class": {"role": "scalar", "dtype": "int32"},
        },
    }
)
GEOMETRY = ("image", "mask", "depth", "normals", "points")
VALUES = ("image", "luma", "mask", "depth")
MIXED = ("image", "objects", "depth")


@dataclass(frozen=True)
class Shown:
    """One transform of the catalogue.

    Args:
        transform: with the settings that are drawn.
        seed: of the key.
        entries: of the record that it gets; None for all.
        before: what runs ahead of it.
        panel: what the weaker settings are shown on; None for the first of the sheet, or for what
            is made.
    """

    transform: ma.Transform
    seed: int = 0
    entries: tuple[str, ...] | None = None
    before: tuple[ma.Transform, ...] = ()
    panel: str | None = None

    @property
    def name(self) -> str:
        """Of the transform."""
        return type(self.transform).__name__

    def weaker(self) -> list[Shown]:
        """The least and the middle setting, or two other draws; none of what has neither."""
        if self.name not in WEAKER:
            return []
        settings = WEAKER[self.name]
        if settings is None:
            return [replace(self, seed=self.seed + extra) for extra in (10, 20)]
        return [replace(self, transform=transform) for transform in settings]


@dataclass(frozen=True)
class Stage:
    """One sheet.

    Args:
        title: of the sheet, and of its part of the docs.
        panels: the columns; the last may be "made", an entry that the transform makes.
        shown: its rows.
        entries: of the record that its transforms get, but where one says otherwise; None for all.
        fewer: those that weaker settings are shown on; None for the same.
    """

    title: str
    panels: tuple[str, ...]
    shown: tuple[Shown, ...]
    entries: tuple[str, ...] | None = None
    fewer: tuple[str, ...] | None = None

    @property
    def file(self) -> str:
        """Name of the sheet."""
        return f"catalogue-{self.title.split(' ')[0].rstrip(',').lower()}.jpg"

    def reduced(self, shown: Shown) -> Shown:
        """On fewer entries, which takes less time to compile."""
        if self.fewer is None or shown.entries is not None:
            return shown
        return replace(shown, entries=self.fewer)


_NO_TABLES = tuple(name for name in SPEC.entries if name not in ("boxes", "keypoints"))
_SQUARE = (ma.Crop(100, position="centre"),)
_PASTE = ("image", "luma", "objects", "depth")
_MIXES = (*_PASTE, "class")
_SHARES = (ma.OneHot("class", 4),)


def stages(statistics: ma.Statistics) -> tuple[Stage, ...]:
    """The whole catalogue."""
    red = ma.Gain((0.8, 0.8))
    return (
        Stage(
            "Geometry",
            GEOMETRY,
            (
                Shown(ma.Rotate((25, 25))),
                Shown(ma.Translate((0.2, 0.2))),
                Shown(ma.Scale((1.6, 1.6))),
                Shown(ma.Shear((20, 20))),
                Shown(ma.Flip("x", p=1.0)),
                Shown(ma.Affine([[0.75, 0.25, 10], [-0.25, 0.75, 40], [0, 0, 1]])),
                Shown(ma.Rot90((2,))),
                Shown(ma.Transpose(p=1.0), before=_SQUARE),
                Shown(ma.D4(), before=_SQUARE, seed=1),
                Shown(ma.Perspective(0.2)),
                Shown(ma.Elastic(0.049, (4, 4))),
                Shown(ma.GridDistortion(0.6)),
                Shown(ma.OpticalDistortion((0.4, 0.4))),
                Shown(ma.ThinPlateSpline(0.07)),
                Shown(ma.PiecewiseAffine(0.049)),
            ),
            fewer=("image", "mask", "boxes", "keypoints"),
        ),
        Stage(
            "Frames",
            GEOMETRY,
            (
                Shown(ma.Crop((75, 100))),
                Shown(ma.Pad(8)),
                Shown(ma.PadTo((112, 160))),
                Shown(ma.PadToMultiple(32)),
                Shown(ma.Resize((60, 120))),
                Shown(ma.ResizeShortest(80)),
                Shown(ma.ResizeLongest(100)),
                Shown(ma.LetterBox(112)),
                Shown(ma.RandomResizedCrop(96, (0.1, 0.3))),
                Shown(ma.RandomScaledCrop((90, 120), (0.6, 0.6))),
                Shown(ma.SafeRotate((30, 30))),
                Shown(ma.LabelCrop(56, (0,), entry="mask")),
                Shown(ma.BoxSafeCrop((90, 120))),
            ),
            fewer=("image", "mask", "boxes", "keypoints"),
        ),
        Stage(
            "Cameras, clouds and depth",
            GEOMETRY,
            (
                Shown(ma.CameraRotate((8, 8), (-12, -12), (10, 10))),
                Shown(ma.CanonicalCamera((100, 148), 150.0)),
                Shown(ma.CameraMotion((0.15, 0.15)), entries=_NO_TABLES),
                Shown(ma.CanonicalDepth(250.0), panel="depth"),
                Shown(
                    ma.CloudMotion((40, 40), scale=(1.2, 1.2), drop=(0.3, 0.3)),
                    panel="points",
                ),
                Shown(ma.DepthNoise(strength=(8, 8)), panel="depth"),
                Shown(ma.EncodeDepth("depth", "inverse", near=2.0, far=5.0)),
            ),
        ),
        Stage(
            "Values of pixels",
            VALUES,
            (
                Shown(ma.Brightness((0.3, 0.3))),
                Shown(ma.Gain((0.8, 0.8))),
                Shown(ma.Contrast((0.9, 0.9))),
                Shown(ma.Gamma((2.5, 2.5))),
                Shown(ma.ChannelShift(0.4)),
                Shown(ma.ChannelShuffle(), seed=2),
                Shown(ma.HueSaturation((0.3, 0.3), (0.4, 0.4))),
                Shown(ma.Saturation((1.5, 1.5))),
                Shown(ma.ColorJitter((0.5, 1.5), (0.5, 1.5), (0.2, 2.0), 0.3)),
                Shown(ma.PhotometricDistortion(p_each=1.0)),
                Shown(ma.Grey()),
                Shown(ma.ColorTemperature((2500, 2500))),
                Shown(ma.Posterize(2)),
                Shown(ma.Solarize((0.5, 0.5))),
                Shown(ma.Invert()),
                Shown(ma.HistogramShift(4)),
                Shown(ma.Normalize(0.5, 0.25)),
            ),
            VALUES,
            ("image", "luma"),
        ),
        Stage(
            "Statistics of the record, or of a data set",
            VALUES,
            (
                Shown(ma.NormalizeRecord()),
                Shown(ma.RescaleIntensity((0.2, 0.6), entries="luma"), panel="luma"),
                Shown(ma.AutoContrast((0.1, 0.1))),
                Shown(ma.Equalize()),
                Shown(ma.CLAHE((4, 4))),
                Shown(ma.HistogramMatching(DUSK, 1.0, entries="image")),
                Shown(ma.FDA(DUSK, 0.02, entries="image")),
                Shown(ma.Standardize(statistics, center="pixel")),
                Shown(ma.Whiten(statistics, statistic="stationary")),
            ),
            VALUES,
            ("image", "luma"),
        ),
        Stage(
            "Fields over the frame",
            VALUES,
            (
                Shown(ma.BiasField(0.8)),
                Shown(ma.BrightnessGradient((0.8, 0.8), (0.3, 0.3), (0.2, 0.8))),
                Shown(ma.LocalGamma((4, 4), (0.4, 0.4), (0.2, 0.8))),
                Shown(ma.RandomShadow((0.8, 0.8), (0.2, 0.2))),
            ),
            VALUES,
            ("image", "luma"),
        ),
        Stage(
            "Stencils, noise and sensors",
            VALUES,
            (
                Shown(ma.GaussianBlur((2.5, 2.5))),
                Shown(ma.MotionBlur((15, 15))),
                Shown(ma.MedianBlur(7)),
                Shown(ma.Sharpen((3, 3))),
                Shown(ma.Sharpness((3, 3))),
                Shown(ma.LowResolution((0.25, 0.25))),
                Shown(ma.JPEG(8)),
                Shown(ma.GaussianNoise((0.15, 0.15))),
                Shown(ma.ShotNoise((20, 20))),
                Shown(ma.SpeckleNoise((0.4, 0.4))),
                Shown(ma.SaltAndPepper((0.08, 0.08))),
                Shown(ma.RicianNoise((0.2, 0.2))),
                Shown(ma.BandMisregistration(3)),
                Shown(ma.DeadLines((6, 6))),
            ),
            VALUES,
            ("image", "luma"),
        ),
        Stage(
            "Occlusion",
            GEOMETRY,
            (
                Shown(ma.Erase((0.1, 0.3))),
                Shown(ma.CoarseDropout((6, 6), height=(0.1, 0.3), width=(0.1, 0.3))),
                Shown(ma.GridMask((0.25, 0.25), degrees=(20, 20))),
                Shown(ma.ChannelDropout()),
                Shown(ma.ModalityDropout(["image", "depth"], (1.0, 1.0))),
            ),
        ),
        Stage(
            "Mixing",
            MIXED,
            (
                Shown(ma.MixUp(8.0, ("objects", "depth")), entries=_MIXES, before=_SHARES),
                Shown(ma.CutMix(1.0), entries=_MIXES, before=_SHARES),
                Shown(ma.Mosaic(), entries=_PASTE),
                Shown(ma.CopyPaste("objects", 0.99, "depth"), entries=_PASTE),
            ),
        ),
        Stage(
            "Policies and containers",
            GEOMETRY,
            (
                Shown(ma.RandAugment(2, 20), seed=2),
                Shown(ma.TrivialAugment(), seed=3),
                Shown(ma.AutoAugment()),
                Shown(ma.AugMix(10)),
                Shown(ma.ThreeAugment()),
                Shown(ma.Maybe([ma.Rotate((20, 20)), red], 0.99)),
                Shown(ma.OneOf([ma.Rotate((20, 20)), red])),
                Shown(ma.SomeOf([ma.Rotate((20, 20)), red, ma.Scale((2, 2))], 2)),
                Shown(ma.Shuffle([ma.Rotate((20, 20)), ma.Translate((0.3, 0.3))])),
                Shown(ma.ForEntries("image", [ma.Rotate((20, 20))])),
            ),
        ),
        Stage(
            "Labels",
            ("image", "mask", "objects", "made"),
            (
                Shown(ma.OneHot("mask", 8)),
                Shown(ma.Regions("mask", [[0, 1], [2, 3, 4]])),
                Shown(ma.Edges("mask", 4)),
                Shown(ma.DistanceMap("mask", [1])),
                Shown(ma.Scales("mask", (2, 4))),
                Shown(ma.RelabelInstances("objects"), before=(ma.Crop(box=(75, 0, 148, 100)),)),
                Shown(ma.BoxesFromMasks("objects", 4), entries=_NO_TABLES),
                Shown(ma.HHA("points", "normals")),
                Shown(ma.FilterBoxes(min_visible=0.6), before=(ma.Crop(box=(75, 0, 148, 100)),)),
            ),
        ),
    )


def scene_record() -> dict[str, np.ndarray]:
    """The whole scene, as an entry of each role."""
    scene = load_scene()
    boxes = [[122, 238, 282, 402], [510, 290, 684, 455], [150, 150, 355, 250]]
    points = [[200, 320], [578, 372], [540, 155], [365, 325]]
    colours = scene.rgbxyz[..., :3]
    objects = np.zeros_like(scene.mask)
    for number, (x0, y0, x1, y1) in enumerate(boxes, 1):
        objects[y0:y1, x0:x1][scene.depth[y0:y1, x0:x1] < NEAR] = number
    return {
        "image": (colours * 255).round().astype(np.uint8),
        "luma": colours @ np.array([[0.299], [0.587], [0.114]], np.float32),
        "objects": objects,
        "depth": scene.depth,
        "normals": scene.normals,
        "boxes": np.array(boxes, np.float32),
        "keypoints": np.array(points, np.float32),
        "intrinsics": scene.intrinsics,
    }


def window(
    scene: Mapping[str, np.ndarray], top: int = 0, left: int = 0, step: int = SMALLER[0]
) -> dict[str, np.ndarray]:
    """A smaller copy of a window: each pixel is a block of step x step of them."""
    height, width = SIDES
    rows, columns = slice(top, top + step * height), slice(left, left + step * width)

    def blocks(name: str) -> np.ndarray:
        array = scene[name][rows, columns]
        parts = array.reshape(height, step, width, step, -1).swapaxes(1, 2)
        return parts.reshape(height, width, step * step, -1)

    middle = step // 2
    origin = np.array([left + middle, top + middle], np.float32)
    k = scene["intrinsics"].copy()
    k[:2, 2] -= origin
    k[:2] /= step
    near = np.sort(blocks("depth")[..., 0], axis=-1)  # what is not known comes last
    lower = np.maximum(np.isfinite(near).sum(-1, keepdims=True) - 1, 0) // 2
    depth = np.take_along_axis(near, lower, -1)[..., 0]
    normals = np.nan_to_num(blocks("normals")).sum(2)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = np.where(length > 0, normals / np.maximum(length, 1e-9), np.nan)
    return {
        "image": blocks("image").mean(2).round().astype(np.uint8),
        "luma": blocks("luma").mean(2),
        "mask": depth_bands(depth),
        "objects": blocks("objects")[:, :, middle * (step + 1), 0],
        "depth": depth.astype(np.float32),
        "normals": normals.astype(np.float32),
        "points": lift(depth, k).astype(np.float32),
        "boxes": (scene["boxes"] - np.tile(origin, 2)) / step,
        "keypoints": (scene["keypoints"] - origin) / step,
        "intrinsics": k,
        "class": np.array(0, np.int32),
    }


def other(scene: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    """What is mixed in: grey, so that one sees what it is."""
    record = window(scene, *OTHERS[number], SMALLER[1])
    grey = np.repeat((record["luma"] * 255).astype(np.uint8), 3, -1)
    return {**record, "image": grey, "class": np.array(number + 1, np.int32)}


def fitted(scene: Mapping[str, np.ndarray]) -> ma.Statistics:
    """Statistics of windows of the colours, for what is fitted to a data set."""
    places = [(y, x) for y in (0, 150, 300, 400) for x in (0, 150, 300, 450, 590)]
    height, width = SIDES
    windows = {
        name: np.stack([scene[name][y : y + height, x : x + width] for y, x in places])
        for name in ("image", "luma")
    }
    spec = ma.DataSpec("windows", [SPEC.entries[name] for name in windows])
    return ma.fit(ma.open_source(windows, spec), ma.Moments(), ma.Stationary(), progress=False)


@dataclass(frozen=True)
class Done:
    """What a transform made of the record.

    Args:
        spec: of the result.
        record: the result.
        touched: the roles whose values changed, and the entries that are new, in words.
        weaker: the same by weaker settings, or in other draws.
    """

    spec: ma.DataSpec
    record: Mapping[str, np.ndarray]
    touched: str
    weaker: tuple[Done, ...] = ()


def run(
    shown: Shown, records: Sequence[Mapping[str, np.ndarray]], entries: tuple[str, ...] | None
) -> Done:
    """Run a transform on the first record; of mixes the others are the partners."""
    names = shown.entries or entries or tuple(SPEC.entries)
    spec = ma.DataSpec(SPEC.name, [SPEC.entries[name] for name in names])
    pipeline = ma.Pipeline([*shown.before, shown.transform], spec)
    count = len(records) if isinstance(shown.transform, ma.transforms.Mixing) else 1
    batch = {name: np.stack([record[name] for record in records[:count]]) for name in names}
    keys = jax.random.split(jax.random.key(shown.seed), count)
    made = {name: np.asarray(array[0]) for name, array in pipeline.batch(keys, batch).items()}
    ahead = ma.Pipeline(shown.before, spec).batch(keys, batch) if shown.before else batch
    before = {name: np.asarray(array[0]) for name, array in ahead.items()}
    return Done(pipeline.out_spec, made, touched(pipeline.out_spec, before, made))


def touched(
    spec: ma.DataSpec, before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]
) -> str:
    """The roles of entries that changed, and the new entries, each with its role."""
    roles, new = [], []
    for name, entry in spec.entries.items():
        role = (SPEC.entries.get(name) or entry).groups[0].role
        seen = [part.get(f"{name}_visible", np.ones(1)) for part in (before, after)]
        if name not in before:
            new.append(f"new `{name}` ({role})")
        elif not _same(before[name], after[name]) or (seen[0] > seen[1]).any():
            roles.append(role)
    return ", ".join([*dict.fromkeys(roles), *new])


def _same(before: np.ndarray, after: np.ndarray) -> bool:
    """Equal, to a ten thousandth of a pixel or a tenth of a millimetre."""
    return before.shape == after.shape and np.allclose(before, after, 0, 1e-4, equal_nan=True)


def pictures(
    panels: Sequence[str],
    spec: ma.DataSpec,
    record: Mapping[str, np.ndarray],
    first: Mapping[str, Any],
) -> list[np.ndarray]:
    """Panels of a row, in the colours of the record as it was."""
    limits = ma.preview.record_limits(SPEC, first)
    # What became numbers for networks has limits of its own.
    kept = {
        name: limits[name]
        for name in limits
        if name in record
        and spec.entries[name].role == SPEC.entries[name].role
        and not (spec.entries[name].role == "intensity" and record["image"].dtype.kind == "f")
    }
    drawn = ma.preview.render_record(spec, record, kept)
    if "image" in drawn:
        mark(drawn["image"], record)
    made = [name for name in drawn if name not in SPEC.entries]
    return [drawn.get(made[-1] if name == "made" and made else name, BLANK) for name in panels]


def mark(picture: np.ndarray, record: Mapping[str, np.ndarray]) -> None:
    """Draw boxes as frames, and points as squares of three pixels."""
    frames = [box for name in record if name.endswith("boxes") for box in record[name]]
    for x, y in record.get("keypoints", []):
        frames.append(np.array([x - 1, y - 1, x + 1, y + 1]))
    height, width = picture.shape[:2]
    for box in frames:
        if not np.isfinite(box).all():
            continue
        x0, y0, x1, y1 = np.rint(box).astype(int)
        for y in {y0, y1} & set(range(height)):
            picture[y, max(0, x0) : max(0, x1 + 1)] = MARK
        for x in {x0, x1} & set(range(width)):
            picture[max(0, y0) : max(0, y1 + 1), x] = MARK


def label_of(shown: Shown) -> str:
    """The name, and below it the settings of each column, a line each."""
    if not WEAKER.get(shown.name):
        settings = repr(shown.transform).removeprefix(shown.name)[1:-1]
        lines = textwrap.wrap(settings, 34, max_lines=2, placeholder=" ..", break_long_words=False)
        return "\n".join([shown.name, *lines, *["left: two other draws"] * (shown.name in WEAKER)])
    several = [one.transform for one in (*shown.weaker(), shown)]
    names = [
        setting.name
        for setting in fields(several[0])
        if len({repr(getattr(one, setting.name)) for one in several}) > 1
    ]
    lines = [
        f"{which}: {', '.join(f'{name} {short(getattr(one, name))}' for name in names)}"
        for which, one in zip(("least", "middle", "greatest"), several, strict=True)
    ]
    return "\n".join([shown.name, *(f"{x[:33]} .." if len(x) > 36 else x for x in lines)])


def short(value: Any) -> str:
    """A setting in a few characters: a range of one number is that number."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, tuple | list):
        parts = list(dict.fromkeys(short(part) for part in value))
        return parts[0] if len(parts) == 1 else f"({', '.join(short(part) for part in value)})"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def draw(stage: Stage, done: Mapping[str, Done], first: Mapping[str, np.ndarray]) -> np.ndarray:
    """A sheet: the record as it is, and what each transform makes of it, in three settings."""
    rows = [[BLANK, BLANK, *pictures(stage.panels, SPEC, first, first)]]
    labels = ["as it is"]
    for shown in stage.shown:
        if shown.name in done:
            result = done[shown.name]
            panel = shown.panel or ("made" if "made" in stage.panels else stage.panels[0])
            weaker = [pictures([panel], one.spec, one.record, first)[0] for one in result.weaker]
            greatest = pictures(stage.panels, result.spec, result.record, first)
            rows.append([*(weaker or [BLANK, BLANK]), *greatest])
            labels.append(label_of(shown))
    return ma.preview.contact_sheet(
        rows,
        ["", "", *stage.panels],
        labels=labels,
        groups=[("least", 1), ("middle", 1), ("greatest", len(stage.panels))],
        title=stage.title,
    )


def markdown(parts: Sequence[Stage], done: Mapping[str, Done]) -> str:
    """The part of docs/catalogue.md that has the sheets: a line for each transform."""
    lines: list[str] = []
    for stage in parts:
        rows = [
            f"| `{shown.name}` | {what_it_does(shown)} | {done[shown.name].touched} |"
            for shown in stage.shown
            if shown.name in done
        ]
        lines += [f"## {stage.title}", "", f"![{stage.title}](images/{stage.file})", ""]
        lines += ["| transform | what it does | touches |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def what_it_does(shown: Shown) -> str:
    """The first sentence of the docstring."""
    text = " ".join((type(shown.transform).__doc__ or "").split("\n\n")[0].split())
    return text.replace("|", "\\|")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the sheets, and print their tables."""
    parser = argparse.ArgumentParser(description="Draw every transform on the stereo scene.")
    parser.add_argument("names", nargs="*", help="of transforms; all of them by default")
    parser.add_argument("--out", type=Path, default=Path("out/catalogue"))
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if not hasattr(ma.transforms, name)]
    if unknown:
        parser.error(f"no transform is called {unknown[0]!r}")
    options.out.mkdir(parents=True, exist_ok=True)
    scene = scene_record()
    records = [window(scene), *(other(scene, number) for number in range(len(OTHERS)))]
    parts = []
    done = {}
    for stage in stages(fitted(scene)):
        chosen = [s for s in stage.shown if s.name in options.names or not options.names]
        for shown in chosen:
            weaker = [run(stage.reduced(one), records, stage.entries) for one in shown.weaker()]
            done[shown.name] = replace(run(shown, records, stage.entries), weaker=tuple(weaker))
        if chosen:
            sheet = draw(stage, done, records[0])
            Image.fromarray(sheet).save(
                options.out / stage.file, quality=70, optimize=True, progressive=True
            )
            parts.append(stage)
    print(markdown(parts, done))
    print(f"Look at {options.out.resolve()}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
