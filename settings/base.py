"""Settings that hold in every role; the environment decides the rest."""

from importlib import import_module
from pathlib import Path
from typing import Any

import environ

from .contexts import CONTEXTS
from .environment import ROOT, env
from .roles import port_of

BASE_DIR = ROOT
DEBUG = env.debug
SECRET_KEY = env.secret_key
ALLOWED_HOSTS = list(env.allowed_hosts)

FISSILE: dict[str, Any] = {
    "role": env.role,
    "contexts": env.contexts,
    "packages": {name: row["package"] for name, row in CONTEXTS.items()},
    "addresses": env.topology,
    "tier": env.tier,
    "broker_urls": env.broker_urls,
    "outbox_limits": env.outbox_limits,
    "state_dir": env.state_dir,
    "keys_dir": env.keys_dir,
    "traces_file": env.traces_file,
    "process_name": env.process_name,
    "log_level": env.log_level,
    "guard": {**env.boundary_guard, "sample": env.boundary_guard_sample},
    "port": port_of(env.role),
    # Where `manage.py prove` finds the shop's proofs; not shipped with a service.
    "proofs": "tests.proofs",
    # What the scaffold commands leave for a person to run: the map is generated.
    "scaffold": {"then": ("python -m tests.architecture.house_map --write",)},
}

INSTALLED_APPS = [
    "fissile",
    "fissile.gate",
    *(CONTEXTS[name]["package"] for name in env.contexts),
    "fissile.console.apps.OperationsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "fissile.watch.middleware.Watched",
    "fissile.edge.api.middleware.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "settings.urls"
WSGI_APPLICATION = "settings.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def database(url: str) -> dict[str, Any]:
    """Return Django's settings for one alias: SQLite in WAL with IMMEDIATE writes, or PostgreSQL."""
    settings: dict[str, Any] = dict(environ.Env.db_url_config(url))
    # Without this the empty default makes Django call the aliases a circle.
    settings["TEST"] = {"DEPENDENCIES": []}
    if settings["ENGINE"].endswith("sqlite3"):
        Path(settings["NAME"]).parent.mkdir(parents=True, exist_ok=True)
        # A deferred transaction that upgrades to a write fails at once with
        # "database is locked"; IMMEDIATE waits its turn for up to `timeout` seconds.
        settings["OPTIONS"] = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON",
        }
        settings["CONN_MAX_AGE"] = None
    else:
        settings["CONN_MAX_AGE"] = 300
        settings["CONN_HEALTH_CHECKS"] = True
        settings["OPTIONS"] = {
            "connect_timeout": 2,
            "tcp_user_timeout": 8000,
            # Waiting for somebody's lock ends first: that is nobody's fault, and costs a message no attempt.
            "options": "-c lock_timeout=10000 -c statement_timeout=15000 -c idle_in_transaction_session_timeout=30000",
        }
    return settings


# An empty default makes a forgotten alias loud: it raises ImproperlyConfigured.
DATABASES: dict[str, dict[str, Any]] = {
    "default": {},
    **{alias: database(url) for alias, url in env.database_urls.items()},
}
DATABASE_ROUTERS = ["fissile.data.ownership.ContextRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# One cookie name per role: the split consoles share a host name.
SESSION_COOKIE_NAME = f"operations-{env.role.replace(',', '-')}"
CSRF_COOKIE_NAME = f"operations-csrf-{env.role.replace(',', '-')}"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
LOGIN_URL = "/admin/login/"

# 64 KiB bodies at the public API; a little above it here, so that its own limit answers.
DATA_UPLOAD_MAX_MEMORY_SIZE = 128 * 1024
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = "settings.formats"

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# The library sets logs up; Django's own configuration would fight it.
LOGGING_CONFIG = None

_api = import_module("fissile.edge.api.settings")
REST_FRAMEWORK = _api.REST_FRAMEWORK
SPECTACULAR_SETTINGS = _api.SPECTACULAR_SETTINGS
