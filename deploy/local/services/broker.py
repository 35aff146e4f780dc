"""Users, vhosts and rights of a running RabbitMQ, through its management API, as the keeper.

May touch: the instance's broker over HTTP. Standard library only.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from .instance import HOST, Instance, ServicesError
from .rights import Rights, all_rights, declarations

ALL = Rights(configure=".*", write=".*", read=".*")


def answers(instance: Instance) -> bool:
    """Return whether the management API answers to the keeper."""
    try:
        ask(instance, "GET", "/api/whoami")
    except ServicesError:
        return False
    return True


def make_users(instance: Instance, owners: Iterable[str]) -> None:
    """Make one user per owner. No tags: none of them may use the management API."""
    passwords: Mapping[str, str] = instance.credentials()["rabbitmq"]["passwords"]
    for owner in owners:
        ask(instance, "PUT", f"/api/users/{owner}", {"password": passwords[owner], "tags": ""})


def make_vhost(instance: Instance, vhost: str, roles: Iterable[str]) -> None:
    """Make a vhost with everybody's rights and every context's exchanges; nothing to do when all is there.

    The exchanges come with the vhost, as databases come with the server: a consumer may only bind to a
    neighbour's exchange, and one that started before its source would miss what was published meanwhile.
    """
    contexts = declarations()
    ask(instance, "PUT", f"/api/vhosts/{vhost}", {})
    allow(instance, vhost, instance.credentials()["rabbitmq"]["keeper"], ALL)
    for user, rights in all_rights(contexts, roles).items():
        allow(instance, vhost, user, rights)
    for name in (exchange for context in contexts for exchange in context.exchanges):
        exchange = {"type": "topic", "durable": True}
        ask(instance, "PUT", f"/api/exchanges/{vhost}/{quote(name, safe='')}", exchange)


def allow(instance: Instance, vhost: str, user: str, rights: Rights) -> None:
    """Set a user's rights in a vhost, whatever they were."""
    ask(instance, "PUT", f"/api/permissions/{vhost}/{user}", rights.as_json())


def delete_vhost(instance: Instance, vhost: str) -> None:
    """Delete a vhost with all that is in it, if it is there."""
    ask(instance, "DELETE", f"/api/vhosts/{vhost}", missing_is_fine=True)


def ask(
    instance: Instance,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    missing_is_fine: bool = False,
) -> Any:
    """Send one request as the keeper; return the JSON of the answer, or None. Raise ServicesError."""
    found = instance.credentials()["rabbitmq"]
    login = base64.b64encode(f"{found['keeper']}:{found['keeper_password']}".encode()).decode()
    request = urllib.request.Request(
        f"http://{HOST}:{instance.management_port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
    )
    try:
        # No proxy: an http_proxy of the environment must not see loopback traffic.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            said = answer.read()
    except urllib.error.HTTPError as wrong:
        if wrong.code == 404 and missing_is_fine:
            return None
        why = wrong.read(500).decode("utf-8", "replace")
        raise ServicesError(f"RabbitMQ refused {method} {path}: {wrong.code} {why or wrong.reason}") from wrong
    except OSError as wrong:
        raise ServicesError(f"RabbitMQ's management API on port {instance.management_port}: {wrong}") from wrong
    return json.loads(said) if said else None
