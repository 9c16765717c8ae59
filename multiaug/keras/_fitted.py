"""What a generator knows of its data set: fitted, loaded, or assigned by the user."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..statistics import Statistics, load_statistics
from ..transforms import Whiten
from ..typing import NDArray
from ._engine import needed, whitening_of


class FittedStatistics:
    """Mean, std and whitening matrix of a generator; the base of `ImageDataGenerator`."""

    data_format: str
    channel_axis: int
    featurewise_center: bool
    featurewise_std_normalization: bool
    zca_whitening: bool
    zca_epsilon: float
    zca_eps_mode: str
    mean: Any
    std: Any
    statistics: Statistics | None
    _matrix: Any
    _whitening: tuple[Any, Whiten] | None

    def save_statistics(self, path: str | os.PathLike[str]) -> None:
        """Write what `fit` found, for `load_statistics` in this or another program.

        Raises:
            NotFittedError: `fit` has not been called, or found that nothing is needed.
        """
        needed(self.statistics, "save_statistics").save(path)

    def load_statistics(self, path: str | os.PathLike[str]) -> None:
        """Take statistics that `save_statistics`, or `multiaug.fit`, wrote.

        Raises:
            NotFittedError: they do not hold what the settings need.
        """
        found = load_statistics(path)
        self._take(found, next(iter(found.values())).entry)

    @property
    def zca_whitening_matrix(self) -> Any:
        """(d, d) float32, or None; may be assigned.

        Raises:
            ParameterError: it would be too large; batches are whitened without it.
        """
        if self._matrix is None and self.statistics is not None and self.zca_whitening:
            if self.data_format == "channels_last":
                return self.whitening().matrix()
            return _rows_first(self.whitening().matrix(), self._fitted_shape())
        return self._matrix

    @zca_whitening_matrix.setter
    def zca_whitening_matrix(self, value: Any) -> None:
        self._matrix = value

    @property
    def principal_components(self) -> Any:
        """The older name of `zca_whitening_matrix`."""
        return self.zca_whitening_matrix

    @principal_components.setter
    def principal_components(self, value: Any) -> None:
        self._matrix = value

    @property
    def assigned_matrix(self) -> Any:
        """A matrix that the user has assigned; None otherwise."""
        return self._matrix

    def whitening(self) -> Whiten:
        """The transform that whitens.

        Raises:
            NotFittedError: `fit` was not called.
        """
        found = needed(self.statistics, "zca_whitening")
        settings = (id(found), self.zca_epsilon, self.zca_eps_mode)
        if self._whitening is None or self._whitening[0] != settings:
            image = next(label for label in found.values() if "zca" in label).entry
            whiten = whitening_of(found, image, self.zca_epsilon, self.zca_eps_mode)
            self._whitening = settings, whiten
        return self._whitening[1]

    def _take(self, found: Statistics, entry: str) -> None:
        self.statistics, self._whitening, self._matrix = found, None, None
        groups = [g for g in found.values() if g.entry == entry and g.role == "intensity"]
        channels = sum(g.record_shape[-1] for g in groups)
        shape = [1, 1, 1]
        shape[self.channel_axis - 1] = channels
        if "moments" in groups[0]:
            mean = np.concatenate([g.moments.channel_mean() for g in groups])
            std = np.concatenate([g.moments.channel_std() for g in groups])
            self.mean = mean.astype(np.float32).reshape(shape) if self.featurewise_center else None
            wanted = self.featurewise_std_normalization
            self.std = std.astype(np.float32).reshape(shape) if wanted else None

    def _fitted_shape(self) -> tuple[int, ...]:
        assert self.statistics is not None
        return next(iter(self.statistics.values())).record_shape


def _rows_first(matrix: NDArray, shape: tuple[int, ...]) -> NDArray:
    """A matrix over (H, W, C) as one over (C, H, W)."""
    order = np.moveaxis(np.arange(int(np.prod(shape))).reshape(shape), -1, 0).reshape(-1)
    return matrix[np.ix_(order, order)]
