"""The pages of the test kit: every block of Python in them is a test, and passes in the shop."""

from __future__ import annotations

import pytest

from tests.pages.examples import HOWTO, blocks_of

PAGES = [
    HOWTO / name
    for name in (
        "test-with-drain.md",
        "test-deliveries-twice.md",
        "test-deliveries-out-of-order.md",
        "test-crashes.md",
        "test-what-was-published.md",
        "test-with-a-frozen-broker.md",
    )
]
BLOCKS = [block for page in PAGES for block in blocks_of(page) if block.language == "python"]


def examples():
    """Each test of each block, under the block's own marks."""
    for block in BLOCKS:
        names = block.run()
        found = {name: value for name, value in names.items() if name.startswith("test_")}
        assert found, f"{block.page}:{block.line} has no test in it"
        for name, test in found.items():
            yield pytest.param(test, id=f"{block.page.stem}-{name}", marks=names["pytestmark"])


@pytest.mark.parametrize("example", list(examples()))
def test_an_example_does_what_its_page_says(example):
    example()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_of_the_kit_has_an_example(page):
    assert [block for block in BLOCKS if block.page == page]
