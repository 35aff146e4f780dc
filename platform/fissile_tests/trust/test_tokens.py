"""Tokens as they are meant: made, verified, remembered, forgotten."""

from __future__ import annotations

import json

import pytest
from joserfc import jws

from fissile.carry import Principal
from fissile.errors import BrokenContractError
from fissile.trust import (
    NotAuthenticated,
    configuration,
    issue_access,
    keys,
    mint_service,
    tokens,
    verify_access,
    verify_service,
)
from fissile.trust.memory import VerifiedTokens

NOW = 1_800_000_000


@pytest.fixture(autouse=True)
def house(keys_dir):
    return keys_dir


def test_an_access_token_says_which_user_it_speaks_for():
    token = issue_access("u-1", now=NOW)

    assert verify_access(token, now=NOW + 899) == Principal(kind="user", subject="u-1")


def test_an_access_token_is_a_rfc_9068_token_of_fifteen_minutes(house):
    token = issue_access("u-1", now=NOW)

    key = keys.load_private(keys.private_path(house, keys.ACCESS))
    read = jws.deserialize_compact(token, key, algorithms=["ES256"])
    claims = json.loads(read.payload)
    assert read.headers() == {"alg": "ES256", "typ": "at+jwt", "kid": key.thumbprint()}
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("fissile-users", "fissile-shop", "u-1")
    assert (claims["iat"], claims["exp"]) == (NOW, NOW + 900)
    assert claims["jti"]


def test_an_access_token_cannot_be_made_to_live_longer():
    with pytest.raises(BrokenContractError, match="900"):
        issue_access("u-1", lifetime_seconds=901)


def test_a_service_token_names_the_caller_and_the_user_it_speaks_for():
    token = mint_service("users", Principal(kind="user", subject="u-1"), now=NOW)

    assert verify_service(token, "users", now=NOW) == Principal(kind="service", actor="orders", subject="u-1")


def test_a_service_that_speaks_for_nobody_has_no_subject():
    token = mint_service("users", Principal(), caller="bff", now=NOW)

    assert verify_service(token, "users", now=NOW) == Principal(kind="service", actor="bff", subject=None)


def test_a_call_onward_keeps_the_user_and_names_the_last_caller():
    first = verify_service(mint_service("orders", Principal(kind="user", subject="u-1"), caller="bff"), "orders")

    onward = verify_service(mint_service("users", first, caller="orders"), "users")

    assert onward == Principal(kind="service", actor="orders", subject="u-1")


def test_a_caller_must_be_named_where_no_single_service_is_at_home(house):
    configuration.configure(keys_dir=house)

    with pytest.raises(BrokenContractError, match="Name the caller"):
        mint_service("users")


def test_a_service_without_a_key_is_told_how_to_get_one():
    with pytest.raises(BrokenContractError, match=r"manage\.py keys ensure"):
        mint_service("users", caller="payments")


def test_a_remembered_token_ends_with_its_exp():
    token = issue_access("u-1", now=NOW)
    verify_access(token, now=NOW)

    with pytest.raises(NotAuthenticated):
        verify_access(token, now=NOW + 900 + tokens.LEEWAY_SECONDS)


def test_a_remembered_service_token_opens_no_other_context():
    token = mint_service("users", now=NOW)
    verify_service(token, "users", now=NOW)

    with pytest.raises(NotAuthenticated):
        verify_service(token, "bff", now=NOW)


def test_a_remembered_token_is_not_checked_again(monkeypatch):
    token = issue_access("u-1", now=NOW)
    verify_access(token, now=NOW)
    monkeypatch.setattr(tokens, "_claims", lambda *_: pytest.fail("verified again"))

    assert verify_access(token, now=NOW + 1).subject == "u-1"


def test_a_withdrawn_key_takes_its_remembered_tokens_along(house, monkeypatch):
    token = issue_access("u-1", now=NOW)
    verify_access(token, now=NOW)

    keys.public_path(house, keys.ACCESS).write_text('{"keys": []}')
    monkeypatch.setattr(configuration.configured().access_keys, "_looked_at", float("-inf"))

    with pytest.raises(NotAuthenticated):
        verify_access(token, now=NOW)


def test_keys_of_another_house_are_strangers(house, tmp_path):
    token = issue_access("u-1", now=NOW)
    verify_access(token, now=NOW)

    other = tmp_path / "other"
    keys.ensure(other, [keys.ACCESS])
    configuration.configure(keys_dir=other)

    with pytest.raises(NotAuthenticated):
        verify_access(token, now=NOW)


def test_unconfigured_trust_says_what_to_call(monkeypatch):
    monkeypatch.setattr(configuration, "_configured", None)

    with pytest.raises(BrokenContractError, match=r"trust\.configure"):
        verify_access("x")


def test_the_memory_is_bounded_and_the_least_used_goes_first():
    memory = VerifiedTokens(most=2)
    who = Principal(kind="user", subject="u")
    memory.put("a", "p", who, expires=NOW + 9)
    memory.put("b", "p", who, expires=NOW + 9)
    memory.get("a", "p", NOW)
    memory.put("c", "p", who, expires=NOW + 9)

    assert [memory.get(name, "p", NOW) is not None for name in "abc"] == [True, False, True]
    assert len(memory) == 2


def test_the_memory_forgets_at_exp_to_the_second():
    memory = VerifiedTokens()
    memory.put("a", "p", Principal(), expires=NOW)

    assert memory.get("a", "p", NOW - 0.001) is not None
    assert memory.get("a", "p", NOW) is None
    assert len(memory) == 0
