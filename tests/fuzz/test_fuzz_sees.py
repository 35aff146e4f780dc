"""The negative control of the fuzzing: the same run, configuration and hooks against an API that lies."""

from __future__ import annotations

import pytest

from tests.fuzz.fuzzing import Fuzzed, fuzz
from tests.fuzz.liar import HONEST, LIES, liar

# Lie → the type or title of the failure that must name its operations.
SEEN_AS = {
    "server-error": "ServerError",
    "undocumented-status": "UndefinedStatusCode",
    "wrong-shape": "JsonSchemaError",
    "wrong-type": "UndefinedContentType",
    "error-page": "errors_are_problems",
    "unnamed-code": "errors_are_problems",
    "extra-member": "answers_have_no_extra_members",
    "no-correlation-id": "MissingHeaders",
    "no-token-needed": "IgnoredAuth",
    "any-method": "UnsupportedMethodResponse",
    "needless-refusal": "refused_for_a_good_reason",
    "any-id": "AcceptedNegativeData",
    "anybodys": "ObjectLevelAuthorizationViolation",
}


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Fuzzed:
    with liar() as document:
        folder = tmp_path_factory.mktemp("liar") / "run"
        return fuzz(document, tokens={"rosa": "r", "ben": "b"}, skus=(), examples=3, folder=folder)


def test_the_honest_part_of_an_api_passes(fuzzed: Fuzzed) -> None:
    assert [failure for failure in fuzzed.failures if f"/{HONEST}/" in failure] == [], fuzzed.output


@pytest.mark.parametrize("lie", LIES)
def test_fuzzing_sees(fuzzed: Fuzzed, lie: str) -> None:
    seen = [failure for failure in fuzzed.failures if SEEN_AS[lie] in failure and f"/{lie}/" in failure]

    assert seen, "\n".join(fuzzed.failures)
