"""How every web process of the local house serves Django: one worker of eight threads, logs to stdout.

On SIGTERM: readiness off, one probe interval's wait, then no new connections, requests in hand finished, exit (T45).
May touch: gunicorn's settings. The address comes as --bind from the table in house.py.
"""

import logging
import signal
import time

from gunicorn.glogging import Logger

from deploy.local.ends_with_parent import end_with_parent
from fissile.watch import drain, logs, tracing
from settings.environment import env

worker_class = "gthread"
workers = 1
threads = 8
# Longer than the gateway keeps an idle connection (aiohttp: 15 s): else a POST may meet a socket just closed.
keepalive = 20
# The most gunicorn takes, and twice what the gateway lets through: past it gunicorn
# answers by itself, in HTML.
limit_request_line = 8190
# Below the supervisor's 30 s, so that a stuck request is cut by the server and named in its log.
graceful_timeout = 15
timeout = 60
control_socket_disable = True
accesslog = None
loglevel = "warning"

# Whoever routes here asks /readyz once a second; one answer "draining" is heard before connections are refused.
DRAIN_SECONDS = 1.0
# Ignored by default, so it cannot hurt a worker that is still loading; gunicorn gives it no meaning.
DRAIN_SIGNAL = signal.SIGURG


class logger_class(Logger):
    """Sends gunicorn's own lines to the process's JSON log."""

    def setup(self, cfg):
        """Let the root logger write; keep no handler here."""
        for one in (self.error_log, self.access_log):
            one.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.getLevelName(cfg.loglevel.upper()))
        logs.setup(env.process_name, env.log_level)


def when_ready(server):
    """Make a graceful stop of the master begin with its workers' readiness."""
    stop = server.stop

    def drain_then_stop(graceful=True):
        if graceful and server.WORKERS:
            server.kill_workers(DRAIN_SIGNAL)
            time.sleep(DRAIN_SECONDS)
        stop(graceful)

    server.stop = drain_then_stop


def post_fork(server, worker):
    """Let the worker die with its master, however the master died."""
    end_with_parent(worker.ppid)


def post_worker_init(worker):
    """Listen for the drain signal; Django is loaded and tracing set up by now."""
    signal.signal(DRAIN_SIGNAL, lambda *_: drain.begin())
    signal.siginterrupt(DRAIN_SIGNAL, False)


def worker_exit(server, worker):
    """Write the last spans."""
    tracing.shutdown()
