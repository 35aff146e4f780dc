"""`context.py` against the code, and apps that no rule covers."""

from __future__ import annotations

from .planting import DECLARED, case

_EVENTS = """
    from dataclasses import dataclass
    from typing import ClassVar

    from fissile.messages import Event


    @dataclass(frozen=True, kw_only=True)
    class ReturnReceivedV1(Event):
        name: ClassVar[str] = "returns.return_received.v1"
        number: str


    @dataclass(frozen=True, kw_only=True)
    class ReturnRefusedV1(Event):  # gate: BND002
        name: ClassVar[str] = "returns.return_refused.v1"
        number: str


    @dataclass(frozen=True, kw_only=True)
    class ReturnPaidV1(Event):
        name: ClassVar[str] = "returns.return_paid.v1"
        number: str
"""


def _app(name: str) -> dict[str, str]:
    return {
        f"{name}/apps.py": f"""
            from django.apps import AppConfig


            class Config(AppConfig):
                name = "mall.{name}"
                label = "{name}"
        """
    }


PLANTS = [
    case(
        "a declaration that says less and more than the code",
        {
            **_app("returns"),
            "returns/context.py": """
                from fissile.contexts import Context

                CONTEXT = Context(
                    name="returns",
                    package="mall.returns",
                    publishes=(
                        "returns.return_received.v1",
                        "returns.return_paid.v1",  # gate: BND003
                        "returns.return_lost.v1",  # gate: BND003
                    ),
                    consumes=("users.user_left.v1",),  # gate: BND003
                    asks=("users.get_account", "users.get_address"),  # gate: BND003
                    offers={
                        "get_return": ("orders",),
                        "get_refund": ("orders",),  # gate: BND003
                    },
                )
            """,
            "returns/contracts/events.py": _EVENTS,
            "returns/facade.py": """
                def get_return(number):
                    return _found(number)


                def list_returns():  # gate: BND002
                    return []


                def _found(number):
                    return number
            """,
            "returns/adapters/users.py": """
                from fissile.calls import neighbour


                def account(user_id):
                    return neighbour("users", caller="returns").ask("get_account", {"user_id": user_id})


                def credit(user_id):
                    users = neighbour("users", caller="returns")
                    return users.ask("get_credit", {"user_id": user_id})  # gate: BND002
            """,
            "returns/usecases.py": """
                from .contracts.events import ReturnReceivedV1, ReturnRefusedV1


                def receive(work, row):
                    work.record(row, ReturnReceivedV1(number="1"))
                    work.record(row, ReturnRefusedV1(number="1"))
            """,
        },
        DECLARED,
    ),
    case(
        "an event that is handled and not declared",
        {
            **_app("archive"),
            "archive/context.py": """
                from fissile.contexts import Context

                CONTEXT = Context(name="archive", package="mall.archive")
            """,
            "archive/consumers.py": """
                from fissile.events.consumers import consumes
                from mall.returns.contracts.events import ReturnReceivedV1


                @consumes(ReturnReceivedV1, into="archive")  # gate: BND002
                def keep(event, message):
                    pass


                @consumes(ReturnReceivedV1, into="orders")  # gate: BND002
                def keep_for_orders(event, message):
                    pass
            """,
        },
        DECLARED,
    ),
    case(
        "an app of no context",
        {
            "reports/apps.py": """
                from django.apps import AppConfig  # gate: BND005


                class ReportsConfig(AppConfig):
                    name = "mall.reports"
                    label = "reports"
            """
        },
        DECLARED,
    ),
]

LOOK_ALIKES = [
    case(
        "a declaration that says what the code does",
        {
            **_app("stock"),
            "stock/context.py": """
                from fissile.contexts import Context

                CONTEXT = Context(
                    name="stock",
                    package="mall.stock",
                    publishes=("stock.item_counted.v1",),
                    consumes=("returns.return_received.v1",),
                    asks=("users.get_account",),
                    offers={"get_item": ("orders",)},
                )
            """,
            "stock/contracts/events.py": """
                from dataclasses import dataclass
                from typing import ClassVar

                from fissile.messages import Event


                @dataclass(frozen=True, kw_only=True)
                class ItemEvent(Event):
                    aggregate_type: ClassVar[str] = "item"


                @dataclass(frozen=True, kw_only=True)
                class ItemCountedV1(ItemEvent):
                    name: ClassVar[str] = "stock.item_counted.v1"
                    count: int
            """,
            "stock/facade.py": """
                from .contracts import events


                def get_item(sku):
                    return _count(sku)


                def _count(sku):
                    return events.ItemCountedV1(count=1)
            """,
            "stock/adapters/users.py": """
                from fissile.calls import neighbour


                class Directory:
                    def __init__(self):
                        self.users = neighbour("users", caller="stock")

                    def account(self, user_id):
                        return self.users.ask("get_account", {"user_id": user_id})

                    def question(self, form):
                        return form.ask("get_credit")
            """,
            "stock/consumers/returns.py": """
                from fissile.events.consumers import consumes
                from mall.returns.contracts.events import ReturnReceivedV1


                @consumes(ReturnReceivedV1, into="stock")
                def restock(event, message):
                    pass
            """,
        },
        DECLARED,
    ),
]
