"""Pipelines of other libraries, translated: albumentations' documents, torchvision's objects."""

from ._albumentations import from_albumentations as from_albumentations
from ._rules import counterparts as counterparts
from ._rules import markdown as markdown
from ._torchvision import from_torchvision as from_torchvision
from ._translation import Translation as Translation
