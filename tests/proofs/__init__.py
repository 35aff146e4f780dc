"""The shop's proofs of the patterns, and the scenes they play in: a house started for them, or one at a URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pkgutil import resolve_name

from deploy.local.house import TOPOLOGIES
from fissile.prove import Proof
from tests.house import running_house

from . import (
    p01_service_per_context,
    p04_gateway,
    p05_bff,
    p06_messaging,
    p07_idempotency,
    p08_data_ownership,
    p09_outbox,
    p13_anti_corruption,
    p20_observability,
)
from .scene import ShopScene

__all__ = ["PROOFS", "TOPOLOGIES", "ShopScene", "open_scene"]

PROOFS: list[Proof] = [
    p01_service_per_context.PROOF,
    p04_gateway.PROOF,
    p05_bff.PROOF,
    p06_messaging.PROOF,
    p07_idempotency.PROOF,
    p08_data_ownership.PROOF,
    p09_outbox.PROOF,
    p13_anti_corruption.PROOF,
    p20_observability.PROOF,
]


@contextmanager
def open_scene(
    *,
    url: str | None,
    topology: str,
    tier: str,
    patches: Mapping[str, str],
    plants: Mapping[str, str] | None = None,
    stores: str = "",
) -> Iterator[ShopScene]:
    """Yield a shop to look at: the one at `url`, of which only HTTP is known, or one started for this.

    `patches`, `plants`, `stores`: as a Sabotage has them.
    """
    if url is not None:
        yield ShopScene(url=url.rstrip("/"), topology="unknown", tier="unknown")
        return
    on_stores = resolve_name(stores) if stores else None
    with running_house(topology, tier, patches=patches, on_stores=on_stores) as house:
        yield ShopScene(
            url=house.url, topology=topology, tier=tier, running=house, patches=patches, plants=plants or {}
        )
