"""What transforms of values draw: the settings that are tried, and the laws that they document."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

import multiaug as ma
from tests.distributions.laws import Laws


def channels(law: Laws, values: Any, lo: float, hi: float, p: float, neutral: float) -> None:
    """(n, C): a number for each channel, which changes by chance."""
    on = values != neutral
    law.share(on, p)
    law.independent(*on.T)
    for k in range(values.shape[1]):
        law.uniform(values[:, k][on[:, k]], lo, hi)
    both = on[:, 0] & on[:, 1]
    law.independent(values[both, 0], values[both, 1])


def rows(law: Laws, values: Any, *limits: tuple[float, float], p: float = 1) -> None:
    """(n, k + 1, C): k numbers for each channel, and whether it changes."""
    *numbers, on = np.moveaxis(values, 1, 0)
    law.share(on, p)
    for number, (lo, hi) in zip(numbers, limits, strict=True):
        law.uniform(number, lo, hi)
    law.independent(*(number[:, 0] for number in numbers), *([on[:, 0]] if p < 1 else []))


def orders(law: Laws, order: Any) -> None:
    """(n, k): every order is as likely."""
    words = order @ (10 ** np.arange(order.shape[1]))
    options = [int(np.dot(o, 10 ** np.arange(len(o)))) for o in permutations(range(order.shape[1]))]
    law.even(words, options)


def bells(law: Laws, values: Any, amount: tuple[float, float]) -> None:
    x, y, width, height, amounts, _ = np.moveaxis(values, 1, 0)
    law.uniform(x, -0.5, 1.5)
    law.uniform(y, -0.5, 1.5)
    law.log_uniform(width, 1 / 6, 1)
    law.log_uniform(height, 1 / 6, 1)
    law.uniform(amounts, *amount)
    law.independent(*(n[:, 0] for n in (x, y, width, height, amounts)))


def jitter(law: Laws, p: Any) -> None:
    orders(law, p["order"])
    limits = [("amount", 0.4), ("amount", 0.3), ("amount", 0.2), ("hue", 0.1)]
    drawn = [child[name] for child, (name, _) in zip(p["children"], limits, strict=True)]
    for values, (_, most) in zip(drawn, limits, strict=True):
        law.uniform(values, -most, most)
    law.independent(*drawn, p["order"][:, 0])


def distortion(law: Laws, p: Any) -> None:
    law.share(p["on"], 0.4)
    law.share(p["first"], 0.5)
    bright, gain, saturation, hue, again = p["children"]
    drawn = (bright["amount"], gain["amount"], saturation["saturation"], hue["hue"])
    for values, most in zip(drawn, (32 / 255, 0.5, 0.5, 0.1), strict=True):
        law.uniform(values, -most, most)
    law.independent(*p["on"].T, p["first"], *drawn)
    law.within(np.abs(gain["amount"] - again["amount"]), 0, 0)


def shift_of_histogram(law: Laws, p: Any) -> None:
    first, second = p["knots"][:, 1], p["knots"][:, 2]
    law.uniform(first, 0, 2 / 3)
    law.uniform((second - first) / (1 - first), 0, 1)


def referred(name: str, lo: float, hi: float) -> Any:
    """One of three references, and a number beside it."""

    def check(law: Laws, p: Any) -> None:
        law.even(p["reference"], range(3))
        law.uniform(p[name], lo, hi)
        law.independent(p["reference"].astype(np.float64), p[name])

    return check


def lines(law: Laws, p: Any) -> None:
    places, on = p["image"][:, :-1], p["image"][:, -1]
    there = places >= 0
    law.even(there.sum(1), range(4))
    law.uniform(places[:, 0][there[:, 0]], 0, 1)
    law.share(on, 0.5)
    law.independent(*on.T)
    law.independent(*there.sum(1).T)
    both = there[:, 0, 0] & there[:, 1, 0]
    law.independent(places[both, 0, 0], places[both, 1, 0])


def seeded(name: str, lo: float, hi: float, law_name: str = "uniform") -> Any:
    def check(law: Laws, p: Any) -> None:
        getattr(law, law_name)(p[name], lo, hi)
        words = p["seed"].astype(np.float64)
        law.uniform(words, 0, 2**32)
        law.independent(p[name], words[:, 0])

    return check


def one(name: str, lo: float, hi: float, law_name: str = "uniform") -> Any:
    return lambda law, p: getattr(law, law_name)(p[name], lo, hi)


def several(*limits: tuple[str, float, float]) -> Any:
    def check(law: Laws, p: Any) -> None:
        for name, lo, hi in limits:
            law.uniform(p[name], lo, hi)
        law.independent(*(p[name] for name, _, _ in limits))

    return check


# Name -> the transform, and (laws, params) -> nothing. The image has three channels.
CASES = {
    "Brightness": (ma.Brightness((-0.1, 0.3)), one("amount", -0.1, 0.3)),
    "Contrast": (
        ma.Contrast((-0.5, 1), distribution="balanced"),
        lambda law, p: law.balanced(p["amount"], -0.5, 0, 1),
    ),
    "Contrast, uniform": (ma.Contrast((-0.5, 0.1)), one("amount", -0.5, 0.1)),
    "Gamma": (ma.Gamma((0.5, 3)), one("exponent", 0.5, 3, "log_uniform")),
    "Gamma, balanced": (
        ma.Gamma((0.7, 1.5), distribution="balanced"),
        lambda law, p: law.balanced(p["exponent"], 0.7, 1, 1.5),
    ),
    "Gamma, by channel": (
        ma.Gamma((0.9, 1.2), per="channel", p_per_channel=0.5, distribution="uniform"),
        lambda law, p: channels(law, p["image"], 0.9, 1.2, 0.5, 1),
    ),
    "Gain": (
        ma.Gain((-0.3, 0.5), per="channel", p_per_channel=0.3),
        lambda law, p: channels(law, p["image"], -0.3, 0.5, 0.3, 0),
    ),
    "ChannelShift": (ma.ChannelShift(0.1), lambda law, p: law.uniform(p["image"], -0.1, 0.1)),
    "ChannelShuffle": (ma.ChannelShuffle(), lambda law, p: orders(law, p["image"])),
    "HueSaturation": (
        ma.HueSaturation(0.1, 0.5, (0.1, 0.2)),
        several(("hue", -0.1, 0.1), ("saturation", -0.5, 0.5), ("value", 0.1, 0.2)),
    ),
    "Saturation": (ma.Saturation(0.3), one("amount", -0.3, 0.3)),
    "ColorTemperature": (
        ma.ColorTemperature((4000, 8000)),
        lambda law, p: law.uniform(1e6 / p["kelvin"], 125, 250),
    ),
    "ColorJitter": (ma.ColorJitter(0.4, 0.3, 0.2, 0.1), jitter),
    "PhotometricDistortion": (ma.PhotometricDistortion(p_each=0.4), distortion),
    "Posterize": (ma.Posterize((2, 5)), lambda law, p: law.even(p["bits"], range(2, 6))),
    "Solarize": (ma.Solarize((0.2, 0.6)), one("threshold", 0.2, 0.6)),
    "HistogramShift": (ma.HistogramShift(4), shift_of_histogram),
    "HistogramMatching": (
        ma.HistogramMatching(np.zeros((3, 2, 2, 3)), (0.2, 0.6), entries="image"),
        referred("blend_ratio", 0.2, 0.6),
    ),
    "FDA": (ma.FDA(np.zeros((3, 2, 2, 3)), (0.0, 0.1), entries="image"), referred("beta", 0, 0.1)),
    "BiasField": (
        ma.BiasField(0.4), lambda law, p: law.uniform(p["coefficients"], -0.4, 0.4),
    ),
    "BrightnessGradient": (
        ma.BrightnessGradient((0.1, 0.3), per="channel"),
        lambda law, p: bells(law, p["image"], (0.1, 0.3)),
    ),
    "LocalGamma": (
        ma.LocalGamma((0.5, 2), distribution="uniform"),
        lambda law, p: bells(law, p["all"], (0.5, 2)),
    ),
    "RandomShadow": (
        ma.RandomShadow((0.2, 0.6), (1 / 6, 1), (-0.5, 1.5)),
        lambda law, p: bells(law, p["all"], (0.2, 0.6)),
    ),
    "CLAHE": (ma.CLAHE((2, 3)), one("clip_limit", 2, 3)),
    "GaussianBlur": (
        ma.GaussianBlur((0.5, 1.5), per="channel", p_per_channel=0.3),
        lambda law, p: channels(law, p["image"], 0.5, 1.5, 0.3, 0),
    ),
    "MotionBlur": (
        ma.MotionBlur((2, 6), (-30, 90)), several(("length", 2, 6), ("degrees", -30, 90)),
    ),
    "Sharpen": (
        ma.Sharpen((0.1, 0.9), (0.5, 1), per="channel", p_per_channel=0.6),
        lambda law, p: rows(law, p["image"], (0.1, 0.9), (0.5, 1), p=0.6),
    ),
    "Sharpness": (ma.Sharpness((-0.9, 2)), one("amount", -0.9, 2)),
    "LowResolution": (
        ma.LowResolution((0.5, 1), per="channel"),
        lambda law, p: law.uniform(p["image"], 0.5, 1),
    ),
    "JPEG": (ma.JPEG((30, 39)), lambda law, p: law.even(p["quality"], range(30, 40))),
    "BandMisregistration": (
        ma.BandMisregistration(0.7),
        lambda law, p: rows(law, p["image"], (-0.7, 0.7), (-0.7, 0.7)),
    ),
    "DeadLines": (ma.DeadLines((0, 3), p_per_channel=0.5), lines),
    "GaussianNoise": (ma.GaussianNoise((0.02, 0.1)), seeded("std", 0.02, 0.1)),
    "ShotNoise": (ma.ShotNoise((10, 1000)), seeded("photons", 10, 1000, "log_uniform")),
    "SpeckleNoise": (ma.SpeckleNoise(0.3), seeded("std", 0, 0.3)),
    "SaltAndPepper": (ma.SaltAndPepper(0.1), seeded("amount", 0, 0.1)),
    "RicianNoise": (ma.RicianNoise(0.05), seeded("std", 0, 0.05)),
}  # fmt: skip
