"""A callee, near or far: installed here, or behind a real HTTP server on a port of its own."""

from __future__ import annotations

import threading

import pytest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.test import override_settings

from fissile.calls import asking, far, serving
from fissile.contexts import Registry
from fissile.trust import authorisation, configuration, keys

PACKAGES = {"callee": "fissile_tests.calls.callee", "orders": "apps.orders"}


class QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes here; Nagle's algorithm would hold the second for 40 ms.
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass


@pytest.fixture
def callers_registry(monkeypatch):
    """The registry of the calling process; tests say where the callee is."""
    caller = Registry()
    monkeypatch.setattr(asking, "registry", caller)
    monkeypatch.setattr(far, "registry", caller)
    return caller


@pytest.fixture
def callees_registry(monkeypatch, tmp_path):
    """The registry and the keys of the process that has the callee."""
    callee = Registry()
    callee.configure(packages=PACKAGES, installed=("callee",), addresses={})
    monkeypatch.setattr(serving, "registry", callee)
    monkeypatch.setattr(authorisation, "registry", callee)
    monkeypatch.setattr(configuration, "_configured", None)
    keys.ensure(tmp_path / "keys", [keys.service_key(name) for name in ("orders", "bff", "stranger")])
    configuration.configure(keys_dir=tmp_path / "keys", service="orders")
    return callee


@pytest.fixture
def callee_server(callees_registry):
    """Serve the callee over HTTP/1.1 with keep-alive; yields its address."""
    middleware = ["fissile.watch.middleware.Watched", "django.middleware.csrf.CsrfViewMiddleware"]
    with override_settings(ROOT_URLCONF="fissile_tests.calls.callee.urls", MIDDLEWARE=middleware):
        server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler, allow_reuse_address=False)
        server.set_app(get_wsgi_application())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            far._pool.clear()  # the handlers' threads end when their connections do
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture(params=["near", "far"])
def way(request, callers_registry, callees_registry):
    """The same callee, both ways."""
    if request.param == "near":
        callers_registry.configure(packages=PACKAGES, installed=("callee",), addresses={})
    else:
        address = request.getfixturevalue("callee_server")
        callers_registry.configure(packages=PACKAGES, installed=(), addresses={"callee": address})
    return request.param
