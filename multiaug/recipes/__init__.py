"""Published recipes by name: plain pipelines that print, change, save and load."""

from ._recipe import Recipe as Recipe
from ._recipe import markdown as markdown
from ._recipe import table as table
from ._satellite import torchgeo_l8biome as torchgeo_l8biome
from ._satellite import torchgeo_levircd as torchgeo_levircd
from ._satellite import torchgeo_mmflood as torchgeo_mmflood
from ._segmentation import deeplab as deeplab
from ._segmentation import dinov3_segmentation as dinov3_segmentation
from ._segmentation import mask2former as mask2former
from ._segmentation import mmseg as mmseg
from ._segmentation import torchvision_segmentation as torchvision_segmentation
