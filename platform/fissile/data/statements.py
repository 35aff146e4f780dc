"""What a SQL text names: the first table it changes, and the first table of another context.

May touch: the registry and the app registry, for who owns a table. Reads each text once and remembers it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from django.apps import apps

from fissile.contexts import registry

# Django makes the same few hundred texts again and again; a text with a list of ids
# has one form per length, and those push each other out first.
MOST_REMEMBERED = 2_048
# Longer ones are bulk inserts: rare, each with a text of its own, and dear to keep.
LONGEST_REMEMBERED = 8_192

_WRITES = frozenset({"insert", "update", "delete", "merge", "replace", "truncate"})
_NAME = r"""(?:["`]?(?P<{0}_of>\w+)["`]?\s*\.\s*)?["`]?(?P<{0}>\w+)"""
# One pass. What comes first is passed over: literals, comments, locks, upserts and
# the rules of foreign keys have the words below, and name no table with them.
_TOKENS = re.compile(
    rf"""
      '(?:[^']|'')*' | --[^\n]* | /\*.*?\*/
    | \b(?:for\s+(?:no\s+key\s+)?update | do\s+update | on\s+(?:update|delete))\b
    | (?P<end>;)\s*(?=\S)
    | \b(?P<verb>insert|merge|replace|delete|update|truncate)
        (?:\s+or\s+\w+)?(?:\s+(?:into|from|table))?(?:\s+only)?\s+{_NAME.format("target")}
    | \b(?:from|join|into|table|only|references)\s+{_NAME.format("source")}
    | ,\s*{_NAME.format("listed")}
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(\w*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL text as its owner's database sees it.

    `verb` and `table`: the first change of a table that the context owns, or "".
    `neighbour` and `foreign_table`: the first table of another context, or "".
    """

    word: str
    verb: str = ""
    table: str = ""
    neighbour: str = ""
    foreign_table: str = ""


def read(alias: str, sql: str) -> Statement:
    """Return what `sql` names when it runs on the database of context `alias`."""
    if sql.startswith(_OF_SAVEPOINTS):
        return _NOTHING
    return _remembered(alias, sql) if len(sql) <= LONGEST_REMEMBERED else _read(alias, sql)


# Each has a number of its own, so each would be new and push a real statement out.
_OF_SAVEPOINTS = ("SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT ")
_NOTHING = Statement("savepoint")


def _read(alias: str, sql: str) -> Statement:
    first = _FIRST_WORD.match(sql)
    word = first[1].lower() if first else ""
    # A change hides behind these, or after the end of a first statement.
    may_change = word in _WRITES or word in ("with", "explain")
    verb = table = neighbour = foreign = ""
    for token in _TOKENS.finditer(sql):
        if token["end"]:
            may_change = True
            continue
        name, owner = _named(token)
        if not owner:
            continue
        if owner != alias:
            neighbour, foreign = neighbour or owner, foreign or name
        elif token["verb"] and may_change and not verb:
            verb, table = token["verb"].lower(), name
    return Statement(word, verb, table, neighbour, foreign)


_remembered = lru_cache(maxsize=MOST_REMEMBERED)(_read)


def _named(token: re.Match[str]) -> tuple[str, str]:
    """Return the table that a token names and the context that owns it, or two empty words."""
    kind = "listed" if token["listed"] else "target" if token["target"] else "source"
    if not (name := token[kind]):
        return "", ""
    before = token[f"{kind}_of"]
    if before and (owner := _owner(before)):
        return before.lower(), owner  # "table"."column", as in EXTRACT(YEAR FROM …)
    # In a list most names are columns: there only a table that exists here counts.
    return name.lower(), _owner(name, only_known=kind == "listed")


def _owner(table: str, *, only_known: bool = False) -> str:
    known, prefixes = _owners()
    name = table.lower()
    if (owner := known.get(name)) is not None or only_known:
        return owner or ""
    return next((context for context in prefixes if name.startswith(f"{context}_")), "")


@cache
def _owners() -> tuple[dict[str, str], tuple[str, ...]]:
    """Return table → context of the models here, and all contexts, longest name first."""
    known = {
        model._meta.db_table.lower(): model._meta.app_label
        for model in apps.get_models(include_auto_created=True)
        if registry.is_near(model._meta.app_label)
    }
    return known, tuple(sorted(registry.names(), key=lambda name: (-len(name), name)))
