"""The project as the gate sees it: contexts, their source files parsed once, and who owns what.

May touch: the live app registry and the source. Writes nothing.
"""

from __future__ import annotations

import ast
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps

from fissile.contexts import registry
from fissile.contexts.declaration import Context

from .meanings import Meanings, model_at
from .names import Names

# Tests may reach for anything; what they tie together leaves with nobody. Nor do the files that startproject copies.
_NO_PRODUCTION = {"tests", "test", "testing", "node_modules", "__pycache__", "project_template", "app_template"}
# A factory.py may be production; one with this import makes rows for tests.
_FACTORY_BOY = re.compile(r"^(?:import|from) factory\b", re.MULTILINE)
_CONFIG = re.compile(r"^class \w+\(.*AppConfig", re.MULTILINE)

# Where the loaders of Django's two engines look.
TEMPLATE_FOLDERS = frozenset({"templates", "jinja2"})


@dataclass(frozen=True)
class SourceFile:
    """One Python file of a context; parsed when first asked."""

    path: Path
    module: str  # dotted, such as apps.orders.adapters.users
    context: str
    room: str  # the path below the context's package, such as adapters/users.py
    # The texts of a dotted name that another module binds.
    elsewhere: Callable[[str], list[str]] = field(default=lambda dotted: [], compare=False, repr=False)

    @cached_property
    def text(self) -> str:
        """The source; undecodable bytes are replaced."""
        return self.path.read_text(encoding="utf-8", errors="replace")

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed source; empty for a file that does not parse."""
        try:
            return ast.parse(self.text, filename=str(self.path))
        except (SyntaxError, ValueError):
            return ast.Module(body=[], type_ignores=[])

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree, walked once for all checks."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def names(self) -> Names:
        """What the file's names refer to."""
        return Names(self.module, self.nodes, is_package=self.path.name == "__init__.py", elsewhere=self.elsewhere)

    @cached_property
    def meanings(self) -> Meanings:
        """Which rows and queries its expressions are."""
        return Meanings(self.names)

    @property
    def is_migration(self) -> bool:
        """True for a file of a migrations folder."""
        return "migrations" in self.room.split("/")[:-1]

    def calls(self) -> Iterator[ast.Call]:
        """Yield every call in the file."""
        yield from self._calls

    @cached_property
    def _calls(self) -> tuple[ast.Call, ...]:
        return tuple(node for node in self.nodes if isinstance(node, ast.Call))


@dataclass(frozen=True, kw_only=True)
class GateContext:
    """One context under the gate. `declaration` is None in a project that declares nothing."""

    name: str
    package: str  # dotted, such as apps.orders
    root: Path
    labels: frozenset[str]  # app labels of its models
    declaration: Context | None = None
    # Packages of other apps that lie inside this one's folder, installed or not.
    without: frozenset[str] = frozenset()

    @cached_property
    def files(self) -> tuple[SourceFile, ...]:
        """Its Python files without tests, sorted by path; migrations are among them."""
        found = []
        for path in self.paths("*.py"):
            room = path.relative_to(self.root)
            parts = [self.package, *room.with_suffix("").parts]
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(SourceFile(path, module, self.name, room.as_posix(), self._texts_of))
        return tuple(found)

    @cached_property
    def by_module(self) -> dict[str, SourceFile]:
        """Dotted module → file."""
        return {file.module: file for file in self.files}

    def _texts_of(self, dotted: str) -> list[str]:
        owner, _, name = dotted.rpartition(".")
        if name == "db_table" and (model := model_at(owner.removesuffix("._meta"))) is not None:
            return [str(model._meta.db_table)]
        made = self.by_module.get(owner)
        return made.names.global_texts(name) if made else []

    @cached_property
    def templates(self) -> tuple[Path, ...]:
        """Its template files, sorted."""
        return tuple(
            path
            for path in self.paths("*")
            if TEMPLATE_FOLDERS.intersection(path.relative_to(self.root).parts[:-1]) and path.is_file()
        )

    def paths(self, pattern: str) -> Iterator[Path]:
        """Yield the files below its package that are no tests and no other context's, sorted."""
        inner = tuple(tuple(other.removeprefix(f"{self.package}.").split(".")) for other in self.without)
        for path in sorted(self.root.rglob(pattern)):
            room = path.relative_to(self.root)
            is_test = room.name.startswith(("test_", "conftest")) or room.name in ("tests.py", "factories.py")
            is_test = is_test or (room.name == "factory.py" and _is_of_factory_boy(path))
            is_others = any(room.parts[: len(parts)] == parts for parts in inner)
            if not is_test and not is_others and not _NO_PRODUCTION.intersection(room.parts[:-1]):
                yield path


@dataclass(frozen=True, kw_only=True)
class Project:
    """Everything a check may ask."""

    contexts: tuple[GateContext, ...]
    root: Path
    # First-party apps that belong to no context, where contexts are declared.
    strays: tuple[AppConfig, ...] = ()

    @classmethod
    def found(cls, only: Iterable[str] = ()) -> Project:
        """Return the project of this process: declared contexts if there are any, else its apps."""
        return cls.from_registry() if registry.installed() else cls.from_apps(only)

    @classmethod
    def from_registry(cls) -> Project:
        """Return the contexts that are installed in this process, as declared."""
        configs = list(apps.get_app_configs())
        made = []
        for declared in registry.installed():
            root = _folder(declared.package)
            ours = [config for config in configs if _is_within(config.name, declared.package)]
            labels = frozenset({declared.name, *(config.label for config in ours)})
            context = GateContext(
                name=declared.name, package=declared.package, root=root, labels=labels, declaration=declared
            )
            made.append(context)
        project = cls(contexts=tuple(made), root=_common([context.root for context in made]))
        strays = tuple(c for c in _first_party(configs) if project.context_of_module(c.name) is None)
        return cls(contexts=project.contexts, root=project.root, strays=strays)

    @classmethod
    def from_apps(cls, only: Iterable[str] = ()) -> Project:
        """Return a project that declares nothing: every app of its own is a context.

        `only`: prefixes of app names to take instead of what lies outside site-packages.
        """
        prefixes = tuple(only)
        configs = list(apps.get_app_configs())
        chosen = [c for c in configs if any(_is_within(c.name, p) for p in prefixes)] if prefixes else []
        chosen = chosen if prefixes else _first_party(configs)
        packages = frozenset(config.name for config in chosen)
        made = [
            GateContext(
                name=config.label,
                package=config.name,
                root=Path(config.path).resolve(),
                labels=frozenset({config.label}),
                without=_inner(config, packages),
            )
            for config in chosen
        ]
        return cls(contexts=tuple(made), root=_common([context.root for context in made]))

    @property
    def is_declared(self) -> bool:
        """True if contexts declare themselves; else apps stand in for them."""
        return any(context.declaration for context in self.contexts)

    def files(self) -> Iterator[SourceFile]:
        """Yield every file of every context."""
        for context in self.contexts:
            yield from context.files

    def get(self, name: str) -> GateContext:
        """Return a context by name; raise KeyError."""
        return self._by_name[name]

    def package_of(self, name: str) -> str | None:
        """Return the package of a context, or None for one that is not installed here."""
        return self._by_name[name].package if name in self._by_name else None

    def context_of_module(self, module: str) -> str | None:
        """Return the context that holds a dotted module, the longest package winning, or None."""
        parts = module.split(".")
        for length in range(len(parts), 0, -1):
            if (found := self._by_package.get(".".join(parts[:length]))) is not None:
                return found
        return None

    def context_of_label(self, label: str) -> str | None:
        """Return the context that owns an app label, or None."""
        return self._by_label.get(label)

    def context_of_model(self, label: str) -> str | None:
        """Return the context that owns `app_label` or `app_label.Model`, or None."""
        return self._by_label.get(label.split(".", 1)[0])

    def context_of(self, model: Any) -> str | None:
        """Return the context that owns a model class, or None."""
        return self._by_label.get(model._meta.app_label)

    def models(self) -> Iterator[tuple[str, Any]]:
        """Yield (context, model) for every model of every context, auto-created ones too."""
        for model in apps.get_models(include_auto_created=True):
            if (context := self.context_of(model)) is not None:
                yield context, model

    @cached_property
    def tables(self) -> dict[str, str]:
        """db_table in lower case → context, auto-created M2M tables among them."""
        return {
            plain_table(model._meta.db_table): context
            for context, model in self.models()
            if not model._meta.proxy and model._meta.managed
        }

    @cached_property
    def by_module(self) -> dict[str, SourceFile]:
        """Dotted module → file."""
        return {module: file for context in self.contexts for module, file in context.by_module.items()}

    @cached_property
    def _by_name(self) -> dict[str, GateContext]:
        return {context.name: context for context in self.contexts}

    @cached_property
    def _by_package(self) -> dict[str, str]:
        return {context.package: context.name for context in self.contexts} | self._absent("package")

    @cached_property
    def _by_label(self) -> dict[str, str]:
        return {label: context.name for context in self.contexts for label in context.labels} | self._absent("name")

    def _absent(self, what: str) -> dict[str, str]:
        # A neighbour that is not installed here is a neighbour all the same.
        if not self.is_declared:
            return {}
        return {
            {"package": package, "name": name}[what]: name
            for name, package in registry.packages().items()
            if not registry.is_near(name)
        }


def _is_of_factory_boy(path: Path) -> bool:
    return _FACTORY_BOY.search(path.read_text(encoding="utf-8", errors="replace")) is not None


def plain_table(name: str) -> str:
    """Return a table's name without quotes, schema and capitals."""
    return name.replace('"', "").rpartition(".")[2].lower()


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is in the table of contexts and no package")
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _first_party(configs: list[AppConfig]) -> list[AppConfig]:
    elsewhere = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]
    # The library itself, where it is installed editable.
    elsewhere.append(Path(__file__).resolve().parents[1])
    elsewhere += [Path(entry).resolve() for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    return [c for c in configs if not any(Path(c.path).resolve().is_relative_to(folder) for folder in elsewhere)]


def _inner(config: AppConfig, installed: frozenset[str]) -> frozenset[str]:
    """Return the packages of the apps in an app's folder: an app that is not installed ties nobody."""
    root = Path(config.path).resolve()
    absent = {
        ".".join((config.name, *path.parent.relative_to(root).parts))
        for path in root.rglob("apps.py")
        if path.parent != root and _CONFIG.search(path.read_text(encoding="utf-8", errors="replace"))
    }
    return frozenset(other for other in installed | absent if other.startswith(f"{config.name}."))


def _common(roots: list[Path]) -> Path:
    cwd = Path.cwd().resolve()
    if not roots or all(root.is_relative_to(cwd) for root in roots):
        return cwd
    parts = [root.parts for root in roots]
    shared = next((n for n, column in enumerate(zip(*parts, strict=False)) if len(set(column)) > 1), None)
    return Path(*parts[0][: shared if shared is not None else len(parts[0]) - 1])
