"""How to have nothing run in native code, for tests and for tables that compare both backends."""

import pytest

from multiaug.pipeline.backends._blocks import LRUCache
from multiaug.pipeline.backends._native_plan import plan_records


def switch_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing sampled in native code from now on, also by earlier pipelines."""
    programs = LRUCache()
    monkeypatch.setattr("multiaug.sampling._compiled.library", lambda: None)
    monkeypatch.setattr("multiaug.pipeline.backends._native_programs._WORKS", programs)
    monkeypatch.setattr("multiaug.pipeline.backends._native_programs._TEMPLATES", {})
    monkeypatch.setattr("multiaug.pipeline.backends._fast_path.FastPaths.get", lambda *_: None)
    # What was compiled with a plan for native code.
    plan_records.clear_cache()
