"""Refusals of what roles have no rule for, in one form for all stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...errors import ParameterError
from ...roles import SPATIAL_ROLES, Verbs
from ...spec import ChannelGroup, EntrySpec
from ._structure import groups_of

Ask = Callable[[Verbs, ChannelGroup], str | None]


def refuse_entries(
    owner: str,
    verb: str,
    reasons: Mapping[str, str | None],
    remedy: Callable[[str], str],
) -> None:
    """Refuse the first entry that there is a reason against.

    Args:
        owner: of the transform.
        verb: what it does to entries.
        reasons: entry name -> why it cannot be done, with what may be changed in the spec.
        remedy: entry name -> what may be changed in the pipeline.

    Raises:
        ParameterError: naming the entry and the remedies.
    """
    for name, reason in reasons.items():
        if reason is not None:
            raise ParameterError(
                f"`{owner}` cannot {verb} the entry {name!r}: {reason}. Or {remedy(name)}"
            )


def reason_of_roles(entry: EntrySpec, dtype: Any, ask: Ask, what: str) -> str | None:
    """Why the roles of an image refuse something; None where none does.

    Args:
        entry: the image.
        dtype: of its array.
        ask: a role and its group -> why it refuses.
        what: that a role without verbs does not say.
    """
    for group in groups_of(entry, np.dtype(dtype)):
        role = SPATIAL_ROLES[group.role]
        if not isinstance(role, Verbs):
            return f"the role {group.role} does not say {what} (see roles.Verbs)"
        reason = ask(role, group)
        if reason is not None:
            return reason
    return None
