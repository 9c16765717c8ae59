"""Every public callable with arguments that it accepts, and arguments of kinds that it may not.

A case is a callable and a complete set of keyword arguments with which it succeeds. The test
exchanges one argument at a time for each of `WRONG`.
"""

from __future__ import annotations

import array
import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

import multiaug as ma
from multiaug import compare, keras, preview, testing, transforms
from multiaug.distributed import DaskRunner
from multiaug.spec import DataSpec, check_structure, check_values
from multiaug.statistics import Covariance, Gram, LowRank
from multiaug.store import ZarrSource
from multiaug.transforms import Transform, always

SPEC = ma.load_spec("rgb-segmentation")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), dtype=np.uint8)
RECORDS = {"image": IMAGES, "mask": np.zeros((4, 6, 6), np.uint8)}
RECORD = {name: array[0] for name, array in RECORDS.items()}
SOURCE = ma.open_source({"image": IMAGES}, SPEC)
# What transforms look at that do not look at images alone.
RICH = DataSpec(
    "rich",
    [
        *SPEC.entries.values(),
        *(
            ma.EntrySpec.of_role(name, role, dtype="float32")
            for name, role in (
                ("boxes", "boxes"), ("k", "intrinsics"), ("depth", "depth"), ("xyz", "position"),
                ("normals", "direction"),
            )
        ),
    ],
)  # fmt: skip
SEEN = testing.make_record(RICH, (6, 6), 0)
# What is rendered anew has no boxes.
CLOUDY = DataSpec("cloudy", [e for e in RICH.entries.values() if e.role != "boxes"])
PIPELINE = ma.Pipeline([ma.Flip("x")], SPEC)
KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 4)
FLOATS = np.random.default_rng(1).random((4, 6, 6, 3)).astype(np.float32)
CLOUD = np.stack([*np.meshgrid(np.arange(6.0), np.arange(6.0)), np.full((6, 6), 5.0)], -1)
STATISTICS = ma.fit(SOURCE, ma.Moments(), ma.ZCA(), progress=False, solver="primal")
PARAMS = PIPELINE.sample(KEY, (6, 6))
DEST, NOWHERE = Path("dest"), Path("nowhere")
GENERATOR = keras.ImageDataGenerator(rotation_range=10)


def in_folder(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call with a new folder behind ``DEST``, so that nothing is left behind."""

    def run(**arguments: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            if arguments.get("dest") is DEST:
                arguments["dest"] = Path(folder, "dest")
            return call(**arguments)

    return run


@dataclass(frozen=True)
class Case:
    """A callable and arguments with which it succeeds.

    Args:
        name: as users write it.
        call: the callable, by keywords.
        valid: its arguments.
        finish: what makes lazy results work: the first batch of a loader.
        refused: even these arguments are refused, because there is no such file or cluster; what
            is asked is that every other kind is refused as well.
    """

    name: str
    call: Callable[..., Any]
    valid: Mapping[str, Any] = field(default_factory=dict)
    finish: Callable[[Any], Any] = lambda result: result
    refused: bool = False

    def run(self, **exchanged: Any) -> Any:
        """Call, with some arguments exchanged."""
        return self.finish(self.call(**{**self.valid, **exchanged}))


def first(result: Any) -> Any:
    """The first item of something that can be iterated; None where there is none."""
    return next(iter(result), None)


def _transforms() -> Iterator[Case]:
    settings: dict[str, dict[str, Any]] = {
        "Affine": {"matrix": np.eye(3)},
        "BoxesFromMasks": {"entry": "mask", "capacity": 4},
        "BoxSafeCrop": {"size": 4, "share": 0.5, "entry": "boxes", "antialias": True},
        "Brightness": {"amount": 0.1, "clip": False, "entries": None},
        "CameraMotion": {"shift": 0.1, "forward": 0.1, "tolerance": 0.1, "entry": "xyz"},
        "CameraRotate": {"pitch": 10, "yaw": (0, 10), "roll": 5},
        "CanonicalCamera": {"size": 4, "focal": 10.0, "scale": (0.9, 1.1), "position": "random"}
        | {"pad_position": "center", "antialias": True},
        "CanonicalDepth": {"focal": 10.0},
        "ChannelShift": {"amount": 0.1, "clip": False, "entries": None},
        "CloudMotion": {"rotate": 10, "tilt": 1, "scale": (0.9, 1.1), "shift": 0.1, "jitter": 0.1}
        | {"clip": 0.2, "drop": (0.1, 0.2), "up": "z"},
        "Contrast": {"amount": 0.1, "clip": False, "entries": None},
        "Crop": {"size": 4, "position": "random", "box": None, "pad": False},
        "CopyPaste": {"instances": "mask", "probability": 0.5, "depth": None, "keep": ()},
        "CutMix": {"alpha": 1.0, "keep": ()},
        "D4": {},
        "DepthNoise": {"base": 0.1, "growth": 0.1, "start": 0.1, "strength": (0, 1), "unit": 1.0}
        | {"entries": None},
        "DistanceMap": {"entry": "mask", "classes": (1, 2)},
        "Edges": {"entry": "mask", "width": 1},
        "Elastic": {"amount": 0.03, "grid": (5, 5)},
        "FDA": {"references": IMAGES[:2], "beta": 0.1, "clip": True, "entries": None},
        "FilterBoxes": {"entry": "boxes", "labels": (), "min_size": 1.0, "min_area": 2.0}
        | {"min_visible": 0.5},
        "HHA": {"points": "xyz", "normals": "normals", "up": "-y", "gravity": "normals"}
        | {"near": 0.5, "max_height": 3.0},
        "Flip": {"axis": "x", "p": 0.5},
        "ForEntries": {"entries": "image", "transforms": ma.Flip("x")},
        "Gamma": {"exponent": 1.1, "clip": False, "entries": None},
        "EncodeDepth": {"entries": "depth", "encoding": "log", "near": 0.1, "far": 9.0}
        | {"mean": 0.5, "std": 1.0, "clip": True, "invalid": 0.0},
        "ChannelDropout": {"count": 1, "fill": 0.0, "entries": None},
        "ChannelShuffle": {"entries": None},
        "CoarseDropout": {
            "count": 1,
            "height": (2, 3),
            "width": (0.1, 0.2),
            "fill": 0.0,
            "entries": None,
            "mask": None,
        },
        "Erase": {
            "scale": (0.1, 0.2),
            "ratio": (0.5, 2),
            "count": 1,
            "fill": 0.0,
            "entries": None,
            "mask": None,
        },
        "GridMask": {
            "unit": (3, 4),
            "ratio": 0.5,
            "degrees": 0,
            "lines": False,
            "fill": 0.0,
            "entries": None,
            "mask": None,
        },
        "ModalityDropout": {
            "groups": ["image"],
            "probability": 0.2,
            "keep_one": True,
            "fill": 0.0,
        },
        "GaussianNoise": {"std": 0.1, "clip": False, "entries": None},
        "GridDistortion": {"limit": 0.1, "steps": 3},
        "HistogramMatching": {"references": IMAGES[0], "blend_ratio": 1.0, "entries": None},
        "LabelCrop": {"size": 4, "labels": (1, 2), "share": 0.5, "weights": (1, 2)}
        | {"position": "random", "max_share": 0.7, "tries": 3, "entry": "mask", "pad": True},
        "LetterBox": {"size": 4, "position": "random", "scale_up": True},
        "Maybe": {"transforms": ma.Flip("x"), "p": 0.5},
        "MixUp": {"alpha": 0.4, "keep": ()},
        "Mosaic": {"center": (0.4, 0.6), "keep": (), "min_visible": 0.2, "instances": None},
        "Normalize": {"mean": 0.5, "std": 0.5, "entries": None},
        "OneHot": {"entry": "mask", "classes": 4, "replace": False},
        "OneOf": {"transforms": [ma.Flip("x"), ma.Flip("y")], "weights": None},
        "OpticalDistortion": {"k1": 0.1, "k2": (0, 0.1)},
        "Pad": {"pixels": 2},
        "PadTo": {"size": 9, "position": "random"},
        "PadToMultiple": {"multiple": 4, "position": "center"},
        "Perspective": {"scale": 0.1, "matrix": None},
        "PiecewiseAffine": {"amount": 0.03, "grid": 2},
        "RandomResizedCrop": {"size": 4, "scale": (0.5, 1), "ratio": (0.75, 1.5)},
        "RandomScaledCrop": {"size": 4, "scale": (0.5, 2), "distribution": "uniform", "step": 0.5}
        | {"base": (6, 8), "keep_ratio": True, "position": "random", "pad_position": "center"}
        | {"max_share": 0.7, "tries": 3, "entry": "mask", "antialias": True},
        "Regions": {"entry": "mask", "regions": [[1, 2], [2]]},
        "RelabelInstances": {"entry": "mask"},
        "RescaleIntensity": {"in_range": (0, 200), "clip": True, "entries": None},
        "Resize": {"size": 4, "antialias": True},
        "ResizeLongest": {"size": 4, "multiple": 2, "antialias": True},
        "ResizeShortest": {"size": (4, 5), "max_size": 6, "multiple": 2, "crop": 4}
        | {"pad_position": "random", "antialias": True},
        "Rot90": {"turns": (0, 2)},
        "Rotate": {"degrees": 10},
        "SafeRotate": {"degrees": 10, "expand": False, "antialias": False},
        "Scales": {"entry": "mask", "strides": (2, 3)},
        "Scale": {"factor": 1.2, "per_axis": False, "antialias": False},
        "Shear": {"degrees": 5},
        "Shuffle": {"transforms": [ma.Flip("x"), ma.Flip("y")]},
        "SomeOf": {"transforms": [ma.Flip("x"), ma.Flip("y")], "k": 1},
        "Standardize": {"statistics": STATISTICS, "center": "channel", "scale": True}
        | {"epsilon": 1e-6, "rescale": 1.0, "entries": None},
        "ThinPlateSpline": {"amount": 0.03, "grid": 3},
        "Translate": {"fraction": 0.1, "px": None, "whole": False},
        "Transpose": {"p": 0.5},
        "Whiten": {"statistics": STATISTICS, "method": "zca", "epsilon": "auto"}
        | {"eps_mode": "variance", "tail": "residual", "center": "pixel", "components": None}
        | {"rescale": 1.0, "entries": None},
    }
    # All others as they are by default.
    settings |= {
        name: _defaults(cls)
        for name, cls in vars(ma).items()
        if inspect.isclass(cls) and issubclass(cls, Transform) and name not in settings
    }
    for name, valid in settings.items():
        cls = getattr(ma, name)
        chance = {"p": 0.5} if "p" in inspect.signature(cls).parameters else {}
        # Made, put into a pipeline and drawn: a wrong setting must not come to light later.
        yield Case(f"ma.{name}", cls, chance | valid, finish=_drawn)


def _defaults(cls: type[Transform]) -> dict[str, Any]:
    found = {name: about.default for name, about in cls.settings().items()}
    return {name: value for name, value in found.items() if name != "p"}


def _drawn(made: Any) -> Any:
    if made.chance < 1:
        made = always(made)  # frames must not change by chance
    alters = isinstance(made, transforms.Altering)
    looks = made.reads or alters or isinstance(made, (ma.FilterBoxes, ma.HHA))
    pipeline = ma.Pipeline([made], CLOUDY if alters else RICH if looks else SPEC)
    assert repr(pipeline)
    if not any(value is STATISTICS for value in vars(made).values()):
        pipeline.to_dict()
    record = {name: SEEN[name] for name in pipeline.spec.entries} if looks else None
    return jax.eval_shape(lambda key: pipeline.sample(key, (6, 6), record=record), KEY)


def _root() -> Iterator[Case]:
    yield Case("ma.Pipeline", ma.Pipeline, {"transforms": [ma.Flip("x")], "spec": SPEC})
    yield Case("ma.Pipeline.from_dict", ma.Pipeline.from_dict, {"document": PIPELINE.to_dict()})
    yield Case("Pipeline.sample", PIPELINE.sample, {"key": KEY, "shape": (6, 6)})
    yield Case("Pipeline.__call__", PIPELINE.__call__, {"key": KEY, "record": RECORD})
    batch = {"keys": KEYS, "batch": RECORDS, "out": None}
    yield Case("Pipeline.batch", PIPELINE.batch, batch)
    yield Case("Pipeline.apply", PIPELINE.apply, {"params": PARAMS, "record": RECORD, "out": None})
    inverse = {"params": PARAMS, "record": RECORD, "roles": {"mask": "label"}}
    yield Case("Pipeline.invert", PIPELINE.invert, inverse)
    yield Case("Pipeline.warmup", PIPELINE.warmup, {"shape": (6, 6), "like": None, "size": 1})
    yield Case("Pipeline.then", lambda added: PIPELINE.then(added), {"added": ma.Flip("y")})
    yield Case("ma.Views", ma.Views, {"views": {"a": (PIPELINE, 2), "b": PIPELINE}})
    yield Case("ma.load_spec", ma.load_spec, {"name_or_path": "rgb-segmentation"})
    yield Case("DataSpec.from_dict", DataSpec.from_dict, {"document": SPEC.to_dict()})
    spec = {"name": "s", "entries": list(SPEC.entries.values()), "camera": None}
    yield Case("ma.DataSpec", ma.DataSpec, spec | {"description": ""})
    entry = SPEC.entries["image"]
    yield Case(
        "ma.EntrySpec",
        ma.EntrySpec,
        {"name": "a", "groups": entry.groups, "dtype": None, "optional": False, "of": None}
        | {"validity": False},
    )
    yield Case("ma.CameraSpec", ma.CameraSpec, {"policy": "refit", "frame": "camera"})
    yield Case("check_structure", check_structure, {"spec": SPEC, "record": RECORD, "batch": False})
    yield Case("check_values", check_values, {"spec": SPEC, "record": RECORD, "batch": False})
    flip = {"__class_fullname__": "HorizontalFlip", "p": 0.5}
    described = {"spec": SPEC, "size": (6, 6), "skip": ()}
    yield Case("ma.from_albumentations", ma.from_albumentations, {"document": flip, **described})
    yield Case("ma.from_torchvision", ma.from_torchvision, {"composition": [], **described})
    yield Case("ma.Translation", ma.Translation, {"pipeline": PIPELINE, "differences": ("All.",)})
    yield Case("ma.estimate_intrinsics", ma.estimate_intrinsics, {"xyz": CLOUD})
    points = {"values": CLOUD, "from_": "opengl", "to": "opencv", "spec": None}
    yield Case("ma.convert_axes", ma.convert_axes, points)
    shapes = {"from_shape": (6, 6), "to_shape": (3, 3)}
    yield Case("ma.scale_intrinsics", ma.scale_intrinsics, {"k": np.eye(3), **shapes})
    yield Case("ma.invert_extrinsics", ma.invert_extrinsics, {"extrinsics": np.eye(4)})
    clouds = testing.make_record(ma.load_spec("rgbxyz"), (6, 6), 0)
    cloud = {"spec": ma.load_spec("rgbxyz"), "record": clouds}
    yield Case("ma.reprojection_error", ma.reprojection_error, cloud)
    keys = {"seed": 0, "epoch": 0, "index": np.arange(4), "copy": 0}
    yield Case("ma.record_keys", ma.record_keys, keys)
    yield Case(
        "ma.hash_split", ma.hash_split, {"records": 1000, "fractions": (0.5, 0.5), "seed": 0}
    )
    yield Case("ma.class_weights", ma.class_weights, {"labels": [0, 1, 1]})


def _data() -> Iterator[Case]:
    yield Case("ma.guess_spec", ma.guess_spec, {"path": "nowhere"}, refused=True)
    yield Case("ma.open_source", ma.open_source, {"data": {"image": IMAGES}, "spec": SPEC})
    traits = {"name": "raw", "what": "dumps", "suffixes": (".raw",), "folders": True}
    yield Case("ma.SourceTraits", ma.SourceTraits, traits)
    yield Case("ma.register_source", ma.register_source, {"kind": ZarrSource})
    yield Case("ma.ArraySource", ma.ArraySource, {"arrays": RECORDS, "spec": SPEC, "block": 2})
    yield Case("Source.read", SOURCE.read, {"indices": [0, 1], "out": None})
    yield Case("Source.scan", SOURCE.scan, {"blocks": None}, finish=list)
    for name in ("CloudSource", "NpySource", "PictureSource", "ZarrSource"):
        cls = getattr(ma, name)
        yield Case(f"ma.{name}", cls, {_first_of(cls): NOWHERE, "spec": SPEC}, refused=True)
    yield Case(
        "ma.Loader",
        ma.Loader,
        {"source": SOURCE, "pipeline": PIPELINE, "batch_size": 2, "seed": 0, "shuffle": "block"}
        | {"memory": "1GB", "window": None, "copies": 1, "drop_last": False, "shard": None}
        | {"streams": None, "indices": None, "weights": None, "prefetch": 0, "threads": 1}
        | {"mix_among": "batch", "on_corrupt": "raise", "skip_limit": 0.01, "sharding": None}
        | {"check": True},
        finish=first,
    )
    yield Case(
        "Loader.restore",
        lambda state: ma.Loader(SOURCE, PIPELINE, batch_size=2).restore(state),
        {"state": ma.Loader(SOURCE, PIPELINE, batch_size=2).state()},
    )
    yield Case(
        "ma.map_batches",
        ma.map_batches,
        {"records": [RECORD], "pipeline": PIPELINE, "batch_size": 1, "seed": 0, "epoch": 0},
        finish=first,
    )
    yield Case(
        "ma.fit",
        lambda statistic, **rest: ma.fit(rest.pop("source"), statistic, **rest),
        {"source": SOURCE, "statistic": ma.Moments(), "progress": False, "memory": "1GB"}
        | {"solver": "auto", "invalid": "raise", "pipeline": None, "copies": 1, "seed": 0}
        | {"checkpoint": None, "checkpoint_every": 60.0, "scheduler": None},
    )
    yield Case(
        "ma.export",
        in_folder(ma.export),
        {"source": SOURCE, "pipeline": PIPELINE, "dest": DEST, "copies": 1, "seed": 0}
        | {"batch_size": 2, "chunk": None, "shard_bytes": "1MB", "shuffle_seed": None}
        | {"overwrite": False, "progress": False, "scheduler": None, "check": True},
    )
    yield Case(
        "ma.convert",
        in_folder(ma.convert),
        {"data": SOURCE, "dest": DEST, "spec": None, "chunk": None, "shard_bytes": "1MB"}
        | {"shuffle_seed": None, "overwrite": False, "progress": False},
    )
    yield Case(
        "ma.write_zarr",
        in_folder(ma.write_zarr),
        {"batches": [RECORDS], "spec": SPEC, "dest": DEST, "chunk": 2} | {"overwrite": False},
    )
    yield Case(
        "ma.write_ome",
        in_folder(ma.write_ome),
        {"source": SOURCE, "dest": DEST, "levels": None, "version": "0.5"}
        | {"overwrite": False, "progress": None, "check": True},
    )
    # No cluster is started for this: every client is refused, with a sentence.
    yield Case("DaskRunner", DaskRunner, {"client": None, "retries": 3}, refused=True)


def _first_of(cls: Any) -> str:
    return next(iter(inspect.signature(cls).parameters))


def _statistics() -> Iterator[Case]:
    yield Case(
        "ma.load_statistics", ma.load_statistics, {"path": NOWHERE, "sha256": None}, refused=True
    )
    yield Case("Statistics.save", in_folder(lambda dest: STATISTICS.save(dest)), {"dest": DEST})
    kinds: dict[str, Any] = {"ma.Moments": ma.Moments, "ma.ZCA": ma.ZCA}
    kinds |= {"ma.Stationary": ma.Stationary, "Covariance": Covariance, "Gram": Gram}
    for name, cls in (kinds | {"LowRank": LowRank}).items():
        known = inspect.signature(cls).parameters
        valid = {n: p.default for n, p in known.items() if n not in ("record_shape", "dtype")}
        shape = {"record_shape": (6, 6, 3), "dtype": "uint8"}
        yield Case(name, cls, valid | shape)
    state = Covariance((6, 6, 3), "uint8").init()
    yield Case("State.update", state.update, {"batch": IMAGES})


def _keras() -> Iterator[Case]:
    generator = keras.ImageDataGenerator
    yield Case(
        "keras.ImageDataGenerator",
        generator,
        {n: p.default for n, p in inspect.signature(generator).parameters.items()},
    )
    yield Case(
        "ImageDataGenerator.flow",
        GENERATOR.flow,
        {"x": FLOATS, "y": None, "batch_size": 2, "shuffle": True, "sample_weight": None}
        | {"seed": 0, "subset": None},
        finish=first,
    )
    yield Case(
        "ImageDataGenerator.fit",
        keras.ImageDataGenerator(featurewise_center=True).fit,
        {"x": FLOATS, "augment": False, "rounds": 1, "seed": 0},
    )
    yield Case("ImageDataGenerator.standardize", GENERATOR.standardize, {"x": FLOATS[0].copy()})
    yield Case(
        "ImageDataGenerator.get_random_transform",
        GENERATOR.get_random_transform,
        {"img_shape": (6, 6, 3), "seed": 0},
    )
    yield Case(
        "ImageDataGenerator.apply_transform",
        GENERATOR.apply_transform,
        {"x": FLOATS[0], "transform_parameters": {"theta": 3.0}},
    )
    yield Case(
        "ImageDataGenerator.random_transform",
        GENERATOR.random_transform,
        {"x": FLOATS[0], "seed": 0},
    )
    directory = {"directory": NOWHERE, "target_size": (4, 4), "color_mode": "rgb"}
    yield Case(
        "ImageDataGenerator.flow_from_directory",
        GENERATOR.flow_from_directory,
        directory | {"classes": None, "class_mode": "categorical", "batch_size": 2, "seed": 0},
        refused=True,
    )
    frame = pd.DataFrame({"filename": ["a.png"], "class": ["x"]})
    yield Case(
        "ImageDataGenerator.flow_from_dataframe",
        GENERATOR.flow_from_dataframe,
        {"dataframe": frame, "directory": NOWHERE, "x_col": "filename", "y_col": "class"}
        | {"target_size": (4, 4), "batch_size": 2, "seed": 0, "validate_filenames": False},
    )
    image = {"x": FLOATS[0], "channel_axis": 2}
    axes = image | {"row_axis": 0, "col_axis": 1, "fill_mode": "nearest", "cval": 0.0}
    order = {"interpolation_order": 1}
    yield Case("keras.flip_axis", keras.flip_axis, {"x": FLOATS[0], "axis": 1})
    yield Case("keras.random_rotation", keras.random_rotation, axes | order | {"rg": 10.0})
    yield Case("keras.random_shift", keras.random_shift, axes | order | {"wrg": 0.1, "hrg": 0.1})
    yield Case("keras.random_shear", keras.random_shear, axes | order | {"intensity": 5.0})
    yield Case("keras.random_zoom", keras.random_zoom, axes | order | {"zoom_range": (0.9, 1.1)})
    yield Case(
        "keras.apply_affine_transform",
        keras.apply_affine_transform,
        axes | {"theta": 1.0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1, "order": 1},
    )
    shift = image | {"intensity": 0.1}
    yield Case("keras.apply_channel_shift", keras.apply_channel_shift, shift)
    ranged = image | {"intensity_range": 0.1}
    yield Case("keras.random_channel_shift", keras.random_channel_shift, ranged)
    bright = {"x": FLOATS[0], "brightness": 0.9, "scale": True}
    yield Case("keras.apply_brightness_shift", keras.apply_brightness_shift, bright)
    bright = {"x": FLOATS[0], "brightness_range": (0.9, 1.1), "scale": True}
    yield Case("keras.random_brightness", keras.random_brightness, bright)
    yield Case(
        "keras.array_to_img",
        keras.array_to_img,
        {"x": FLOATS[0], "data_format": None, "scale": True, "dtype": None},
    )
    yield Case(
        "keras.img_to_array",
        keras.img_to_array,
        {"img": keras.array_to_img(FLOATS[0]), "data_format": None, "dtype": None},
    )
    yield Case(
        "keras.load_img", keras.load_img, {"path": NOWHERE, "target_size": None}, refused=True
    )


def _compare() -> Iterator[Case]:
    # There is nothing to predict in these records, which is said when all else was looked at:
    # no wrong kind that is let through trains networks here.
    yield Case(
        "compare.compare",
        compare.compare,
        {"source": SOURCE, "pipelines": {"flips": PIPELINE}, "baseline": "none", "target": None}
        | {"inputs": None, "groups": None, "validation": None, "folds": 2, "seeds": 1, "steps": 1}
        | {"batch_size": 2, "size": 16, "width": 1, "learning_rate": 1e-3, "records": 4}
        | {"confidence": 0.95, "seed": 0, "progress": False, "check": True},
        refused=True,
    )
    pairs = {"differences": np.array([0.1, 0.2, 0.0]), "test_share": 0.5, "confidence": 0.95}
    yield Case("paired_difference", compare.paired_difference, pairs | {"extendable": True})
    scores = np.array([[[0.5], [0.6]], [[0.6], [0.7]]])
    difference = compare.paired_difference([0.1, 0.1], 1.0)
    found = compare.Comparison(
        "accuracy", ("none", "flips"), scores, {"flips": difference}, 0.95, 0.5, "label",
        ("image",), 4, (16, 16), 1, 2, 100, 0,
    )  # fmt: skip
    yield Case("Comparison.plot", found.plot, {"path": NOWHERE}, refused=True)


def _others() -> Iterator[Case]:
    group = SPEC.entries["image"].groups[0]
    yield Case("preview.render", preview.render, {"values": IMAGES[0], "group": group})
    yield Case("preview.render_record", preview.render_record, {"spec": SPEC, "record": RECORD})
    yield Case(
        "preview.contact_sheet",
        preview.contact_sheet,
        {"rows": [[IMAGES[0]]], "columns": ["a"], "labels": ["b"], "groups": [("c", 1)]}
        | {"title": "", "note": "", "path": None},
    )
    yield Case(
        "preview.statistics_sheet",
        preview.statistics_sheet,
        {"statistics": STATISTICS, "label": None, "records": None, "path": None},
    )
    yield Case(
        "studio.serve",
        lambda **arguments: ma.studio.serve(**arguments, open_browser=False, wait=False).close(),
        {"source": SOURCE, "pipeline": PIPELINE, "spec": SPEC, "port": 0, "save_to": None},
    )
    yield Case(
        "testing.make_record", testing.make_record, {"spec": SPEC, "shape": (6, 6), "seed": 0}
    )
    yield Case("transforms.from_config", transforms.from_config, {"config": {"type": "D4"}})
    yield Case("transforms.to_config", transforms.to_config, {"transform_": ma.Flip("x")})


def cases() -> list[Case]:
    """All of them."""
    return [
        *_transforms(),
        *_root(),
        *_data(),
        *_statistics(),
        *_keras(),
        *_compare(),
        *_others(),
    ]


class _Thing:
    """Nothing that anything knows. Not a bare ``object()``: JAX puts those in place of arrays."""


def _tensor() -> Any:
    """What a tensor of torch is to those who do not import it: an array by protocol."""
    try:
        import torch
    except ImportError:
        return array.array("f", [1.0, 2.0])
    return torch.zeros(2, 3)


WRONG: dict[str, Callable[[], Any]] = {
    "text": lambda: "a string",
    "bytes": lambda: b"bytes",
    "path": lambda: Path("no such file"),
    "none": lambda: None,
    "true": lambda: True,
    "zero": lambda: 0,
    "negative": lambda: -3,
    "large": lambda: 2**70,
    "fraction": lambda: 2.5,
    "nan": lambda: float("nan"),
    "complex": lambda: 1j,
    "list": lambda: [1, 2, 3],
    "nested list": lambda: [[1], [2, 3]],
    "empty list": list,
    "texts": lambda: ["a", "b"],
    "tuple": lambda: (4, 4),
    "dict": lambda: {"a": 1},
    "dict of lists": lambda: {"image": [IMAGES[0], IMAGES[1]], "mask": None},
    "empty dict": dict,
    "set": lambda: {1, 2},
    "object": _Thing,
    "class": lambda: ma.Rotate,
    "function": lambda: len,
    "generator": lambda: (i for i in range(3)),
    "scalar array": lambda: np.float64(3.5),
    "array": lambda: np.zeros((2, 3), np.float32),
    "images": lambda: IMAGES,
    "big-endian": lambda: np.zeros((4, 6, 6, 3), ">f4"),
    "array of objects": lambda: np.array([{}, None], object),
    "array of text": lambda: np.array(["a", "b"]),
    "array of dates": lambda: np.array(["2026-01-01"], "M8[D]"),
    "empty array": lambda: np.zeros((0, 3), np.uint8),
    "array of jax": lambda: jax.numpy.zeros((2, 3)),
    "tensor": _tensor,
    "column": lambda: pd.Series(["a", "b"]),
    "key": lambda: KEY,
    "raw key": lambda: np.zeros(2, np.uint32),
    "spec": lambda: SPEC,
    "source": lambda: SOURCE,
    "pipeline": lambda: PIPELINE,
    "transform": lambda: ma.Flip("x"),
    "transforms": lambda: [ma.Flip("x")],
    "statistics": lambda: STATISTICS,
    "statistic": ma.Moments,
    "params": lambda: PARAMS,
}
