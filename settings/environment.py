"""The only reader of os.environ: typed, frozen, all errors at once. Django-free (the gateway reads it too)."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from fissile.config import ConfigurationError, Reader, variables_of

from .contexts import CONTEXTS
from .roles import ALL, GATEWAY, contexts_of

ROOT = Path(__file__).resolve().parent.parent
BROKERS = ("amqp://", "amqps://", "sqlitebus://")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Everything a process of the shop is told from outside."""

    role: str
    contexts: tuple[str, ...]
    topology: dict[str, str]
    tier: str
    debug: bool
    state_dir: Path
    keys_dir: Path
    # Passwords stand in these; a dump of this object must not show them.
    database_urls: dict[str, str] = field(repr=False)
    # Each context's own account, and the process's own for its Celery queue.
    broker_urls: dict[str, str] = field(repr=False)
    broker_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    # So many events of a context may wait to be sent; then its writes are refused.
    outbox_limits: dict[str, int]
    allowed_hosts: tuple[str, ...]
    process_name: str
    log_level: str
    traces_file: Path
    boundary_guard: dict[str, str]
    boundary_guard_sample: float


def _secret_key(reader: Reader, keys_dir: Path, role: str) -> str:
    given = reader.text("SECRET_KEY")
    if given or role == GATEWAY:
        return given
    # Made once per role and kept beside the other keys, never in the repository.
    path = keys_dir / f"django-secret-{role.replace(',', '-')}"
    try:
        keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    except OSError as wrong:
        reader.fault("KEYS_DIR", f"is {keys_dir}, where no key can be written: {wrong}")
        return ""
    return path.read_text(encoding="utf-8")


def _database_urls(reader: Reader, state: Path, tier: str, contexts: tuple[str, ...], role: str) -> dict[str, str]:
    urls: dict[str, str] = {}
    if role == GATEWAY:
        return urls
    for alias in (*contexts, "operations"):
        name = f"{alias.upper()}_DATABASE_URL"
        file = f"operations-{role.replace(',', '-')}" if alias == "operations" else alias
        default = f"sqlite:///{state / 'embedded' / file}.sqlite3" if tier == "embedded" else ""
        urls[alias] = reader.text(name, default)
        if not urls[alias]:
            reader.fault(name, f"is not set; TIER=real needs a PostgreSQL address for {alias} (make services)")
    return urls


def _broker_url(reader: Reader, name: str, default: str, *, is_needed: bool = False) -> str:
    url = reader.text(name, default)
    if is_needed and not url:
        reader.fault(name, "is not set; TIER=real needs an amqp:// address (make services)")
    elif url and not url.startswith(BROKERS):
        # Not the value: a password stands in it.
        reader.fault(name, f"starts with none of {', '.join(BROKERS)}")
        return ""
    return url


def _boundary_guard(reader: Reader) -> dict[str, str]:
    modes = ("refuse", "report", "off")
    for_all = reader.choice("BOUNDARY_GUARD", modes, "refuse")
    kinds = ("sql", "writes", "calls")
    return {kind: reader.choice(f"BOUNDARY_GUARD_{kind.upper()}", modes, for_all) for kind in kinds}


def _outbox_limits(reader: Reader, contexts: tuple[str, ...]) -> dict[str, int]:
    for_all = reader.count("OUTBOX_LIMIT", 1_000_000)
    return {name: reader.count(f"{name.upper()}_OUTBOX_LIMIT", for_all) for name in contexts}


def read(variables: dict[str, str]) -> Environment:
    """Return the typed environment; raise ConfigurationError listing every fault."""
    reader = Reader(variables)
    role = reader.text("ROLE", ALL)
    contexts = reader.checked("ROLE", lambda: contexts_of(role), tuple(CONTEXTS))
    topology = reader.pairs("TOPOLOGY")
    for name in sorted(set(topology) - set(CONTEXTS)):
        reader.fault("TOPOLOGY", f"names {name}; the contexts are {', '.join(CONTEXTS)}")
    tier = reader.choice("TIER", ("embedded", "real"), "embedded")
    state = (ROOT / reader.text("STATE_DIR", ".run")).resolve()
    keys_dir = (ROOT / reader.text("KEYS_DIR", str(state / "keys"))).resolve()
    embedded_bus = f"sqlitebus:///{state / 'embedded' / 'bus.sqlite3'}"
    default = embedded_bus if tier == "embedded" else ""
    broker = _broker_url(reader, "BROKER_URL", default, is_needed=role != GATEWAY)
    found = Environment(
        role=role,
        contexts=contexts,
        topology=topology,
        tier=tier,
        debug=reader.flag("DEBUG"),
        state_dir=state,
        keys_dir=keys_dir,
        database_urls=_database_urls(reader, state, tier, contexts, role),
        broker_urls={name: _broker_url(reader, f"{name.upper()}_BROKER_URL", broker) for name in contexts},
        broker_url=broker,
        outbox_limits=_outbox_limits(reader, contexts),
        secret_key=_secret_key(reader, keys_dir, role),
        allowed_hosts=reader.words("ALLOWED_HOSTS", "127.0.0.1 localhost [::1]"),
        process_name=reader.text("PROCESS_NAME", f"{role}-manage"),
        log_level=reader.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
        traces_file=Path(reader.text("TRACES_FILE", str(state / "traces.sqlite3"))),
        boundary_guard=_boundary_guard(reader),
        boundary_guard_sample=reader.share("BOUNDARY_GUARD_SAMPLE", 1.0),
    )
    reader.finish()
    return found


try:
    env = read(variables_of(os.environ))
except ConfigurationError as wrong:
    raise SystemExit(str(wrong)) from None
