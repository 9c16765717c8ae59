"""Passes over a source: fitting statistics, writing what a pipeline makes of it."""

from ._fit import fit as fit
from ._materialize import materialize as materialize
