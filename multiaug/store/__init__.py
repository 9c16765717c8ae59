"""Sources of records, and stores to write them to. NumPy and zarr, never JAX."""

from ._arrays import ArraySource as ArraySource
from ._clouds import CloudSource as CloudSource
from ._group import Destination as Destination
from ._group import is_store as is_store
from ._npy import NpySource as NpySource
from ._ome import OmeSource as OmeSource
from ._ome_write import write_ome as write_ome
from ._open import open_source as open_source
from ._pictures import PictureSource as PictureSource
from ._pool import BufferPool as BufferPool
from ._pool import aligned as aligned
from ._ragged import padded as padded
from ._remote import RemoteWriter as RemoteWriter
from ._sharded import ShardedWriter as ShardedWriter
from ._source import Block as Block
from ._source import BlockId as BlockId
from ._source import ChunkedSource as ChunkedSource
from ._source import Source as Source
from ._source import Structure as Structure
from ._write import write_zarr as write_zarr
from ._zarr import ZarrSource as ZarrSource
