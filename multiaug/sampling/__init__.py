"""Role-free resampling: channels, modes, validity, borders. All gathers of multiaug live here."""

import typing as _typing

from .._native import compiled_is_available as compiled_is_available
from ..errors import old_names as _old_names
from ._batch import Form as Form
from ._batch import resample as resample
from ._batch import resample_record as resample_record
from ._bound import Bound as Bound
from ._bound import Flight as Flight
from ._bound import Geometry as Geometry
from ._compiled import Compiled as Compiled
from ._compiled import Division as Division
from ._compiled import can_check as can_check
from ._compiled import divide as divide
from ._compiled import is_counted as is_counted
from ._custom_call import custom_call_refused as custom_call_refused
from ._dtype import beside as beside
from ._dtype import cast as cast
from ._dtype import constant as constant
from ._dtype import is_float as is_float
from ._dtype import library_of as library_of
from ._ffi import call_in_program as call_in_program
from ._plan import Band as Band
from ._plan import Job as Job
from ._plan import LowPass as LowPass
from ._plan import Pointwise as Pointwise
from ._plan import SampleContext as SampleContext
from ._plan import Task as Task
from ._plan import materialize_on_gpu as materialize_on_gpu
from ._plan import prepared_record as prepared_record
from ._plan import ratio as ratio
from ._pointwise import PointwiseProgram as PointwiseProgram
from ._pointwise import can_run_pointwise as can_run_pointwise
from ._pointwise import elements_of as elements_of
from ._pointwise import run_pointwise as run_pointwise
from ._pointwise import sampled_into as sampled_into
from ._rules import NativeRules as NativeRules

if not _typing.TYPE_CHECKING:  # type checkers are to know of the new names only
    __getattr__ = _old_names(
        __name__,
        {
            "Site": "SampleContext",
            "written_down": "materialize_on_gpu",
            "Recolouring": "PointwiseProgram",
            "can_recolour": "can_run_pointwise",
            "recolour": "run_pointwise",
        },
    )
