"""Noise: a random number for every pixel and channel."""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..typing import Array, Key
from ._affine import log_uniform, uniform
from ._base import Frame, Params, Target, static, transform
from ._checked import choice, flag, names, number, pair, plain, probability
from ._noise_operations import Impulses, MagnitudeNoise, PhotonNoise, Speckle
from ._operations import Noise, Operation
from ._photometric import Clipping, levels
from ._settings import EntryNames, Range, Ranged, setting


def up_to(value: Any, field_name: str, **limits: float) -> Range:
    """A range of amounts from 0 on, as fractions; one number is the largest."""
    single = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    given = (0.0, number(value, field_name, **limits)) if single else value
    return levels(given, field_name, **limits)


def _amount_and_seed(key: Key) -> tuple[Array, Array]:
    """A number from U[0, 1), and (2,) uint32."""
    words = jax.random.bits(key, (3,), jnp.uint32)
    # The upper 24 bits are all that float32 can tell apart.
    return (words[2] >> 8).astype(jnp.float32) * 2.0**-24, words[:2]


class Noisy(Clipping):
    """Noise of one drawn amount, and of a seed."""

    footprint = "noise"
    by_channel = False

    def _drawn(self, key: Key, limits: Range, name: str) -> Params:
        """The amount, and what fixes the noise."""
        u, seed = _amount_and_seed(key)
        return {name: uniform(u, limits), "seed": seed}

    def _stream(self, target: Target, more: str = "") -> int:
        """What tells fields of one record apart: the entry's name, and the first channel."""
        # The name, not its place in the record: other entries must not change the noise.
        return zlib.crc32(f"{target.name}/{target.start}{more}".encode())


@transform
class GaussianNoise(Noisy):
    """Add independent normal noise to every pixel and channel.

    Args:
        std: range of the standard deviation, as a fraction of the value range; a number v
            means (0, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is negative, not finite, or lo > hi.
    """

    std: Ranged = setting(up_to, default=0.05, low=0, unit="ranges")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``std``, float32, and ``seed``, (2,) uint32, which fixes the noise."""
        return self._drawn(key, self.std, "std")

    def _change(self, params: Params, target: Target) -> Operation:
        """``v + std (hi - lo) n``, n from N(0, 1).

        Seeded by the record, the entry's name and the group's first channel.
        """
        return Noise(params["seed"], self._stream(target), params["std"] * target.extent)


def _photons(value: Any, field_name: str, **limits: float) -> Range:
    """A range of counts; one number is that very count."""
    given = plain(value)
    return pair(given if isinstance(given, tuple | list) else (given, given), field_name, **limits)


@transform
class ShotNoise(Noisy):
    """Add the noise of counted photons: ``v + sqrt((v - lo) (hi - lo) / q) n``, n from N(0, 1).

    White is q photons, of which there are ``q +- sqrt(q)``; black has no noise. Numbers are
    normal, with the mean and the variance of Poisson's law: from about ten photons on they can
    hardly be told apart, and below they may fall short of black.

    Args:
        photons: (lo, hi) of q, drawn log-uniformly; a number is that very one. Fewer are noisier.
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: fewer than one photon, not finite, or lo > hi.

    References:
        A. Foi et al., Practical Poissonian-Gaussian noise modeling and fitting for single-image
        raw-data, IEEE TIP 2008. albumentations' ShotNoise and skimage's ``poisson`` draw whole
        counts, of 8-bit levels or of a scale that is given as its inverse.
    """

    photons: Ranged = setting(_photons, default=(100.0, 2000.0), low=1, high=1e9, unit="photons")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``photons``, float32, and ``seed``, (2,) uint32, which fixes the noise."""
        u, seed = _amount_and_seed(key)
        return {"photons": log_uniform(u, self.photons), "seed": seed}

    def _change(self, params: Params, target: Target) -> Operation:
        gain = target.extent / params["photons"]
        return PhotonNoise(params["seed"], self._stream(target), gain, target.range[0])


@transform
class SpeckleNoise(Noisy):
    """Multiply every value by a factor of its own: ``v (1 + s n)``, n from N(0, 1).

    About zero, whatever the range, as `Gain`: the noise of coherent light, radar and ultrasound.

    Args:
        std: range of s; a number v means (0, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is negative, not finite, or lo > hi.

    References:
        skimage.util.random_noise, ``speckle``, whose variance is s^2. albumentations'
        MultiplicativeNoise draws uniform factors.
    """

    std: Ranged = setting(up_to, default=0.1, low=0)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    @property
    def uses_range(self) -> bool:
        """True where it clips."""
        return self.clip

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``std``, float32, and ``seed``, (2,) uint32, which fixes the noise."""
        return self._drawn(key, self.std, "std")

    def _change(self, params: Params, target: Target) -> Operation:
        return Speckle(params["seed"], self._stream(target), params["std"])


@transform
class SaltAndPepper(Noisy):
    """Turn a share of the values to white, or to black.

    Args:
        amount: range of the share, in [0, 1]; a number v means (0, v).
        salt: the part of those that becomes white.
        per: every "channel" of a pixel by itself, as skimage; or whole "pixel"s, as albumentations.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: shares out of [0, 1], or lo > hi.

    References:
        skimage.util.random_noise, ``s&p``, whose ``salt_vs_pepper`` is ``salt``.
    """

    amount: Ranged = setting(up_to, default=0.05, low=0, high=1)
    salt: float = setting(probability, default=0.5, low=0, high=1)
    per: str = setting(choice, default="channel", options=("channel", "pixel"))
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    clip = False
    by_channel = True

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``amount``, float32, and ``seed``, (2,) uint32, which fixes the places."""
        return self._drawn(key, self.amount, "amount")

    def _change(self, params: Params, target: Target) -> Operation:
        white = params["amount"] * self.salt
        return Impulses(
            params["seed"],
            self._stream(target),
            white,
            params["amount"] - white,
            *target.range,
            whole=self.per == "pixel",
        )


@transform
class RicianNoise(Noisy):
    """The magnitude of a signal with noise in both of its parts, as of MR images.

    ``lo + sqrt((v - lo + s n)^2 + (s m)^2)`` with n and m from N(0, 1) and s in units of the value
    range: nothing falls below black, and what is black becomes ``s sqrt(pi / 2)`` on average.

    Args:
        std: range of s, as a fraction of the value range; a number v means (0, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is negative, not finite, or lo > hi.

    References:
        H. Gudbjartsson and S. Patz, The Rician distribution of noisy MRI data, MRM 1995. MONAI's
        RandRicianNoise is about zero; batchgenerators' gives values the sign that they had.
    """

    std: Ranged = setting(up_to, default=0.05, low=0, unit="ranges")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``std``, float32, and ``seed``, (2,) uint32, which fixes the noise."""
        return self._drawn(key, self.std, "std")

    def _change(self, params: Params, target: Target) -> Operation:
        streams = self._stream(target), self._stream(target, "/second")
        scale = params["std"] * target.extent
        return MagnitudeNoise(params["seed"], streams, scale, target.range[0])
