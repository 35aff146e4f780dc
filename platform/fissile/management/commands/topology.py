"""`topology`: who runs where and why, as this process sees it. Asks nobody."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from fissile.contexts import registry
from fissile.events.hosting import broker_of
from fissile.management.cli import HouseCommand, Result
from fissile.watch.redaction import redact_text


class Command(HouseCommand):
    """Print the role, the contexts near and far, the databases and the broker."""

    help = "Prints who runs where and why: `topology`, `topology --json`, `ROLE=orders TOPOLOGY=… topology`."
    spoken = "topology"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --json."""
        self.add_json(parser)

    def answer(self, **options: Any) -> Result:
        """Read the registry and the settings."""
        ours = settings.FISSILE
        contexts = [_context(name) for name in registry.names()]
        data = {
            "role": ours["role"],
            "tier": ours["tier"],
            "contexts": contexts,
            "operations": _database("operations") if "operations" in settings.DATABASES else None,
        }
        wide = max(len("address or database"), *(len(_place(one)) for one in contexts))
        lines = [
            f"Role     {ours['role']}  (what is installed here is near; the rest needs an address in TOPOLOGY)",
            f"Tier     {ours['tier']}",
            f"Operators' database  {_operators(data['operations'])}",
            "",
            f"{'context':<12} {'where':<6} {'address or database':<{wide}} why",
        ]
        lines += [f"{one['name']:<12} {one['where']:<6} {_place(one):<{wide}} {one['why']}" for one in contexts]
        lines += ["", *(f"{one['name']:<12} broker {one['broker']}" for one in contexts if one["broker"])]
        return Result(data=data, text="\n".join(lines))


def _context(name: str) -> dict[str, Any]:
    asked_by = [one.name for one in registry.installed() if name in one.neighbours]
    if registry.is_near(name):
        return {
            "name": name,
            "where": "near",
            "address": None,
            "database": _database(name),
            "broker": redact_text(broker_of(name)),
            "asked_by": asked_by,
            "why": f"role {settings.FISSILE['role']} installs it",
        }
    address = registry.addresses().get(name)
    why = f"asked by {', '.join(asked_by)}; address from TOPOLOGY" if asked_by else "nothing here asks it"
    where = "far" if address else "-"
    return {
        "name": name,
        "where": where,
        "address": address,
        "database": None,
        "broker": None,
        "asked_by": asked_by,
        "why": why,
    }


def _database(alias: str) -> dict[str, str]:
    row = settings.DATABASES[alias]
    engine = str(row["ENGINE"]).rsplit(".", 1)[-1]
    at = str(row["NAME"])
    if row.get("HOST"):
        at = f"{row['HOST']}:{row.get('PORT') or ''}/{at}"
    return {"alias": alias, "engine": engine, "at": at}


def _operators(database: dict[str, str] | None) -> str:
    return f"{database['engine']}  {database['at']}" if database else "none"


def _place(one: dict[str, Any]) -> str:
    if one["database"]:
        return f"{one['database']['engine']} {one['database']['at']}"
    return one["address"] or "-"
