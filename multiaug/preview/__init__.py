"""Pictures for people: what a record holds, and what a pipeline did to it."""

from ._marks import draw_tables as draw_tables
from ._marks import entry_of as entry_of
from ._marks import outline_labels as outline_labels
from ._render import Limits as Limits
from ._render import limits_of as limits_of
from ._render import record_limits as record_limits
from ._render import render as render
from ._render import render_record as render_record
from ._sheet import contact_sheet as contact_sheet
from ._show import alike_entries as alike_entries
from ._show import show as show
from ._show import without_ranges as without_ranges
from ._statistics import statistics_sheet as statistics_sheet
from .report import report as report
