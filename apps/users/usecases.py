"""Use cases of users: one function per wish of a customer or an operator.

May touch: domain, tables, queries, the unit of work, trust's tokens. Never: HTTP, Celery.
Passwords are hashed outside of transactions: that takes long on purpose, and SQLite has one writer.
"""

from __future__ import annotations

import secrets
from functools import cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.db import IntegrityError

from fissile.data.unit_of_work import UnitOfWork, unit_of_work
from fissile.errors import Refusal
from fissile.messages import uuid7
from fissile.trust.tokens import ACCESS_SECONDS, issue_access
from fissile.watch.tracing import span

from . import domain, queries
from .contracts.errors import EmailTaken, RefreshRefused, UnknownUser, WrongCredentials
from .contracts.events import CreditLimitChangedV1, UserRegisteredV1, UserRenamedV1
from .models import Credential, RefreshFamily, RefreshToken, User

# OWASP's first choice for Argon2id: 19 MiB and 2 rounds. Django's own default
# takes 100 MiB, times eight threads.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def sign_up(*, email: str, name: str, password: str) -> domain.Customer:
    """Make a customer with the first credit limit. Raise EmailTaken, PasswordTooWeak."""
    with span("usecase users.sign_up"):
        domain.ensure_strong(password, email=email, name=name, common=_common_passwords())
        password_hash = _hasher.hash(password)
        address = domain.folded(email)
        try:
            with unit_of_work("users") as work:
                return _registered(work, address, name, password_hash)
        except IntegrityError as twin:
            # Two sign-ups raced to the unique index; anything else is a bug.
            if not User.objects.filter(email=address).exists():
                raise
            raise EmailTaken from twin


def log_in(*, email: str, password: str) -> domain.Session:
    """Begin a session. Raise WrongCredentials, the same and after the same work for an unknown address."""
    with span("usecase users.log_in"):
        credential = Credential.objects.filter(user__email=domain.folded(email)).first()
        known_hash = credential.password_hash if credential else _decoy_hash()
        if not _is_right(known_hash, password) or credential is None:
            raise WrongCredentials
        better_hash = _hasher.hash(password) if _hasher.check_needs_rehash(known_hash) else None
        with unit_of_work("users") as work:
            if better_hash:
                Credential.objects.filter(pk=credential.pk).update(password_hash=better_hash)
            family = RefreshFamily.objects.create(id=uuid7(), user_id=credential.user_id, began_at=work.now)
            return _session(work, family)


def refresh_session(refresh_token: str) -> domain.Session:
    """Trade a refresh token for a new pair; it works once (RFC 9700, 4.14.2). Raise RefreshRefused.

    A second use means that two parties hold it: the whole family is revoked, and
    that is committed although the answer is a refusal.
    """
    with span("usecase users.refresh_session"):
        with unit_of_work("users") as work:
            outcome = _refreshed(work, domain.digest_of(refresh_token))
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome


def rename(user_id: UUID, name: str) -> domain.Customer:
    """Give a customer another name; the same name again changes nothing. Raise UnknownUser."""
    with span("usecase users.rename"), unit_of_work("users") as work:
        row = _locked(user_id)
        if row.name != name:
            row.name = name
            work.record(row, UserRenamedV1(user_id=row.id, user_name=name))
        return queries.customer_of(row)


def change_credit_limit(user_id: UUID, limit_minor: int) -> domain.Customer:
    """Set what a customer may order at once. Raise UnknownUser, CreditLimitOutOfRange."""
    domain.ensure_credit_limit(limit_minor)
    with span("usecase users.change_credit_limit"), unit_of_work("users") as work:
        row = _locked(user_id)
        if row.credit_limit_minor != limit_minor:
            row.credit_limit_minor = limit_minor
            changed = CreditLimitChangedV1(user_id=row.id, credit_limit_minor=limit_minor, currency=row.currency)
            work.record(row, changed)
        return queries.customer_of(row)


def _registered(work: UnitOfWork, email: str, name: str, password_hash: str) -> domain.Customer:
    if User.objects.filter(email=email).exists():
        raise EmailTaken
    row = User(
        id=uuid7(),
        email=email,
        name=name,
        credit_limit_minor=domain.FIRST_CREDIT_LIMIT_MINOR,
        currency=domain.CURRENCY,
        created_at=work.now,
    )
    registered = UserRegisteredV1(
        user_id=row.id, user_name=name, credit_limit_minor=row.credit_limit_minor, currency=row.currency
    )
    work.record(row, registered)
    Credential.objects.create(user=row, password_hash=password_hash)
    return queries.customer_of(row)


def _refreshed(work: UnitOfWork, digest: str) -> domain.Session | RefreshRefused:
    # The family's lock puts two uses of one token in order; the token is read after it.
    family = RefreshFamily.objects.select_for_update().filter(tokens__digest=digest).first()
    if family is None or family.revoked_at is not None:
        return RefreshRefused()
    token = RefreshToken.objects.get(digest=digest)
    if token.used_at is not None:
        family.revoked_at, family.reason = work.now, "refresh token used twice"
        family.save(update_fields=["revoked_at", "reason"])
        return RefreshRefused()
    if token.expires_at <= work.now:
        return RefreshRefused()
    token.used_at = work.now
    token.save(update_fields=["used_at"])
    return _session(work, family)


def _session(work: UnitOfWork, family: RefreshFamily) -> domain.Session:
    # Signed before the commit: a key that cannot be read must not cost the client its refresh token (T33).
    access_token = issue_access(family.user_id)
    refresh_token = secrets.token_urlsafe(domain.REFRESH_TOKEN_BYTES)
    RefreshToken.objects.create(
        digest=domain.digest_of(refresh_token), family=family, expires_at=work.now + domain.REFRESH_LIFETIME
    )
    return domain.Session(access_token=access_token, refresh_token=refresh_token, expires_in=ACCESS_SECONDS)


def _locked(user_id: UUID) -> User:
    row = User.objects.select_for_update().filter(id=user_id).first()
    if row is None:
        raise UnknownUser(user_id=user_id)
    return row


def _is_right(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except VerifyMismatchError:
        return False


@cache
def _decoy_hash() -> str:
    """A hash that no password has, so that an unknown address costs what a known one does."""
    return _hasher.hash(secrets.token_urlsafe())


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset(CommonPasswordValidator().passwords)
