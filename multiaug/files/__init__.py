"""Writing to disk so that a reader sees all of it or none of it. NumPy and zarr only."""

from ._arrays import ATTRIBUTE as ATTRIBUTE
from ._arrays import create_array as create_array
from ._atomic import MayReplace as MayReplace
from ._atomic import discard as discard
from ._atomic import put_in_place as put_in_place
from ._atomic import refuse_existing as refuse_existing
from ._atomic import remove_remains as remove_remains
from ._atomic import replace_file as replace_file
from ._atomic import staged_directory as staged_directory
from ._atomic import writing as writing
from ._claim import claimed as claimed
from ._digest import array_bytes as array_bytes
from ._digest import sha256_array as sha256_array
from ._digest import sha256_file as sha256_file
from ._digest import sha256_of as sha256_of
from ._digest import sha256_sample as sha256_sample
