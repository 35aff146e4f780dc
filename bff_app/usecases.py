"""Use cases of the web BFF: one screen, one answer.

May touch: queries, ports (as arguments), composition. Never: tables, HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from fissile.edge.composition import gather_parts
from fissile.watch.tracing import span

from . import queries
from .ports import Profile, ProfileDirectory

# A person notices a second; half a second more rides out a busy machine, and the
# gateway's own limit is far above.
DEADLINE_SECONDS = 1.5


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """The dashboard as far as it could be had; `missing` maps each absent part to the reason's code.

    `profile` None and not missing: nobody has this id. `orders` None: always missing.
    """

    profile: Profile | None
    orders: queries.Orders | None
    missing: Mapping[str, str]


def show_dashboard(user_id: UUID, *, limit: int, profiles: ProfileDirectory) -> Dashboard:
    """Gather the dashboard's parts side by side; what is late or down is named, never waited for."""
    with span("bff.dashboard"):
        parts = gather_parts(
            {
                "profile": lambda: profiles.find_profile(user_id),
                "orders": lambda: queries.orders_of(user_id, limit=limit),
            },
            deadline_seconds=DEADLINE_SECONDS,
        )
    return Dashboard(profile=parts.values.get("profile"), orders=parts.values.get("orders"), missing=parts.missing)
