"""The scaffolds' text: files beside this module, with `$name` in the places of names. May touch: those files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent / "templates"
_SUFFIX = "-tpl"


def rendered(name: str, words: Mapping[str, str]) -> str:
    """Return one template with its words filled in; raise KeyError for a word that is missing."""
    return Template((FOLDER / f"{name}{_SUFFIX}").read_text(encoding="utf-8")).substitute(words)


def rendered_folder(name: str, words: Mapping[str, str]) -> dict[str, str]:
    """Return every template below a folder, by the path it shall have there."""
    found = sorted((FOLDER / name).rglob(f"*{_SUFFIX}"))
    paths = {path.relative_to(FOLDER / name).as_posix().removesuffix(_SUFFIX): path for path in found}
    return {
        inside: rendered(path.relative_to(FOLDER).as_posix().removesuffix(_SUFFIX), words)
        for inside, path in paths.items()
    }
