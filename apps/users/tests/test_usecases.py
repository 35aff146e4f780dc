"""Use cases of users on their own database: what is stored, what is told, what is refused."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from apps.users import facade, usecases
from apps.users.contracts.errors import EmailTaken, PasswordTooWeak, RefreshRefused, UnknownUser, WrongCredentials
from apps.users.contracts.types import Account
from apps.users.models import Credential, RefreshFamily, RefreshToken, User, UsersOutbox
from apps.users.tests.factories import PASSWORD, a_customer
from fissile.data.guard import writing
from fissile.trust import verify_access
from fissile.trust.keys import UnusableKeyError

pytestmark = pytest.mark.django_db(databases=["users"])


def told(customer):
    rows = UsersOutbox.objects.filter(aggregate=f"user/{customer.id}").order_by("version")
    return [(row.version, row.type, row.payload) for row in rows]


def test_signing_up_makes_a_customer_and_tells_the_house():
    customer = a_customer(email="Ada@Example.ORG")

    assert customer.email == "ada@example.org"
    assert told(customer) == [
        (
            1,
            "users.user_registered.v1",
            {
                "user_id": str(customer.id),
                "user_name": "Ada Lovelace",
                "credit_limit_minor": 1_000_000,
                "currency": "EUR",
            },
        )
    ]


def test_a_password_is_kept_as_argon2id_and_nowhere_else():
    customer = a_customer()

    assert Credential.objects.get(user_id=customer.id).password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in str(list(UsersOutbox.objects.values())) + str(list(User.objects.values()))


def test_an_address_in_another_spelling_is_taken_too():
    a_customer(email="ada@example.org")

    with pytest.raises(EmailTaken):
        a_customer(email="ADA@example.org")
    assert User.objects.count() == UsersOutbox.objects.count() == Credential.objects.count() == 1


def test_a_common_password_is_refused_and_nothing_is_stored():
    with pytest.raises(PasswordTooWeak):
        a_customer(password="1q2w3e4r5t6y")

    assert not User.objects.exists()


def test_logging_in_gives_an_access_token_of_the_customer():
    customer = a_customer(email="ada@example.org")

    session = usecases.log_in(email="Ada@example.org", password=PASSWORD)

    assert verify_access(session.access_token).subject == str(customer.id)
    assert (session.token_type, session.expires_in) == ("Bearer", 900)


def test_only_a_print_of_the_refresh_token_is_kept():
    a_customer(email="ada@example.org")

    session = usecases.log_in(email="ada@example.org", password=PASSWORD)

    assert session.refresh_token not in str(list(RefreshToken.objects.values()))


@pytest.mark.parametrize(("email", "password"), [("ada@example.org", "difference-engines"), ("b@c.de", PASSWORD)])
def test_a_wrong_password_and_an_unknown_address_are_refused_alike(email, password):
    a_customer(email="ada@example.org")

    with pytest.raises(WrongCredentials) as no:
        usecases.log_in(email=email, password=password)

    assert (str(no.value), no.value.facts) == ("The e-mail address or the password is wrong.", {})
    assert not RefreshFamily.objects.exists()


def test_an_unknown_address_costs_one_verification_as_a_known_one_does(monkeypatch):
    checked = []
    is_right = usecases._is_right
    monkeypatch.setattr(usecases, "_is_right", lambda *args: checked.append(args) or is_right(*args))
    a_customer(email="ada@example.org")

    for email in ("ada@example.org", "nobody@example.org"):
        with pytest.raises(WrongCredentials):
            usecases.log_in(email=email, password="not-the-password")

    assert [known_hash[:31] for known_hash, _ in checked] == ["$argon2id$v=19$m=19456,t=2,p=1$"] * 2


def test_an_old_hash_is_renewed_at_the_next_login():
    from argon2 import PasswordHasher

    customer = a_customer(email="ada@example.org")
    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    with writing("users"):
        Credential.objects.filter(user_id=customer.id).update(password_hash=weak)

    usecases.log_in(email="ada@example.org", password=PASSWORD)

    assert "m=19456" in Credential.objects.get(user_id=customer.id).password_hash
    usecases.log_in(email="ada@example.org", password=PASSWORD)


@pytest.fixture
def session():
    a_customer(email="ada@example.org")
    return usecases.log_in(email="ada@example.org", password=PASSWORD)


def test_a_refresh_token_is_traded_for_a_new_one(session):
    second = usecases.refresh_session(session.refresh_token)
    third = usecases.refresh_session(second.refresh_token)

    assert len({session.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert verify_access(third.access_token) == verify_access(session.access_token)


def test_a_refresh_token_used_twice_ends_its_session_for_both_holders(session):
    second = usecases.refresh_session(session.refresh_token)

    for token in (session.refresh_token, second.refresh_token, second.refresh_token):
        with pytest.raises(RefreshRefused):
            usecases.refresh_session(token)
    assert RefreshFamily.objects.get().reason == "refresh token used twice"


def test_other_sessions_of_the_customer_go_on(session):
    other = usecases.log_in(email="ada@example.org", password=PASSWORD)
    usecases.refresh_session(session.refresh_token)
    with pytest.raises(RefreshRefused):
        usecases.refresh_session(session.refresh_token)

    assert usecases.refresh_session(other.refresh_token)


def test_an_expired_refresh_token_is_refused(session):
    token = RefreshToken.objects.get()
    token.expires_at -= timedelta(days=30)
    with writing("users"):
        token.save()

    with pytest.raises(RefreshRefused):
        usecases.refresh_session(session.refresh_token)


def test_an_unknown_refresh_token_is_refused():
    with pytest.raises(RefreshRefused):
        usecases.refresh_session("x" * 43)


def test_a_key_that_cannot_be_read_does_not_cost_the_refresh_token(session, monkeypatch):
    def unreadable(*args):
        raise UnusableKeyError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(usecases, "issue_access", unreadable)
        with pytest.raises(UnusableKeyError):
            usecases.refresh_session(session.refresh_token)

    assert usecases.refresh_session(session.refresh_token)


def test_a_new_name_is_told_and_the_same_name_again_is_not():
    customer = a_customer()

    usecases.rename(customer.id, "Ada King")
    usecases.rename(customer.id, "Ada King")

    assert told(customer)[1:] == [(2, "users.user_renamed.v1", {"user_id": str(customer.id), "user_name": "Ada King"})]


def test_a_new_credit_limit_is_told_and_the_same_again_is_not():
    customer = a_customer()

    usecases.change_credit_limit(customer.id, 5_000)
    usecases.change_credit_limit(customer.id, 5_000)

    facts = {"user_id": str(customer.id), "credit_limit_minor": 5_000, "currency": "EUR"}
    assert told(customer)[1:] == [(2, "users.credit_limit_changed.v1", facts)]


def test_nobody_can_be_renamed_who_is_not_there():
    with pytest.raises(UnknownUser):
        usecases.rename(uuid4(), "Nobody")


def test_neighbours_get_an_account():
    customer = a_customer()

    assert facade.get_account(customer.id) == Account(
        id=customer.id, name=customer.name, email=customer.email, credit_limit_minor=1_000_000, currency="EUR"
    )


def test_neighbours_hear_by_name_that_nobody_has_an_id():
    with pytest.raises(UnknownUser) as no:
        facade.get_account(uuid4())

    assert (no.value.code, no.value.status) == ("users.unknown_user", 404)
