"""Settings of another context, and secrets that two contexts share."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from django.conf import global_settings, settings

from .findings import Finding, Rule
from .names import argument, keyword
from .project import Project, SourceFile

FOREIGN = Rule(
    id="BND090",
    title="setting of another context",
    why="It is not set where this context runs alone.",
    fix="give the context a setting of its own, or ask the owner through a port",
    is_advice_undeclared=True,
)
SECRET = Rule(
    id="BND091",
    title="secret that contexts share",
    why="Whoever holds it can forge what the other signs; rotating it stops both at once.",
    fix="one secret per context, in its own setting; between contexts use signatures with a public key",
    is_advice_undeclared=True,
)
RULES = (FOREIGN, SECRET)
_SETTINGS = "django.conf.settings"
_SIGNERS = {
    "django.core.signing.Signer": "key", "django.core.signing.TimestampSigner": "key",
    "django.core.signing.dumps": "key", "django.core.signing.loads": "key",
    "django.utils.crypto.salted_hmac": "secret",
}  # fmt: skip
_SECRET_NAME = re.compile(r"(SECRET|KEY|TOKEN|PASSWORD|PASSPHRASE)")


def find(project: Project) -> Iterator[Finding]:
    """Yield reads of foreign settings, uses of the project's secret, and equal secrets."""
    reads = [(file, node, name) for file in project.files() for node in file.nodes for name in _read(file, node)]
    readers = {(file.context, name) for file, _, name in reads}
    for file, node, name in reads:
        yield from _judge(project, readers, file, node, name)
    for file in project.files():
        for call in file.calls():
            yield from _signed(file, call)
    yield from _equal(project)


def _read(file: SourceFile, node: ast.AST) -> Iterator[str]:
    """Yield the names of settings and environment variables that a node reads."""
    if isinstance(node, ast.ImportFrom) and "settings" in file.names.origin(node).split("."):
        yield from (alias.name for alias in node.names if alias.name.isupper())
    elif isinstance(node, ast.Attribute) and file.names.dotted(node.value) == _SETTINGS:
        yield node.attr
    elif isinstance(node, ast.Subscript):
        base = file.names.dotted(node.value)
        if _of_os(base) == "environ" or (base == f"{_SETTINGS}.DATABASES" and isinstance(node.value, ast.Attribute)):
            yield from file.names.texts(node.slice)
    elif isinstance(node, ast.Call):
        function = file.names.dotted(node.func)
        if function in ("getattr", "hasattr") and node.args and file.names.dotted(node.args[0]) == _SETTINGS:
            yield from file.names.texts(argument(node, 1, "name"))
        elif _of_os(function) in ("getenv", "environ.get", "environ.setdefault", "environ.pop"):
            yield from file.names.texts(argument(node, 0, "key"))


def _of_os(dotted: str) -> str | None:
    module, _, name = dotted.partition(".")
    return name if module == "os" else None


def _judge(
    project: Project, readers: set[tuple[str, str]], file: SourceFile, node: ast.AST, name: str
) -> Iterator[Finding]:
    if name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        yield SECRET.at(file, node, f"{file.module} reads the project's {name}")
    elif (other := _owner(project, name)) not in (None, file.context):
        # An app around the others gives its name to every app's settings; its own are those that it reads.
        is_around = file.module.startswith(f"{project.package_of(str(other))}.")
        if is_around and (str(other), name) not in readers:
            return
        yield FOREIGN.at(file, node, f"{file.module} reads {name}, a setting of {other}", other=str(other))


def _signed(file: SourceFile, call: ast.Call) -> Iterator[Finding]:
    dotted = file.names.dotted(call.func)
    is_bare = dotted in _SIGNERS and keyword(call, _SIGNERS[dotted]) is None and not _positional_key(dotted, call)
    is_cookie = isinstance(call.func, ast.Attribute) and call.func.attr in ("set_signed_cookie", "get_signed_cookie")
    if is_bare or is_cookie or dotted.startswith("django.contrib.auth.tokens."):
        yield SECRET.at(file, call, f"{file.module} signs with the project's SECRET_KEY")


def _positional_key(dotted: str, call: ast.Call) -> bool:
    return dotted.endswith(("dumps", "loads")) and len(call.args) > 1


def _owner(project: Project, name: str) -> str | None:
    """Return the context whose label a setting's name is, or begins with; Django's own settings are nobody's."""
    if hasattr(global_settings, name):
        return None
    for context in project.contexts:
        if any(name in (label, label.upper()) or name.startswith(f"{label.upper()}_") for label in context.labels):
            return context.name
    return project.context_of_label(name.split("_", 1)[0].lower())


def _equal(project: Project) -> Iterator[Finding]:
    seen: dict[str, tuple[str, str]] = {}
    for name in sorted(dir(settings)):
        owner = _owner(project, name) if name.isupper() and _SECRET_NAME.search(name) else None
        value = getattr(settings, name) if owner else None
        if owner is None or not isinstance(value, str) or len(value) < 8:
            continue
        first = seen.setdefault(value, (name, owner))
        if first[1] != owner:
            path, line = _where(name)
            yield Finding(
                path=path, line=line, rule_id=SECRET.id, context=owner, other=first[1],
                what=f"settings.{name} and settings.{first[0]} hold one secret",
            )  # fmt: skip


def _where(name: str) -> tuple[Path, int]:
    """Return the settings module that assigns a name: the one Django was given, or one that it imports."""
    given = settings.SETTINGS_MODULE or ""
    near = given.rpartition(".")[0] or given
    loaded = [given, *sorted(module for module in sys.modules if module.startswith(f"{near}."))]
    for module in loaded:
        path = Path(getattr(sys.modules.get(module), "__file__", None) or "")
        lines = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".py" else []
        for number, text in enumerate(lines, start=1):
            if re.match(rf"{name}\b", text):
                return path, number
    return Path(getattr(sys.modules.get(given), "__file__", None) or "settings.py"), 1
