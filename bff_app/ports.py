"""What the BFF asks of others, in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a dashboard shows about its owner."""

    id: UUID
    name: str
    email: str


class ProfileDirectory(Protocol):
    """Knows people's profiles."""

    def find_profile(self, user_id: UUID) -> Profile | None:
        """Return the profile, or None if nobody has this id.

        Raise UnreachableError if the directory does not answer in time.
        """
        ...
