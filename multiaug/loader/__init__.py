"""Batches of augmented records from a source, in a resumable random order."""

from ._doors import RandomAccess as RandomAccess
from ._loader import Loader as Loader
from ._place import Recycler as Recycler
from ._random import random_order as random_order
from ._split import class_weights as class_weights
from ._split import hash_split as hash_split
