"""Published recipes by name: plain pipelines that print, change, save and load."""

from ._classification import timm as timm
from ._classification import torchvision_classification as torchvision_classification
from ._clouds import point_transformer as point_transformer
from ._clouds import votenet as votenet
from ._competition import carvana as carvana
from ._competition import kaggle_pneumothorax as kaggle_pneumothorax
from ._depth import bts as bts
from ._depth import depth_anything as depth_anything
from ._depth import dinov3_depth as dinov3_depth
from ._depth import vpd as vpd
from ._depth import yolo_depth as yolo_depth
from ._depth import zoedepth as zoedepth
from ._recipe import Recipe as Recipe
from ._recipe import markdown as markdown
from ._recipe import table as table
from ._rgbd import cmx as cmx
from ._rgbd import esanet as esanet
from ._robotics import openpi as openpi
from ._satellite import torchgeo_l8biome as torchgeo_l8biome
from ._satellite import torchgeo_levircd as torchgeo_levircd
from ._satellite import torchgeo_mmflood as torchgeo_mmflood
from ._segmentation import deeplab as deeplab
from ._segmentation import dinov3_segmentation as dinov3_segmentation
from ._segmentation import mask2former as mask2former
from ._segmentation import mmseg as mmseg
from ._segmentation import torchvision_segmentation as torchvision_segmentation
