"""The base of every public view: refuses first, reads strictly, carries who is asking.

Order of refusals: 405, 406, 401, 422 (query), then what the handler reads: 415, 413, 400, 422 (body).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from fissile import carry
from fissile.data.commands import Answer, Claim
from fissile.errors import BrokenContractError
from fissile.messages import PROBLEM_TYPE
from fissile.trust.tokens import NotAuthenticated

from .invalid import errors_in
from .keys import claim_of
from .operations import Operation
from .parsing import StrictRequest
from .refusals import InvalidRequest


class ApiView(APIView):
    """A public address. Each handler is an `@operation`; `public = True` opens it to anybody."""

    public: ClassVar[bool] = False
    # Answers are somebody's own unless a view says otherwise; errors are never kept.
    cache_control: ClassVar[str] = "no-store"
    # No OPTIONS: there is nothing to say that the document does not.
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    def get_authenticators(self) -> list[BaseAuthentication]:
        """A public view looks at no token: a stale one must not close an open door."""
        return [] if self.public else super().get_authenticators()

    def get_permissions(self) -> list[Any]:
        """Deny first; open only what says so."""
        return [AllowAny()] if self.public else list(super().get_permissions())

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Wrap the request so that its body is strict JSON always."""
        plain = super().initialize_request(request, *args, **kwargs)
        return StrictRequest(
            request,
            parsers=plain.parsers,
            authenticators=self.get_authenticators(),
            negotiator=plain.negotiator,
            parser_context=plain.parser_context,
        )

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Run the request with its principal carried, and put back what was carried before."""
        with ExitStack() as self._carrying:
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse in the order of the module's docstring; then carry the principal."""
        handler = getattr(self, str(request.method).lower(), None)
        if str(request.method).lower() not in self.http_method_names or handler is None:
            raise exceptions.MethodNotAllowed(str(request.method))
        self.operation: Operation = declared(handler)
        super().initial(request, *args, **kwargs)
        self.query = self._read_query(request)
        self._carrying.enter_context(carry.using(principal=request.user))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Say who may keep the answer."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers.setdefault("Cache-Control", self.cache_control if final.status_code < 400 else "no-store")
        return final

    def payload(self) -> dict[str, Any]:
        """Return the body, validated by the operation's request serializer."""
        partial = self.request.method == "PATCH"
        reader = self.operation.request(data=self.request.data, partial=partial)
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)

    def claim(self) -> Claim:
        """Return the claim of this request's Idempotency-Key; raise IdempotencyKeyRequired or …Invalid."""
        body = self.request.data if self.operation.request else None
        return claim_of(self.request, principal=str(self.user_id), body=body)

    @property
    def user_id(self) -> UUID:
        """The customer who asks; raise NotAuthenticated."""
        principal: Any = self.request.user
        try:
            return UUID(principal.subject)
        except (TypeError, ValueError) as nobody:
            raise NotAuthenticated from nobody

    def _read_query(self, request: Request) -> dict[str, Any]:
        sent: dict[str, Any] = {}
        for name, values in request.query_params.lists():
            # A list is no value of any field: it is refused like a wrong one.
            sent[name] = values[0] if len(values) == 1 else values
        reader = self.operation.query(data=sent)
        if not reader.is_valid():
            raise InvalidRequest(errors=errors_in(reader.errors, member="parameter"))
        return dict(reader.validated_data)


def declared(handler: Any) -> Operation:
    """Return what `@operation` said about a handler; raise BrokenContractError if it was forgotten."""
    found = getattr(handler, "operation", None)
    if not isinstance(found, Operation):
        raise BrokenContractError(f"{handler.__qualname__} has no @operation: its id, shapes and refusals are unknown.")
    return found


def answered(answer: Answer) -> Response:
    """Return the response for the answer of a command; a stored refusal is a problem again."""
    headers: dict[str, str] = dict(answer.headers)
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    kind = PROBLEM_TYPE if answer.status >= 400 else None
    return Response(answer.body, status=answer.status, headers=headers, content_type=kind)


def shown(serializer: Any, value: Any, **options: Any) -> dict[str, Any]:
    """Return `value` (mapping or object) as the JSON object that `serializer` shows."""
    data: Mapping[str, Any] = serializer(value, **options).data
    return dict(data)
