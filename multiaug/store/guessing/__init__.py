"""A first spec for data whose meaning nobody has written down: guesses, each of which is said."""

from ._guess import Guess as Guess
from ._guess import guess_spec as guess_spec
