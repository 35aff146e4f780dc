"""Which contexts exist, which are installed in this process, and where the others are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from .declaration import Context


class UnknownContextError(LookupError):
    """A name that is no context of this project."""


class Registry:
    """The contexts of this process. Installed means near; the rest needs an address.

    The packages of contexts that are not installed are never imported: an
    extracted service does not carry them.
    """

    def __init__(self) -> None:
        self._packages: dict[str, str] = {}
        self._installed: dict[str, Context] = {}
        self._addresses: dict[str, str] = {}

    def configure(
        self, *, packages: Mapping[str, str], installed: tuple[str, ...], addresses: Mapping[str, str]
    ) -> None:
        """Load the declarations of `installed` from the table of `packages`.

        Raise UnknownContextError for a name outside the table, and for a neighbour
        that is needed here but neither installed nor given an address.
        """
        strangers = sorted({*installed, *addresses} - set(packages))
        if strangers:
            raise UnknownContextError(
                f"No context is named {', '.join(strangers)}; the table in settings/contexts.py has "
                f"{', '.join(sorted(packages))}."
            )
        self._packages, self._addresses = dict(packages), dict(addresses)
        self._installed = {name: _declaration(packages[name]) for name in installed}
        for context in self._installed.values():
            for neighbour in context.neighbours:
                if neighbour not in self._installed and neighbour not in self._addresses:
                    raise UnknownContextError(
                        f"{context.name} asks {neighbour}, which is not installed in this process and has "
                        f"no address. Add it to ROLE, or set TOPOLOGY=\"{neighbour}=http://host:port\"."
                    )

    def installed(self) -> tuple[Context, ...]:
        """Return the contexts of this process, in the order of the role."""
        return tuple(self._installed.values())

    def names(self) -> tuple[str, ...]:
        """Return the names of every context of the project, installed or not."""
        return tuple(self._packages)

    def packages(self) -> dict[str, str]:
        """Return the package of every context of the project, installed or not."""
        return dict(self._packages)

    def get(self, name: str) -> Context:
        """Return an installed context; raise UnknownContextError."""
        try:
            return self._installed[name]
        except KeyError:
            raise UnknownContextError(
                f"{name} is not installed in this process (installed: {', '.join(self._installed) or 'none'})."
            ) from None

    def is_near(self, name: str) -> bool:
        """True if `name` is installed in this process."""
        return name in self._installed

    def address(self, name: str) -> str:
        """Return the base URL of a context that is not installed here; raise UnknownContextError."""
        try:
            return self._addresses[name]
        except KeyError:
            raise UnknownContextError(f'No address for {name}. Set TOPOLOGY="{name}=http://host:port".') from None

    def addresses(self) -> dict[str, str]:
        """Return the addresses of contexts that are not installed here."""
        return {name: url for name, url in self._addresses.items() if name not in self._installed}


def _declaration(package: str) -> Context:
    declared = import_module(f"{package}.context").CONTEXT
    if not isinstance(declared, Context):
        raise UnknownContextError(f"{package}/context.py must define CONTEXT = Context(…)")
    return declared


registry = Registry()
