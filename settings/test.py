"""Settings of the tests: every context in one process, and the library's own small context.

TIER=real runs the same tests on PostgreSQL; SQLite databases are files, so that
threads and processes of one test meet real locks.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

from .base import *  # noqa: F403
from .base import DATABASES, FISSILE, INSTALLED_APPS, database
from .environment import env

_scratch = Path(tempfile.mkdtemp(prefix="fissile-test-"))
atexit.register(shutil.rmtree, _scratch, ignore_errors=True)

FISSILE["packages"]["shoplet"] = "fissile_tests.shoplet"
FISSILE["contexts"] = (*FISSILE["contexts"], "shoplet")
FISSILE["keys_dir"] = _scratch / "keys"
FISSILE["traces_file"] = _scratch / "traces.sqlite3"
FISSILE["state_dir"] = _scratch
# On RabbitMQ this is the administrator's: the library's tests make exchanges and queues of any name.
FISSILE["broker_urls"] = {**FISSILE["broker_urls"], "shoplet": env.broker_url}
INSTALLED_APPS = [*INSTALLED_APPS, "fissile_tests.shoplet"]

# The library's context borrows the users' server and role: only its test database is ever made.
DATABASES["shoplet"] = database(env.database_urls["users"])
for _alias, _settings in DATABASES.items():
    if _settings:
        sqlite = _settings["ENGINE"].endswith("sqlite3")
        _settings["TEST"]["NAME"] = str(_scratch / f"{_alias}.sqlite3") if sqlite else f"test_{_alias}"
        _settings["CONN_MAX_AGE"] = 0

SECRET_KEY = "only-for-tests"  # noqa: S105
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
