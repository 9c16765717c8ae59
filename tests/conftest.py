"""Settings of the whole suite, and a fresh interpreter for tests that need their own."""

import functools
import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# By day XLA's former emitters of loops: they compile in half the time, which most of the suite is,
# and round a few last places differently. By night those that users have. Read by XLA when it
# begins, and inherited by the processes of tests.
if os.environ.get("HYPOTHESIS_PROFILE") != "nightly":
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

import hypothesis
import jax
import pytest

from tests.native_code import switch_off

ROOT = Path(__file__).resolve().parents[1]

# What type checkers read and nobody runs.
collect_ignore_glob = ["typing/*"]

# A shape or dtype that only fits by accident is a bug here, where users' arrays of many kinds meet.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# No persistent compilation cache: JAX does not write it atomically, so two workers would read
# each other's halves, and CI starts without one.

# The first case of a shape compiles, and drawing may compile too: time says nothing here.
_COMMON = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("dev", max_examples=10, **_COMMON)
hypothesis.settings.register_profile("ci", max_examples=12, derandomize=True, **_COMMON)
hypothesis.settings.register_profile("nightly", max_examples=500, print_blob=True, **_COMMON)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev")
)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """On an accelerator, leave out what is promised for CPUs alone."""
    if item.get_closest_marker("cpu") and jax.default_backend() != "cpu":
        pytest.skip("promised for CPUs alone")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cells of the matrices have run, and what has no cells, and why."""
    cells: Counter[str] = Counter()
    missing: dict[str, int] = {}
    contract: list[list[Any]] = []
    errors = 0
    for report in itertools.chain(*terminalreporter.stats.values()):
        for name, value in getattr(report, "user_properties", ()):
            if report.when != "call":
                continue
            if name == "contract":
                contract.append(value)
            elif name == "accuracy":
                errors += value
            elif name == "conformance":
                kind, found = value
                if kind == "missing":
                    missing = found
                else:
                    cells[kind] += found
    if cells:
        by = ", ".join(f"{cells[kind]} by {kind}" for kind in ("native", "xla") if cells[kind])
        terminalreporter.write_line(
            f"conformance: {by} cells compared; {sum(missing.values())} not applicable"
        )
        _write_counts(terminalreporter, missing)
    if errors:
        terminalreporter.write_line(
            f"accuracy: {errors} errors against references; docs/accuracy.md has all of them"
        )
    if contract:
        native, xla = (sum(line[k] for line in contract) for k in (0, 1))
        refused, absent = (sum((Counter(line[k]) for line in contract), Counter()) for k in (2, 3))
        terminalreporter.write_line(
            f"contract: {native} cells where native code runs what it can, {xla} by XLA; "
            f"{refused.total()} refused with a sentence, {absent.total()} not applicable"
        )
        _write_counts(terminalreporter, {f"refused: {text}": n for text, n in refused.items()})
        _write_counts(terminalreporter, absent)


def _write_counts(terminalreporter: pytest.TerminalReporter, counts: Mapping[str, int]) -> None:
    for reason, count in counts.items():
        terminalreporter.write_line(f"  {count}: {reason}")


@pytest.fixture
def without_c(monkeypatch) -> Callable[[], None]:
    """Have nothing sampled in native code from the call on, also by earlier pipelines."""
    return functools.partial(switch_off, monkeypatch)


@pytest.fixture(scope="session")
def fresh_python() -> Callable[..., str]:
    """Run code in an interpreter of its own and return what it printed.

    For what a process can do only once: importing, choosing a platform, splitting the CPU into
    several devices. `fresh_python(code, devices=4)` gives the code four CPU devices; further
    keywords are environment variables.
    """

    def run(code: str, *, devices: int | None = None, **environment: str) -> str:
        env = {**os.environ, **environment}
        if devices is not None:
            flags = f"{env.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
            env |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags.strip()}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
