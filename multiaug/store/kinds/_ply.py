"""Organised clouds in .ply files, as Open3D, PCL and scanners write them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..._arguments import checked
from ...errors import ParameterError
from ...spec import SPEC_KIND
from ...typing import SpatialShape
from .._kinds import SourceTraits, register_source
from ..clouds._cloud_file import Cloud
from ..clouds._clouds import CloudSource
from ..clouds._ply import read_ply

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ...spec import DataSpec


@register_source
class PlySource(CloudSource):
    """Organised clouds in .ply files: ascii, binary_little_endian or binary_big_endian.

    The grid is what ``obj_info num_cols`` and ``num_rows`` say, or the viewport of a camera (PCL);
    with a ``range_grid`` places without a point are no data. Open3D writes neither, so its grid
    is ``shape``. All else is as for `CloudSource`.

    Args:
        path: a folder with .ply files, one file, or a list of them.
        spec: what the entries are.
        shape: (rows, columns) of the grid, for files that do not say it.
        intrinsics: see `CloudSource`.

    Raises:
        StoreError: no clouds, unorganised ones, or damaged ones.
        RecordError: a cloud lacks what the spec declares, or is not like the first one.
    """

    traits = SourceTraits("ply", ".ply clouds", suffixes=(".ply",), folders=True)

    @checked(spec=SPEC_KIND)
    def __init__(
        self,
        path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        spec: DataSpec,
        *,
        shape: SpatialShape | None = None,
        intrinsics: Literal["estimate"] | ArrayLike = "estimate",
    ) -> None:
        if shape is not None and (len(shape) != 2 or min(shape) < 2):
            raise ParameterError(
                f"`PlySource.shape` must be (rows, columns) of at least 2, got {shape!r}."
            )
        self._shape = shape
        super().__init__(path, spec, intrinsics=intrinsics)

    def _cloud(self, file: Path) -> Cloud:
        return read_ply(file, self._shape)
