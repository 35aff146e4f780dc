"""What every ProfileDirectory must do: run against the fake, the near and the far one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from bff_app.ports import Profile, ProfileDirectory
from fissile import carry
from fissile.errors import UnreachableError
from fissile.testing.calls import unruly_calls


class FakeProfileDirectory:
    """A ProfileDirectory in memory; `is_down` makes it as unreachable as users can be."""

    def __init__(self, *profiles: Profile, is_down: bool = False) -> None:
        self.profiles = {profile.id: profile for profile in profiles}
        self.is_down = is_down

    def find_profile(self, user_id: UUID) -> Profile | None:
        if self.is_down or carry.remaining_seconds(1.0) <= 0:
            raise UnreachableError
        return self.profiles.get(user_id)


class AskedTwice:
    """Sends every call twice: the second answer must be the first."""

    def __init__(self, directory: ProfileDirectory) -> None:
        self.directory = directory

    def find_profile(self, user_id: UUID) -> Profile | None:
        first, second = self.directory.find_profile(user_id), self.directory.find_profile(user_id)
        assert first == second
        return second


class ProfileDirectoryConformance:
    """Subclasses give `directory`, and `registered`: somebody whom it knows."""

    def test_somebody_is_found_with_name_and_address(self, directory: Any, registered: Any) -> None:
        profile = AskedTwice(directory).find_profile(registered.id)

        assert profile == Profile(id=registered.id, name=registered.name, email=registered.email)

    def test_a_stranger_is_nobody(self, directory: Any, registered: Any) -> None:
        assert AskedTwice(directory).find_profile(uuid4()) is None

    def test_without_time_left_it_is_unreachable(self, directory: Any, registered: Any) -> None:
        with carry.using(deadline=time.monotonic()), pytest.raises(UnreachableError):
            directory.find_profile(registered.id)


class OverUnrulyCalls:
    """Mixed into a suite: every call is late and arrives twice, and nobody may notice."""

    @pytest.fixture(autouse=True)
    def unruly(self) -> Iterator[None]:
        with unruly_calls(seed=13, duplicate=1.0, delay_seconds=(0.0, 0.02)) as kit:
            yield
        assert {call.runs for call in kit.log} <= {2}
