"""`write_ome`: a data set to look at in viewers of microscopy."""

from __future__ import annotations

from typing import Any

from .._arguments import FLAG, checked, one_of, optional, whole
from ..store import DESTINATION_KIND, OME_VERSIONS, Destination, OmeSink, Source
from ._export import export


@checked(
    dest=DESTINATION_KIND,
    levels=optional(whole(1)),
    version=one_of(*OME_VERSIONS),
    overwrite=FLAG,
    progress=optional(FLAG),
    check=FLAG,
)
def write_ome(
    source: Source,
    dest: Destination,
    *,
    levels: int | None = None,
    version: str = "0.5",
    overwrite: bool = False,
    progress: bool | None = None,
    check: bool = True,
) -> Any:
    """Write a data set as OME-NGFF, to look at it in napari and other viewers of microscopy.

    The records become the axis t, channels come first. The image that the geometry of the spec
    refers to is the image of the group, those of labels are in ``labels``, others in groups of
    their own. Pixels of a coarser level are means of intensities; of labels and of everything
    else, and where values mark pixels without data, one pixel out of the finer ones. The spec goes
    into the attributes, so `open_source` needs none. For training keep `multiaug.export`: its
    chunks are the records as they are.

    It is ``export(source, None, OmeSink(dest, levels=.., version=..))``, which also takes a
    pipeline, copies and a scheduler; like that it goes on after a stop.

    Args:
        source: the records, such as an export.
        dest: the folder to make, or an open, writable store of zarr's.
        levels: resolutions, each half of the one before; by default as many as leave 64 pixels.
        version: of OME-NGFF: 0.5, which is zarr version 3, or 0.4, version 2.
        overwrite: replace a zarr store at ``dest``, when the new one is complete.
        progress: show a progress bar; by default on terminals.
        check: as in `export`.

    Returns:
        ``dest``.

    Raises:
        StoreError: ``dest`` exists or cannot be written, or zarr cannot hold a dtype.
        ParameterError: another version, or more levels than the images have pixels.

    References:
        https://ngff.openmicroscopy.org/0.5/

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> source = ma.open_source({"image": np.zeros((3, 128, 128, 3), np.uint8)}, spec)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ma.write_ome(source, f"{folder}/look.ome.zarr")
        ...     ma.open_source(path, level=1).read([0])["image"].shape
        (1, 64, 64, 3)
    """
    sink = OmeSink(dest, levels=levels, version=version)
    return export(source, None, sink, overwrite=overwrite, progress=progress, check=check)
