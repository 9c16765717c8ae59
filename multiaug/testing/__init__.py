"""Strategies and contract checks, for the library and for what is your own.

The strategies need hypothesis; nothing outside this package imports it.
"""

from ._compilations import compilations as compilations
from ._contents import Content as Content
from ._contents import make_record as make_record
from ._roles import check_role as check_role
from ._sources import check_source as check_source
from ._strategies import keys as keys
from ._strategies import organised_clouds as organised_clouds
from ._strategies import records as records
from ._strategies import seeds as seeds
from ._transforms import check_transform as check_transform
