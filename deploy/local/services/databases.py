"""Roles, databases and vhosts on a running instance; a named set of them for one house of the test suite.

May touch: the instance through SQL and through `broker`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from deploy.local.house import SHIPPED_ROLES, operations_owner
from settings.contexts import CONTEXTS

from . import broker, upgrade
from .instance import Instance, ServicesError

Sql = Callable[[str], str]  # runs statements as the superuser, returns what they print


def prepare(instance: Instance, sql: Sql, roles: Sequence[str] = ()) -> None:
    """Make every account, its own database and the shop's vhost; nothing to do when all exist.

    `roles`: of processes, beside those of the shipped topologies, such as `orders,bff`.
    """
    with instance.alone():
        upgrade.from_one_user(instance)
        roles = _make_accounts(instance, sql, roles)
        _make_databases(sql, "", _owners(roles))
        broker.make_vhost(instance, instance.credentials()["rabbitmq"]["vhost"], roles)


def reserve(instance: Instance, sql: Sql, name: str, roles: Sequence[str] = ()) -> None:
    """Make a fresh set of databases `<name>_users`… and a vhost `<name>`, whatever was there before."""
    release(instance, sql, name)
    with instance.alone():
        roles = _make_accounts(instance, sql, roles)
        _make_databases(sql, f"{name}_", _owners(roles))
        broker.make_vhost(instance, name, roles)


def release(instance: Instance, sql: Sql, name: str) -> None:
    """Drop a named set, open connections included."""
    prefix = f"{_checked(name)}_"
    with instance.alone():
        # Of every owner there ever was: a set may have been made for other cuts than today's.
        owners = instance.credentials()["postgres"]["passwords"]
        sql("\n".join(f"DROP DATABASE IF EXISTS {prefix}{owner} WITH (FORCE);" for owner in owners))
        broker.delete_vhost(instance, name)


def _checked(name: str) -> str:
    # With an owner of at most 40 characters it stays below PostgreSQL's 63.
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,19}", name):
        raise ServicesError(
            f"A set of stores is named in lower case letters, digits and _, at most 20; not {name!r}"
        )
    return name


def _owners(roles: Iterable[str]) -> tuple[str, ...]:
    return (*CONTEXTS, *map(operations_owner, roles))


def _make_accounts(instance: Instance, sql: Sql, more: Sequence[str]) -> tuple[str, ...]:
    roles = tuple(dict.fromkeys((*SHIPPED_ROLES, *more)))
    owners = _owners(roles)
    instance.complete(owners)
    passwords: Mapping[str, str] = instance.credentials()["postgres"]["passwords"]
    there = set(sql("SELECT rolname FROM pg_roles;").split())
    right = "CREATEDB" if instance.for_tests else "NOCREATEDB"
    script = [
        f"{'ALTER' if owner in there else 'CREATE'} ROLE {owner} LOGIN NOSUPERUSER NOCREATEROLE {right}"
        f" PASSWORD '{passwords[owner]}';"
        for owner in owners
    ]
    sql("\n".join(script))
    broker.make_users(instance, owners)
    return roles


def _make_databases(sql: Sql, prefix: str, owners: Iterable[str]) -> None:
    there = set(sql("SELECT datname FROM pg_database;").split())
    script = []
    for owner in owners:
        if prefix + owner not in there:
            script.append(f"CREATE DATABASE {prefix}{owner} OWNER {owner} TEMPLATE template0;")
        # Only the owner may connect. `postgres` keeps CONNECT for all: Django's test runner starts from there.
        script.append(f"REVOKE ALL ON DATABASE {prefix}{owner} FROM PUBLIC;")
    sql("\n".join(script))
