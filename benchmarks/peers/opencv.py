"""OpenCV: warpAffine, remap, flip and LUT, into one batch array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..contender import Cannot, Form, Peer, as_is, into_outputs
from ..parallel import CORES, over
from ..work import Case

Picture = NDArray[Any]
One = Callable[[int, Picture, Picture], None]
_INVERSE = cv2.WARP_INVERSE_MAP
_LINEAR, _NEAREST = cv2.INTER_LINEAR, cv2.INTER_NEAREST


def _flat(picture: Picture) -> Picture:
    """One channel is a plane for OpenCV."""
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _forms_of(case: Case, name: str, one: One, *, even: bool = True) -> list[Form]:
    """`one(i, image, mask)` fills a record; with OpenCV's threads, and with Python's."""

    def with_own(out: dict[str, Picture]) -> None:
        for i in range(case.row.batch):
            one(i, out["image"][i], out["mask"][i])

    def with_python(out: dict[str, Picture]) -> None:
        over(case.row.batch, lambda i: one(i, out["image"][i], out["mask"][i]), even=even)

    forms = []
    kinds = ((f"{name}, own threads", with_own, CORES), (f"{name}, over pictures", with_python, 1))
    for label, fill, threads in kinds:
        fresh, recycled = into_outputs(case, fill)

        def enter(threads: int = threads) -> None:
            cv2.setNumThreads(threads)

        forms += [Form(label, fresh, False, enter), Form(label, recycled, True, enter)]
    return forms


def _affine(case: Case) -> list[Form]:
    matrices = list(case.geometry.backward)
    size = case.row.out_shape[::-1]

    def whole(i: int, image: Picture, mask: Picture) -> None:
        m = matrices[i]
        cv2.warpAffine(_flat(case.image[i]), m, size, _flat(image), _LINEAR | _INVERSE)
        cv2.warpAffine(case.mask[i], m, size, mask, _NEAREST | _INVERSE)

    def groups(i: int, image: Picture, mask: Picture) -> None:
        _in_groups(case.image[i], matrices[i], image)
        cv2.warpAffine(case.mask[i], matrices[i], size, mask, _NEAREST | _INVERSE)

    forms = _forms_of(case, "warpAffine", _moving(case, whole))
    if case.row.channels > 4:
        forms += _forms_of(case, "warpAffine by 4 channels", _moving(case, groups))
    return forms


def _in_groups(source: Picture, matrix: Picture, out: Picture) -> None:
    """Up to 4 channels have a vector path; mixChannels deals them out and back."""
    for start in range(0, source.shape[-1], 4):
        count = min(4, source.shape[-1] - start)
        group = np.empty((*source.shape[:2], count), source.dtype)
        dealt = [v for c in range(count) for v in (start + c, c)]
        back = [v for c in range(count) for v in (c, start + c)]
        cv2.mixChannels([source], [group], dealt)
        warped = cv2.warpAffine(group, matrix, out.shape[1::-1], flags=_LINEAR | _INVERSE)
        cv2.mixChannels([warped], [out], back)


def _moving(case: Case, one: One) -> One:
    """The coordinates by hand: x and y turn and mirror, z stays."""
    if case.geometry.motion is None:
        return one
    motion = case.geometry.motion.astype(np.float32)

    def moved(i: int, image: Picture, mask: Picture) -> None:
        one(i, image, mask)
        (a, b), (c, d) = motion[i, :2, :2]
        x, y = image[..., 3], image[..., 4]
        if b == 0 and c == 0:
            if a < 0:
                np.negative(x, out=x)
            return
        turned = a * x
        turned += b * y
        y *= d
        y += c * x
        image[..., 3] = turned

    return moved


def _remap(case: Case) -> list[Form]:
    maps = case.geometry.maps
    fixed = [cv2.convertMaps(m[0], m[1], cv2.CV_16SC2) for m in maps]
    rounded = [cv2.convertMaps(m[0], m[1], cv2.CV_16SC2, nninterpolation=True)[0] for m in maps]

    def floats(i: int, image: Picture, mask: Picture) -> None:
        cv2.remap(_flat(case.image[i]), maps[i, 0], maps[i, 1], _LINEAR, _flat(image))
        cv2.remap(case.mask[i], maps[i, 0], maps[i, 1], _NEAREST, mask)

    def integers(i: int, image: Picture, mask: Picture) -> None:
        cv2.remap(_flat(case.image[i]), *fixed[i], _LINEAR, _flat(image))
        cv2.remap(case.mask[i], rounded[i], None, _NEAREST, mask)

    return [
        *_forms_of(case, "remap", _moving(case, floats)),
        *_forms_of(case, "remap, fixed-point maps", _moving(case, integers)),
    ]


def _map_maker(case: Case) -> Callable[[int], tuple[Picture, Picture]]:
    """Maps from the control grid: two small products, as fast as NumPy makes them."""
    geometry = case.geometry
    by, bx = geometry.bases
    height, width = geometry.out_shape
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    matrices = geometry.backward.astype(np.float32)

    def make(i: int) -> tuple[Picture, Picture]:
        control = geometry.control[i].astype(np.float32)  # type: ignore[index]
        dx, dy = (by @ control[..., k] @ bx.T for k in (0, 1))
        dx += x
        dy += y
        maps = []
        for p, q, r in matrices[i]:
            out = p * dx
            out += q * dy
            out += r
            maps.append(out)
        return maps[0], maps[1]

    return make


def _remap_made(case: Case) -> list[Form]:
    make = _map_maker(case)

    def one(i: int, image: Picture, mask: Picture) -> None:
        map_x, map_y = make(i)
        cv2.remap(_flat(case.image[i]), map_x, map_y, _LINEAR, _flat(image))
        cv2.remap(case.mask[i], map_x, map_y, _NEAREST, mask)

    return _forms_of(case, "remap", _moving(case, one))


def _exact(case: Case) -> list[Form]:
    box, flip = case.geometry.box, case.geometry.flip

    def one(i: int, image: Picture, mask: Picture) -> None:
        x0, y0, x1, y1 = box[i]  # type: ignore[index]
        for source, out in ((_flat(case.image[i]), _flat(image)), (case.mask[i], mask)):
            window = source[y0:y1, x0:x1]
            if flip[i]:  # type: ignore[index]
                cv2.flip(window, 1, out)
            else:
                np.copyto(out, window)

    return _forms_of(case, "flip", _moving(case, one))


def _recipe(case: Case) -> list[Form]:
    make, geometry, row = _map_maker(case), case.geometry, case.row
    matrices, size = list(geometry.backward), case.row.out_shape[::-1]
    change = _change_bytes if row.dtype == np.uint8 else _change_floats

    def one(i: int, image: Picture, mask: Picture) -> None:
        warped = _flat(image)
        if geometry.bends(i):
            map_x, map_y = make(i)
            cv2.remap(_flat(case.image[i]), map_x, map_y, _LINEAR, warped)
            cv2.remap(case.mask[i], map_x, map_y, _NEAREST, mask)
        else:
            cv2.warpAffine(_flat(case.image[i]), matrices[i], size, warped, _LINEAR | _INVERSE)
            cv2.warpAffine(case.mask[i], matrices[i], size, mask, _NEAREST | _INVERSE)
        if geometry.motion is None:
            change(warped, geometry.photometry[i], row.white)  # type: ignore[index]
            return
        colours = np.ascontiguousarray(warped[..., :3])
        change(colours, geometry.photometry[i], row.white)  # type: ignore[index]
        warped[..., :3] = colours

    return _forms_of(case, "warp + LUT or NumPy", _moving(case, one), even=False)


_LEVELS = np.arange(256, dtype=np.float32) / 255


def _change_bytes(image: Picture, drawn: Picture, white: float) -> None:
    """Three transforms are one table of 256; the noise is added with saturation."""
    brightness, contrast, gamma, deviation = drawn
    mean = image.mean() / white + brightness
    v = mean + (1 + contrast) * (_LEVELS + brightness - mean)
    table = (np.clip(v, 0, 1) ** gamma * white + 0.5).astype(np.uint8)
    cv2.LUT(image, table, image)
    noise = np.empty(image.shape, np.int16)
    cv2.randn(noise.reshape(image.shape[0], -1), 0, deviation * white)
    cv2.add(image, noise, image, dtype=cv2.CV_8U)


def _change_floats(image: Picture, drawn: Picture, white: float) -> None:
    """In place where it is float; 16 bits go through float32, a table of 65,536 is no faster."""
    brightness, contrast, gamma, deviation = drawn
    v = image if image.dtype == np.float32 else image.astype(np.float32)
    v = v.reshape(v.shape[0], -1)
    mean = v.mean() / white + brightness
    scale, offset = (1 + contrast) / white, mean + (1 + contrast) * (brightness - mean)
    cv2.multiply(v, scale, v)
    cv2.add(v, offset, v)
    np.maximum(v, 0, out=v)
    cv2.pow(v, gamma, v)
    noise = np.empty_like(v)
    cv2.randn(noise, 0, deviation)
    v += noise
    if image.dtype != np.float32:
        np.clip(v, 0, 1, out=v)
        v *= white
        v += 0.5
        image[...] = v.reshape(image.shape)


_WORKS = {"a": _affine, "b": _remap, "c": _exact, "d": _recipe, "e": _affine}


def _forms(case: Case) -> list[Form]:
    return _WORKS[case.row.work](case)


def _forms_made(case: Case) -> list[Form]:
    if case.row.work != "b":
        raise Cannot("differs in b only")
    return _remap_made(case)


PEERS = [
    Peer(
        "opencv",
        _forms,
        as_is,
        cv2.__version__,
        "warpAffine(dst=), remap(dst=) with maps made beforehand, flip, LUT, randn; masks nearest",
        moves=True,
    ),
    Peer(
        "opencv, maps made",
        _forms_made,
        as_is,
        cv2.__version__,
        "remap whose maps are made from the control grid inside the clock, as a training loop must",
        moves=True,
    ),
]
