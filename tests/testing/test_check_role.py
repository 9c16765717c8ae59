"""Every role passes its check, and a broken one does not."""

import os

import jax.numpy as jnp
import pytest

from multiaug.roles import SPATIAL_ROLES, TABLE_ROLES
from multiaug.testing import check_role

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
# By day one of each kind that moves: tests/reference has the images, tests/roles the tables.
DAILY = ("position", "density", "keypoints", "intrinsics")


@pytest.mark.parametrize("role", [*SPATIAL_ROLES, *TABLE_ROLES] if NIGHTLY else DAILY)
def test_every_role(role):
    check_role(role, 5)


class Forgetful:
    """Points that forget the map when it is a mirror."""

    def __init__(self, role):
        self.traits = role.traits
        self.role = role

    def move(self, values, group, site):
        moved = self.role.move(values, group, site)
        return moved | {"": jnp.where(site.view.mirrored, values + 1, moved[""])}


def test_a_broken_role_is_found(monkeypatch):
    monkeypatch.setitem(TABLE_ROLES, "keypoints", Forgetful(TABLE_ROLES["keypoints"]))
    with pytest.raises(AssertionError, match="a mirror, twice"):
        # Settings of its own: roles are no part of what JAX tells compiled code apart by.
        check_role("keypoints", 6, mirror_pairs=[[0, 1]])


def test_an_unknown_role_is_named():
    with pytest.raises(AssertionError, match="'colour'"):
        check_role("colour")
