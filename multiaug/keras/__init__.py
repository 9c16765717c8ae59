"""The classic module ``keras.preprocessing.image``, on multiaug.

A script that used it runs after changing the import line. Files have the names that they have
there, so that imports of those go on working; nothing here imports Keras.
"""

from .affine_transformations import apply_affine_transform as apply_affine_transform
from .affine_transformations import apply_brightness_shift as apply_brightness_shift
from .affine_transformations import apply_channel_shift as apply_channel_shift
from .affine_transformations import flip_axis as flip_axis
from .affine_transformations import random_brightness as random_brightness
from .affine_transformations import random_channel_shift as random_channel_shift
from .affine_transformations import random_rotation as random_rotation
from .affine_transformations import random_shear as random_shear
from .affine_transformations import random_shift as random_shift
from .affine_transformations import random_zoom as random_zoom
from .affine_transformations import (
    transform_matrix_offset_center as transform_matrix_offset_center,
)
from .dataframe_iterator import DataFrameIterator as DataFrameIterator
from .directory_iterator import DirectoryIterator as DirectoryIterator
from .image_data_generator import ImageDataGenerator as ImageDataGenerator
from .iterator import Iterator as Iterator
from .numpy_array_iterator import NumpyArrayIterator as NumpyArrayIterator
from .utils import array_to_img as array_to_img
from .utils import img_to_array as img_to_array
from .utils import list_pictures as list_pictures
from .utils import load_img as load_img
from .utils import save_img as save_img
from .utils import validate_filename as validate_filename
