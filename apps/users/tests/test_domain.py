"""Rules of users, without a database."""

from __future__ import annotations

import re

import pytest

from apps.users import domain
from apps.users.contracts.errors import CreditLimitOutOfRange, PasswordTooWeak

COMMON = frozenset({"football1234"})


def ensure_strong(password):
    domain.ensure_strong(password, email="ada.lovelace@example.org", name="Ada King-Noel", common=COMMON)


@pytest.mark.parametrize("password", ["walking-house-22", "äöüß-ßüöä-12", "1234 5678 90", "x" * 120 + "abcdefgh"])
def test_a_long_password_of_different_characters_is_strong(password):
    ensure_strong(password)


@pytest.mark.parametrize(
    "password",
    [
        "short-pw1",
        "x" * 120 + "abcdefghi",
        "aaaaaaaaaaaa",
        "abababababab",
        "football1234",
        "FootBall1234",
        "ada.lovelace",
        "Ada.Lovelace@example.org",
        "ada king-noel",
    ],
)
def test_what_is_guessed_first_is_too_weak(password):
    with pytest.raises(PasswordTooWeak) as no:
        ensure_strong(password)

    assert password not in str(no.value)


@pytest.mark.parametrize("limit", [-1, domain.LARGEST_CREDIT_LIMIT_MINOR + 1])
def test_a_credit_limit_out_of_range_is_refused(limit):
    with pytest.raises(CreditLimitOutOfRange):
        domain.ensure_credit_limit(limit)


@pytest.mark.parametrize("limit", [0, domain.LARGEST_CREDIT_LIMIT_MINOR])
def test_a_credit_limit_at_a_bound_is_taken(limit):
    domain.ensure_credit_limit(limit)


@pytest.mark.parametrize("email", ["a@b.c", "a.b+c@x-y.example.org", "!#$%&'*+/=?^_`{|}~-@e.org", "A@B.C"])
def test_these_are_addresses(email):
    assert re.fullmatch(domain.EMAIL_PATTERN, email)


@pytest.mark.parametrize(
    "email",
    ["", "a", "a@b", "@b.c", "a@", ".a@b.c", "a.@b.c", "a..b@c.d", "a b@c.d", "a@b.c\n", "a@-b.c", "a@b-.c", "ä@b.c",
     "a@b..c", '"a"@b.c', "a@[127.0.0.1]", "a@b.c.", "a@" + "b" * 64 + ".c"],
)  # fmt: skip
def test_these_are_none(email):
    assert not re.fullmatch(domain.EMAIL_PATTERN, email)


def test_a_hostile_address_is_told_from_a_good_one_at_once():
    # Quadratic matching of 254 characters would still be milliseconds; this is far longer.
    assert not re.fullmatch(domain.EMAIL_PATTERN, "a" * 50_000 + "." * 3 + "@" + "b." * 20_000)


def test_a_refresh_token_is_kept_as_a_print_only():
    assert domain.digest_of("secret") == "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
