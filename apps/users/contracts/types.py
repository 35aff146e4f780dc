"""What users' facade answers with. No Django."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Account:
    """A customer as neighbours see one. Money is integer minor units of `currency` (ISO 4217)."""

    id: UUID
    name: str
    email: str
    credit_limit_minor: int
    currency: str
