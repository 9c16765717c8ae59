"""One array (N, H, W, C), or a list of images, for a spec that has one entry to put them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arguments import checked, whole
from ...errors import ParameterError, RecordError
from ...spec import SPEC_KIND
from .._arrays import ArraySource
from .._candidate import Candidate
from .._kinds import SourceTraits, register_source

if TYPE_CHECKING:
    from ...spec import DataSpec


@register_source
class FrameSource(ArraySource):
    """Records in one array whose first axis is the records, or in a list of arrays, one for each.

    Args:
        frames: (N, H, W, C), or (N, H, W) where the spec says one channel; or a list of images of
            one size, which is copied to one array.
        spec: what the entries are; exactly one of them is required, and the array is that.
        block: records per block.

    Raises:
        ParameterError: the spec requires several entries, or none.
        RecordError: the images differ in size or dtype, or are not what the spec says.
    """

    traits = SourceTraits("frames", "arrays of frames")

    @checked(spec=SPEC_KIND, block=whole(1))
    def __init__(self, frames: Any, spec: DataSpec, *, block: int = 64) -> None:
        required = [name for name, entry in spec.entries.items() if not entry.optional]
        if len(required) != 1:
            raise ParameterError(
                f"open_source: one array cannot hold the entries {required} of the spec "
                f"{spec.name!r}. Pass a mapping: open_source({{'name': array, ..}}, spec)."
            )
        array = _one_array(frames, required[0]) if isinstance(frames, list | tuple) else frames
        super().__init__({required[0]: array}, spec, block=block)

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """An array, or a list of nothing but arrays."""
        data = candidate.data
        if isinstance(data, list | tuple):
            return bool(data) and all(isinstance(part, np.ndarray) for part in data)
        return isinstance(data, np.ndarray)


def _one_array(frames: list[Any] | tuple[Any, ...], name: str) -> Any:
    first = frames[0]
    for number, frame in enumerate(frames):
        if (frame.shape, frame.dtype) != (first.shape, first.dtype):
            raise RecordError(
                f"record {number}: {name!r} is {frame.dtype} {frame.shape}, expected "
                f"{first.dtype} {first.shape} as in record 0. Bring the images to one size, or "
                "send them through a pipeline that does: multiaug.map_batches."
            )
    return np.stack(frames)
