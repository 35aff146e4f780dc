"""The internal endpoint as an attacker or a confused service meets it: plain HTTP, no `ask` in between."""

from __future__ import annotations

import json

import pytest
from django.test import RequestFactory

from fissile.calls.endpoint import answer
from fissile.trust import mint_service, tokens


@pytest.fixture(autouse=True)
def callee(callees_registry):
    return callees_registry


def send(function="size_of", body=b'{"text": "abc"}', *, method="post", context="callee", token=None, **headers):
    token = mint_service("callee", caller="orders") if token is None else token
    sent = {"authorization": f"Bearer {token}", **headers.pop("more", {})}
    given = {"content_type": "application/json", "headers": sent, **headers}
    request = getattr(RequestFactory(), method)(f"/internal/{context}/{function}", data=body, **given)
    return answer(request, context, function)


def problem(response, status, code):
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    document = json.loads(response.content)
    assert (document["status"], document["code"], document["type"]) == (status, code, f"/errors/{code}")
    return document


def test_a_good_call_is_answered_and_not_stored():
    response = send()

    assert (response.status_code, json.loads(response.content)) == (200, {"result": 3})
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_another_method_is_told_which_is_right(method):
    response = send(method=method)

    problem(response, 405, "calls.only_post")
    assert response["Allow"] == "POST"


def test_get_is_not_a_call():
    problem(answer(RequestFactory().get("/internal/callee/size_of"), "callee", "size_of"), 405, "calls.only_post")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data; boundary=x"]
)
def test_another_content_type_is_refused(content_type):
    problem(send(content_type=content_type), 415, "calls.only_json")


def test_a_compressed_body_is_refused():
    problem(send(more={"content-encoding": "gzip"}), 415, "calls.only_json")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic b3JkZXJzOg==", "bearer", "Token x", "Bearer a.b.c"]
)
def test_without_a_services_token_there_is_no_answer(authorization):
    headers = {} if authorization is None else {"authorization": authorization}
    request = RequestFactory().post("/", data=b"{}", content_type="application/json", headers=headers)

    response = answer(request, "callee", "size_of")

    problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_token_for_another_context_or_from_yesterday_is_refused():
    problem(send(token=mint_service("users", caller="orders")), 401, "not_authenticated")
    problem(send(token=mint_service("callee", caller="orders", now=1_000_000)), 401, "not_authenticated")
    problem(send(context="orders"), 401, "not_authenticated")


def test_a_users_header_does_not_make_a_user():
    response = send("carried", b"{}", more={"x-user-id": "u-9", "x-principal": "admin"})

    assert json.loads(response.content)["result"]["subject"] is None


@pytest.mark.parametrize("function", ["not_offered", "for_bff_only", "nowhere", "__class__", "threading"])
def test_what_is_not_offered_looks_the_same_as_what_does_not_exist(function):
    document = problem(send(function, b"{}"), 403, "not_allowed")

    assert document["detail"] == (
        f"orders may not call callee.{function}; callee/context.py must offer it to orders first."
    )


def test_a_context_that_is_not_here_is_not_allowed(monkeypatch):
    token = mint_service("elsewhere", caller="orders")

    problem(send(context="elsewhere", token=token), 403, "not_allowed")


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"null", b"[]", b'"abc"', b"3", b"{}", b'{"text": 3}', b'{"text": null}', b'{"text": ["a"]}',
        b'{"text": "a", "more": 1}', b'{"text": "a", "text": "b"}', b'{"text": "\\u0000"}', b'{"text": "\\ud800"}',
        b'{"text": NaN}', b'{"text": "a"} trailing', b"\xff\xfe", b'{"text": "\xff"}', b"[" * 60_000,
        b'{"text": ' + b"9" * 5_000 + b"}", b'{"\\u0000": 1}', b'{"text": 1e999}', b"{'text': 'a'}",
        b'{"text": "a"}'.decode().encode("utf-16"),
    ],
)  # fmt: skip
def test_arguments_that_are_not_strict_json_or_do_not_fit_are_a_400(body):
    problem(send(body=body), 400, "calls.unreadable_arguments")


def test_a_body_over_64_kib_is_a_413():
    problem(send(body=b'{"text": "' + b"x" * 65_536 + b'"}'), 413, "calls.too_large")


def test_a_call_that_breaks_tells_nothing_of_the_inside():
    for function in ("break_contract", "break_down"):
        response = send(function, b"{}")

        problem(response, 500, "internal")
        assert b"secret" not in response.content
        assert b"division" not in response.content


def test_a_call_without_time_left_is_not_started():
    problem(send(more={"x-deadline-ms": "0"}), 503, "unreachable")


def test_a_malformed_deadline_counts_as_none():
    for value in ("-1", "1e9", "soon", "9" * 20, "\u0663"):
        assert send(more={"x-deadline-ms": value}).status_code == 200


def test_a_huge_token_costs_nothing():
    problem(send(token="A" * 1_000_000), 401, "not_authenticated")
    assert tokens.LARGEST_TOKEN_BYTES == 8_192
