"""multiaug: augmentation for data that is more than an RGB picture."""

from . import roles as roles
