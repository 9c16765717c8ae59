"""How chunks are decoded. A codec is one file here, and a line below that imports it."""

from . import _blosc as _blosc
from . import _crc32c as _crc32c
from . import _deflate as _deflate
from . import _lz4 as _lz4
from . import _zstd as _zstd
from ._chain import Chain as Chain
from ._chain import Sharding as Sharding
from ._chain import read_chain as read_chain
from ._crc32c import strip_crc32c as strip_crc32c
from ._step import Codec as Codec
from ._step import DamageError as DamageError
from ._step import Step as Step
from ._step import decode_into as decode_into
from ._step import register_codec as register_codec
