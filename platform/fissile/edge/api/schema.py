"""OpenAPI 3.1.1 from the operations' declarations: explicit ids, explicit statuses, strict requests."""

from __future__ import annotations

import inspect
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.plumbing import append_meta
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from fissile.messages import PROBLEM_TYPE

from .fields import UUID_PATTERN, StrictSerializer
from .keys import KEY_PATTERN
from .operations import Operation, describe
from .views import declared

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_JSON = "application/json"
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_SECONDS: dict[str, Any] = {"type": "integer", "minimum": 0}
# Every answer has them, the gateway's own too (W3C Trace Context, level 2, for traceresponse).
_EVERY_ANSWER: dict[str, tuple[str, dict[str, Any]]] = {
    "x-correlation-id": ("What to quote in a question about this request.", _TEXT),
    "traceresponse": (
        "The trace of this request.",
        {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
    ),
}
# Headers that such an error has whichever side answers.
_ERROR_HEADERS = {
    401: ("WWW-Authenticate", "How to say who you are (RFC 6750).", _TEXT),
    405: ("Allow", "The methods this address takes.", _TEXT),
    502: ("Retry-After", "Seconds to wait.", _SECONDS),
    503: ("Retry-After", "Seconds to wait.", _SECONDS),
    504: ("Retry-After", "Seconds to wait.", _SECONDS),
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How documents name the bearer token."""

    target_class = "fissile.edge.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class AutoSchema(SpectacularSchema):
    """Reads `@operation`; guesses nothing."""

    def _operation(self) -> Operation:
        return declared(getattr(self.view, self.method.lower()))

    def get_operation_id(self) -> str:
        """Return the declared id."""
        return self._operation().id

    def get_summary(self) -> str:
        """Return the declared summary."""
        return self._operation().summary

    def get_description(self) -> str:  # type: ignore[override]
        """Return the handler's docstring: what a client must know beyond the summary."""
        return inspect.getdoc(getattr(self.view, self.method.lower())) or ""

    def get_tags(self) -> list[str]:
        """Tag by context."""
        return [self._operation().tag]

    def get_request_serializer(self) -> Any:
        """Return the declared request shape."""
        return self._operation().request

    def get_response_serializers(self) -> Any:
        """Return the declared answers and every error status as a Problem."""
        operation = self._operation()
        shapes: dict[Any, Any] = {
            (str(status), _JSON): OpenApiResponse(shape, description="Done.")
            for status, shape in operation.responses.items()
        }
        for status, codes in operation.problems(public=getattr(self.view, "public", False)).items():
            shapes[str(status), PROBLEM_TYPE] = OpenApiResponse(_PROBLEM, description=describe(status, codes))
        return shapes

    def get_override_parameters(self) -> list[Any]:
        """Return query parameters and the key header."""
        operation = self._operation()
        parameters: list[Any] = [operation.query] if operation.query().fields else []
        if operation.idempotent:
            parameters.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    {"type": "string", "pattern": KEY_PATTERN, "minLength": 1, "maxLength": 257},
                    OpenApiParameter.HEADER,
                    required=True,
                    description="A new value for each new wish; the same one for a retry. With or without quotes.",
                )
            )
        return parameters

    def _get_response_for_code(self, serializer: Any, status_code: str, *arguments: Any, **named: Any) -> Any:
        found: Any = super()._get_response_for_code(  # type: ignore[no-untyped-call]
            serializer, status_code, *arguments, **named
        )
        operation, status = self._operation(), int(status_code)
        found["headers"] = answer_headers(operation, status)
        if status >= 400:
            # For programs; the description has them for people.
            found["x-problem-codes"] = operation.problems(public=getattr(self.view, "public", False))[status]
        elif operation.links:
            found["links"] = {id: {"operationId": id, **link} for id, link in operation.links.items()}
        return found

    def _resolve_path_parameters(self, variables: Any) -> Any:
        found: Any = super()._resolve_path_parameters(variables)  # type: ignore[no-untyped-call]
        for parameter in found:
            if parameter["schema"].get("format") == "uuid":
                # Django's converter takes the canonical form only; any other is 404.
                parameter["schema"]["pattern"] = UUID_PATTERN
        return found

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False

    def _get_request_body(self, direction: Any = "request") -> Any:
        body: Any = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        if body is not None:
            # An absent body is refused even where every member is optional.
            body["required"] = True
        return body

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        if hasattr(field, "json_schema"):
            meta = self._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call]
            return append_meta(field.json_schema(), meta)
        return super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema: Any = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "request" and isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        return schema


def answer_headers(operation: Operation, status: int) -> dict[str, Any]:
    """Return the headers of an operation's answers with this status, as OpenAPI describes them."""
    found = {name: _header(*about) for name, about in _EVERY_ANSWER.items()}
    if status in _ERROR_HEADERS:
        name, description, schema = _ERROR_HEADERS[status]
        found[name] = _header(description, schema)
    for name, description in operation.response_headers.get(status, {}).items():
        found[name] = _header(description, _TEXT)
    if operation.idempotent and status < 500:
        # A refusal that was decided under a key is kept like a success.
        about = "`true` if this is the stored answer."
        found["Idempotency-Replayed"] = _header(about, {"type": "string", "const": "true"}, required=False)
    if operation.idempotent and status == 409:
        found["Retry-After"] = _header("Seconds to wait for the twin to end.", _SECONDS, required=False)
    return found


def _header(description: str, schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": schema}
