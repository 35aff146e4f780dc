"""Where a project keeps what the scaffolds add to: contexts, the table of contexts, the import rules.

May touch: nothing; the commands fill it in from settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import NoSuchPart


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A project's layout. `packages` is the live table: every context's dotted package by name.

    `then`: commands of the project that draw again what is derived from contexts.
    """

    root: Path
    apps: str = "apps"
    contexts: str = "settings/contexts.py"
    import_rules: str = ".importlinter"
    packages: Mapping[str, str] = field(default_factory=dict)
    then: tuple[str, ...] = ()

    @property
    def apps_package(self) -> str:
        """The folder of contexts as a dotted package."""
        return self.apps.replace("/", ".")

    def own_packages(self) -> frozenset[str]:
        """Return the top-level names that import sorting takes for the project's own."""
        folders = (self.root, self.root / "platform")
        found = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
        return frozenset({"fissile", *found, *(package.split(".", 1)[0] for package in self.packages.values())})

    def package_of(self, context: str) -> str:
        """Return a context's dotted package; raise NoSuchPart."""
        try:
            return self.packages[context]
        except KeyError:
            raise NoSuchPart(
                f"There is no context {context}; there are {', '.join(self.packages) or 'none'}.",
                where=self.contexts,
                fix=f"startcontext {context}",
            ) from None

    def folder_of(self, context: str) -> str:
        """Return a context's folder, relative to the root; raise NoSuchPart."""
        return self.package_of(context).replace(".", "/")
