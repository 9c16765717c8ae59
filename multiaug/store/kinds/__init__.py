"""Kinds of sources, one file each; a new one is a line more here."""

from ._annotated import AnnotatedSource as AnnotatedSource
from ._frames import FrameSource as FrameSource
from ._hdf5 import HDF5Source as HDF5Source
from ._npy_records import NpyRecordSource as NpyRecordSource
from ._parquet import ParquetSource as ParquetSource
from ._ply import PlySource as PlySource
from ._tar import TarSource as TarSource
from ._tiff import TiffSource as TiffSource
from ._xarray import XarraySource as XarraySource
