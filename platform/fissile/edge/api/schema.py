"""OpenAPI 3.1.1 from the operations' declarations: explicit ids, explicit statuses, strict requests."""

from __future__ import annotations

import inspect
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.plumbing import append_meta
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from fissile.messages import PROBLEM_TYPE

from .fields import StrictSerializer
from .keys import KEY_PATTERN
from .operations import Operation, describe
from .views import declared

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_JSON = "application/json"
# Headers of error answers that are there whichever side answers.
_ERROR_HEADERS = {405: ("Allow", "The methods this address takes.")}


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
        """Return query parameters, the key header and the headers of answers."""
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
            parameters += [
                _answer_header("Idempotency-Replayed", "`true` if this is the stored answer.", status)
                for status in operation.responses
            ]
        for status, headers in operation.response_headers.items():
            parameters += [_answer_header(name, description, status) for name, description in headers.items()]
        parameters += [_answer_header(*header, status) for status, header in _ERROR_HEADERS.items()]
        return parameters

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


def _answer_header(name: str, description: str, status: int) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, response=[str(status)])
