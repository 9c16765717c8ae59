"""Writing to disk so that a reader sees all of it or none of it. NumPy and stdlib only."""

from ._atomic import replace_file as replace_file
from ._atomic import staged_directory as staged_directory
from ._digest import array_bytes as array_bytes
from ._digest import sha256_array as sha256_array
from ._digest import sha256_file as sha256_file
from ._digest import sha256_of as sha256_of
