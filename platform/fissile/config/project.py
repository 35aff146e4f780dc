"""The dictionary FISSILE of a project's settings: what must stand in it, and what is taken for the rest.

May touch: nothing; it is given the settings that it looks at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from .environment import ConfigurationError

ROUTER = "fissile.data.ownership.ContextRouter"

_REQUIRED = {
    "packages": 'every context by its name, with its package, such as {"shop": "shop"}',
    "state_dir": 'a folder for keys, traces and the embedded bus, such as BASE_DIR / ".run"',
}
_OPTIONAL = {
    "role", "contexts", "addresses", "tier", "broker_urls", "outbox_limits", "keys_dir", "traces_file",
    "process_name", "log_level", "guard", "port", "proofs", "scaffold",
}  # fmt: skip


def completed(
    given: Mapping[str, Any], *, databases: Mapping[str, Mapping[str, Any]], routers: Collection[Any]
) -> dict[str, Any]:
    """Return `given` with a value for every key that the library reads; raise ConfigurationError naming every fault.

    What is absent means one process on the embedded tier, with every context in it.
    """
    faults = [f'FISSILE["{key}"] is missing: {what}' for key, what in _REQUIRED.items() if not given.get(key)]
    known = {*_REQUIRED, *_OPTIONAL}
    faults += [f'FISSILE["{key}"] is not known; there are {", ".join(sorted(known))}' for key in {*given} - known]
    if not faults:
        ours = _with_defaults(given)
        faults = _faults(ours, databases, routers)
    if faults:
        raise ConfigurationError("\n- ".join(["The settings do not describe a process that can run:", *sorted(faults)]))
    return ours


def _with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    state, role = Path(given["state_dir"]), given.get("role", "all")
    contexts = tuple(given.get("contexts", given["packages"]))
    tier = given.get("tier", "embedded")
    bus = {name: f"sqlitebus:///{state.resolve()}/bus.sqlite3" for name in contexts} if tier == "embedded" else {}
    defaults = {
        "role": role,
        "contexts": contexts,
        "addresses": {},
        "tier": tier,
        "broker_urls": bus,
        "keys_dir": state / "keys",
        "traces_file": state / "traces.sqlite3",
        "process_name": f"{role}-manage",
        "log_level": "INFO",
        "port": 8000,
    }
    return {**defaults, **given}


def _faults(ours: Mapping[str, Any], databases: Mapping[str, Mapping[str, Any]], routers: Collection[Any]) -> list[str]:
    names = [name for name in ours["contexts"] if name in ours["packages"]]
    faults = [
        f'DATABASES["{name}"] is missing: each context has a database of its own, under its own name'
        for name in names
        if not databases.get(name)
    ]
    faults += [
        f'FISSILE["broker_urls"]["{name}"] is missing: the broker\'s address, amqp://… on the real tier'
        for name in names
        if not ours["broker_urls"].get(name)
    ]
    if names and not any(router == ROUTER or not isinstance(router, str) for router in routers):
        faults.append(f'DATABASE_ROUTERS has no "{ROUTER}": without it rows are looked for in `default`')
    return faults
