"""Fixtures of the whole house: one running shop per cell and test session, started when first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.house import CELLS, RunningHouse, real_tier_missing, running_house


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs the real tier where it cannot be had; the test runner says so loudly.

    With HOUSES=real or HOUSES=embedded the houses of the other tier are left out.
    """
    if of_tier := os.environ.get("HOUSES"):
        left_out = [item for item in items if _is_a_house(item) and _is_real(item) != (of_tier == "real")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    why = real_tier_missing()
    for item in items:
        if why and _is_real(item):
            item.add_marker(pytest.mark.skip(reason=why))


def _is_a_house(item: pytest.Item) -> bool:
    return item.get_closest_marker("house") is not None


def _is_real(item: pytest.Item) -> bool:
    return item.get_closest_marker("real") is not None or "-real" in item.name


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
