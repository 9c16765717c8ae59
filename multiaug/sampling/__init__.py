"""Role-free resampling: channels, modes, validity, borders. All gathers of multiaug live here."""

from ._batch import Form as Form
from ._batch import Loop as Loop
from ._batch import resample as resample
from ._compiled import Compiled as Compiled
from ._compiled import Geometry as Geometry
from ._compiled import can_check as can_check
from ._compiled import compiled as compiled
from ._compiled import compiled_is_available as compiled_is_available
from ._dtype import cast as cast
from ._dtype import constant as constant
from ._dtype import is_float as is_float
from ._loop import Carry as Carry
from ._loop import first_carry as first_carry
from ._plan import Band as Band
from ._plan import Coded as Coded
from ._plan import Exact as Exact
from ._plan import Job as Job
from ._plan import LowPass as LowPass
from ._plan import Pointwise as Pointwise
from ._plan import Site as Site
from ._plan import Task as Task
from ._plan import ratio as ratio
