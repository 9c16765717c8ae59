"""The peers of this table, one file each; what does not import is a line in the report."""

FILES = ("opencv", "pillow", "torch", "torchvision", "kornia", "torchtransform", "albumentations")
