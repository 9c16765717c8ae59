"""Transforms as JSON documents, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any

import jax
import numpy as np

from .._arguments import check_argument, instance
from ..errors import ParameterError
from ..statistics import Statistics, load_statistics
from . import _base
from ._base import Transform, old_settings, settings_of


def to_config(transform_: Transform) -> dict[str, Any]:
    """A transform as JSON-ready data; arrays become nested lists."""
    check_argument(
        "to_config.transform_", transform_, instance(Transform, "a transform", "Call its class.")
    )
    config: dict[str, Any] = {"type": transform_.owner}
    for item in settings_of(transform_):
        if item.name == "p" and item.kw_only and transform_.chance == 1:
            continue  # as documents have it that were written before there was a `p`
        config[_key(item)] = _plain(getattr(transform_, item.name))
    return config


def _key(item: Field[Any]) -> str:
    """What a setting is called in documents: as at first, so that every release can read them."""
    return str(item.metadata.get("was") or item.name)


def _plain(value: Any) -> Any:
    if isinstance(value, Transform):
        return to_config(value)
    if isinstance(value, Statistics):
        return value.reference()
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | jax.Array):
        return np.asarray(value).tolist()
    return value


def from_config(config: Any, path: str = "$") -> Transform:
    """The inverse of `to_config`.

    Raises:
        ParameterError: the document names no known transform, or has wrong settings; the
            message carries the JSON path.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("type"), str):
        raise ParameterError(f'{path} must be an object with a "type", got {config!r}.')
    cls = _base.REGISTRY.get(config["type"])
    if cls is None:
        raise ParameterError(
            f"{path}.type must name a transform, got {config['type']!r}.{_suggest(config['type'])} "
            "A transform of your own must be imported before its pipeline is read."
        )
    known = {item.name for item in settings_of(cls)}
    unknown = sorted(set(config) - known - old_settings(cls).keys() - {"type"})
    if unknown:
        raise ParameterError(
            f"{path} has the setting {unknown[0]!r}, which {config['type']} does not know; "
            f"it has {', '.join(sorted(known))}."
        )
    renamed = old_settings(cls)
    settings: dict[str, Any] = {
        str(renamed.get(name, name)): _build(value, f"{path}.{name}")
        for name, value in config.items()
        if name != "type"
    }
    try:
        return cls(**{**cls.document_defaults, **settings})
    except (ParameterError, TypeError) as error:
        raise ParameterError(f"{path}: {error}") from error


def _build(value: Any, path: str) -> Any:
    if isinstance(value, Mapping) and set(value) == {"path", "sha256"}:
        return load_statistics(value["path"], sha256=value["sha256"])
    if isinstance(value, Mapping):
        return from_config(value, path)
    if isinstance(value, list):
        return tuple(_build(item, f"{path}[{i}]") for i, item in enumerate(value))
    return value


def _suggest(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, _base.REGISTRY, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
