"""What a started house says: topology, stores, what the tier lacks, addresses, the next step. Touches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .house import House

_MANAGE = ".venv/bin/python manage.py"
# The short of docs/tiers.md; the embedded tier never hides what it is not.
_LACKS = "no broker of its own, no protection against power loss, one host → docs/tiers.md"


def lines(house: House, facts: Mapping[str, object], links: Sequence[str], seconds: float) -> list[str]:
    """Return the banner of a house that is ready; `links` are one-use logins, one a role."""
    return [
        "",
        f"Ready      in {seconds:.1f} s · {facts['processes']} processes · events {facts['events']}",
        f"Topology   {_topology(house)}",
        *_stores(house),
        "",
        f"Shop API   {house.gateway_url}/api/v1/products       open to all; what else there is, in the docs",
        f"API docs   {house.gateway_url}/api/docs/             try it",
        f"Dashboard  {house.gateway_url}/api/v1/dashboard      needs a customer's token; the demo shows one",
        *_operations(house, links),
        f"Logs       {house.state_dir}/logs/",
        f"Next       {_state(house)}{_MANAGE} demo             Ctrl-C stops everything",
        "",
    ]


def _topology(house: House) -> str:
    groups = [", ".join(group.contexts) for group in house.groups]
    if len(groups) == 1:
        return f"{house.topology}   gateway → {groups[0]}   (one web process, one worker)"
    each = max((group.instances for group in house.groups), default=1)
    held = "a web process and a worker" if each == 1 else f"{each} web processes and {each} workers"
    return f"{house.topology}   gateway → {' | '.join(groups)}   ({held} each)"


def _stores(house: House) -> list[str]:
    contexts = [name for group in house.groups for name in group.contexts]
    if house.tier == "real":
        databases = " · ".join(f"{name} postgresql" for name in contexts)
        return [f"Stores     {databases}", "Broker     rabbitmq · relay in the worker"]
    databases = " · ".join(f"{name} sqlite" for name in contexts)
    stores = f"Stores     {databases}"
    return [stores, "Broker     sqlite (embedded) · relay in the worker", f"           embedded tier: {_LACKS}"]


def _operations(house: House, links: Sequence[str]) -> list[str]:
    desks = [f"http://127.0.0.1:{house.port(group)}/admin/" for group in house.groups]
    shown = [f"{desk:37}{link}" for desk, link in zip(desks, links, strict=False)] if links else desks
    if not shown:
        return []
    first, *rest = shown
    note = "   (link: once, development only)" if links else ""
    return [f"Operations {first}{note}", *(f"           {desk}" for desk in rest)]


def _state(house: House) -> str:
    default = House()
    return "" if house.state_dir == default.state_dir else f"STATE_DIR={house.state_dir} "
