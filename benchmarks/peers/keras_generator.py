"""Keras' ImageDataGenerator, picture after picture, each with its mask or alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from numpy.typing import NDArray

from ..contender import Cannot, Form, Outputs, Peer
from ..parallel import over
from ..work import Case


def _generator(order: int) -> ImageDataGenerator:
    return ImageDataGenerator(
        rotation_range=30,
        width_shift_range=0.1,
        height_shift_range=0.1,
        zoom_range=(0.8, 1.25),
        horizontal_flip=True,
        fill_mode="constant",
        interpolation_order=order,
        dtype="float32",
    )


def _check(case: Case) -> None:
    if case.row.work != "a" or case.row.size > 224:
        raise Cannot("affine only; timed up to 224, it is scipy per channel")


def _with_masks(case: Case) -> list[Form]:
    """One transformation for both, as its documentation has it: linear and nearest."""
    _check(case)
    generator, labels = _generator(1), _generator(0)
    masks = case.mask[..., None]

    def into(image: NDArray[Any], mask: NDArray[Any]) -> Callable[[int], None]:
        def one(i: int) -> None:
            drawn = generator.get_random_transform(case.image[i].shape)
            image[i] = generator.apply_transform(case.image[i], drawn)
            mask[i] = labels.apply_transform(masks[i], drawn)[..., 0]

        return one

    return _forms(case, into)


def _alone(case: Case) -> list[Form]:
    _check(case)
    generator = _generator(1)

    def into(image: NDArray[Any], mask: NDArray[Any]) -> Callable[[int], None]:
        def one(i: int) -> None:
            image[i] = generator.random_transform(case.image[i])

        return one

    return _forms(case, into)


def _forms(
    case: Case, into: Callable[[NDArray[Any], NDArray[Any]], Callable[[int], None]]
) -> list[Form]:
    """Over a batch: in one thread, and in one for each core."""
    n = case.row.batch

    def outputs() -> dict[str, NDArray[Any]]:
        return {
            "image": np.empty(case.image.shape, np.float32),
            "mask": np.empty_like(case.mask),
        }

    def own() -> Outputs:
        done = outputs()
        one = into(**done)
        for i in range(n):
            one(i)
        return done

    def threads() -> Outputs:
        done = outputs()
        over(n, into(**done))
        return done

    return [Form("one thread", own), Form("over pictures", threads)]


def _host(outputs: Outputs) -> dict[str, Any]:
    return dict(outputs)


PEERS = [
    Peer(
        "ImageDataGenerator",
        _with_masks,
        _host,
        keras.__version__,
        "get_random_transform, apply_transform on each picture and, by nearest neighbour, its mask",
        draws="own",
    ),
    Peer(
        "ImageDataGenerator, no masks",
        _alone,
        _host,
        keras.__version__,
        "random_transform on the pictures alone: less work than the row's",
        draws="own",
        masked=False,
    ),
]
