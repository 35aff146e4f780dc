"""The words that the templates of a port leave open. May touch: nothing."""

from __future__ import annotations

from .asked import NewPort
from .code import fitted, import_lines
from .words import article, possessive, spoken

_NOBODY = {"UUID": 'UUID("0198aa00-0000-7000-8000-000000000001")', "str": '"nobody"', "int": "-1"}
_STRANGER = """\
    def test_what_nobody_knows_is_none(self, {port}: Any, known: Any) -> None:
        assert AskedTwice({port}).{method}({nobody}) is None

"""


def words_of(port: NewPort, package: str) -> dict[str, str]:
    """Return the words of one port by name."""
    asked, said = port.asked, spoken(port.value)
    facts = (asked.key, *asked.fields)
    answer = f"{port.answer} | None" if port.may_be_none else port.answer
    examples = {line for fact in facts for line in fact.example_imports}
    return {
        "context": port.context, "package": package, "neighbour": asked.context, "NEIGHBOUR": asked.context.upper(),
        "neighbours": possessive(asked.context), "neighbour_package": asked.package, "function": asked.function,
        "port": port.name, "spoken_port": spoken(port.name), "Port": port.protocol, "Adapter": port.adapter,
        "A_port": f"{article(port.protocol.lower()).capitalize()} {port.protocol}",
        "value": port.value, "Value": port.answer, "spoken": said,
        "An": article(said).capitalize(), "an": article(said),
        "Theirs": asked.answer, "key": asked.key.name, "key_type": asked.key.kind, "own_key": asked.own_key,
        "verb": port.method.partition("_")[0], "answer": answer, "ports_answer": f"ports.{answer}",
        "type_imports": import_lines({line for fact in facts for line in fact.imports}),
        "key_imports": import_lines(asked.key.imports), "example_imports": import_lines(examples),
        "key_example": _NOBODY[asked.key.kind],
        "attributes": "".join(f"    {fact.name}: {fact.annotation}\n" for fact in asked.fields),
        "known_module": asked.known.partition(":")[0], "known_function": asked.known.partition(":")[2],
        **_adapter(port, said), **_suite(port),
    }  # fmt: skip


def _adapter(port: NewPort, said: str) -> dict[str, str]:
    asked = port.asked
    ask = fitted(
        f"{_theirs(port)} = {asked.context}.ask(",
        [f'"{asked.function}"', f'{{"{asked.key.name}": {asked.key.name}}}', f"returns={asked.answer}{_or_none(port)}",
         f"policy=ASK_{asked.context.upper()}"],
        ")", indent=12 if asked.unknown else 8,
    )  # fmt: skip
    refused = asked.unknown[0] if len(asked.unknown) == 1 else f"({', '.join(asked.unknown)})"
    call = [f"        try:\n{ask}\n        except {refused}:\n            return None"] if asked.unknown else [ask]
    if asked.may_be_none:
        call.append(f"        if {_theirs(port)} is None:\n            return None")
    wrong = f"{asked.context} was asked for {{{asked.key.name}}} and answered with {{{_theirs(port)}.{asked.own_key}}}."
    check = (
        f"        if {_theirs(port)}.{asked.own_key} != {asked.key.name}:\n"
        + fitted("raise BrokenContractError(", [f'f"{wrong}"'], ")", indent=12)
    )  # fmt: skip
    or_none = ", or None if nobody has this id" if port.may_be_none else ""
    values = [f"{fact.name}={_theirs(port)}.{fact.name}" for fact in asked.fields]
    errors = f"from {asked.package}.contracts.errors import {', '.join(asked.unknown)}" if asked.unknown else ""
    return {
        "call": "\n".join(call),
        "check": check,
        "translation": fitted(f"return ports.{port.answer}(", values, ")", indent=8),
        "errors_import": errors,
        "broken_import": "from fissile.errors import BrokenContractError",
        "Returns": f"Return the {said}{or_none}.",
        "Returns_or_raise": f"Return the {said}{or_none}; raise UnreachableError, BrokenContractError.",
    }


def _suite(port: NewPort) -> dict[str, str]:
    asked = port.asked
    nobody = "uuid4()" if asked.key.kind == "UUID" else _NOBODY[asked.key.kind]
    stranger = _STRANGER.format(port=port.name, method=port.method, nobody=nobody) if port.may_be_none else ""
    uuid4 = "from uuid import uuid4\n" if port.may_be_none and asked.key.kind == "UUID" else ""
    known = [f"{fact.name}=answer.{fact.name}" for fact in asked.fields]
    examples = [f"{fact.name}={fact.example()}" for fact in asked.fields]
    return {
        "stranger_test": stranger,
        "uuid4_import": uuid4,
        "look_up": f".get({asked.key.name})" if port.may_be_none else f"[{asked.key.name}]",
        "known": fitted(f"return {port.answer}(", known, ")", indent=4),
        "example": fitted(f"return {port.answer}(", examples, ")", indent=8),
    }


def _theirs(port: NewPort) -> str:
    return "found" if port.asked.noun in (port.asked.context, port.asked.key.name) else port.asked.noun


def _or_none(port: NewPort) -> str:
    return " | None" if port.asked.may_be_none else ""
