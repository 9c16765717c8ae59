"""SHA-256, by which a file or an array is recognised again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from ..errors import StoreError
from ..typing import NDArray


def sha256_of(*parts: bytes | str) -> str:
    """Return the SHA-256 of some parts, as 64 hex digits.

    Every part is preceded by its length, so ("ab", "c") and ("a", "bc") differ.

    Args:
        parts: bytes, or text (taken as UTF-8).

    Example:
        >>> sha256_of("ab", "c") == sha256_of("a", "bc")
        False
    """
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def array_bytes(array: NDArray) -> memoryview:
    """Return the values of an array in C order as a flat view of bytes.

    Args:
        array: any shape; copied only when it is not contiguous.
    """
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def sha256_array(array: NDArray) -> str:
    """Return the SHA-256 of an array's values in C order (not its shape), as 64 hex digits.

    Args:
        array: any shape; copied only when it is not contiguous.
    """
    return hashlib.sha256(array_bytes(array)).hexdigest()


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content, as 64 hex digits (the same as ``sha256sum``).

    Args:
        path: the file.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error


# A file of up to so many bytes is read whole: a tenth of a second. Of a larger one a quarter of
# that, in pieces that are spread over it evenly.
_WHOLE = 64 * 2**20
_PIECES, _PIECE = 256, 2**16


def sha256_sample(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's size and content, of large files of parts of it.

    Files of up to 64 MiB are read whole. Of larger ones 256 pieces of 64 KiB are, from the first
    bytes to the last: a change of the size, or one that touches more than a 256th of the file in
    one place, is seen for certain.

    Args:
        path: the file.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(str(size).encode())
            if size <= _WHOLE:
                digest.update(hashlib.file_digest(file, "sha256").digest())
                return digest.hexdigest()
            for i in range(_PIECES):
                file.seek(i * (size - _PIECE) // (_PIECES - 1))
                digest.update(file.read(_PIECE))
            return digest.hexdigest()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error
