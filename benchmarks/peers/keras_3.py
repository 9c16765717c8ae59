"""Keras 3: ops.image with given matrices, and the preprocessing layers."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import keras
import numpy as np

from ..contender import Cannot, Form, Outputs, Peer
from ..work import Case
from ._jax import host, over_pictures, spreads

if keras.backend.backend() != "jax":
    raise ImportError(f"needs KERAS_BACKEND=jax, got {keras.backend.backend()}")


def _ops(case: Case) -> list[Form]:
    _refuse_large(case)
    if case.row.work != "a":
        raise Cannot("its batched call is an affine one")
    eight = np.concatenate(
        [case.geometry.backward.reshape(-1, 6), np.zeros((case.row.batch, 2))], axis=1
    ).astype(np.float32)
    image, mask = case.image.astype(np.float32), case.mask[..., None].astype(np.float32)

    @jax.jit
    def run(image: Any, mask: Any, m: Any) -> Any:
        warp = keras.ops.image.affine_transform
        return (
            warp(image, m, interpolation="bilinear", fill_mode="constant"),
            warp(mask, m, interpolation="nearest", fill_mode="constant"),
        )

    def call(arrays: Any) -> Outputs:
        return jax.block_until_ready(run(*arrays))

    arrays = image, mask, eight
    forms = [Form(f"jit, {n}", partial(call, a)) for n, a in spreads(case, *arrays).items()]
    return [*forms, over_pictures(case, run, arrays)]


def _refuse_large(case: Case) -> None:
    if case.row.size > 224 or case.row.channels > 6:
        raise Cannot("the slow end of the scale: up to 224 and 6 channels")


def _layers(case: Case) -> list[Form]:
    _refuse_large(case)
    layers = _layers_of(case)
    image, mask = case.image.astype(np.float32), case.mask[..., None].astype(np.float32)
    for layer in layers:
        layer.build(image.shape)
    initial = [[v.value for v in layer.non_trainable_variables] for layer in layers]

    @jax.jit
    def run(states: Any, batch: Any) -> Any:
        kept = []
        for layer, state in zip(layers, states, strict=True):
            batch, state = layer.stateless_call([], state, batch, training=True)
            kept.append(state)
        return kept, (batch["images"], batch["segmentation_masks"])

    def form(name: str, images: Any, masks: Any) -> Form:
        batch = {"images": images, "segmentation_masks": masks}
        states = initial

        def call() -> Outputs:
            nonlocal states
            states, done = run(states, batch)
            return jax.block_until_ready(done)

        return Form(f"layers, {name}", call)

    return [form(name, *arrays) for name, arrays in spreads(case, image, mask).items()]


def _layers_of(case: Case) -> list[Any]:
    k = keras.layers
    if case.row.work == "c":
        raise Cannot("RandomCrop takes one window for a whole batch, and does not run under jit")
    if case.row.work == "a":
        return [
            k.RandomRotation(30 / 360, fill_mode="constant"),
            k.RandomZoom((-0.2, 0.25), fill_mode="constant"),
            k.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            k.RandomFlip("horizontal"),
        ]
    raise Cannot("its elastic and colour layers work on 3 channels, or not on masks")


_NOTE = "on the JAX backend under jit, float32 pictures on one device or split over all beforehand"
PEERS = [
    Peer("Keras ops", _ops, host, keras.__version__, f"ops.image.affine_transform {_NOTE}"),
    Peer(
        "Keras layers",
        _layers,
        host,
        keras.__version__,
        f"RandomRotation, RandomZoom, RandomTranslation, RandomFlip {_NOTE}; every layer resamples",
        draws="own",
    ),
]
