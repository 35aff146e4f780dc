"""The shop's table: the public contract, whole, and nothing else."""

import pytest

from fissile.edge.gateway.problems import TurnedAway
from gateway_app.routes import TABLE

CONTRACT = {
    ("POST", "/api/v1/users"): ("users", "public"),
    ("POST", "/api/v1/auth/token"): ("users", "public"),
    ("POST", "/api/v1/auth/refresh"): ("users", "public"),
    ("GET", "/api/v1/users/me"): ("users", "token"),
    ("PATCH", "/api/v1/users/me"): ("users", "token"),
    ("GET", "/api/v1/products"): ("orders", "public"),
    ("POST", "/api/v1/orders"): ("orders", "token"),
    ("GET", "/api/v1/orders"): ("orders", "token"),
    ("GET", "/api/v1/orders/018f9a3e-0000-7000-8000-000000000000"): ("orders", "token"),
    ("POST", "/api/v1/orders/018f9a3e-0000-7000-8000-000000000000/cancel"): ("orders", "token"),
    ("GET", "/api/v1/payments/018f9a3e-0000-7000-8000-000000000000"): ("payments", "token"),
    ("GET", "/api/v1/dashboard"): ("bff", "token"),
    ("GET", "/api/docs/"): ("bff", "public"),
    ("GET", "/api/docs/assets/swagger-ui.css"): ("bff", "public"),
    ("GET", "/api/schema/users"): ("users", "public"),
    ("GET", "/api/schema/orders"): ("orders", "public"),
    ("GET", "/api/schema/payments"): ("payments", "public"),
    ("GET", "/api/schema/bff"): ("bff", "public"),
    ("GET", "/.well-known/jwks.json"): ("users", "public"),
    ("GET", "/healthz"): (None, "public"),
    ("GET", "/readyz"): (None, "public"),
}


@pytest.mark.parametrize(("method", "path"), CONTRACT)
def test_every_public_address_is_routed(method, path):
    route = TABLE.match(method, path)

    assert (route.upstream, "public" if route.public else "token") == CONTRACT[method, path]


def test_the_table_has_no_route_beyond_the_contract():
    assert sum(len(route.methods) for route in TABLE.routes) == len(CONTRACT)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/admin", "/admin/", "/metrics", "/internal/users/get_account", "/static/admin/css/base.css",
        "/api/v1/users/me/", "/api/v1/users/7", "/api/v1/orders/7/lines", "/api/schema/", "/api/schema/parcels",
        "/api/v1/payments", "/api/v1/payments/7/refund",
        "/api/docs/assets/../../../admin/", "/api/v2/orders", "/errors/not_found",
    ],
)  # fmt: skip
def test_nothing_else_is(path):
    with pytest.raises(TurnedAway) as caught:
        TABLE.match("GET", path)

    assert caught.value.problem.status == 404
