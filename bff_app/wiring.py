"""The fuse box of the web BFF: the only file that picks adapters."""

from __future__ import annotations

from .adapters.users import UsersProfileDirectory
from .ports import ProfileDirectory


def profiles() -> ProfileDirectory:
    """Return the directory of profiles: users, near or far."""
    return UsersProfileDirectory()
