"""The three files of docs/howto/start-in-your-project.md, with the wheel and nothing of the shop: an order arrives."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import urllib3

from deploy.local.ends_with_parent import end_with_parent
from deploy.local.house import HOST
from fissile.testing.processes import Processes
from tests.house import free_base
from tests.pages.examples import HOWTO, files_of
from tests.wheel import build_wheel, python_with

PAGE = HOWTO / "start-in-your-project.md"
SHOP = ("apps", "bff_app", "gateway_app", "settings", "deploy", "fissile_tests")
ARRIVES_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class Stranger:
    """A project in a folder, its Python, and the port on which it is served."""

    folder: Path
    python: Path
    port: int
    name: str = "stranger"

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of ours but the way to programs; what pytest has set for the shop is set for the project."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": "",
            "DJANGO_SETTINGS_MODULE": "manage",
            "PYTHONUNBUFFERED": "1",
            # A module that is written again in the same second, in the same length, is not read anew from a cache.
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @property
    def argv(self) -> tuple[str, ...]:
        """Serve, relay and consume."""
        return (str(self.python), "manage.py", "runserver", "--noreload", f"{HOST}:{self.port}")

    @property
    def ready_url(self) -> str:
        """An address that answers once it serves."""
        return f"http://{HOST}:{self.port}/letters"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the project's Python in its folder."""
        return subprocess.run(
            [str(self.python), *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def manage(self, *words: str) -> str:
        """Run a management command, which must succeed; return what it printed."""
        done = self.run("manage.py", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """The page's files in an empty folder, with the wheel alone."""
    root = tmp_path_factory.mktemp("stranger")
    folder = root / "project"
    for name, source in files_of(PAGE).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return Stranger(folder, python_with(build_wheel(root), root / "venv"), free_base())


@pytest.fixture(scope="module")
def prepared(stranger):
    """The project with its tables, by the page's commands."""
    stranger.manage("makemigrations", "shop")
    stranger.manage("prepare")
    return stranger


def rows(stranger, query):
    """What the project's database says."""
    with closing(sqlite3.connect(stranger.folder / "shop.sqlite3")) as database:
        return database.execute(query).fetchall()


def test_the_page_shows_three_files_and_a_test():
    assert list(files_of(PAGE)) == ["manage.py", "shop/context.py", "shop/models.py", "test_shop.py"]


def test_the_library_is_the_wheels_and_nothing_of_the_shop_is_there(stranger):
    found = stranger.run(
        "-c",
        "import fissile, importlib.util as u, json; "
        f"print(json.dumps([fissile.__file__, [name for name in {SHOP!r} if u.find_spec(name)]]))",
    )

    place, strangers = json.loads(found.stdout)
    assert Path(place).is_relative_to(stranger.python.parents[1])
    assert strangers == []


def test_an_order_goes_through_outbox_relay_and_inbox_and_its_letter_is_written_once(prepared, tmp_path):
    http = urllib3.PoolManager(retries=False, timeout=10.0)
    row = prepared

    with Processes(
        table=[row], cwd=row.folder, log_dir=tmp_path, preexec=partial(end_with_parent, os.getpid())
    ) as running:
        placed = http.request("POST", f"http://{HOST}:{row.port}/orders", fields={"sku": "tile"})
        ends = time.monotonic() + ARRIVES_WITHIN_SECONDS
        while not (letters := http.request("GET", row.ready_url).json()["letters"]) and time.monotonic() < ends:
            time.sleep(0.05)
        said = running.log(row.name, last=100_000)

    assert placed.status == 201, said
    assert letters == ["Your tile is on its way."], said
    assert rows(row, "SELECT type, version FROM shop_shopoutbox WHERE sent_at IS NOT NULL") == [
        ("shop.order_placed.v1", 1)
    ]
    assert rows(row, "SELECT consumer, state, reason FROM shop_shopinbox") == [("shop.shop", "applied", "handled")]


def test_its_operator_sees_outbox_and_inbox(prepared):
    assert "shop" in prepared.manage("outbox", "status")
    assert "shop.shop" in prepared.manage("inbox", "status")
    assert "Operators' database  none" in prepared.manage("topology")


def test_without_the_admins_log_nothing_is_changed_and_the_way_out_is_named(prepared):
    refused = prepared.run("manage.py", "outbox", "pause", "shop", "--reason", "stocktaking")

    assert refused.returncode == 5
    assert "add django.contrib.admin, auth and contenttypes to INSTALLED_APPS" in refused.stderr


def test_the_kit_is_in_the_wheel_and_its_test_passes(prepared):
    tests = prepared.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "fissile.testing.fixtures", "--ds", "manage"
    )

    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "1 passed" in tests.stdout


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('del FISSILE["state_dir"]', 'FISSILE["state_dir"] is missing: a folder for keys'),
        ('FISSILE["brokers"] = {}', 'FISSILE["brokers"] is not known; there are addresses, broker_urls'),
        ('del DATABASES["shop"]', 'DATABASES["shop"] is missing: each context has a database of its own'),
        ("DATABASE_ROUTERS = []", 'DATABASE_ROUTERS has no "fissile.data.ownership.ContextRouter"'),
        ('FISSILE["tier"] = "real"', 'FISSILE["broker_urls"]["shop"] is missing: the broker\'s address'),
        ("del FISSILE", 'FISSILE["packages"] is missing: every context by its name'),
    ],
)
def test_what_is_missing_in_the_settings_is_named_in_a_sentence(stranger, line, sentence):
    settings = stranger.folder / "changed.py"
    settings.write_text(f"from manage import *\n{line}\n", encoding="utf-8")

    refused = stranger.run("manage.py", "check", "--settings", "changed")

    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
