"""Passes over a source: exporting, converting, and where the work is done."""

from ._convert import convert as convert
from ._convert import map_batches as map_batches
from ._export import export as export
from ._runner import ADAPTERS as ADAPTERS
from ._runner import Runner as Runner
from ._runner import SerialRunner as SerialRunner
from ._runner import ThreadRunner as ThreadRunner
from ._runner import Work as Work
from ._runner import as_runner as as_runner
