"""The published documents: valid OpenAPI 3.1, JSON only, ids that never change, every error by its number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from gateway_app.routes import TABLE

JSON, PROBLEM = "application/json", "application/problem+json"
# Clients generate their method names from these: an id may be added, never changed or taken away.
OPERATIONS = {
    "users": {
        "users_sign_up": ("post", "/api/v1/users", 201),
        "users_log_in": ("post", "/api/v1/auth/token", 200),
        "users_refresh": ("post", "/api/v1/auth/refresh", 200),
        "users_profile": ("get", "/api/v1/users/me", 200),
        "users_rename": ("patch", "/api/v1/users/me", 200),
        "users_keys": ("get", "/.well-known/jwks.json", 200),
    },
    "orders": {
        "orders_list_products": ("get", "/api/v1/products", 200),
        "orders_place": ("post", "/api/v1/orders", 201),
        "orders_list": ("get", "/api/v1/orders", 200),
        "orders_get": ("get", "/api/v1/orders/{order_id}", 200),
        "orders_cancel": ("post", "/api/v1/orders/{order_id}/cancel", 200),
    },
    "bff": {"bff_dashboard": ("get", "/api/v1/dashboard", 200)},
}
# What the gateway answers by itself, whatever stands behind it.
BY_THE_GATEWAY = {400, 404, 405, 408, 414, 431, 500, 502, 503, 504}
pytestmark = pytest.mark.parametrize("context", OPERATIONS)


def document(context: str) -> dict[str, Any]:
    answer = Client().get(f"/api/schema/{context}")
    assert (answer.status_code, answer["content-type"]) == (200, JSON)
    found: dict[str, Any] = answer.json()
    return found


def operations(context: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document(context)["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema in a part of a document, nested ones too."""
    if isinstance(value, dict):
        if "type" in value or "$ref" in value:
            yield value
        for item in value.values():
            yield from schemas(item)
    elif isinstance(value, list):
        for item in value:
            yield from schemas(item)


def test_a_document_is_valid_openapi_3_1(context: str) -> None:
    found = document(context)

    validate_schema(found)
    assert found["openapi"].startswith("3.1.")
    for schema in found["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_operation_ids_addresses_and_successes_are_stable(context: str) -> None:
    found = {
        operation["operationId"]: (method, path, *(int(status) for status in operation["responses"] if status < "400"))
        for method, path, operation in operations(context)
    }

    assert found == OPERATIONS[context]


def test_every_error_has_a_number_named_codes_and_the_shape_of_a_problem(context: str) -> None:
    for _, path, operation in operations(context):
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[245][0-9]{2}", status), (path, status)
            assert set(response["content"]) == {PROBLEM if status >= "400" else JSON}, (path, status)
            assert status < "400" or response["x-problem-codes"], (path, status)


def test_requests_are_json_only_closed_and_bounded(context: str) -> None:
    components = document(context)["components"]["schemas"]
    for _, path, operation in operations(context):
        for content in operation.get("requestBody", {"content": {}})["content"].values():
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert components[name]["additionalProperties"] is False, (path, name)
        assert set(operation.get("requestBody", {"content": {JSON: 0}})["content"]) == {JSON}, path
    for name in (one for one in components if one.endswith("Request")):
        for schema in schemas(components[name]):
            bounds = {"string": "maxLength", "integer": "maximum", "array": "maxItems"}.get(str(schema.get("type")))
            assert bounds is None or bounds in schema, (name, schema)


def test_what_the_gateway_answers_by_itself_is_documented(context: str) -> None:
    for method, path, operation in operations(context):
        route = TABLE.match(method.upper(), re.sub(r"\{[^}]+\}", "7", path))
        wanted = BY_THE_GATEWAY | (set() if route.public else {401}) | ({413} if route.body_bytes else set())

        assert route.upstream == context
        assert wanted <= {int(status) for status in operation["responses"]}, (method, path)
        assert operation["security"] == ([{}] if route.public else [{"bearer": []}]), (method, path)


def test_every_answer_names_its_trace_and_a_refusal_the_way_on(context: str) -> None:
    way_on = {"401": "WWW-Authenticate", "405": "Allow", "502": "Retry-After", "503": "Retry-After"}
    for _, path, operation in operations(context):
        for status, response in operation["responses"].items():
            wanted = {"x-correlation-id", "traceresponse", *([way_on[status]] if status in way_on else ())}
            required = {name for name, header in response["headers"].items() if header["required"]}
            assert wanted <= required, (path, status)


def test_links_lead_somewhere_and_examples_keep_to_their_schema(context: str) -> None:
    found = document(context)

    for _, path, operation in operations(context):
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                assert link["operationId"] in OPERATIONS[context], path
    for schema in schemas(found):
        for example in schema.get("examples", ()):
            Draft202012Validator(schema).validate(example)
