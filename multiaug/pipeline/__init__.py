"""Pipelines: plan, resample, finish; keys, batches, devices."""

from ._explain import Explanation as Explanation
from ._pipeline import PIPELINE_KIND as PIPELINE_KIND
from ._pipeline import Pipeline as Pipeline
from .buffers._indexed import IndexedBatch as IndexedBatch
from .checks._inspect import inspect_batch as inspect_batch
from .checks._inspect import inspect_first as inspect_first
from .program._keys import record_keys as record_keys
from .program._keys import short_seed as short_seed
from .program._params import RecordParams as RecordParams
