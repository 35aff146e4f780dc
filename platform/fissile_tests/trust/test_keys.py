"""Key files: private, whole, idempotent; sources that watch them or ask an address."""

from __future__ import annotations

import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fissile.trust import keys
from fissile.trust.sources import ASK_AGAIN_SECONDS, FRESH_SECONDS, KeyAddress, KeyFiles


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def test_a_private_key_is_readable_by_its_owner_only(keys_dir):
    for path in keys_dir.glob("*.private.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys_dir.stat().st_mode) == 0o700


def test_ensuring_twice_changes_nothing(keys_dir):
    before = {path: path.read_bytes() for path in keys_dir.rglob("*.json")}

    keys.ensure(keys_dir, [keys.ACCESS, "users-service"])

    assert before == {path: path.read_bytes() for path in keys_dir.rglob("*.json")}


def test_ensuring_closes_a_private_key_that_others_could_read(keys_dir):
    path = keys.private_path(keys_dir, keys.ACCESS)
    path.chmod(0o644)

    keys.ensure(keys_dir, [keys.ACCESS])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_eight_at_once_agree_on_one_key(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        pairs = list(threads.map(lambda _: keys.ensure(tmp_path / "k", [keys.ACCESS])[0], range(8)))

    assert len({pair.kid for pair in pairs}) == 1
    assert {pair.published for pair in pairs} == {(pairs[0].kid,)}
    assert not list((tmp_path / "k").rglob(".*.json.*"))


def test_nothing_private_is_published(keys_dir):
    for path in keys.public_folder(keys_dir).iterdir():
        for entry in json.loads(path.read_text())["keys"]:
            assert set(entry) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_new_private_key_is_published_beside_the_old_one(keys_dir):
    (old,) = [pair for pair in keys.found(keys_dir) if pair.name == keys.ACCESS]
    old.private.unlink()

    (new,) = keys.ensure(keys_dir, [keys.ACCESS])

    assert new.published == (old.kid, new.kid)


def public_entry(keys_dir):
    return json.loads(keys.public_path(keys_dir, keys.ACCESS).read_text())["keys"][0]


@pytest.mark.parametrize(
    "change",
    [
        {"d": "AAAA"}, {"kid": "users"}, {"kid": None}, {"crv": "P-384"}, {"crv": "secp256k1"},
        {"kty": "oct", "k": "AA"}, {"use": "enc"}, {"alg": "HS256"}, {"x": "AAAA"}, {"x": "A" * 43},
        {"x5c": ["MII"]}, {"x": 7},
    ],
)  # fmt: skip
def test_a_published_set_with_one_bad_key_is_refused_whole(keys_dir, change):
    document = {"keys": [public_entry(keys_dir), {**public_entry(keys_dir), **change}]}

    with pytest.raises(keys.UnusableKeyError):
        keys.parse_set(json.dumps(document))


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"keys": 7}', '{"keys": [7]}', "[" * 100_000, "\x00"])
def test_what_is_no_key_set_is_refused(document):
    with pytest.raises(keys.UnusableKeyError):
        keys.parse_set(document)


def test_a_spoilt_private_key_says_what_to_do(keys_dir):
    path = keys.private_path(keys_dir, keys.ACCESS)
    for text in ("", "{}", '{"kty": "oct", "k": "AAAA"}', json.dumps(public_entry(keys_dir))):
        path.write_text(text)
        with pytest.raises(keys.UnusableKeyError, match="keys ensure"):
            keys.load_private(path)


def files_of(keys_dir, clock=None):
    folder = keys.public_folder(keys_dir)
    return KeyFiles(folder, pattern="*-service.jwks.json", suffix="-service", clock=clock or Clock())


def test_a_key_file_tells_its_owner(keys_dir):
    kids = {pair.name: pair.kid for pair in keys.found(keys_dir)}
    source = files_of(keys_dir)

    assert source.find(kids["orders-service"]).owner == "orders"
    assert source.find(kids["users-access"]) is None


def test_a_new_key_is_found_at_once(keys_dir):
    source = files_of(keys_dir)
    source.look()

    (pair,) = keys.ensure(keys_dir, ["payments-service"])

    assert source.find(pair.kid).owner == "payments"


def test_a_withdrawn_file_is_noticed_a_second_later(keys_dir):
    clock = Clock()
    source = files_of(keys_dir, clock)
    (pair,) = [pair for pair in keys.found(keys_dir) if pair.name == "bff-service"]
    assert source.find(pair.kid) is not None
    generation = source.generation

    pair.public.unlink()
    clock.now += 1

    assert source.find(pair.kid) is None
    assert source.generation > generation


def test_a_file_that_turns_bad_leaves_the_last_good_keys(keys_dir, caplog):
    clock = Clock()
    source = files_of(keys_dir, clock)
    (pair,) = [pair for pair in keys.found(keys_dir) if pair.name == "bff-service"]
    source.look()

    pair.public.write_text("{")
    clock.now += 1

    assert source.find(pair.kid).owner == "bff"
    assert "bff-service.jwks.json" in caplog.text


@pytest.fixture
def jwks_server():
    """An address that answers what `answer` says and counts."""

    class Handler(BaseHTTPRequestHandler):
        answer = (200, b"{}", {})
        asked = 0

        def do_GET(self):
            type(self).asked += 1
            status, body, headers = self.answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        Handler.url = f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"
        yield Handler
        server.shutdown()
        thread.join()


def test_an_address_is_asked_once_however_many_unknown_keys_come_in(keys_dir, jwks_server):
    jwks_server.answer = (200, keys.public_path(keys_dir, keys.ACCESS).read_bytes(), {})
    clock = Clock()
    source = KeyAddress(jwks_server.url, owner="users", clock=clock)
    kid = public_entry(keys_dir)["kid"]

    assert source.find(kid).owner == "users"
    for number in range(100):
        assert source.find(f"unknown-{number}") is None
    assert jwks_server.asked == 1

    clock.now += ASK_AGAIN_SECONDS
    assert source.find("unknown") is None
    assert jwks_server.asked == 2


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"", {}), (200, b"{", {}), (200, b"x" * 70_000, {}),
        (302, b"", {"Location": "http://127.0.0.1:9/evil"}), (404, b'{"keys": []}', {}),
    ],
)  # fmt: skip
def test_an_address_that_turns_bad_leaves_the_last_good_keys(keys_dir, jwks_server, answer):
    jwks_server.answer = (200, keys.public_path(keys_dir, keys.ACCESS).read_bytes(), {})
    clock = Clock()
    source = KeyAddress(jwks_server.url, owner="users", clock=clock)
    kid = public_entry(keys_dir)["kid"]
    source.look()

    jwks_server.answer = answer
    clock.now += FRESH_SECONDS

    assert source.find(kid).owner == "users"
    assert jwks_server.asked == 2


def test_a_key_withdrawn_at_the_address_is_forgotten(keys_dir, jwks_server):
    jwks_server.answer = (200, keys.public_path(keys_dir, keys.ACCESS).read_bytes(), {})
    clock = Clock()
    source = KeyAddress(jwks_server.url, owner="users", clock=clock)
    kid = public_entry(keys_dir)["kid"]
    source.look()

    jwks_server.answer = (200, b'{"keys": []}', {})
    clock.now += FRESH_SECONDS

    assert source.find(kid) is None


def test_an_address_that_is_down_gives_no_keys_and_no_error():
    source = KeyAddress("http://127.0.0.1:9/jwks.json", owner="users", clock=Clock())

    assert source.find("any") is None
