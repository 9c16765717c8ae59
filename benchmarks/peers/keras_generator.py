"""Keras' ImageDataGenerator: random_transform, picture after picture."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from ..contender import Cannot, Form, Outputs, Peer
from ..parallel import over
from ..work import Case


def _forms(case: Case) -> list[Form]:
    if case.row.work != "a" or case.row.size > 224:
        raise Cannot("affine only; timed up to 224, it is scipy per channel")
    generator = ImageDataGenerator(
        rotation_range=30,
        width_shift_range=0.1,
        height_shift_range=0.1,
        zoom_range=(0.8, 1.25),
        horizontal_flip=True,
        fill_mode="constant",
        dtype="float32",
    )
    n = case.row.batch

    def own() -> Outputs:
        return np.stack([generator.random_transform(x) for x in case.image])

    def threads() -> Outputs:
        out = np.empty((n, *case.image.shape[1:]), np.float32)

        def one(i: int) -> None:
            out[i] = generator.random_transform(case.image[i])

        over(n, one)
        return out

    return [Form("one thread", own), Form("over pictures", threads)]


def _host(outputs: Outputs) -> dict[str, Any]:
    return {"image": np.asarray(outputs)}


PEERS = [
    Peer(
        "ImageDataGenerator",
        _forms,
        _host,
        keras.__version__,
        "random_transform on the pictures alone: it has no masks, which is in its favour",
        draws="own",
        masked=False,
    )
]
