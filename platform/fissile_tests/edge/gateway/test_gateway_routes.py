"""The route table: declared is reachable, everything else is not."""

from __future__ import annotations

import pytest

from fissile.edge.gateway import Route, RouteTable
from fissile.edge.gateway.problems import TurnedAway


def a_route(template="/a", methods=("GET",), **options):
    return Route(methods=methods, template=template, upstream="echo", **options)


TABLE = RouteTable([
    a_route("/orders", ("GET", "POST")),
    a_route("/orders/mine"),
    a_route("/orders/{order_id}"),
    a_route("/orders/{order_id}/cancel", ("POST",)),
    a_route("/files/{file...}"),
])  # fmt: skip


def refusal(method, path):
    with pytest.raises(TurnedAway) as caught:
        TABLE.match(method, path)
    return caught.value.problem


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("GET", "/orders", "/orders"),
        ("HEAD", "/orders", "/orders"),
        ("GET", "/orders/mine", "/orders/mine"),
        ("GET", "/orders/018f-ab", "/orders/{order_id}"),
        ("POST", "/orders/7/cancel", "/orders/{order_id}/cancel"),
        ("GET", "/files/css/site.min.css", "/files/{file...}"),
    ],
)
def test_a_declared_method_and_path_find_their_route(method, path, template):
    assert TABLE.match(method, path).template == template


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/Orders", "/orders/", "//orders", "/orders//cancel", "/orders/..", "/orders/.", "/orders/../x",
        "/orders/7/cancel/", "/orders/7/other", "/orders/%2e%2e", "/orders/a%2fb", "/orders/7;x", "/orders\\7",
        "/files/", "/files/../orders", "/files/a/../../orders", "/files//etc", "/files/a/./b", "http://evil/orders",
        "//evil/orders", "/orders/7\x00", "/orders/7\n", "/orders/" + "a" * 129, "/admin/", "/metrics", "/internal/x",
    ],
)  # fmt: skip
def test_any_other_path_is_not_found(path):
    assert refusal("GET", path).status == 404


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND"])
def test_another_method_is_refused_with_the_allowed_ones(method):
    problem = refusal(method, "/orders")

    assert problem.status == 405
    assert problem.headers == {"allow": "GET, HEAD, POST"}


@pytest.mark.parametrize(
    "routes",
    [
        lambda: [a_route("/admin/{rest...}")],
        lambda: [a_route("/internal/users/get_account", ("POST",))],
        lambda: [a_route("/metrics")],
        lambda: [a_route("orders")],
        lambda: [a_route("/a/../b/{x")],
        lambda: [a_route("/a", ("FETCH",))],
        lambda: [a_route("/a", ())],
        lambda: [a_route("/a", seconds=0)],
        lambda: [a_route("/a"), a_route("/a")],
        lambda: [a_route("/a"), a_route("/a", ("POST", "GET"))],
    ],
)
def test_a_wrong_table_does_not_build(routes):
    with pytest.raises(ValueError, match="/"):
        RouteTable(routes())
