"""Gives a context the right to ask: its name in `offers` of the neighbour's context.py; takes it and others away.

May touch: the text it is handed.
"""

from __future__ import annotations

import ast

from .declaration import context_call
from .errors import AnchorMissing
from .imports import LONGEST_LINE


def with_caller(text: str, where: str, function: str, caller: str) -> str:
    """Return context.py where `caller` may ask `function`; raise AnchorMissing for `offers` that is no plain dict."""
    offers = _granted(text, where, "offers", function, caller)
    if caller in offers.get(function, []):
        return text
    return _written(text, where, "offers", {**offers, function: [*offers.get(function, []), caller]})


def without_caller(text: str, where: str, caller: str) -> str:
    """Return context.py where `caller` may ask and send nothing; what is offered or taken stays, if for nobody yet."""
    for keyword in ("offers", "takes"):
        granted = _granted(text, where, keyword, "", caller)
        if any(caller in callers for callers in granted.values()):
            left = {name: [one for one in names if one != caller] for name, names in granted.items()}
            text = _written(text, where, keyword, left)
    return text


def callers(text: str, where: str) -> dict[str, list[str]]:
    """Return who may ask what, by function."""
    return _granted(text, where, "offers", "", "")


def _granted(text: str, where: str, keyword: str, name: str, caller: str) -> dict[str, list[str]]:
    given = next((one.value for one in context_call(text, where).keywords if one.arg == keyword), None)
    try:
        found = {} if given is None else ast.literal_eval(given)
        return {str(what): [str(one) for one in callers] for what, callers in found.items()}
    except (ValueError, AttributeError, TypeError):
        raise AnchorMissing(
            f"{keyword} is no plain dict of tuples.", where=where, lines=[f'"{caller}" in {keyword}["{name}"]']
        ) from None


def _written(text: str, where: str, keyword: str, granted: dict[str, list[str]]) -> str:
    rows = [f'"{name}": {_tuple(callers)}' for name, callers in granted.items()]
    call = context_call(text, where)
    given = next((one for one in call.keywords if one.arg == keyword), None)
    lines = text.splitlines(keepends=True)
    if given is not None and any("#" in one for one in lines[given.lineno - 1 : given.value.end_lineno]):
        # It is written anew, and a comment would be lost.
        raise AnchorMissing(f"There is a comment within {keyword}.", where=where, lines=[f"{keyword}={{", *rows, "}"])
    line = f"    {keyword}={{{', '.join(rows)}}},\n"
    was_open = given is not None and given.value.lineno != given.value.end_lineno
    if was_open or len(line) > LONGEST_LINE + 1:
        line = "".join([f"    {keyword}={{\n", *(f"        {row},\n" for row in rows), "    },\n"])
    if given is not None:
        return "".join([*lines[: given.lineno - 1], line, *lines[given.value.end_lineno :]])
    before = [one for one in call.keywords if one.arg != "asks"]
    at = before[-1].value.end_lineno or 0
    return "".join([*lines[:at], line, *lines[at:]])


def _tuple(names: list[str]) -> str:
    written = ", ".join(f'"{name}"' for name in names)
    return f"({written},)" if len(names) == 1 else f"({written})"
