"""The public door of users: what it answers, and what it refuses and how."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import OperationalError

from apps.users import domain, queries
from apps.users.models import Credential, User, UsersOutbox
from apps.users.tests.factories import PASSWORD, Browser, a_customer
from fissile import trust
from fissile.messages import PROBLEM_TYPE
from fissile.trust import keys

pytestmark = pytest.mark.django_db(databases=["users"])

ADA = {"email": "Ada@Example.org", "password": PASSWORD, "name": "Ada Lovelace"}


def assert_problem(answer, status, code):
    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM_TYPE)
    assert answer.json()["code"] == code
    assert PASSWORD not in answer.content.decode()


def nothing_was_written():
    return not (User.objects.exists() or Credential.objects.exists() or UsersOutbox.objects.exists())


def test_a_person_signs_up_logs_in_and_reads_the_profile():
    signed_up = Browser().post("/api/v1/users", ADA)
    tokens = Browser().post("/api/v1/auth/token", {"email": ADA["email"], "password": PASSWORD})
    profile = Browser(queries.get_customer(User.objects.get().id)).get("/api/v1/users/me")

    assert (signed_up.status_code, signed_up["Location"]) == (201, "/api/v1/users/me")
    assert signed_up.json() == {
        "id": str(User.objects.get().id),
        "email": "ada@example.org",
        "name": "Ada Lovelace",
        "credit_limit": {"amount_minor": 1_000_000, "currency": "EUR"},
        "created_at": signed_up.json()["created_at"],
    }
    assert signed_up.json()["created_at"].endswith("Z")
    assert set(tokens.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens.json()["token_type"], tokens["Cache-Control"]) == ("Bearer", "no-store")
    assert profile.json() == signed_up.json()


def test_a_session_goes_on_with_its_refresh_token_once():
    a_customer(email="ada@example.org")
    first = Browser().post("/api/v1/auth/token", {"email": "ada@example.org", "password": PASSWORD}).json()

    second = Browser().post("/api/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
    again = Browser().post("/api/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
    revoked = Browser().post("/api/v1/auth/refresh", {"refresh_token": second.json()["refresh_token"]})

    assert (second.status_code, second.json()["expires_in"]) == (200, 900)
    assert_problem(again, 401, "users.refresh_refused")
    assert_problem(revoked, 401, "users.refresh_refused")
    assert again["WWW-Authenticate"] == 'Bearer realm="fissile"'


def test_a_name_can_be_changed_and_an_empty_change_changes_nothing():
    ada = Browser(a_customer())

    assert ada.patch("/api/v1/users/me", {"name": "Ada King"}).json()["name"] == "Ada King"
    assert ada.patch("/api/v1/users/me", {}).json()["name"] == "Ada King"
    assert UsersOutbox.objects.count() == 2


@pytest.mark.parametrize(
    "member", ["id", "email", "credit_limit", "credit_limit_minor", "version", "created_at", "is_staff"]
)
def test_nothing_but_the_name_can_be_changed(member):
    customer = a_customer()

    answer = Browser(customer).patch("/api/v1/users/me", {"name": "Ada King", member: 1})

    assert_problem(answer, 422, "invalid_request")
    assert answer.json()["errors"] == [
        {"pointer": f"/{member}", "code": "unknown", "detail": "This name is not known here."}
    ]
    assert queries.get_customer(customer.id) == customer


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"email": "no address"}, "/email"),
        ({"email": "a" * 250 + "@b.cd"}, "/email"),
        ({"email": None}, "/email"),
        ({"email": ["a@b.cd"]}, "/email"),
        ({"password": "short"}, "/password"),
        ({"password": "x" * 129}, "/password"),
        ({"password": "with\x07bell-in-it"}, "/password"),
        ({"password": 1234567890}, "/password"),
        ({"name": ""}, "/name"),
        ({"name": " Ada"}, "/name"),
        ({"name": "A" * 101}, "/name"),
        ({"name": "A\u202eda"}, "/name"),
        ({"credit_limit_minor": 10**9}, "/credit_limit_minor"),
        ({"is_admin": True}, "/is_admin"),
    ],
)
def test_a_sign_up_with_a_wrong_member_is_refused_at_its_place(change, place):
    answer = Browser().post("/api/v1/users", ADA | change)

    assert_problem(answer, 422, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [place]
    assert nothing_was_written()


@pytest.mark.parametrize("member", ["email", "password", "name"])
@pytest.mark.parametrize("text", [b"\\u0000", b"\\ud800", b"\xff"])
def test_text_that_no_database_takes_is_malformed(member, text):
    body = json.dumps(ADA | {member: "PLACE"}).encode().replace(b"PLACE", b"difference" + text)

    assert_problem(Browser().post("/api/v1/users", body), 400, "malformed_request")
    assert nothing_was_written()


def test_an_address_that_is_taken_is_a_conflict():
    a_customer(email="ada@example.org")

    assert_problem(Browser().post("/api/v1/users", ADA), 409, "users.email_taken")


def test_a_common_password_is_refused():
    assert_problem(Browser().post("/api/v1/users", ADA | {"password": "1q2w3e4r5t6y"}), 422, "users.password_too_weak")
    assert nothing_was_written()


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer():
    a_customer(email="ada@example.org")

    wrong = Browser().post("/api/v1/auth/token", {"email": "ada@example.org", "password": "wrong-password"})
    unknown = Browser().post("/api/v1/auth/token", {"email": "bob@example.org", "password": "wrong-password"})

    assert_problem(wrong, 401, "users.wrong_credentials")
    assert wrong.content == unknown.content


@pytest.mark.parametrize("token", ["", "x", "x" * 42, "x" * 44, "é" * 43, "x" * 42 + "\n"])
def test_what_cannot_be_a_refresh_token_is_invalid(token):
    assert_problem(Browser().post("/api/v1/auth/refresh", {"refresh_token": token}), 422, "invalid_request")


@pytest.mark.parametrize("method", ["get", "patch"])
def test_the_profile_needs_a_token(method):
    asking = Browser()

    answer = asking.get("/api/v1/users/me") if method == "get" else asking.patch("/api/v1/users/me", {"name": "Eve"})

    assert_problem(answer, 401, "not_authenticated")


def test_a_refresh_token_is_no_access_token():
    a_customer(email="ada@example.org")
    tokens = Browser().post("/api/v1/auth/token", {"email": "ada@example.org", "password": PASSWORD}).json()
    thief = Browser()
    thief._headers = {"authorization": f"Bearer {tokens['refresh_token']}"}

    assert_problem(thief.get("/api/v1/users/me"), 401, "not_authenticated")


def test_a_token_of_somebody_who_is_not_there_finds_nobody():
    customer = a_customer()
    ghost = domain.Customer(**{**vars(customer), "id": uuid4()})

    assert_problem(Browser(ghost).get("/api/v1/users/me"), 404, "users.unknown_user")


def test_a_database_that_is_gone_is_an_outage_not_a_bug(monkeypatch):
    def gone(**_):
        raise OperationalError("connection refused, password=secret")

    monkeypatch.setattr(User.objects, "filter", gone)
    answer = Browser(a_customer_in_thin_air()).get("/api/v1/users/me")

    assert_problem(answer, 503, "unreachable")
    assert answer["Retry-After"] == "1"
    assert "secret" not in answer.content.decode()


def a_customer_in_thin_air():
    return type("Somebody", (), {"id": uuid4()})


def test_the_published_keys_verify_access_tokens_and_hold_nothing_private():
    answer = Browser().get("/.well-known/jwks.json")

    published = keys.public_path(settings.FISSILE["keys_dir"], keys.ACCESS).read_bytes()
    assert set(keys.parse_set(answer.content)) == set(keys.parse_set(published))
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in answer.json()["keys"])
    assert answer["Cache-Control"] == "public, max-age=300"


def test_without_keys_there_is_an_outage_and_a_way_out(tmp_path):
    trust.configure(keys_dir=tmp_path)
    answer = Browser().get("/.well-known/jwks.json")
    trust.configure(keys_dir=settings.FISSILE["keys_dir"])

    assert_problem(answer, 503, "unreachable")


def test_the_document_names_every_operation_with_its_stable_id():
    document = Browser().get("/api/schema/users").json()

    assert {
        (address, method): operation["operationId"]
        for address, methods in document["paths"].items()
        for method, operation in methods.items()
    } == {
        ("/api/v1/users", "post"): "users_sign_up",
        ("/api/v1/auth/token", "post"): "users_log_in",
        ("/api/v1/auth/refresh", "post"): "users_refresh",
        ("/api/v1/users/me", "get"): "users_profile",
        ("/api/v1/users/me", "patch"): "users_rename",
        ("/.well-known/jwks.json", "get"): "users_keys",
    }
