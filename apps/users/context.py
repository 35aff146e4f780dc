"""The declaration of users: who it is, what it publishes and offers. No Django."""

from __future__ import annotations

from fissile.contexts import Context

CONTEXT = Context(
    name="users",
    package="apps.users",
    publishes=("users.user_registered.v1", "users.user_renamed.v1", "users.credit_limit_changed.v1"),
    offers={"get_account": ("orders", "bff")},
)
