"""Writing records: what goes where, how it is stored, and how an interrupted write goes on."""

from ._contents import Contents as Contents
from ._contents import chunk_records as chunk_records
from ._folder_place import FolderPlace as FolderPlace
from ._formats import Format as Format
from ._formats import Plain as Plain
from ._ome import OmeSink as OmeSink
from ._place import Place as Place
from ._store_place import StorePlace as StorePlace
from ._stream import write_zarr as write_zarr
from ._writer import BlockWriter as BlockWriter
from ._writer import Sink as Sink
from ._writer import Writer as Writer
from ._writer import open_writer as open_writer
