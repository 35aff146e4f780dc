"""The JSON shapes of users' API, version 1. What is enforced is what the document says."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.users import domain
from fissile.edge.api.fields import VERBATIM, Identifier, Moment, Money, StrictSerializer, Text, Whole, money

_PASSWORD = "seven grey slates"  # noqa: S105 - what the document shows; nobody's


def _email(**options: Any) -> Text:
    return Text(
        longest=domain.LONGEST_EMAIL, shortest=5, pattern=domain.EMAIL_PATTERN, example="rosa@example.com", **options
    )


def _name() -> Text:
    return Text(longest=domain.LONGEST_NAME, example="Rosa Steiner")


class SignUp(StrictSerializer):
    """What a new customer tells."""

    email = _email(help_text="Known in any spelling of upper and lower case; kept in lower case.")
    password = Text(
        longest=domain.LONGEST_PASSWORD,
        shortest=domain.SHORTEST_PASSWORD,
        pattern=VERBATIM,
        example=_PASSWORD,
        write_only=True,
        help_text="At least 5 different characters; not one of the common ones.",
    )
    name = _name()


class LogIn(StrictSerializer):
    """What a customer shows to begin a session."""

    email = _email()
    password = Text(longest=domain.LONGEST_PASSWORD, pattern=VERBATIM, example=_PASSWORD, write_only=True)


class Refresh(StrictSerializer):
    """What a client shows to go on with a session."""

    refresh_token = Text(longest=43, shortest=43, pattern=domain.REFRESH_TOKEN_PATTERN)


class Rename(StrictSerializer):
    """What a customer may change."""

    name = _name()


class User(serializers.Serializer[domain.Customer]):
    """A customer, to that customer."""

    id = Identifier()
    email = Text(longest=domain.LONGEST_EMAIL)
    name = Text(longest=domain.LONGEST_NAME)
    credit_limit = serializers.SerializerMethodField()
    created_at = Moment()

    @extend_schema_field(Money)
    def get_credit_limit(self, customer: domain.Customer) -> dict[str, Any]:
        """Return what may be ordered at once."""
        return money(customer.credit_limit_minor, customer.currency)


class Tokens(serializers.Serializer[domain.Session]):
    """An access token (RFC 9068) and the refresh token that follows it (RFC 6749, 5.1)."""

    access_token = serializers.CharField()
    refresh_token = Text(longest=43, shortest=43, pattern=domain.REFRESH_TOKEN_PATTERN)
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = Whole(lowest=1, help_text="Seconds that the access token is good for.")


class Key(serializers.Serializer[dict[str, str]]):
    """A public key (RFC 7517)."""

    kty = serializers.CharField()
    crv = serializers.CharField()
    x = serializers.CharField()
    y = serializers.CharField()
    kid = serializers.CharField()
    alg = serializers.CharField()
    use = serializers.CharField()


class KeySet(serializers.Serializer[dict[str, object]]):
    """A set of public keys (RFC 7517, 5)."""

    keys = Key(many=True)
