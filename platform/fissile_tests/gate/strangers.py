"""A stranger's project in a folder: three apps, one settings line for the gate, and its manage.py run for real."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SETTINGS = """
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "shop.library", "shop.loans", "billing"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
INSTALLED_APPS += ["fissile.gate"]
"""
# One import and one foreign key from loans to library; billing is tied to nobody.
FILES = {
    "settings.py": SETTINGS,
    "shop/__init__.py": "",
    "shop/library/__init__.py": "",
    "shop/library/models.py": """
from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=9)
""",
    "shop/loans/__init__.py": "",
    "shop/loans/models.py": """
from django.db import models
from shop.library.models import Book


class Loan(models.Model):
    book = models.ForeignKey(Book, on_delete=models.CASCADE)
""",
    "billing/__init__.py": "",
    "billing/models.py": "from django.db import models",
    "manage.py": """
import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
try:
    execute_from_command_line(sys.argv)
finally:
    loaded = sorted({name.split(".")[0] for name in sys.modules})
    open("loaded.txt", "w").write(" ".join(loaded))
""",
}
ANOTHER_TIE = {"shop/loans/views.py": "from shop.library import models"}


class Strangers:
    """The project; `manage` runs a command in it and returns what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.baseline = folder / "boundaries-baseline.json"
        self.write(FILES)

    def write(self, files: dict[str, str]) -> None:
        """Write files into the project."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def configure(self, line: str) -> None:
        """Add a line to the settings."""
        self.write({"settings.py": f"{SETTINGS}\n{line}\n"})

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run manage.py in the project, with an environment of its own."""
        command = [sys.executable, "-W", "error", "manage.py", *arguments]
        return subprocess.run(command, cwd=self.folder, env={"PATH": ""}, capture_output=True, text=True, check=False)

    def document(self, *arguments: str) -> dict[str, Any]:
        """Run it with --json and return the one document it printed."""
        found: dict[str, Any] = json.loads(self.manage(*arguments, "--json").stdout)
        return found

    def loaded(self) -> set[str]:
        """Return the top names of the modules that the last command had loaded."""
        return set((self.folder / "loaded.txt").read_text().split())
