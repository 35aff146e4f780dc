"""The shop's route table: all that the public can reach. Knows names and addresses of contexts, no code of theirs."""

from fissile.edge.gateway import Route, RouteTable

# The services' own limit for a JSON body (64 KiB); the gateway says no first.
JSON_BYTES = 64 * 1024


def _to(upstream: str | None, methods: str, template: str, *, public: bool = False, seconds: float = 10.0) -> Route:
    """Return a route; methods that change something take a JSON body, the others none."""
    named = tuple(methods.split())
    body_bytes = 0 if named == ("GET",) else JSON_BYTES
    return Route(
        methods=named, template=template, upstream=upstream, public=public, body_bytes=body_bytes, seconds=seconds
    )


ROUTES = (
    _to("users", "POST", "/api/v1/users", public=True),
    _to("users", "GET", "/api/v1/users/me"),
    _to("users", "PATCH", "/api/v1/users/me"),
    _to("users", "POST", "/api/v1/auth/token", public=True),
    _to("users", "POST", "/api/v1/auth/refresh", public=True),
    _to("orders", "GET", "/api/v1/products", public=True),
    _to("orders", "GET", "/api/v1/orders"),
    _to("orders", "POST", "/api/v1/orders"),
    _to("orders", "GET", "/api/v1/orders/{order_id}"),
    _to("orders", "POST", "/api/v1/orders/{order_id}/cancel"),
    _to("payments", "GET", "/api/v1/payments/{order_id}"),
    _to("bff", "GET", "/api/v1/dashboard"),
    _to("users", "GET", "/.well-known/jwks.json", public=True),
    _to("users", "GET", "/api/schema/users", public=True),
    _to("orders", "GET", "/api/schema/orders", public=True),
    _to("payments", "GET", "/api/schema/payments", public=True),
    _to("bff", "GET", "/api/schema/bff", public=True),
    _to("bff", "GET", "/api/docs/", public=True),
    _to("bff", "GET", "/api/docs/assets/{name}", public=True, seconds=30.0),
    _to(None, "GET", "/healthz", public=True),
    _to(None, "GET", "/readyz", public=True),
)

TABLE = RouteTable(ROUTES)
