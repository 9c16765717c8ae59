"""Sources of records: arrays in memory and zarr stores. NumPy and zarr, never JAX."""

from ._arrays import ArraySource as ArraySource
from ._open import open_source as open_source
from ._pool import BufferPool as BufferPool
from ._pool import aligned as aligned
from ._source import Block as Block
from ._source import BlockId as BlockId
from ._source import ChunkedSource as ChunkedSource
from ._source import Source as Source
from ._source import Structure as Structure
from ._write import write_zarr as write_zarr
from ._zarr import ZarrSource as ZarrSource
