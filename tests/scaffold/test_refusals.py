"""What the scaffolds refuse, on this house's own source: with place and fix, and without writing anything."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

PLACED = ("startevent", "orders.order_placed")


def plan(*command):
    # Dry, so that a refusal which does not come leaves this checkout as it is.
    call_command(*command, "--dry-run")


@pytest.mark.parametrize(
    ("command", "what", "where", "fix"),
    [
        (("startevent", "order_placed"), "is not an event", "", "such as billing.invoice_issued"),
        (("startevent", "orders.OrderSent"), "lower_case_with_underscores", "", "such as billing.invoice_issued"),
        (("startevent", "orders.sent"), "does not say about what", "", "such as invoice_sent"),
        (("startevent", "ledger.line_written"), "There is no context ledger", "contexts.py", "startcontext ledger"),
        (("startevent", "bff.page_shown"), "has no outbox", "bff_app/models.py", "add an OutboxRow"),
        ((*PLACED, "--field", "note:text"), "with other fields", "class OrderPlacedV1", "a fact that was told stays"),
        ((*PLACED, "--field", "at:moment"), "moment is no kind of field", "--field at:moment", "one of money"),
        ((*PLACED, "--field", "at"), "at says no kind of field", "--field at", "one of money"),
        ((*PLACED, "--field", "Amount:money"), "'Amount' cannot be a field", "", "such as amount:money"),
        ((*PLACED, "--field", "size:float"), "A float is no exact number", "--field size:float", "one of money"),
        ((*PLACED, "--field", "item:ref:stock"), "There is no context stock", "--field item:ref:stock", "one of users"),
        ((*PLACED, "--field", "version:int"), "the event's or the row's own", "--field version:int", "such as --field"),
        ((*PLACED, "--field", "a:int", "--field", "a:text"), "is there twice", "--field a:text", "name each once"),
        (("startconsumer", "letters", *PLACED[1:]), "no context letters", "contexts.py", "startcontext letters"),
        (("startconsumer", "users", "orders.order_lost"), "orders publishes no order_lost", "events.py", "startevent"),
        (("startconsumer", "users", "stock.item_sold"), "no context stock", "contexts.py", "startcontext stock"),
        (("startconsumer", "orders", *PLACED[1:]), "is orders' own", "orders.order_placed", "call it where"),
        (("startconsumer", "users", *PLACED[1:], "--wish", "Send"), "cannot be a use case", "", "such as remind"),
        (("startconsumer", "orders", "payments.payment_voided", "--wish", "confirm_order"),
         "handles another event", "apps/orders/consumers.py", "give --wish"),
    ],
)  # fmt: skip
def test_it_says_what_where_and_how_to_go_on(command, what, where, fix):
    with pytest.raises(CommandError) as refused:
        plan(*command)

    said = str(refused.value)
    assert refused.value.returncode == 2
    assert what in said.partition("\n")[0]
    assert where in said
    assert f"Fix   {fix}" in said


def test_a_refusal_is_one_document_for_programs(capsys):
    with pytest.raises(SystemExit) as stopped:
        plan("startevent", "ledger.line_written", "--json")

    said = json.loads(capsys.readouterr().out)
    assert stopped.value.code == 2
    assert (said["ok"], said["error"]["id"]) == (False, "SCF002")


def test_an_event_that_is_handled_already_has_nothing_to_do_whatever_its_handler_is_called(capsys):
    plan("startconsumer", "bff", "orders.order_placed")

    assert capsys.readouterr().out.startswith("nothing to do: bff: hears orders.order_placed.v1 on queue bff.orders")
