"""The shop's gateway, wired from the environment: `python -m gateway_app`. No Django, no context's code."""

import logging

from fissile import trust
from fissile.edge.gateway import Gateway
from fissile.trust.keys import ACCESS, UnusableKeyError, parse_set, public_path
from fissile.watch import logs, tracing
from settings.environment import env

from .routes import TABLE


def _keys() -> str | None:
    """Say what is wrong with the keys that tokens are verified with; None if nothing is."""
    path = public_path(env.keys_dir, ACCESS)
    try:
        found = parse_set(path.read_bytes())
    except (OSError, UnusableKeyError):
        found = {}
    return None if found else f"there are no usable keys in {path.name}; run: manage.py keys ensure"


def _one_log() -> None:
    """Send the server's own lines the way of all others: uvicorn brings handlers of its own."""
    logs.setup(env.process_name, env.log_level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


_one_log()
tracing.setup(env.process_name, env.traces_file)
trust.configure(keys_dir=env.keys_dir)

application = Gateway(
    TABLE,
    env.topology,
    verify=trust.verify_access,
    checks={"keys": _keys},
    name=env.process_name,
    # A server that ends by its signal runs no atexit: the last spans are written here.
    on_close=tracing.shutdown,
)
