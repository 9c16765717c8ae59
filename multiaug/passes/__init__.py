"""Passes over a source: fitting statistics, writing what a pipeline makes of it, converting."""

from ._bar import Bar as Bar
from ._convert import convert as convert
from ._convert import map_batches as map_batches
from ._export import export as export
from ._fit import fit as fit
from ._runner import ADAPTERS as ADAPTERS
from ._runner import Runner as Runner
from ._runner import SerialRunner as SerialRunner
from ._runner import ThreadRunner as ThreadRunner
from ._runner import Work as Work
from ._runner import as_runner as as_runner
from ._write_ome import write_ome as write_ome
