"""`startcontext`: a new bounded context that runs in every cut, or takes one out again."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import CommandParser

from fissile.contexts import registry
from fissile.management.scaffolding import ScaffoldCommand, Told
from fissile.scaffold import context as contexts
from fissile.scaffold import removal
from fissile.scaffold.draft import Draft
from fissile.scaffold.layout import Layout
from fissile.scaffold.names import advice, ensure_context_name


class Command(ScaffoldCommand):
    """Make the folder, register it in the table of contexts and in the import rules; a second run changes nothing."""

    help = (
        "Makes a bounded context. Examples: startcontext billing · startcontext billing --dry-run · "
        "startcontext billing --remove. See also: startevent, startconsumer, startport, startprojection."
    )
    spoken = "startcontext"

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name, and whether to remove."""
        parser.add_argument("name", help="one lower-case word: label, database alias, queue prefix and role in one")
        parser.add_argument("--port", type=int, help="of its web process in the split topology; default: the next free")
        parser.add_argument("--purpose", default="", help="the README's first sentence: what the context decides")
        parser.add_argument("--remove", action="store_true", help="take it out again; refused if others build on it")
        parser.add_argument("--force", action="store_true", help="with --remove: also files that no commit holds")
        super().add_arguments(parser)

    def plan(self, draft: Draft, project: Layout, **options: Any) -> Told:
        """Plan the folder and its registration, or the way back."""
        name: str = options["name"]
        labels = {config.label for config in apps.get_app_configs()} - set(project.packages)
        ensure_context_name(name, labels=labels)
        if options["remove"]:
            return _removed(draft, project, name, is_sure=options["force"])
        wanted = contexts.wanted(draft, project, name, options["port"])
        data = {"context": name, "package": wanted.package, "alias": name, "port": wanted.port}
        contexts.start(draft, project, wanted, options["purpose"])
        warnings = [advised] if (advised := advice(name)) else []
        if not draft.exists(project.import_rules):
            warnings.append(f"{project.import_rules} is not there: no import rule keeps {name} apart from the others")
        published = next((len(one.publishes) for one in registry.installed() if one.name == name), 0)
        line = f"{name}: registered, database alias {name}, events {published}, port {wanted.port}"
        return Told(
            line,
            {**data, "events": published},
            warnings=warnings,
            next=[f"manage.py startevent {name}.<thing>_<participle>"],
        )


def _removed(draft: Draft, project: Layout, name: str, *, is_sure: bool) -> Told:
    lost = removal.remove(draft, project, name, is_sure=is_sure)
    at = settings.DATABASES.get(name, {}).get("NAME")
    stays = [f"its database and queues stay until you drop them: {at}"] if at else []
    gone = [f"no commit holds what was removed here: {', '.join(lost)}"] if lost else []
    line = f"{name}: removed" if draft.statuses() else f"{name}: not there"
    return Told(line, {"context": name, "lost": lost}, warnings=[*gone, *stays])
