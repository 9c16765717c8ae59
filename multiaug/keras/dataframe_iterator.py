"""`DataFrameIterator`: batches of the pictures that a pandas data frame names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import PATH, TEXT, TEXTS, Kind, checked, optional
from ..errors import ParameterError, warn
from ..typing import NDArray
from ._files import BatchFromFilesMixin
from ._kinds import FILES, SWITCH
from .utils import validate_filename

if TYPE_CHECKING:
    from .image_data_generator import ImageDataGenerator

_WITHOUT_CLASSES = ("input", "multi_output", "raw", None)


def _is_frame(value: Any) -> bool:
    return hasattr(value, "iloc") and hasattr(value, "columns")


def _are_columns(value: Any) -> bool:
    return isinstance(value, str) or (TEXTS.accepts(value) and len(value) > 0)


class DataFrameIterator(BatchFromFilesMixin):
    """Batches of the pictures whose names stand in a column of a data frame.

    Args:
        dataframe: a `pandas.DataFrame`; it is not changed.
        directory: that the names are below; None for whole paths.
        image_data_generator: of the augmentation; None hands pictures out as they are.
        x_col: the column of names.
        y_col: the column, or columns, of labels.
        weight_col: the column of weights, or None.
        target_size: (height, width) that every picture is brought to.
        color_mode: see `DirectoryIterator`.
        classes: labels to keep; by default all.
        class_mode: ``categorical`` (one-hot; lists of labels set several), ``binary``,
            ``sparse``, ``input``, ``raw`` (the values of ``y_col``), ``multi_output`` (a list
            with the values of every column) or None.
        batch_size: pictures per batch.
        shuffle: another order in every epoch.
        seed: of order and augmentation.
        data_format: channels_last or channels_first.
        save_to_dir: a folder for pictures to look at; made where it does not exist.
        save_prefix: of their names.
        save_format: of the files.
        subset: ``training`` or ``validation``; the first rows are for validation.
        interpolation: see `DirectoryIterator`.
        keep_aspect_ratio: likewise.
        dtype: of the batches.
        validate_filenames: leave out names that are no picture files, with a warning that
            counts them.
        copies: how often each picture comes in an epoch.

    Raises:
        ParameterError: modes, classes or subsets that there are not.
        TypeError: columns that hold something else than the mode needs.
    """

    allowed_class_modes = ("binary", "categorical", "input", "multi_output", "raw", "sparse", None)

    @checked(
        dataframe=Kind("a pandas DataFrame", _is_frame),
        directory=optional(PATH),
        x_col=TEXT,
        y_col=optional(Kind("the name of a column, or a list of names", _are_columns)),
        weight_col=optional(TEXT),
        validate_filenames=SWITCH,
        **FILES,
    )
    def __init__(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        image_data_generator: ImageDataGenerator | None = None,
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
        data_format: str | None = "channels_last",
        save_to_dir: str | os.PathLike[str] | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = "float32",
        validate_filenames: bool = True,
        *,
        copies: int = 1,
    ) -> None:
        self.set_processing_attrs(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
        )
        frame = dataframe.copy()
        self.directory = os.fspath(directory) if directory else ""
        self.class_mode = class_mode
        self.dtype = np.dtype("float32" if dtype is None else dtype).name
        listed: list[str] = []
        if class_mode not in (None, "input"):
            listed = [y_col] if isinstance(y_col, str) else list(y_col or ())
            if not listed:
                raise ParameterError(
                    f'`y_col` must name a column for class_mode="{class_mode}", got None. Use '
                    "class_mode=None where there are no labels."
                )
        for column in (x_col, *listed, weight_col):
            if column is not None and column not in frame.columns:
                raise ParameterError(
                    f"The data frame has no column {column!r}; it has {list(frame.columns)}. Name "
                    "the columns with x_col, y_col and weight_col."
                )
        self._check(frame, x_col, y_col, weight_col, classes)
        if validate_filenames:
            frame = self._valid(frame, x_col)
        with_classes = class_mode not in _WITHOUT_CLASSES
        if with_classes:
            frame, names = _filtered(frame, y_col, classes)
            self.class_indices = {name: number for number, name in enumerate(names)}
        if self.split is not None:
            first, last = (int(share * len(frame)) for share in self.split)
            frame = frame.iloc[first:last]
        if with_classes:
            self.classes = [self._numbers(label) for label in frame[y_col]]
        self._targets: Any = None
        if class_mode == "multi_output":
            self._targets = [np.array(frame[column].tolist()) for column in y_col]
        if class_mode == "raw":
            self._targets = frame[y_col].to_numpy()
        self.filenames: list[str] = frame[x_col].tolist()
        self._sample_weight = frame[weight_col].to_numpy() if weight_col else None
        self.samples = len(self.filenames)
        kind = "validated" if validate_filenames else "non-validated"
        of = f" belonging to {len(self.class_indices)} classes" if with_classes else ""
        print(f"Found {self.samples} {kind} image filenames{of}.")
        self._filepaths = [os.path.join(self.directory, n) for n in self.filenames]  # noqa: PTH118
        self._ready()
        super().__init__(
            self.samples,
            copies,
            image_data_generator,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
        )

    def _check(self, frame: Any, x_col: str, y_col: Any, weight_col: Any, classes: Any) -> None:
        """Columns must hold what the mode needs."""
        mode = self.class_mode
        if mode not in self.allowed_class_modes:
            raise ParameterError(
                f"Invalid class_mode: {mode}; expected one of: {self.allowed_class_modes}"
            )
        if mode == "multi_output" and not isinstance(y_col, list):
            raise TypeError(
                f'If class_mode="{mode}", y_col must be a list. Received {type(y_col).__name__}.'
            )
        if not all(isinstance(name, str) for name in frame[x_col]):
            raise TypeError(f"All values in column x_col={x_col} must be strings.")
        if mode in ("binary", "sparse") and not all(isinstance(v, str) for v in frame[y_col]):
            raise TypeError(
                f'If class_mode="{mode}", y_col="{y_col}" column values must be strings.'
            )
        if mode == "binary":
            count = len(set(classes)) if classes else frame[y_col].nunique()
            if count != 2:
                what = f"{count} class/es were given." if classes else f"Found {count} classes."
                raise ParameterError(f'If class_mode="binary" there must be 2 classes. {what}')
        if mode == "categorical" and not all(
            isinstance(v, str | list | tuple) for v in frame[y_col]
        ):
            raise TypeError(
                f'If class_mode="{mode}", y_col="{y_col}" column values must be type string, list '
                "or tuple."
            )
        if classes and mode in _WITHOUT_CLASSES:
            warn(f'`classes` will be ignored given the class_mode="{mode}"', UserWarning)
        if weight_col and not np.issubdtype(_dtype(frame[weight_col]), np.number):
            raise TypeError(f"Column weight_col={weight_col} must be numeric.")

    def _valid(self, frame: Any, x_col: str) -> Any:
        valid = np.array(
            [
                validate_filename(os.path.join(self.directory, n), self.white_list_formats)  # noqa: PTH118
                for n in frame[x_col]
            ],
            bool,
        )
        if not valid.all():
            warn(
                f'Found {(~valid).sum()} invalid image filename(s) in x_col="{x_col}". These '
                "filename(s) will be ignored.",
                UserWarning,
            )
        return frame[valid]

    def _numbers(self, label: Any) -> Any:
        if isinstance(label, list | tuple):
            return [self.class_indices[name] for name in label]
        return self.class_indices[label]

    @property
    def filepaths(self) -> list[str]:
        """Paths of the files."""
        return self._filepaths

    @property
    def labels(self) -> Any:
        """The number of the class of every file; or the values of ``y_col``."""
        return self._targets if self.class_mode in ("multi_output", "raw") else self.classes

    @property
    def sample_weight(self) -> NDArray | None:
        """Weights of every file, or None."""
        return self._sample_weight


def _dtype(column: Any) -> Any:
    """The NumPy type of a column; that of objects for pandas' own types."""
    return column.dtype.type if isinstance(column.dtype, np.dtype) else np.object_


def _filtered(frame: Any, y_col: str, classes: Any) -> tuple[Any, list[str]]:
    """Rows with a label that is wanted, with nothing but wanted labels; and the labels."""
    found: set[str] = set()
    kept = []
    for label in frame[y_col]:
        several = isinstance(label, list | tuple)
        if not several and not isinstance(label, str):
            raise TypeError(
                f"Expect string, list or tuple but found {type(label)} in {y_col} column"
            )
        names = [n for n in (label if several else [label]) if not classes or n in classes]
        found.update(names)
        kept.append((names if several else names[0]) if names else None)
    frame = frame.copy()
    keep = np.array([label is not None for label in kept], bool)
    frame[y_col] = np.fromiter(kept, object, len(kept))
    # Given classes are numbered in the order given, as Keras 3 has it; found ones are sorted.
    return frame[keep], list(dict.fromkeys(classes)) if classes else sorted(found)
