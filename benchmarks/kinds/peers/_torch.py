"""What the peers on PyTorch share here: tensors by entry, threads, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...contender import Form, Outputs
from ...parallel import by_part
from ...peers._torch import normalised as normalised
from ..rows import Case

Run = Callable[[slice], Sequence[torch.Tensor]]


def tensor(array: NDArray[Any], dtype: Any = np.float32) -> torch.Tensor:
    """(N, C, H, W) of (N, H, W, C)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 1), dtype=dtype))


def forms(case: Case, name: str, names: Sequence[str], run: Run) -> list[Form]:
    """`run(slice)` does a run of records and returns a tensor for each of `names`."""
    run = torch.no_grad()(run)

    def whole() -> Outputs:
        return dict(zip(names, run(slice(None)), strict=True))

    def threads() -> Outputs:
        done = by_part(case.row.batch, lambda part: run(slice(part.start, part.stop)))
        return dict(zip(names, zip(*done, strict=True), strict=True))

    made = [Form(f"{name}, library threads", whole)]
    return made if case.row.batch == 1 else [*made, Form(f"{name}, over records", threads)]


def host(outputs: Outputs) -> Mapping[str, NDArray[Any]]:
    """Channel-last arrays, from tensors or from the parts of a batch."""
    whole = {n: torch.cat(t) if isinstance(t, tuple) else t for n, t in outputs.items()}
    return {n: np.moveaxis(np.asarray(t), 1, -1) for n, t in whole.items()}
