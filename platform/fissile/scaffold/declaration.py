"""Inserts into what a context says about itself: context.py, README.md, contracts/CHANGELOG.md.

May touch: the text it is handed.
"""

from __future__ import annotations

import ast
import re

from .errors import AnchorMissing
from .imports import LONGEST_LINE

# In the order in which context.py says them.
_KEYWORDS = ("name", "package", "publishes", "consumes", "offers", "asks", "takes", "sends", "requests")


def with_declared(text: str, where: str, keyword: str, name: str) -> str:
    """Return context.py with a name in one of its tuples. Raise AnchorMissing if there is no CONTEXT = Context(…)."""
    call = context_call(text, where, f"{keyword}=({name!r},)")
    given = {one.arg: one for one in call.keywords if one.arg}
    lines = text.splitlines(keepends=True)
    if keyword not in given:
        before = [one for arg, one in given.items() if _KEYWORDS.index(arg) < _KEYWORDS.index(keyword)]
        at = before[-1].end_lineno or 0
        return "".join([*lines[:at], f'    {keyword}=("{name}",),\n', *lines[at:]])
    value = given[keyword].value
    if not isinstance(value, ast.Tuple):
        raise AnchorMissing(f"{keyword} is no tuple.", where=where, lines=[f'"{name}" in {keyword}'])
    names = [str(name) for name in ast.literal_eval(value)]
    if name in names:
        return text
    first, last = value.lineno - 1, (value.end_lineno or 0) - 1
    if first != last:
        return "".join([*lines[:last], f'        "{name}",\n', *lines[last:]])
    words = [f'"{one}"' for one in (*names, name)]
    line = f"    {keyword}=({', '.join(words)}),\n"
    if len(line) > LONGEST_LINE + 1:
        line = "".join([f"    {keyword}=(\n", *(f"        {word},\n" for word in words), "    ),\n"])
    return "".join([*lines[:first], line, *lines[last + 1 :]])


def declared(text: str, where: str, keyword: str) -> list[str]:
    """Return the names in one of context.py's tuples, or the keys of `offers`; raise AnchorMissing."""
    for one in context_call(text, where).keywords:
        if one.arg == keyword:
            found = ast.literal_eval(one.value)
            return [str(name) for name in found]
    return []


def context_call(text: str, where: str, wanted: str = "") -> ast.Call:
    """Return the call of `CONTEXT = Context(…)`; raise AnchorMissing with the line that is `wanted` in it."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id == "CONTEXT":
                return node.value
    raise AnchorMissing("There is no CONTEXT = Context(…) at the top.", where=where, lines=[wanted])


def with_row(text: str, where: str, heading: str, name: str, *, row: str, head: str) -> str:
    """Return a README that has `name` in a section: a row at its table's end; `Nothing.` gives way to a first one."""
    before, section, after = _section(text, where, heading, row)
    if name in section:
        return text
    tables = list(re.finditer(r"^\|.*\n", section, re.MULTILINE))
    if tables:
        at = tables[-1].end()
        return f"{before}{section[:at]}{row}\n{section[at:]}{after}"
    columns = "|".join(["---"] * head.strip("|").count("|") + ["---"])
    table = f"{head}\n|{columns}|\n{row}\n"
    if "Nothing." in section:
        return f"{before}{section.replace('Nothing.' + chr(10), table, 1)}{after}"
    return f"{before}{section.rstrip()}\n\n{table}\n{after}"


def with_sentence(text: str, where: str, heading: str, name: str, *, sentence: str) -> str:
    """Return a README that has `name` in a section: a paragraph at its end; `Nothing.` or `Nobody.` gives way to it."""
    before, section, after = _section(text, where, heading, sentence)
    if name in section:
        return text
    said = re.sub(r"(?m)^(Nothing|Nobody)\.\n", "", section).strip("\n")
    return f"{before}\n{said}\n\n{sentence}\n\n{after}" if said else f"{before}\n{sentence}\n\n{after}"


def with_addition(text: str, where: str, name: str, *, line: str) -> str:
    """Return a changelog that has `name`: a line at the end of the newest `### Added`."""
    if name in text:
        return text
    before, section, after = _section(text, where, "# Added", line)
    lines = f"{section.rstrip()}\n{line}\n" if section.strip() else f"\n{line}\n"
    return f"{before}{lines}\n{after}" if after else f"{before}{lines}"


def _section(text: str, where: str, heading: str, wanted: str) -> tuple[str, str, str]:
    """Return the text up to and with a heading, its section, and the rest from the next heading on."""
    found = re.search(
        rf"^##{re.escape(heading) if heading.startswith('#') else ' ' + re.escape(heading)}\n", text, re.M
    )
    if found is None:
        raise AnchorMissing(f"There is no heading {heading!r}.", where=where, lines=[wanted])
    following = re.search(r"^#+ ", text[found.end() :], re.MULTILINE)
    end = found.end() + following.start() if following else len(text)
    return text[: found.end()], text[found.end() : end], text[end:]
