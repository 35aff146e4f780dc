"""Fixtures of the whole house: one running shop per cell and test session, started when first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.house import CELLS, RunningHouse, real_tier_missing, running_house


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real tier where it cannot be had; the test runner says so loudly."""
    why = real_tier_missing()
    for item in items:
        if why and (item.get_closest_marker("real") or "-real" in item.name):
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def houses() -> Iterator[dict[tuple[str, str], RunningHouse]]:
    """Shops by cell; only one runs at a time, because two cores are shared by all of them."""
    with ExitStack() as stack:
        yield _OneAtATime(stack)


class _OneAtATime(dict[tuple[str, str], RunningHouse]):
    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, cell: tuple[str, str]) -> RunningHouse:
        self._stack.close()
        self.clear()
        self[cell] = self._stack.enter_context(running_house(*cell))
        return self[cell]


@pytest.fixture(scope="session", params=CELLS, ids="-".join)
def house(request: pytest.FixtureRequest, houses: dict[tuple[str, str], RunningHouse]) -> RunningHouse:
    """The shop in each of the four cells."""
    return houses[request.param]
