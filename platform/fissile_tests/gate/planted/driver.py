"""The process that looks at a planted project: prints the gate's findings as JSON. Started in the project's folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    package = Path.cwd() / sys.argv[1]
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{package.name}.settings.local"
    sys.path[0] = str(Path.cwd())
    import django

    django.setup()
    from fissile.gate.project import Project
    from fissile.gate.rules import findings

    found = [
        (each.rule_id, each.path.resolve().relative_to(package.resolve()).as_posix(), each.line)
        for each in findings(Project.found())
    ]
    json.dump(found, sys.stdout)
