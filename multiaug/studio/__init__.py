"""A local page where every transform of a pipeline has sliders, and the record follows."""

from ._serve import Studio as Studio
from ._serve import serve as serve
