"""Pipelines: plan, resample, finish; keys, batches, devices."""

from ._inspect import inspect_batch as inspect_batch
from ._inspect import inspect_first as inspect_first
from ._keys import record_keys as record_keys
from ._keys import short_seed as short_seed
from ._params import RecordParams as RecordParams
from ._pipeline import PIPELINE_KIND as PIPELINE_KIND
from ._pipeline import Pipeline as Pipeline
from ._rows import Rows as Rows
from ._tuning import enable_compilation_cache as enable_compilation_cache
from ._tuning import keep_freed_memory as keep_freed_memory
from ._tuning import tune_malloc as tune_malloc
