"""THE table of contexts: a new one is one line here. Django-free."""

# name (app label, database alias, queue prefix, role) → package, port in the split topology
CONTEXTS = {
    "users": {"package": "apps.users", "port": 3001},
    "orders": {"package": "apps.orders", "port": 3002},
    "bff": {"package": "bff_app", "port": 3003},
}

GATEWAY_PORT = 3000
# The one web process of the monolith.
MONOLITH_PORT = 3010
