"""Roles, databases and vhosts on a running instance; a named set of them for one house of the test suite.

May touch: the instance through SQL and RabbitMQ's management API.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from .instance import DATABASES, HOST, Instance, ServicesError

Sql = Callable[[str], str]  # runs statements as the superuser, returns what they print


def prepare(instance: Instance, sql: Sql) -> None:
    """Make every role, its own database and the shop's vhost; nothing to do when all exist."""
    passwords: Mapping[str, str] = instance.credentials()["postgres"]["passwords"]
    roles = set(sql("SELECT rolname FROM pg_roles;").split())
    right = "CREATEDB" if instance.for_tests else "NOCREATEDB"
    script = [
        f"{'ALTER' if name in roles else 'CREATE'} ROLE {name} LOGIN NOSUPERUSER NOCREATEROLE {right}"
        f" PASSWORD '{password}';"
        for name, password in passwords.items()
    ]
    sql("\n".join(script))
    _make_databases(sql, "")
    _make_vhost(instance, instance.credentials()["rabbitmq"]["vhost"])


def reserve(instance: Instance, sql: Sql, name: str) -> None:
    """Make a fresh set of databases `<name>_users`… and a vhost `<name>`, whatever was there before."""
    release(instance, sql, name)
    _make_databases(sql, f"{_checked(name)}_")
    _make_vhost(instance, name)


def release(instance: Instance, sql: Sql, name: str) -> None:
    """Drop a named set, open connections included."""
    prefix = f"{_checked(name)}_"
    sql("\n".join(f"DROP DATABASE IF EXISTS {prefix}{owner} WITH (FORCE);" for owner in DATABASES))
    _ask(instance, "DELETE", f"/api/vhosts/{name}", missing_is_fine=True)


def _checked(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        raise ServicesError(
            f"A set of stores is named in lower case letters, digits and _, at most 31; not {name!r}"
        )
    return name


def _make_databases(sql: Sql, prefix: str) -> None:
    there = set(sql("SELECT datname FROM pg_database;").split())
    script = []
    for owner in DATABASES:
        if prefix + owner not in there:
            script.append(f"CREATE DATABASE {prefix}{owner} OWNER {owner} TEMPLATE template0;")
        # Only the owner may connect. `postgres` keeps CONNECT for all: Django's test runner starts from there.
        script.append(f"REVOKE ALL ON DATABASE {prefix}{owner} FROM PUBLIC;")
    sql("\n".join(script))


def _make_vhost(instance: Instance, vhost: str) -> None:
    found = instance.credentials()["rabbitmq"]
    _ask(instance, "PUT", f"/api/vhosts/{vhost}", {})
    # `management`: tests read queues over HTTP as the same user; it sees its own vhosts only.
    _ask(instance, "PUT", f"/api/users/{found['user']}", {"password": found["password"], "tags": "management"})
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    _ask(instance, "PUT", f"/api/permissions/{vhost}/{found['user']}", rights)
    _ask(instance, "PUT", f"/api/permissions/{vhost}/{found['keeper']}", rights)


def broker_answers(instance: Instance) -> bool:
    """Return whether the management API answers to the keeper."""
    try:
        _ask(instance, "GET", "/api/whoami")
    except ServicesError:
        return False
    return True


def _ask(
    instance: Instance,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    missing_is_fine: bool = False,
) -> None:
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
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10):
            return
    except urllib.error.HTTPError as wrong:
        if wrong.code == 404 and missing_is_fine:
            return
        raise ServicesError(f"RabbitMQ refused {method} {path}: {wrong.code} {wrong.reason}") from wrong
    except OSError as wrong:
        raise ServicesError(f"RabbitMQ's management API on port {instance.management_port}: {wrong}") from wrong
