"""What a pipeline is made of: one frozen dataclass per operation."""

import typing as _typing

from ..errors import old_names as _old_names
from . import converters as converters
from ._affine import Affine as Affine
from ._affine import Flip as Flip
from ._affine import Rotate as Rotate
from ._affine import Scale as Scale
from ._affine import Shear as Shear
from ._affine import Translate as Translate
from ._augmix import AugMix as AugMix
from ._base import Container as Container
from ._base import Finishing as Finishing
from ._base import Frame as Frame
from ._base import Geometric as Geometric
from ._base import Params as Params
from ._base import Photometric as Photometric
from ._base import Step as Step
from ._base import Target as Target
from ._base import Transform as Transform
from ._base import always as always
from ._base import static as static
from ._base import transform as transform
from ._blur import GaussianBlur as GaussianBlur
from ._blur import MedianBlur as MedianBlur
from ._blur import MotionBlur as MotionBlur
from ._blur import Sharpen as Sharpen
from ._channel_shuffle import ChannelShuffle as ChannelShuffle
from ._clahe import CLAHE as CLAHE
from ._coarse_dropout import CoarseDropout as CoarseDropout
from ._colour import ColorTemperature as ColorTemperature
from ._colour import Grey as Grey
from ._colour import HueSaturation as HueSaturation
from ._colour import Saturation as Saturation
from ._containers import Maybe as Maybe
from ._containers import OneOf as OneOf
from ._containers import Shuffle as Shuffle
from ._containers import SomeOf as SomeOf
from ._containers import as_transforms as as_transforms
from ._contrast import Contrast as Contrast
from ._contrast import Gain as Gain
from ._contrast import Gamma as Gamma
from ._copypaste import CopyPaste as CopyPaste
from ._cutmix import CutMix as CutMix
from ._cutmix import Mosaic as Mosaic
from ._documents import from_config as from_config
from ._documents import to_config as to_config
from ._dropout import ChannelDropout as ChannelDropout
from ._dropout import ModalityDropout as ModalityDropout
from ._erase import Erase as Erase
from ._fields import BiasField as BiasField
from ._fields import BrightnessGradient as BrightnessGradient
from ._fields import LocalGamma as LocalGamma
from ._fields import RandomShadow as RandomShadow
from ._frames import Crop as Crop
from ._frames import Pad as Pad
from ._frames import RandomResizedCrop as RandomResizedCrop
from ._frames import Resize as Resize
from ._grid_mask import GridMask as GridMask
from ._instances import BoxesFromMasks as BoxesFromMasks
from ._instances import RelabelInstances as RelabelInstances
from ._jitter import ColorJitter as ColorJitter
from ._jitter import PhotometricDistortion as PhotometricDistortion
from ._label_maps import DistanceMap as DistanceMap
from ._label_maps import Edges as Edges
from ._label_maps import Regions as Regions
from ._label_maps import Scales as Scales
from ._levels import AutoContrast as AutoContrast
from ._levels import Equalize as Equalize
from ._levels import HistogramShift as HistogramShift
from ._levels import Invert as Invert
from ._levels import Posterize as Posterize
from ._levels import Solarize as Solarize
from ._mixup import MixUp as MixUp
from ._noise import GaussianNoise as GaussianNoise
from ._noise import RicianNoise as RicianNoise
from ._noise import SaltAndPepper as SaltAndPepper
from ._noise import ShotNoise as ShotNoise
from ._noise import SpeckleNoise as SpeckleNoise
from ._normalize_record import NormalizeRecord as NormalizeRecord
from ._normalize_record import RescaleIntensity as RescaleIntensity
from ._onehot import OneHot as OneHot
from ._operations import Clip as Clip
from ._operations import Noise as Noise
from ._operations import Operation as Operation
from ._operations import PowerLaw as PowerLaw
from ._operations import ScaleAboutMean as ScaleAboutMean
from ._operations import ScaleShift as ScaleShift
from ._operations import is_uniform as is_uniform
from ._operations import makes_noise as makes_noise
from ._photometric import Brightness as Brightness
from ._photometric import ChannelShift as ChannelShift
from ._photometric import Normalize as Normalize
from ._policies import AutoAugment as AutoAugment
from ._policies import RandAugment as RandAugment
from ._policies import TrivialAugment as TrivialAugment
from ._random import drawing_key as drawing_key
from ._random import hashed as hashed
from ._random import keyed as keyed
from ._random import keyed_on_host as keyed_on_host
from ._random import words_at as words_at
from ._sensor import JPEG as JPEG
from ._sensor import BandMisregistration as BandMisregistration
from ._sensor import DeadLines as DeadLines
from ._sensor import LowResolution as LowResolution
from ._settings import EntryNames as EntryNames
from ._settings import Range as Range
from ._settings import Ranged as Ranged
from ._settings import Setting as Setting
from ._settings import SettingInfo as SettingInfo
from ._settings import Sized as Sized
from ._settings import setting as setting
from ._sharpness import Sharpness as Sharpness
from ._stage_bases import Deriving as Deriving
from ._stage_bases import Mixing as Mixing
from ._stage_bases import Occluding as Occluding
from ._standardize import Standardize as Standardize
from ._symmetry import D4 as D4
from ._symmetry import Rot90 as Rot90
from ._symmetry import Transpose as Transpose
from ._three_augment import ThreeAugment as ThreeAugment
from ._warps import Elastic as Elastic
from ._warps import Perspective as Perspective
from ._whiten import Whiten as Whiten

if not _typing.TYPE_CHECKING:  # type checkers are to know of the new names only
    __getattr__ = _old_names(
        __name__,
        {
            "Line": "ScaleShift",
            "Spread": "ScaleAboutMean",
            "Power": "PowerLaw",
        },
    )
