"""multiaug: augmentation for data that is more than an RGB picture."""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import distributed as distributed
from . import preview as preview
from . import recipes as recipes
from . import roles as roles
from . import statistics as statistics
from ._version import __version__ as __version__
from .checks import convert_axes as convert_axes
from .checks import invert_extrinsics as invert_extrinsics
from .checks import reprojection_error as reprojection_error
from .checks import scale_intrinsics as scale_intrinsics
from .elsewhere import Translation as Translation
from .elsewhere import from_albumentations as from_albumentations
from .elsewhere import from_torchvision as from_torchvision
from .errors import CorruptChunkError as CorruptChunkError
from .errors import MissingChunkError as MissingChunkError
from .errors import Mistake as Mistake
from .errors import MultiaugError as MultiaugError
from .errors import MultiaugWarning as MultiaugWarning
from .errors import NotFittedError as NotFittedError
from .errors import ParameterError as ParameterError
from .errors import RecordError as RecordError
from .errors import SpecError as SpecError
from .errors import StoreError as StoreError
from .errors import old_names as _old_names
from .geometry import estimate_intrinsics as estimate_intrinsics
from .loader import Loader as Loader
from .loader import class_weights as class_weights
from .loader import hash_split as hash_split
from .passes import convert as convert
from .passes import export as export
from .passes import fit as fit
from .passes import map_batches as map_batches
from .passes import write_ome as write_ome
from .pipeline import Pipeline as Pipeline
from .pipeline import RecordParams as RecordParams
from .pipeline import Views as Views
from .pipeline import record_keys as record_keys
from .runtime import enable_compilation_cache as enable_compilation_cache
from .runtime import tune_malloc as tune_malloc
from .spec import CameraSpec as CameraSpec
from .spec import DataSpec as DataSpec
from .spec import EntrySpec as EntrySpec
from .spec import load_spec as load_spec
from .spec import shipped_specs as shipped_specs
from .statistics import ZCA as ZCA
from .statistics import Moments as Moments
from .statistics import Stationary as Stationary
from .statistics import Statistics as Statistics
from .statistics import load_statistics as load_statistics
from .store import ArraySource as ArraySource
from .store import Block as Block
from .store import CloudSource as CloudSource
from .store import NpySource as NpySource
from .store import PictureSource as PictureSource
from .store import RecordSource as RecordSource
from .store import RecordStream as RecordStream
from .store import SequentialSource as SequentialSource
from .store import Source as Source
from .store import SourceTraits as SourceTraits
from .store import ZarrSource as ZarrSource
from .store import guess_spec as guess_spec
from .store import open_source as open_source
from .store import register_source as register_source
from .store import write_zarr as write_zarr
from .transforms import CLAHE as CLAHE
from .transforms import D4 as D4
from .transforms import FDA as FDA
from .transforms import HHA as HHA
from .transforms import JPEG as JPEG
from .transforms import Affine as Affine
from .transforms import AugMix as AugMix
from .transforms import AutoAugment as AutoAugment
from .transforms import AutoContrast as AutoContrast
from .transforms import BandMisregistration as BandMisregistration
from .transforms import BiasField as BiasField
from .transforms import BoxesFromMasks as BoxesFromMasks
from .transforms import BoxSafeCrop as BoxSafeCrop
from .transforms import Brightness as Brightness
from .transforms import BrightnessGradient as BrightnessGradient
from .transforms import CameraMotion as CameraMotion
from .transforms import CameraRotate as CameraRotate
from .transforms import CanonicalCamera as CanonicalCamera
from .transforms import CanonicalDepth as CanonicalDepth
from .transforms import ChannelDropout as ChannelDropout
from .transforms import ChannelShift as ChannelShift
from .transforms import ChannelShuffle as ChannelShuffle
from .transforms import CloudMotion as CloudMotion
from .transforms import CoarseDropout as CoarseDropout
from .transforms import ColorJitter as ColorJitter
from .transforms import ColorTemperature as ColorTemperature
from .transforms import Contrast as Contrast
from .transforms import CopyPaste as CopyPaste
from .transforms import Crop as Crop
from .transforms import CutMix as CutMix
from .transforms import DeadLines as DeadLines
from .transforms import DepthNoise as DepthNoise
from .transforms import DistanceMap as DistanceMap
from .transforms import Edges as Edges
from .transforms import Elastic as Elastic
from .transforms import EncodeDepth as EncodeDepth
from .transforms import Equalize as Equalize
from .transforms import Erase as Erase
from .transforms import FilterBoxes as FilterBoxes
from .transforms import Flip as Flip
from .transforms import ForEntries as ForEntries
from .transforms import Gain as Gain
from .transforms import Gamma as Gamma
from .transforms import GaussianBlur as GaussianBlur
from .transforms import GaussianNoise as GaussianNoise
from .transforms import Grey as Grey
from .transforms import GridDistortion as GridDistortion
from .transforms import GridMask as GridMask
from .transforms import HistogramMatching as HistogramMatching
from .transforms import HistogramShift as HistogramShift
from .transforms import HueSaturation as HueSaturation
from .transforms import Invert as Invert
from .transforms import LabelCrop as LabelCrop
from .transforms import LetterBox as LetterBox
from .transforms import LocalGamma as LocalGamma
from .transforms import LowResolution as LowResolution
from .transforms import Maybe as Maybe
from .transforms import MedianBlur as MedianBlur
from .transforms import MixUp as MixUp
from .transforms import ModalityDropout as ModalityDropout
from .transforms import Mosaic as Mosaic
from .transforms import MotionBlur as MotionBlur
from .transforms import Normalize as Normalize
from .transforms import NormalizeRecord as NormalizeRecord
from .transforms import OneHot as OneHot
from .transforms import OneOf as OneOf
from .transforms import OpticalDistortion as OpticalDistortion
from .transforms import Pad as Pad
from .transforms import PadTo as PadTo
from .transforms import PadToMultiple as PadToMultiple
from .transforms import Perspective as Perspective
from .transforms import PhotometricDistortion as PhotometricDistortion
from .transforms import PiecewiseAffine as PiecewiseAffine
from .transforms import Posterize as Posterize
from .transforms import RandAugment as RandAugment
from .transforms import RandomResizedCrop as RandomResizedCrop
from .transforms import RandomScaledCrop as RandomScaledCrop
from .transforms import RandomShadow as RandomShadow
from .transforms import Regions as Regions
from .transforms import RelabelInstances as RelabelInstances
from .transforms import RescaleIntensity as RescaleIntensity
from .transforms import Resize as Resize
from .transforms import ResizeLongest as ResizeLongest
from .transforms import ResizeShortest as ResizeShortest
from .transforms import RicianNoise as RicianNoise
from .transforms import Rot90 as Rot90
from .transforms import Rotate as Rotate
from .transforms import SafeRotate as SafeRotate
from .transforms import SaltAndPepper as SaltAndPepper
from .transforms import Saturation as Saturation
from .transforms import Scale as Scale
from .transforms import Scales as Scales
from .transforms import Sharpen as Sharpen
from .transforms import Sharpness as Sharpness
from .transforms import Shear as Shear
from .transforms import ShotNoise as ShotNoise
from .transforms import Shuffle as Shuffle
from .transforms import Solarize as Solarize
from .transforms import SomeOf as SomeOf
from .transforms import SpeckleNoise as SpeckleNoise
from .transforms import Standardize as Standardize
from .transforms import ThinPlateSpline as ThinPlateSpline
from .transforms import ThreeAugment as ThreeAugment
from .transforms import Translate as Translate
from .transforms import Transpose as Transpose
from .transforms import TrivialAugment as TrivialAugment
from .transforms import Whiten as Whiten

if _TYPE_CHECKING:
    from . import compare as compare
    from . import keras as keras
    from . import preview as preview
    from . import studio as studio

# Reachable as attributes, imported when somebody asks: most programs need none of them.
_ON_DEMAND = ("compare", "keras", "preview", "studio", "testing")

_old_name = _old_names(__name__, {"materialize": "export"})


def __getattr__(name: str) -> object:
    if name in _ON_DEMAND:
        return _importlib.import_module(f".{name}", __name__)
    return _old_name(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})
