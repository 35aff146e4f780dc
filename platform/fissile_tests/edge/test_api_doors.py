"""The HTTP doors as a client meets them: refusals in order, problems for everything, no internals."""

from __future__ import annotations

import json

import pytest
from django.conf import settings
from django.test import Client

from fissile import carry, trust
from fissile.messages import PROBLEM_TYPE
from fissile.trust import keys

pytestmark = pytest.mark.urls("api_stage")

SOMEBODY = "01890000-0000-7000-8000-000000000001"
STONE = "01890000-0000-7000-8000-000000000002"
GOOD = {"lines": [{"sku": "slate-tile", "quantity": 2}]}


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


@pytest.fixture
def token():
    keys.ensure(settings.FISSILE["keys_dir"], ["users-access"])
    trust.configure(keys_dir=settings.FISSILE["keys_dir"])
    return {"HTTP_AUTHORIZATION": f"Bearer {trust.issue_access(SOMEBODY)}"}


def post(client, body, **extra):
    data = body if isinstance(body, bytes) else json.dumps(body)
    return client.generic("POST", "/api/v1/stones", data, "application/json", **extra)


def assert_problem(answer, status, code):
    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM_TYPE)
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"/errors/{code}")
    assert body["title"]
    assert body["detail"]
    assert "obsidian" not in answer.content.decode()
    return body


def complaints(answer):
    return {(error["pointer"], error["code"]) for error in assert_problem(answer, 422, "invalid_request")["errors"]}


def test_a_good_request_gets_its_answer_and_nobody_keeps_it(client):
    answer = post(client, GOOD)

    assert (answer.status_code, answer.json()) == (201, GOOD)
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_another_method_is_refused_before_anything_else_and_told_which_ones_there_are(client, method):
    answer = client.generic(method, f"/api/v1/stones/{STONE}")

    assert_problem(answer, 405, "method_not_allowed")
    assert answer["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml, text/*", "application/json;q=0", "*/*;q=0.000", ";;,,"]
)
def test_a_client_that_takes_no_json_is_refused(client, accept):
    assert_problem(client.get("/api/v1/stones", HTTP_ACCEPT=accept), 406, "not_acceptable")


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/*",
        "application/json; indent=4",
        "text/html, */*;q=0.1",
        "application/problem+json, application/json",
    ],
)
def test_answers_are_plain_json_however_it_is_asked_for(client, accept):
    answer = client.get("/api/v1/stones", HTTP_ACCEPT=accept)

    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "application/json", b'{"limit":20}')


def test_without_a_token_the_door_is_closed_and_says_what_it_wants(client):
    answer = client.get(f"/api/v1/stones/{STONE}")

    assert_problem(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="fissile"'


@pytest.mark.parametrize("header", ["Bearer x.y.z", "Bearer", "Basic YTpi", "Bearer a b", "bearer\tx"])
def test_a_bad_token_is_told_from_none(client, header, token):
    answer = client.get(f"/api/v1/stones/{STONE}", HTTP_AUTHORIZATION=header)

    assert_problem(answer, 401, "not_authenticated")
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


def test_who_asks_is_carried_through_the_request_and_not_beyond(client, token):
    answer = client.get(f"/api/v1/stones/{STONE}", **token)

    assert answer.json() == {"id": STONE, "price": {"amount_minor": 5, "currency": "EUR"}}
    assert carry.current().principal.kind == "anonymous"


def test_a_bad_token_does_not_close_an_open_door(client):
    assert client.get("/api/v1/stones", HTTP_AUTHORIZATION="Bearer x").status_code == 200


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"', b"[[]]"])
def test_a_body_that_is_no_object_is_invalid(client, body):
    assert complaints(post(client, body)) == {("", "null" if body == b"null" else "invalid")}


def test_every_complaint_comes_at_once_with_its_place(client):
    body = {
        "lines": [{"sku": 5, "quantity": "2"}, {"sku": "UP", "quantity": True, "price": 1}],
        "a~/b": 1,
        "note": " x",
    }

    assert complaints(post(client, body)) == {
        ("/a~0~1b", "unknown"),
        ("/note", "pattern"),
        ("/lines/0/sku", "not_text"),
        ("/lines/0/quantity", "not_whole"),
        ("/lines/1/sku", "pattern"),
        ("/lines/1/quantity", "not_whole"),
        ("/lines/1/price", "unknown"),
    }


@pytest.mark.parametrize("quantity", [0, -1, 1001, 10**17, 1.5, None, [], "1"])
def test_a_quantity_out_of_bounds_is_invalid(client, quantity):
    answer = post(client, {"lines": [{"sku": "slate-tile", "quantity": quantity}]})

    assert {place for place, _ in complaints(answer)} == {"/lines/0/quantity"}


@pytest.mark.parametrize("note", ["", "a\x07", "a\u202eb", "a\u2028b", "x" * 21, "\u00a0x", "a\n", "\u200b"])
def test_text_that_hides_something_is_invalid(client, note):
    assert {place for place, _ in complaints(post(client, GOOD | {"note": note}))} == {"/note"}


def test_ten_thousand_wrong_names_get_no_novel_back(client):
    answer = post(client, {f"n{number}": 1 for number in range(5000)})

    assert len(complaints(answer)) == 20
    assert len(answer.content) < 4000


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=+5", "limit"),
        ("limit=5&limit=6", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=", "limit"),
        ("limt=5", "limt"),
        ("a%00=1", "a\0"),
        ("%ff=1", "\ufffd"),
    ],
)
def test_a_query_is_read_as_strictly_as_a_body(client, query, name):
    body = assert_problem(client.get(f"/api/v1/stones?{query}"), 422, "invalid_request")

    assert [error["parameter"] for error in body["errors"]] == [name]


def test_a_query_of_a_thousand_names_is_malformed(client):
    query = "&".join(f"n{number}=1" for number in range(1001))

    assert_problem(client.get(f"/api/v1/stones?{query}"), 400, "malformed_request")


def test_bodies_are_refused_by_kind_size_and_form_in_this_order(client):
    assert_problem(client.generic("POST", "/api/v1/stones", b"{}", "text/plain"), 415, "unsupported_media_type")
    assert_problem(post(client, b"{}", HTTP_CONTENT_ENCODING="gzip"), 415, "unsupported_media_type")
    assert_problem(post(client, b" " * 70_000), 413, "content_too_large")
    assert_problem(post(client, b" " * 200_000), 413, "content_too_large")
    assert_problem(post(client, b'{"lines":'), 400, "malformed_request")
    assert_problem(post(client, b""), 400, "malformed_request")


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/api/v1/stones/", "/api/v1/stones/17", "/api/v1/stones/%00", "/api/v1//stones", "/%ff"]
)
def test_an_unknown_address_is_a_problem(client, path):
    assert_problem(client.get(path), 404, "not_found")


def test_a_strange_host_is_a_problem(client, settings):
    settings.ALLOWED_HOSTS = ["testserver"]

    assert_problem(client.get("/api/v1/stones", HTTP_HOST="evil.example"), 400, "malformed_request")


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/break/refusal", 409, "stage.sold_out"),
        ("/break/bug", 500, "internal"),
        ("/break/contract", 500, "internal"),
        ("/break/plain", 500, "internal"),
        ("/break/database", 503, "unreachable"),
        ("/break/uncertain", 504, "uncertain"),
        ("/forgotten", 500, "internal"),
        ("/nowhere", 404, "not_found"),
    ],
)
def test_whatever_breaks_is_a_problem_without_internals_in_debug_too(client, settings, debug, path, status, code):
    settings.DEBUG = debug

    answer = client.get(path)

    assert_problem(answer, status, code)
    assert ("Retry-After" in answer) == (status in (503, 504))


@pytest.mark.parametrize(
    ("path", "level"),
    [("/break/refusal", "INFO"), ("/break/database", "WARNING"), ("/break/contract", "ERROR"), ("/break/bug", "ERROR")],
)
def test_what_went_wrong_is_logged_once_and_as_what_it_is(client, caplog, path, level):
    caplog.set_level("DEBUG")

    client.get(path)

    logged = [record.levelname for record in caplog.records if record.name in ("fissile.edge", "django.request")]
    assert logged == [level]


def test_facts_of_a_refusal_stand_in_its_problem(client):
    assert client.get("/break/refusal").json()["left"] == 0


def test_the_operators_pages_keep_their_own_errors(client):
    assert client.get("/admin/bug").status_code == 500


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("k-1", "k-1"),
        ('"k-1"', "k-1"),
        ("!", "!"),
        ('"a,b;c"', "a,b;c"),
        ("x" * 255, "x" * 255),
        ('"' + "x" * 255 + '"', "x" * 255),
    ],
)
def test_a_key_with_quotes_and_without_is_the_same_key(client, token, header, key):
    answer = cut(client, token, HTTP_IDEMPOTENCY_KEY=header)

    assert (answer.json()["key"], answer["Idempotency-Replayed"]) == (key, "true")


@pytest.mark.parametrize(
    "header", ["", '""', "a b", "a,b", '"a", "b"', 'a"b', '"a', "ü", "x" * 256, '"a\\"b"', "a;b", "\t"]
)
def test_what_is_no_key_is_refused(client, token, header):
    assert_problem(cut(client, token, HTTP_IDEMPOTENCY_KEY=header), 400, "idempotency_key_invalid")


def test_a_key_is_required_where_it_is_declared(client, token):
    assert_problem(cut(client, token), 400, "idempotency_key_required")


def test_the_print_is_of_what_was_asked_not_of_how_it_was_written(client, token):
    one = cut(client, token, b'{"sku":"a-b","quantity":1}', HTTP_IDEMPOTENCY_KEY="k").json()["print"]
    same = cut(client, token, b'{ "quantity" : 1, "sku" : "a-b" }', HTTP_IDEMPOTENCY_KEY="k").json()["print"]
    other = cut(client, token, b'{"sku":"a-b","quantity":2}', HTTP_IDEMPOTENCY_KEY="k").json()["print"]
    elsewhere = cut(client, token, stone=SOMEBODY, HTTP_IDEMPOTENCY_KEY="k").json()["print"]

    assert one == same
    assert len({one, other, elsewhere}) == 3


def cut(client, token, body=b'{"sku":"a-b","quantity":1}', *, stone=STONE, **extra):
    return client.generic("POST", f"/api/v1/stones/{stone}", body, "application/json", **token, **extra)
