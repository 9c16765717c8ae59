"""Which pipeline helps: differences between trainings, and whether they are more than noise."""

from ._compare import compare as compare
from ._comparison import Comparison as Comparison
from ._interval import Difference as Difference
from ._interval import paired_difference as paired_difference
