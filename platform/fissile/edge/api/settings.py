"""What a project's settings take over: REST_FRAMEWORK and SPECTACULAR_SETTINGS. Imports nothing."""

from __future__ import annotations

from typing import Any

_API = "fissile.edge.api"

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [f"{_API}.authentication.BearerAuthentication"],
    # Deny first: a view is open only if it says `public = True`.
    "DEFAULT_PERMISSION_CLASSES": [f"{_API}.authentication.Authenticated"],
    "DEFAULT_PARSER_CLASSES": [f"{_API}.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": [f"{_API}.rendering.Renderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": f"{_API}.rendering.Negotiation",
    "DEFAULT_SCHEMA_CLASS": f"{_API}.schema.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": f"{_API}.problems.exception_handler",
    "UNAUTHENTICATED_USER": f"{_API}.authentication.anonymous",
    "UNAUTHENTICATED_TOKEN": None,
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# RFC 9457, plus the members every refusal of this house has. Facts of a refusal
# stand beside them, so the schema is open.
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "An error answer (RFC 9457). `code` is stable; facts of a refusal stand beside these members.",
    "properties": {
        "type": {"type": "string", "description": "Relative reference into the error catalogue."},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "With `invalid_request`: what is wrong, and where.",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer (RFC 6901) into the body."},
                    "parameter": {"type": "string", "description": "Name of the query parameter."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
                "required": ["code", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "code", "detail"],
    "additionalProperties": True,
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Fissile",
    # Set, and versioning off: with URL versioning it would become "1.0.0 (v1)", which no generator accepts.
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "APPEND_COMPONENTS": {"schemas": {"Problem": PROBLEM_SCHEMA}},
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]+",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
    "SORT_OPERATION_PARAMETERS": True,
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,
}
