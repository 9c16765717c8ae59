"""Pipelines: plan, resample, finish; keys, batches, devices."""

from ._params import RecordParams as RecordParams
from ._pipeline import Pipeline as Pipeline
