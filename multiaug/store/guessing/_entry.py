"""One entry's document, guessed from its name and some of its values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...typing import NDArray
from ..folder._folder_names import plain, role_of

Document = dict[str, Any]

_MOST_LABELS = 64
# Names of arrays, beside those that folders of images have.
_BY_NAME = {
    "position": "xyz xyzmap cloud pointcloud pointmap points position",
    "direction": "normal normals",
    "label": "valid validity validmask qa cloudmask classes y target instance",
    "depth": "z zmap",
    "intensity": "x rgb bands s2 s1 series reflectance spectra image",
    "boxes": "boxes bbox bboxes",
    "keypoints": "keypoint keypoints kp landmarks",
    "intrinsics": "k intrinsic intrinsics cameramatrix",
    "extrinsics": "extrinsic extrinsics pose worldtocamera",
}
_ROLES = {plain(word): role for role, words in _BY_NAME.items() for word in words.split()}
# The usual largest values of sensors that store fewer bits than their dtype has.
_TOPS = (1.0, 255.0, 1023.0, 4095.0, 10000.0, 16383.0)
# The usual label of no class, which transforms need for what comes from beyond an image.
_SKIPPED = "and what comes from beyond an image is labelled 255, for losses to skip"
_CHANNELS = {"direction": ["nx", "ny", "nz"], "position": ["x", "y", "z"], "flow": ["u", "v"]}


def role_by_name(name: str) -> str | None:
    """The role that the name of an array, a file or a folder is usual for."""
    return _ROLES.get(plain(name)) or role_of(name)


def role_by_values(shape: Sequence[int], values: NDArray) -> str:
    """The role that an array (H, W[, C]) of one record may have, where its name says nothing."""
    if len(shape) < 2:
        return "scalar"
    if len(shape) == 2 and values.dtype.kind in "bui" and len(np.unique(values)) <= _MOST_LABELS:
        return "label"
    return "intensity"


def guess_entry(role: str, count: int | None, samples: Sequence[NDArray]) -> tuple[Document, str]:
    """The document of an entry, and what was guessed of its values, for people.

    Args:
        role: what it is taken for.
        count: channels; None of arrays without an axis of them.
        samples: arrays of some records.
    """
    dtype = samples[0].dtype.name
    document: Document = {"role": role, "dtype": dtype}
    if role == "label":
        return _label(document, samples)
    notes = []
    if role == "intensity":
        if count == 3:
            document["channels"] = ["r", "g", "b"]
            notes.append("in the order r, g, b")
        elif count is not None:
            document["channels"] = count
    elif role in _CHANNELS:
        document["channels"] = _CHANNELS[role]
    flat = np.concatenate([sample.ravel() for sample in samples])
    finite = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
    if flat.dtype.kind == "f" and len(finite) < len(flat) and role == "intensity":
        document["invalid"] = "nan"
        notes.append("NaN is no data")
    elif role in ("depth", "position") and finite.size and np.mean(finite == 0) > 0.001:
        document["invalid"] = 0
        notes.append("0 is no data")
    if role == "intensity" and finite.size:
        notes += _range(document, finite)
    return document, ", ".join(notes)


def _range(document: Document, values: NDArray) -> list[str]:
    """Declare a range where the values do not fill that of their dtype."""
    if document["dtype"] in ("uint8", "bool"):
        return []
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind in "ui" and high > np.iinfo(values.dtype).max / 4:
        return []
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return []
    top = next((top for top in _TOPS if high <= top and (top > 1 or low >= -1)), None)
    if low < 0 or top is None:
        bound = float(np.ceil(max(abs(low), high)))
        document["range"] = [-bound if low < 0 else 0.0, bound]
    else:
        document["range"] = [0, top]
    bounds = " to ".join(f"{value:g}" for value in document["range"])
    return [f"range {bounds} (seen {low:g} to {high:g})"]


def _label(document: Document, samples: Sequence[NDArray]) -> tuple[Document, str]:
    if samples[0].dtype.kind == "f":
        return document, ""
    found = sorted({int(label) for sample in samples for label in np.unique(sample)})
    if document["dtype"] == "bool":
        return document, ""
    if found and set(found) <= {0, 255} and 255 in found:
        document |= {"values": {"255": 1}, "ignore": 255}
        return document, f"255 is class 1, {_SKIPPED}"
    if 255 in found and document["dtype"] == "uint8":
        document["ignore"] = 255
        return document, "255 is ignored"
    if -1 in found:
        document["ignore"] = -1
        return document, "-1 is ignored"
    if len(found) > _MOST_LABELS:
        return document, f"{len(found)} different labels, which is many for classes"
    listed = ", ".join(map(str, found[:12])) + (" .." if len(found) > 12 else "")
    if document["dtype"] != "uint8":
        return document, f"labels {listed}"
    document["ignore"] = 255
    return document, f"labels {listed}, {_SKIPPED}"


def entry_name(name: str) -> str:
    """What an entry may be called after a file or folder."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "image"
