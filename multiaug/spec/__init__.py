"""Specs: what the entries of a record are, read from JSON or built in Python."""

import typing as _typing

from ..errors import old_names as _old_names
from ._dtypes import ALL_DTYPES as ALL_DTYPES
from ._files import load_spec as load_spec
from ._files import shipped_specs as shipped_specs
from ._model import CameraSpec as CameraSpec
from ._model import ChannelGroup as ChannelGroup
from ._model import Entries as Entries
from ._model import EntrySpec as EntrySpec
from ._records import check_structure as check_structure
from ._rows import absent_row as absent_row
from ._rows import capacities as capacities
from ._rows import refuse_rows_apart as refuse_rows_apart
from ._spec import SPEC_KIND as SPEC_KIND
from ._spec import DataSpec as DataSpec
from ._traits import BORDERS as BORDERS
from ._traits import INTERPOLATIONS as INTERPOLATIONS
from ._traits import ROLE_TRAITS as ROLE_TRAITS
from ._traits import RoleTraits as RoleTraits
from ._traits import register_role as register_role
from ._traits import replace_role as replace_role
from ._traits import role_generation as role_generation
from ._values import check_values as check_values
from ._values import is_sound as is_sound

if not _typing.TYPE_CHECKING:  # type checkers are to know of the new names only
    __getattr__ = _old_names(
        __name__,
        {
            "ROLE_FACTS": "ROLE_TRAITS",
            "RoleFacts": "RoleTraits",
        },
    )
