"""When two results are the same, and when they are close."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

# A position that rounds across a tie picks the other pixel; more than this is another picture.
_TIES = 0.02


def same(found: Any, expected: Any, what: str) -> None:
    """Raise AssertionError unless two pytrees hold the same dtypes, shapes and bits."""
    left, right = str(jax.tree.structure(found)), str(jax.tree.structure(expected))
    assert left == right, f"{what}: the structure is {left}, not {right}"
    expected_leaves = jax.tree.leaves(expected)
    for (path, a), b in zip(jax.tree.leaves_with_path(found), expected_leaves, strict=True):
        place = f"{what}: {jax.tree_util.keystr(path)}"
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape), (
            f"{place} is {a.dtype}{a.shape}, not {b.dtype}{b.shape}"
        )
        different = int(np.sum(_bits(a) != _bits(b)))
        assert different == 0, f"{place} differs in {different} bytes"


def _bits(array: Any) -> Any:
    return np.frombuffer(array.tobytes(), np.uint8)


def close(
    found: Mapping[str, Any],
    expected: Mapping[str, Any],
    what: str,
    *,
    tolerance: float = 1e-4,
    ties: float = _TIES,
) -> None:
    """Raise AssertionError unless two records agree to rounding.

    Args:
        found: a record.
        expected: another one.
        what: what is compared, for the message.
        tolerance: absolute, and relative to the largest value of an entry; integers may differ
            by one level where they were blended.
        ties: the share of values that may differ more, because a position or a weight fell on
            the other side of a decision.
    """
    assert set(found) == set(expected), f"{what}: {sorted(found)}, not {sorted(expected)}"
    for name in found:
        a, b = np.asarray(found[name]), np.asarray(expected[name])
        assert (a.dtype, a.shape) == (b.dtype, b.shape), (
            f"{what}: {name} is {a.dtype}{a.shape}, not {b.dtype}{b.shape}"
        )
        if a.size == 0:
            continue
        a, b = a.astype(np.float64), b.astype(np.float64)
        scale = max(1.0, float(np.max(np.abs(b), where=np.isfinite(b), initial=0)))
        level = 1.0 if np.asarray(found[name]).dtype.kind in "ui" else 0.0
        far = ~np.isclose(a, b, rtol=0, atol=max(tolerance * scale, level), equal_nan=True)
        share = float(far.mean())
        assert share <= ties, f"{what}: {share:.1%} of {name} differ by more than rounding"
