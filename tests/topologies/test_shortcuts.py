"""Parity sees code that works in the monolith only, and names the request that shows it."""

from __future__ import annotations

import pytest

from tests.topologies.parity import FOLDER, write
from tests.topologies.planted import SHORTCUTS

pytestmark = pytest.mark.house
# All ten in every cut: make parity-shortcuts. A state of one process, and an event that was never sent.
PLANTED = [shortcut for shortcut in SHORTCUTS if shortcut.plant in ("share_a_cache_key", "send_a_signal")]


@pytest.mark.parametrize("shortcut", PLANTED, ids=lambda shortcut: shortcut.plant)
def test_a_shortcut_of_the_monolith_is_seen_in_the_split_and_named_by_its_request(shortcut):
    result = shortcut.run([("monolith", "embedded"), ("split", "embedded")])

    page = write(result, FOLDER, f"test-{shortcut.plant}")
    assert shortcut.misjudged(result) == [], page
    assert not result.is_same
    assert f"{shortcut.meets} of request " in page.read_text(encoding="utf-8")
