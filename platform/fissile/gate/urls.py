"""Addresses and templates of another context: reversing, including, rendering."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from .findings import Finding, Rule
from .names import argument, keyword
from .project import TEMPLATE_FOLDERS, GateContext, Project, SourceFile
from .templates import lines_of

REVERSED = Rule(
    id="BND060",
    title="URL of another context reversed",
    why="Its routes are not in this process after a cut, and reverse() raises.",
    fix="build the link from a setting or from what the owner's event or contract carries",
)
TEMPLATE = Rule(
    id="BND061",
    title="template or tag library of another context used",
    why="They stay behind when the context leaves.",
    fix="copy the template, or move the shared frame out of all contexts",
)
INCLUDED = Rule(
    id="BND062",
    title="URLs of another context included",
    why="Only the project's root may know all contexts' routes.",
    fix="include both from the project's urls.py",
)
RULES = (REVERSED, TEMPLATE, INCLUDED)

# Function → the name of its first argument.
_REVERSERS = {
    "django.urls.reverse": "viewname", "django.urls.reverse_lazy": "viewname", "django.urls.base.reverse": "viewname",
    "django.shortcuts.redirect": "to", "django.shortcuts.resolve_url": "to",
    "rest_framework.reverse.reverse": "viewname", "rest_framework.reverse.reverse_lazy": "viewname",
}  # fmt: skip
# Options of views, decorators and serializer fields that are names of routes.
_OPTIONS = {"pattern_name", "login_url", "view_name", "viewname"}
_URL_TAG = re.compile(r"""(?:\{%-?\s*url\s+|\burl\(\s*)["']([^"']+)["']""")
_TEMPLATE_TAG = re.compile(r"""\{%-?\s*(?:extends|include|import|from)\s+["']([^"']+)["']""")
_LOAD_TAG = re.compile(r"\{%-?\s*load\s+(?:[\w\s]+\sfrom\s+)?([\w\s.]+?)\s*-?%\}")


class _Owners:
    """Who owns namespaces, route names and templates."""

    def __init__(self, project: Project) -> None:
        self.routes: dict[str, set[str]] = defaultdict(set)
        self.templates: dict[str, set[str]] = defaultdict(set)
        self.libraries: dict[str, set[str]] = defaultdict(set)
        # By context: names that its files give to routes, and beginnings of those that its routers make.
        self.own: dict[str, set[str]] = defaultdict(set)
        self.made: dict[str, set[str]] = defaultdict(set)
        for context in project.contexts:
            for path in context.templates:
                self.templates[template_name(path)].add(context.name)
            for file in context.files:
                if file.room.startswith("templatetags/"):
                    self.libraries[file.path.stem].add(context.name)
                self._read(context.name, file)

    def _read(self, context: str, file: SourceFile) -> None:
        is_routes = file.path.stem.startswith("urls") or "/urls/" in f"/{file.room}"
        if is_routes and (space := next(iter(file.names.global_texts("app_name")), None)) is not None:
            self.routes[f"{space}:"].add(context)
            return  # its names are only reachable through the namespace
        for call in file.calls():
            called = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if called in ("path", "re_path", "url") and (text := file.names.text(keyword(call, "name"))) is not None:
                self.own[context].add(text)
                if is_routes:
                    self.routes[text].add(context)
            elif called == "register" and (text := file.names.text(argument(call, 2, "basename"))) is not None:
                self.made[context].add(f"{text}-")

    def of_route(self, name: str, context: str) -> set[str]:
        """Return the owners of a name that `context` reverses; empty if nobody in the project has it.

        Routes without a namespace of their own may be included under another's: `shop:basket` may be one's own.
        """
        space, _, _ = name.partition(":")
        found = self.routes.get(f"{space}:" if ":" in name else name, set())
        last = name.rpartition(":")[2]
        is_own = last in self.own[context] or any(last.startswith(made) for made in self.made[context])
        return {context} if found and is_own else found


def find(project: Project) -> Iterator[Finding]:
    """Yield uses in Python and in templates."""
    owners = _Owners(project)
    for context in project.contexts:
        for file in context.files:
            for call in file.calls():
                yield from _call(project, owners, file, call)
            for node in file.nodes:
                # By whatever function or attribute: a string that is a template's name is nothing else.
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in owners.templates:
                    yield from _template(owners, file, node, node.value)
                elif isinstance(node, ast.keyword | ast.Assign) and _name(node) in _OPTIONS:
                    yield from _route(owners, file, node, file.names.text(node.value) or "")
        for path in context.templates:
            yield from _in_template(owners, context, path)


def template_name(path: Path) -> str:
    """Return the name a loader finds a template by: what follows the last folder of templates."""
    parts = path.parts
    last = max(at for at, part in enumerate(parts) if part in TEMPLATE_FOLDERS)
    return "/".join(parts[last + 1 :])


def _call(project: Project, owners: _Owners, file: SourceFile, call: ast.Call) -> Iterator[Finding]:
    dotted = file.names.dotted(call.func)
    if dotted in _REVERSERS:
        name = file.names.text(argument(call, 0, _REVERSERS[dotted])) or ""
        yield from _route(owners, file, call, name)
    elif dotted == "django.urls.include" and call.args:
        target = call.args[0].elts[0] if isinstance(call.args[0], ast.Tuple) and call.args[0].elts else call.args[0]
        module = file.names.text(target) or file.names.dotted(target)
        other = project.context_of_module(module)
        if other not in (None, file.context):
            yield INCLUDED.at(file, call, f"{file.module} includes {module}", other=str(other))


def _name(node: ast.keyword | ast.Assign) -> str | None:
    return node.arg if isinstance(node, ast.keyword) else getattr(node.targets[0], "id", None)


def _route(owners: _Owners, file: SourceFile, where: ast.AST, name: str) -> Iterator[Finding]:
    found = owners.of_route(name, file.context)
    if found and file.context not in found:
        yield REVERSED.at(file, where, f"{file.module} reverses {name}, a route of {min(found)}", other=min(found))


def _template(owners: _Owners, file: SourceFile, where: ast.AST, name: str) -> Iterator[Finding]:
    found = owners.templates.get(name, set())
    if found and file.context not in found:
        yield TEMPLATE.at(file, where, f"{file.module} renders {name}, a template of {min(found)}", other=min(found))


def _in_template(owners: _Owners, context: GateContext, path: Path) -> Iterator[Finding]:
    for number, line in lines_of(path):
        used = [
            *((REVERSED, name, owners.of_route(name, context.name)) for name in _URL_TAG.findall(line)),
            *((TEMPLATE, name, owners.templates.get(name, set())) for name in _TEMPLATE_TAG.findall(line)),
            *(
                (TEMPLATE, name, owners.libraries.get(name, set()))
                for names in _LOAD_TAG.findall(line)
                for name in names.split()
            ),
        ]
        for rule, name, found in used:
            if found and context.name not in found:
                yield Finding(
                    path=path, line=number, rule_id=rule.id, context=context.name, other=min(found),
                    what=f"{template_name(path)} uses {name} of {min(found)}",
                )  # fmt: skip
