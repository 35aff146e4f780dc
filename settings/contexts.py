"""THE table of contexts: a new one is one line here. Django-free."""

from typing import TypedDict


class Row(TypedDict):
    """Where a context's code lies, and its web process's port in the split topology."""

    package: str
    port: int


# The name is app label, database alias, queue prefix and role in one.
CONTEXTS: dict[str, Row] = {
    "users": {"package": "apps.users", "port": 3001},
    "orders": {"package": "apps.orders", "port": 3002},
    "bff": {"package": "bff_app", "port": 3003},
    "payments": {"package": "apps.payments", "port": 3004},
}

GATEWAY_PORT = 3000
# The one web process of the monolith.
MONOLITH_PORT = 3010
