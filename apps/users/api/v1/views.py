"""Users' public HTTP, version 1: translate and answer; decide nothing."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.users import queries, usecases
from apps.users.contracts.errors import EmailTaken, PasswordTooWeak, RefreshRefused, UnknownUser, WrongCredentials
from fissile.edge.api.operations import operation
from fissile.edge.api.views import ApiView, shown

from . import serializers


class Users(ApiView):
    """Signing up."""

    public = True

    @operation(
        "users_sign_up",
        summary="Sign up",
        request=serializers.SignUp,
        responses={201: serializers.User},
        refusals=(EmailTaken, PasswordTooWeak),
        response_headers={201: {"Location": "Where the customer reads the profile."}},
        links={
            "users_log_in": {"requestBody": {"email": "$request.body#/email", "password": "$request.body#/password"}}
        },
    )
    def post(self, request: Request) -> Response:
        """The e-mail address is the natural key: a repeated sign-up is refused with 409, so no Idempotency-Key."""
        customer = usecases.sign_up(**self.payload())
        return Response(shown(serializers.User, customer), status=201, headers={"Location": "/api/v1/users/me"})


class Token(ApiView):
    """Logging in."""

    public = True

    @operation(
        "users_log_in",
        summary="Log in",
        request=serializers.LogIn,
        responses={200: serializers.Tokens},
        refusals=(WrongCredentials,),
        links={"users_refresh": {"requestBody": {"refresh_token": "$response.body#/refresh_token"}}},
    )
    def post(self, request: Request) -> Response:
        """Begins a session of its own; others of the same customer go on."""
        return Response(shown(serializers.Tokens, usecases.log_in(**self.payload())))


class Refresh(ApiView):
    """Going on with a session."""

    public = True

    @operation(
        "users_refresh",
        summary="Trade a refresh token for new tokens",
        request=serializers.Refresh,
        responses={200: serializers.Tokens},
        refusals=(RefreshRefused,),
        links={"users_refresh": {"requestBody": {"refresh_token": "$response.body#/refresh_token"}}},
    )
    def post(self, request: Request) -> Response:
        """A refresh token works once; using it twice ends the session."""
        return Response(shown(serializers.Tokens, usecases.refresh_session(self.payload()["refresh_token"])))


class Me(ApiView):
    """The profile of whoever asks."""

    @operation(
        "users_profile",
        summary="Read your profile",
        responses={200: serializers.User},
        refusals=(UnknownUser,),
    )
    def get(self, request: Request) -> Response:
        """The customer is the access token's subject."""
        return Response(shown(serializers.User, queries.get_customer(self.user_id)))

    @operation(
        "users_rename",
        summary="Change your name",
        request=serializers.Rename,
        responses={200: serializers.User},
        refusals=(UnknownUser,),
    )
    def patch(self, request: Request) -> Response:
        """A member that is left out stays as it is."""
        name = self.payload().get("name")
        customer = queries.get_customer(self.user_id) if name is None else usecases.rename(self.user_id, name)
        return Response(shown(serializers.User, customer))


class Keys(ApiView):
    """The public keys of access tokens."""

    public = True
    # As long as verifiers keep them anyway.
    cache_control = "public, max-age=300"

    @operation("users_keys", summary="Public keys of access tokens (JWKS)", responses={200: serializers.KeySet})
    def get(self, request: Request) -> Response:
        """RFC 7517; one key set for the house."""
        return Response(queries.published_keys())
