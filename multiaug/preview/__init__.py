"""Pictures for people: what a record holds, and what a pipeline did to it."""

from ._render import Limits as Limits
from ._render import limits_of as limits_of
from ._render import record_limits as record_limits
from ._render import render as render
from ._render import render_record as render_record
from ._sheet import contact_sheet as contact_sheet
from ._show import show as show
from ._statistics import statistics_sheet as statistics_sheet
from .report import report as report
