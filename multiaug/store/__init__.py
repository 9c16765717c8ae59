"""Sources of records, and stores to write them to. NumPy and zarr, never JAX."""

from ._adapt import chunked as chunked
from ._adapt import is_source as is_source
from ._arrays import ArraySource as ArraySource
from ._by_position import RecordReader as RecordReader
from ._clouds import CloudSource as CloudSource
from ._group import DESTINATION_KIND as DESTINATION_KIND
from ._group import Destination as Destination
from ._group import is_store as is_store
from ._group import refuse_inside as refuse_inside
from ._npy import NpySource as NpySource
from ._ome import OmeSource as OmeSource
from ._ome_write import write_ome as write_ome
from ._open import open_source as open_source
from ._pictures import PictureSource as PictureSource
from ._pool import BufferPool as BufferPool
from ._pool import aligned as aligned
from ._remote import RemoteWriter as RemoteWriter
from ._sharded import ShardedWriter as ShardedWriter
from ._source import Block as Block
from ._source import BlockId as BlockId
from ._source import ChunkedSource as ChunkedSource
from ._source import Source as Source
from ._source import Structure as Structure
from ._write import write_zarr as write_zarr
from ._zarr import ZarrSource as ZarrSource
