"""What all other transforms draw: geometry, occlusions, mixes, points, policies and containers."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

import multiaug as ma
from multiaug.transforms._policy_operations import CODES, OPERATIONS
from multiaug.transforms._policy_tables import table_of
from tests.distributions.draws_of_values import orders
from tests.distributions.laws import COUNT, Laws

HEIGHT, WIDTH = SHAPE = (40, 60)


def column(name: str, *limits: tuple[float, float], law_name: str = "uniform") -> Any:
    """Columns of one array, each with limits of its own, and independent."""

    def check(law: Laws, p: Any) -> None:
        columns = np.reshape(p[name], (len(p[name]), -1)).T
        for values, (lo, hi) in zip(columns, limits, strict=True):
            getattr(law, law_name)(values, lo, hi)
        law.independent(*columns)

    return check


def everywhere(name: str, most: float) -> Any:
    return lambda law, p: law.uniform(np.reshape(p[name], (len(p[name]), -1)), -most, most)


# --- geometry ----------------------------------------------------------------------------------


def resized_crop(law: Laws, p: Any) -> None:
    """The algorithm of torchvision, on draws of its own; of these settings a try may fail."""
    x, y, w, h = np.float64(p["window"]).T
    rng = np.random.default_rng(0)
    area = HEIGHT * WIDTH * rng.uniform(0.08, 1, (10, COUNT))
    ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), (10, COUNT)))
    fits = (np.sqrt(area * ratio) <= WIDTH) & (np.sqrt(area / ratio) <= HEIGHT)
    first = fits.argmax(0), np.arange(COUNT)
    law._add("areas", stats.ks_2samp(w * h, area[first]).pvalue)
    law._add("ratios", stats.ks_2samp(w / h, ratio[first]).pvalue)
    wide, high = w < WIDTH - 1, h < HEIGHT - 1
    law.uniform(x[wide] / (WIDTH - w[wide]), 0, 1)
    law.uniform(y[high] / (HEIGHT - h[high]), 0, 1)
    both = wide & high
    law.independent(x[both] / (WIDTH - w[both]), y[both] / (HEIGHT - h[both]), w[both] * h[both])


def scaled_crop(law: Laws, p: Any) -> None:
    sides, offset = p["sides"], p["offset"]
    # Sides are whole pixels, of which each stands for as large a part of the factors.
    widths = sides[:, 0]
    inner = (widths > 0.5 * WIDTH) & (widths < 2 * WIDTH)
    law.even(widths[inner], range(WIDTH // 2 + 1, 2 * WIDTH))
    spare = sides - np.array([48, 32])
    steps = offset - np.minimum(spare, 0)
    law.within(steps, 0, np.abs(spare).max())
    law.within(np.abs(spare) - steps, 0, np.abs(spare).max())
    places = []
    for axis, k in ((0, 20), (1, 13)):
        those = np.abs(spare[:, axis]) == k
        law.even(steps[those, axis], range(k + 1))
        places.append((steps[:, axis] + 0.5) / (np.abs(spare[:, axis]) + 1))
    far = np.abs(spare).min(1) > 10
    law.independent(places[0][far], places[1][far])


def offsets(*limits: tuple[int, int]) -> Any:
    """Whole places, (lo, hi) with both ends."""

    def check(law: Laws, p: Any) -> None:
        for values, (lo, hi) in zip(p["offset"].T, limits, strict=True):
            if lo == hi:
                law.within(values, lo, hi)
            else:
                law.even(values, range(lo, hi + 1))
        if all(lo < hi for lo, hi in limits):
            law.independent(*p["offset"].T)

    return check


def shortest(law: Laws, p: Any) -> None:
    law.even(p["sides"][:, 1], (20, 30))
    for side, wide in ((20, 30), (30, 45)):
        those = p["sides"][:, 1] == side
        law.even(p["offset"][those, 0], range(wide - 16 + 1))
        law.even(p["offset"][those, 1], range(side - 16 + 1))
        law.independent(*p["offset"][those].T)


def strips(law: Laws, p: Any) -> None:
    """One of two strips: (1 + u) / (2 + u + v)."""
    u = np.random.default_rng(1).uniform(0.8, 1.6, (COUNT, 2))
    for name in ("columns", "rows"):
        law._add("strips", stats.ks_2samp(p[name][:, 0], u[:, 0] / u.sum(1)).pvalue)
    law.independent(p["columns"][:, 0], p["rows"][:, 0])


def label_crop(law: Laws, p: Any) -> None:
    """Each pixel of the two labels is as likely; the mask is that of `record`."""
    x, y = p["offset"].T + 3
    wanted = np.argwhere(np.isin(record()["mask"], (1, 2)))
    law.even(y * WIDTH + x, [row * WIDTH + at for row, at in wanted])


def box_crop(law: Laws, p: Any) -> None:
    """Around the boxes that `record` has, every edge is even; the window is larger than 8."""
    x, y, w, h = np.float64(p["window"]).T
    law.uniform(x, 0, 20)
    law.uniform(y, 0, 10)
    law.uniform(x + w, 44, WIDTH)
    law.uniform(y + h, 28, HEIGHT)
    law.independent(x, y, x + w, y + h)


def camera_crop(law: Laws, p: Any) -> None:
    """The camera's factor is 1 / 2: 30 by 20 pixels, and a window of 20 by 12."""
    law.even(p["offset"][:, 0], range(11))
    law.even(p["offset"][:, 1], range(9))
    law.independent(*p["offset"].T)


# --- covered and mixed -------------------------------------------------------------------------


def erased(law: Laws, p: Any) -> None:
    edges = np.float64(p["edges"])
    w, h = edges[..., 2] - edges[..., 0], edges[..., 3] - edges[..., 1]
    there = w > 0
    law.even(there.sum(1), range(3))
    area, ratio = (w * h)[there] / (HEIGHT * WIDTH), (w / np.where(there, h, 1))[there]
    law.uniform(area, 0.05, 0.2)
    law.log_uniform(ratio, 0.5, 2)
    x, y = (edges[there][:, k] + 0.5 for k in (0, 1))
    places = x / (WIDTH - w[there]), y / (HEIGHT - h[there])
    law.uniform(places[0], 0, 1)
    law.uniform(places[1], 0, 1)
    law.independent(area, ratio, *places)
    both = there.all(1)
    law.independent(*(w * h)[both].T)


def holes(law: Laws, p: Any) -> None:
    edges = np.float64(p["edges"]) + 0.5
    w, h = edges[..., 2] - edges[..., 0], edges[..., 3] - edges[..., 1]
    there = w > 0
    law.even(there.sum(1), range(4))
    law.even(h[there], range(3, 7))
    # A fraction from U(1/4, 3/4) of 60 columns: the ends have half of a pixel's share.
    inner = w[there][(w[there] > 15) & (w[there] < 45)]
    law.even(inner, range(16, 45))
    for length in (3, 6):
        law.even(edges[..., 1][there & (h == length)], range(HEIGHT - length + 1))
    law.even(edges[..., 0][there & (w == 20)], range(WIDTH - 20 + 1))
    law.independent(w[there], h[there])
    law.independent(edges[..., 1][there & (h == 3)], w[there & (h == 3)])


def grid(law: Laws, p: Any) -> None:
    phase = p["phase"].astype(np.uint32).view(np.int32).astype(np.float64)
    period = 2**24 / np.hypot(phase[:, 0, 0], phase[:, 0, 1])
    law.even(np.round(period), range(4, 10))
    angle = np.rad2deg(np.arctan2(phase[:, 1, 0], phase[:, 1, 1]))
    law.uniform(angle, -40, 40)
    share = p["level"] / 2**32
    law.uniform(share, 0.2, 0.6)
    starts = [p["phase"][:, k, 2] / 2**32 for k in range(2)]
    for start in starts:
        law.uniform(start, 0, 1)
    law.independent(np.round(period), angle, share, *starts)


def dropped_channels(law: Laws, p: Any) -> None:
    for name, count in (("image", 3), ("bands", 4)):
        chosen = p[name]
        law.even(chosen.sum(1), (1, 2))
        for k in (1, 2):
            words = chosen[chosen.sum(1) == k] @ (1 << np.arange(count))
            options = [sum(1 << i for i in some) for some in combinations(range(count), k)]
            law.even(words, options)
    law.independent(p["image"][:, 0], p["bands"][:, 0])


def dropped_entries(law: Laws, p: Any) -> None:
    """Not both; where both would be, either is kept."""
    words = p["dropped"] @ np.array([1, 2])
    a, b = 0.5, 0.4
    weights = [(1 - a) * (1 - b), a * (1 - b) + a * b / 2, (1 - a) * b + a * b / 2]
    law.even(words, (0, 1, 2), weights)


def mixup(law: Laws, p: Any) -> None:
    law.like(p["weight"], stats.beta(0.8, 0.8))
    law.uniform(p["partner"], 0, 1)
    law.independent(p["weight"], p["partner"])


def cutmix(law: Laws, p: Any) -> None:
    """Of 3000 by 2000 pixels, so that to round edges to pixels does not matter."""
    x0, y0, x1, y1 = np.float64(p["edges"]).T + 0.5
    law.uniform(p["partner"], 0, 1)
    whole = (x0 > 0) & (x1 < 3000) & (y0 > 0) & (y1 < 2000)
    side = np.sqrt((x1 - x0) * (y1 - y0) / 6e6)[whole]
    # 1 - w is even, and a centre that is even leaves out those too near to a border:
    # the density of the side s is that of s (1 - s)^2.
    found = stats.kstest(side, lambda s: 6 * s**2 - 8 * s**3 + 3 * s**4)
    law._add("sides", found.pvalue)
    law.independent(p["partner"][whole], side)


def mosaic(law: Laws, p: Any) -> None:
    x, y = p["cut"].T + 0.5
    for values, n in ((x, WIDTH), (y, HEIGHT)):
        lo, hi = round(0.2 * n), round(0.6 * n)
        law.even(values, range(lo, hi + 1), [0.5, *[1] * (hi - lo - 1), 0.5])
    law.even(p["first"], range(4))
    law.uniform(p["partner"], 0, 1)
    law.independent(x, y, p["first"], p["partner"][:, 0])


def pasted(law: Laws, p: Any) -> None:
    law.uniform(p["partner"], 0, 1)
    law.uniform(p["seed"].astype(np.float64), 0, 2**32)


# --- points ------------------------------------------------------------------------------------


def cloud(law: Laws, p: Any) -> None:
    turn = np.float64(p["rotation"])
    # About what points up, -y: the angle in the plane of x and z.
    angle = np.rad2deg(np.arctan2(turn[:, 0, 2], turn[:, 0, 0]))
    law.uniform(np.abs(angle), 0, 40)
    law.share(angle > 0, 0.5)
    law.uniform(p["scale"], 0.8, 1.25)
    law.uniform(p["shift"], -0.5, 0.5)
    law.uniform(p["drop"], 0.1, 0.3)
    law.independent(angle, p["scale"], p["shift"][:, 0], p["drop"])


def sensor(law: Laws, p: Any) -> None:
    law.uniform(p["strength"], 0.5, 2)
    law.uniform(p["seed"].astype(np.float64), 0, 2**32)


# --- policies and containers -------------------------------------------------------------------


def chosen(slots: int, levels: range, bins: int, most: float) -> Any:
    """Operations even and apart; signs and magnitudes of turns."""
    usual = [CODES[name] for name in OPERATIONS if name != "Invert"]

    def check(law: Laws, p: Any) -> None:
        operation, magnitude = p["operation"], p["magnitude"]
        words = operation @ (len(OPERATIONS) ** np.arange(slots))
        options = np.stack(np.meshgrid(*[usual] * slots), -1).reshape(-1, slots)
        law.even(words, options @ (len(OPERATIONS) ** np.arange(slots)))
        turns = magnitude[operation == CODES["Rotate"]]
        steps = np.round(np.abs(turns) / most * (bins - 1))
        law.even(steps, levels)
        law.share(turns[turns != 0] < 0, 0.5)

    return check


def auto_augment(law: Laws, p: Any) -> None:
    codes, chances, _ = table_of("imagenet")
    expected = np.zeros((len(OPERATIONS),) * 2)
    for (one, two), (a, b) in zip(codes, chances, strict=True):
        for first, share in ((one, a), (0, 1 - a)):
            for second, rest in ((two, b), (0, 1 - b)):
                expected[first, second] += share * rest
    words = p["operation"] @ np.array([len(OPERATIONS), 1])
    options = np.flatnonzero(expected.ravel() > 1e-6)
    law.even(words, options, expected.ravel()[options])
    turns = p["magnitude"][p["operation"] == CODES["Rotate"]]
    law.share(turns < 0, 0.5)


def augmix(law: Laws, p: Any) -> None:
    weights = np.float64(p["weights"])
    kept = weights[:, 0]
    law.like(kept, stats.beta(0.7, 0.7))
    # Near 1 nothing is left to divide in float32.
    some = kept < 0.99
    parts = weights[some, 1:] / (1 - weights[some, :1])
    for part in parts.T:
        law.like(part, stats.beta(0.7, 1.4))
    law.independent(kept[some], parts[:, 0])
    deep = (p["operation"] > 0).sum(2)
    law.even(deep, (1, 2, 3))
    law.independent(*deep.T)
    usual = p["operation"][p["operation"] > 0]
    first = CODES["Brightness"]
    without = {CODES[n] for n in ("Invert",)}
    law.even(usual, [c for c in range(first, len(OPERATIONS)) if c not in without])


def three(law: Laws, p: Any) -> None:
    law.even(p["choice"], range(3))
    law.uniform(p["children"][2]["sigma"], 0.1, 2)
    orders(law, p["jitter"]["order"])
    amounts = [child["amount"] for child in p["jitter"]["children"]]
    for values in amounts:
        law.uniform(values, -0.3, 0.3)
    law.independent(p["choice"], *amounts)


def some_of(law: Laws, p: Any) -> None:
    counts = p["on"].sum(1)
    law.even(counts, (1, 2, 3))
    words = p["on"][counts == 2] @ (1 << np.arange(4))
    law.even(words, (3, 5, 6, 9, 10, 12))


def maybe(law: Laws, p: Any) -> None:
    law.share(p["on"], 0.2)
    law.uniform(p["children"][0]["degrees"], -10, 10)
    law.independent(p["on"], p["children"][0]["degrees"])


def one_of(law: Laws, p: Any) -> None:
    law.even(p["choice"], (0, 2), (1, 3))
    law.independent(p["choice"], p["children"][0]["degrees"])


def record() -> dict[str, np.ndarray]:
    """What is read: labels, two boxes, and a camera that sees far."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:25, 12:40] = 1
    mask[12:14, 20:23] = 2
    mask[15:18, 14:18] = 255
    return {
        "mask": mask,
        "boxes": np.float32([[19.5, 9.5, 31.5, 20.5], [29.5, 14.5, 43.5, 27.5]]),
        "camera": np.float32([[400, 0, 29.5], [0, 400, 19.5], [0, 0, 1]]),
        "xyz": np.ones((*SHAPE, 3), np.float32),
    }


CASES = {
    "Rotate": (ma.Rotate((-10, 30)), lambda law, p: law.uniform(p["degrees"], -10, 30)),
    "Translate": (ma.Translate(0.1), column("px", (-6, 6), (-4, 4))),
    "Translate, whole": (
        ma.Translate(px=2, whole=True),
        lambda law, p: (
            law.even(p["px"], range(-2, 3), (1, 2, 2, 2, 1)), law.independent(*p["px"].T),
        ),
    ),
    "Scale": (
        ma.Scale((0.5, 1), per_axis=True),
        column("factor", (0.5, 1), (0.5, 1), law_name="log_uniform"),
    ),
    "Shear": (ma.Shear(((-5, 5), (0, 10))), column("degrees", (-5, 5), (0, 10))),
    "Flip": (ma.Flip("x", p=0.3), lambda law, p: law.share(p["on"], 0.3)),
    "Rot90": (ma.Rot90((0, 1, 3)), lambda law, p: law.even(p["turns"], (0, 1, 3))),
    "Transpose": (ma.Transpose(0.5), lambda law, p: law.share(p["on"], 0.5)),
    "D4": (ma.D4(), lambda law, p: law.even(p["turns"] + 4 * p["transpose"], range(8))),
    "Perspective": (ma.Perspective(0.1), everywhere("corners", 0.1)),
    "Elastic": (ma.Elastic(0.02, 2), everywhere("control", 0.8)),
    "GridDistortion": (ma.GridDistortion((-0.2, 0.6), 2), strips),
    "OpticalDistortion": (
        ma.OpticalDistortion((-0.1, 0.2), (-0.02, 0.05)), column("k", (-0.1, 0.2), (-0.02, 0.05)),
    ),
    "ThinPlateSpline": (ma.ThinPlateSpline(0.05, 2), everywhere("shifts", 2)),
    "PiecewiseAffine": (ma.PiecewiseAffine(0.05, 3), everywhere("shifts", 2)),
    "Crop": (ma.Crop((31, 51)), offsets((0, 9), (0, 9))),
    "RandomResizedCrop": (ma.RandomResizedCrop(32, (0.08, 1), (3 / 4, 4 / 3)), resized_crop),
    "RandomScaledCrop": (ma.RandomScaledCrop((32, 48)), scaled_crop),
    "ResizeShortest": (ma.ResizeShortest((20, 30), crop=16), shortest),
    "LetterBox": (ma.LetterBox((40, 75), position="random"), offsets((-15, 0), (0, 0))),
    "PadTo": (ma.PadTo((50, 72), position="random"), offsets((-12, 0), (-10, 0))),
    "PadToMultiple": (ma.PadToMultiple((32, 7), position="random"), offsets((-3, 0), (-24, 0))),
    "SafeRotate": (ma.SafeRotate(30), lambda law, p: law.uniform(p["degrees"], -30, 30)),
    "Erase": (ma.Erase((0.05, 0.2), ratio=(0.5, 2), count=(0, 2)), erased),
    "CoarseDropout": (ma.CoarseDropout((0, 3), height=(3, 6), width=(0.25, 0.75)), holes),
    "GridMask": (ma.GridMask((4, 9), ratio=(0.2, 0.6), degrees=40), grid),
    "ChannelDropout": (ma.ChannelDropout((1, 2)), dropped_channels),
    "ModalityDropout": (ma.ModalityDropout(["image", "bands"], (0.5, 0.4)), dropped_entries),
    "MixUp": (ma.MixUp(0.8, keep=["mask"]), mixup),
    "Mosaic": (ma.Mosaic((0.2, 0.6)), mosaic),
    "CopyPaste": (ma.CopyPaste("mask"), pasted),
    "RandAugment": (ma.RandAugment(2, (5, 20)), chosen(2, range(5, 21), 31, 30)),
    "TrivialAugment": (ma.TrivialAugment(), chosen(1, range(31), 31, 135)),
    "AutoAugment": (ma.AutoAugment(), auto_augment),
    "AugMix": (ma.AugMix(alpha=0.7), augmix),
    "ThreeAugment": (ma.ThreeAugment(), three),
    "Maybe": (ma.Maybe(ma.Rotate(10), p=0.2), maybe),
    "OneOf": (ma.OneOf([ma.Rotate(10), ma.Shear(3), ma.Flip()], weights=[1, 0, 3]), one_of),
    "SomeOf": (
        ma.SomeOf([ma.Flip(), ma.Rotate(1), ma.Shear(1), ma.Scale(1.1)], k=(1, 3)), some_of,
    ),
    "Shuffle": (
        ma.Shuffle([ma.Flip(), ma.Rotate(1), ma.Shear(1)]), lambda law, p: orders(law, p["order"]),
    ),
    "LabelCrop": (ma.LabelCrop(6, labels=(1, 2)), label_crop),
    "BoxSafeCrop": (ma.BoxSafeCrop(8), box_crop),
    "CameraMotion": (
        ma.CameraMotion((-0.1, 0.3), 0.2),
        column("motion", (-0.1, 0.3), (-0.1, 0.3), (-0.2, 0.2)),
    ),
    "CameraRotate": (
        ma.CameraRotate((-20, 40), (0, 30), 90),
        column("degrees", (-20, 40), (0, 30), (-90, 90)),
    ),
    "CanonicalCamera": (ma.CanonicalCamera((12, 20), 200, position="random"), camera_crop),
    "CloudMotion": (ma.CloudMotion(40, 0, (0.8, 1.25), 0.5, drop=(0.1, 0.3)), cloud),
    "DepthNoise": (ma.DepthNoise(strength=(0.5, 2)), sensor),
    "ForEntries": (
        ma.ForEntries("image", ma.Rotate(30)),
        lambda law, p: law.uniform(p["children"][0]["degrees"], -30, 30),
    ),
}  # fmt: skip
# On a frame of its own.
LARGE = {"CutMix": (ma.CutMix(1.0), cutmix)}
