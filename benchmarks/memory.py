"""Peak memory of one batch, in a process of its own: ``python -m benchmarks.memory ROW PEER``.

The peak of the resident set during a warm call, less what was resident before it. The inputs are
resident before; the results are not, so their bytes are the least that can be shown.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FILES = {"multiaug": "ours", "opencv": "opencv", "torch": "torch_grid"}


def _resident(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def _peak_of(call: Any) -> int:
    call()
    call()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    # 5 resets the peak of the resident set to what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    kept = call()
    peak = _resident("VmHWM") - before
    del kept
    return peak


def _child(row_name: str, peer_name: str) -> None:
    from . import peers, work

    (row,) = work.choose([row_name])
    case = work.make_case(row)
    loaded, missing = peers.load([FILES[peer_name]])
    if missing:
        raise SystemExit(str(missing))
    forms = next(p for p in loaded if p.name == peer_name).forms(case)
    form = [f for f in forms if not f.recycled][-1]
    form.enter()
    peak = _peak_of(form.call)
    record = {"peak": peak, "form": form.name, "out": row.out_bytes}
    print(json.dumps({**record, "in": case.image.nbytes + case.mask.nbytes}))


def reason(stderr: str) -> str:
    """The line of a traceback that says what went wrong."""
    lines = stderr.strip().splitlines() or ["?"]
    return next((line for line in reversed(lines) if "Error: " in line), lines[-1])[:150]


def measure(row_name: str, peer_name: str) -> dict[str, Any]:
    """Bytes of a call, in a fresh process; or the reason why not."""
    command = [sys.executable, "-m", "benchmarks.memory", row_name, peer_name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": reason(done.stderr)}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    _child(*sys.argv[1:3])
