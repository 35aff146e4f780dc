"""Ten shortcuts of a developer in a hurry: each works while two contexts share a process, and only then.

Each function is applied by `fissile.testing.launch` to every web process and worker of a house that was started to
be broken, and does what its contexts' code would do if somebody had written it. `planted.py` says what each one ties.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import UUID

from django.dispatch import Signal

ORDER_PLACED = Signal()
FAILED_LOG_INS: Counter[str] = Counter()
LOCKED_AFTER = 3
LIVE_ACCOUNTS: dict[UUID, Any] = {}
LANGUAGE: ContextVar[str] = ContextVar("language", default="")


def _is_here(*contexts: str) -> bool:
    from fissile.contexts import registry

    return all(registry.is_near(context) for context in contexts)


def _after_placing(act: Callable[[UUID, dict[str, Any]], object]) -> None:
    """Call `act(buyer_id, order)` after each order that was placed just now."""
    from apps.orders import usecases

    place = usecases.place_order

    @wraps(place)
    def place_and_act(*words: Any, buyer_id: UUID, **named: Any) -> Any:
        answer = place(*words, buyer_id=buyer_id, **named)
        if answer.status == 201 and not answer.replayed:
            act(buyer_id, answer.body)
        return answer

    usecases.place_order = place_and_act


def _with_profile(change: Callable[[UUID, Any], Any]) -> None:
    """Let the dashboard show `change(user_id, profile)`."""
    from bff_app.adapters.users import UsersProfileDirectory

    find = UsersProfileDirectory.find_profile
    UsersProfileDirectory.find_profile = lambda self, user_id: change(user_id, find(self, user_id))


def query_a_neighbours_table() -> None:
    """The dashboard reads the name from users' table: one query instead of a call."""
    if not _is_here("bff"):
        return
    from django.apps import apps

    from bff_app.adapters.users import UsersProfileDirectory
    from bff_app.ports import Profile

    def find_profile(self: Any, user_id: UUID) -> Profile | None:
        row = apps.get_model("users", "User").objects.using("users").filter(id=user_id).first()
        return Profile(id=row.id, name=row.name, email=row.email) if row else None

    UsersProfileDirectory.find_profile = find_profile


def share_a_cache_key() -> None:
    """The dashboard caches the profile for five minutes; users deletes the key at a rename."""
    from django.conf import settings
    from django.core.cache import cache, caches

    settings.CACHES["default"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    caches.__dict__.pop("settings", None)  # read at the first use, which has not been
    if _is_here("bff"):
        from bff_app.adapters.users import UsersProfileDirectory

        find = UsersProfileDirectory.find_profile
        UsersProfileDirectory.find_profile = lambda self, user_id: cache.get_or_set(
            f"profile:{user_id}", lambda: find(self, user_id), timeout=300
        )
    if _is_here("users"):
        from apps.users import usecases

        rename = usecases.rename

        def rename_and_forget(user_id: UUID, name: str) -> Any:
            customer = rename(user_id, name)
            cache.delete(f"profile:{user_id}")
            return customer

        usecases.rename = rename_and_forget


def send_a_signal() -> None:
    """Orders sends a Django signal; users listens to it and lowers what the buyer may still order at once."""
    if _is_here("orders"):
        _after_placing(lambda buyer_id, order: ORDER_PLACED.send(None, buyer_id=buyer_id, order=order))
    if _is_here("users"):
        from apps.users import queries, usecases

        def lower_the_limit(sender: Any, buyer_id: UUID, order: dict[str, Any], **_: Any) -> None:
            left = queries.get_customer(buyer_id).credit_limit_minor - order["total"]["amount_minor"]
            usecases.change_credit_limit(buyer_id, left)

        ORDER_PLACED.connect(lower_the_limit, weak=False)


def count_in_a_module_global() -> None:
    """Users counts failed log-ins in a module's dict, and lets nobody in after three."""
    if not _is_here("users"):
        return
    from apps.users import usecases
    from apps.users.contracts.errors import WrongCredentials

    log_in = usecases.log_in

    def log_in_unless_locked(*, email: str, password: str) -> Any:
        if FAILED_LOG_INS[email] >= LOCKED_AFTER:
            raise WrongCredentials
        try:
            return log_in(email=email, password=password)
        except WrongCredentials:
            FAILED_LOG_INS[email] += 1
            raise

    usecases.log_in = log_in_unless_locked


def share_a_mutable_object() -> None:
    """A call hands out users' own object, and orders takes each order's total off the limit that stands in it."""
    from fissile.calls import asking, serving

    ask = asking.Neighbour.ask

    def ask_by_reference(self: Any, function: str, arguments: Any, **named: Any) -> Any:
        if not _is_here(self.name):
            return ask(self, function, arguments, **named)
        return serving.door_of(self.name, function).function(**arguments)

    asking.Neighbour.ask = ask_by_reference
    if _is_here("users"):
        from apps.users import facade

        get_account = facade.get_account
        facade.get_account = wraps(get_account)(lambda user_id: LIVE_ACCOUNTS.setdefault(user_id, get_account(user_id)))
    if _is_here("orders"):
        from apps.orders import queries
        from apps.users.contracts.types import Account

        def take_off(buyer_id: UUID, order: dict[str, Any]) -> None:
            users = asking.neighbour("users", caller="orders")
            account = users.ask("get_account", {"user_id": buyer_id}, returns=Account)
            left = account.credit_limit_minor - order["total"]["amount_minor"]
            object.__setattr__(account, "credit_limit_minor", left)

        queries.find_buyer = lambda buyer_id: None  # the copy would not know of it
        _after_placing(take_off)


def share_a_session() -> None:
    """Orders leaves a note in the buyer's session, and the dashboard greets with it."""
    from django.contrib.sessions.backends.db import SessionStore

    def key_of(user_id: UUID) -> str:
        return f"buyer{user_id.hex}"[:40]

    def leave_a_note(buyer_id: UUID, order: dict[str, Any]) -> None:
        session = SessionStore(session_key=key_of(buyer_id))
        is_new = not session.exists(key_of(buyer_id))
        if is_new:
            session._session_cache = {}
        session["last_total"] = order["total"]["amount_minor"]
        session.save(must_create=is_new)

    def greet(user_id: UUID, profile: Any) -> Any:
        total = SessionStore(session_key=key_of(user_id)).get("last_total")
        return replace(profile, name=f"{profile.name}, who spent {total}") if profile and total else profile

    if _is_here("orders"):
        _after_placing(leave_a_note)
    if _is_here("bff"):
        _with_profile(greet)


def write_a_local_file() -> None:
    """Orders writes a receipt to the temporary folder, and reads it whenever the order is shown."""
    if not _is_here("orders"):
        return
    from apps.orders import queries

    def receipt(order_id: object) -> Path:
        return Path(tempfile.gettempdir()) / f"receipt-{UUID(str(order_id)).hex}.txt"

    _after_placing(lambda buyer_id, order: receipt(order["id"]).write_text("thank you"))
    get_order = queries.get_order

    def get_order_with_receipt(order_id: UUID, *, buyer_id: UUID) -> Any:
        receipt(order_id).read_text()
        return get_order(order_id, buyer_id=buyer_id)

    queries.get_order = get_order_with_receipt


def use_anothers_alias() -> None:
    """The dashboard counts the orders in orders' own database, whose connection is right there."""
    if not _is_here("bff"):
        return
    from django.db import connections

    from bff_app import queries

    orders_of = queries.orders_of

    def orders_counted_at_the_source(buyer_id: UUID, *, limit: int) -> Any:
        found = orders_of(buyer_id, limit=limit)
        connection = connections["orders"]
        key = buyer_id.hex if connection.vendor == "sqlite" else str(buyer_id)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM orders_order WHERE buyer_id = %s", [key])
            (count,) = cursor.fetchone()
        return replace(found, totals=replace(found.totals, placed=count))

    queries.orders_of = orders_counted_at_the_source


def rely_on_a_context_variable() -> None:
    """The dashboard says in a context variable which language to use, and users' facade looks there."""
    from fissile.calls import near, serving

    # As a plain function call would be: nothing keeps the caller's variables away from the callee.
    near.send = lambda context, function, *, token, body, headers, seconds: serving.serve(
        context, function, token=token, body=body, headers=dict(headers)
    )
    if _is_here("bff"):
        from bff_app.api.v1 import views

        get = views.Dashboard.get

        @wraps(get)
        def get_in_a_language(self: Any, request: Any, **named: Any) -> Any:
            LANGUAGE.set(request.headers.get("Accept-Language", ""))
            return get(self, request, **named)

        views.Dashboard.get = get_in_a_language
    if _is_here("users"):
        from apps.users import facade

        get_account = facade.get_account

        def get_account_in_a_language(user_id: UUID) -> Any:
            account = get_account(user_id)
            return replace(account, name=f"Guten Tag, {account.name}") if LANGUAGE.get() == "de" else account

        facade.get_account = wraps(get_account)(get_account_in_a_language)


def call_a_consumer_at_the_commit() -> None:
    """Orders calls the dashboard's handler right after its commit, so that a buyer reads their own order at once."""
    if not _is_here("bff"):
        return
    from django.db import transaction

    from bff_app import projections
    from bff_app.models import DashboardOrder

    add_order = projections.add_order

    def add_order_unless_there(order_id: UUID, **facts: Any) -> None:
        if not DashboardOrder.objects.filter(order_id=order_id).exists():
            add_order(order_id, **facts)

    def show_at_once(buyer_id: UUID, order: dict[str, Any]) -> None:
        placed_at = datetime.fromisoformat(str(order["placed_at"]))
        with transaction.atomic(using="bff"):
            add_order_unless_there(
                UUID(str(order["id"])),
                buyer_id=buyer_id,
                total_minor=order["total"]["amount_minor"],
                currency=order["total"]["currency"],
                placed_at=placed_at,
                fact=projections.Fact(event="orders.order_placed.v1", version=1, at=placed_at),
            )

    projections.add_order = add_order_unless_there
    if _is_here("orders"):
        _after_placing(show_at_once)
