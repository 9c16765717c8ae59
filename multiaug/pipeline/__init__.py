"""Pipelines: plan, resample, finish; keys, batches, devices."""

import typing as _typing

from ..errors import old_names as _old_names
from ._explain import Explanation as Explanation
from ._pipeline import PIPELINE_KIND as PIPELINE_KIND
from ._pipeline import Pipeline as Pipeline
from ._views import Views as Views
from .buffers._indexed import IndexedBatch as IndexedBatch
from .checks._inspect import inspect_batch as inspect_batch
from .checks._inspect import inspect_first as inspect_first
from .program._keys import record_keys as record_keys
from .program._keys import short_seed as short_seed
from .program._mix import first_mixing as first_mixing
from .program._params import RecordParams as RecordParams
from .program._reads import entries_read as entries_read

if not _typing.TYPE_CHECKING:  # type checkers are to know of the new names only
    __getattr__ = _old_names(
        __name__,
        {
            "Rows": "IndexedBatch",
            "enable_compilation_cache": "multiaug.runtime:enable_compilation_cache",
            "keep_freed_memory": "multiaug.runtime:keep_freed_memory",
            "tune_malloc": "multiaug.runtime:tune_malloc",
        },
    )
