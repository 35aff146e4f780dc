"""The shop's gateway as a process: `python -m gateway_app` with real keys, in front of an upstream that echoes."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fissile.trust import configuration, configure, issue_access, keys
from fissile_tests.edge.gateway.gateway_house import PATIENCE_SECONDS, Door, Upstream
from settings.contexts import CONTEXTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def upstream():
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture
def keys_dir(tmp_path, monkeypatch):
    monkeypatch.setattr(configuration, "_configured", None)
    keys.ensure(tmp_path / "keys", [keys.ACCESS])
    configure(keys_dir=tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def gateway(upstream, tmp_path, keys_dir):
    """A running gateway whose upstreams are one; bff is down."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    urls = dict.fromkeys(CONTEXTS, upstream.url) | {"bff": "http://127.0.0.1:9"}
    environment = {
        "ROLE": "gateway",
        "TOPOLOGY": " ".join(f"{name}={url}" for name, url in urls.items()),
        "STATE_DIR": str(tmp_path),
        "KEYS_DIR": str(keys_dir),
        "PROCESS_NAME": "gateway",
        "PATH": os.environ["PATH"],
    }
    argv = [sys.executable, "-m", "gateway_app", "--port", str(port)]
    with (tmp_path / "log.jsonl").open("w") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log)
    door = Door(port)
    wait_until_it_listens(door, process)
    yield door
    door.close()
    process.terminate()
    process.wait(PATIENCE_SECONDS)


def wait_until_it_listens(door, process):
    for _ in range(400):
        assert process.poll() is None, "the gateway ended at its start"
        try:
            door.connect()
            return
        except ConnectionRefusedError:
            threading.Event().wait(0.05)
    raise AssertionError("the gateway does not listen")


def test_a_real_token_opens_a_private_route_and_a_foreign_one_does_not(gateway, tmp_path):
    token = issue_access("018f9a3e-0000-7000-8000-000000000000")
    bearer = [("Authorization", f"Bearer {token}")]

    answer = gateway.ask("GET", "/api/v1/orders", bearer)

    assert answer.status == 200
    assert dict(answer.json["headers"])["authorization"] == f"Bearer {token}"
    assert gateway.ask("GET", "/api/v1/orders", [("Authorization", f"Bearer {token[:-4]}AAAA")]).status == 401
    assert gateway.ask("GET", "/api/v1/orders").status == 401
    assert gateway.ask("GET", "/api/v1/dashboard", bearer).status == 502
    assert token not in (tmp_path / "log.jsonl").read_text()


def test_it_is_ready_with_its_keys_and_not_without_and_asks_no_service(gateway, upstream, keys_dir):
    upstream.forget()
    assert gateway.ask("GET", "/readyz").json == {
        "status": "ready",
        "dependencies": {"keys": {"status": "up"}, "routes": {"status": "up"}, "drain": {"status": "up"}},
    }

    keys.public_path(keys_dir, keys.ACCESS).unlink()
    answer = gateway.ask("GET", "/readyz")

    assert answer.status == 503
    assert "manage.py keys ensure" in answer.json["dependencies"]["keys"]["reason"]
    assert gateway.ask("GET", "/healthz").status == 200
    assert not upstream.requests


def test_its_server_refuses_what_is_no_strict_http(gateway):
    answer = gateway.raw(b"GET /healthz HTTP/1.1\nHost: a\n\n")

    assert answer.status == 400
    assert answer.header("content-type") == "application/problem+json"


def test_a_peer_cannot_name_another_address(gateway, upstream):
    answer = gateway.ask("GET", "/api/v1/products", [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https")])

    heard = dict(answer.json["headers"])
    assert (heard["x-forwarded-for"], heard["x-forwarded-proto"]) == ("127.0.0.1", "http")


def test_every_line_of_its_log_is_one_json_object(gateway, tmp_path):
    gateway.ask("GET", "/healthz")
    gateway.raw(b"nonsense\r\n\r\n")

    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {line["process"] for line in lines} == {"gateway"}
