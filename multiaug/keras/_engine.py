"""The pipelines behind a generator: its settings as transforms, and batches through them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..errors import NotFittedError, ParameterError
from ..pipeline import IndexedBatch, Pipeline, RecordParams, short_seed
from ..spec import DataSpec, EntrySpec
from ..statistics import Statistics
from ..transforms import Finishing, Transform, Whiten
from ..typing import Key, NDArray
from ._memory import Lender
from ._moves import (
    ClassicBrightness,
    ClassicChannelShift,
    ClassicMatrix,
    ClassicMove,
    ClassicStandardize,
    move_of,
)
from ._settings import border_of, method_of, pair_of, shift_of, zoom_of

if TYPE_CHECKING:
    from .image_data_generator import ImageDataGenerator

_SUPPORTED = ("uint8", "uint16", "int16", "int32", "float16", "float32")


@lru_cache(maxsize=64)
def picture_spec(border: str, method: str, fill: float, channels: int | None = None) -> DataSpec:
    """One picture, called ``image``."""
    entry = EntrySpec.of_role(
        "image", "intensity", channels=channels, border=border, interpolation=method, fill=fill
    )
    return DataSpec("multiaug.keras", [entry])


def classic_spec(
    generator: ImageDataGenerator,
    targets: Mapping[str, NDArray] | None = None,
    channels: int | None = None,
) -> DataSpec:
    """What records hold: the generator's spec, or a picture and its targets.

    Of a given spec, channels with role intensity take border, fill and interpolation from the
    generator; those of other roles keep their own.

    Args:
        generator: whose settings count.
        targets: arrays that move with the pictures.
        channels: of the pictures, where ``data_format`` says which axis they are; a function of
            the user's may change them.
    """
    if generator.preprocessing_function is not None:
        channels = None
    border, method = border_of(generator.fill_mode), method_of(generator.interpolation_order)
    fill = float(generator.cval)
    if generator.spec is not None:
        given = generator.spec
        entries = [_with_settings(e, border, method, fill) for e in given.entries.values()]
        return DataSpec(given.name, entries, given.camera, given.description)
    if not targets:
        return picture_spec(border, method, fill, channels)
    entries = [picture_spec(border, method, fill, channels).entries["image"]]
    for name, array in targets.items():
        entries.append(_target_entry(name, array, border, method, fill))
    return DataSpec("multiaug.keras", entries)


def only_picture(spec: DataSpec) -> DataSpec:
    """The spec of records that hold nothing but the picture, whose camera is not known."""
    image = spec.reference()
    return DataSpec(spec.name, [e for e in spec.entries.values() if e.name == image], spec.camera)


def _with_settings(entry: EntrySpec, border: str, method: str, fill: float) -> EntrySpec:
    groups = [
        replace(g, border=border, interpolation=method, fill=(fill,))
        if g.role == "intensity"
        else g
        for g in entry.groups
    ]
    return replace(entry, groups=tuple(groups))


def _target_entry(name: str, array: NDArray, border: str, method: str, fill: float) -> EntrySpec:
    """Floats are blended like the picture, whole numbers are class ids: copied."""
    settings: dict[str, Any] = {"border": border, "fill": fill}
    if array.dtype.kind == "f":
        # Pictures without an axis of channels must say that they have one.
        channels = 1 if array.ndim == 3 else None
        return EntrySpec.of_role(
            name, "intensity", channels=channels, interpolation=method, **settings
        )
    if array.ndim == 4 and array.shape[-1] != 1:
        # One-hot masks and the like: single channels are labels, several are not.
        return EntrySpec.of_role(name, "intensity", interpolation="nearest", **settings)
    return EntrySpec.of_role(name, "label", **(settings | {"fill": float(int(fill))}))


class Engine:
    """A generator's pipelines for records of one kind.

    Args:
        generator: read anew for every batch, as users change its attributes.
        spec: what records hold.
        image: the name of the entry that is the picture.
    """

    def __init__(self, generator: ImageDataGenerator, spec: DataSpec, image: str) -> None:
        self._generator, self.spec, self.image = generator, spec, image
        self._lender = Lender()

    def draw(self, keys: Key, arrays: Mapping[str, NDArray]) -> RecordParams:
        """What records with these keys draw, (N,); of the arrays only shapes are read."""
        frame = arrays[self.spec.reference(arrays) or self.image].shape[1:3]
        pipeline = Pipeline(tuple(self._first(moving=True)), self.spec)
        return jax.tree.map(np.asarray, pipeline.sample(keys, frame))  # type: ignore[no-any-return]

    def run(
        self, params: RecordParams | None, arrays: Mapping[str, NDArray | IndexedBatch]
    ) -> dict[str, Any]:
        """A batch, augmented and standardised.

        Args:
            params: what `draw` drew for its records; None does not augment.
            arrays: entry name -> (N, H, W[, C]).

        Returns:
            New arrays, which may be written to; entries that nothing is done to as they came.

        Raises:
            NotFittedError: the generator needs statistics and was not fitted.
        """
        moving, function = params is not None, self._generator.preprocessing_function
        first = self._first(moving=moving)
        done = self._batch(("first", moving, function is None), first, params, arrays)
        if function is not None:
            done[self.image] = self.prepared_by_function(done[self.image])
            done = self._batch(("last",), self.standardizing(fitted=True), None, done)
        return done

    def _first(self, *, moving: bool) -> list[Transform]:
        """What is done before the user's function, or all, where there is none."""
        found = moves(self._generator, self.image) if moving else []
        if self._generator.preprocessing_function is not None:
            return found
        return [*found, *self.standardizing(fitted=True)]

    def augment(self, keys: Key, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """A batch, augmented only."""
        moving = moves(self._generator, self.image)
        return self._batch(("augment",), moving, keys, arrays)

    def prepare(self, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """What `standardize` does before it uses statistics of the data set: what those see."""
        done = dict(arrays)
        if self._generator.preprocessing_function is not None:
            done[self.image] = self.prepared_by_function(done[self.image])
        return self._batch(("prepare",), self.standardizing(fitted=False), None, done)

    def prepared_by_function(self, pictures: NDArray) -> NDArray:
        """Each picture through the user's function, in the user's layout."""
        function = self._generator.preprocessing_function
        assert function is not None
        first = self._generator.data_format == "channels_first"
        done = []
        for picture in pictures:
            given = np.array(np.moveaxis(picture, -1, 0) if first else picture)
            found = np.asarray(function(given))
            if found.shape != given.shape:
                raise ParameterError(
                    "`preprocessing_function` must return an array of the shape that it got, "
                    f"{given.shape}, got {found.shape}."
                )
            done.append(np.moveaxis(found, 0, -1) if first else found)
        return np.ascontiguousarray(np.stack(done), np.float32)

    def standardizing(self, *, fitted: bool) -> list[Transform]:
        """The transforms behind the augmentation, where there are any."""
        g = self._generator
        mean = std = None
        if fitted and g.featurewise_center:
            mean = needed(g.mean, "featurewise_center")
        if fitted and g.featurewise_std_normalization:
            std = needed(g.std, "featurewise_std_normalization")
        whitening: list[Transform] = []
        if fitted and g.zca_whitening:
            if g.assigned_matrix is not None:
                first = g.data_format == "channels_first"
                whitening = [ClassicMatrix(g.assigned_matrix, self.image, first)]
            else:
                whitening = [g.whitening()]
                mean = None  # whitening subtracts it
        rescale = float(g.rescale) if g.rescale else 1.0
        plain = rescale == 1 and not g.samplewise_center and not g.samplewise_std_normalization
        if plain and mean is None and std is None:
            return whitening
        step = ClassicStandardize(
            rescale=rescale,
            samplewise_center=bool(g.samplewise_center),
            samplewise_std=bool(g.samplewise_std_normalization),
            mean=None if mean is None else _last(mean, g),
            std=None if std is None else _last(std, g),
            entries=(self.image,),
        )
        return [step, *whitening]

    def _batch(
        self,
        what: Any,
        transforms: Sequence[Transform],
        drawn: RecordParams | Key | None,
        arrays: Mapping[str, NDArray | IndexedBatch],
    ) -> dict[str, Any]:
        """A batch through transforms, by params or by keys; None where nothing is drawn."""
        if not transforms:
            return dict(arrays)
        count = len(next(iter(arrays.values())))
        if not count:
            return dict(arrays)
        pipeline = Pipeline(tuple(transforms), self.spec)
        held = {n: a if isinstance(a, IndexedBatch) else np.asarray(a) for n, a in arrays.items()}
        params = _nothing_drawn(pipeline, held, count) if drawn is None else drawn
        one = pipeline.apply if isinstance(params, RecordParams) else pipeline.batch
        if any(isinstance(t, Finishing) for t in transforms):
            # Those that work on whole batches may hand on what they were given.
            done = one(params, held, check=False)  # type: ignore[arg-type]
            return {name: np.array(array) for name, array in done.items()}
        kind = (what, *((n, a.shape[1:], a.dtype) for n, a in held.items()))
        return self._lender(kind, count, lambda out: one(params, held, out=out, check=False))  # type: ignore[arg-type]


def moves(generator: ImageDataGenerator, image: str) -> list[Transform]:
    """The augmentation of a generator; geometry first, so that masks with the same seed follow."""
    g = generator
    zoom = zoom_of(g.zoom_range)
    move = ClassicMove(
        rotation=float(g.rotation_range),
        tx=shift_of(g.height_shift_range, "height_shift_range"),
        ty=shift_of(g.width_shift_range, "width_shift_range"),
        shear=float(g.shear_range),
        zoom=(float(zoom[0]), float(zoom[1])),
        isotropic=bool(g.isotropic_zoom),
        flip_horizontal=bool(g.horizontal_flip),
        flip_vertical=bool(g.vertical_flip),
    )
    found: list[Transform] = [] if move == ClassicMove() else [move]
    if g.channel_shift_range:
        found.append(ClassicChannelShift(float(g.channel_shift_range), (image,)))
    if g.brightness_range is not None:
        found.append(ClassicBrightness(pair_of(g.brightness_range, "brightness_range"), (image,)))
    return found


def needed(value: Any, setting: str) -> Any:
    """A statistic.

    Raises:
        NotFittedError: there is none.
    """
    if value is None:
        raise NotFittedError(
            f"This ImageDataGenerator specifies `{setting}`, but it hasn't been fit on any "
            "training data. Fit it first by calling `.fit(numpy_data)`."
        )
    return value


def whitening_of(
    statistics: Statistics, image: str, epsilon: float, eps_mode: str, rescale: float = 1.0
) -> Whiten:
    """ZCA as the classic has it; it said nothing of directions that it amplifies a lot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Whiten(
            statistics,
            epsilon=epsilon,
            eps_mode=eps_mode,
            center="channel",
            entries=(image,),
            rescale=rescale,
        )


def _last(value: Any, generator: ImageDataGenerator) -> NDArray:
    """Broadcast shape of pictures with channels last, whatever the generator's layout."""
    held = np.asarray(value, np.float32)
    if generator.data_format == "channels_first" and held.ndim == 3:
        held = np.moveaxis(held, 0, -1)
    return held


def _nothing_drawn(pipeline: Pipeline, arrays: Mapping[str, Any], count: int) -> RecordParams:
    """Params of transforms that draw nothing."""
    shape = arrays[pipeline.spec.reference(arrays) or next(iter(arrays))].shape[1:3]
    drawing = [t for t in pipeline.transforms if not isinstance(t, Finishing)]
    key: Any = np.zeros((count, 2), np.uint32)
    return RecordParams(tuple({} for _ in drawing), key, shape, shape)


def apply_parameters(picture: NDArray, given: Mapping[str, Any], spec: DataSpec) -> NDArray:
    """One picture (H, W, C) moved, and its values shifted and scaled, by given parameters.

    Any dtype: those that the sampler does not know are computed in float32.

    Args:
        picture: of any dtype.
        given: some of what `draw_parameters` draws.
        spec: of the picture, its only entry.
    """
    transforms: list[Transform] = []
    values: list[dict[str, Any]] = []
    move = move_of(given)
    if (move != move_of({})).any():
        transforms.append(ClassicMove())
        values.append({"move": move})
    for name, transform in (
        ("channel_shift_intensity", ClassicChannelShift()),
        ("brightness", ClassicBrightness()),
    ):
        if given.get(name) is not None:
            transforms.append(transform)
            values.append({name: np.float32(given[name])})
    if not transforms:
        return picture.copy()
    dtype = picture.dtype
    held = picture if dtype.name in _SUPPORTED else picture.astype(np.float32)
    key: Any = np.zeros((1, 2), np.uint32)
    params = RecordParams(
        tuple({n: np.asarray(v)[None] for n, v in each.items()} for each in values),
        key,
        picture.shape[:2],
        picture.shape[:2],
    )
    image = next(iter(spec.entries))
    pipeline = Pipeline(tuple(transforms), spec)
    done = pipeline.apply(params, {image: np.ascontiguousarray(held)[None]}, check=False)
    found = np.array(done[image][0])
    if found.dtype == dtype:
        return found
    return (np.floor(found + 0.5) if dtype.kind in "iub" else found).astype(dtype)


def seed_of(seed: int | None) -> int:
    """A seed for keys; None draws one from NumPy's global generator, which users seed."""
    if seed is None:
        return int(np.random.randint(2**31))  # noqa: NPY002
    return short_seed(int(seed)) if seed >= 0 else int(seed) % 2**32
