"""The right to ask, written into a neighbour's context.py and taken out again: the rest stays byte for byte."""

from __future__ import annotations

import pytest

from fissile.scaffold.errors import AnchorMissing
from fissile.scaffold.offers import with_caller, without_caller

HEAD = 'from fissile.contexts import Context\n\nCONTEXT = Context(\n    name="users",\n    package="apps.users",\n'
CLOSED = f'{HEAD}    asks=("banks.get_rate",),\n)\n'
OPEN = '    offers={{\n        "get_account": ({}),\n        "find_account": (),\n    }},\n)\n'


def declared(offers):
    return f"{HEAD}    offers={offers},\n)\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (declared('{"get_account": ()}'), declared('{"get_account": ("billing",)}')),
        (declared('{"get_account": ("orders",)}'), declared('{"get_account": ("orders", "billing")}')),
        (HEAD + OPEN.format('"orders",'), HEAD + OPEN.format('"orders", "billing"')),
    ],
    ids=["nobody before", "one before", "over several lines"],
)
def test_a_caller_is_added_and_taken_out_again(before, after):
    assert with_caller(before, "context.py", "get_account", "billing") == after
    assert with_caller(after, "context.py", "get_account", "billing") == after
    assert without_caller(after, "context.py", "billing") == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"banks.book.v1": ("orders", "billing")}', '{"banks.book.v1": ("orders",)}'),
        ('{"b.c.v1": ("billing",)}', '{"b.c.v1": ()}'),
    ],
    ids=["beside others", "the only one"],
)
def test_a_sender_is_taken_out_of_the_commands_that_are_taken(before, after):
    text = declared('{"get_account": ("billing",)}').replace("offers=", f"takes={before},\n    offers=")

    left = without_caller(text, "context.py", "billing")

    assert f"    takes={after},\n" in left
    assert '    offers={"get_account": ()},\n' in left


def test_the_first_offer_stands_before_what_is_asked():
    offered = with_caller(CLOSED, "context.py", "get_account", "billing")

    assert offered == f'{HEAD}    offers={{"get_account": ("billing",)}},\n    asks=("banks.get_rate",),\n)\n'


def test_what_does_not_fit_into_a_line_is_opened_up():
    many = ", ".join(f'"context{number}"' for number in range(8))

    text = with_caller(declared(f'{{"get_account": ({many})}}'), "context.py", "get_account", "billing")

    assert f'    offers={{\n        "get_account": ({many}, "billing"),\n    }},\n' in text


def test_a_comment_within_offers_is_not_lost():
    text = HEAD + '    offers={\n        # for the dashboard\n        "get_account": ("bff",),\n    },\n)\n'

    with pytest.raises(AnchorMissing, match="comment"):
        with_caller(text, "context.py", "get_account", "billing")
