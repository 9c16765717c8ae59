"""Sources of records, and stores to write them to. NumPy and zarr, never JAX."""

import typing as _typing

from ..errors import old_names as _old_names
from ._adapt import chunked as chunked
from ._adapt import is_sequential as is_sequential
from ._adapt import is_source as is_source
from ._arrays import ArraySource as ArraySource
from ._block_source import BlockSource as BlockSource
from ._by_position import RecordReader as RecordReader
from ._candidate import Candidate as Candidate
from ._kinds import SourceTraits as SourceTraits
from ._kinds import register_source as register_source
from ._npy import NpySource as NpySource
from ._open import is_recognised as is_recognised
from ._open import open_source as open_source
from ._pool import BufferPool as BufferPool
from ._pool import aligned as aligned
from ._ragged import padded as padded
from ._record_source import RecordSource as RecordSource
from ._rows import RowSource as RowSource
from ._source import Block as Block
from ._source import BlockId as BlockId
from ._source import ChunkedSource as ChunkedSource
from ._source import SequentialSource as SequentialSource
from ._source import Source as Source
from ._source import Structure as Structure
from ._source import read_records as read_records
from ._stream import RecordStream as RecordStream
from ._value_maps import ValueMaps as ValueMaps
from .clouds._clouds import CloudSource as CloudSource
from .codecs import register_codec as register_codec
from .decode._decode import read_picture as read_picture
from .folder._pictures import PictureSource as PictureSource
from .guessing import Guess as Guess
from .guessing import guess_spec as guess_spec
from .ome._ome import OmeSource as OmeSource
from .ome._ome_metadata import OME_VERSIONS as OME_VERSIONS
from .writing import BlockWriter as BlockWriter
from .writing import Contents as Contents
from .writing import FolderPlace as FolderPlace
from .writing import OmeSink as OmeSink
from .writing import Sink as Sink
from .writing import StorePlace as StorePlace
from .writing import Writer as Writer
from .writing import open_writer as open_writer
from .writing import write_zarr as write_zarr
from .zarr._group import DESTINATION_KIND as DESTINATION_KIND
from .zarr._group import Destination as Destination
from .zarr._group import is_store as is_store
from .zarr._group import refuse_inside as refuse_inside
from .zarr._requests import MOST_REQUESTS as MOST_REQUESTS
from .zarr._requests import Fetching as Fetching
from .zarr._requests import Requests as Requests
from .zarr._requests import chunks_of_a_job as chunks_of_a_job
from .zarr._zarr import ZarrSource as ZarrSource
from .zarr._zarr import requests_of as requests_of

if not _typing.TYPE_CHECKING:  # type checkers are to know of the new names only
    __getattr__ = _old_names(__name__, {"write_ome": "multiaug.passes:write_ome"})
