"""The documents say what the doors do: explicit ids and statuses, closed requests, one page without outside hosts."""

from __future__ import annotations

import re
import subprocess
import sys

import api_stage
import pytest
from django.test import Client
from django.urls import path
from jsonschema import Draft202012Validator

from fissile.edge.api import documents
from fissile.errors import BrokenContractError
from fissile.messages import PROBLEM_TYPE

pytestmark = pytest.mark.urls("api_stage")


@pytest.fixture
def document():
    answer = Client().get("/api/schema/stage")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    return answer.json()


TOGETHER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
import django
django.setup()
from django.urls import get_resolver
from fissile.contexts import registry
from fissile.edge.api import documents
get_resolver().url_patterns
names = [name for name in registry.names() if name in documents._patterns]
begin = Barrier(len(names))
def ask(name):
    begin.wait()
    return documents.document_of(name)["info"]["title"]
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(len(names)) as threads:
    print(*threads.map(ask, names), sep="\\n")
"""


def test_the_first_documents_of_a_process_may_be_asked_for_all_at_once():
    done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "Fissile: orders" in done.stdout.splitlines()


def operations(document):
    for address, methods in document["paths"].items():
        for method, operation in methods.items():
            yield address, method, operation


def test_the_document_is_openapi_3_1_with_a_plain_version(document):
    assert document["openapi"].startswith("3.1.")
    assert document["info"] == {"title": "Fissile: stage", "version": "1.0.0"}


def test_every_schema_in_it_is_a_json_schema(document):
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_ids_and_tags_are_the_declared_ones(document):
    found = {operation["operationId"]: operation["tags"] for _, _, operation in operations(document)}

    assert found == {name: ["stage"] for name in ("stage_list", "stage_place", "stage_mine", "stage_cut")}


def test_every_answer_has_an_explicit_status_and_every_error_is_a_problem(document):
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5][0-9][0-9]", status)
            kinds = set(response["content"])
            assert kinds == ({PROBLEM_TYPE} if status >= "400" else {"application/json"})


def statuses(document, address, method):
    return {int(status) for status in document["paths"][address][method]["responses"]}


def test_errors_are_those_of_the_gateway_and_of_what_the_operation_declares(document):
    everywhere = {400, 404, 405, 406, 408, 413, 414, 422, 431, 500, 502, 503, 504}

    assert statuses(document, "/api/v1/stones", "get") == everywhere | {200}
    assert statuses(document, "/api/v1/stones", "post") == everywhere | {201, 409, 415}
    assert statuses(document, "/api/v1/stones/{stone_id}", "get") == everywhere | {200, 401}
    assert statuses(document, "/api/v1/stones/{stone_id}", "post") == everywhere | {200, 401, 409, 415}


def test_codes_stand_in_the_descriptions(document):
    refused = document["paths"]["/api/v1/stones"]["post"]["responses"]["409"]

    assert refused["description"] == "Conflict: stage.sold_out."


def test_requests_are_closed_and_required_and_answers_open(document):
    schemas = document["components"]["schemas"]

    for name in ("WishRequest", "LineRequest"):
        assert schemas[name]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Stone"]
    for _, method, operation in operations(document):
        assert method != "post" or operation["requestBody"]["required"]


def test_bounds_and_patterns_are_the_enforced_ones(document):
    line = document["components"]["schemas"]["LineRequest"]["properties"]

    assert line["quantity"] == {"type": "integer", "minimum": 1, "maximum": 1000}
    assert line["sku"] == {"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[a-z0-9][a-z0-9-]{1,39}$"}


def parameters(document, address, method):
    return {one["name"]: one for one in document["paths"][address][method].get("parameters", ())}


def test_the_key_is_a_required_header_and_the_replay_an_answers(document):
    key = parameters(document, "/api/v1/stones/{stone_id}", "post")["Idempotency-Key"]
    answer = document["paths"]["/api/v1/stones/{stone_id}"]["post"]["responses"]["200"]

    assert (key["in"], key["required"]) == ("header", True)
    assert re.search(key["schema"]["pattern"], '"k"')
    assert "Idempotency-Replayed" in answer["headers"]


def test_queries_have_bounds_and_defaults(document):
    limit = parameters(document, "/api/v1/stones", "get")["limit"]

    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}


def test_tokens_are_asked_for_where_the_door_is_closed_and_nowhere_else(document):
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/api/v1/stones/{stone_id}"]["get"]["security"] == [{"bearer": []}]
    assert document["paths"]["/api/v1/stones"]["get"]["security"] == [{}]


def test_a_handler_without_a_declaration_has_no_document():
    documents.remember("forgetful", [path("forgotten", api_stage.Forgotten.as_view())])

    with pytest.raises(BrokenContractError, match=r"Forgotten\.get has no @operation"):
        documents.document_of("forgetful")
    del documents._patterns["forgetful"]


def test_the_page_loads_nothing_from_another_host():
    client = Client()

    page = client.get("/api/docs/")
    links = re.findall(r'(?:src|href)="([^"]+)"', page.content.decode())

    assert "default-src 'none'" in page["Content-Security-Policy"]
    assert links
    for link in links:
        assert link.startswith("assets/")
        assert client.get(f"/api/docs/{link}").status_code == 200
    assert "<script>" not in page.content.decode()


@pytest.mark.parametrize("name", ["x.js", "..", "%2e%2e%2fLICENSE", "LICENSE"])
def test_no_other_file_is_given_away(name):
    assert Client().get(f"/api/docs/assets/{name}").status_code == 404


def test_the_document_of_an_unknown_context_is_not_found():
    assert Client().get("/api/schema/nobody").status_code == 404
