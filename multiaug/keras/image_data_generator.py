"""`ImageDataGenerator`: the classic class, as a layer over pipelines and statistics."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import NUMBERS, RECORD, checked, whole
from ..errors import ParameterError, warn
from ..spec import DataSpec
from ..statistics import Statistics
from ..transforms import Whiten
from ..typing import NDArray
from ._draws import draw_parameters
from ._engine import Engine, apply_parameters, classic_spec, only_picture
from ._fit import fit_statistics
from ._fitted import FittedStatistics
from ._kinds import GENERATOR, GLOBAL_SEED, IMAGE, SHAPE, SWITCH
from ._settings import (
    border_of,
    data_format_of,
    implied,
    method_of,
    pair_of,
    shift_of,
    split_of,
    zoom_of,
)
from .dataframe_iterator import DataFrameIterator
from .directory_iterator import DirectoryIterator
from .numpy_array_iterator import NumpyArrayIterator

if TYPE_CHECKING:
    from ..store import Source

_AXES = {"channels_last": (1, 2, 3), "channels_first": (2, 3, 1)}


class ImageDataGenerator(FittedStatistics):
    """Batches of augmented and standardised pictures; the classic class of Keras.

    The order of the work is the classic's: affine map, channel shift, horizontal flip, vertical
    flip, brightness; then ``preprocessing_function``, ``rescale``, the picture's own mean and std,
    the data set's mean and std, ZCA. Any number of channels is welcome.

    Args:
        featurewise_center: subtract the mean of each channel over the data set; see `fit`.
        samplewise_center: subtract the mean of each picture.
        featurewise_std_normalization: divide by the std of each channel over the data set.
        samplewise_std_normalization: divide by the std of each picture.
        zca_whitening: apply ZCA; see `fit`.
        zca_epsilon: of ZCA, added to the singular values.
        rotation_range: degrees; the angle is drawn from (-r, r).
        width_shift_range: float below 1: fraction of the width; from 1 on: pixels; int n: whole
            pixels from the open interval (-n, n); list: one of its elements, with a random sign.
        height_shift_range: the same for the height.
        brightness_range: (lo, hi) of a factor on the values; clipped to the picture's range.
        shear_range: degrees.
        zoom_range: (lo, hi), or z for (1 - z, 1 + z); above 1 zooms out.
        channel_shift_range: a number from (-r, r) is added to all channels.
        fill_mode: constant, nearest, reflect or wrap, as in scipy.ndimage.
        cval: what ``constant`` puts outside the picture.
        horizontal_flip: with probability 1/2.
        vertical_flip: likewise.
        rescale: a factor on the values.
        preprocessing_function: picture (rank 3) -> picture of the same shape.
        data_format: ``channels_last`` or ``channels_first``; None is Keras' own where the program
            has imported it, else channels_last.
        validation_split: the share of ``subset="validation"``, in (0, 1).
        interpolation_order: 0, 1 or 3.
        dtype: of batches; float32 by default.
        spec: roles of the channels, where pictures are more than colours: positions turn with
            the geometry, masks stay whole. Not in the classic, as all that follows.
        isotropic_zoom: one zoom factor for both axes, which keeps the aspect ratio.
        zca_solver: how `multiaug.fit` gathers what ZCA needs: auto, primal, dual or lowrank.
        zca_memory: what fitting may use.
        zca_eps_mode: ``keras``, as Keras 3; ``covariance``: epsilon added to the eigenvalues, as
            Keras-Preprocessing 1.1.2.

    Attributes:
        mean: of each channel, in the shape that broadcasts to a picture; None before `fit`. May
            be assigned, as `std` and `zca_whitening_matrix`.
        std: likewise.
        statistics: all that `fit` found.

    Raises:
        ParameterError: a setting means nothing; a ValueError, as in the classic.

    Example:
        >>> import numpy as np
        >>> pictures = np.random.default_rng(0).random((10, 8, 8, 3), np.float32)
        >>> generator = ImageDataGenerator(rotation_range=30, featurewise_center=True)
        >>> generator.fit(pictures)
        >>> for x, y in generator.flow(pictures, np.arange(10), batch_size=4, seed=0):
        ...     break
        >>> x.shape, y.shape
        ((4, 8, 8, 3), (4,))
    """

    @checked(**GENERATOR)
    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[NDArray], NDArray] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
        *,
        spec: DataSpec | None = None,
        isotropic_zoom: bool = False,
        zca_solver: str = "auto",
        zca_memory: int | str = "4GB",
        zca_eps_mode: str = "keras",
    ) -> None:
        border_of(fill_mode), method_of(interpolation_order)
        shift_of(width_shift_range, "width_shift_range")
        shift_of(height_shift_range, "height_shift_range")
        self.data_format = data_format_of(data_format)
        self.row_axis, self.col_axis, self.channel_axis = _AXES[self.data_format]
        self._validation_split = split_of(validation_split)
        self.zoom_range = zoom_of(zoom_range)
        if brightness_range is not None:
            pair_of(brightness_range, "brightness_range")
        self.brightness_range = brightness_range
        self.featurewise_center, self.featurewise_std_normalization, self.samplewise_center = (
            implied(
                zca_whitening,
                featurewise_center,
                featurewise_std_normalization,
                samplewise_center,
                samplewise_std_normalization,
            )
        )
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening = zca_whitening
        self.zca_epsilon = zca_epsilon
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.shear_range = shear_range
        self.channel_shift_range = channel_shift_range
        self.fill_mode = fill_mode
        self.cval = cval
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.interpolation_order = interpolation_order
        self.dtype = np.dtype("float32" if dtype is None else dtype).name
        self.spec = spec
        self.isotropic_zoom = isotropic_zoom
        self.zca_solver, self.zca_memory = zca_solver, zca_memory
        self.zca_eps_mode = zca_eps_mode
        self.mean: Any = None
        self.std: Any = None
        self.statistics: Statistics | None = None
        self._matrix: Any = None
        self._whitening: tuple[Any, Whiten] | None = None

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
        *,
        targets: Any = None,
        copies: int = 1,
    ) -> NumpyArrayIterator:
        """Batches of arrays; see `NumpyArrayIterator` for the arguments and what comes out."""
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            ignore_class_split=ignore_class_split,
            dtype=self.dtype,
            targets=targets,
            copies=copies,
        )

    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        *,
        copies: int = 1,
    ) -> DirectoryIterator:
        """Batches of the pictures in folders, a folder for each class; see `DirectoryIterator`."""
        return DirectoryIterator(
            directory,
            self,
            target_size=target_size,
            color_mode=color_mode,
            keep_aspect_ratio=keep_aspect_ratio,
            classes=classes,
            class_mode=class_mode,
            data_format=self.data_format,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            follow_links=follow_links,
            subset=subset,
            interpolation=interpolation,
            dtype=self.dtype,
            copies=copies,
        )

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Batches of the pictures that a pandas data frame names; see `DataFrameIterator`."""
        if class_mode == "other":
            _deprecated('`class_mode="other"` is deprecated, please use `class_mode="raw"`.')
            class_mode = "raw"
        for name, text in _DEPRECATED.items():
            if name in kwargs:
                kwargs.pop(name)
                _deprecated(f"{name} is deprecated, {text}")
        return DataFrameIterator(
            dataframe,
            directory,
            self,
            x_col=x_col,
            y_col=y_col,
            weight_col=weight_col,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            data_format=self.data_format,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            interpolation=interpolation,
            validate_filenames=validate_filenames,
            dtype=self.dtype,
            **kwargs,
        )

    @checked(augment=SWITCH, rounds=whole(1), seed=GLOBAL_SEED)
    def fit(
        self,
        x: NDArray | Source | str | os.PathLike[str],
        augment: bool = False,
        rounds: int = 1,
        seed: int | None = None,
    ) -> None:
        """Gather the statistics that the settings need.

        They see what `standardize` gives them: pictures after ``preprocessing_function``,
        ``rescale`` and the samplewise steps. Mean and std are of each channel; ZCA is ``U
        diag(sqrt(n) / (s + epsilon)) U^T`` with the singular values s of the centred, flattened
        pictures. Arrays and sources are read block by block, so they may be larger than memory.

        Args:
            x: (N, H, W, C) or (N, C, H, W), as ``data_format`` says; a memory map; a
                `multiaug.Source`; or a path that `multiaug.open_source` understands.
            augment: see augmented pictures.
            rounds: with ``augment``, how often each picture is augmented.
            seed: of the augmentation.

        Raises:
            ParameterError: not rank 4, or nothing to fit with the memory given.
            RecordError: NaN or infinity.
        """
        found, entry = fit_statistics(self, x, augment=augment, rounds=rounds, seed=seed)
        if found is not None:
            self._take(found, entry)

    @checked(x=NUMBERS)
    def standardize(self, x: NDArray) -> NDArray:
        """Standardise a picture, or a batch of them, each by itself; ``x`` is not changed.

        Args:
            x: rank 3 or 4.

        Raises:
            NotFittedError: the settings need statistics, and `fit` was not called.
        """
        given = np.asarray(x)
        if given.ndim not in (3, 4):
            raise ParameterError(
                f"`standardize` takes a picture (rank 3) or a batch (rank 4), got {given.shape}."
            )
        batch = self._channels_last(given if given.ndim == 4 else given[None])
        spec = classic_spec(self, channels=batch.shape[-1])
        image = spec.reference() or "image"
        engine = Engine(self, spec, image)
        done = engine.run(None, {image: np.array(batch, np.float32)})[image]
        found = self._in_format(np.array(done)).astype(self.dtype, copy=False)
        return found if given.ndim == 4 else found[0]

    @checked(img_shape=SHAPE, seed=GLOBAL_SEED)
    def get_random_transform(
        self, img_shape: tuple[int, ...], seed: int | None = None
    ) -> dict[str, Any]:
        """Draw the parameters of a transform, with the numbers that the classic draws.

        Args:
            img_shape: of a picture, rank 3.
            seed: sets NumPy's global generator first, as the classic does.

        Returns:
            ``theta, tx, ty, shear, zx, zy, flip_horizontal, flip_vertical,
            channel_shift_intensity, brightness``; tx is of the height, ty of the width.
        """
        if seed is not None:
            np.random.seed(seed)  # noqa: NPY002
        return draw_parameters(self, img_shape)

    @checked(x=NUMBERS, transform_parameters=RECORD)
    def apply_transform(self, x: NDArray, transform_parameters: Mapping[str, Any]) -> NDArray:
        """Apply given parameters to a picture.

        With a ``spec`` positions, directions and the like turn with the pixels, as in `flow`.

        Args:
            x: rank 3, in the generator's layout.
            transform_parameters: some of what `get_random_transform` returns.

        Returns:
            A new array of the same shape and dtype.
        """
        picture = np.asarray(x)
        if picture.ndim != 3:
            raise ParameterError(
                f"`apply_transform` takes one picture (rank 3), got shape {picture.shape}."
            )
        held = np.moveaxis(picture, self.channel_axis - 1, -1)
        done = apply_parameters(held, transform_parameters, only_picture(classic_spec(self)))
        return np.ascontiguousarray(np.moveaxis(done, -1, self.channel_axis - 1))

    @checked(x=IMAGE, seed=GLOBAL_SEED)
    def random_transform(self, x: NDArray, seed: int | None = None) -> NDArray:
        """Apply drawn parameters to a picture; see `get_random_transform` for the seed."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def _layout_is_last(self) -> bool:
        return self.data_format == "channels_last"

    def _channels_last(self, batch: NDArray) -> NDArray:
        return batch if self._layout_is_last() else np.moveaxis(batch, 1, -1)

    def _in_format(self, batch: NDArray) -> NDArray:
        return batch if self._layout_is_last() else np.ascontiguousarray(np.moveaxis(batch, -1, 1))


_DEPRECATED = {
    "has_ext": "filenames in the dataframe have to match the exact filenames in disk.",
    "sort": "batches will be created in the same order than the filenames provided if shuffle is "
    "set to False.",
    "drop_duplicates": "you can drop duplicates by using the pandas.DataFrame.drop_duplicates "
    "method.",
}


def _deprecated(text: str) -> None:
    warn(text, DeprecationWarning)
